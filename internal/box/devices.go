//go:build linux && amd64

package box

import (
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// devices are those that compute, or make machines, on their own: what they
// do, and when, nobody can say again. To a program they are not there.
var devices = []string{"/dev/nvidia", "/dev/dri", "/dev/kfd", "/dev/accel", "/dev/kvm", "/dev/vhost-", "/dev/video", "/dev/snd", "/dev/hwrng"}

// missing reports whether a path is one of those, and answers the call that
// opens it.
func (x *tracer) missing(t *thread, name string) bool {
	if !strings.HasPrefix(name, "/dev/") {
		return false
	}
	name = path.Clean(name)
	for _, d := range devices {
		if strings.HasPrefix(name, d) {
			if unix.Access("/proc/"+strconv.Itoa(t.tid)+"/root"+name, unix.F_OK) == nil {
				x.noted("%s asked for %s, which computes on its own, and was told that it is not there", t.proc.name(), name)
			}
			t.answer(-int64(unix.ENOENT))
			return true
		}
	}
	return false
}
