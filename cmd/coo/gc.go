package main

import (
	"cmp"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/upkeep"
)

func (a *app) gcCommand() *cobra.Command {
	var o upkeep.Options
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove from the store what no run needs",
		Long: `Removes contents that no run, sealed or incomplete, and nothing else in the
store names, and what killed processes have left behind. Runs and executions
stay. With --incomplete, runs that came to no end are given up as well.

While another command uses the store, nothing is collected: exit 1. When
something in the store is damaged, nothing is collected: exit 4.`,
		Example: `  coo gc --dry-run
  coo gc
  coo gc --incomplete`,
		Args: exactly(0, "no argument"),
		RunE: func(*cobra.Command, []string) error { return a.gc(o) },
	}
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "print what would be removed, and remove nothing")
	cmd.Flags().BoolVar(&o.Incomplete, "incomplete", false, "give up runs that came to no end, too")
	return cmd
}

func (a *app) gc(o upkeep.Options) error {
	st, err := a.findStore()
	if err != nil {
		return err
	}
	done, err := st.Alone()
	if b, ok := errors.AsType[*store.BusyError](err); ok {
		return fmt.Errorf("nothing was collected: %s", b.By)
	}
	if err != nil {
		return err
	}
	defer done()
	if err := a.recover(st); err != nil {
		return err
	}
	c, err := upkeep.Collect(a.ctx, upkeepConfig(st), o)
	if is[*store.DamageError](err) {
		tell(a.stderr, err)
		a.say("nothing was collected: a damaged store may still need what seems to be unused")
		a.next("coo fsck")
		return silently(exitIntegrity)
	}
	// Interrupted, it prints what it has removed so far.
	if err := cmp.Or(a.collected(c), err); err != nil {
		return err
	}
	for _, i := range c.Kept {
		a.say("kept the incomplete run %s", incompleteText(i))
	}
	if o.DryRun {
		a.say("nothing was removed: this was a dry run")
		a.next("coo gc%s", map[bool]string{true: " --incomplete"}[o.Incomplete])
		return nil
	}
	a.next("coo fsck")
	return nil
}

// collected prints what was removed, or would be.
func (a *app) collected(c *upkeep.Collected) error {
	for _, i := range c.Incomplete {
		fmt.Fprintf(a.stdout, "incomplete run %s (%s)\n", incompleteText(i), report.Size(i.Bytes))
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, t := range []struct {
		what string
		upkeep.Tally
	}{{"blob", c.Blobs}, {"temporary file", c.Temps}} {
		fmt.Fprintf(w, "%ss\t%d\t%s\n", t.what, t.N, report.Size(t.Bytes))
	}
	return w.Flush()
}

func incompleteText(i upkeep.Incomplete) string {
	text := i.Ref
	for _, s := range []string{i.Name, i.Reason} {
		if s != "" {
			text += " " + report.OneLine(s, 60)
		}
	}
	return text
}
