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

// ofNetlink returns the protocol of a socket of netlink.
func (x *tracer) ofNetlink(t *thread, f fd) (protocol int, ok bool) {
	if _, ok := x.netlinks[f.st.Ino]; !ok {
		return 0, false
	}
	return ofSocket(x, t, f.n, func(own int) (int, error) {
		family, err := unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_DOMAIN)
		if err == nil && family != unix.AF_NETLINK {
			err = unix.EPROTOTYPE // another has its inode by now
		}
		if err != nil {
			return 0, err
		}
		return unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	})
}

// asksLinks notes which family of addresses is asked about, by a struct
// rtgenmsg behind the header.
func (x *tracer) asksLinks(t *thread, f fd) {
	if _, ok := x.netlinks[f.st.Ino]; !ok {
		return
	}
	b, _ := t.gather(unix.NLMSG_HDRLEN + unix.SizeofRtGenmsg)
	if len(b) > unix.NLMSG_HDRLEN && netMessage(b).kind() == unix.RTM_GETADDR {
		x.netlinks[f.st.Ino] = b[unix.NLMSG_HDRLEN]
	}
}

// readsLinks lets a thread receive the next datagram of a netlink socket, as
// it is told. One with nothing in it that is told is as if it had not come.
func (x *tracer) readsLinks(t *thread, f fd, protocol int, flags uint64) outcome {
	c := linkCallOf(t, flags)
	told, err := x.nextLinks(t, f, protocol, c.room())
	if err == unix.EAGAIN && flags&unix.MSG_DONTWAIT == 0 {
		if out := x.inputReady(t, f.n); out != goOn || t.dirty {
			return out
		}
	}
	if e, ok := err.(unix.Errno); ok && e != unix.EAGAIN {
		t.answer(-int64(e))
		return goOn
	}
	r := t.regs
	if t.nr == unix.SYS_RECVMMSG {
		// Fewer may be received than there is room for.
		r.Orig_rax, r.Rdx = unix.SYS_RECVMSG, r.R10
	}
	changed := x.entering(t, &r)
	changed.regs = true
	ret, ok := x.makeChanged(t, &r, changed)
	if !ok {
		return x.lost(t)
	}
	if ret >= 0 && err == nil {
		ret = c.tell(t, told)
	}
	t.answer(ret)
	return goOn
}

// A linkCall is one that receives a datagram.
type linkCall struct {
	into  []span
	flags uint64
	msg   uint64 // its struct msghdr, recvmsg(2); 0: none
	many  bool   // it is part of a struct mmsghdr, recvmmsg(2)
}

func linkCallOf(t *thread, flags uint64) linkCall {
	c := linkCall{flags: flags}
	switch t.nr {
	case unix.SYS_RECVMSG, unix.SYS_RECVMMSG:
		c.msg, c.many = t.arg(1), t.nr == unix.SYS_RECVMMSG
		c.into = t.messageBuffers(c.msg)
	default:
		c.into = t.buffers()
	}
	return c
}

// room is how many bytes there are for it, a MiB at most: the kernel's are
// smaller by far.
func (c linkCall) room() uint64 {
	const most = 1 << 20
	n := uint64(0)
	for _, v := range c.into {
		n = min(n+min(v.n, most), most)
	}
	return n
}

// tell writes what is told of a datagram where the kernel has written the
// whole of it, and returns the call's result.
func (c linkCall) tell(t *thread, told []byte) int64 {
	rest := told
	for _, v := range c.into {
		n := min(v.n, uint64(len(rest)))
		t.write(v.at, rest[:n])
		rest = rest[n:]
	}
	ret := int64(len(told))
	if c.flags&unix.MSG_TRUNC == 0 {
		ret -= int64(len(rest))
	}
	if c.msg == 0 {
		return ret
	}
	const flagsOf, size = 48, 56 // in struct msghdr, and of it
	if flags, ok := t.word32(c.msg + flagsOf); ok && len(rest) == 0 {
		t.setWord32(c.msg+flagsOf, flags&^unix.MSG_TRUNC)
	}
	if !c.many {
		return ret
	}
	t.setWord32(c.msg+size, uint32(ret))
	return 1
}

// nextLinks returns what is told of the next datagram, which stays where it
// is. Room is what the call that receives it has.
func (x *tracer) nextLinks(t *thread, f fd, protocol int, room uint64) ([]byte, error) {
	own, err := x.take(t, f.n)
	if err != nil {
		return nil, err
	}
	defer unix.Close(own)
	// The kernel puts as much into a datagram as the largest buffer had room for.
	b := make([]byte, room)
	for {
		const next = unix.MSG_PEEK | unix.MSG_TRUNC | unix.MSG_DONTWAIT
		n, from, err := unix.Recvfrom(own, b, next)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, err
		case n > len(b):
			b = make([]byte, n)
			continue
		}
		all := b[:n]
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			return all, nil // another program's
		}
		messages := netMessages(all)
		if messages == nil {
			return all, nil
		}
		told := x.tellLinks(messages, protocol, x.netlinks[f.st.Ino])
		if len(told) == 0 {
			unix.Recvfrom(own, nil, unix.MSG_DONTWAIT)
			continue
		}
		if protocol == unix.NETLINK_ROUTE {
			exact(told)
		}
		return told, nil
	}
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
