package run

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/mission"
	"github.com/coo-runtime/coo/internal/wire"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A Setting is everything a mission is performed with. [Do] fills it from
// the present and a replay from a record; [Perform] does the same with both.
type Setting struct {
	Program  *mission.Program // nil: Command is performed instead
	Command  *Command
	Name     string    // of the command
	Programs *Programs // what programs are performed with; nil when there are none
	Args     map[string]string
	Seed     string
	Pinned   *string // start of the clock, RFC 3339, when pinned
	Rules    *wire.Rules
	Recorder Recorder
	Answers  freeze.Answerer
	Clock    freeze.Clock
	Inputs   Inputs
	Secrets  *wire.Secrets           // known values; nil when none are
	Know     func(name string) error // called with each secret the mission names
	Print    func(text string)       // called with each line it prints
	// Checkpoint, when not nil, is called with each step's record and what
	// the mission has written before it.
	Checkpoint func(step int64, files *workspace.Overlay) error
	Memory     uint64 // the live heap at which it is ended, in bytes: RunMemory or ReplayMemory
}

// A Performance is what came of performing a mission to its end.
type Performance struct {
	Seal    flight.SealFields
	End     *flight.End        // how it ended
	Result  []byte             // canonical JSON; nil when the mission returned None
	Files   *workspace.Overlay // what it leaves behind; nil when it failed
	Calls   int
	Sent    int          // of these, answered from outside
	Refused int          // connections of programs that could not be served
	Exit    *flight.Exit // of the command, when one was performed
}

// Perform performs a mission and records all of it but the seal. An error
// means that it did not come to its end: the run cannot be sealed. It ends
// with ctx, and with a [*MemoryError] when it holds too much.
func Perform(ctx context.Context, s Setting) (*Performance, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := newWorld(ctx, s)
	if s.Program == nil {
		if err := w.open(s); err != nil {
			return nil, unwrapFatal(err)
		}
		p, err := w.command(*s.Command)
		return p, unwrapFatal(err)
	}
	defer watchMemory(s.Memory, func(err error) {
		s.Program.Stop(err)
		cancel(err)
	})()
	defer context.AfterFunc(ctx, func() { s.Program.Stop(context.Cause(ctx)) })()
	if err := w.open(s); err != nil {
		return nil, err
	}
	res := s.Program.Run(w, mission.Options{
		Args: s.Args, Seed: s.Seed,
		Overload: func() error { return overloaded(s.Memory) },
	})
	if res.Fatal != nil {
		return nil, res.Fatal
	}
	return w.end(res)
}

func newWorld(ctx context.Context, s Setting) *world {
	w := &world{
		ctx:      ctx,
		rec:      s.Recorder,
		answers:  s.Answers,
		clock:    s.Clock,
		inputs:   s.Inputs,
		rules:    s.Rules,
		secrets:  s.Secrets,
		know:     s.Know,
		print:    s.Print,
		check:    s.Checkpoint,
		programs: s.Programs,
		seed:     s.Seed,
		due:      true,
		branches: map[string]*branch{},
		asked:    map[int64]string{},
		reads:    map[string]*read{},
		lists:    map[string][]string{},
		env:      map[string]*string{},
	}
	if s.Program == nil {
		w.pinned = s.Pinned
	}
	w.base = &base{w: w}
	w.root = workspace.New(w.base)
	w.branches[""] = &branch{overlay: w.root}
	return w
}

// open writes the first record and the blobs it names.
func (w *world) open(s Setting) error {
	open := &flight.Open{
		Format: flight.Format,
		Epoch:  flight.Epoch,
		Level:  "script",
		Limits: mission.Limits,
		Args:   s.Args,
		Seed:   s.Seed,
		Clock:  s.Pinned,
	}
	var rules []*wire.Rules
	if s.Program != nil {
		rules = append(rules, s.Rules)
		open.Mission = flight.Mission{Kind: "script", Main: s.Program.Main()}
	} else {
		open.Mission = flight.Mission{Kind: "program", Main: s.Name, Files: []flight.File{}}
	}
	if s.Programs != nil {
		open.Level = string(s.Programs.Level)
		rules = append(rules, s.Programs.Rules.Sets()...)
	}
	for _, r := range rules {
		d, err := w.blob(r.Bytes)
		if err != nil {
			return err
		}
		open.Rules = append(open.Rules, flight.Rule{ID: r.ID, SHA256: d})
	}
	for _, f := range s.files() {
		if err := w.guard("the mission "+f.Path, f.Text); err != nil {
			return err
		}
		d, err := w.blob(f.Text)
		if err != nil {
			return err
		}
		open.Mission.Files = append(open.Mission.Files, flight.File{Path: f.Path, SHA256: d})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Args)) {
		if err := w.guard("the argument "+name, []byte(s.Args[name])); err != nil {
			return err
		}
	}
	_, err := w.append("", open)
	return err
}

// files returns the mission's sources.
func (s *Setting) files() []mission.Source {
	if s.Program == nil {
		return nil
	}
	return s.Program.Files()
}

// unwrapFatal returns what ended a run, without the mark that kept a mission
// from catching it.
func unwrapFatal(err error) error {
	if e, ok := errors.AsType[*mission.FatalError](err); ok {
		return e.Err
	}
	return err
}

// end records the outcome and prepares the seal.
func (w *world) end(res *mission.Result) (*Performance, error) {
	p := &Performance{Result: res.JSON, Calls: w.calls, Sent: w.sent}
	p.End = &flight.End{Outcome: "ok"}
	if res.JSON != nil {
		if err := w.guard("the mission's result", res.JSON); err != nil {
			return nil, err
		}
		d, err := w.blob(res.JSON)
		if err != nil {
			return nil, err
		}
		p.End.Result = &d
	}
	if res.Err != nil {
		p.End.Outcome, p.End.Status = "failed", 1
		p.End.Error = message(res.Err)
		for _, f := range res.Err.Trace {
			p.End.Trace = append(p.End.Trace, flight.Frame{File: f.File, Line: f.Line, Col: f.Col, Func: f.Func})
		}
	} else {
		p.Files = w.root
	}
	if _, err := w.append("", p.End); err != nil {
		return nil, err
	}
	var err error
	p.Seal, err = w.seal(p.Files)
	return p, err
}

func (w *world) seal(files *workspace.Overlay) (s flight.SealFields, err error) {
	before := w.root.Before()
	if s.Before, err = w.footprint(before); err != nil {
		return s, err
	}
	after := before // a failed mission leaves everything as it was
	if files != nil {
		after = files.After()
		for _, c := range files.Changes() {
			s.Outputs = append(s.Outputs, flight.Output{Path: c.Path, Mode: c.Mode, SHA256: c.SHA256})
		}
	}
	s.After, err = w.footprint(after)
	return s, err
}
