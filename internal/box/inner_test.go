//go:build linux && amd64

package box

import (
	"net/netip"
	"testing"
)

// TestInner holds that addresses come back as they were given, and that those
// of others lead nowhere.
func TestInner(t *testing.T) {
	own := netip.MustParseAddr("198.18.0.1")
	n := &inner{net: [3]byte{127, 80, 9}, own4: own, names: namePort, ports: map[uint16]uint16{8: 61000}, back: map[uint16]uint16{61000: 8}}
	for _, c := range []struct {
		given string
		six   bool
		host  byte
		told  string
	}{
		{"127.0.0.1", false, 1, "127.0.0.1"},
		{"127.0.0.7", false, 7, "127.0.0.7"},
		{"0.0.0.0", false, 1, "127.0.0.1"},
		{"198.18.0.1", false, ownHost, "198.18.0.1"},
		{"::1", true, sixHost, "::1"},
		{"::", true, sixHost, "::1"},
		{"::ffff:127.0.0.1", true, 1, "::ffff:127.0.0.1"},
		{"192.0.2.1", false, nowhere, "127.0.0.250"},
		{"2001:db8::1", true, nowhere, "::ffff:127.0.0.250"},
	} {
		a := netip.MustParseAddr(c.given)
		if got := n.last(a); got != c.host {
			t.Errorf("%s is at %d, want %d", a, got, c.host)
		}
		told, ok := n.seen(netip.AddrPortFrom(n.host(c.host), 61000), c.six)
		if !ok || told.Addr().String() != c.told || told.Port() != 8 {
			t.Errorf("%s is told as %s, %v, want %s", a, told, ok, c.told)
		}
	}
	if a, ok := n.seen(netip.MustParseAddrPort("127.80.10.1:5"), false); ok {
		t.Errorf("somebody else's address is told as %s", a)
	}
	for in, want := range map[string]string{"0109507F:EE48": "0100007F:0008", "0000000000000000FFFF0000FE09507F:0050": "00000000000000000000000001000000:0050"} { // order: each is by itself
		if got, ok := n.seenHex(in); !ok || got != want {
			t.Errorf("%s is told as %s, %v, want %s", in, got, ok, want)
		}
	}
	if _, ok := n.seenHex("0100007F:0050"); ok {
		t.Error("a socket of the machine's is told")
	}
}
