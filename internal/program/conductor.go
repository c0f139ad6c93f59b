package program

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coo-runtime/coo/internal/box"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/proxy"
	"github.com/coo-runtime/coo/internal/sandbox"
)

// A conductor is the outside of a program at level deterministic. Its tracer
// tells what the program does and, when every thread of it waits, asks what
// happens next: one thing, at a time of the program's own clock. Everything
// that follows from what the program has sent is done by then (see sockets);
// so what can happen is the same each time, and the conductor chooses:
//
//  1. what coo itself says on a connection: handshakes, refusals;
//  2. of the frozen answers that are on their way, the part that was recorded
//     first, at the recorded time, unless a timer of the program is due before;
//  3. of the live ones, what arrives first. While it is waited for, the
//     program's clock goes with that of this machine, and its timers with it;
//  4. the next timer.
//
// Nothing is waited for but 3: ten minutes of answers that came slowly pass in
// the time that the program computes. A part that was recorded and is not on
// its way when something else is, is not waited for either: the record then
// shows which came instead.
type conductor struct {
	p       *performance
	guest   sandbox.Guest
	sockets *sockets
	pieces  *pieces
	prints  map[int]*output

	now       int64     // by the program's clock; nothing happens before
	heard     time.Time // when the program came to rest
	notBefore time.Time // when a live call may leave: time that was skipped is made up for
	calls     []*call   // under way, in the order of their records
	arrivals  chan arrival

	mu     sync.Mutex // guards the rest
	door   []*call    // asked, and not taken
	closed bool       // nothing is taken any more
}

// silence is how long a connection on which the program says nothing is kept,
// by its clock, as in a proxy of this machine's time.
const silence = 10 * time.Second

// manyArrivals is how much of live answers may wait to be delivered.
const manyArrivals = 1024

// A StuckError ends a run at level deterministic whose program waits, with
// every thread, for what never comes.
type StuckError struct {
	At    int64    // by its clock, in nanoseconds since it began
	Notes []string // what the tracer says about it
}

func (e *StuckError) Error() string {
	s := fmt.Sprintf("the program waits, with every thread, for what never comes (%v after its start by its clock)", time.Duration(e.At))
	if len(e.Notes) > 0 {
		s += ": " + strings.Join(e.Notes, "; ")
	}
	return s
}

// host implements [host].
func (c *conductor) host(cmd sandbox.Command, out, errs *output) (sandbox.Exit, error) {
	p := c.p
	var none sandbox.Exit
	ca, err := proxy.NewExactCA(p.secret(), time.UnixMilli(p.Clock))
	if err != nil {
		return none, err
	}
	cmd.CA, cmd.Seed, cmd.Clock = ca.PEM(), p.Seed, p.Clock
	proc, err := p.boxed(cmd)
	if err != nil {
		return none, err
	}
	defer proc.Kill()
	c.guest, c.sockets = proc.Guest(), newSockets()
	c.prints = map[int]*output{1: out, 2: errs}
	c.arrivals = make(chan arrival, manyArrivals)
	c.pieces = &pieces{Recorder: p.Recorder, env: p.envelope(), call: p.Call, safe: func(b []byte) []byte { return b }}
	if p.Secrets != nil {
		c.pieces.safe = p.Secrets.Replace
	}
	p.Recorder = c.pieces
	server := proxy.New(proxy.Options{CA: ca, Handler: c, Refused: p.refused, Permit: p.permit, Exact: true})
	var serving sync.WaitGroup
	serving.Go(func() {
		p.check(server.ServeTransparent(c.sockets, func(nc net.Conn) (proxy.Target, error) { return nc.(*socket).target, nil }))
	})
	if err := proc.Run(); err != nil {
		server.Close()
		serving.Wait()
		return none, err
	}
	ended := c.follow()
	c.release()
	server.Close()
	serving.Wait()
	exit, err := proc.Wait()
	switch {
	case p.failed != nil:
		return none, p.failed
	case context.Cause(p.ctx) != nil:
		return none, context.Cause(p.ctx)
	case err != nil:
		return none, err
	}
	p.leftBehind(exit)
	exit.Status, exit.Signal = ended.Status, ended.Signal
	return exit, c.pieces.close()
}

// follow takes what happens inside, and answers it, until the program has
// ended.
func (c *conductor) follow() box.Event {
	var heard []box.Event // about connections, since the program rested
	for {
		ev, err := c.guest.Next()
		if err != nil {
			c.p.fail(err)
			return ev
		}
		c.now = max(c.now, ev.At)
		switch ev.Kind {
		case box.Printed:
			c.printed(ev)
		case box.Noted:
			c.noted(ev)
		case box.Broken:
			c.broken(ev)
		case box.Used, box.Changed:
			c.touched(ev)
		case box.Quiet:
			c.heard = time.Now()
			c.sockets.apply(heard)
			heard = heard[:0]
			if err := c.guest.Obey(c.order(ev)); err != nil {
				c.p.fail(err)
				return ev
			}
		case box.Ended:
			c.sockets.apply(heard)
			c.leaveAll()
			return ev
		case box.Opened, box.Sent, box.Shut, box.Closed:
			heard = append(heard, ev)
		}
	}
}

