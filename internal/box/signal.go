//go:build linux && amd64

package box

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Signals are sent, blocked and delivered by the kernel. What is decided here
// is when: a thread that runs gets its signals where it stops next, and one
// that is parked is told from outside that it has one.

// handlers is what a process does with its signals, as far as the kernel does
// not say it: which of its handlers let a call go on after them.
type handlers struct {
	restart uint64
	noStops bool // SIGCHLD is for ends alone: SA_NOCLDSTOP
}

func newHandlers() *handlers            { return &handlers{} }
func (h *handlers) clone() *handlers    { c := *h; return &c }
func bit(sig int) uint64                { return 1 << (sig - 1) }
func (h *handlers) restarts(n int) bool { return h.restart&bit(n) != 0 }

// SA_RESTART and SA_NOCLDSTOP, sigaction(2).
const (
	saRestart = 0x10000000
	saNoStops = 1
)

func rtSigaction(x *tracer, t *thread) outcome {
	ret, out := x.passStopped(t)
	if out != goOn || errno(ret) != 0 || t.arg(1) == 0 {
		return out
	}
	sig := t.intArg(0)
	if flags, ok := t.word(t.arg(1) + 8); ok && sig > 0 && sig <= 64 {
		h := t.proc.handlers
		h.restart &^= bit(sig)
		if sig == int(unix.SIGCHLD) {
			h.noStops = flags&saNoStops != 0
		}
		if flags&saRestart != 0 {
			h.restart |= bit(sig)
		}
	}
	return goOn
}

// ignored are the signals that do nothing to a process without a handler.
var ignored = bit(int(unix.SIGCHLD)) | bit(int(unix.SIGURG)) | bit(int(unix.SIGWINCH)) | bit(int(unix.SIGCONT))

// stopping are those that would stop a process until SIGCONT.
var stopping = bit(int(unix.SIGTSTP)) | bit(int(unix.SIGTTIN)) | bit(int(unix.SIGTTOU)) | bit(int(unix.SIGSTOP))

// signals is what the kernel says about a thread's, proc(5).
type signals struct{ own, shared, blocked, ignored, caught uint64 }

func signalsOf(tid int) signals {
	var s signals
	to := map[string]*uint64{"SigPnd": &s.own, "ShdPnd": &s.shared, "SigBlk": &s.blocked, "SigIgn": &s.ignored, "SigCgt": &s.caught}
	for line := range strings.Lines(procFile(tid, "status")) {
		name, rest, _ := strings.Cut(line, ":")
		if p := to[name]; p != nil {
			*p, _ = strconv.ParseUint(strings.TrimSpace(rest), 16, 64)
		}
	}
	return s
}

// effective returns those of a set that do something: have a handler, or end
// or stop the process.
func (s *signals) effective(set uint64) uint64 {
	without := set &^ s.caught
	return set &^ (without & (s.ignored | ignored))
}

// interrupt ends the waits of a process's parked threads that have signals.
func (x *tracer) interrupt(p *process) {
	if p.stopped != 0 {
		return // it has them when it is continued
	}
	p.poked = false
	shared := true // nobody who runs will take what is for the whole process
	for _, t := range p.threads {
		if t.parked == nil && !x.vforking(t) {
			shared = shared && signalsOf(t.tid).blocked == ^uint64(0)
		}
	}
	taken := false
	for _, t := range slices.Clone(p.threads) {
		w := t.parked
		if w == nil {
			continue
		}
		s := signalsOf(t.tid)
		pending := s.own
		if shared && !taken {
			pending |= s.shared
		}
		if w.want&(s.own|s.shared) != 0 {
			x.unpark(t)
			continue
		}
		blocked := s.blocked
		if w.mask != nil {
			blocked = *w.mask
		}
		if set := s.effective(pending &^ blocked); set != 0 {
			taken = taken || set&s.own == 0
			x.endWait(t, set, s)
		}
	}
}

// vforking reports whether a thread is held by the kernel until its child
// lets it go.
func (x *tracer) vforking(t *thread) bool {
	return slices.ContainsFunc(x.processes, func(p *process) bool { return p.holds == t })
}

// endWait lets a parked thread go on to its signal.
func (x *tracer) endWait(t *thread, set uint64, s signals) {
	w := t.parked
	if w.mask != nil {
		// The kernel takes the mask off after the handler: it has to make the
		// call, which does not wait now.
		t.interrupted = true
		x.unpark(t)
		return
	}
	sig := 1
	for set&bit(sig) == 0 {
		sig++
	}
	if w.remain != 0 {
		t.setTime(w.remain, max(0, w.deadline-x.now), 1)
	}
	x.unwait(t)
	if w.restart && s.caught&bit(sig) != 0 && t.proc.handlers.restarts(sig) {
		t.repeat()
	} else {
		t.answer(-int64(unix.EINTR))
	}
	x.ready(t)
}

