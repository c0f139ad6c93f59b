//go:build linux && amd64

package box

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// Netlink tells of the loopback interface alone, with its addresses and the
// program's own, and of no routes, rtnetlink(7): where the program has no
// network of its own, what is told of the machine's is changed.

// loopback is its number.
const loopback = 1

// A netMessage is one of netlink: length 4, type 2, flags 2, sequence 4, port
// 4, then what the type says.
type netMessage []byte

func (m netMessage) kind() uint16 { return binary.LittleEndian.Uint16(m[4:]) }

// netMessages splits what has been received; nil when it is something else.
func netMessages(b []byte) (out []netMessage) {
	for len(b) >= unix.NLMSG_HDRLEN {
		n := int(binary.LittleEndian.Uint32(b))
		if n < unix.NLMSG_HDRLEN || n > len(b) {
			return nil
		}
		out = append(out, slices.Clone(b[:n]))
		b = b[min((n+3)&^3, len(b)):]
	}
	return out
}

// tellLinks returns what the program is told of messages of the kernel.
func (x *tracer) tellLinks(all []netMessage, protocol int) (out []byte) {
	for _, m := range all {
		binary.LittleEndian.PutUint32(m[12:], x.linkPort(binary.LittleEndian.Uint32(m[12:])))
		if protocol == unix.NETLINK_ROUTE && !x.isTold(m) {
			continue
		}
		out = append(out, m...)
		if protocol == unix.NETLINK_ROUTE && m.kind() == unix.RTM_NEWADDR && m[16] == unix.AF_INET && x.inner != nil && x.inner.own4.IsValid() {
			out = append(out, x.inner.ownAddress(m)...)
		}
	}
	return out
}

// linkPort is the port of a socket of netlink as it is told: the kernel makes
// it the number of the process, unless that has asked for another.
func (x *tracer) linkPort(n uint32) uint32 {
	if x.ids == nil || x.ids.inside[int(n)] == 0 {
		return n
	}
	return uint32(x.ids.inside[int(n)])
}

// portAt changes the port in a name of such a socket, struct sockaddr_nl:
// family 2, padding 2, port 4.
func (x *tracer) portAt(t *thread, at uint64) {
	b := t.read(at, 8)
	if len(b) == 8 && binary.LittleEndian.Uint16(b) == unix.AF_NETLINK {
		t.setWord32(at+4, x.linkPort(binary.LittleEndian.Uint32(b[4:])))
	}
}

// isTold reports whether a program is told of a message of rtnetlink.
func (x *tracer) isTold(m netMessage) bool {
	switch m.kind() {
	case unix.RTM_NEWLINK, unix.RTM_NEWADDR:
		const index = 20 // in struct ifinfomsg and struct ifaddrmsg
		return x.inner == nil || len(m) >= index+4 && binary.LittleEndian.Uint32(m[index:]) == loopback
	case unix.RTM_NEWROUTE, unix.RTM_NEWNEIGH, unix.RTM_NEWRULE:
		return false
	}
	return true
}

// ownAddress makes, of the message about 127.0.0.1, one about the program's
// own address. struct ifaddrmsg: family, length of the prefix, flags, scope,
// index 4; then attributes of length 2, type 2 and a value.
func (n *inner) ownAddress(of netMessage) netMessage {
	m := slices.Clone(of)
	m[17], m[19] = 32, unix.RT_SCOPE_UNIVERSE
	as4 := n.own4.As4()
	for at := 24; at+8 <= len(m); {
		size := int(binary.LittleEndian.Uint16(m[at:]))
		if size < 4 {
			break
		}
		if kind := binary.LittleEndian.Uint16(m[at+2:]); size == 8 && (kind == unix.IFA_ADDRESS || kind == unix.IFA_LOCAL) {
			copy(m[at+4:], as4[:])
		}
		at += (size + 3) &^ 3
	}
	return m
}
