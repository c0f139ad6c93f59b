package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/report"
)

func (a *app) freezeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "freeze",
		Short: "Take frozen calls out of the store",
		Long: `Frozen calls are in the store, bound to their runs. As a directory of files
they can be read, compared and committed with the code that makes the calls.`,
		Args: exactly(0, "a command"),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.freezeExportCommand())
	return cmd
}

func (a *app) freezeExportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export RUN DIR",
		Short: "Write the frozen calls of a run to a directory",
		Long: `Writes the frozen calls of a run to DIR, a folder a call: the request and the
answer as they were recorded, and view.txt, the two as people read them.
DIR must be empty or absent. What is written depends on the run alone.

The directory answers with --from DIR, in this store or without one: a test
suite with its answers beside it needs no key and no network.`,
		Example: `  coo freeze export @last frozen
  coo run --calls=frozen --from frozen -- pytest`,
		Args: exactly(2, "one run and one directory"),
		RunE: func(_ *cobra.Command, args []string) error { return a.freezeExport(args[0], args[1]) },
	}
}

func (a *app) freezeExport(ref, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return usagef("coo freeze export: %q: %v", dir, unwrapPath(err))
	}
	if len(entries) > 0 {
		return fmt.Errorf("coo freeze export: %q: the directory is not empty; nothing was written", dir)
	}
	rec, err := a.load(ref)
	if err != nil {
		return err
	}
	open, err := rec.open()
	if err != nil {
		return err
	}
	n, err := freeze.WriteDir(dir, rec.source(), report.FrozenCall)
	if err != nil {
		return err
	}
	a.say("wrote %s of run %s to %s", report.Count(n, "frozen call"), rec.name(), visible(dir))
	command := open.Mission.Main
	if open.Mission.Kind == "program" {
		command = "-- " + command
	}
	a.next("coo run --calls=frozen --from %s %s", visible(quoted(dir)), visible(command))
	return nil
}

// quoted returns a path as it is typed to a shell.
func quoted(path string) string {
	if !strings.ContainsAny(path, " '\"$\\") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
