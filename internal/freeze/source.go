package freeze

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// A Source is where frozen answers come from: a run, or a directory of frozen
// calls. It is read once, at its first use.
type Source struct {
	name string
	load func() (*content, error)
}

// newSource returns a Source that calls load at its first use.
func newSource(name string, load func() (*content, error)) *Source {
	return &Source{name: name, load: sync.OnceValues(load)}
}

// content is what a Source holds once it was read.
type content struct {
	failed bool          // the run did not end well: its last failures are no lasting answers
	rules  []flight.Rule // the identity rules by which its keys were made
	calls  []frozenCall  // those that were answered, in the order they were made
	clock  []int64       // readings in order
	// blob returns documents and bodies by digest, checked.
	blob func(digest.Digest) ([]byte, error)
	// open reads a body by digest as a stream. What is wrong with it is an
	// error of the reader before its end. nil: through blob.
	open func(digest.Digest) (io.Reader, error)
}

// A frozenCall is a call bound to its recorded answer.
type frozenCall struct {
	call   int64 // number of the call in its source
	answer int64 // number of the answer or tail: its place in the order of deliveries
	p      int64 // the program that made it; 0: the mission
	head   int64 // number of the head, to a program; 0: none came
	req    digest.Call
	ans    digest.Answer
	// moments are those of its deliveries, at level deterministic.
	moments []Moment
}

// delivered notes that record n says so of something of the answer, if it says
// when.
func (f *frozenCall) delivered(n int64, at ...int64) {
	for _, t := range at {
		f.moments = append(f.moments, Moment{n, t})
	}
}

// Name returns the name of s for people: "run 3f2a…", or the directory as it
// was given.
func (s *Source) Name() string { return s.name }

// Load reads s now instead of at its first use, and reports damage as well as
// identity rules that are neither those of missions nor those of programs
// ([*RulesError]).
func (s *Source) Load() error {
	c, err := s.load()
	if err != nil {
		return err
	}
	if !c.madeBy(wire.Builtin()) && !c.madeBy(wire.ProgramRules()) {
		return &RulesError{Source: s.name, Rules: wire.Builtin().ID}
	}
	return nil
}

// Clock returns the readings of the clock in s, in order, in milliseconds
// since 1970.
func (s *Source) Clock() ([]int64, error) {
	c, err := s.load()
	if err != nil {
		return nil, err
	}
	return c.clock, nil
}

// Len returns the number of frozen calls in s.
func (s *Source) Len() (int, error) {
	c, err := s.load()
	if err != nil {
		return 0, err
	}
	return len(c.calls), nil
}

// madeBy reports whether rules, without those of a user, are among those by
// which the keys of c were made.
func (c *content) madeBy(rules *wire.Rules) bool {
	return slices.Contains(c.rules, flight.Rule{ID: rules.ID, SHA256: rules.Digest})
}

// delivery decodes the answer of f for the call c.
func (c *content) delivery(call Call, f frozenCall) (*Delivery, error) {
	doc, a, err := c.answer(f)
	if err != nil {
		return nil, err
	}
	d, err := newDelivery(call, a)
	if err != nil {
		return nil, fmt.Errorf("answer of call %d: %w", f.call, err)
	}
	if !bytes.Equal(d.Doc, doc) {
		return nil, fmt.Errorf("answer of call %d: the document %s is not in the form coo writes", f.call, f.ans)
	}
	d.SourceCall = f.call
	return d, nil
}

// answer returns the answer document of f and what it says.
func (c *content) answer(f frozenCall) (doc []byte, a *wire.Answer, err error) {
	if doc, err = c.blob(digest.Digest(f.ans)); err != nil {
		return nil, nil, err
	}
	if a, err = wire.DecodeAnswer(doc, c.blob); err != nil {
		return nil, nil, fmt.Errorf("answer of call %d: %w", f.call, err)
	}
	return doc, a, nil
}

