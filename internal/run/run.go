// Package run performs a mission and seals what came of it.
//
// [Perform] is the heart: it surrounds a mission ([mission.World]) with what
// it is given, a recorder, an answerer, a clock and inputs, and puts every
// effect in one total order of records. [Do] gives it the present and the
// disk; package replay gives it a record and a comparer. Nothing in between
// knows which of the two it is serving.
package run

import (
	"context"
	"path"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/mission"
	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A Config says what to run. All fields but Pinned, Secrets and Print are needed.
type Config struct {
	Store   *store.Store
	Name    string           // of the mission, for finding its runs again
	Program *mission.Program // nil: Command is run
	Command *Command
	// Programs is what programs are performed with, but for its Ground and
	// Kept, which follow from the rest; nil for a mission that runs none.
	Programs *Programs
	Attach   []any // of the programs: attachments
	Dir      *workspace.Dir
	Args     map[string]string
	Seed     string
	Pinned   *string
	Answers  freeze.Answerer
	Clock    freeze.Clock
	Secrets  *wire.Secrets
	Know     func(name string) error
	Print    func(text string)
	Facts    any // observed first: what is true of this execution

	Snapshot           snapshot.Options // of the workspace, before the run
	AllowUnsnapshotted bool             // go on where a snapshot cannot keep everything

	// Recover ends changes of workspaces that were interrupted since the run
	// began ([store.Store.ToChange]); it may be nil.
	Recover func() error
}

// An Outcome is a sealed run.
type Outcome struct {
	*Performance
	*flight.Sealed
	Applied error // not nil: sealed, but the workspace is as it was
}

// An IncompleteError says that a run could not be sealed, and where what was
// recorded of it is.
type IncompleteError struct {
	Ref string // of the incomplete run, such as ~3f2a…
	Err error
}

func (e *IncompleteError) Error() string { return e.Err.Error() }
func (e *IncompleteError) Unwrap() error { return e.Err }

// Do runs a mission, seals the run and applies what it wrote to the
// workspace. A mission that fails is an outcome, not an error.
func Do(ctx context.Context, c Config) (*Outcome, error) {
	if err := guard(c.Secrets, "the name of the mission", []byte(c.Name)); err != nil {
		return nil, err
	}
	base, err := baseline(c)
	if err != nil {
		return nil, err
	}
	rec, err := flight.Create(c.Store, c.Name)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	o, err := perform(ctx, c, rec, base, begin)
	if err != nil {
		ref := "~" + rec.Last().Short()
		if aerr := rec.Abandon(reason(c.Secrets, err)); aerr != nil {
			return nil, aerr
		}
		return nil, &IncompleteError{Ref: ref, Err: err}
	}
	return o, nil
}

// reason is why a run came to no end, as it is kept with it.
func reason(s *wire.Secrets, err error) string {
	if s == nil {
		return err.Error()
	}
	return string(s.Replace([]byte(err.Error())))
}

func perform(ctx context.Context, c Config, rec *flight.Recorder, base digest.Digest, begin time.Time) (*Outcome, error) {
	if err := rec.Observe(c.Facts); err != nil {
		return nil, err
	}
	points := &checkpoints{st: c.Store, rec: rec, base: base}
	if err := points.at(AtBaseline, 0, nil); err != nil {
		return nil, err
	}
	for _, v := range c.Attach {
		if err := rec.Attach(v); err != nil {
			return nil, err
		}
	}
	programs := c.programs(base, points)
	around := newSurroundings(c, programs)
	p, err := Perform(ctx, Setting{
		Program:  c.Program,
		Command:  c.Command,
		Name:     c.Name,
		Programs: programs,
		Args:     c.Args,
		Seed:     c.Seed,
		Pinned:   c.Pinned,
		Rules:    wire.Builtin(),
		Recorder: rec,
		Answers:  c.Answers,
		Clock:    c.Clock,
		Inputs:   Present{c.Dir},
		Secrets:  c.Secrets,
		Know:     c.Know,
		Print:    c.Print,
		Checkpoint: func(step int64, files *workspace.Overlay) error {
			return points.at(AtStep, step, files)
		},
		Memory: RunMemory,
	})
	if err != nil {
		return nil, err
	}
	if c.Program != nil {
		if err := points.at(AtFinal, 0, p.Files); err != nil {
			return nil, err
		}
	}
	if err := around.attach(rec); err != nil {
		return nil, err
	}
	var intent *pending
	if p.Files != nil {
		if intent, err = intend(c.Store, path.Base(rec.Dir()), c.Dir, p.Files, c.Recover); err != nil {
			return nil, err
		}
	}
	sealed, err := rec.Seal(p.Seal, store.Execution{
		Name:    c.Name,
		Outcome: p.End.Outcome,
		Started: rec.Started(),
		Millis:  time.Since(begin).Milliseconds(),
		Live:    int64(p.Sent),
		Frozen:  int64(p.Calls - p.Sent),
	})
	if err != nil {
		intent.drop()
		return nil, err
	}
	return &Outcome{Performance: p, Sealed: sealed, Applied: intent.apply()}, nil
}

// programs returns what programs are performed with: a run's own program
// works in the workspace, one of a mission in a copy, from which what it wrote
// becomes part of what the mission wrote.
func (c Config) programs(base digest.Digest, points *checkpoints) *Programs {
	if c.Programs == nil {
		return nil
	}
	p := *c.Programs
	exact := p.Level == sandbox.Deterministic
	if c.Program == nil {
		p.Ground = InPlace{Store: c.Store, Dir: c.Dir.Path(), Base: base, Exact: exact, Bind: p.Level != sandbox.Proxied, Options: c.Snapshot}
		p.Kept = func(_ int64, _, after digest.Digest) error { return points.attach(AtFinal, 0, after) }
		return &p
	}
	p.Ground = Scratch{Store: c.Store, Base: base, Dir: c.Dir.Path(), Bind: p.Level != sandbox.Proxied, Exact: exact, Options: c.Snapshot}
	p.Kept = func(call int64, before, after digest.Digest) error {
		if err := points.attach(AtExec, call, before); err != nil {
			return err
		}
		return points.attach(AtExit, call, after)
	}
	return &p
}