// signalled decides about a signal that a running thread is about to get.
func (x *tracer) signalled(t *thread, sig unix.Signal) outcome {
	if sig == unix.SIGSEGV && x.readsTSC(t) {
		return goOn
	}
	if stopping&bit(int(sig)) != 0 && signalsOf(t.tid).caught&bit(int(sig)) == 0 {
		if !x.fromOutside(t, sig) && x.stop(t.proc, sig) {
			t.proc.held = append([]*thread{t}, t.proc.held...)
			return waits
		}
		return goOn
	}
	if sig == unix.SIGCHLD {
		t.childInfo()
	} else {
		x.fromOutside(t, sig)
	}
	x.tellSender(t)
	if s := signalsOf(t.tid); s.effective(bit(int(sig)))&^s.caught != 0 {
		x.leaveAll(t.proc) // it ends by that
	}
	t.sig = sig
	return goOn
}

// readsTSC answers the instructions that read the processor's time stamp,
// which fault: PR_SET_TSC, prctl(2). A tick is a nanosecond. Each counts as a
// call, and takes about as long: libraries that make randomness of how much
// that differs end a program in which it does not.
func (x *tracer) readsTSC(t *thread) bool {
	if unix.PtraceGetRegs(t.tid, &t.regs) != nil {
		return false
	}
	code := t.read(t.regs.Rip, 3)
	n := uint64(2)
	switch {
	case bytes.HasPrefix(code, []byte{0x0f, 0x31}): // rdtsc
	case bytes.HasPrefix(code, []byte{0x0f, 0x01, 0xf9}): // rdtscp
		n = 3
		t.regs.Rcx = 0
	default:
		return false
	}
	x.progress++
	x.elapse(t, perCall/2+int64(x.ticks.c.Uint64()%perCall))
	ticks := uint64(sinceBoot + x.now)
	t.regs.Rax, t.regs.Rdx = ticks&0xffffffff, ticks>>32
	t.regs.Rip += n
	t.dirty = true
	return true
}

// sends is the handler of calls that send signals: the kernel does it, and
// who waits is told.
func sends(x *tracer, t *thread) outcome {
	sig := t.intArg(1)
	switch t.nr {
	case unix.SYS_TGKILL, unix.SYS_RT_TGSIGQUEUEINFO:
		sig = t.intArg(2)
	}
	if sig > 0 && sig < 32 && stopping&bit(sig) != 0 {
		if out, done := x.stops(t, sig); done {
			return out
		}
	}
	if x.ids != nil && t.nr == unix.SYS_KILL && t.intArg(0) == -1 {
		return x.sendsAll(t, sig)
	}
	var doomed, continued []*process
	switch unix.Signal(sig) {
	case unix.SIGKILL:
		doomed = x.targets(t)
		for _, p := range doomed {
			x.leaveAll(p)
		}
	case unix.SIGCONT:
		continued = x.targets(t)
	}
	ret, out := x.passStopped(t)
	if out != goOn || errno(ret) != 0 {
		return out
	}
	for _, p := range doomed {
		if p != t.proc {
			x.reap(p)
		}
	}
	for _, p := range continued {
		x.resume(p)
	}
	x.interruptAll()
	return goOn
}

// fromOutside tells of a signal that nothing inside has sent, and reports
// whether it is one.
func (x *tracer) fromOutside(t *thread, sig unix.Signal) bool {
	info, ok := t.siginfo()
	code, sender := int32(binary.LittleEndian.Uint32(info[8:])), binary.LittleEndian.Uint32(info[16:])
	const user, byThread, queued = 0, -6, -1 // SI_USER, SI_TKILL, SI_QUEUE
	if x.ids != nil && x.ids.inside[int(sender)] != 0 {
		return false
	}
	if !ok || x.ids == nil && sender != 0 || code != user && code != byThread && code != queued {
		return false
	}
	switch sig {
	case unix.SIGALRM, unix.SIGVTALRM, unix.SIGPROF: // the tracer's
		return false
	case unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT:
		x.noted("%s was sent %s from outside", t.proc.name(), unix.SignalName(sig))
	default:
		x.broken("%s was sent %s from outside", t.proc.name(), unix.SignalName(sig))
	}
	return true
}

