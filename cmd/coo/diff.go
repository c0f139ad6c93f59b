package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/report"
)

func (a *app) diffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff RUN RUN",
		Short: "Show every difference between two runs",
		Long: `Compares two runs record by record: arguments, sources, inputs, questions,
answers, files, outcome. Prompts and answers are shown as text. Exit 0 when
there is no difference, 3 when there is one. Of programs at level deterministic
it also says which of the files outside of the workspace differed that they
used; that alone is no difference of the runs.`,
		Example: "  coo diff '#1' '#2'",
		Args:    exactly(2, "two runs"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.diff(args[0], args[1]) },
	}
}

func (a *app) diff(refA, refB string) error {
	left, err := a.load(refA)
	if err != nil {
		return err
	}
	right, err := a.load(refB)
	if err != nil {
		return err
	}
	sideA, sideB, err := sides(left, right)
	if err != nil {
		return err
	}
	n := report.DiffRuns(a.stdout, sideA, sideB)
	around := report.DiffEnvironments(a.stdout, sideA, sideB)
	switch {
	case n == 0 && around > 0:
		fmt.Fprintln(a.stdout, "no difference but in the environment")
		return nil
	case n == 0:
		fmt.Fprintln(a.stdout, "no difference")
		return nil
	}
	a.say("%s between %s and %s", report.Count(n, "difference"), left.name(), right.name())
	a.next("coo explain %s", right.name())
	return silently(exitDiverged)
}
