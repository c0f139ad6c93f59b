package freeze

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

// A program is a set of branches that run under one token, as a mission's do:
// each asks, waits, and goes on by what it was told. Its calls are few and
// alike, so that equal ones wait together.
type program struct {
	branches int
	calls    int // of each branch
	salt     int // another program asks partly other things
}

// branch is where one branch of a program stands.
type branch struct {
	left int
	last string // the digest of what it was told last, shortened
}

// perform runs p over a and returns its tape: all that was asked and
// delivered, in order.
func (p program) perform(t *testing.T, a Answerer) *tape {
	t.Helper()
	out := newTape(t)
	branches := make([]branch, p.branches)
	waiting := map[int64]int{} // number of a call: its branch
	ready := make([]int, 0, p.branches)
	for i := range branches {
		branches[i].left = p.calls
		ready = append(ready, i)
	}
	for {
		for _, i := range ready {
			b := &branches[i]
			if b.left == 0 {
				continue
			}
			b.left--
			req := p.request(i, b)
			n := out.ask(req)
			ask(t, a, call(t, n, req))
			waiting[n] = i
		}
		if len(waiting) == 0 {
			return out.end("ok")
		}
		d, err := a.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		i, ok := waiting[d.N]
		if !ok {
			t.Fatalf("call %d was delivered and does not wait", d.N)
		}
		delete(waiting, d.N)
		out.answer(d.N, d.Answer)
		branches[i].last = digest.Digest(d.Digest).Short()[:1]
		if d.Answer.Status == 429 {
			branches[i].left++ // tries again
		}
		ready = []int{i}
	}
}

func (p program) request(i int, b *branch) *wire.Request {
	if b.left%3 == 0 {
		return get("http://a.test/shared")
	}
	return get(fmt.Sprintf("http://a.test/%d/%s", (i+p.salt*(b.left%2))%3, b.last))
}

// A chance is a live side that answers at random, in random order.
type chance struct {
	rand  *rand.Rand
	asked []Call
}

func (c *chance) Ask(_ context.Context, call Call) error {
	c.asked = append(c.asked, call)
	return nil
}

func (c *chance) Next(context.Context) (*Delivery, error) {
	i := c.rand.IntN(len(c.asked))
	call := c.asked[i]
	c.asked = append(c.asked[:i], c.asked[i+1:]...)
	a := ok(fmt.Sprint(c.rand.IntN(1000)))
	if c.rand.IntN(8) == 0 {
		a.Status = 429
	}
	d, err := newDelivery(call, a)
	if err == nil {
		d.Live = true
	}
	return d, err
}

func (c *chance) Close() error { return nil }

// lines are the records of a tape, for comparison.
func (p *tape) lines() string {
	s := ""
	for _, r := range p.records {
		s += fmt.Sprintf("%+v\n", r)
	}
	return s
}

// TestRerunsAreTheSame: a run that is performed again from its own record is
// the same run, also when it was made partly from the record of another
// program.
func TestRerunsAreTheSame(t *testing.T) {
	const programs = 300
	mixed := 0
	for seed := range uint64(programs) {
		r := rand.New(rand.NewPCG(seed, 0))
		p := program{branches: 1 + r.IntN(7), calls: 1 + r.IntN(6)}
		first := p.perform(t, &chance{rand: r})
		src := first.source("first")
		if again := p.perform(t, NewFrozen(src)); again.lines() != first.lines() {
			t.Fatalf("seed %d: a frozen rerun differs:\n%s\nfirst:\n%s", seed, again.lines(), first.lines())
		}
		if again := p.perform(t, NewFill(&none{}, src)); again.lines() != first.lines() {
			t.Fatalf("seed %d: a filled rerun differs", seed)
		}
		p.salt = 1
		changed := p.perform(t, NewFill(&chance{rand: r}, src))
		newest := changed.source("changed")
		if again := p.perform(t, NewFrozen(newest, src)); again.lines() != changed.lines() {
			t.Fatalf("seed %d: a rerun of a changed program differs:\n%s\nfirst:\n%s", seed, again.lines(), changed.lines())
		}
		if changed.lines() != first.lines() {
			mixed++
		}
	}
	if mixed < programs/2 {
		t.Errorf("only %d of %d changed programs asked anything else", mixed, programs)
	}
}
