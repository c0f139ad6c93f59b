package program

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/coo-runtime/coo/internal/freeze"
)

// A gate lets frozen answers begin and end in the order in which their source
// recorded that. A program that asks several things at once asks them in an
// order of its scheduler's choosing; what it is told, it is told in the
// recorded order, and so the record comes out the same.
//
// What is due next may not have been asked yet: the gate waits for it. It
// always comes, when the program does what it did: at the time of the
// recording it had been asked after the same answers. When a program does
// something else the wait would have no end, so after patience without any
// sign of life the first that waits goes on; in a replay the record then
// shows which. A program that is at work may be about to ask, on a machine
// that has other things to do: it is given more time.
type gate struct {
	positions func(rank int, p int64) []int64

	mu       sync.Mutex // guards the rest
	lines    map[lineKey]*line
	patience time.Duration
	timer    *time.Timer
	stirred  time.Time                // when the last sign of life was
	rests    func(time.Duration) bool // whether the program waits; nil: nobody can tell
}

// How long a program that is at work is given: so many times the patience,
// and no longer than the other where that is more.
const (
	moreTimes = 10
	moreTime  = 20 * time.Second
	restLook  = 20 * time.Millisecond
)

// A lineKey is a program in a source.
type lineKey struct {
	rank int
	p    int64
}

// A line holds the recorded places of one program's heads and tails.
type line struct {
	due     []int64 // not passed yet, ascending
	waiting map[int64]chan struct{}
}

func newGate(patience time.Duration, positions func(rank int, p int64) []int64) *gate {
	g := &gate{patience: patience, positions: positions, lines: map[lineKey]*line{}, stirred: time.Now()}
	g.timer = time.AfterFunc(patience, g.relent)
	return g
}

// close ends the gate's timer.
func (g *gate) close() { g.timer.Stop() }

// watch tells the gate how to see whether the program waits.
func (g *gate) watch(rests func(limit time.Duration) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rests = rests
}

// stir notes a sign of life of the program.
func (g *gate) stir() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stirred = time.Now()
	g.timer.Reset(g.patience)
}

// enter waits until position at of the program that place names is due. Every
// enter that returns nil is followed by one leave.
func (g *gate) enter(ctx context.Context, place freeze.Place, at int64) error {
	if place.Rank < 0 || at == 0 {
		return nil // a live answer has no place, and what was no run has no order
	}
	g.stir()
	turn, l := g.queue(place, at)
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(l.waiting, at)
		return context.Cause(ctx)
	}
}

func (g *gate) queue(place freeze.Place, at int64) (<-chan struct{}, *line) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := lineKey{place.Rank, place.P}
	l := g.lines[key]
	if l == nil {
		l = &line{due: g.positions(key.rank, key.p), waiting: map[int64]chan struct{}{}}
		g.lines[key] = l
	}
	turn := make(chan struct{})
	l.waiting[at] = turn
	l.wake()
	return turn, l
}

// wake lets the waiting position go that is due, or that is no longer among
// those awaited.
func (l *line) wake() {
	// order: at most one is the first that is due; the others are late, and
	// wait for nobody
	for at, turn := range l.waiting {
		if _, awaited := slices.BinarySearch(l.due, at); !awaited || l.due[0] == at {
			close(turn)
			delete(l.waiting, at)
		}
	}
}

// leave says that what happened at a position is recorded.
func (g *gate) leave(place freeze.Place, at int64) {
	if place.Rank < 0 || at == 0 {
		return
	}
	g.stir()
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lines[lineKey{place.Rank, place.P}]
	if i, ok := slices.BinarySearch(l.due, at); ok {
		l.due = slices.Delete(l.due, i, i+1)
	}
	l.wake()
}

// relent gives up on what does not come: in every line in which something
// waits, the first of that is due.
func (g *gate) relent() {
	atWork := g.atWork()
	g.mu.Lock()
	defer g.mu.Unlock()
	if silence := time.Since(g.stirred); silence < g.patience || atWork && silence < min(moreTimes*g.patience, moreTime) {
		g.timer.Reset(g.patience)
		return
	}
	// order: the lines do not wait for each other
	for _, l := range g.lines {
		if len(l.waiting) == 0 {
			continue
		}
		first := int64(-1)
		// order: the smallest of all
		for at := range l.waiting {
			if first < 0 || at < first {
				first = at
			}
		}
		i, _ := slices.BinarySearch(l.due, first)
		l.due = slices.Delete(l.due, 0, i)
		l.wake()
	}
	g.timer.Reset(g.patience)
}

// atWork reports whether the program does something. Looking takes a while, in
// which it may ask.
func (g *gate) atWork() bool {
	g.mu.Lock()
	rests := g.rests
	g.mu.Unlock()
	return rests != nil && !rests(restLook)
}

// hurry shortens the wait for what does not come: the program asks for what
// the source does not have, so it is not the one that was recorded.
func (g *gate) hurry() {
	g.mu.Lock()
	g.patience = min(g.patience, 100*time.Millisecond)
	g.mu.Unlock()
	g.stir()
}
