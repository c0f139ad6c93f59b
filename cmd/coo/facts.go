package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

const factsType = "execution"

// executionFacts are noted first in an execution's observations.
type executionFacts struct {
	T         string `json:"t"` // "execution"
	Coo       string `json:"coo"`
	Go        string `json:"go"`
	OS        string `json:"os"`
	Arch      string `json:"arch"`
	Host      string `json:"host"`
	PID       int    `json:"pid"`
	Workspace string `json:"workspace"` // as store.Place names it
	Calls     string `json:"calls"`     // fill, frozen, live
}

func facts(workspace, calls string) any {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	f := executionFacts{
		T: factsType, Coo: versionName(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		Host: host, PID: os.Getpid(), Workspace: workspace, Calls: calls,
	}
	if bi, ok := debug.ReadBuildInfo(); ok {
		f.Go = bi.GoVersion
	}
	return f
}
