package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/mission"
	"github.com/coo-runtime/coo/internal/wire"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A Recorder takes the identity records of a run in their order, and the
// blobs they name before them. [flight.Recorder] writes them to disk; a
// replay compares them with a record.
type Recorder interface {
	Append(flight.Record) (n int64, err error)
	Blob(b []byte) (digest.Digest, error)
	// Spool keeps a content that comes in chunks, each before it is shown.
	Spool(name string) (flight.Spool, error)
	// Flush makes everything appended durable. It is called before an answer
	// that came from outside is shown to the mission.
	Flush() error
	// Push makes everything appended outlive this process, though not the
	// machine. It is called before an answer is waited for, so that a kill
	// during the wait keeps the calls that have left.
	Push() error
	// Observe notes what is true of this execution only.
	Observe(v any) error
}

// Inputs is where files and environment variables come from: the present in
// a run, the record in a replay. Every name is asked for once.
type Inputs interface {
	workspace.Reader
	// Env returns the value of an environment variable.
	Env(name string) (value string, ok bool, err error)
}

// A world is what surrounds one mission while it is performed. It is the
// same for a run and for a replay: what differs is where its parts get
// their answers. Its methods are called by one branch at a time.
type world struct {
	ctx     context.Context
	rec     Recorder
	answers freeze.Answerer
	clock   freeze.Clock
	inputs  Inputs
	rules   *wire.Rules
	secrets *wire.Secrets
	know    func(name string) error // a secret that the mission uses
	print   func(text string)       // what the mission prints, as it prints
	check   func(step int64, files *workspace.Overlay) error

	base     *base
	root     *workspace.Overlay
	branches map[string]*branch
	asked    map[int64]string // call without an answer yet, to its branch
	reading  int64            // the clock, Unix milliseconds
	due      bool             // the next look at the clock is a reading
	floor    int64            // latest time told to any branch
	reads    map[string]*read // files read, by path
	lists    map[string][]string
	env      map[string]*string
	recorded int64 // bytes of contents named so far
	calls    int
	sent     int // of these, answered from outside
	refused  int // connections of programs that could not be served
	programs *Programs
	execs    int     // programs of the mission so far
	seed     string  // of the run
	pinned   *string // the clock of the run's own program, when it is
}

// A branch is where one line of the mission stands.
type branch struct {
	overlay *workspace.Overlay
	slept   int64 // coo.sleep since the branch's last call, milliseconds
	owed    int64 // of these, not yet waited for
	steps   []step
}

type step struct {
	n     int64 // of the step record
	outer *workspace.Overlay
}

// A read is a file as the run first saw it.
type read struct {
	data   []byte
	exec   bool
	absent error // there is no such file
}

var _ mission.World = (*world)(nil)

// fatal marks an error that ends the run and that no mission can catch.
func fatal(err error) error {
	if err == nil {
		return nil
	}
	return &mission.FatalError{Err: err}
}

func (w *world) append(b string, r flight.Record) (int64, error) {
	if err := w.guardWords(r); err != nil {
		return 0, err
	}
	flight.Env(r).Branch = b
	n, err := w.rec.Append(r)
	return n, fatal(err)
}

// maxRecorded bounds the contents that one run names, in bytes: 8 GiB. A
// mission in a loop fills no disk.
const maxRecorded = 8 << 30

// A RecordedError ends a run that would record more than the limit.
type RecordedError struct{}

func (*RecordedError) Error() string {
	return "the run records more than 8 GiB of contents: nothing was sealed"
}

func (w *world) blob(b []byte) (digest.Digest, error) {
	if w.recorded += int64(len(b)); w.recorded > maxRecorded {
		return digest.Digest{}, fatal(&RecordedError{})
	}
	d, err := w.rec.Blob(b)
	return d, fatal(err)
}

