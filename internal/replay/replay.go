// Package replay performs a sealed run again from its record alone and
// compares every record it makes with the one recorded, byte for byte.
//
// A replay uses the same code as a run ([run.Perform]); only where answers
// come from differs. Files, listings and environment variables are the
// recorded ones, calls are answered from the run's own freeze, the clock
// tells the recorded readings, and the recorder is one that compares. There
// is no transport in it: nothing here can reach a network.
package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/mission"
	performing "github.com/coo-runtime/coo/internal/program"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/wire"
)

// A Config says what to replay and, with Against or Inputs, what of today to
// put in the record's place.
type Config struct {
	Run    *flight.Run
	Source *freeze.Source // the same run, as a source of frozen answers
	Blob   func(digest.Digest) ([]byte, error)

	Against *mission.Program // today's source; nil: the recorded one
	// Programs is what programs are performed with, but for what the record
	// says: rules and frozen answers. nil: a run that started one is refused.
	Programs *run.Programs
	Inputs   run.Inputs          // today's workspace; nil: the recorded inputs
	Print    func(string)        // what the mission prints; may be nil
	Observed func(flight.Record) // called with each record found identical; may be nil
	// Performed is called with what was performed, when it came to its end;
	// may be nil.
	Performed func(*run.Performance)
}

// A NotReplayableError says why a run cannot be replayed by this coo.
type NotReplayableError struct{ Why string }

func (e *NotReplayableError) Error() string { return e.Why }

// Do replays a run. A replay that differs ends with a [*Divergence]; any
// other error means that it could not be performed.
func Do(ctx context.Context, c Config) error {
	open, err := opening(c.Run, c.Programs)
	if err != nil {
		return err
	}
	rules, programRules, err := recordedRules(open, c.Blob)
	if err != nil {
		return err
	}
	program, command := c.Against, (*run.Command)(nil)
	if open.Mission.Kind == "program" {
		command, err = RecordedCommand(c.Run.Records, c.Blob)
	} else if program == nil {
		program, err = recordedProgram(open, c.Blob)
	}
	if err != nil {
		return err
	}
	inputs := c.Inputs
	if inputs == nil {
		inputs = newRecorded(c.Run.Records, c.Blob)
	}
	clock, err := recordedClock(c.Run.Records)
	if err != nil {
		return err
	}
	programs := c.Programs
	rec := &comparer{lines: c.Run.Lines, records: c.Run.Records, fresh: map[digest.Digest][]byte{}, observed: c.Observed}
	switch {
	case c.Against != nil:
		rec.relaxed = forgiveSource
	case c.Inputs != nil && programs != nil:
		rec.relaxed = forgiveWorkspace
	}
	answers := freeze.NewFrozen(c.Source)
	defer answers.Close()
	if programs != nil {
		if programRules != nil {
			answers.SetRules(programRules)
		}
		p := *programs
		p.Rules, p.Answers, p.Positions, p.Patience = programRules, answers, answers.Positions, performing.ReplayPatience
		programs = &p
	}
	show := c.Print
	if show == nil {
		show = func(string) {}
	}
	p, err := run.Perform(ctx, run.Setting{
		Program:  program,
		Command:  command,
		Name:     open.Mission.Main,
		Programs: programs,
		Args:     open.Args,
		Seed:     open.Seed,
		Pinned:   open.Clock,
		Rules:    rules,
		Recorder: rec,
		Answers:  answers,
		Clock:    clock,
		Inputs:   inputs,
		Know:     func(string) error { return nil },
		Print:    show,
		Memory:   run.ReplayMemory,
	})
	if err == nil {
		err = rec.finish(p.Seal)
	}
	if p != nil && c.Performed != nil {
		c.Performed(p)
	}
	return divergence(rec, err)
}

// divergence turns what ended a replay into a [*Divergence] where the
// mission asked for something it did not ask for when it was recorded.
func divergence(c *comparer, err error) error {
	if err == nil {
		return nil
	}
	if d, ok := errors.AsType[*Divergence](err); ok {
		return d
	}
	n := c.link.Len()
	d := &Divergence{N: n, Blobs: c.fresh}
	if n < int64(len(c.records)) {
		d.Recorded = c.records[n]
	}
	if e, ok := errors.AsType[*unrecordedError](err); ok {
		d.Asked = e.Error()
		return d
	}
	if _, ok := errors.AsType[*freeze.NoClockError](err); ok {
		d.Asked = "look at the clock"
		return d
	}
	if _, ok := errors.AsType[*performing.StuckError](err); ok {
		d.Asked = "wait, with every thread, for what never comes"
		return d
	}
	if e, ok := errors.AsType[*mission.FatalError](err); ok {
		return e.Err
	}
	return err
}

// forgiveSource makes the replayed record agree with the recorded one in
// what necessarily differs when other source is run: its digests, and the
// lines and columns of a failure.
func forgiveSource(recorded, replayed flight.Record) {
	switch replayed := replayed.(type) {
	case *flight.Open:
		if was, ok := recorded.(*flight.Open); ok {
			replayed.Mission = was.Mission
		}
	case *flight.End:
		if was, ok := recorded.(*flight.End); ok && replayed.Error == was.Error {
			replayed.Trace = was.Trace
		}
	}
}

// forgiveWorkspace makes the replayed record agree with the recorded one in
// what necessarily differs when programs work in another directory: the trees
// they find. What they do there is compared.
func forgiveWorkspace(recorded, replayed flight.Record) {
	forgiveMoments(recorded, replayed)
	switch replayed := replayed.(type) {
	case *flight.Call:
		if was, ok := recorded.(*flight.Call); ok && replayed.Kind == "exec" && was.Kind == "exec" {
			replayed.Req = was.Req
		}
	case *flight.Seal:
		if was, ok := recorded.(*flight.Seal); ok {
			replayed.Before, replayed.After = was.Before, was.After
		}
	}
}

