//go:build !windows

package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

func lock(f *os.File, exclusive, wait bool) error {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		err := unix.Flock(int(f.Fd()), how)
		switch {
		case err == nil:
			return nil
		case err == unix.EWOULDBLOCK:
			return ErrLocked
		case err != unix.EINTR:
			return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}