// Issue records a call and sends it on its way.
func (w *world) Issue(b string, req *wire.Request) (int64, error) {
	doc, err := req.Doc(w.rules)
	if err != nil {
		return 0, err
	}
	if err := w.guard("the request "+req.Method+" "+req.URL.String(), doc.Bytes, doc.Body); err != nil {
		return 0, err
	}
	if doc.Body != nil {
		if _, err := w.blob(doc.Body); err != nil {
			return 0, err
		}
	}
	if _, err := w.blob(doc.Bytes); err != nil {
		return 0, err
	}
	n, err := w.append(b, &flight.Call{Kind: "http", Req: doc.Key})
	if err != nil {
		return 0, err
	}
	br := w.branches[b]
	call := freeze.Call{N: n, Doc: doc, Req: req, Delay: time.Duration(br.owed) * time.Millisecond}
	if err := w.answers.Ask(w.ctx, call); err != nil {
		return 0, fatal(err)
	}
	br.owed = 0
	w.asked[n] = b
	w.calls++
	return n, nil
}

// Deliver records and returns the next answer. A live answer is on disk
// before the mission sees it.
func (w *world) Deliver() (int64, *wire.Answer, error) {
	if err := w.rec.Push(); err != nil {
		return 0, nil, fatal(err)
	}
	d, err := w.answers.Next(w.ctx)
	if err != nil {
		return 0, nil, fatal(err)
	}
	if d.Body != nil {
		if _, err := w.blob(d.Body); err != nil {
			return 0, nil, err
		}
	}
	if _, err := w.blob(d.Doc); err != nil {
		return 0, nil, err
	}
	b, ok := w.asked[d.N]
	if !ok {
		panic(fmt.Sprintf("run: internal error: answer to call %d, which waits for none", d.N))
	}
	delete(w.asked, d.N)
	if _, err := w.append(b, &flight.Answer{Call: d.N, Ans: d.Digest}); err != nil {
		return 0, nil, err
	}
	w.due = true
	if err := w.rec.Observe(observeAnswer(d)); err != nil {
		return 0, nil, fatal(err)
	}
	if d.Live {
		w.sent++
		if err := w.rec.Flush(); err != nil {
			return 0, nil, fatal(err)
		}
	}
	return d.N, d.Answer, nil
}

// Now tells the time: read once after each delivery and standing still until
// the next, moved by what the branch slept. It never goes back.
func (w *world) Now(b string) (int64, error) {
	if w.due {
		t, err := w.clock.Now(w.floor)
		if err != nil {
			return 0, fatal(err)
		}
		if _, err := w.append(b, &flight.Clock{Now: freeze.FormatTime(t)}); err != nil {
			return 0, err
		}
		w.reading, w.due = t, false
		// The new reading is later than everything slept so far.
		// order: each gets the same value
		for _, br := range w.branches {
			br.slept = 0
		}
	}
	now := w.reading + w.branches[b].slept
	w.floor = max(w.floor, now)
	return now, nil
}

// maxSleep bounds what a branch may sleep between two calls: 366 days.
const maxSleep = 366 * 24 * 60 * 60 * 1000

// Sleep moves the branch's clock. Time really passes only before a live call
// of the branch leaves.
func (w *world) Sleep(b string, ms int64) error {
	// The clock must stand somewhere before it can be moved.
	if _, err := w.Now(b); err != nil {
		return err
	}
	br := w.branches[b]
	if ms > maxSleep-br.slept {
		return errors.New("sleep: more than 366 days between two calls")
	}
	br.slept += ms
	br.owed += ms
	w.floor = max(w.floor, w.reading+br.slept)
	return nil
}

// Secret declares that the mission uses a secret.
func (w *world) Secret(name string) error { return fatal(w.know(name)) }

// Log records a printed line and shows it.
func (w *world) Log(b, kind, text string) error {
	if err := w.guard("a printed line", []byte(text)); err != nil {
		return err
	}
	r := &flight.Log{Kind: kind}
	if len(text) > maxInlineLog {
		d, err := w.blob([]byte(text))
		if err != nil {
			return err
		}
		r.SHA256 = &d
	} else {
		r.Text = &text
	}
	if _, err := w.append(b, r); err != nil {
		return err
	}
	w.print(text)
	return nil
}

// maxInlineLog is the longest text in a log record, in bytes.
const maxInlineLog = 4 << 10
