//go:build linux && amd64

package box

import (
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
