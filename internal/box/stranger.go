//go:build linux && amd64

package box

import (
	"encoding/binary"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Unix socket with a path may be another program's: a database, an agent for
// keys. What comes from there comes when that program likes, so the run is told
// to be uncertain, and from then on time passes in the program as it does
// outside: what a thread waits for may be about to come.

// connectsUnix lets a thread connect to a Unix socket, and finds out whose it
// is.
func (x *tracer) connectsUnix(t *thread, n int) outcome {
	path := t.unixPath(t.arg(1), t.arg(2))
	if path == "" {
		return goOn // inside, by its name: this is a network of its own
	}
	ret, out := x.passStopped(t)
	if out != goOn {
		return out
	}
	if ret == 0 && x.isStranger(t, n) {
		x.broken("%s is connected to the Unix socket %s, which belongs to a program outside: when that answers differs", t.proc.name(), path)
		x.strangers = true
	}
	return goOn
}

// unixPath returns the path of an address of a Unix socket, unix(7); "" for
// anything else.
func (t *thread) unixPath(at, n uint64) string {
	b := t.read(at, int(min(n, 110)))
	if len(b) < 3 || binary.LittleEndian.Uint16(b) != unix.AF_UNIX || b[2] == 0 {
		return ""
	}
	path, _, _ := strings.Cut(string(b[2:]), "\x00")
	return path
}

// isStranger reports whether the other end of a socket is of no process
// inside: those have numbers here, others have none.
func (x *tracer) isStranger(t *thread, n int) bool {
	cred, ok := ofSocket(x, t, n, func(own int) (*unix.Ucred, error) {
		return unix.GetsockoptUcred(own, unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if ok && x.ids != nil {
		return x.ids.inside[int(cred.Pid)] == 0
	}
	return ok && cred.Pid == 0
}

// strangerWait is for how long a stranger is waited for before anything else
// is done about time.
const strangerWait = 10 * time.Millisecond

// await waits for what a stranger may be about to send: false when nothing
// came.
func (x *tracer) await() bool {
	for until := time.Now().Add(strangerWait); time.Now().Before(until); {
		unix.Nanosleep(&unix.Timespec{Nsec: 500_000}, nil) //nolint:errcheck // looked at again anyway
		if x.look() {
			return true
		}
	}
	return false
}
