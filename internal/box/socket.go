//go:build linux && amd64

package box

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// families are the kinds of sockets there are inside. The others reach past
// a network of one's own, or speak protocols that nothing here answers.
var families = []int{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

func sockets(x *tracer, t *thread) outcome {
	const kind = 0xf // without SOCK_NONBLOCK and SOCK_CLOEXEC
	switch family := t.intArg(0); {
	case !slices.Contains(families, family):
		t.answer(-int64(unix.EAFNOSUPPORT))
	case t.intArg(1)&kind == unix.SOCK_RAW && family != unix.AF_NETLINK:
		t.answer(-int64(unix.EPERM))
	case family == unix.AF_NETLINK:
		ret, out := x.passStopped(t)
		if out == goOn {
			x.netlinks[x.file(t, int(ret)).st.Ino] = unix.AF_UNSPEC
			t.answer(ret)
		}
		return out
	case x.inner != nil && (family == unix.AF_INET || family == unix.AF_INET6):
		if e := innerProtocol(t.intArg(1)&kind, t.intArg(2)); e != 0 {
			t.answer(-int64(e))
		}
	}
	return goOn
}

// innerProtocol says what is wrong with a socket of IPv4 or IPv6 where the
// program has no network of its own: only TCP and UDP name their peers in the
// calls that are changed.
func innerProtocol(kind, protocol int) unix.Errno {
	const mptcp = 262
	switch {
	case kind == unix.SOCK_STREAM && (protocol == 0 || protocol == unix.IPPROTO_TCP || protocol == mptcp),
		kind == unix.SOCK_DGRAM && (protocol == 0 || protocol == unix.IPPROTO_UDP || protocol == unix.IPPROTO_UDPLITE):
		return 0
	case kind == unix.SOCK_DGRAM && (protocol == unix.IPPROTO_ICMP || protocol == unix.IPPROTO_ICMPV6):
		return unix.EACCES
	}
	if kind != unix.SOCK_STREAM && kind != unix.SOCK_DGRAM {
		return unix.ESOCKTNOSUPPORT
	}
	return unix.EPROTONOSUPPORT
}

// receives is the handler of recvfrom, recvmsg, accept and their like.
func receives(x *tracer, t *thread) outcome {
	const dontWait = unix.MSG_DONTWAIT
	flags := uint64(0)
	switch t.nr {
	case unix.SYS_RECVFROM, unix.SYS_RECVMMSG:
		flags = t.arg(3)
	case unix.SYS_RECVMSG:
		flags = t.arg(2)
	}
	f := x.file(t, t.intArg(0))
	if f.kind != socketFD {
		return goOn
	}
	if protocol, ok := x.ofNetlink(t, f); ok {
		return x.readsLinks(t, f, protocol, flags)
	}
	switch {
	case flags&dontWait != 0:
		return goOn
	case t.nr == unix.SYS_RECVFROM && flags&unix.MSG_WAITALL != 0:
		return x.receiveAll(t)
	}
	return x.inputReady(t, f.n)
}

// receiveAll parks a thread until as much is there as it waits for, or its
// peer sends no more.
func (x *tracer) receiveAll(t *thread) outcome {
	n := t.intArg(0)
	enough := func() bool {
		own, err := x.take(t, n)
		if err != nil {
			return true
		}
		defer unix.Close(own)
		there, err := unix.IoctlGetInt(own, unix.TIOCINQ)
		return err != nil || uint64(there) >= t.arg(2) || x.polled(t, n, unix.POLLRDHUP)&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	}
	if enough() || x.nonblocking(t, n, unix.POLLIN) {
		return goOn
	}
	return x.park(t, parked{why: fmt.Sprintf("reads descriptor %d", n), deadline: -1, restart: true, ready: enough})
}

// sendsData is the handler of sendto, sendmsg and sendmmsg.
func sendsData(x *tracer, t *thread) outcome {
	f := x.file(t, t.intArg(0))
	if f.kind != socketFD {
		return goOn
	}
	if c := x.lookUp(f); c != nil && t.nr != unix.SYS_SENDMMSG {
		return x.send(t, c)
	}
	x.inet = true
	x.sendsUnbound(t)
	x.asksLinks(t, f)
	flags := t.arg(3)
	if t.nr == unix.SYS_SENDMSG {
		flags = t.arg(2)
	}
	if flags&unix.MSG_DONTWAIT != 0 {
		return goOn
	}
	return x.whenReady(t, f.n, unix.POLLOUT, "writes to")
}
