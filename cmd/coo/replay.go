package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/replay"
	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/wire"
	"github.com/coo-runtime/coo/internal/workspace"
)

func (a *app) replayCommand() *cobra.Command {
	var against, trace string
	var trust bool
	cmd := &cobra.Command{
		Use:   "replay RUN",
		Short: "Perform a run again from its record, and compare",
		Long: `Verifies a run, then performs it again from its record alone: inputs, answers
and clock readings come from it, and every record must come out byte-identical.
Nothing is sent, and no file but the store's own is written. A run that failed
and fails again identically is identical.

With --against, today's source FILE, or the files of today's directory DIR, are
put in the place of the recorded ones, and the replay stops at the first
difference: a regression test.

A run in a pack that starts programs is not performed unless --trust is given:
they come from whoever made the pack. What would run is shown.`,
		Example: `  coo replay @last
  coo replay 3f2a --against summarise.star
  coo replay 3f2a --against .`,
		Args: exactly(1, "one run"),
		RunE: func(_ *cobra.Command, args []string) error { return a.replay(args[0], against, trace, trust) },
	}
	cmd.Flags().StringVar(&against, "against", "", "replay today's `FILE|DIR` against the record")
	cmd.Flags().StringVar(&trace, "trace", "", "a program at level deterministic: write its system calls to `FILE`, to be compared with the run's")
	cmd.Flags().BoolVar(&trust, "trust", false, "start the programs that a pack's run starts")
	return cmd
}

func (a *app) replay(ref, against, trace string, trust bool) error {
	rec, err := a.load(ref)
	if err != nil {
		return err
	}
	if rec.run.Seal == nil {
		return withStatus(exitUsage, fmt.Errorf("run %s is incomplete: only a sealed run can be replayed; coo run --from '%s' uses its answers", rec.name(), rec.name()))
	}
	if err := rec.verify(); err != nil {
		return err
	}
	if err := a.mayStart(rec, trust); err != nil {
		return err
	}
	c := replay.Config{
		Run:    rec.run,
		Source: rec.source(),
		Blob:   rec.run.Blob,
		Observed: func(r flight.Record) {
			fmt.Fprintln(a.stdout, report.Line(r, rec.docs))
		},
	}
	if c.Programs, err = a.replayPrograms(rec); err != nil {
		return err
	}
	var differs []string // of the environment
	switch deterministic := c.Programs != nil && c.Programs.Level == sandbox.Deterministic; {
	case deterministic:
		c.Programs.Trace = traceFile(trace)
		if differs, err = a.differingEnvironment(rec); err != nil {
			return err
		}
	case trace != "":
		return usagef("--trace: run %s was not recorded at --isolation=deterministic", rec.name())
	}
	if rec.ofProgram() {
		// stdout is the program's, as it was when it was recorded.
		c.Observed = nil
		c.Performed = a.evidence
	}
	if against != "" {
		done, err := a.against(rec, against, &c)
		if err != nil {
			return err
		}
		defer done()
	}
	return a.replayed(rec, differs, replay.Do(a.ctx, c))
}

// A startedProgram is an exec call of a run.
type startedProgram struct {
	record int64
	*wire.Exec
}

// starts returns the programs that a run has started, in order.
func starts(rec *recording) ([]startedProgram, error) {
	var out []startedProgram
	for _, r := range rec.run.Records {
		call, ok := r.(*flight.Call)
		if !ok || call.Kind != "exec" {
			continue
		}
		doc, err := rec.run.Blob(digest.Digest(call.Req))
		if err != nil {
			return nil, err
		}
		e, err := wire.ParseExec(doc)
		if err != nil {
			return nil, err
		}
		out = append(out, startedProgram{call.N, e})
	}
	return out, nil
}