// printed passes on what the program prints, and records it.
func (c *conductor) printed(ev box.Event) {
	to := c.prints[ev.FD]
	if to == nil || len(ev.Data) == 0 {
		return
	}
	to.Write(ev.Data)
	if err := c.pieces.print(ev.FD, ev.Data); err != nil {
		c.p.fail(err)
	}
}

// noted passes a note on; what is said of a program that is stuck says why.
func (c *conductor) noted(ev box.Event) {
	if stuck, ok := errors.AsType[*StuckError](c.p.failure()); ok {
		stuck.Notes = append(stuck.Notes, ev.Text)
		return
	}
	c.p.Note(ev.Text)
}

// A brokenNote says, in the observations, that an execution may not be the
// same each time.
type brokenNote struct {
	T    string `json:"t"` // "broken"
	At   int64  `json:"at"`
	Text string `json:"text"`
}

// broken is about what the tracer does not hold: where level deterministic was
// demanded it is the end, otherwise it is said.
func (c *conductor) broken(ev box.Event) {
	if c.p.Strict {
		c.p.fail(&sandbox.LevelError{Finding: sandbox.Finding{Level: sandbox.Deterministic, Why: ev.Text}})
		return
	}
	c.p.Note("not certain to be the same each time: " + ev.Text)
	if err := c.pieces.Observe(brokenNote{"broken", ev.At, ev.Text}); err != nil {
		c.p.fail(err)
	}
}

// order decides what happens next.
func (c *conductor) order(q box.Event) box.Order {
	stop := box.Order{Kind: box.Stop}
	err := c.p.failure()
	if err == nil {
		err = context.Cause(c.p.interrupted)
	}
	var o box.Order
	if err == nil {
		o, err = c.choose(q)
	}
	if err != nil {
		c.p.fail(err)
		return stop
	}
	c.now = max(c.now, o.At)
	return o
}

func (c *conductor) choose(q box.Event) (box.Order, error) {
	for {
		if err := c.settled(); err != nil {
			return box.Order{}, err
		}
		if o, ok := c.sockets.output(); ok {
			o.At = c.now
			return o, nil
		}
		l := c.limit(q)
		if e := c.firstFrozen(); e != nil {
			due := max(c.now, e.due().At)
			if l.at >= 0 && l.at <= due {
				return c.pass(l), nil
			}
			o, told, err := c.deliver(e, due)
			if err != nil || told {
				return o, err
			}
			continue
		}
		if !c.anyLive() {
			if l.at >= 0 {
				c.skip(l.at)
				return c.pass(l), nil
			}
			if len(c.calls) == 0 {
				return box.Order{}, &StuckError{At: c.now}
			}
			if err := c.abandon(c.calls[0]); err != nil {
				return box.Order{}, err
			}
			continue
		}
		o, told, err := c.arrive(q, l)
		if err != nil || told {
			return o, err
		}
	}
}

// settled returns when everything is done that follows from what the program
// has sent and left.
func (c *conductor) settled() error {
	for {
		if err := c.sockets.rest(c.p.ctx); err != nil {
			return err
		}
		asked, err := c.take()
		if err != nil {
			return err
		}
		left, err := c.leave()
		if err != nil {
			return err
		}
		if !asked && !left {
			return nil
		}
	}
}

// A limit is what happens next if nothing is delivered before. at is -1 when
// there is nothing.
type limit struct {
	at   int64
	kind limitKind
	on   *socket
}

type limitKind uint8

const (
	timer limitKind = iota
	refusal
	timeout
)

// limit returns what comes first: a timer of the program, the end of coo's
// patience with a connection, the end of the program's time.
func (c *conductor) limit(q box.Event) limit {
	l := limit{at: q.Deadline}
	sooner := func(at int64, kind limitKind, on *socket) {
		if l.at < 0 || at < l.at {
			l = limit{at, kind, on}
		}
	}
	if k := c.sockets.silent(); k != nil {
		sooner(k.since+int64(silence), refusal, k)
	}
	if c.p.Timeout > 0 {
		sooner(int64(c.p.Timeout), timeout, nil)
	}
	return l
}

