package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/snapshot"
)

func (a *app) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore RUN[:POINT] DIR",
		Short: "Put a state of a run's workspace in an empty directory",
		Long: `Writes the workspace as it was at a point of RUN into DIR, which must be empty or
not exist: all of it, with permissions and links, or nothing. POINT is baseline,
final (the default), or a step's name or record number.`,
		Example: `  coo restore @last /tmp/after
  coo restore @last:baseline /tmp/before
  coo restore 3f2a:summarise /tmp/then`,
		Args: exactly(2, "a run and a directory"),
		RunE: func(_ *cobra.Command, args []string) error { return a.restore(args[0], args[1]) },
	}
}

func (a *app) restore(ref, dir string) error {
	ref, point, _ := strings.Cut(ref, ":")
	rec, err := a.load(ref)
	if err != nil {
		return err
	}
	trees, err := treesOf(rec)
	if err != nil {
		return err
	}
	point, tree, err := choose(rec, trees, point, run.AtFinal)
	if err != nil {
		return err
	}
	if err := snapshot.Restore(rec.st, tree, dir); err != nil {
		return err
	}
	a.say("%s holds the workspace as it was at %s of run %s", visible(dir), visible(point), rec.name())
	return nil
}
