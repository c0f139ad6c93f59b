package freeze

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// get returns a GET request for url.
func get(url string) *wire.Request { return &wire.Request{Method: "GET", URL: wire.Lit(url)} }

// post returns a POST request of a JSON body.
func post(url, body string) *wire.Request {
	return &wire.Request{
		Method: "POST", URL: wire.Lit(url), Body: wire.Lit(body),
		Headers: []wire.Field{{Name: "content-type", Value: wire.Lit("application/json")}},
	}
}

// call makes a Call of a request.
func call(t testing.TB, n int64, req *wire.Request) Call {
	t.Helper()
	d, err := req.Doc(wire.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	return Call{N: n, Doc: d, Req: req}
}

// ok is an answer with a body.
func ok(body string) *wire.Answer { return &wire.Answer{Status: 200, Body: []byte(body)} }

// A tape collects calls and answers into a source, in the way a run does.
type tape struct {
	t       testing.TB
	blobs   map[digest.Digest][]byte
	records []flight.Record
	loads   int // how often the source was read
}

func newTape(t testing.TB) *tape {
	now := wire.Builtin()
	return &tape{t: t, blobs: map[digest.Digest][]byte{}, records: []flight.Record{
		&flight.Open{Rules: []flight.Rule{{ID: now.ID, SHA256: now.Digest}}},
	}}
}

func (p *tape) put(b []byte) digest.Digest {
	d := digest.Of(b)
	p.blobs[d] = b
	return d
}

func (p *tape) add(r flight.Record) int64 {
	n := int64(len(p.records))
	flight.Env(r).N = n
	p.records = append(p.records, r)
	return n
}

// ask records a call and returns its number.
func (p *tape) ask(req *wire.Request) int64 {
	d := call(p.t, 0, req).Doc
	if d.Body != nil {
		p.put(d.Body)
	}
	p.put(d.Bytes)
	return p.add(&flight.Call{Kind: "http", Req: d.Key})
}

// answer records the delivery of a.
func (p *tape) answer(call int64, a *wire.Answer) {
	doc, body, err := a.Encode()
	if err != nil {
		p.t.Fatal(err)
	}
	if body != nil {
		p.put(body)
	}
	p.add(&flight.Answer{Call: call, Ans: digest.Answer(p.put(doc))})
}

// exchange records a call answered at once.
func (p *tape) exchange(req *wire.Request, a *wire.Answer) { p.answer(p.ask(req), a) }

func (p *tape) end(outcome string) *tape {
	p.add(&flight.End{Outcome: outcome})
	return p
}

// source returns what was recorded.
func (p *tape) source(name string) *Source {
	return newSource(name, func() (*content, error) {
		p.loads++
		return fromRecords(p.records, func(d digest.Digest) ([]byte, error) {
			if b, ok := p.blobs[d]; ok {
				return b, nil
			}
			return nil, fmt.Errorf("blob %s is missing", d.Short())
		})
	})
}

// ask asks and fails the test on an error.
func ask(t testing.TB, a Answerer, c Call) {
	t.Helper()
	if err := a.Ask(context.Background(), c); err != nil {
		t.Fatalf("Ask(%d): %v", c.N, err)
	}
}

// next returns the next delivery as "number: status body".
func next(t testing.TB, a Answerer) string {
	t.Helper()
	d, err := a.Next(context.Background())
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return show(d)
}

func show(d *Delivery) string {
	a := d.Answer
	s := strconv.FormatInt(d.N, 10) + ":"
	if a.Error != "" {
		s += " " + a.Error
	}
	if a.Status != 0 {
		s += fmt.Sprintf(" %d %s", a.Status, a.Body)
	}
	return s
}
