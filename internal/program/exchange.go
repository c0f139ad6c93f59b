package program

import (
	"context"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/proxy"
	"github.com/coo-runtime/coo/internal/wire"
)

// grace is how long the end of a live answer is waited for after the program
// has left. Many clients leave when they have seen the last event of a
// stream, an instant before the stream's end: that should be recorded as what
// it is, and not depend on who was faster.
const grace = time.Second

type handler struct{ p *performance }

// Serve answers one exchange of the program.
func (h handler) Serve(x *proxy.Exchange) {
	h.p.underWay.Add(1)
	defer h.p.underWay.Add(-1)
	e := &exchange{p: h.p, x: x}
	if err := e.perform(); err != nil {
		h.p.fail(err)
		x.Abort()
	}
}

// An exchange is one call of the program and its answer on the way.
type exchange struct {
	p *performance
	x *proxy.Exchange

	doc   *wire.Doc
	used  []string // rules that left something out of the identity
	s     *freeze.Stream
	call  int64                                    // number of its record; 0 before there is one
	spool flight.Spool                             // nil: nothing of the answer was given before its end
	small []byte                                   // the body, while it is small
	next  func(wait time.Duration) ([]byte, error) // the next chunk, see liveChunks
	ans   wire.AnswerInfo
}

// perform makes one exchange. An error is about the run: the program is ended.
func (e *exchange) perform() error {
	p := e.p
	p.gate.stir()
	req, ok := e.request()
	if !ok {
		return nil
	}
	if err := p.settle(); err != nil {
		return err
	}
	// A live call is cancelled by the program's leaving, with grace; a frozen
	// answer is recorded whole whether or not it is listened to.
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	var err error
	if e.s, err = p.Answers.Stream(ctx, freeze.Call{N: p.next(), Doc: e.doc, Req: req, Reach: p.reach}); err != nil {
		return err
	}
	defer e.s.Close()
	if e.s.Live {
		p.gate.hurry()
		defer context.AfterFunc(e.x.Context, func() { time.AfterFunc(grace, cancel) })()
	}
	status, headers, err := e.s.Head()
	if err != nil {
		return err
	}
	if status == 0 {
		return e.end(nil)
	}
	e.next = e.frozenChunks()
	if e.s.Live {
		var stop func()
		e.next, stop = e.liveChunks()
		defer stop()
		if e.gather(headers) {
			return e.short(status, headers)
		}
	}
	if err := e.head(status, headers); err != nil {
		return err
	}
	last, err := e.body()
	if err != nil {
		return err
	}
	return e.end(last)
}

// request reads what is asked. What no call can be made of is refused.
func (e *exchange) request() (*wire.Request, bool) {
	req, doc, used, err := wire.ProgramRequest(e.x.Method, e.x.URL, e.x.Header, e.x.Body, e.p.Placeholders, e.p.Rules)
	if err != nil {
		e.p.refused(proxy.Refusal{Target: e.x.URL, Why: err.Error()})
		e.x.Abort()
		return nil, false
	}
	e.doc, e.used = doc, used
	return req, true
}

// next numbers the exchanges, for messages.
func (p *performance) next() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return p.asked
}

// settle makes durable what the program has been shown of live answers,
// before it asks for something that may have effects.
func (p *performance) settle() error {
	if !p.shown.Swap(false) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Recorder.Flush()
}

// head records the call and the head of its answer, and releases that.
func (e *exchange) head(status int, headers [][2]string) error {
	e.ans.Status, e.ans.Headers = status, headers
	place := e.s.Place
	if err := e.p.gate.enter(e.p.ctx, place, place.Head); err != nil {
		return err
	}
	written, err := e.p.release(func(r Recorder) error {
		if err := e.recordCall(r, nil); err != nil {
			return err
		}
		return e.recordHead(r, nil)
	})
	if err != nil {
		return err
	}
	defer e.written(written)
	e.p.gate.leave(place, place.Head)
	e.p.shown.Store(e.s.Live || e.p.shown.Load())
	e.left(e.x.Head(status, headers))
	return nil
}

// short records a live answer that is all there, and lets it out at once: it
// is durable before the program sees anything of it.
func (e *exchange) short(status int, headers [][2]string) error {
	e.ans.Status, e.ans.Headers = status, headers
	e.ans.Error, e.ans.Trailers = e.s.End()
	e.p.gate.stir()
	written, err := e.p.release(func(r Recorder) error {
		if err := e.recordCall(r, nil); err != nil {
			return err
		}
		if err := e.recordStatus(r, nil); err != nil {
			return err
		}
		return e.recordTail(r, nil)
	})
	if err != nil {
		return err
	}
	defer e.written(written)
	e.left(e.x.Short(status, headers, e.small, e.ans.Trailers))
	return nil
}

// recordStatus records the head of the answer; it is called with the record
// held. At is the time inside, nil where none is told.
func (e *exchange) recordStatus(r Recorder, at *int64) error {
	doc, err := wire.EncodeHead(e.ans.Status, e.ans.Headers)
	if err != nil {
		return err
	}
	d, err := r.Blob(doc)
	if err != nil {
		return err
	}
	_, err = r.Append(&flight.Head{Envelope: e.p.envelope(), At: at, Call: e.call, Head: d})
	return err
}

// recordHead records the head of the answer, and begins to keep its body.
func (e *exchange) recordHead(r Recorder, at *int64) (err error) {
	if err := e.recordStatus(r, at); err != nil {
		return err
	}
	if e.spool, err = r.Spool(strconv.FormatInt(e.call, 10)); err != nil {
		return err
	}
	return r.Push()
}

