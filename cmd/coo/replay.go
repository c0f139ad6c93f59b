package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/replay"
	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/workspace"
)

func (a *app) replayCommand() *cobra.Command {
	var against string
	cmd := &cobra.Command{
		Use:   "replay RUN",
		Short: "Perform a run again from its record, and compare",
		Long: `Verifies a run, then performs it again from its record alone: inputs, answers
and clock readings come from it, and every record must come out byte-identical.
Nothing is sent, and no file but the store's own is written. A run that failed
and fails again identically is identical.

With --against, today's source FILE, or the files of today's directory DIR, are
put in the place of the recorded ones, and the replay stops at the first
difference: a regression test.`,
		Example: `  coo replay @last
  coo replay 3f2a --against summarise.star
  coo replay 3f2a --against .`,
		Args: exactly(1, "one run"),
		RunE: func(_ *cobra.Command, args []string) error { return a.replay(args[0], against) },
	}
	cmd.Flags().StringVar(&against, "against", "", "replay today's `FILE|DIR` against the record")
	return cmd
}

func (a *app) replay(ref, against string) error {
	rec, err := a.load(ref)
	if err != nil {
		return err
	}
	if rec.run.Seal == nil {
		return withStatus(exitUsage, fmt.Errorf("run %s is incomplete: only a sealed run can be replayed; coo run --from '%s' uses its answers", rec.name(), rec.name()))
	}
	verified, err := flight.Verify(rec.st, rec.run.ID)
	if err != nil {
		return err
	}
	c := replay.Config{
		Run:    rec.run,
		Source: freeze.FromLoaded(rec.st, rec.run),
		Blob:   rec.run.Blob,
		Observed: func(r flight.Record) {
			fmt.Fprintln(a.stdout, report.Line(r, rec.docs))
		},
	}
	if c.Programs, err = a.replayPrograms(rec); err != nil {
		return err
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
	return a.replayed(rec, verified.Calls, replay.Do(a.ctx, c))
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

// replayed tells what came of a replay, and keeps a divergence for explain.
func (a *app) replayed(rec *recording, calls int64, err error) error {
	note := divergenceFile(rec)
	d, diverged := errors.AsType[*replay.Divergence](err)
	out := a.stdout
	if rec.ofProgram() {
		out = a.stderr
	}
	switch {
	case diverged:
		var b bytes.Buffer
		report.Divergence(&b, d, rec.run.Records, rec.docs)
		if _, err := out.Write(b.Bytes()); err != nil {
			return err
		}
		cause := report.Cause(d, rec.run.Records, rec.docs)
		fmt.Fprintf(out, "diverged at record %d: %s\n", d.N, cause)
		b.WriteString("cause: " + cause + "\n")
		if err := durable.MkdirAll(filepath.Dir(note), 0o755); err != nil {
			return err
		}
		if err := durable.WriteFile(note, b.Bytes(), 0o644); err != nil {
			return err
		}
		a.next("coo explain %s", rec.name())
		return silently(exitDiverged)
	case err != nil:
		return err
	}
	if err := os.Remove(note); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fmt.Fprintf(out, "identical: %s, %s answered from the record, 0 sent, root %s\n",
		report.Count(len(rec.run.Records), "record"), report.Count(int(calls), "call"), rec.run.Seal.Root)
	a.next("coo explain %s", rec.name())
	return nil
}

// divergenceFile is where the last divergence of a run's replays is kept.
func divergenceFile(rec *recording) string {
	return rec.st.Path("replays/" + rec.run.ID.String())
}
