//go:build linux && amd64

package box

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The tracer and the program take turns, many thousand times a second, and
// never run at once. On one processor the change from one to the other is a
// matter of the scheduler alone; across two each has to wake the other, which
// on virtual machines takes several times as long. So all of them are kept on
// one, and go on to the next together when others want it as well.

// A seat is the processor that the tracer and the program share.
type seat struct {
	allowed []int // as the tracer was given them
	at      int   // which of them it is
	tracer  int   // the tracer's thread
	crowded atomic.Bool
}

// takeSeat keeps the calling thread, and what it starts, on the processor that
// it is on. It returns nil when there is only one, or the kernel refuses.
func takeSeat() *seat {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	s := &seat{tracer: unix.Gettid()}
	for n := range len(set) * 64 {
		if set.IsSet(n) {
			s.allowed = append(s.allowed, n)
		}
	}
	if len(s.allowed) < 2 {
		return nil
	}
	var now uint32
	unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&now)), 0, 0) // if it fails, any will do
	s.at = max(0, slices.Index(s.allowed, int(now)))
	if !s.sit(0) {
		return nil
	}
	return s
}

// sit puts a thread there, 0 being the calling one.
func (s *seat) sit(tid int) bool {
	var set unix.CPUSet
	set.Set(s.allowed[s.at])
	return unix.SchedSetaffinity(tid, &set) == nil
}

// moveOn takes everybody to the next processor when this one is crowded.
func (x *tracer) moveOn() {
	s := x.seat
	if s == nil || !s.crowded.CompareAndSwap(true, false) {
		return
	}
	s.at = (s.at + 1) % len(s.allowed)
	s.sit(0)
	for tid := range x.threads {
		s.sit(tid)
	}
}

// How often it is looked at whether a processor is crowded, and from which
// part of that time spent waiting for it on it is.
const (
	crowdLook = 100 * time.Millisecond
	crowdPart = 4
)

// A crowd measures how long those who share a seat have waited for it.
type crowd struct {
	seat   *seat
	since  time.Time
	thread int // of the program, whose turn it was
	waited time.Duration
}

// look tells the seat when others want the processor. tid is the thread of the
// program whose turn it is.
func (c *crowd) look(tid int) {
	if c.seat == nil || time.Since(c.since) < crowdLook {
		return
	}
	waited := waitedFor(c.seat.tracer)
	if tid != 0 {
		waited += waitedFor(tid)
	}
	if tid == c.thread && !c.since.IsZero() && (waited-c.waited)*crowdPart > time.Since(c.since) {
		c.seat.crowded.Store(true)
	}
	c.since, c.thread, c.waited = time.Now(), tid, waited
}

// waitedFor returns for how long a thread was ready to run and did not: the
// second number of schedstat, proc(5). It is 0 where the kernel does not count.
func waitedFor(tid int) time.Duration {
	f := strings.Fields(procFile(tid, "schedstat"))
	if len(f) < 2 {
		return 0
	}
	n, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(n)
}
