//go:build linux && amd64

package box

import (
	"bufio"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// A tracer runs one program. It is used on one thread.
type tracer struct {
	Config
	root      int // the process that adopts orphans
	first     *process
	processes []*process
	threads   map[int]*thread
	newborn   map[int]bool // threads whose first stop came before word of their birth
	mms       int

	now      int64 // virtual nanoseconds since the start
	seq      int64 // of parking
	queue    []*thread
	waits    []*thread // parked, in the order of seq
	turns    int       // stops since others were last given a chance
	limit    int       // of turns, this time
	over     bool      // it was reached
	yields   bool      // the running thread has made a call that might have waited
	chance   *stream   // varies slices
	ticks    *stream   // varies how long reading the time stamp counter takes
	progress int64     // calls that did not wait, and ends: what may end a wait
	looked   int       // stops since descriptors were last looked at
	timers   timers
	watch    *watch
	seat     *seat // nil: anywhere

	exit    Exit
	ended   bool // the first process has
	grace   int64
	outputs map[[2]uint64]int // pipes, by device and inode: 1 is stdout, 2 stderr

	conns     map[uint64]*conn // to the outside, by inode
	connected int64            // so far
	strangers bool             // something of programs outside may come
	inet      bool             // something was sent inside since all was last quiet
	slaves    map[uint32]bool  // numbers of terminals that were opened
	netlinks  map[uint64]uint8 // sockets that were netlink's when they were made, by inode: the family that was asked about
	files     files
	page      *clockPage        // nil: none
	pageFile  string            // its path in every program
	vdso      map[string]uint64 // where functions are in the kernel's; nil: not looked at yet
	ports     int               // given so far
	cookies   map[uint32]uint32 // of renamings, by the kernel's
	devs      map[string]uint64 // of files without a path, by their kind

	random bool // addresses are, and the tracer chooses them

	ids   *ids   // nil: the program has a namespace for them
	views *views // nil: there are mounts for them
	inner *inner // nil: the program has a network of its own

	sysv   [sysvKinds]sysv
	queues map[string]bool // of POSIX, by their names on the machine
	tag    string          // what these and names of Unix sockets begin with

	manifest manifest
	said     map[string]bool // what was told once, and need not be told again
	letters  int             // a socket that descriptors are sent to
	sendsOwn bool            // the program has to send its descriptors: they may not be taken

	talk  error // why the coo outside cannot be told anything more
	trace *bufio.Writer
}

func newTracer(c Config) *tracer {
	x := &tracer{
		Config: c, threads: map[int]*thread{}, newborn: map[int]bool{},
		conns: map[uint64]*conn{}, files: newFiles(), cookies: map[uint32]uint32{}, said: map[string]bool{},
		netlinks: map[uint64]uint8{}, slaves: map[uint32]bool{},
	}
	x.chance, x.ticks = x.stream("slices"), x.stream("ticks")
	if c.Trace != nil {
		x.trace = bufio.NewWriterSize(c.Trace, 64<<10)
	}
	return x
}

func (x *tracer) newMM() *mm {
	x.mms++
	return &mm{n: x.mms}
}

// tell passes an event on. When nobody hears it any more the program ends.
func (x *tracer) tell(e Event) {
	if x.talk == nil {
		e.At = x.now
		x.talk = x.Talk.Tell(e)
	}
}

// An outcome says what becomes of a thread after its call was looked at.
type outcome int

const (
	goOn outcome = iota
	waits
	gone
)

// perCall is what a call that stops takes, in virtual nanoseconds.
const perCall = 1000

// slice is how many calls that stop a thread makes, about, before others that
// could run get their turn.
const slice = 64

// slice draws how many it is this time. A loop whose calls had a common
// measure with it would always be left at the same place, and hold the same
// lock there.
func (x *tracer) slice() int { return slice/2 + int(x.chance.c.Uint64()%slice) }

// loop runs the threads until none is left.
func (x *tracer) loop() error {
	for len(x.threads) > 0 {
		t, err := x.next()
		if err != nil {
			return err
		}
		x.moveOn()
		if t == nil {
			continue
		}
		x.turns, x.yields, x.over = 0, false, false
		x.limit = x.slice()
		for x.step(t) == goOn {
			x.endTurn()
			if !x.over && !x.yields {
				continue
			}
			x.over, x.yields = false, false
			if len(x.queue) > 0 {
				x.ready(t)
				break
			}
		}
		if x.talk != nil {
			return x.talk
		}
	}
	return nil
}

// endTurn ends the turn of a thread whose slice is used up: others are looked
// for. That is before the kernel makes the call that was decided last, and what
// that does is not seen yet.
func (x *tracer) endTurn() {
	if x.turns >= x.limit {
		x.over, x.turns = true, 0
		x.moveOn()
		x.look()
	}
}

// step lets a thread run to its next stop, and decides what comes of that.
func (x *tracer) step(t *thread) outcome {
	if t.again {
		t.again = false
		return x.decide(t)
	}
	if t.dirty {
		if unix.PtraceSetRegs(t.tid, &t.regs) != nil {
			return x.lost(t)
		}
	}
	x.watch.begin(t.tid, x.untilLook(t))
	defer x.watch.over()
	sig := int(t.sig)
	t.dirty, t.after, t.sig = false, false, 0
	x.takeTime(t) // it may have been let go instruction by instruction
	x.lendTime()
	if unix.PtraceCont(t.tid, sig) != nil {
		return x.lost(t)
	}
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		if tid == t.tid && t.typing != nil {
			t.arrive()
		}
		switch {
		case err == unix.EINTR:
		case err != nil:
			return x.lost(t)
		case tid == t.tid && ws.Stopped():
			x.takeTime(t)
			return x.stopped(t, ws)
		case ws.Stopped():
			x.stray(tid, ws)
		default:
			if tid == t.tid {
				x.takeTime(t)
			}
			x.died(tid, ws)
			if x.threads[t.tid] == nil {
				return gone
			}
		}
	}
}

