package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/mission"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

// version is set by a release build; otherwise the build information tells.
var version = ""

func versionName() string {
	if version != "" {
		return version
	}
	if bi, ok := debug.ReadBuildInfo(); ok && bi.Main.Version != "" {
		return bi.Main.Version
	}
	return "(devel)"
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of coo and of its formats",
		Example: "  coo version",
		Args:    exactly(0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			goVersion := "unknown"
			if bi, ok := debug.ReadBuildInfo(); ok {
				goVersion = bi.GoVersion
			}
			_, err := fmt.Fprintf(a.stdout, "coo %s\nrecorder %s, epoch %d\nstore %s\nlimits %s\nidentity rules %s\nbuilt with %s\n",
				versionName(), flight.Format, flight.Epoch, store.Format, mission.Limits, wire.Builtin().ID, goVersion)
			return err
		},
	}
}
