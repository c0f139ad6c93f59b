//go:build linux && amd64

package box

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A watch looks, from a goroutine of its own, at how long the thread whose
// turn it is goes without a stop. One that goes too long while others could
// run is stopped from outside, with a SIGSTOP that the program never sees,
// so that the tracer may look at it.
//
// What the machine's load does to a thread does not count: its patience is
// time on a processor, and only a thread that sleeps in the kernel is measured
// by the clock on the wall.
type watch struct {
	turn     atomic.Int64 // of stepping: which
	tid      atomic.Int64 // whose turn it is; 0: nobody's
	patience atomic.Int64 // nanoseconds on a processor until it is stopped
	sent     atomic.Int64 // the thread that has been sent a SIGSTOP; 0: none
	crowd    crowd
	end      chan struct{}
}

// Patience with a thread that goes without a stop.
const (
	firstLook = int64(500 * time.Millisecond)
	laterLook = int64(50 * time.Millisecond) // at one that was found spinning before
	sleepLook = 2 * time.Second
)

func newWatch(s *seat) *watch {
	w := &watch{end: make(chan struct{}), crowd: crowd{seat: s}}
	go w.run()
	return w
}

func (w *watch) close() { close(w.end) }

// begin notes that a thread goes on.
func (w *watch) begin(tid int, patience int64) {
	w.patience.Store(patience)
	w.tid.Store(int64(tid))
	w.turn.Add(1)
}

// over notes that it has stopped, and what came of that was done.
func (w *watch) over() { w.tid.Store(0) }

// took reports whether a stop of a thread is the watch's doing.
func (w *watch) took(tid int) bool { return w.sent.CompareAndSwap(int64(tid), 0) }

func (w *watch) run() {
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	turn, since, from := int64(-1), time.Time{}, int64(0)
	for {
		select {
		case <-w.end:
			return
		case <-ticks.C:
		}
		tid := int(w.tid.Load())
		w.crowd.look(tid)
		switch now := w.turn.Load(); {
		case tid == 0 || w.sent.Load() != 0:
			turn = -1
			continue
		case now != turn:
			turn, since, from = now, time.Now(), processorTime(tid)
			continue
		}
		patience := w.patience.Load()
		slept := time.Since(since) > sleepLook && statusField(tid, "State") == "S"
		if patience < 0 || !slept && processorTime(tid)-from < patience {
			continue
		}
		// If it has stopped meanwhile, it finds the signal later, and took
		// knows it then.
		w.sent.Store(int64(tid))
		if unix.Tgkill(threadGroup(tid), tid, unix.SIGSTOP) != nil {
			w.sent.Store(0)
		}
	}
}

func threadGroup(tid int) int {
	n, _ := strconv.Atoi(statusField(tid, "Tgid"))
	return n
}

// processorTime returns for how many nanoseconds a thread has run.
func processorTime(tid int) int64 {
	first, _, _ := strings.Cut(procFile(tid, "schedstat"), " ")
	n, err := strconv.ParseInt(first, 10, 64)
	if err == nil {
		return n
	}
	// A kernel without that counts hundredths of a second.
	_, stat, _ := strings.Cut(procFile(tid, "stat"), ") ")
	f := strings.Fields(stat)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return (user + system) * int64(10*time.Millisecond)
}
