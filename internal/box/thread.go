//go:build linux && amd64

package box

import (
	"slices"

	"golang.org/x/sys/unix"
)

// A thread of the program.
type thread struct {
	tid   int // as the tracer knows it
	id    int // as the program knows it
	proc  *process
	views *views          // as the tracer has them
	regs  unix.PtraceRegs // at its call
	nr    uint64          // the number of that

	// after is set once the kernel has made the call: the thread stands
	// behind it, and only its result can still be changed.
	after bool
	dirty bool // regs are to be written before it goes on
	sig   unix.Signal
	again bool // the handler of its call is to be asked once more
	late  bool // its deadline has passed
	// interrupted: a signal ends its wait, and the kernel has to make the call.
	interrupted bool
	executes    renamed // by the execve that it is in
	taking      bool    // it reads signals from a descriptor
	wrote       int     // bytes of a long write so far
	typing      *typing // at a terminal; nil: none
	born        int     // what an early call has forked
	// released: the kernel has let it go on after a vfork.
	released bool
	used     int64 // nanoseconds on a processor without a stop, as the watch has it
	spinner  bool  // it was found spinning
	proven   bool  // and certain to change nothing until others do
	endless  bool  // it was put aside once though that was not certain
	aside    int64 // the progress when it was put aside; -1: it was not

	owned    []owned // locks that it has, once it is about to end
	clearTID uint64  // where the kernel writes 0 when it ends, and wakes a futex
	parked   *parked
	looks    int64 // readings of the page that do not count yet
	reads    int64 // clock readings without anything else in between
	cpu      int64 // virtual nanoseconds that it has run
}

// A process of the program: threads that share memory and descriptors.
type process struct {
	pid      int // as the tracer knows it
	id       int // as the program knows it
	parent   *process
	threads  []*thread
	mm       *mm
	handlers *handlers
	pidfd    int // 0: none yet
	leaving  bool
	children int // born so far: names their randomness
	timers   int // made by timer_create so far
	cpu      int64
	rand     *stream
	forked   *process // made by vfork: the parent, whose memory it has
	holds    *thread  // and the thread of it that waits for that to end
	lookIn   bool     // descriptors can only be looked at in its own name
	job
	child  *[siginfoSize]byte // what the next SIGCHLD of the tracer's is about
	mourns bool               // it gets a signal when its parent ends
	adopts bool               // it becomes the parent of orphans among its descendants
	limits limits
	nice   int
	began  int64  // when
	auxv   []byte // what it was told at its start
	ran    renamed
	poked  bool // it was sent a signal while one of its threads ran
}

// A renamed file was executed by another path than the program has given.
type renamed struct{ name, host string }

// An mm is a memory: what futexes of a process are told apart by.
type mm struct {
	n      int
	hidden bool // PR_SET_DUMPABLE, prctl(2)
}

// A parked thread waits for something.
type parked struct {
	why      string // for people
	seq      int64  // order of parking
	deadline int64  // -1: none
	// ready reports whether its call would not wait now; nil when only
	// others can end the wait.
	ready func() bool
	futex *futexKey
	bits  uint32 // of a futex
	pi    uint64 // the address of a lock that is given to it; 0: none
	// child is set while it waits for a child.
	child bool
	// restart: a handler with SA_RESTART lets it wait on.
	restart bool
	remain  uint64  // where what is left of a sleep is told; 0: nowhere
	mask    *uint64 // signals that are blocked meanwhile; nil: as always
	want    uint64  // signals that it waits for
	fifo    *fifo   // an end of a FIFO that it opens
}

func (x *tracer) addThread(tid int, p *process) *thread {
	t := &thread{tid: tid, proc: p, views: x.views, aside: -1}
	if x.ids != nil {
		t.id = x.ids.give(tid)
	} else {
		t.id = x.guestID(tid)
	}
	p.threads = append(p.threads, t)
	x.threads[tid] = t
	return t
}

func (p *process) drop(t *thread) {
	if i := slices.Index(p.threads, t); i >= 0 {
		p.threads = slices.Delete(p.threads, i, i+1)
	}
}

// answer makes ret the result of the call that the thread stands at.
func (t *thread) answer(ret int64) {
	t.regs.Rax = uint64(ret)
	if !t.after {
		t.regs.Orig_rax = ^uint64(0)
	}
	t.dirty = true
}

// repeat lets the thread make its call again when it goes on.
func (t *thread) repeat() {
	t.regs.Rax = t.nr
	t.regs.Rip -= uint64(len(syscallCode))
	t.regs.Orig_rax = ^uint64(0)
	t.dirty = true
}

func (t *thread) arg(i int) uint64 {
	r := &t.regs
	return [...]uint64{r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9}[i]
}

func (t *thread) intArg(i int) int { return int(int32(t.arg(i))) }
