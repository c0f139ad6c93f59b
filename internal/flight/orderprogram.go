package flight

import (
	"errors"
	"fmt"
	"strings"

	"github.com/coo-runtime/coo/internal/wire"
)

// The records of a program come in one order:
//
//	{"kind":"exec","n":1,…,"t":"call"}          it starts
//	{"kind":"http","n":2,"p":1,…,"t":"call"}    it has made a call, whose answer
//	{"call":2,…,"n":3,…,"t":"head"}             begins, and
//	{"call":2,"how":"eof","n":4,…,"t":"tail"}   ends
//	{"call":1,…,"n":5,…,"t":"exit"}             it has ended
//
// Heads and tails of several calls may interleave. A call stands directly
// before its head, or before its tail when it has no head: what has a place in
// the order is the moment an answer is released, not that of a request. Level
// deterministic is another matter: see orderexact.go.

// checkProgram reports what no record may do in the run of a program, or
// between a program's call and its head.
func (o *order) checkProgram(r Record) error {
	e := r.envelope()
	if c, ok := r.(*Call); e.P != 0 && (!ok || c.Kind != "http") {
		return fmt.Errorf("%s: p is a member of the calls of a program only", r.kind())
	}
	if o.due != 0 && ofCall(r) != o.due {
		return fmt.Errorf("%s between call %d of a program and its head or tail", r.kind(), o.due)
	}
	if err := o.checkExact(r); err != nil {
		return err
	}
	if !o.program {
		return nil
	}
	c, ok := r.(*Call)
	switch isExec := ok && c.Kind == "exec"; {
	case isExec != (e.N == 1):
		return errors.New("the run of a program begins with its exec call, and has no other")
	case ok && !isExec && e.P == 0:
		return errors.New("call: p is missing: every call in the run of a program is the program's")
	}
	switch r.(type) {
	case *Call, *Head, *Data, *Tail, *Out, *Exit, *End:
		return nil
	case *Clock:
		if o.starts {
			return nil
		}
	}
	return fmt.Errorf("%s in the run of a program", r.kind())
}

// ofCall returns the call of which r is the head or tail, 0 when it is neither.
func ofCall(r Record) int64 {
	switch r := r.(type) {
	case *Head:
		return r.Call
	case *Tail:
		return r.Call
	}
	return 0
}

func (o *order) checkCall(c *Call) error {
	switch c.Kind {
	case "exec":
		switch {
		case o.level == "script":
			return errors.New("call: a run of level script starts no program")
		case c.At != nil:
			return errors.New("call: the start of a program has no time inside")
		}
	case "http":
		_, ok := o.execs[c.P]
		switch {
		case c.P == 0 && c.At != nil:
			return errors.New("call: at is a member of a program's calls")
		case c.P == 0:
		case !ok:
			return fmt.Errorf("call: record %d is not a program that runs", c.P)
		default:
			return o.checkAt(c, c.P, c.At)
		}
	default:
		return fmt.Errorf("call: unknown kind %.40q", c.Kind)
	}
	return nil
}

func (o *order) noteCall(c *Call) {
	if c.Kind == "exec" {
		o.execs[c.N] = &started{}
		o.starts = o.exact() && !(o.program && o.pinned)
		return
	}
	o.index[c.N] = len(o.calls)
	o.calls = append(o.calls, frozenCall{n: c.N, p: c.P, req: c.Req})
	if c.P != 0 {
		o.execs[c.P].open++
		o.execs[c.P].passes(c.At)
	}
	if c.P != 0 && !o.exact() {
		o.due = c.N
	}
}

func (o *order) checkHead(h *Head) error {
	c, err := o.waiting(h, h.Call, true)
	switch {
	case err != nil:
		return err
	case c.headed:
		return fmt.Errorf("head: call %d has one already", h.Call)
	}
	return o.checkAt(h, c.p, h.At)
}

func (o *order) checkTail(t *Tail) error {
	if t.How != HowEOF && !wire.IsFailure(t.How) {
		return fmt.Errorf("tail: how is %.40q", t.How)
	}
	c, err := o.waiting(t, t.Call, true)
	if err != nil {
		return err
	}
	return o.checkAt(t, c.p, t.At)
}

func (o *order) checkExit(x *Exit) error {
	p, ok := o.execs[x.Call]
	switch {
	case !ok:
		return fmt.Errorf("exit: record %d is not a program that runs", x.Call)
	case p.open > 0:
		return fmt.Errorf("exit: %d calls of the program have no tail", p.open)
	case x.Status < 0 || x.Status > maxStatus:
		return fmt.Errorf("exit: status %d is outside 0 to %d", x.Status, int64(maxStatus))
	case x.Signal != "" && !strings.HasPrefix(x.Signal, "SIG"):
		return fmt.Errorf("exit: %.40q is not the name of a signal", x.Signal)
	}
	for i, w := range x.Writes {
		switch {
		case i > 0 && x.Writes[i-1].Path >= w.Path:
			return fmt.Errorf("exit: %q: written out of order", w.Path)
		case w.Mode != "file" && (w.SHA256 == nil || w.Mode != "exec" && w.Mode != "link"):
			return fmt.Errorf("exit: %q: mode %.40q", w.Path, w.Mode)
		}
	}
	return nil
}

// maxStatus is the highest status any system gives, that of Windows.
const maxStatus = 1<<32 - 1
