//go:build linux && amd64

package box

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A thread that waits for another without a system call, in a loop that only
// looks at memory, would never let that other run. If nothing changes from one
// round of its loop to the next, no register and no byte of memory, it is
// certain that it waits, and it can be put aside at a place of its loop that
// is the same each time: such a run stays certain.
//
// A loop that counts its rounds is another matter. How far it has come when
// it is put aside, no other run will repeat, so that is told.

// How long, on a processor, a thread may keep others waiting before it is
// put aside though it may only be computing: in a loop of few instructions,
// and at all.
const (
	longInLoop = int64(2 * time.Second)
	long       = int64(30 * time.Second)
)

// untilLook is for how long, on a processor, a thread may go on now until the
// watch stops it; -1 when there is no other.
func (x *tracer) untilLook(t *thread) int64 {
	switch {
	case len(x.queue) == 0 && len(x.waits) == 0 && len(x.timers.all) == 0:
		return -1
	case t.used > 0:
		return t.used // looked at after half a second, one, two, four, …
	case t.spinner:
		return laterLook
	}
	return firstLook
}

// watched looks at a thread that the watch has stopped.
func (x *tracer) watched(t *thread) outcome {
	x.watch.over()
	t.used += max(0, x.untilLook(t))
	var r unix.PtraceRegs
	if unix.PtraceGetRegs(t.tid, &r) != nil {
		return x.lost(t)
	}
	if !x.othersWait() {
		return goOn // it keeps nobody waiting
	}
	if inKernel(&r) {
		x.broken("%s waits inside the system call %s, where coo cannot follow it", t.proc.name(), callName(r.Orig_rax))
		return x.putAside(t, false)
	}
	l := x.followLoop(t)
	switch {
	case l.stop != nil:
		return x.stopped(t, *l.stop)
	case l.lost:
		return x.lost(t)
	case l.proven:
		return x.putAside(t, true)
	case t.used >= long, t.endless, l.tight && (t.used >= longInLoop || t.spinner):
		x.broken("%s, thread %d: spins at %s without a system call while others wait", t.proc.name(), t.id, t.codeAt(r.Rip))
		return x.putAside(t, false)
	}
	return goOn
}

// othersWait reports whether anything else could happen.
func (x *tracer) othersWait() bool {
	if len(x.queue) > 0 || x.earliest() >= 0 {
		return true
	}
	for _, t := range x.waits {
		if p := t.parked; p.ready != nil && p.ready() {
			return true
		}
	}
	return false
}

// inKernel reports whether a thread that was stopped by a signal was waiting
// in a call, which the kernel begins anew then.
func inKernel(r *unix.PtraceRegs) bool {
	const first, last = -516, -512 // ERESTART_RESTARTBLOCK … ERESTARTSYS
	return int64(r.Orig_rax) >= 0 && int64(r.Rax) >= first && int64(r.Rax) <= last
}

// putAside lets others run until something has changed.
func (x *tracer) putAside(t *thread, proven bool) outcome {
	t.spinner, t.proven = true, proven
	t.endless = t.endless || !proven
	t.used = 0 // it is looked at soon again
	t.aside = x.progress
	x.ready(t)
	return waits
}

// pop takes the first of the queue that may go on: one that spins may when
// something was done since.
func (x *tracer) pop() *thread {
	for i, t := range x.queue {
		if t.aside < x.progress {
			x.queue = append(x.queue[:i:i], x.queue[i+1:]...)
			return t
		}
	}
	return nil
}

// A loop is what was found by following a thread for a while.
type loop struct {
	proven bool             // nothing changes in it
	tight  bool             // it has few instructions
	stop   *unix.WaitStatus // the thread stopped for another reason
	lost   bool
}

// Of a loop that is followed: how many instructions it may have, how often
// registers may be the same while memory is not, and in how few instructions
// it is tight.
const (
	mostFollowed = 4096
	mostRounds   = 4
	fewPlaces    = 16
)