// pass lets the limit come.
func (c *conductor) pass(l limit) box.Order {
	switch l.kind {
	case refusal:
		c.p.refused(proxy.Refusal{Target: l.on.target.String(), Why: "the program said nothing: a protocol in which the server speaks first, or none; only HTTP and HTTPS are answered"})
		l.on.SetLinger(0)
		l.on.Close()
		o, _ := c.sockets.outputOf(l.on.place)
		o.At = max(c.now, l.at)
		return o
	case timeout:
		c.p.timedOut.Store(true)
		return box.Order{Kind: box.Stop}
	}
	return box.Order{Kind: box.Wake, At: l.at}
}

// skip notes that time inside goes on to at and time outside does not: before
// a call leaves that goes out, it must. A program that waits between two
// attempts waits for the service's sake.
func (c *conductor) skip(at int64) {
	if at <= c.now {
		return
	}
	from := c.heard
	if c.notBefore.After(from) {
		from = c.notBefore
	}
	c.notBefore = from.Add(time.Duration(at - c.now))
}

// arrive waits for what arrives first of the live answers, and delivers it,
// unless the limit comes before.
func (c *conductor) arrive(q box.Event, l limit) (o box.Order, told bool, err error) {
	if l.at >= 0 && l.at <= c.now {
		return c.pass(l), true, nil
	}
	from := c.heard
	if c.notBefore.After(from) {
		from = c.notBefore // until then it is not the answer that is slow
	}
	var late <-chan time.Time
	if l.at >= 0 {
		late = time.After(time.Until(from.Add(time.Duration(max(0, l.at-q.At)))))
	}
	for {
		select {
		case a := <-c.arrivals:
			if !slices.Contains(c.calls, a.e) {
				continue // the program has left
			}
			at := max(c.now, q.At+int64(max(0, time.Since(from))))
			if l.at >= 0 {
				at = min(at, l.at-1) // a timer that is due is never late
			}
			if a.err != nil {
				return o, false, a.err
			}
			a.e.arrived(a)
			return c.deliver(a.e, at)
		case <-late:
			return c.pass(l), true, nil
		case <-c.p.ctx.Done():
			return o, false, context.Cause(c.p.ctx)
		case <-c.p.interrupted.Done():
			return o, false, context.Cause(c.p.interrupted)
		}
	}
}

// firstFrozen returns the frozen call of which a part comes next, nil when
// none waits: the part that was recorded first, in the newest source.
func (c *conductor) firstFrozen() *call {
	var first *call
	for _, e := range c.calls {
		if e.s.Live || !e.ready() {
			continue
		}
		if first == nil || cmp.Or(cmp.Compare(e.s.Place.Rank, first.s.Place.Rank), cmp.Compare(e.due().N, first.due().N)) < 0 {
			first = e
		}
	}
	return first
}

func (c *conductor) anyLive() bool {
	return slices.ContainsFunc(c.calls, func(e *call) bool { return e.s.Live })
}

// abandon ends an answer that the program left when it was recorded, and that
// it waits for now.
func (c *conductor) abandon(e *call) error { return c.end(e, "client", nil, c.now) }

// deliver lets the next part of an answer out. told is false when there is
// nothing in it that the program would see.
func (c *conductor) deliver(e *call, at int64) (o box.Order, told bool, err error) {
	c.now = max(c.now, at)
	place := e.x.Conn
	switch {
	case !e.headed && e.status != 0:
		err = c.head(e, at)
	case e.chunk != nil && !e.withEnd():
		err = c.chunk(e, at)
	default:
		e.ans.Trailers = e.trailers
		err = c.end(e, e.failure, e.chunk, at)
	}
	if err != nil {
		return o, false, err
	}
	if err := c.sockets.rest(c.p.ctx); err != nil {
		return o, false, err
	}
	o, told = c.sockets.outputOf(place)
	o.At = at
	return o, told, nil
}

// take takes the requests that have come, in the order of their connections,
// and asks for their answers. It reports whether there were any.
func (c *conductor) take() (bool, error) {
	c.mu.Lock()
	asked := c.door
	c.door = nil
	c.mu.Unlock()
	slices.SortFunc(asked, func(a, b *call) int { return cmp.Compare(a.x.Conn, b.x.Conn) })
	for i, e := range asked {
		if err := c.ask(e); err != nil {
			for _, e := range asked[i:] {
				c.over(e)
			}
			return true, err
		}
	}
	return len(asked) > 0, nil
}

// ask records a call and begins its answer.
func (c *conductor) ask(e *call) error {
	p := c.p
	req, ok := e.request()
	if !ok {
		c.over(e)
		return nil
	}
	if err := p.record(func(r Recorder) error { return e.recordCall(r, &c.now) }); err != nil {
		return err
	}
	if err := p.settle(); err != nil {
		return err
	}
	var ctx context.Context
	ctx, e.cancel = context.WithCancel(p.ctx)
	s, err := p.Answers.Stream(ctx, freeze.Call{N: p.next(), Doc: e.doc, Req: req, Reach: p.reach, Delay: max(0, time.Until(c.notBefore))})
	if err != nil {
		e.cancel()
		return err
	}
	e.s = s
	c.calls = append(c.calls, e)
	if s.Live {
		go c.listen(ctx, e)
		return nil
	}
	close(e.done)
	return e.begin()
}

