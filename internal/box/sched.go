//go:build linux && amd64

package box

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// ready puts a thread at the end of the queue.
func (x *tracer) ready(t *thread) {
	if p := t.proc; p.stopped != 0 {
		p.held = append(p.held, t)
		return
	}
	x.queue = append(x.queue, t)
}

// park makes a thread wait.
func (x *tracer) park(t *thread, p parked) outcome {
	x.seq++
	p.seq = x.seq
	t.parked = &p
	x.waits = append(x.waits, t)
	if t.proc.poked {
		x.interrupt(t.proc)
	}
	return waits
}

// unpark ends a thread's wait: its call is to be decided anew.
func (x *tracer) unpark(t *thread) {
	x.unwait(t)
	if t.after {
		t.repeat()
	} else {
		t.again = true
	}
	x.ready(t)
}

// finish ends a thread's wait with a result.
func (x *tracer) finish(t *thread, ret int64) {
	x.unwait(t)
	t.answer(ret)
	x.ready(t)
}

func (x *tracer) unwait(t *thread) {
	t.parked = nil
	x.waits = slices.DeleteFunc(x.waits, func(w *thread) bool { return w == t })
}

// forget takes a thread that is no more out of everything.
func (x *tracer) forget(t *thread) {
	t.typing.close()
	x.unwait(t)
	x.queue = slices.DeleteFunc(x.queue, func(q *thread) bool { return q == t })
	t.proc.held = slices.DeleteFunc(t.proc.held, func(q *thread) bool { return q == t })
}

// look lets those go on whose wait is over: what they wait for is there, or
// their deadline has passed. It reports whether there were any.
func (x *tracer) look() bool {
	x.looked = 0
	x.timers.fire(x)
	x.answerNames()
	x.fillAll()
	woken := false
	for _, t := range slices.Clone(x.waits) {
		p := t.parked
		switch {
		case p == nil: // an earlier one's look has ended its wait
		case p.ready != nil && p.ready():
			x.unpark(t)
			woken = true
		case p.deadline >= 0 && p.deadline <= x.now:
			t.late = true
			x.unpark(t)
			woken = true
		}
	}
	return woken
}

// earliest returns the first deadline of all, -1 when there is none.
func (x *tracer) earliest() int64 {
	first := x.timers.earliest()
	for _, t := range x.waits {
		if d := t.parked.deadline; d >= 0 && (first < 0 || d < first) {
			first = d
		}
	}
	return first
}

// next returns the thread whose turn it is. It is nil when what was done made
// none ready.
func (x *tracer) next() (*thread, error) {
	if t := x.pop(); t != nil {
		return t, nil
	}
	if x.inet {
		x.inet = false
		settled()
	}
	if x.look() {
		return nil, nil
	}
	x.tellConns()
	deadline := x.earliest()
	if x.ended && (deadline < 0 || deadline > x.grace) {
		x.endAll()
		return nil, nil
	}
	if x.strangers {
		if x.await() {
			return nil, nil
		}
		if later := x.now + int64(strangerWait); deadline < 0 || deadline > later {
			deadline = later
		}
	}
	if deadline < 0 && slices.ContainsFunc(x.queue, func(t *thread) bool { return !t.proven }) {
		x.progress++ // it may be computing, and keeps nobody waiting
		return nil, nil
	}
	return nil, x.ask(deadline)
}

// ask tells the outside that everything waits, and does what it orders.
func (x *tracer) ask(deadline int64) error {
	if x.talk != nil {
		return x.talk
	}
	o, err := x.Talk.Ask(Event{Kind: Quiet, At: x.now, Deadline: deadline})
	if err != nil {
		return err
	}
	switch o.Kind {
	case Deliver:
		x.now = max(x.now, o.At)
		x.deliver(o)
	case Wake:
		x.now = max(x.now, deadline)
	case Stop:
		if deadline < 0 && len(x.conns) == 0 {
			x.tell(Event{Kind: Noted, Text: x.stuck()})
		}
		x.endAll()
		return nil
	default:
		return fmt.Errorf("order %q: not one", o.Kind)
	}
	x.progress++
	x.look()
	return nil
}

// endAll kills what the program has left running.
func (x *tracer) endAll() {
	for _, p := range x.processes {
		if name := commandLine(p.pid); name != "" {
			x.exit.Left = append(x.exit.Left, name)
		}
	}
	for _, p := range slices.Clone(x.processes) {
		unix.Kill(p.pid, unix.SIGKILL) //nolint:errcheck // it may have ended with another
		x.reap(p)
	}
}
