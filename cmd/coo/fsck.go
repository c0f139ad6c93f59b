package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/upkeep"
)

func (a *app) fsckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "fsck",
		Short: "Check the whole store, and repair what can be",
		Long: `Checks every file of the store: all runs as coo verify does, all contents,
whether a run needs them or not, executions, attachments, runs that came to no
end, workspace changes on their way. Each damage is named: file, offset, which
runs and executions it affects, how to get it back. What follows from other
files is made again. An incomplete run is no damage.

Exit 0 when the store is whole, or is whole again; 4 when damage remains.`,
		Example: "  coo fsck",
		Args:    exactly(0, "no argument"),
		RunE:    func(*cobra.Command, []string) error { return a.fsck() },
	}
}

func (a *app) fsck() error {
	st, err := a.findStore()
	if err != nil {
		return a.noFormat(err)
	}
	c := upkeepConfig(st)
	repaired, err := a.beforeFsck(c)
	if err != nil {
		return err
	}
	rep, err := upkeep.Check(a.ctx, c)
	if err != nil {
		return err
	}
	rep.Repaired = append(repaired, rep.Repaired...)
	a.checked(rep)
	if len(rep.Damage) > 0 {
		a.say("%s", damages(len(rep.Damage)))
		return silently(exitIntegrity)
	}
	if rep.Unnamed.N > 0 || len(rep.Incomplete) > 0 {
		a.next("coo gc")
	} else {
		a.next("coo logs")
	}
	return nil
}

func damages(n int) string {
	if n == 1 {
		return "the store is damaged in 1 place"
	}
	return fmt.Sprintf("the store is damaged in %d places", n)
}

// beforeFsck makes what every store has, removes what crashes have left
// behind, when no other command is at the store, and finishes what they have
// left half done. It uses the store.
func (a *app) beforeFsck(c upkeep.Config) (repaired []upkeep.Repair, err error) {
	if repaired, err = upkeep.Restore(c); err != nil {
		return repaired, err
	}
	done, err := c.Store.Alone()
	if err == nil {
		var swept []upkeep.Repair
		swept, err = upkeep.Sweep(c)
		repaired = append(repaired, swept...)
		done()
	}
	if err != nil && !is[*store.BusyError](err) {
		return nil, err
	}
	if err := a.use(c.Store); err != nil {
		return nil, err
	}
	// What cannot be finished is damaged, and the check will name it.
	if err := a.recover(c.Store); err != nil {
		a.say("what was interrupted cannot be finished: %s", visible(err.Error()))
	}
	return repaired, nil
}

// checked prints a report.
func (a *app) checked(rep *upkeep.Report) {
	for _, r := range rep.Repaired {
		fmt.Fprintf(a.stdout, "repaired %s: %s\n", visible(r.Path), visible(r.What))
	}
	for _, n := range rep.Notes {
		fmt.Fprintf(a.stdout, "note %s: %s\n", visible(n.Path), visible(n.What))
	}
	for _, i := range rep.Incomplete {
		fmt.Fprintf(a.stdout, "incomplete run %s\n", incompleteText(i))
	}
	for _, d := range rep.Damage {
		a.damage(d)
	}
	fmt.Fprintf(a.stdout, "checked %s, %s, %s of %s", report.Count(rep.Runs, "run"), report.Count(rep.Executions, "execution"),
		report.Count(rep.Blobs.N, "blob"), report.Size(rep.Blobs.Bytes))
	if rep.Unnamed.N > 0 {
		fmt.Fprintf(a.stdout, " (%d of them, %s, unused)", rep.Unnamed.N, report.Size(rep.Unnamed.Bytes))
	}
	if len(rep.Damage) == 0 {
		fmt.Fprint(a.stdout, ": no damage")
	}
	fmt.Fprintln(a.stdout)
}

// maxAffects is how much of what a damage affects is listed.
const maxAffects = 20

func (a *app) damage(d upkeep.Damage) {
	fmt.Fprintf(a.stdout, "damaged %s\n", visible(d.DamageError.Error()))
	for i, what := range d.Affects {
		if i == maxAffects {
			fmt.Fprintf(a.stdout, "  affects %d more\n", len(d.Affects)-i)
			break
		}
		fmt.Fprintf(a.stdout, "  affects %s\n", visible(what))
	}
	if len(d.Affects) == 0 {
		fmt.Fprintln(a.stdout, "  affects nothing that is known")
	}
	fmt.Fprintf(a.stdout, "  %s\n", d.Advice)
}

// noFormat tells of a store that cannot be opened because its format is
// damaged or gone: everything in it waits for that.
func (a *app) noFormat(err error) error {
	d, ok := errors.AsType[*store.DamageError](err)
	if !ok && !hasRuns(a.storeParent()) {
		return err
	}
	if !ok {
		d = &store.DamageError{Path: "format", Record: -1, What: "missing", Err: os.ErrNotExist}
	}
	a.damage(upkeep.Damage{
		DamageError: d,
		Affects:     []string{"the whole store: nothing else was checked"},
		Advice:      fmt.Sprintf("if this version of coo made the store, write %q and a newline into the file", store.Format),
	})
	a.say("%s", damages(1))
	return silently(exitIntegrity)
}

func hasRuns(dir string) bool {
	fi, err := os.Stat(filepath.Join(dir, store.Name, "runs"))
	return err == nil && fi.IsDir()
}