// leave ends the calls that the program has left. It reports whether there
// were any.
func (c *conductor) leave() (bool, error) {
	any := false
	for _, e := range slices.Clone(c.calls) {
		if e.x.Context.Err() == nil && !c.sockets.left(e.x.Conn) {
			continue
		}
		any = true
		if err := c.end(e, "client", nil, c.now); err != nil {
			return any, err
		}
	}
	return any, nil
}

// leaveAll ends all calls of a program that has ended.
func (c *conductor) leaveAll() {
	err := c.p.failure()
	if err == nil {
		err = c.settled()
	}
	for _, e := range slices.Clone(c.calls) {
		if err == nil {
			err = c.end(e, "client", nil, c.now)
		}
	}
	if err != nil {
		c.p.fail(err)
	}
}

// release lets go of what is left when the program has ended.
func (c *conductor) release() {
	c.mu.Lock()
	door := c.door
	c.door, c.closed = nil, true
	c.mu.Unlock()
	for _, e := range slices.Concat(door, c.calls) {
		c.over(e)
	}
	c.calls = nil
}

// head records the head of an answer and lets it out.
func (c *conductor) head(e *call, at int64) error {
	e.ans.Status, e.ans.Headers = e.status, e.headers
	if err := c.p.record(func(r Recorder) error { return e.recordHead(r, &at) }); err != nil {
		return err
	}
	c.p.shown.Store(e.s.Live || c.p.shown.Load())
	e.headed = true
	e.delivered++
	e.left(e.x.Head(e.status, e.headers))
	return nil
}

// chunk records a chunk of an answer and lets it out.
func (c *conductor) chunk(e *call, at int64) error {
	if err := e.keep(e.chunk); err != nil {
		return err
	}
	if err := c.p.record(func(Recorder) error { return c.pieces.chunk(e.call, at, len(e.chunk)) }); err != nil {
		return err
	}
	e.delivered++
	e.left(e.x.Write(e.chunk))
	return e.advance()
}

// end records the end of an answer and lets it out, with its last chunk if
// that is not out.
func (c *conductor) end(e *call, failure string, last []byte, at int64) error {
	if last != nil {
		if err := e.keep(last); err != nil {
			return err
		}
	}
	e.stop()
	e.ans.Error = failure
	if failure == "client" {
		e.ans.Trailers = nil
	}
	if err := c.p.record(func(r Recorder) error { return e.recordTail(r, &at) }); err != nil {
		return err
	}
	e.finish(last, func() {}) // it is read, or not, as it was
	c.calls = slices.DeleteFunc(c.calls, func(o *call) bool { return o == e })
	c.over(e)
	return nil
}

// Serve hands an exchange of the program to the conductor, and returns when
// that is over.
func (c *conductor) Serve(x *proxy.Exchange) {
	e := &call{exchange: &exchange{p: c.p, x: x}, done: make(chan struct{}), served: make(chan struct{}), cancel: func() {}}
	c.mu.Lock()
	closed := c.closed
	c.door = append(c.door, e)
	c.mu.Unlock()
	if closed {
		return
	}
	c.sockets.work(x.Conn, -1)
	<-e.served
}

// over lets the connection of an exchange go on.
func (c *conductor) over(e *call) {
	if e.over {
		return
	}
	e.over = true
	e.stop()
	c.sockets.work(e.x.Conn, 1)
	close(e.served)
}

// An arrival is a part of a live answer that has come.
type arrival struct {
	e        *call
	kind     part
	status   int // of a head
	headers  [][2]string
	chunk    []byte // of data, or the last one, with an end
	failure  string // of an end
	trailers [][2]string
	err      error // about the run
}

// listen waits for a live answer, and passes on what comes of it.
func (c *conductor) listen(ctx context.Context, e *call) {
	defer close(e.done)
	post := func(a arrival) {
		a.e = e
		select {
		case c.arrivals <- a:
		case <-ctx.Done():
		}
	}
	status, headers, err := e.s.Head()
	if err != nil {
		post(arrival{err: err})
		return
	}
	var last []byte
	if status != 0 {
		post(arrival{kind: aHead, status: status, headers: headers})
		if last, err = e.listenTo(headers, func(chunk []byte) { post(arrival{kind: aChunk, chunk: chunk}) }); err != nil {
			post(arrival{err: err})
			return
		}
	}
	failure, trailers := e.s.End()
	post(arrival{kind: anEnd, chunk: last, failure: failure, trailers: trailers})
}