// lost is a thread that is there no more: it was killed. What its end was is
// found out by waiting for it.
func (x *tracer) lost(t *thread) outcome {
	if x.threads[t.tid] == nil {
		return gone
	}
	x.reap(t.proc)
	return gone
}

// stray is a stop of a thread whose turn it is not: a new one's first, before
// the word of its birth.
func (x *tracer) stray(tid int, ws unix.WaitStatus) {
	if x.threads[tid] == nil {
		x.newborn[tid] = true
		return
	}
	x.unexpected(x.threads[tid], ws)
}

// unexpected is a stop of a thread at a moment when there should be none but
// for a signal that has come meanwhile: it gets that when it goes on.
func (x *tracer) unexpected(t *thread, ws unix.WaitStatus) {
	if ws.TrapCause() == unix.PTRACE_EVENT_VFORK_DONE {
		t.released = true
		return
	}
	if ws.StopSignal() == unix.SIGSTOP && x.watch.took(t.tid) {
		x.broken("%s waits inside the system call %s, where coo cannot follow it", t.proc.name(), callName(t.nr))
		return
	}
	if ws.TrapCause() < 0 && ws.StopSignal() != unix.SIGTRAP|0x80 {
		t.sig = ws.StopSignal()
	}
}

// stopped looks at a stop of the running thread.
func (x *tracer) stopped(t *thread, ws unix.WaitStatus) outcome {
	switch sig := ws.StopSignal(); {
	case sig == unix.SIGSTOP && x.watch.took(t.tid):
		return x.watched(t)
	case sig != unix.SIGTRAP:
		return x.signalled(t, sig)
	case ws.TrapCause() == unix.PTRACE_EVENT_SECCOMP:
		return x.called(t)
	case ws.TrapCause() == unix.PTRACE_EVENT_CLONE, ws.TrapCause() == unix.PTRACE_EVENT_FORK,
		ws.TrapCause() == unix.PTRACE_EVENT_VFORK:
		return x.gaveBirth(t, ws.TrapCause())
	case ws.TrapCause() > 0:
		return goOn
	}
	return x.signalled(t, unix.SIGTRAP)
}

// called looks at a call that a thread is about to make.
func (x *tracer) called(t *thread) outcome {
	if unix.PtraceGetRegs(t.tid, &t.regs) != nil {
		return x.lost(t)
	}
	if out, quiet := x.calledQuietly(t); quiet {
		return out
	}
	t.nr = t.regs.Orig_rax
	x.countLooks(t)
	step := int64(perCall)
	if isClock(t.nr) {
		// A thread that only looks at the clock waits for it.
		t.reads++
		step <<= min(t.reads/slice, 10)
	} else {
		t.reads = 0
	}
	x.elapse(t, step)
	return x.decide(t)
}

