//go:build linux && amd64

package box

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Who has sent a signal, or a message with its name, is told by number.

func (x *tracer) enterWaitid(t *thread, r *unix.PtraceRegs, c *change) {
	if kind := int(r.Rdi); kind == unix.P_PID || kind == unix.P_PGID {
		r.Rsi, c.regs = uint64(x.ids.real(int(int32(r.Rsi)))), true
	}
	if at := r.Rdx; at != 0 {
		c.also(func(ret int64) int64 {
			if ret == 0 {
				x.idAt(t, at+siPID)
			}
			return ret
		})
	}
}

// siPID is where a siginfo_t has si_pid.
const siPID = 16

// tellsSender reports whether si_pid was put into a siginfo_t by the kernel.
func tellsSender(info []byte) bool {
	sig, code := int32(binary.LittleEndian.Uint32(info)), int32(binary.LittleEndian.Uint32(info[8:]))
	const user, byThread, byQueue, lastOfChild = 0, -6, -3, 6 // SI_USER, SI_TKILL, SI_MESGQ, CLD_CONTINUED
	return code == user || code == byThread || code == byQueue || sig == int32(unix.SIGCHLD) && code > 0 && code <= lastOfChild
}

// idsOfInfo changes the sender in a siginfo_t of the program's.
func (x *tracer) idsOfInfo(t *thread, at uint64) {
	if b := t.read(at, 32); len(b) == 32 && tellsSender(b) {
		x.idAt(t, at+siPID)
	}
}

// tellSender changes the sender of a signal that a thread is about to get:
// who is not of the program is 0, as in a namespace.
func (x *tracer) tellSender(t *thread) {
	if x.ids == nil {
		return
	}
	info, ok := t.siginfo()
	if !ok || !tellsSender(info[:]) {
		return
	}
	n := x.ids.inside[int(binary.LittleEndian.Uint32(info[siPID:]))]
	binary.LittleEndian.PutUint32(info[siPID:], uint32(n))
	unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SETSIGINFO, uintptr(t.tid), 0, uintptr(unsafe.Pointer(&info)), 0, 0)
}

// enterSignals changes the senders of signals that are read from a descriptor:
// struct signalfd_siginfo has 128 bytes, number 4, errno 4, code 4, sender 4.
func (x *tracer) enterSignals(t *thread, r *unix.PtraceRegs, c *change) {
	if !t.taking {
		return
	}
	t.taking = false
	const size, sender = 128, 12
	at := r.Rsi
	c.also(func(ret int64) int64 {
		for ; ret > 0 && at < r.Rsi+uint64(ret); at += size {
			if n, ok := t.word32(at + sender); ok {
				t.setWord32(at+sender, uint32(x.ids.inside[int(n)]))
			}
		}
		return ret
	})
}

// credentials changes the process in each SCM_CREDENTIALS of a message,
// unix(7), and reports whether there is one. struct cmsghdr: length 8, level 4,
// type 4, then struct ucred.
func (x *tracer) credentials(t *thread, msg uint64, to func(int) int) bool {
	head := t.read(msg, 56)
	if len(head) < 56 {
		return false
	}
	at, n := binary.LittleEndian.Uint64(head[32:]), binary.LittleEndian.Uint64(head[40:])
	if at == 0 || n < 16 || n > 64<<10 {
		return false
	}
	b := t.read(at, int(n))
	found := false
	for off := 0; off+16 <= len(b); {
		size := int(binary.LittleEndian.Uint64(b[off:]))
		if size < 16 || off+size > len(b) {
			break
		}
		level, typ := binary.LittleEndian.Uint32(b[off+8:]), binary.LittleEndian.Uint32(b[off+12:])
		if level == unix.SOL_SOCKET && typ == unix.SCM_CREDENTIALS && size >= 20 {
			t.setWord32(at+uint64(off)+16, uint32(to(int(int32(binary.LittleEndian.Uint32(b[off+16:]))))))
			found = true
		}
		off += (size + 7) &^ 7
	}
	return found
}

// sendsAll sends a signal to all processes of the program but its own, which
// are not all of the machine's.
func (x *tracer) sendsAll(t *thread, sig int) outcome {
	targets := x.targets(t)
	if len(targets) == 0 {
		t.answer(-int64(unix.ESRCH))
		return goOn
	}
	for _, p := range targets {
		if unix.Signal(sig) == unix.SIGKILL {
			x.leaveAll(p)
		}
		if !t.after {
			if _, ok := x.insteadOwn(t, unix.SYS_KILL, uint64(p.pid), uint64(sig)); !ok {
				return x.lost(t)
			}
		} else {
			x.further(t, unix.SYS_KILL, uint64(p.pid), uint64(sig))
		}
		switch unix.Signal(sig) {
		case unix.SIGKILL:
			x.reap(p)
		case unix.SIGCONT:
			x.resume(p)
		}
	}
	t.answer(0)
	x.interruptAll()
	return goOn
}
