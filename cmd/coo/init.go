package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/store"
)

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [DIR]",
		Short: "Make a store, .coo, in a directory",
		Long: `Makes the store .coo in DIR (default: the working directory) and says what it
made. A store that is there already is left as it is. coo run makes one by
itself where there is none; the layout is described in docs/state.md.`,
		Example: "  coo init\n  coo init ~/work/agent",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exactly(1, "one directory")(cmd, args)
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if a.storeDir != "" {
				dir = a.storeDir
			}
			if len(args) == 1 {
				dir = args[0]
			}
			if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
				return usagef("init %q: no such directory", dir)
			}
			st, created, err := store.Init(dir)
			if err != nil {
				return err
			}
			if created {
				a.say("made the store %s: blobs, runs, executions, runs in progress", visible(shown(st.Dir())))
			} else {
				a.say("the store %s is there already", visible(shown(st.Dir())))
			}
			a.next("coo run demo")
			return nil
		},
	}
}