// elapse lets time go on by what a stop of a thread takes, and counts it.
func (x *tracer) elapse(t *thread, step int64) {
	t.used, t.aside = 0, -1
	x.turns++
	x.looked++
	x.now += step
	t.cpu += step
	t.proc.cpu += step
	x.timers.fire(x)
	if x.looked >= 4*slice {
		x.look()
	}
}

// decide lets the call's handler say what becomes of it.
func (x *tracer) decide(t *thread) outcome {
	out := goOn
	if !x.forbidden(t) {
		out = handlerOf(t.nr)(x, t)
	}
	t.late = false
	if out != waits {
		x.progress++
	}
	if x.trace != nil {
		x.traceCall(t, out)
	}
	if out == goOn && !t.after && t.regs.Orig_rax == t.nr {
		x.endTurn() // passChanged may make the call
		return x.passChanged(t)
	}
	return out
}

// pass lets the kernel answer a call that says the same each time.
func pass(*tracer, *thread) outcome { return goOn }

// passStopped lets the kernel answer now, and stops after that.
func (x *tracer) passStopped(t *thread) (ret int64, out outcome) {
	if t.dirty {
		if unix.PtraceSetRegs(t.tid, &t.regs) != nil {
			return 0, x.lost(t)
		}
		t.dirty = false
	}
	r := t.regs
	c := x.entering(t, &r)
	ret, ok := x.makeChanged(t, &r, c)
	if !ok {
		return 0, x.lost(t)
	}
	t.regs.Rax = uint64(ret)
	t.dirty = !c.nothing()
	return ret, goOn
}

// fails returns a handler for calls that a kernel without them would refuse.
func fails(e unix.Errno) handler {
	return func(_ *tracer, t *thread) outcome {
		t.answer(-int64(e))
		return goOn
	}
}

// returns is a handler for calls that always have the same result.
func returns(ret int64) handler {
	return func(_ *tracer, t *thread) outcome {
		t.answer(ret)
		return goOn
	}
}

// gaveBirth takes in what a thread has made: another thread, or a process.
func (x *tracer) gaveBirth(t *thread, cause int) outcome {
	msg, err := unix.PtraceGetEventMsg(t.tid)
	if err != nil {
		return x.lost(t)
	}
	tid := int(msg)
	if !x.newborn[tid] {
		ws, err := waitThread(tid)
		if err != nil || !ws.Stopped() {
			return goOn // it was killed at once
		}
	}
	delete(x.newborn, tid)
	flags := uint64(unix.SIGCHLD)
	switch t.nr {
	case unix.SYS_CLONE:
		flags = t.arg(0)
	case unix.SYS_VFORK:
		flags = unix.CLONE_VM | unix.CLONE_VFORK
	}
	p := t.proc
	if flags&unix.CLONE_THREAD == 0 {
		p = x.child(t, flags)
		p.pid = tid
		x.processes = append(x.processes, p)
	}
	born := x.addThread(tid, p)
	if p != t.proc {
		p.id = born.id
	}
	if flags&unix.CLONE_CHILD_CLEARTID != 0 {
		born.clearTID = t.arg(3)
	}
	x.bornTold(t, born, flags)
	x.ready(born)
	if cause != unix.PTRACE_EVENT_VFORK {
		return x.birthReturns(t)
	}
	// The kernel holds the parent until the child has its own memory.
	p.forked, p.holds = t.proc, t
	if unix.PtraceCont(t.tid, 0) != nil {
		return x.lost(t)
	}
	return waits
}

// child returns the process that a thread forks.
func (x *tracer) child(t *thread, flags uint64) *process {
	parent := t.proc
	parent.children++
	c := &process{
		parent: parent, mm: parent.mm, handlers: parent.handlers,
		rand:   x.stream(fmt.Sprintf("%s.%d", parent.rand.name, parent.children)),
		lookIn: parent.lookIn, limits: parent.limits, nice: parent.nice, began: x.now, auxv: parent.auxv,
	}
	if flags&unix.CLONE_PARENT != 0 {
		c.parent = parent.parent
	}
	if flags&unix.CLONE_VM == 0 {
		c.mm = x.newMM()
		c.mm.hidden = parent.mm.hidden
	}
	if flags&unix.CLONE_SIGHAND == 0 {
		c.handlers = parent.handlers.clone()
	}
	return c
}

