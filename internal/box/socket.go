//go:build linux && amd64

package box

import (
	"slices"

	"golang.org/x/sys/unix"
)

// families are the kinds of sockets there are inside. The others reach past
// a network of one's own, or speak protocols that nothing here answers.
var families = []int{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

func sockets(_ *tracer, t *thread) outcome {
	if !slices.Contains(families, t.intArg(0)) {
		t.answer(-int64(unix.EAFNOSUPPORT))
	}
	return goOn
}
