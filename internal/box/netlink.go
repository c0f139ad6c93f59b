//go:build linux && amd64

package box

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Of the interfaces, addresses and routes inside, rtnetlink(7) tells when they
// were last changed or used by the machine's clock, and how much has passed
// through them. All that is told as 0.

// An inexact attribute of a message is 0 from a byte of it on, or contains
// others that are.
type inexact struct {
	from int
	in   map[uint16]inexact
}

// inexactIn has, for each type of message, how long its head is and which of
// its attributes differ.
var inexactIn = map[uint16]struct {
	head  int
	attrs map[uint16]inexact
}{
	unix.RTM_NEWADDR: {unix.SizeofIfAddrmsg, map[uint16]inexact{unix.IFA_CACHEINFO: {from: 8}}}, // behind the lifetimes
	unix.RTM_NEWLINK: {unix.SizeofIfInfomsg, map[uint16]inexact{
		unix.IFLA_STATS: {}, unix.IFLA_STATS64: {},
		unix.IFLA_AF_SPEC: {in: map[uint16]inexact{unix.AF_INET6: {in: map[uint16]inexact{
			unix.IFLA_INET6_STATS: {}, unix.IFLA_INET6_CACHEINFO: {}, unix.IFLA_INET6_ICMP6STATS: {},
		}}}},
	}},
	unix.RTM_NEWROUTE: {unix.SizeofRtMsg, map[uint16]inexact{unix.RTA_CACHEINFO: {}}},
	unix.RTM_NEWNEIGH: {unix.SizeofNdMsg, map[uint16]inexact{unix.NDA_CACHEINFO: {}}},
}

// isNetlink reports whether a socket is one.
func (x *tracer) isNetlink(t *thread, n int) bool {
	family, ok := ofSocket(x, t, n, func(own int) (int, error) {
		return unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_DOMAIN)
	})
	return ok && family == unix.AF_NETLINK
}

// receiveExact lets a thread receive what there is from a netlink socket, and
// changes what differs.
func (x *tracer) receiveExact(t *thread) outcome {
	ret, out := x.passStopped(t)
	if out != goOn {
		return out
	}
	left := uint64(max(0, ret)) // more than there is room for with MSG_TRUNC
	for _, v := range t.buffers() {
		n := min(v.n, left)
		left -= n
		b := t.read(v.at, int(n))
		exact(b)
		t.write(v.at, b)
	}
	t.answer(ret)
	return goOn
}

// exact changes messages of netlink: netlink(7).
func exact(b []byte) {
	for len(b) >= unix.SizeofNlMsghdr {
		n := int(binary.LittleEndian.Uint32(b))
		if n < unix.SizeofNlMsghdr || n > len(b) {
			return
		}
		kind, ok := inexactIn[binary.LittleEndian.Uint16(b[4:])]
		if head := unix.SizeofNlMsghdr + kind.head; ok && head <= n {
			exactAttrs(b[head:n], kind.attrs)
		}
		b = b[min(aligned(n), len(b)):]
	}
}

func exactAttrs(b []byte, attrs map[uint16]inexact) {
	for len(b) >= unix.SizeofRtAttr {
		n := int(binary.LittleEndian.Uint16(b))
		if n < unix.SizeofRtAttr || n > len(b) {
			return
		}
		const nested = 1 << 15 // NLA_F_NESTED
		value := b[unix.SizeofRtAttr:n]
		if a, ok := attrs[binary.LittleEndian.Uint16(b[2:])&^nested]; ok && a.in != nil {
			exactAttrs(value, a.in)
		} else if ok {
			clear(value[min(a.from, len(value)):])
		}
		b = b[min(aligned(n), len(b)):]
	}
}

// aligned is where what follows n bytes of a message begins.
func aligned(n int) int { return (n + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }
