//go:build linux && amd64

package box

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Stopping and continuing is the tracer's own: to the kernel, every thread but
// one is stopped all the time. A stopped process's threads keep their waits,
// and when those are over, they are held until the process is continued.

// A job is what a process is stopped by, and what its parent has yet to hear.
type job struct {
	stopped unix.Signal // 0: it is not
	held    []*thread   // could run, if it were not
	news    news
}

// news are for a parent that waits with WUNTRACED or WCONTINUED.
type news int

const (
	noNews news = iota
	hasStopped
	wasContinued
)

// stops sends a signal that stops processes; false when it is the kernel's to
// send, because somebody handles, blocks or ignores it.
func (x *tracer) stops(t *thread, sig int) (out outcome, done bool) {
	targets := x.targets(t)
	for _, p := range targets {
		s := signalsOf(p.threads[0].tid)
		if sig != int(unix.SIGSTOP) && (s.caught|s.ignored|s.blocked)&bit(sig) != 0 {
			return goOn, false
		}
	}
	if len(targets) == 0 {
		return goOn, false
	}
	// Whether it may, the kernel knows.
	args := []uint64{t.arg(0), t.arg(1), t.arg(2), t.arg(3)}
	args[slices.Index(args, uint64(sig))] = 0
	nr := t.nr
	switch nr {
	case unix.SYS_RT_SIGQUEUEINFO:
		nr = unix.SYS_KILL
	case unix.SYS_RT_TGSIGQUEUEINFO:
		nr = unix.SYS_TGKILL
	}
	ret, ok := x.instead(t, uintptr(nr), args...)
	if !ok {
		return x.lost(t), true
	}
	t.answer(ret)
	if errno(ret) != 0 {
		return goOn, true
	}
	for _, p := range targets {
		if x.stop(p, unix.Signal(sig)) && p == t.proc {
			p.held = append([]*thread{t}, p.held...)
			out = waits
		}
	}
	return out, true
}

// stop stops a process, but for one whom nobody inside would continue, where
// only SIGSTOP does. It reports whether it is stopped.
func (x *tracer) stop(p *process, sig unix.Signal) bool {
	if p.stopped != 0 {
		return true
	}
	if sig != unix.SIGSTOP && x.orphaned(p) {
		return false
	}
	p.stopped, p.news = sig, hasStopped
	x.queue = slices.DeleteFunc(x.queue, func(t *thread) bool {
		if t.proc == p {
			p.held = append(p.held, t)
		}
		return t.proc == p
	})
	x.tellParent(p, stoppedBy(sig))
	return true
}

// orphaned reports whether a process's group has nobody in whose parent is in
// another group of the session: setpgid(2).
func (x *tracer) orphaned(p *process) bool {
	g := group(p.pid)
	for _, q := range x.processes {
		if group(q.pid) != g || q.parent == nil || group(q.parent.pid) == g {
			continue
		}
		if sessionOf(q.parent.pid) == sessionOf(q.pid) {
			return false
		}
	}
	return true
}

func sessionOf(pid int) int {
	s, err := unix.Getsid(pid)
	if err != nil {
		return -1
	}
	return s
}

// resume continues a process that is stopped.
func (x *tracer) resume(p *process) {
	if p.stopped == 0 {
		return
	}
	p.stopped, p.news = 0, wasContinued
	x.queue = append(x.queue, p.held...)
	p.held = nil
	x.tellParent(p, continuedStatus)
	x.interrupt(p)
}

// continuedStatus is what wait(2) says of a process that was continued.
const continuedStatus = 0xffff

func stoppedBy(sig unix.Signal) uint32 { return uint32(sig)<<8 | 0x7f }

// Codes of SIGCHLD, sigaction(2).
const (
	cldStopped   = 5
	cldContinued = 6
)

// tellParent tells a process that a child was stopped or continued.
func (x *tracer) tellParent(p *process, status uint32) {
	parent := p.parent
	if parent == nil {
		return
	}
	if !parent.handlers.noStops {
		info := [siginfoSize]byte(append(p.childStatus(status), make([]byte, siginfoSize-32)...))
		parent.child = &info
		unix.Kill(parent.pid, unix.SIGCHLD) //nolint:errcheck // a process that is no more needs none
		parent.poked = true
	}
	x.childEnded(parent)
}

// childInfo puts into a SIGCHLD of the tracer's what it is about: only the
// kernel itself may send such.
func (t *thread) childInfo() {
	info := t.proc.child
	if t.proc.child = nil; info == nil {
		return
	}
	unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SETSIGINFO, uintptr(t.tid), 0, uintptr(unsafe.Pointer(info)), 0, 0)
}

// changedChild returns a child of which a wait tells that it was stopped or
// continued; meant says which are waited for.
func (x *tracer) changedChild(t *thread, options uint64, meant func(*process) bool) (p *process, status uint32) {
	for _, p := range x.processes {
		if p.parent != t.proc || !meant(p) {
			continue
		}
		status := uint32(continuedStatus)
		switch {
		case p.news == hasStopped && options&unix.WUNTRACED != 0:
			status = stoppedBy(p.stopped)
		case p.news == wasContinued && options&unix.WCONTINUED != 0:
		default:
			continue
		}
		if options&unix.WNOWAIT == 0 {
			p.news = noNews
		}
		return p, status
	}
	return nil, 0
}

// childStatus is the siginfo_t of waitid(2) for what [tracer.changedChild]
// returns.
func (p *process) childStatus(status uint32) []byte {
	code, sig := uint32(cldContinued), uint32(unix.SIGCONT)
	if status != continuedStatus {
		code, sig = cldStopped, status>>8
	}
	b := make([]byte, 32)
	for at, v := range map[int]uint32{0: uint32(unix.SIGCHLD), 8: code, 16: uint32(p.id), 24: sig} {
		binary.LittleEndian.PutUint32(b[at:], v)
	}
	return b
}

// waitsFor returns which processes the first argument of wait4(2) means.
func (x *tracer) waitsFor(t *thread, n int) func(*process) bool {
	return func(p *process) bool {
		switch {
		case n > 0:
			return p.id == n
		case n == 0:
			return group(p.pid) == group(t.proc.pid)
		case n < -1:
			return x.guestID(group(p.pid)) == -n
		}
		return true
	}
}

// waitsForID does the same for waitid(2).
func (x *tracer) waitsForID(t *thread, kind, n int) func(*process) bool {
	switch kind {
	case unix.P_PID:
		return x.waitsFor(t, n)
	case unix.P_PGID:
		return x.waitsFor(t, -n)
	case unix.P_PIDFD:
		return func(p *process) bool { return x.pidfdOf(t, n, p) }
	}
	return x.waitsFor(t, -1)
}
