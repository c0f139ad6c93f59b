//go:build linux && amd64

package box

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// enterAddrs changes the names of sockets that a call gives and tells.
func (x *tracer) enterAddrs(t *thread, r *unix.PtraceRegs, c *change) {
	fd := int(int32(r.Rdi))
	switch r.Orig_rax {
	case unix.SYS_BIND:
		x.enterBind(t, r, c, fd)
	case unix.SYS_SETSOCKOPT:
		// A socket of IPv6 has an address of IPv4 here. Which of them means
		// which is told apart all the same.
		if r.Rsi == unix.IPPROTO_IPV6 && r.Rdx == unix.IPV6_V6ONLY && r.R8 >= 4 {
			t.write(addrsAt, make([]byte, 4))
			r.R10, c.regs = addrsAt, true
		}
	case unix.SYS_CONNECT:
		if b := x.changedAddr(t, fd, r.Rsi, r.Rdx); b != nil {
			t.write(addrsAt, b)
			r.Rsi, r.Rdx, c.regs = addrsAt, uint64(len(b)), true
		}
	case unix.SYS_SENDTO:
		if b := x.changedAddr(t, fd, r.R8, r.R9); b != nil {
			t.write(addrsAt, b)
			r.R8, r.R9, c.regs = addrsAt, uint64(len(b)), true
		}
	case unix.SYS_SENDMSG:
		x.enterMessage(t, c, fd, r.Rsi, 0)
	case unix.SYS_SENDMMSG:
		r.Rdx, c.regs = min(r.Rdx, mostMessages), true // fewer may be sent than were given
		for i := range r.Rdx {
			x.enterMessage(t, c, fd, r.Rsi+i*messageSize, i)
		}
	case unix.SYS_ACCEPT, unix.SYS_ACCEPT4:
		x.tellsAccepted(t, r, c)
	case unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME:
		at, size := r.Rsi, r.Rdx
		room, _ := t.word32(size)
		self := r.Orig_rax == unix.SYS_GETSOCKNAME
		c.also(func(ret int64) int64 {
			if ret == 0 {
				x.tellAddr(t, fd, at, size, room, self)
			}
			return ret
		})
	case unix.SYS_RECVFROM:
		at, size := r.R8, r.R9
		room, ok := t.word32(size)
		if at == 0 || !ok {
			return
		}
		c.also(func(ret int64) int64 {
			if ret >= 0 {
				x.tellAddr(t, fd, at, size, room, false)
			}
			return ret
		})
	case unix.SYS_RECVMSG:
		x.tellsMessage(t, c, fd, r.Rsi, 0)
	case unix.SYS_RECVMMSG:
		r.Rdx, c.regs = min(r.Rdx, mostMessages), true
		for i := range r.Rdx {
			x.tellsMessage(t, c, fd, r.Rsi+i*messageSize, int64(i)+1)
		}
	}
}

// Of sendmmsg(2) and recvmmsg(2): struct mmsghdr, and how many there can be.
const (
	messageSize  = 64
	mostMessages = 64
)

// Each name that is changed has this much room in the scratch: as much as the
// kernel reads, sizeof(struct sockaddr_storage).
const addrRoom = 128

// givenAddr reads a name of a socket as the kernel does: one of IPv6 may lack
// its last four bytes, and one of IPv4 may be of no family for packets. Ok is
// false for what is no address of either.
func (t *thread) givenAddr(at, n uint64, unspecified bool) (b []byte, a netip.AddrPort, six, ok bool) {
	const four, shortSix, wholeSix = 16, 24, 28
	b = t.read(at, int(min(n, addrRoom)))
	if len(b) < 2 {
		return b, a, false, false
	}
	family := binary.LittleEndian.Uint16(b)
	if family == unix.AF_UNSPEC && unspecified && len(b) >= four {
		family = unix.AF_INET
		binary.LittleEndian.PutUint16(b, family)
	}
	switch {
	case family == unix.AF_INET && len(b) >= four:
		return b, netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:])), false, true
	case family == unix.AF_INET6 && len(b) >= shortSix:
		for len(b) < wholeSix {
			b = append(b, 0)
		}
		return b, netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), binary.BigEndian.Uint16(b[2:])), true, true
	}
	return b, a, false, false
}