// recordCall records the request; it is called with the record held.
func (e *exchange) recordCall(r Recorder, at *int64) error {
	if e.doc.Body != nil {
		if _, err := r.Blob(e.doc.Body); err != nil {
			return err
		}
	}
	if _, err := r.Blob(e.doc.Bytes); err != nil {
		return err
	}
	env := e.p.envelope()
	env.P = e.p.Call
	n, err := r.Append(&flight.Call{Envelope: env, At: at, Kind: "http", Req: e.doc.Key})
	e.call = n
	return err
}

// delivery is how long what was written to the program may be on its way.
const delivery = 5 * time.Millisecond

// written lets the next one follow, once the program has what this one wrote.
func (e *exchange) written(done func()) {
	if !e.p.alone() {
		e.x.Delivered(delivery)
	}
	done()
}

// left looks at an error of giving the program its answer. That it has left
// is no error: what it means for the record is decided where the answer ends.
// Anything else is about the answer, which then ends too early for it, as it
// did when it came.
func (e *exchange) left(err error) {
	if err != nil && !errors.Is(err, proxy.ErrLeft) {
		e.x.Cut()
	}
}

// end records the end of the answer and releases it, with the last chunk.
func (e *exchange) end(last []byte) error {
	e.ans.Error, e.ans.Trailers = e.s.End()
	if e.ans.Error == "client" && !e.s.Live {
		// When it was recorded the program left here. It will again.
		if last != nil {
			e.left(e.x.Write(last))
			last = nil
		}
		select {
		case <-e.x.Context.Done():
		case <-time.After(e.p.Patience):
		case <-e.p.ctx.Done():
		}
	}
	if err := context.Cause(e.p.ctx); err != nil {
		return err
	}
	return e.record(e.s.Place.Tail, last)
}

// record records the end of the answer and lets it out.
func (e *exchange) record(at int64, last []byte) error {
	p, place := e.p, e.s.Place
	if e.spool != nil && e.ans.Size > wire.MaxInline {
		if err := e.spool.Settle(); err != nil {
			return err
		}
	}
	if err := p.gate.enter(p.ctx, place, at); err != nil {
		return err
	}
	written, err := p.release(func(r Recorder) error {
		if e.call == 0 {
			if err := e.recordCall(r, nil); err != nil {
				return err
			}
		}
		return e.recordTail(r, nil)
	})
	if err != nil {
		return err
	}
	defer e.written(written)
	p.gate.leave(place, at)
	e.finish(last, e.read)
	return nil
}

// finish lets the end of the answer out, with the last chunk, nil when that
// is out already. Settle is called before one that breaks off.
func (e *exchange) finish(last []byte, settle func()) {
	if last != nil {
		e.left(e.x.Write(last))
	}
	switch e.ans.Error {
	case "":
		e.left(e.x.End(e.ans.Trailers))
	case "cut", "limit":
		settle()
		e.x.Cut()
	default:
		settle()
		e.x.Abort()
	}
}

// recordTail records the end of the answer, which is durable then if it was
// live; it is called with the record held.
func (e *exchange) recordTail(r Recorder, at *int64) error {
	ans, err := e.answer(r)
	if err != nil {
		return err
	}
	how := e.ans.Error
	if how == "" {
		how = flight.HowEOF
	}
	if _, err := r.Append(&flight.Tail{Envelope: e.p.envelope(), At: at, Call: e.call, How: how, Ans: ans}); err != nil {
		return err
	}
	if err := r.Observe(e.observation()); err != nil {
		return err
	}
	e.p.counts.Calls++
	if !e.s.Live {
		return nil
	}
	e.p.counts.Sent++
	return r.Flush()
}

// read waits until the program has read what it was given of an answer that
// is to break off now. Many clients throw away what they have not yet read
// when they see the connection break, and a program would tell of more or of
// less of the answer each time.
func (e *exchange) read() {
	if e.spool == nil || e.x.Context.Err() != nil {
		return // it was given nothing, or has left
	}
	e.x.Delivered(delivery)
	e.p.turn.rested()
}

// answer stores the body and the document of the answer. It is called with
// the record held.
func (e *exchange) answer(r Recorder) (digest.Answer, error) {
	var none digest.Answer
	switch {
	case e.ans.Size <= wire.MaxInline && utf8.Valid(e.small):
		e.ans.Inline = e.small
		if e.spool != nil {
			e.spool.Discard()
		}
	case e.spool == nil:
		body, err := r.Blob(e.small)
		if err != nil {
			return none, err
		}
		e.ans.Body = &body
	default:
		body, _, err := e.spool.Finish()
		if err != nil {
			return none, err
		}
		e.ans.Body = &body
	}
	doc, err := e.ans.Encode()
	if err != nil {
		return none, err
	}
	d, err := r.Blob(doc)
	return digest.Answer(d), err
}

// alone reports whether one exchange is under way, and no other.
func (p *performance) alone() bool { return p.underWay.Load() < 2 }

func (p *performance) envelope() flight.Envelope { return flight.Envelope{Branch: p.Branch} }

// release calls f, which records, when it is its turn to be let out to the
// program, and while no other exchange records. What is to be written to the
// program is written before written is called.
func (p *performance) release(f func(Recorder) error) (written func(), err error) {
	return p.turn.pass(p.alone(), func() error { return p.record(f) })
}
