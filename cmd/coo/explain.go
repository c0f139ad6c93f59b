package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/report"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain RUN",
		Short: "Say in plain words what ran and what is guaranteed",
		Long: `Says what ran, what is pure, which answers were frozen and where each came from,
what each output depends on, what is guaranteed for this run and what is not;
after a replay that diverged, why.`,
		Example: "  coo explain @last",
		Args:    exactly(1, "one run"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.explain(args[0]) },
	}
}

func (a *app) explain(ref string) error {
	rec, err := a.load(ref)
	if err != nil {
		return err
	}
	if _, err := rec.open(); err != nil {
		return err
	}
	e := report.Explanation{
		Lineage: report.NewLineage(rec.run.Records), Records: rec.run.Records, Docs: rec.docs, Pack: rec.pack != nil,
	}
	if e.Summary, err = rec.summarise(); err != nil {
		return err
	}
	if x := rec.handle.Execution; x != nil {
		values, err := rec.st.Observations(*x)
		if err != nil {
			return err
		}
		e.Origins, e.Execution = report.Origins(values), x.N
	}
	if rec.run.Seal != nil && rec.st != nil {
		b, err := os.ReadFile(divergenceFile(rec))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		e.Diverged = string(b)
	}
	e.Text(a.stdout)
	if rec.run.Seal != nil {
		a.next("coo replay %s", rec.name())
	}
	return nil
}
