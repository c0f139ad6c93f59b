package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/store"
)

type logsFlags struct{ json, follow, times bool }

func (a *app) logsCommand() *cobra.Command {
	var f logsFlags
	cmd := &cobra.Command{
		Use:   "logs [RUN]",
		Short: "List runs, or print a run's flight recorder",
		Long: `Without RUN, lists the executions of this store, the oldest first, and the runs
that came to no end. With RUN, prints its recorder, one line a record.`,
		Example: `  coo logs
  coo logs @last --times
  coo logs @open --follow
  coo logs 3f2a --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exactly(1, "one run")(cmd, args)
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				if f.follow || f.times {
					return usagef("coo logs: --follow and --times go with a RUN")
				}
				return a.list(f.json)
			}
			return a.logs(args[0], f)
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print the raw lines; without RUN, one object an execution")
	cmd.Flags().BoolVar(&f.follow, "follow", false, "go on printing while the run is in progress")
	cmd.Flags().BoolVar(&f.times, "times", false, "add wall-clock times from the execution's observations")
	return cmd
}

// list prints the executions and the incomplete runs.
func (a *app) list(asJSON bool) error {
	st, err := a.openStore()
	if err != nil {
		return err
	}
	executions, err := st.Executions()
	if err != nil {
		return err
	}
	if asJSON {
		for _, e := range executions {
			b, err := canon.Marshal(e)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "%s\n", b)
		}
		return nil
	}
	open, err := st.OpenRuns()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, e := range executions {
		fmt.Fprintf(w, "#%d\t%s\t%s\t%s\t%d sent, %d frozen\t%s\n", e.N, e.Run.Short(), e.Outcome,
			report.OneLine(e.Name, 60), e.Live, e.Frozen, report.OneLine(e.Started, 40))
	}
	for _, o := range open {
		state := "incomplete"
		if o.Live {
			state = "in progress"
		}
		ref := "-"
		if r, err := flight.LoadOpen(st, o.Dir); err == nil && len(r.Records) > 0 {
			ref = "~" + r.Last.Short()
		}
		fmt.Fprintf(w, "-\t%s\t%s\t%s\t%s\t%s\n", ref, state, report.OneLine(o.State.Name, 60),
			report.OneLine(o.State.Reason, 60), report.OneLine(o.State.Started, 40))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(executions)+len(open) == 0 {
		a.say("no runs yet")
		a.next("coo run demo")
		return nil
	}
	a.next("coo logs @last")
	return nil
}

func (a *app) logs(ref string, f logsFlags) error {
	rec, err := a.load(ref)
	if err != nil {
		return err
	}
	if f.times && rec.pack != nil {
		return usagef("coo logs --times: a pack holds no times; they are in the store that recorded the run")
	}
	var times map[int64]string
	if f.times {
		if times, err = answerTimes(rec); err != nil {
			return err
		}
	}
	for i, r := range rec.run.Records {
		a.printRecord(rec.run.Lines[i], r, rec.docs, f.json, times)
	}
	if f.follow && rec.run.Seal == nil {
		if err := a.follow(rec, f.json); err != nil {
			return err
		}
	}
	if rec.run.Seal == nil {
		for _, s := range rec.run.Spools {
			a.say("%s of %s", report.Count(int(s.Size), "byte"), visible(s.What()))
		}
		a.say("the run has not come to its end")
		return nil
	}
	a.next("coo explain %s", rec.name())
	return nil
}

func (a *app) printRecord(line []byte, r flight.Record, docs report.Docs, raw bool, times map[int64]string) {
	if raw {
		fmt.Fprintf(a.stdout, "%s\n", line)
		return
	}
	if times != nil {
		fmt.Fprintf(a.stdout, "%-27s  ", times[flight.Env(r).N])
	}
	fmt.Fprintln(a.stdout, report.Line(r, docs))
}

// follow prints the records of a run in progress as they are written.
func (a *app) follow(rec *recording, raw bool) error {
	seen := len(rec.run.Records)
	offset, n := int64(0), 0
	for {
		lines, next, err := flight.Follow(rec.st, rec.handle.Dir, offset)
		if errors.Is(err, fs.ErrNotExist) {
			return a.printRest(rec, max(n, seen), raw)
		}
		if err != nil {
			return err
		}
		if len(lines) > 0 {
			// What the new records name came with them.
			grown, err := flight.LoadOpen(rec.st, rec.handle.Dir)
			if errors.Is(err, fs.ErrNotExist) || err == nil && len(grown.Records) < n+len(lines) {
				return a.printRest(rec, max(n, seen), raw) // it is being sealed
			}
			if err != nil {
				return err
			}
			rec.docs.Blob, rec.docs.Look = grown.Blob, grown.Look
		}
		offset = next
		for _, line := range lines {
			if n++; n <= seen {
				continue
			}
			r, err := flight.Decode(line)
			if err != nil {
				return err
			}
			a.printRecord(line, r, rec.docs, raw, nil)
		}
		if !stillLive(rec.st, rec.handle.Dir) && len(lines) == 0 {
			return nil
		}
		select {
		case <-a.ctx.Done():
			return a.ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// printRest prints what a run had still to say when it was sealed.
func (a *app) printRest(rec *recording, from int, raw bool) error {
	executions, err := rec.st.Executions()
	if err != nil {
		return err
	}
	for _, e := range executions {
		if "open/"+e.Open != rec.handle.Dir {
			continue
		}
		if rec.run, err = flight.Load(rec.st, e.Run); err != nil {
			return err
		}
		rec.docs.Blob, rec.docs.Look = rec.run.Blob, rec.run.Look
		for i := from; i < len(rec.run.Records); i++ {
			a.printRecord(rec.run.Lines[i], rec.run.Records[i], rec.docs, raw, nil)
		}
	}
	return nil
}

func stillLive(st *store.Store, dir string) bool {
	open, err := st.OpenRuns()
	if err != nil {
		return false
	}
	for _, o := range open {
		if o.Dir == dir {
			return o.Live
		}
	}
	return false
}

// answerTimes returns, for each answer record, when it was delivered, from
// the observations of the execution.
func answerTimes(rec *recording) (map[int64]string, error) {
	times := map[int64]string{}
	if rec.handle.Execution == nil {
		return times, nil
	}
	values, err := rec.st.Observations(*rec.handle.Execution)
	if err != nil {
		return nil, err
	}
	byCall := map[int64]string{}
	for _, v := range values {
		var o struct {
			T    string `json:"t"`
			Call int64  `json:"call"`
			At   string `json:"at"`
		}
		if json.Unmarshal(v, &o) == nil && o.T == "answer" {
			byCall[o.Call] = report.OneLine(o.At, 40)
		}
	}
	for _, r := range rec.run.Records {
		switch r := r.(type) {
		case *flight.Open:
			times[r.N] = report.OneLine(rec.handle.Execution.Started, 40)
		case *flight.Answer:
			times[r.N] = byCall[r.Call]
		}
	}
	return times, nil
}
