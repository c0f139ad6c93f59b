package flight

import (
	"errors"
	"fmt"

	"github.com/coo-runtime/coo/internal/digest"
)

// An order knows which records may come next, and the calls so far.
type order struct {
	state   state
	level   string
	program bool // the run is of a program, not of a script that may start some
	pinned  bool // its clock is
	calls   []frozenCall
	index   map[int64]int      // n of a call record to its place in calls
	opens   map[int64]string   // n of the fork and step records that have not ended
	execs   map[int64]*started // n of the exec calls that run
	due     int64              // a program's call whose head or tail comes next; 0: none
	starts  bool               // the start of a program's clock comes next
	last    unfilled           // what the record before may not have stopped at
}

// A started program runs.
type started struct {
	open int   // its calls without a tail
	now  int64 // the latest time inside
}

type state uint8

const (
	atStart state = iota
	running
	ended
	closed
)

// A frozenCall is one entry of the freeze manifest.
type frozenCall struct {
	n      int64
	p      int64 // the exec call whose program made it; 0: the mission
	headed bool
	req    digest.Call
	ans    *digest.Answer
}

// check reports why r may not be the next record.
func (o *order) check(r Record) error {
	switch r.(type) {
	case *Open:
		if o.state != atStart {
			return fmt.Errorf("a second open record")
		}
		return nil
	case *Seal:
		if o.state != ended {
			return fmt.Errorf("a seal without an end before it")
		}
		return nil
	}
	switch o.state {
	case atStart:
		return fmt.Errorf("%s where the open record belongs", r.kind())
	case ended, closed:
		return fmt.Errorf("%s after the end", r.kind())
	}
	if err := o.checkProgram(r); err != nil {
		return err
	}
	switch r := r.(type) {
	case *Call:
		return o.checkCall(r)
	case *Answer:
		_, err := o.waiting(r, r.Call, false)
		return err
	case *Head:
		return o.checkHead(r)
	case *Data:
		return o.checkData(r)
	case *Tail:
		return o.checkTail(r)
	case *Out:
		return o.checkOut(r)
	case *Exit:
		return o.checkExit(r)
	case *StepEnd:
		return o.checkOpen(r.Step, "step")
	case *Rollback:
		return o.checkOpen(r.Step, "step")
	case *Join:
		return o.checkOpen(r.Fork, "fork")
	case *End:
		if len(o.execs) > 0 {
			return errors.New("end before the exit of a program")
		}
	}
	return nil
}

func (o *order) checkOpen(n int64, kind string) error {
	if o.opens[n] != kind {
		return fmt.Errorf("record %d is not a %s that can end", n, kind)
	}
	return nil
}

// waiting returns the call n that r is of, which must have no answer yet, and
// be a program's or not.
func (o *order) waiting(r Record, n int64, program bool) (*frozenCall, error) {
	i, ok := o.index[n]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s: record %d is not a call", r.kind(), n)
	case program && o.calls[i].p == 0:
		return nil, fmt.Errorf("%s: call %d is not one of a program", r.kind(), n)
	case !program && o.calls[i].p != 0:
		return nil, fmt.Errorf("%s: call %d is one of a program", r.kind(), n)
	case o.calls[i].ans != nil:
		return nil, fmt.Errorf("%s: call %d has one already", r.kind(), n)
	}
	return &o.calls[i], nil
}

// note takes a record that check has let pass.
func (o *order) note(r Record) {
	o.last, o.starts = unfilledBy(r), false
	switch r := r.(type) {
	case *Open:
		*o = order{
			state: running, level: r.Level, program: r.Mission.Kind == "program", pinned: r.Clock != nil,
			index: make(map[int64]int), opens: make(map[int64]string), execs: make(map[int64]*started),
		}
	case *Call:
		o.noteCall(r)
	case *Answer:
		o.calls[o.index[r.Call]].ans = &r.Ans
	case *Head:
		c := &o.calls[o.index[r.Call]]
		c.headed = true
		o.execs[c.p].passes(r.At)
		o.due = 0
	case *Data:
		o.execs[o.calls[o.index[r.Call]].p].now = r.At[len(r.At)-1]
	case *Tail:
		c := &o.calls[o.index[r.Call]]
		c.ans = &r.Ans
		o.execs[c.p].open--
		o.execs[c.p].passes(r.At)
		o.due = 0
	case *Exit:
		delete(o.execs, r.Call)
	case *Step:
		o.opens[r.N] = "step"
	case *StepEnd:
		delete(o.opens, r.Step)
	case *Fork:
		o.opens[r.N] = "fork"
	case *Join:
		delete(o.opens, r.Fork)
	case *End:
		o.state = ended
	case *Seal:
		o.state = closed
	}
}

// manifest returns the freeze manifest: [[n,req,ans],…] in call order. The
// start of a program is no frozen call.
func (o *order) manifest() ([]byte, error) {
	out := []byte{'['}
	for i, c := range o.calls {
		if c.ans == nil {
			return nil, fmt.Errorf("record %d: call without an answer", c.n)
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, `[%d,"%s","%s"]`, c.n, c.req, *c.ans)
	}
	return append(out, ']'), nil
}