// changedAddr returns the name by which the kernel reaches what the program
// names; nil when that is the program's.
func (x *tracer) changedAddr(t *thread, fd int, at, n uint64) []byte {
	if at == 0 {
		return nil
	}
	b, to, six, ok := t.givenAddr(at, n, t.nr != unix.SYS_CONNECT)
	if !ok {
		if len(b) >= 2 && binary.LittleEndian.Uint16(b) == unix.AF_UNIX {
			return x.changedUnix(t, b)
		}
		return nil
	}
	f := x.file(t, fd)
	tcp := true
	if own, err := x.take(t, fd); err == nil {
		typ, err := unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_TYPE)
		tcp = err == nil && typ == unix.SOCK_STREAM
		unix.Close(own)
	}
	if !tcp {
		x.inner.asked[f.st.Ino] = to
	}
	return putAddr(b, x.inner.reach(to, tcp), six)
}

// putAddr puts an address into a copy of a struct sockaddr_in or sockaddr_in6.
func putAddr(b []byte, a netip.AddrPort, six bool) []byte {
	b = append([]byte(nil), b...)
	binary.BigEndian.PutUint16(b[2:], a.Port())
	if six {
		as16 := a.Addr().As16()
		copy(b[8:24], as16[:])
		if a.Addr().IsUnspecified() {
			copy(b[8:24], make([]byte, 16))
		}
		return b
	}
	as4 := a.Addr().Unmap().As4()
	copy(b[4:8], as4[:])
	return b
}

// changedUnix changes the name of a Unix socket: a path, or, after a zero
// byte, any other.
func (x *tracer) changedUnix(t *thread, b []byte) []byte {
	const most = 108
	name := string(b[2:])
	switch {
	case name == "":
		return nil // any name of the kernel's
	case name[0] == 0:
		name = "\x00" + x.tag + name[1:]
	default:
		path, _, _ := strings.Cut(name, "\x00")
		host, ok := x.hostPath(t, unix.AT_FDCWD, path, true)
		if !ok {
			return nil
		}
		name = host + "\x00"
	}
	if len(name) > most {
		x.broken("the name of a Unix socket, %q, is too long where there are no mounts", string(b[2:]))
		return nil
	}
	return append(b[:2:2], name...)
}

// enterBind changes what a socket is bound to, and notes it.
func (x *tracer) enterBind(t *thread, r *unix.PtraceRegs, c *change, fd int) {
	b, to, six, ok := t.givenAddr(r.Rsi, r.Rdx, true)
	switch {
	case ok:
		ino := x.file(t, fd).st.Ino
		delete(x.inner.bound, ino)
		b = putAddr(b, netip.AddrPortFrom(x.inner.host(x.inner.last(to.Addr())), x.inner.port(to.Port())), six)
		if x.inner.last(to.Addr()) == nowhere {
			return // the kernel says that it is no address of this machine's
		}
		c.also(func(ret int64) int64 {
			if ret == 0 {
				x.inner.bound[ino] = to
			}
			return ret
		})
	case len(b) >= 2 && binary.LittleEndian.Uint16(b) == unix.AF_UNIX:
		if b = x.changedUnix(t, b); b == nil {
			return
		}
	default:
		return
	}
	t.write(addrsAt, b)
	r.Rsi, r.Rdx, c.regs = addrsAt, uint64(len(b)), true
}

// enterMessage changes the name in a struct msghdr: a pointer, its size 4.
func (x *tracer) enterMessage(t *thread, c *change, fd int, msg, i uint64) {
	at, _ := t.word(msg)
	n, _ := t.word32(msg + 8)
	b := x.changedAddr(t, fd, at, uint64(n))
	if b == nil {
		return
	}
	where := uint64(addrsAt) + i*addrRoom
	t.write(where, b)
	t.setWord(msg, where)
	t.setWord32(msg+8, uint32(len(b)))
	c.also(func(ret int64) int64 {
		t.setWord(msg, at)
		t.setWord32(msg+8, n)
		return ret
	})
}

