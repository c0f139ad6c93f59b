package freeze

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/coo-runtime/coo/internal/wire"
)

// A Frozen answers calls from sources and from nothing else.
type Frozen struct {
	mu    sync.Mutex // guards index: a program asks from many goroutines
	index index
	queue waiting
}

// NewFrozen returns a Frozen over sources, the newest first. Every recorded
// answer counts, failures too.
func NewFrozen(sources ...*Source) *Frozen {
	return &Frozen{index: index{sources: sources}}
}

// Ask implements [Answerer]. A call without a frozen answer is a [*MissError],
// decided now.
func (f *Frozen) Ask(_ context.Context, c Call) error {
	recorded, ok, err := f.take(c)
	if err != nil || ok {
		return err
	}
	return f.miss(c, recorded, false)
}

// miss returns the [*MissError] of c, a program's call or not, or what kept it
// from being made.
func (f *Frozen) miss(c Call, recorded int, program bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	near, err := f.index.nearest(c.Doc)
	if err != nil {
		return err
	}
	return &MissError{
		N: c.N, Key: c.Doc.Key, Doc: c.Doc.Bytes, Body: c.Doc.Body,
		Asked: f.index.asked[c.Doc.Key], Recorded: recorded, Nearest: near, Program: program,
	}
}

// take lets c wait for its frozen answer if there is one.
func (f *Frozen) take(c Call) (recorded int, ok bool, err error) {
	h, recorded, ok, err := f.find(c, wire.Builtin())
	if ok {
		heap.Push(&f.queue, waiter{c, h})
	}
	return recorded, ok, err
}

// find returns the frozen answer of c, whose key was made by rules, if there
// is one.
func (f *Frozen) find(c Call, rules *wire.Rules) (h hit, recorded int, ok bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.index.take(c.Doc.Key, rules)
}

// Next implements [Answerer]. It never blocks.
func (f *Frozen) Next(ctx context.Context) (*Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(f.queue) == 0 {
		return nil, errNothingAsked
	}
	w := heap.Pop(&f.queue).(waiter)
	d, err := w.delivery(w.Call, w.frozenCall)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.source.name, err)
	}
	d.Source = w.source.name
	return d, nil
}

// Close implements [Answerer].
func (f *Frozen) Close() error { return nil }

// Skipped returns one [*RulesError] for each source that was looked at and
// not used.
func (f *Frozen) Skipped() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.index.skipped)
}

// A waiter is a call and the answer it will get.
type waiter struct {
	Call
	hit
}

// waiting is a heap of calls, the one to be answered first at the top.
type waiting []waiter

func (w waiting) Len() int      { return len(w) }
func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w *waiting) Push(x any)   { *w = append(*w, x.(waiter)) }

func (w waiting) Less(i, j int) bool {
	if w[i].rank != w[j].rank {
		return w[i].rank < w[j].rank
	}
	return w[i].answer < w[j].answer
}

func (w *waiting) Pop() any {
	last := (*w)[len(*w)-1]
	(*w)[len(*w)-1] = waiter{} // let go of what it points to
	*w = (*w)[:len(*w)-1]
	return last
}

// A Fill answers calls from sources where they have an answer and lets the
// others go out.
type Fill struct {
	frozen Frozen
	live   Answerer
}

// NewFill returns a Fill over sources, the newest first, that sends other
// calls to live. The failures on which a failed source ended are not used:
// they would freeze a bad minute for ever.
func NewFill(live Answerer, sources ...*Source) *Fill {
	return &Fill{frozen: Frozen{index: index{sources: sources, dropFailures: true}}, live: live}
}

// Ask implements [Answerer].
func (f *Fill) Ask(ctx context.Context, c Call) error {
	_, ok, err := f.frozen.take(c)
	if err != nil || ok {
		return err
	}
	return f.live.Ask(ctx, c)
}

// Next implements [Answerer]: frozen answers first, else the first arrival.
func (f *Fill) Next(ctx context.Context) (*Delivery, error) {
	if len(f.frozen.queue) > 0 {
		return f.frozen.Next(ctx)
	}
	return f.live.Next(ctx)
}

// Close implements [Answerer]. It closes the live one.
func (f *Fill) Close() error { return f.live.Close() }

// Skipped returns what [Frozen.Skipped] does.
func (f *Fill) Skipped() []error { return f.frozen.Skipped() }
