package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/rollback"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

type rollbackFlags struct {
	to        string
	workspace string
	dryRun    bool
	diff      bool
	force     bool
	undo      bool
	log       bool
}

func (a *app) rollbackCommand() *cobra.Command {
	var f rollbackFlags
	cmd := &cobra.Command{
		Use:   "rollback RUN | --undo | --log",
		Short: "Put the workspace back to what it was before a run",
		Long: `Makes the workspace exactly what it was before RUN, or at one of its steps, all of
it or nothing, and prints every path that it changes. What the workspace was
before the rollback is kept: coo rollback --undo brings it back.

When the workspace has changed since the run, what would be lost is listed and
nothing is done, exit 1; --force goes on, and keeps what was there all the same.
What is outside of snapshots (.cooignore, .git, .env*, caches) stays as it is.`,
		Example: `  coo rollback @last --dry-run --diff
  coo rollback @last
  coo rollback @last --to summarise
  coo rollback --undo`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case f == (rollbackFlags{log: true}) && len(args) == 0:
				return a.rollbackLog()
			case f.log:
				return usagef("coo rollback: --log goes alone")
			case len(args) > 1, f.undo != (len(args) == 0):
				return usagef("coo rollback: give one run, or --undo, or --log")
			case f.undo:
				if f.to != "" {
					return usagef("coo rollback: --to goes with a run")
				}
				return a.undo(f)
			}
			return a.rollback(args[0], f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.to, "to", "", "`POINT` to go back to: baseline, final, or a step's name or record number (default baseline)")
	fl.StringVar(&f.workspace, "workspace", "", "the `DIR` to change (default: the one that the run worked in)")
	fl.BoolVar(&f.dryRun, "dry-run", false, "print what would be done, and do nothing")
	fl.BoolVar(&f.diff, "diff", false, "print the changes of text files too")
	fl.BoolVar(&f.force, "force", false, "go on although changes made since the run are taken back too")
	fl.BoolVar(&f.undo, "undo", false, "take the newest rollback back")
	fl.BoolVar(&f.log, "log", false, "list the rollbacks that were done")
	return cmd
}

func (a *app) rollback(ref string, f rollbackFlags) error {
	rec, err := a.load(ref)
	if err != nil {
		return err
	}
	trees, err := treesOf(rec)
	if err != nil {
		return err
	}
	point, target, err := choose(rec, trees, f.to, run.AtBaseline)
	if err != nil {
		return err
	}
	_, final, err := choose(rec, trees, run.AtFinal, "")
	if err != nil {
		return err
	}
	if f.workspace == "" {
		if f.workspace, err = workspaceOf(rec); err != nil {
			return err
		}
	}
	return a.carryOut(f, rollback.Config{
		Store: rec.st, Run: rec.run.ID, Execution: rec.handle.Execution.N,
		To: point, Expected: final, Target: target,
	})
}

// undo takes the newest rollback back.
func (a *app) undo(f rollbackFlags) error {
	st, err := a.openStore()
	if err != nil {
		return err
	}
	entries, err := rollback.Log(st)
	if err != nil {
		return err
	}
	last, ok := rollback.LastDone(entries)
	if !ok {
		return withStatus(exitUsage, fmt.Errorf("there is no rollback to undo; coo rollback --log lists them"))
	}
	if f.workspace == "" {
		f.workspace = st.PlaceOf(last.Workspace)
	}
	return a.carryOut(f, rollback.Config{
		Store: st, Run: last.Run, Execution: last.Execution, To: "undo",
		Expected: last.Target, Target: last.From, Undoes: &last.N,
	})
}

// workspaceOf returns the directory that an execution worked in.
func workspaceOf(rec *recording) (string, error) {
	values, err := rec.st.Observations(*rec.handle.Execution)
	if err != nil {
		return "", err
	}
	for _, v := range values {
		var f executionFacts
		if json.Unmarshal(v, &f) == nil && f.T == factsType && f.Workspace != "" {
			return rec.st.PlaceOf(f.Workspace), nil
		}
	}
	return "", usagef("execution #%d does not say where it worked: name the directory with --workspace", rec.handle.Execution.N)
}

// carryOut prints what a rollback changes, and does it.
func (a *app) carryOut(f rollbackFlags, c rollback.Config) error {
	dir, err := workspace.OpenDir(f.workspace)
	if err != nil {
		return usagef("--workspace %q: %v", f.workspace, unwrapPath(err))
	}
	defer dir.Close()
	secrets, err := credentialsOf(dir.Path())
	if err != nil {
		return err
	}
	c.Dir, c.Options = dir, snapshotOptions(secrets)
	c.Recover = func() error { return a.recover(c.Store) }
	p, err := rollback.Prepare(c)
	if err != nil {
		return err
	}
	defer p.Close()
	for _, ch := range p.Changes() {
		fmt.Fprintln(a.stdout, changeLine(ch))
		if f.diff {
			fmt.Fprint(a.stdout, contentDiff(c.Store, ch))
		}
	}
	for _, k := range p.Kept() {
		a.say("%s stays: something in it is outside of snapshots", visible(k))
	}
	if f.dryRun {
		a.sayWhatStays(p)
		a.say("%s; nothing was done", report.Count(len(p.Changes()), "path"))
		a.next("the same without --dry-run")
		return nil
	}
	e, err := p.Do(f.force)
	if !is[*rollback.UnreadableError](err) {
		a.sayWhatStays(p)
	}
	if changed, ok := errors.AsType[*rollback.ChangedError](err); ok {
		a.say("the workspace has changed since the run; this would be lost:")
		for _, ch := range changed.Lost {
			fmt.Fprintf(a.stderr, "  %s\n", changeLine(ch))
		}
		a.next("coo rollback --force   # what is there now is kept all the same: coo rollback --undo")
		return silently(exitFailed)
	}
	if err != nil {
		return err
	}
	if e == nil {
		a.say("nothing to do: the workspace is as it was")
		return nil
	}
	a.say("rollback %d: %s changed, %s of run %s", e.N, report.Count(len(e.Changes), "path"), visible(e.To), e.Run.Short())
	if c.Undoes == nil {
		a.next("coo rollback --undo")
	} else {
		a.next("coo rollback --log")
	}
	return nil
}

