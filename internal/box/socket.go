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
			x.netlinks[x.file(t, int(ret)).st.Ino] = true
			t.answer(ret)
		}
		return out
	}
	return goOn
}