// tellsMessage changes the name that a message came from, if at least so many
// have come.
func (x *tracer) tellsMessage(t *thread, c *change, fd int, msg uint64, least int64) {
	at, _ := t.word(msg)
	room, _ := t.word32(msg + 8)
	if at == 0 {
		return
	}
	c.also(func(ret int64) int64 {
		if ret >= least {
			x.tellAddr(t, fd, at, msg+8, room, false)
		}
		return ret
	})
}

// tellsAccepted changes whom a connection comes from. A socket that had its
// number before has gone.
func (x *tracer) tellsAccepted(t *thread, r *unix.PtraceRegs, c *change) {
	at, size := r.Rsi, r.Rdx
	room, _ := t.word32(size)
	c.also(func(ret int64) int64 {
		if ret < 0 {
			return ret
		}
		if ino := x.file(t, int(ret)).st.Ino; ino != 0 {
			delete(x.inner.bound, ino)
			delete(x.inner.asked, ino)
		}
		if at != 0 {
			x.tellAddr(t, int(ret), at, size, room, false)
		}
		return ret
	})
}

// tellAddr changes a name that the kernel has told, with its size, at an
// address where there is so much room. Self is the socket's own.
func (x *tracer) tellAddr(t *thread, fd int, at, size uint64, room uint32, self bool) {
	n, _ := t.word32(size)
	b := t.read(at, int(min(n, room, addrRoom)))
	if len(b) < 2 {
		return
	}
	if binary.LittleEndian.Uint16(b) == unix.AF_UNIX {
		x.tellUnix(t, at, size, room, b)
		return
	}
	a, six, ok := t.sockaddr(at, uint64(len(b)))
	if !ok {
		return
	}
	to, ok := x.inner.seen(a, six)
	ino := x.file(t, fd).st.Ino
	if asked, there := x.inner.asked[ino]; there && !self && ok {
		if last := a.Addr().Unmap().As4()[3]; last == nowhere || last == nameHost {
			to = asked
			if six {
				to = netip.AddrPortFrom(netip.AddrFrom16(asked.Addr().As16()), asked.Port())
			}
		}
	}
	if self && six && ok && a.Addr().Unmap().As4()[3] == sixHost && x.fromFour(t, fd) {
		four := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		to = netip.AddrPortFrom(netip.AddrFrom16(four.As16()), to.Port())
	}
	if bound, there := x.inner.bound[ino]; there && self && bound.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(bound.Addr(), x.inner.seenPort(a.Port()))
		ok = true
	}
	if ok {
		t.write(at, putAddr(b, to, six))
	}
}

// tellUnix changes the name of a Unix socket back.
func (x *tracer) tellUnix(t *thread, at, size uint64, room uint32, b []byte) {
	name := string(b[2:])
	if rest, ok := strings.CutPrefix(name, "\x00"+x.tag); ok {
		name = "\x00" + rest
	} else if path, _, _ := strings.Cut(name, "\x00"); path != "" {
		name = x.views.inside(path) + "\x00"
	}
	if name == string(b[2:]) {
		return
	}
	b = append(b[:2:2], name...)
	t.write(at, b[:min(len(b), int(room))])
	t.setWord32(size, uint32(len(b)))
}

// fromFour reports whether a socket of IPv6 is connected to one of IPv4.
func (x *tracer) fromFour(t *thread, fd int) bool {
	own, err := x.take(t, fd)
	if err != nil {
		return false
	}
	defer unix.Close(own)
	peer, err := unix.Getpeername(own)
	a, ok := peer.(*unix.SockaddrInet6)
	return err == nil && ok && a.Addr[15] != sixHost
}