// followLoop follows a thread from instruction to instruction until its
// registers are as they were, and compares its memory from there to when they
// are so again.
func (x *tracer) followLoop(t *thread) loop {
	var l loop
	start, ok := t.registers()
	if !ok {
		return loop{lost: true}
	}
	places := map[uint64]bool{}
	before, known := moment{}, false
	var states [][]byte
	for rounds := 0; len(states) < mostFollowed; {
		if !t.stepOne(&l) {
			return l
		}
		now, ok := t.registers()
		if !ok {
			return loop{lost: true}
		}
		places[t.regs.Rip] = true
		states = append(states, now)
		if !bytes.Equal(now, start) {
			continue
		}
		s, ok := t.moment()
		switch {
		case !ok || rounds == mostRounds:
			l.tight = len(places) <= fewPlaces
			return l
		case known && s == before:
			l.proven = true
			t.rewindLoop(&l, states)
			return l
		}
		before, known, states = s, true, states[:0]
		rounds++
	}
	l.tight = len(places) <= fewPlaces
	return l
}

// rewindLoop brings a thread to the place of its loop that comes first by its
// registers.
func (t *thread) rewindLoop(l *loop, states [][]byte) {
	first := 0
	for i := range states {
		if bytes.Compare(states[i], states[first]) < 0 {
			first = i
		}
	}
	for i := 0; i <= first; i++ {
		if !t.stepOne(l) {
			return
		}
	}
}

// stepOne lets a thread execute one instruction: false when it stopped for
// another reason.
func (t *thread) stepOne(l *loop) bool {
	if unix.PtraceSingleStep(t.tid) != nil {
		l.lost = true
		return false
	}
	ws, err := waitThread(t.tid)
	switch {
	case err != nil || !ws.Stopped():
		l.lost = true
		return false
	case ws.StopSignal() != unix.SIGTRAP || ws.TrapCause() > 0:
		l.stop = &ws
		return false
	}
	return true
}

func (t *thread) registers() ([]byte, bool) {
	if unix.PtraceGetRegs(t.tid, &t.regs) != nil {
		return nil, false
	}
	b, err := binary.Append(nil, binary.BigEndian, &t.regs)
	return b, err == nil
}

// A moment is what decides what a thread does next, beside the registers that
// [thread.registers] returns.
type moment struct{ memory, vectors uint64 }

var momentSeed = maphash.MakeSeed()

// mostCompared is how much memory is compared at most.
const mostCompared = 512 << 20

// moment returns the thread's; false when it is too much.
func (t *thread) moment() (moment, bool) {
	var h maphash.Hash
	h.SetSeed(momentSeed)
	const xstate = 0x202 // NT_X86_XSTATE
	b := make([]byte, 16<<10)
	v := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETREGSET, uintptr(t.tid), xstate, uintptr(unsafe.Pointer(&v)), 0, 0)
	if e != 0 {
		return moment{}, false
	}
	h.Write(b[:v.Len])
	s := moment{vectors: h.Sum64()}
	h.Reset()
	left := mostCompared
	for _, m := range mappings(t.tid) {
		if len(m.perms) < 2 || m.perms[1] != 'w' {
			continue
		}
		if !t.hashPresent(&h, m, &left) {
			return moment{}, false
		}
	}
	s.memory = h.Sum64()
	return s, true
}

// hashPresent hashes the pages of a mapping that there are, proc(5): pagemap.
func (t *thread) hashPresent(h *maphash.Hash, m mapping, left *int) bool {
	const page, word, present = 4096, 8, 3 << 62
	f, err := os.Open("/proc/" + strconv.Itoa(t.tid) + "/pagemap")
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	for at := m.from; at < m.to; {
		n := min(len(b), int((m.to-at)/page)*word)
		if _, err := f.ReadAt(b[:n], int64(at/page*word)); err != nil {
			return false
		}
		for i := 0; i < n; i, at = i+word, at+page {
			if binary.LittleEndian.Uint64(b[i:])&present == 0 {
				continue
			}
			if *left -= page; *left < 0 {
				return false
			}
			h.Write(t.read(at, page))
		}
	}
	return true
}
