package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/mission"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A recorded run and how long its making took.
type recorded struct {
	*flight.Sealed
	performed, sealed time.Duration
}

// record runs a mission in dir and seals the run in dir's store.
func (b *bench) record(dir, source string, args map[string]string, answers freeze.Answerer) (*recorded, error) {
	defer answers.Close()
	st, _, err := store.Init(dir)
	if err != nil {
		return nil, err
	}
	program, err := mission.Load("bench.star", func(string) ([]byte, error) { return []byte(source), nil })
	if err != nil {
		return nil, err
	}
	ws, err := workspace.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	defer ws.Close()
	rec, err := flight.Create(st, "bench.star")
	if err != nil {
		return nil, err
	}
	r := &recorded{}
	var p *run.Performance
	r.performed, err = timed(func() error {
		p, err = run.Perform(b.ctx, run.Setting{
			Program: program, Args: args, Seed: "0", Rules: wire.Builtin(), Recorder: rec,
			Answers: answers, Clock: freeze.LiveClock(), Inputs: run.Present{Dir: ws},
			Know: func(string) error { return nil }, Print: func(string) {}, Memory: run.RunMemory,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	if p.End.Outcome != "ok" {
		return nil, fmt.Errorf("the mission failed: %s", p.End.Error)
	}
	r.sealed, err = timed(func() error {
		r.Sealed, err = rec.Seal(p.Seal, store.Execution{Outcome: p.End.Outcome})
		return err
	})
	return r, err
}

// A canned answers every call at once, without a network and therefore
// without a sync: so the runs are made whose replay is measured.
type canned struct {
	answer func(n int) *wire.Answer // the n-th
	given  int
	waits  []freeze.Call
}

// Ask implements [freeze.Answerer].
func (c *canned) Ask(_ context.Context, call freeze.Call) error {
	c.waits = append(c.waits, call)
	return nil
}

// Next implements [freeze.Answerer].
func (c *canned) Next(context.Context) (*freeze.Delivery, error) {
	if len(c.waits) == 0 {
		return nil, errors.New("no call waits")
	}
	call := c.waits[0]
	c.waits = c.waits[1:]
	a := c.answer(c.given)
	c.given++
	doc, body, err := a.Encode()
	if err != nil {
		return nil, err
	}
	return &freeze.Delivery{
		N: call.N, Key: call.Doc.Key, Answer: a, Doc: doc, Body: body,
		Digest: digest.Answer(digest.Of(doc)), Source: "canned",
	}, nil
}

// Close implements [freeze.Answerer].
func (c *canned) Close() error { return nil }

// shortCalls asks small questions and reads the replies.
const shortCalls = `
def main(coo, calls = "0"):
    said = 0
    for i in range(int(calls)):
        a = coo.http("POST", "http://model.test/v1/chat/completions", json = {
            "model": "m",
            "messages": [{"role": "user", "content": "question %d" % i}],
        })
        said += len(a.json()["choices"][0]["message"]["content"])
    return said
`

// shortAnswer is a chat completion of some 1.2 KB.
func shortAnswer(n int) *wire.Answer {
	return &wire.Answer{
		Status:  200,
		Headers: [][2]string{{"content-type", "application/json"}},
		Body:    completion(n),
	}
}

// recordShort makes a run of n short calls in a store of its own.
func (b *bench) recordShort(n int) (dir string, r *recorded, err error) {
	if dir, err = b.subdir("short"); err != nil {
		return "", nil, err
	}
	r, err = b.record(dir, shortCalls, map[string]string{"calls": fmt.Sprint(n)}, &canned{answer: shortAnswer})
	return dir, r, err
}

// largeRun returns the directory of the run of 10,000 calls.
func (b *bench) largeRun() (string, error) {
	if b.large != "" {
		return b.large, nil
	}
	dir, r, err := b.recordShort(largeCalls)
	if err != nil {
		return "", err
	}
	b.large = dir
	b.rows.add(fmt.Sprintf("record %s in process, answers frozen", calls(largeCalls)), short(r.performed/largeCalls)+" a call", "", "", "")
	b.rows.add("  and seal it", short(r.sealed/largeCalls)+" a call", "", "", "")
	return dir, nil
}

const largeCalls = 10_000

func calls(n int) string {
	if n >= 1000 {
		return fmt.Sprintf("%d,%03d calls", n/1000, n%1000)
	}
	return fmt.Sprintf("%d calls", n)
}
