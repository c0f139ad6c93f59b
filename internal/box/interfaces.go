//go:build linux && amd64

package box

import (
	"bytes"
	"encoding/binary"
	"net/netip"
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

// tellLinks returns what the program is told of messages of the kernel, which
// it has asked for about a family of addresses.
func (x *tracer) tellLinks(all []netMessage, protocol int, asked uint8) (out []byte) {
	for _, m := range all {
		binary.LittleEndian.PutUint32(m[12:], x.linkPort(binary.LittleEndian.Uint32(m[12:])))
		if protocol == unix.NETLINK_ROUTE && !x.isTold(m) {
			continue
		}
		out = append(out, m...)
		if protocol != unix.NETLINK_ROUTE || m.kind() != unix.RTM_NEWADDR || m[addrFamily] != unix.AF_INET || x.inner == nil {
			continue
		}
		if x.inner.own4.IsValid() {
			out = append(out, m.about(x.inner.own4, 32, unix.RT_SCOPE_UNIVERSE)...)
		}
		if x.inner.addsSix && asked == unix.AF_UNSPEC {
			out = append(out, m.six()...)
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
	case unix.RTM_NEWLINK:
		const index = 20 // in struct ifinfomsg
		return x.inner == nil || len(m) >= index+4 && binary.LittleEndian.Uint32(m[index:]) == loopback
	case unix.RTM_NEWADDR:
		return x.inner == nil || m.isLoopback()
	case unix.RTM_NEWROUTE, unix.RTM_NEWNEIGH, unix.RTM_NEWRULE:
		return false
	}
	return true
}

// Where things are in a message about an address, struct ifaddrmsg: family 1,
// length of the prefix 1, flags 1, scope 1, index 4; then attributes of length
// 2, type 2 and a value.
const (
	addrFamily = 16
	addrPrefix = 17
	addrScope  = 19
	addrAttrs  = 24
)

// isLoopback reports whether it is about 127.0.0.1 or ::1: an interface may
// have others.
func (m netMessage) isLoopback() (yes bool) {
	m.eachAttr(func(kind uint16, value []byte) {
		if kind == unix.IFA_ADDRESS {
			a, ok := netip.AddrFromSlice(value)
			yes = ok && (a == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || a == netip.IPv6Loopback())
		}
	})
	return yes
}

func (m netMessage) eachAttr(f func(kind uint16, value []byte)) {
	for at := addrAttrs; at+unix.SizeofRtAttr <= len(m); {
		size := int(binary.LittleEndian.Uint16(m[at:]))
		if size < unix.SizeofRtAttr || at+size > len(m) {
			return
		}
		f(binary.LittleEndian.Uint16(m[at+2:]), m[at+unix.SizeofRtAttr:at+size])
		at += aligned(size)
	}
}

// about makes, of the message about 127.0.0.1, one about another address.
func (m netMessage) about(a netip.Addr, prefix, scope uint8) netMessage {
	out := slices.Clone(m)
	out[addrPrefix], out[addrScope] = prefix, scope
	out.eachAttr(func(kind uint16, value []byte) {
		if kind == unix.IFA_ADDRESS || kind == unix.IFA_LOCAL {
			copy(value, a.AsSlice())
		}
	})
	return out
}

// six makes, of the message about 127.0.0.1, the one about ::1 that the kernel
// tells where that is.
func (m netMessage) six() netMessage {
	const permanent, protocol, kernelMade = unix.IFA_F_PERMANENT, 11, 1 // the last: IFA_PROTO, IFAPROT_KERNEL_LO
	out := slices.Clone(m[:addrAttrs])
	out[addrFamily], out[addrPrefix], out[addrScope-1], out[addrScope] = unix.AF_INET6, 128, permanent, unix.RT_SCOPE_HOST
	attr := func(kind uint16, value []byte) {
		out = binary.LittleEndian.AppendUint16(out, uint16(unix.SizeofRtAttr+len(value)))
		out = append(binary.LittleEndian.AppendUint16(out, kind), value...)
		out = append(out, make([]byte, aligned(len(out))-len(out))...)
	}
	attr(unix.IFA_ADDRESS, netip.IPv6Loopback().AsSlice())
	attr(unix.IFA_CACHEINFO, append(bytes.Repeat([]byte{0xff}, 8), make([]byte, 8)...)) // it is valid for ever
	attr(unix.IFA_FLAGS, []byte{permanent, 0, 0, 0})
	attr(protocol, []byte{kernelMade})
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	return out
}
