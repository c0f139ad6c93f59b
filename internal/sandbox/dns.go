package sandbox

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A resolver answers the program's name lookups. Every name has an address:
// whether there is such a host is found out when coo connects to it, and is
// then part of the record.
type resolver struct {
	names *names
	own   []string // names of this machine, which stay inside
}

func newResolver(n *names) *resolver {
	r := &resolver{names: n}
	if host, err := os.Hostname(); err == nil && host != "" {
		host = strings.ToLower(host)
		short, _, _ := strings.Cut(host, ".")
		r.own = []string{host, short}
	}
	return r
}

// Record types and answer codes of RFC 1035, 3596, 6891 and 9460.
const (
	typeA    = 1
	typePTR  = 12
	typeAAAA = 28
	typeOPT  = 41
	typeANY  = 255

	codeNone     = 0
	codeFormat   = 1
	codeServer   = 2
	codeNoName   = 3
	codeNotKnown = 4

	classIN = 1
	ttl     = 60
)

// serveUDP answers datagrams until the socket is closed.
func (r *resolver) serveUDP(c net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// An ICMP error of an earlier answer whose asker has gone.
			continue
		}
		if a := r.answer(buf[:n]); a != nil {
			c.WriteTo(a, from) //nolint:errcheck // an asker that has gone asks no more
		}
	}
}

// serveTCP answers queries over connections until the listener is closed.
func (r *resolver) serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go r.serveConn(c)
	}
}

func (r *resolver) serveConn(c net.Conn) {
	defer c.Close()
	for {
		c.SetDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // a socket has deadlines
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, q); err != nil {
			return
		}
		a := r.answer(q)
		if a == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...)); err != nil {
			return
		}
	}
}

// A question is the one question of a query.
type question struct {
	name  string // lower case, no final dot
	typ   uint16
	class uint16
	raw   []byte // as it was sent, to be repeated in the answer
	edns  bool
}

// answer returns the answer to a query, or nil when it deserves none.
func (r *resolver) answer(query []byte) []byte {
	if len(query) < 12 || query[2]&0x80 != 0 { // too short, or itself an answer
		return nil
	}
	q, err := parseQuestion(query)
	if err != nil {
		return reply(query, q, codeFormat)
	}
	if opcode := query[2] >> 3 & 15; opcode != 0 {
		return reply(query, q, codeNotKnown)
	}
	if q.class != classIN && q.class != typeANY {
		return reply(query, q, codeNone)
	}
	rs, code := r.records(&q)
	return reply(query, q, code, rs...)
}

// reply builds an answer. No records and no code say that there is such a
// name, and nothing of this type.
func reply(query []byte, q question, code byte, rs ...record) []byte {
	a := make([]byte, 12, 512)
	copy(a, query[:2])
	a[2] = 0x84 | query[2]&0x79 // an authoritative answer; opcode and "recursion desired" as asked
	a[3] = 0x80 | code          // recursion available
	if q.raw != nil {
		a[5] = 1
		a = append(a, q.raw...)
	}
	a[7] = byte(len(rs))
	for _, r := range rs {
		a = append(a, 0xc0, 12) // the name of the question
		a = binary.BigEndian.AppendUint16(a, r.typ)
		a = binary.BigEndian.AppendUint16(a, classIN)
		a = binary.BigEndian.AppendUint32(a, ttl)
		a = binary.BigEndian.AppendUint16(a, uint16(len(r.data)))
		a = append(a, r.data...)
	}
	if q.edns {
		a[11] = 1
		a = append(a, 0, 0, typeOPT, 0x10, 0, 0, 0, 0, 0, 0, 0) // root, OPT, 4096 bytes, no options
	}
	return a
}

// A record is one resource record of the question's name.
type record struct {
	typ  uint16
	data []byte
}