func (a *app) sayWhatStays(p *rollback.Prepared) {
	for _, problem := range p.Problems() {
		a.say("%s stays as it is", visible(problem.String()))
	}
}

// rollbackLog lists the rollbacks of this store.
func (a *app) rollbackLog() error {
	st, err := a.openStore()
	if err != nil {
		return err
	}
	entries, err := rollback.Log(st)
	if err != nil {
		return err
	}
	for _, e := range entries {
		undoes := ""
		if e.Undoes != nil {
			undoes = fmt.Sprintf(", undoes %d", *e.Undoes)
		}
		fmt.Fprintf(a.stdout, "%d  %s  execution #%d, run %s%s, %s in %s\n", e.N, visible(e.To), e.Execution, e.Run.Short(),
			undoes, report.Count(len(e.Changes), "path"), visible(e.Workspace))
	}
	if len(entries) == 0 {
		a.say("no rollback was done yet")
	}
	return nil
}

// treesOf returns the trees attached to the execution of a recording.
func treesOf(rec *recording) ([]run.Tree, error) {
	if rec.handle.Execution == nil {
		return nil, withStatus(exitUsage, fmt.Errorf("run %s has no execution in this store that kept its workspace", rec.name()))
	}
	values, err := rec.st.Attachments(*rec.handle.Execution)
	if err != nil {
		return nil, err
	}
	trees, err := run.Trees(values)
	if err == nil && len(trees) == 0 {
		err = withStatus(exitUsage, fmt.Errorf("execution #%d kept no snapshot of its workspace", rec.handle.Execution.N))
	}
	return trees, err
}

// choose finds the tree of a point: baseline, final, or a step by name or
// record number.
func choose(rec *recording, trees []run.Tree, point, otherwise string) (string, digest.Digest, error) {
	if point == "" {
		point = otherwise
	}
	var found []run.Tree
	for _, t := range trees {
		if point == t.At && t.At != run.AtStep || t.At == run.AtStep && isStep(rec, t.N, point) {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 1:
		if found[0].At == run.AtStep {
			point = fmt.Sprintf("step %d", found[0].N)
		}
		return point, found[0].Tree, nil
	case 0:
		return "", digest.Digest{}, usagef("%q is no point of run %s: give baseline, final, or a step, which coo inspect lists", point, rec.name())
	}
	var numbers []string
	for _, t := range found {
		numbers = append(numbers, strconv.FormatInt(t.N, 10))
	}
	return "", digest.Digest{}, usagef("%q names %d steps: give one by its record's number: %s", point, len(found), strings.Join(numbers, ", "))
}

func isStep(rec *recording, n int64, point string) bool {
	if strconv.FormatInt(n, 10) == point {
		return true
	}
	if n >= int64(len(rec.run.Records)) {
		return false
	}
	s, ok := rec.run.Records[n].(*flight.Step)
	return ok && s.Name == point
}

// changeLine says what happens to a path.
func changeLine(c snapshot.Change) string {
	verb := map[string]string{
		snapshot.Added: "add", snapshot.Removed: "remove", snapshot.Changed: "change", snapshot.Mode: "mode", snapshot.Type: "replace",
	}[c.Kind]
	detail := ""
	switch {
	case c.Kind == snapshot.Mode:
		detail = fmt.Sprintf("  %s -> %s", c.Before.Mode, c.After.Mode)
	case c.Kind == snapshot.Type:
		detail = fmt.Sprintf("  %s -> %s", c.Before.Type, c.After.Type)
	case c.After != nil && c.After.Type == snapshot.Dir || c.After == nil && c.Before.Type == snapshot.Dir:
		return fmt.Sprintf("%-7s %s/", verb, report.OneLine(c.Path, 200))
	}
	return fmt.Sprintf("%-7s %s%s", verb, report.OneLine(c.Path, 200), detail)
}

// contentDiff shows how a text file changes.
func contentDiff(st *store.Store, c snapshot.Change) string {
	text := func(e *snapshot.Entry) string {
		const limit = 1 << 20
		if e == nil || e.Type != snapshot.File || e.Size > limit {
			return ""
		}
		b, err := st.Get(e.SHA256)
		if err != nil {
			return ""
		}
		return string(b)
	}
	was, is := text(c.Before), text(c.After)
	if was == is || strings.ContainsRune(was, 0) || strings.ContainsRune(is, 0) {
		return ""
	}
	return report.TextDiff("now "+c.Path, "then "+c.Path, was, is)
}
