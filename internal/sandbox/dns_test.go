package sandbox

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func query(name string, typ uint16) []byte {
	q := []byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for label := range strings.SplitSeq(name, ".") {
		q = append(append(q, byte(len(label))), label...)
	}
	q = append(q, 0)
	q = binary.BigEndian.AppendUint16(q, typ)
	return binary.BigEndian.AppendUint16(q, classIN)
}

func testResolver() *resolver { return &resolver{names: newNames(), own: []string{"box.lan", "box"}} }

func TestAnswers(t *testing.T) {
	r := testResolver()
	for _, c := range []struct {
		name          string
		typ           uint16
		code, answers byte
	}{
		{"api.example.com", typeA, 0, 1},
		{"API.Example.com", typeAAAA, 0, 1},
		{"api.example.com", typeANY, 0, 2},
		{"api.example.com", 65, 0, 0},
		{"box", typeA, 0, 1},
		{"x.invalid", typeA, codeNoName, 0},
		{"1.0.0.127.in-addr.arpa", typePTR, 0, 1},
		{"9.9.9.9.in-addr.arpa", typePTR, codeNoName, 0},
		{"9.9.9.in-addr.arpa", typePTR, codeNoName, 0},
		{"1.0.0.127.in-addr.arpa", typeA, 0, 0},
	} {
		q := query(c.name, c.typ)
		a := r.answer(q)
		if !bytes.Equal(a[:2], q[:2]) || a[2]&0x80 == 0 || a[3]&15 != c.code || a[7] != c.answers || !bytes.Equal(a[12:len(q)], q[12:]) {
			t.Errorf("%s %d: % x", c.name, c.typ, a)
		}
	}
	want(t, "box", fmt.Sprint(r.answer(query("box", typeA))[21:]), "[192 12 0 1 0 1 0 0 0 60 0 4 127 0 0 1]")

	v4, v6, _ := r.names.addrs("api.example.com")
	want(t, "name", r.names.name(v4)+" "+r.names.name(v6), "api.example.com api.example.com")
	var labels []string
	b := v6.As16()
	for i := range 32 {
		labels = append(labels, fmt.Sprintf("%x", b[15-i/2]>>(4*(i%2))&15))
	}
	a := r.answer(query(strings.Join(labels, ".")+".ip6.arpa", typePTR))
	if !bytes.HasSuffix(a, []byte("\x03api\x07example\x03com\x00")) {
		t.Errorf("reverse: % x", a)
	}
}

func TestMalformedQueries(t *testing.T) {
	r := testResolver()
	good := query("a.example", typeA)
	for i := range good {
		r.answer(good[:i]) // cut anywhere: no panic
	}
	for what, q := range map[string][]byte{
		"an answer": append([]byte{1, 2, 0x80}, good[3:]...),
		"short":     good[:11],
	} {
		if a := r.answer(q); a != nil {
			t.Errorf("%s is answered: % x", what, a)
		}
	}
	two := bytes.Clone(good)
	two[5] = 2
	pointer := append(bytes.Clone(good[:12]), 0xc0, 12, 0, 1, 0, 1)
	dot := query("a.b", typeA)
	dot[14] = '.'
	dot = append(append(append([]byte{}, good[:12]...), 3, 'a', '.', 'b', 0), 0, 1, 0, 1)
	for what, q := range map[string][]byte{"two questions": two, "a pointer": pointer, "cut": good[:20], "a dot in a label": dot} {
		if a := r.answer(q); len(a) != 12 || a[3]&15 != codeFormat {
			t.Errorf("%s: % x", what, a)
		}
	}
	update := bytes.Clone(good)
	update[2] |= 5 << 3
	if a := r.answer(update); a[3]&15 != codeNotKnown {
		t.Errorf("an update: % x", a)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(query("api.example.com", typeA))
	f.Add(append(query("x.y", typeANY), 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0))
	f.Add(query("1.0.0.127.in-addr.arpa", typePTR))
	f.Fuzz(func(t *testing.T, q []byte) {
		a := testResolver().answer(q)
		if a == nil {
			return
		}
		if len(a) < 12 || len(a) > 1024 || !bytes.Equal(a[:2], q[:2]) {
			t.Errorf("answer % x", a)
		}
		if a[3]&15 == 0 && !bytes.HasPrefix(a[12:], q[12:12+binary.BigEndian.Uint16(a[4:])]) {
			t.Errorf("answer % x", a)
		}
	})
}

func TestNames(t *testing.T) {
	t.Parallel()
	a, b := newNames(), newNames()
	first, _, _ := a.addrs("one.example")
	b.addrs("two.example")
	again, _, _ := b.addrs("one.example")
	want(t, "address", again.String(), first.String())
	want(t, "address", first.String(), "198.19.242.69")
	seen := map[netip.Addr]bool{}
	for i := range maxNames - 1 {
		v4, v6, ok := a.addrs(fmt.Sprint(i))
		if !ok || seen[v4] || seen[v6] || !fakePrefix.Contains(v4) || !fakeULA.Contains(v6) || v4.Compare(netip.MustParseAddr("198.18.1.0")) < 0 {
			t.Fatalf("name %d: %v %v %v", i, v4, v6, ok)
		}
		seen[v4], seen[v6] = true, true
	}
	if _, _, ok := a.addrs("one more"); ok {
		t.Error("more names than there may be")
	}
	r := &resolver{names: a}
	if c := r.answer(query("another.example", typeA))[3] & 15; c != codeServer {
		t.Errorf("code %d", c)
	}
}

func TestEndpoints(t *testing.T) {
	for _, s := range []string{"", "localhost", ":80", "h:0", "h:65536", "h:x", "[::1]", "http://h:80"} {
		if e, err := ParseEndpoint(s); err == nil {
			t.Errorf("ParseEndpoint(%q) = %v", s, e)
		}
	}
	e, err := ParseEndpoint("[::1]:8000")
	if err != nil || e.String() != "[::1]:8000" || !e.loopback() {
		t.Errorf("%v %v", e, err)
	}
	loop6 := Target{Addr: netip.IPv6Loopback(), Port: 8000}
	list := []Endpoint{{Host: "localhost", Port: 8000}, {Host: "10.0.0.9", Port: 1}, {Host: "nas", Port: 2}}
	for _, c := range []struct {
		t    Target
		want bool
	}{
		{loop6, true},
		{Target{Addr: netip.MustParseAddr("10.0.0.9"), Port: 1}, true},
		{Target{Addr: netip.MustParseAddr("10.0.0.9"), Port: 2}, false},
		{Target{Host: "nas", Addr: netip.MustParseAddr("198.18.2.2"), Port: 2}, true},
		{Target{Host: "nas2", Addr: netip.MustParseAddr("198.18.2.2"), Port: 2}, false},
		{Target{Addr: netip.IPv6Loopback(), Port: 8001}, false},
	} {
		if got := allows(list, c.t); got != c.want {
			t.Errorf("allows(%+v) = %v", c.t, got)
		}
	}
}
