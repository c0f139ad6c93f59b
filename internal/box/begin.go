//go:build linux && amd64

package box

import "golang.org/x/sys/unix"

// What a program inherits from whoever started it is the same for all: the
// root is given it, and every process has it from the root.

// startMask is what the files that it makes are not allowed, umask(2).
const startMask = 0o022

// settle gives the root what every program begins with.
func (x *tracer) settle(root *thread) error {
	if _, err := root.surely("umask", unix.SYS_UMASK, startMask); err != nil {
		return err
	}
	// A session of its own has no terminal to open at /dev/tty, and no group
	// that others are in as well. It fails for one that has a session.
	if _, err := root.early(unix.SYS_SETSID); err != nil {
		return err
	}
	const setMask, setSize = 2, 8 // SIG_SETMASK, sizeof(sigset_t)
	root.write(scratchAddr, make([]byte, 64))
	if _, err := root.surely("signals", unix.SYS_RT_SIGPROCMASK, setMask, scratchAddr, 0, setSize); err != nil {
		return err
	}
	ignored := signalsOf(root.tid).ignored
	for sig := 1; sig <= 64; sig++ {
		if ignored&bit(sig) == 0 {
			continue
		}
		if _, err := root.early(unix.SYS_RT_SIGACTION, uint64(sig), scratchAddr, 0, setSize); err != nil {
			return err
		}
	}
	x.limitRoot(root.tid)
	return nil
}

// stackGranule is what the stack of a new program begins at a multiple of. It
// is not more than the memory that the kernel maps below (setup_arg_pages).
const stackGranule = 128 << 10

// placeStack moves the vectors of arguments, variables and auxiliary values,
// which end at end, so that the stack begins at the same address however long
// the strings above are.
func (t *thread) placeStack(end uint64) {
	at := t.regs.Rsp
	to := at &^ (stackGranule - 1)
	b := t.read(at, int(end-at))
	if uint64(len(b)) == end-at && t.write(to, b) {
		t.regs.Rsp = to
	}
}