// forgiveMoments makes the replayed record agree with the recorded one in the
// times of level deterministic, and in how what was delivered and printed came
// in parts: another line in a source file is read by other calls, and every
// call takes time.
func forgiveMoments(recorded, replayed flight.Record) {
	switch replayed := replayed.(type) {
	case *flight.Call:
		if was, ok := recorded.(*flight.Call); ok && was.At != nil && replayed.At != nil {
			replayed.At = was.At
		}
	case *flight.Head:
		if was, ok := recorded.(*flight.Head); ok && was.At != nil && replayed.At != nil {
			replayed.At = was.At
		}
	case *flight.Tail:
		if was, ok := recorded.(*flight.Tail); ok && was.At != nil && replayed.At != nil {
			replayed.At = was.At
		}
	case *flight.Data:
		if was, ok := recorded.(*flight.Data); ok && flight.Sum(was.Lens) == flight.Sum(replayed.Lens) {
			replayed.At, replayed.Lens = was.At, was.Lens
		}
	case *flight.Out:
		if was, ok := recorded.(*flight.Out); ok && was.SHA256 == replayed.SHA256 {
			replayed.Lens = was.Lens
		}
	}
}

func opening(r *flight.Run, programs *run.Programs) (*flight.Open, error) {
	open, ok := r.Records[0].(*flight.Open)
	if !ok {
		return nil, fmt.Errorf("record 0: a run begins with an open record")
	}
	switch {
	case open.Epoch != flight.Epoch:
		return nil, &NotReplayableError{fmt.Sprintf("the run was made by engine epoch %d; this coo replays epoch %d", open.Epoch, flight.Epoch)}
	case open.Level == "script":
	case programs == nil || string(programs.Level) != open.Level:
		return nil, &NotReplayableError{fmt.Sprintf("the run was made at isolation level %q, which is not to be had here: coo doctor says why", open.Level)}
	}
	if open.Limits != mission.Limits {
		return nil, &NotReplayableError{fmt.Sprintf("the run was made under the limits %q; this coo has %s", open.Limits, mission.Limits)}
	}
	return open, nil
}

// recordedRules returns the identity rules of a mission's calls, and those of
// its programs' calls.
func recordedRules(open *flight.Open, blob func(digest.Digest) ([]byte, error)) (rules, programs *wire.Rules, err error) {
	if open.Level == "script" && len(open.Rules) != 1 {
		return nil, nil, &NotReplayableError{fmt.Sprintf("the run was made under %d sets of identity rules; this coo has one", len(open.Rules))}
	}
	for i, named := range open.Rules {
		b, err := blob(named.SHA256)
		if err != nil {
			return nil, nil, err
		}
		r, err := wire.ParseRules(b)
		if err != nil {
			return nil, nil, err
		}
		if i == 0 && open.Mission.Kind == "script" {
			rules = r
			continue
		}
		switch {
		case programs == nil:
			programs = r
		case len(programs.Sets()) == 1:
			programs = programs.With(r)
		default:
			return nil, nil, &NotReplayableError{fmt.Sprintf("the run was made under %d sets of identity rules; this coo has at most three", len(open.Rules))}
		}
	}
	return rules, programs, nil
}

// RecordedCommand returns the program that a run of one consists of.
func RecordedCommand(records []flight.Record, blob func(digest.Digest) ([]byte, error)) (*run.Command, error) {
	if len(records) < 2 {
		return nil, errors.New("the run has no program")
	}
	call, ok := records[1].(*flight.Call)
	if !ok || call.Kind != "exec" {
		return nil, errors.New("record 1: the call of the run's program belongs here")
	}
	doc, err := blob(digest.Digest(call.Req))
	if err != nil {
		return nil, err
	}
	e, err := wire.ParseExec(doc)
	if err != nil {
		return nil, err
	}
	c := &run.Command{Argv: e.Argv, Env: e.Env}
	if c.DotEnv, err = DotEnv(e, blob); err != nil {
		return nil, err
	}
	if e.Stdin != nil {
		if c.Stdin, err = blob(*e.Stdin); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// DotEnv returns the files of variables that a program found.
func DotEnv(e *wire.Exec, blob func(digest.Digest) ([]byte, error)) ([][2]string, error) {
	var out [][2]string
	for _, f := range e.DotEnv {
		text, err := blob(f.SHA256)
		if err != nil {
			return nil, err
		}
		out = append(out, [2]string{f.Path, string(text)})
	}
	return out, nil
}

func recordedProgram(open *flight.Open, blob func(digest.Digest) ([]byte, error)) (*mission.Program, error) {
	sums := map[string]digest.Digest{}
	for _, f := range open.Mission.Files {
		sums[f.Path] = f.SHA256
	}
	return mission.Load(open.Mission.Main, func(path string) ([]byte, error) {
		d, ok := sums[path]
		if !ok {
			return nil, fmt.Errorf("%q: not among the recorded files", path)
		}
		return blob(d)
	})
}

func recordedClock(records []flight.Record) (freeze.Clock, error) {
	var readings []int64
	for _, r := range records {
		if c, ok := r.(*flight.Clock); ok {
			t, err := freeze.ParseTime(c.Now)
			if err != nil {
				return nil, fmt.Errorf("record %d: %w", c.N, err)
			}
			readings = append(readings, t)
		}
	}
	return freeze.FrozenClock(readings), nil
}
