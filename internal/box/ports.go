//go:build linux && amd64

package box

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A socket that is bound to no port of its own gets one at random from the
// kernel. Here it gets the next.

// The ports that are given, ip_local_port_range of ip(7).
const (
	firstPort = 32768
	lastPort  = 60999
)

func (x *tracer) nextPort() uint16 {
	p := firstPort + x.ports%(lastPort-firstPort+1)
	x.ports++
	return uint16(p)
}

// mostPorts is how many are tried.
const mostPorts = 1000

// binds is the handler of bind(2).
func binds(x *tracer, t *thread) outcome {
	a, _, ok := t.sockaddr(t.arg(1), t.arg(2))
	if !ok || a.Port() != 0 || x.file(t, t.intArg(0)).kind != socketFD {
		return goOn
	}
	b := t.read(t.arg(1), int(min(t.arg(2), 128)))
	ret, alive := int64(-int64(unix.EADDRINUSE)), true
	for range mostPorts {
		binary.BigEndian.PutUint16(b[2:], x.nextPort())
		t.write(scratchAddr, b)
		if t.after {
			ret = x.furtherChanged(t, unix.SYS_BIND, t.arg(0), scratchAddr, uint64(len(b)))
		} else if ret, alive = x.instead(t, unix.SYS_BIND, t.arg(0), scratchAddr, uint64(len(b))); !alive {
			return x.lost(t)
		}
		if errno(ret) != unix.EADDRINUSE {
			break
		}
	}
	t.answer(ret)
	return goOn
}

// givePort binds a socket that is about to be bound by the kernel: by
// connecting, or sending.
func (x *tracer) givePort(own int, to netip.AddrPort) {
	name, err := unix.Getsockname(own)
	if err != nil {
		return
	}
	if x.inner != nil {
		name = x.inner.from(name, to)
	}
	for range mostPorts {
		switch a := name.(type) {
		case *unix.SockaddrInet4:
			if a.Port != 0 {
				return
			}
			err = unix.Bind(own, &unix.SockaddrInet4{Addr: a.Addr, Port: x.innerPort(x.nextPort())})
		case *unix.SockaddrInet6:
			if a.Port != 0 {
				return
			}
			err = unix.Bind(own, &unix.SockaddrInet6{Addr: a.Addr, Port: x.innerPort(x.nextPort())})
		default:
			return
		}
		if err != unix.EADDRINUSE {
			return
		}
	}
}

// sendsUnbound gives a port to a socket that sends to an address.
func (x *tracer) sendsUnbound(t *thread) {
	if t.nr == unix.SYS_SENDTO && t.arg(4) == 0 {
		return
	}
	own, err := x.take(t, t.intArg(0))
	if err != nil {
		return
	}
	defer unix.Close(own)
	if typ, err := unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && typ == unix.SOCK_DGRAM {
		x.givePort(own, x.sentTo(t))
		x.boundAnywhere(t, own)
	}
}

// sentTo returns the address that a call sends to, if it is in its arguments.
func (x *tracer) sentTo(t *thread) netip.AddrPort {
	a, _, _ := t.sockaddr(t.arg(4), t.arg(5))
	return a
}

// boundAnywhere notes that a socket that was given a port by sending is bound
// to no address.
func (x *tracer) boundAnywhere(t *thread, own int) {
	if x.inner == nil {
		return
	}
	ino := x.file(t, t.intArg(0)).st.Ino
	if _, there := x.inner.bound[ino]; there {
		return
	}
	switch a, _ := unix.Getsockname(own); a.(type) {
	case *unix.SockaddrInet4:
		x.inner.bound[ino] = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	case *unix.SockaddrInet6:
		x.inner.bound[ino] = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
}

// innerPort is the machine's port for one that the program is given.
func (x *tracer) innerPort(p uint16) int {
	if x.inner == nil {
		return int(p)
	}
	return int(x.inner.port(p))
}