// records returns what there is for a question, or the code that says why
// there is nothing.
func (r *resolver) records(q *question) ([]record, byte) {
	if strings.HasSuffix(q.name, ".arpa") {
		return r.reverse(q)
	}
	if q.name == "" {
		return nil, codeNone
	}
	if strings.HasSuffix(q.name, ".invalid") { // RFC 6761
		return nil, codeNoName
	}
	v4, v6, ok := netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback(), true
	if !isLocalhost(q.name) && !r.isOwn(q.name) {
		v4, v6, ok = r.names.addrs(q.name)
	}
	if !ok {
		return nil, codeServer
	}
	var rs []record
	if q.typ == typeA || q.typ == typeANY {
		rs = append(rs, record{typ: typeA, data: v4.AsSlice()})
	}
	if q.typ == typeAAAA || q.typ == typeANY {
		rs = append(rs, record{typ: typeAAAA, data: v6.AsSlice()})
	}
	return rs, codeNone
}

func (r *resolver) isOwn(name string) bool {
	return slices.Contains(r.own, name)
}

// reverse answers with the name an address was given to.
func (r *resolver) reverse(q *question) ([]record, byte) {
	a, ok := parseReverse(q.name)
	if !ok {
		return nil, codeNoName
	}
	name := r.names.name(a)
	if a.IsLoopback() {
		name = "localhost"
	}
	if name == "" {
		return nil, codeNoName
	}
	if q.typ != typePTR && q.typ != typeANY {
		return nil, codeNone
	}
	var data []byte
	for label := range strings.SplitSeq(name, ".") {
		data = append(append(data, byte(len(label))), label...)
	}
	return []record{{typ: typePTR, data: append(data, 0)}}, codeNone
}

// parseReverse reads "4.3.2.1.in-addr.arpa" and its IPv6 form.
func parseReverse(name string) (netip.Addr, bool) {
	if s, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		labels := strings.Split(s, ".")
		if len(labels) != 4 {
			return netip.Addr{}, false
		}
		a, err := netip.ParseAddr(labels[3] + "." + labels[2] + "." + labels[1] + "." + labels[0])
		return a, err == nil
	}
	s, ok := strings.CutSuffix(name, ".ip6.arpa")
	labels := strings.Split(s, ".")
	if !ok || len(labels) != 32 {
		return netip.Addr{}, false
	}
	var b [16]byte
	for i, label := range labels {
		n, err := strconv.ParseUint(label, 16, 4)
		if err != nil || len(label) != 1 {
			return netip.Addr{}, false
		}
		at := 31 - i
		b[at/2] |= byte(n) << (4 * (1 - at%2))
	}
	return netip.AddrFrom16(b), true
}

var errQuestion = errors.New("malformed question")

// parseQuestion reads the question of a query of at least 12 bytes.
func parseQuestion(b []byte) (question, error) {
	if binary.BigEndian.Uint16(b[4:]) != 1 {
		return question{}, errQuestion
	}
	var labels []string
	at, size := 12, 0
	for {
		if at >= len(b) {
			return question{}, errQuestion
		}
		n := int(b[at])
		at++
		if n == 0 {
			break
		}
		size += n + 1
		if n > 63 || at+n > len(b) || size > 254 {
			return question{}, errQuestion
		}
		label := strings.ToLower(string(b[at : at+n]))
		if strings.ContainsAny(label, ".\x00") {
			return question{}, errQuestion
		}
		labels = append(labels, label)
		at += n
	}
	if at+4 > len(b) {
		return question{}, errQuestion
	}
	return question{
		name: strings.Join(labels, "."), typ: binary.BigEndian.Uint16(b[at:]), class: binary.BigEndian.Uint16(b[at+2:]),
		raw: b[12 : at+4], edns: hasOPT(b, at+4),
	}, nil
}

// hasOPT reports whether the query's additional section begins with an OPT
// record, as those of every known resolver do.
func hasOPT(b []byte, at int) bool {
	none := binary.BigEndian.Uint32(b[6:]) == 0 // no answers, no authorities
	return none && binary.BigEndian.Uint16(b[10:]) > 0 && len(b) >= at+11 && b[at] == 0 && binary.BigEndian.Uint16(b[at+1:]) == typeOPT
}
