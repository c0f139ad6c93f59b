package program

import (
	"sync"
	"time"
)

// A turnstile lets one thing at a time out to the program, and lets the next
// follow when the program has done with the last. What a program does when
// two answers come at the same moment is a matter of its scheduler; one that
// has come to rest in between does the same every time, for all that its
// scheduler can know.
//
// It asks only when several exchanges are under way: a program that waits for
// one answer has nothing to mix it up with, and loses no time.
type turnstile struct {
	settle func(limit time.Duration) bool // waits until the program rests

	mu     sync.Mutex    // guards the rest; held while something is recorded, and while settle looks
	last   chan struct{} // closed when what passed last is written
	alone  bool          // it was the only exchange then
	limit  time.Duration
	missed int // how often in a row the program did not come to rest
}

// rest is how long the program is given to come to rest, at first and when it
// has shown that it does not.
const (
	rest     = 5 * time.Second
	lessRest = 10 * time.Millisecond
)

func newTurnstile(settle func(time.Duration) bool) *turnstile {
	return &turnstile{settle: settle, limit: rest}
}

// pass calls record when it is the caller's turn. The caller then writes to
// the program, and calls done. alone says that no other exchange is under
// way.
func (t *turnstile) pass(alone bool, record func() error) (done func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last != nil && !(alone && t.alone) {
		t.await()
	}
	t.alone = alone
	if err := record(); err != nil {
		return nil, err
	}
	written := make(chan struct{})
	t.last = written
	return func() { close(written) }, nil
}

// await waits until the last thing is written, and the program rests. A
// program that does not read what it is given, or that is never at rest, is
// waited for less and less.
func (t *turnstile) await() {
	select {
	case <-t.last:
	case <-time.After(t.limit):
		t.tire()
		return
	}
	t.calm()
}

// rested waits until the program rests, while nothing else is let out.
func (t *turnstile) rested() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calm()
}

// quiet reports whether the program rests, or comes to rest within limit.
func (t *turnstile) quiet(limit time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.settle(limit)
}

func (t *turnstile) calm() {
	if t.settle(t.limit) {
		t.missed, t.limit = 0, rest
		return
	}
	t.tire()
}

func (t *turnstile) tire() {
	if t.missed++; t.missed >= 3 {
		t.limit = lessRest
	}
}
