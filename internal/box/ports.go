//go:build linux && amd64

package box

import (
	"encoding/binary"

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
			ret = x.further(t, unix.SYS_BIND, t.arg(0), scratchAddr, uint64(len(b)))
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
func (x *tracer) givePort(own int) {
	name, err := unix.Getsockname(own)
	if err != nil {
		return
	}
	for range mostPorts {
		switch a := name.(type) {
		case *unix.SockaddrInet4:
			if a.Port != 0 {
				return
			}
			err = unix.Bind(own, &unix.SockaddrInet4{Addr: a.Addr, Port: int(x.nextPort())})
		case *unix.SockaddrInet6:
			if a.Port != 0 {
				return
			}
			err = unix.Bind(own, &unix.SockaddrInet6{Addr: a.Addr, Port: int(x.nextPort())})
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
		x.givePort(own)
	}
}