// siginfo returns what the kernel says of the signal that a thread is about
// to get: siginfo_t.
func (t *thread) siginfo() (info [siginfoSize]byte, ok bool) {
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETSIGINFO, uintptr(t.tid), 0, uintptr(unsafe.Pointer(&info)), 0, 0)
	return info, e == 0
}

// targets returns whom a call that sends a signal means.
func (x *tracer) targets(t *thread) []*process {
	n := t.intArg(0)
	var out []*process
	for _, p := range x.processes {
		var meant bool
		switch {
		case t.nr == unix.SYS_TKILL:
			meant = slices.ContainsFunc(p.threads, func(o *thread) bool { return o.id == n })
		case t.nr == unix.SYS_PIDFD_SEND_SIGNAL:
			meant = x.pidfdOf(t, n, p)
		case n > 0:
			meant = p.id == n
		case n == 0:
			meant = group(p.pid) == group(t.proc.pid)
		case n == -1:
			meant = p != t.proc
		default:
			meant = x.guestID(group(p.pid)) == -n
		}
		if meant {
			out = append(out, p)
		}
	}
	return out
}

// pidfdOf reports whether a descriptor of a thread's is a pidfd of a process.
func (x *tracer) pidfdOf(t *thread, n int, p *process) bool {
	if x.ids != nil {
		return fdinfoField(t.tid, n, "Pid") == strconv.Itoa(p.pid)
	}
	id := strconv.Itoa(p.id)
	return fdinfoField(t.tid, n, "Pid") == id || lastWord(fdinfoField(t.tid, n, "NSpid")) == id
}

func group(pid int) int {
	g, err := unix.Getpgid(pid)
	if err != nil {
		return -1
	}
	return g
}

func lastWord(s string) string {
	f := strings.Fields(s)
	if len(f) == 0 {
		return ""
	}
	return f[len(f)-1]
}

// rtSigsuspend waits with other signals blocked, sigsuspend(2).
func rtSigsuspend(x *tracer, t *thread) outcome {
	mask, ok := t.word(t.arg(0))
	if !ok {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	if t.takeInterrupt() || x.has(t, mask) {
		return goOn // the kernel finds the signal
	}
	return x.park(t, parked{why: "waits for a signal", deadline: -1, mask: &mask})
}

// has reports whether a thread has a signal that would end a wait with a mask.
func (x *tracer) has(t *thread, mask uint64) bool {
	s := signalsOf(t.tid)
	return s.effective((s.own|s.shared)&^mask) != 0
}

func (t *thread) takeInterrupt() bool {
	i := t.interrupted
	t.interrupted = false
	return i
}

func pause(x *tracer, t *thread) outcome {
	return x.park(t, parked{why: "waits for a signal", deadline: -1})
}

// rtSigtimedwait waits for one of some signals, sigwaitinfo(2).
func rtSigtimedwait(x *tracer, t *thread) outcome {
	set, ok := t.word(t.arg(0))
	if !ok {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	if s := signalsOf(t.tid); (s.own|s.shared)&set != 0 {
		return goOn // it does not wait
	}
	if t.late {
		t.answer(-int64(unix.EAGAIN))
		return goOn
	}
	p := parked{why: "waits for a signal", deadline: -1, want: set}
	if at := t.arg(2); at != 0 {
		d, e := t.validTimespec(at)
		if e != 0 {
			t.answer(-int64(e))
			return goOn
		}
		p.deadline = x.after(d)
	}
	return x.park(t, p)
}

// siginfoSize is that of siginfo_t.
const siginfoSize = 128

// queue sends a signal with what a timer says in it, rt_tgsigqueueinfo(2).
func queueSignal(p *process, tid int, sig int, code int32, value uint64, extra [2]int32) {
	var info [siginfoSize]byte
	binary.LittleEndian.PutUint32(info[0:], uint32(sig))
	binary.LittleEndian.PutUint32(info[8:], uint32(code))
	binary.LittleEndian.PutUint32(info[16:], uint32(extra[0]))
	binary.LittleEndian.PutUint32(info[20:], uint32(extra[1]))
	binary.LittleEndian.PutUint64(info[24:], value)
	if tid > 0 {
		unix.RawSyscall6(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(p.pid), uintptr(tid), uintptr(sig), uintptr(unsafe.Pointer(&info)), 0, 0)
		return
	}
	unix.RawSyscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(p.pid), uintptr(sig), uintptr(unsafe.Pointer(&info)))
}
