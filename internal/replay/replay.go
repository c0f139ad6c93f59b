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
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/wire"
)

// A Config says what to replay and, with Against or Inputs, what of today to
// put in the record's place.
type Config struct {
	Run    *flight.Run
	Source *freeze.Source // the same run, as a source of frozen answers
	Blob   func(digest.Digest) ([]byte, error)

	Against  *mission.Program    // today's source; nil: the recorded one
	Inputs   run.Inputs          // today's workspace; nil: the recorded inputs
	Print    func(string)        // what the mission prints; may be nil
	Observed func(flight.Record) // called with each record found identical; may be nil
}

// A NotReplayableError says why a run cannot be replayed by this coo.
type NotReplayableError struct{ Why string }

func (e *NotReplayableError) Error() string { return e.Why }

// Do replays a run. A replay that differs ends with a [*Divergence]; any
// other error means that it could not be performed.
func Do(ctx context.Context, c Config) error {
	open, err := opening(c.Run)
	if err != nil {
		return err
	}
	rules, err := recordedRules(open, c.Blob)
	if err != nil {
		return err
	}
	program := c.Against
	if program == nil {
		if program, err = recordedProgram(open, c.Blob); err != nil {
			return err
		}
	}
	inputs := c.Inputs
	if inputs == nil {
		inputs = newRecorded(c.Run.Records, c.Blob)
	}
	clock, err := recordedClock(c.Run.Records)
	if err != nil {
		return err
	}
	rec := &comparer{lines: c.Run.Lines, records: c.Run.Records, fresh: map[digest.Digest][]byte{}, observed: c.Observed}
	if c.Against != nil {
		rec.relaxed = forgiveSource
	}
	answers := freeze.NewFrozen(c.Source)
	defer answers.Close()
	show := c.Print
	if show == nil {
		show = func(string) {}
	}
	p, err := run.Perform(ctx, run.Setting{
		Program:  program,
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

func opening(r *flight.Run) (*flight.Open, error) {
	open, ok := r.Records[0].(*flight.Open)
	if !ok {
		return nil, fmt.Errorf("record 0: a run begins with an open record")
	}
	switch {
	case open.Epoch != flight.Epoch:
		return nil, &NotReplayableError{fmt.Sprintf("the run was made by engine epoch %d; this coo replays epoch %d", open.Epoch, flight.Epoch)}
	case open.Level != "script" || open.Mission.Kind != "script":
		return nil, &NotReplayableError{fmt.Sprintf("the run was made at isolation level %q; this coo replays missions of level script", open.Level)}
	case open.Limits != mission.Limits:
		return nil, &NotReplayableError{fmt.Sprintf("the run was made under the limits %q; this coo has %s", open.Limits, mission.Limits)}
	}
	return open, nil
}

func recordedRules(open *flight.Open, blob func(digest.Digest) ([]byte, error)) (*wire.Rules, error) {
	if len(open.Rules) != 1 {
		return nil, &NotReplayableError{fmt.Sprintf("the run was made under %d sets of identity rules; this coo has one", len(open.Rules))}
	}
	b, err := blob(open.Rules[0].SHA256)
	if err != nil {
		return nil, err
	}
	return wire.ParseRules(b)
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