// release lets the parent of a vfork go on: its child has its own memory now,
// or is no more.
func (x *tracer) release(p *process) {
	t := p.holds
	p.forked, p.holds = nil, nil
	if t == nil || x.threads[t.tid] == nil {
		return
	}
	for !t.released {
		ws, err := waitThread(t.tid)
		if err != nil {
			return
		}
		if !ws.Stopped() {
			x.died(t.tid, ws)
			return
		}
		if x.unexpected(t, ws); !t.released {
			unix.PtraceCont(t.tid, 0) //nolint:errcheck // if it is no more, the next wait says so
		}
	}
	t.released = false
	if x.birthReturns(t) == goOn {
		x.ready(t)
	}
}

// died takes a thread away, and its process with the last one.
func (x *tracer) died(tid int, ws unix.WaitStatus) {
	t := x.threads[tid]
	if t == nil {
		return
	}
	delete(x.threads, tid)
	x.forget(t)
	x.progress++
	p := t.proc
	p.drop(t)
	x.bequeath(t)
	if t.clearTID != 0 && len(p.threads) > 0 {
		x.wake(futexKey{mm: p.mm, addr: t.clearTID}, 1, ^uint32(0))
	}
	if len(p.threads) > 0 {
		if ws.Signaled() || p.leaving {
			x.reap(p)
		}
		return
	}
	x.processes = slices.DeleteFunc(x.processes, func(q *process) bool { return q == p })
	if p.pidfd > 0 {
		unix.Close(p.pidfd)
	}
	if p.forked != nil {
		x.release(p)
	}
	x.orphan(p)
	if p == x.first {
		x.firstEnded(ws)
	}
	if p.parent != nil {
		x.childEnded(p.parent)
	}
}

// reap waits for the ends of all threads of a process that was killed, the
// first thread last: its end comes after the others'.
func (x *tracer) reap(p *process) {
	p.leaving = true
	for len(p.threads) > 0 {
		t := p.threads[0]
		if t.tid == p.pid && len(p.threads) > 1 {
			t = p.threads[1]
		}
		ws, err := waitThread(t.tid)
		if err != nil {
			ws = 0
		}
		if err == nil && ws.Stopped() {
			unix.PtraceCont(t.tid, 0) //nolint:errcheck // it is being killed
			continue
		}
		x.died(t.tid, ws)
	}
}

// firstEnded notes how the program ended. What it has left running has a
// while to end.
func (x *tracer) firstEnded(ws unix.WaitStatus) {
	x.ended = true
	x.grace = x.now + 2e9
	x.exit.Status = ws.ExitStatus()
	if ws.Signaled() {
		x.exit.Status = 128 + int(ws.Signal())
		x.exit.Signal = unix.SignalName(ws.Signal())
	}
}

// exitGroup ends a process.
func exitGroup(x *tracer, t *thread) outcome {
	p := t.proc
	p.leaving = true
	x.leaveAll(p)
	if unix.PtraceCont(t.tid, 0) == nil {
		x.reap(p)
	}
	return gone
}

// exitThread ends a thread.
func exitThread(x *tracer, t *thread) outcome {
	p := t.proc
	if len(p.threads) == 1 {
		return exitGroup(x, t)
	}
	x.leave(t)
	if unix.PtraceCont(t.tid, 0) != nil {
		return x.lost(t)
	}
	if t.tid != p.pid {
		ws, err := waitThread(t.tid)
		if err == nil {
			x.died(t.tid, ws)
		}
		return gone
	}
	// The first thread's end is told when the process ends. Until then it
	// is a zombie; what waits for it in memory is woken by then.
	for statusField(t.tid, "State") != "Z" {
		unix.Nanosleep(&unix.Timespec{Nsec: 50_000}, nil) //nolint:errcheck // looked at again anyway
	}
	x.forget(t)
	x.bequeath(t)
	if t.clearTID != 0 {
		x.wake(futexKey{mm: p.mm, addr: t.clearTID}, 1, ^uint32(0))
	}
	return gone
}

func (x *tracer) traceCall(t *thread, out outcome) {
	defer x.trace.Flush()
	fmt.Fprintf(x.trace, "%d.%06d %d %s(%#x, %#x, %#x, %#x, %#x)", x.now/1e6, x.now%1e6, t.id, callName(t.nr),
		t.regs.Rdi, t.regs.Rsi, t.regs.Rdx, t.regs.R10, t.regs.R8)
	switch {
	case out == waits:
		x.trace.WriteString(" waits\n")
	case out == goOn && t.dirty || t.after:
		fmt.Fprintf(x.trace, " = %#x\n", t.regs.Rax)
	default:
		x.trace.WriteString("\n")
	}
}

func (x *tracer) flushTrace() {
	if x.trace != nil {
		x.trace.Flush()
	}
}
