//go:build linux && amd64

package box

import (
	"golang.org/x/sys/unix"
)

// enterFcntl changes whose signals a descriptor's are, and who holds a lock.
func (x *tracer) enterFcntl(t *thread, r *unix.PtraceRegs, c *change) {
	const lockPID = 24 // in struct flock
	at := r.Rdx
	switch r.Rsi {
	case unix.F_SETOWN:
		r.Rdx, c.regs = uint64(int64(x.ids.real(int(int32(at))))), true
	case unix.F_GETOWN:
		c.also(func(ret int64) int64 {
			switch {
			case ret > 0:
				return int64(x.ids.inside[int(ret)])
			case ret < 0 && ret != -int64(unix.EBADF):
				return -int64(x.ids.inside[int(-ret)])
			}
			return ret
		})
	case unix.F_SETOWN_EX, unix.F_GETOWN_EX: // struct f_owner_ex: type 4, pid 4
		given, ok := t.word32(at + 4)
		if !ok {
			return
		}
		if r.Rsi == unix.F_SETOWN_EX {
			t.setWord32(at+4, uint32(x.ids.real(int(int32(given)))))
			c.also(func(ret int64) int64 { t.setWord32(at+4, given); return ret })
			return
		}
		c.also(func(ret int64) int64 {
			if ret == 0 {
				x.idAt(t, at+4)
			}
			return ret
		})
	case unix.F_GETLK:
		c.also(func(ret int64) int64 {
			if ret == 0 {
				x.idAt(t, at+lockPID)
			}
			return ret
		})
	}
}

// enterTerminal changes the groups of a terminal, tty_ioctl(4).
func (x *tracer) enterTerminal(t *thread, r *unix.PtraceRegs, c *change) {
	const setOwn, setGroup, getOwn, getGroup = 0x8901, 0x8902, 0x8903, 0x8904 // FIOSETOWN, SIOCSPGRP, FIOGETOWN, SIOCGPGRP
	at := r.Rdx
	switch uint32(r.Rsi) {
	case unix.TIOCSPGRP, setOwn, setGroup:
		given, ok := t.word32(at)
		if !ok {
			return
		}
		t.setWord32(at, uint32(x.ids.real(int(int32(given)))))
		c.also(func(ret int64) int64 { t.setWord32(at, given); return ret })
	case unix.TIOCGPGRP, unix.TIOCGSID, getOwn, getGroup:
		c.also(func(ret int64) int64 {
			if ret == 0 {
				x.idAt(t, at)
			}
			return ret
		})
	}
}
