//go:build !(linux && amd64)

package sandbox

import "runtime"

func (p *Process) startDeterministic(Command) error {
	return &LevelError{probeDeterministic()}
}

// probeDeterministic says that this machine has not got the level.
func probeDeterministic() Finding {
	return Finding{Level: Deterministic, Why: "it is for Linux on amd64, and this is " + runtime.GOOS + " on " + runtime.GOARCH}
}