// mayStart shows the programs that the run of a pack starts, and refuses to
// start them without --trust.
func (a *app) mayStart(rec *recording, trust bool) error {
	if rec.pack == nil {
		return nil
	}
	programs, err := starts(rec)
	if err != nil {
		return inPack(rec.file, err)
	}
	for _, p := range programs {
		a.say("record %d starts %s", p.record, visible(fmt.Sprintf("%q", p.Argv)))
	}
	if len(programs) == 0 || trust {
		return nil
	}
	return withStatus(exitPolicy, fmt.Errorf("%s: a pack's programs are not started unless you trust whoever made it: --trust", rec.file))
}

// against puts today's source or workspace in the place of the recorded one.
func (a *app) against(rec *recording, path string, c *replay.Config) (done func(), err error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, usagef("--against %q: %v", path, unwrapPath(err))
	}
	if fi.IsDir() {
		dir, err := workspace.OpenDir(path)
		if err != nil {
			return nil, err
		}
		c.Inputs = run.Present{Dir: dir}
		if c.Programs != nil {
			if err := a.presentGround(rec, dir, c); err != nil {
				return nil, errors.Join(err, dir.Close())
			}
		}
		return func() { dir.Close() }, nil
	}
	if rec.ofProgram() {
		return nil, usagef("--against %q: the run is a program's: give today's directory", path)
	}
	main, root, err := missionName(a.storeParent(), path)
	if err != nil {
		return nil, err
	}
	c.Against, err = loadMission(main, root)
	return func() {}, err
}

// replayed tells what came of a replay, and keeps why it was not the same for
// explain, together with what differs in the environment.
func (a *app) replayed(rec *recording, differs []string, err error) error {
	out := a.stdout
	if rec.ofProgram() {
		out = a.stderr
	}
	var why bytes.Buffer
	if d, ok := errors.AsType[*replay.Divergence](err); ok {
		report.Divergence(&why, d, rec.run.Records, rec.docs)
		if _, err := out.Write(why.Bytes()); err != nil {
			return err
		}
		cause := report.Cause(d, rec.run.Records, rec.docs)
		fmt.Fprintf(out, "diverged at record %d: %s\n", d.N, cause)
		fmt.Fprintf(&why, "cause: %s\n", cause)
		for _, line := range differs {
			fmt.Fprintln(out, line)
			fmt.Fprintln(&why, line)
		}
		return a.differs(rec, why.Bytes(), exitDiverged)
	}
	if miss, ok := errors.AsType[*freeze.MissError](err); ok {
		report.Miss(&why, miss)
		for _, line := range differs {
			fmt.Fprintln(&why, line)
		}
		if _, err := a.stderr.Write(why.Bytes()); err != nil {
			return err
		}
		return a.differs(rec, why.Bytes(), exitNotFrozen)
	}
	if err != nil {
		return err
	}
	if err := noteDivergence(rec, nil); err != nil {
		return err
	}
	fmt.Fprintln(out, identical(rec))
	a.next("coo explain %s", visible(rec.name()))
	return nil
}

// identical is the last line of a replay that is.
func identical(rec *recording) string {
	return fmt.Sprintf("identical: %s, %s answered from the record, 0 sent, root %s",
		report.Count(len(rec.run.Records), "record"), report.Count(rec.calls(), "call"), rec.run.Seal.Root)
}

// noteDivergence keeps in the store what the last replay of a run found, which
// may be nothing. A pack has no place for it.
func noteDivergence(rec *recording, what []byte) error {
	if rec.st == nil {
		return nil
	}
	note := divergenceFile(rec)
	if what == nil {
		if err := os.Remove(note); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := durable.MkdirAll(filepath.Dir(note), 0o755); err != nil {
		return err
	}
	return durable.WriteFile(note, what, 0o644)
}

// differs keeps why a replay was not the same.
func (a *app) differs(rec *recording, why []byte, status int) error {
	if err := noteDivergence(rec, why); err != nil {
		return err
	}
	a.next("coo explain %s", visible(rec.name()))
	return silently(status)
}

// divergenceFile is where it is kept how the last replay of a run differed.
func divergenceFile(rec *recording) string {
	return rec.st.Path("replays/" + rec.run.ID.String())
}