// info returns the answer document of f and what it says, but for a body that
// it names.
func (c *content) info(f frozenCall) (doc []byte, i *wire.AnswerInfo, err error) {
	if doc, err = c.blob(digest.Digest(f.ans)); err != nil {
		return nil, nil, err
	}
	if i, err = wire.ParseAnswer(doc); err != nil {
		return nil, nil, fmt.Errorf("answer of call %d: %w", f.call, err)
	}
	return doc, i, nil
}

// request returns the request document of f, what it says and the body it
// names.
func (c *content) request(f frozenCall) (doc []byte, info *wire.DocInfo, body []byte, err error) {
	if doc, err = c.blob(digest.Digest(f.req)); err != nil {
		return nil, nil, nil, err
	}
	if info, err = wire.ParseDoc(doc); err != nil {
		return nil, nil, nil, fmt.Errorf("request of call %d: %w", f.call, err)
	}
	if info.BodyDigest != nil {
		if body, err = c.blob(*info.BodyDigest); err != nil {
			return nil, nil, nil, err
		}
	}
	return doc, info, body, nil
}

// fromRecords collects the frozen calls of a run from its records. A call
// without a delivered answer is not one.
func fromRecords(records []flight.Record, blob func(digest.Digest) ([]byte, error)) (*content, error) {
	c := &content{failed: true, blob: blob}
	at := map[int64]int{} // number of a call: its place in c.calls
	for _, r := range records {
		switch r := r.(type) {
		case *flight.Open:
			c.rules = r.Rules
		case *flight.Call:
			if r.Kind != "http" {
				continue
			}
			at[r.N] = len(c.calls)
			c.calls = append(c.calls, frozenCall{call: r.N, answer: -1, p: r.P, req: r.Req})
		case *flight.Head:
			i, ok := at[r.Call]
			if !ok || c.calls[i].head > 0 || c.calls[i].answer >= 0 {
				return nil, fmt.Errorf("record %d: a head to record %d, which is no call that waits for one", r.N, r.Call)
			}
			c.calls[i].head = r.N
			c.calls[i].delivered(r.N, timeOf(r.At)...)
		case *flight.Data:
			i, ok := at[r.Call]
			if !ok || c.calls[i].head == 0 || c.calls[i].answer >= 0 {
				return nil, fmt.Errorf("record %d: chunks of the answer to record %d, which is no call that is being answered", r.N, r.Call)
			}
			c.calls[i].delivered(r.N, r.At...)
		case *flight.Answer:
			if err := c.answered(at, r.N, r.Call, r.Ans); err != nil {
				return nil, err
			}
		case *flight.Tail:
			if err := c.answered(at, r.N, r.Call, r.Ans); err != nil {
				return nil, err
			}
			c.calls[at[r.Call]].delivered(r.N, timeOf(r.At)...)
		case *flight.Clock:
			now, err := ParseTime(r.Now)
			if err != nil {
				return nil, fmt.Errorf("record %d: %w", r.N, err)
			}
			c.clock = append(c.clock, now)
		case *flight.End:
			c.failed = r.Outcome != "ok"
		}
	}
	answered := c.calls[:0]
	for _, f := range c.calls {
		if f.answer >= 0 {
			answered = append(answered, f)
		}
	}
	c.calls = answered
	return c, nil
}

// timeOf returns a time inside as a list, empty when there is none.
func timeOf(at *int64) []int64 {
	if at == nil {
		return nil
	}
	return []int64{*at}
}

// answered notes the answer, of record n, to a call; at says where calls are.
func (c *content) answered(at map[int64]int, n, call int64, ans digest.Answer) error {
	i, ok := at[call]
	if !ok || c.calls[i].answer >= 0 {
		return fmt.Errorf("record %d: an answer to record %d, which is no call that waits", n, call)
	}
	c.calls[i].answer, c.calls[i].ans = n, ans
	return nil
}

// errNothingAsked is returned by Next when no call waits: the caller's fault.
var errNothingAsked = errors.New("freeze: internal error: an answer is wanted and no call waits")
