//go:build !(linux && amd64)

package sandbox

import "github.com/coo-runtime/coo/internal/box"

// A Guest is a program at level deterministic; there is none here.
type Guest struct{}

// Guest returns nil: there is no such level here.
func (p *Process) Guest() *Guest { return nil }

// Next is never called.
func (g *Guest) Next() (box.Event, error) { panic("sandbox: internal error: no guest") }

// Obey is never called.
func (g *Guest) Obey(box.Order) error { panic("sandbox: internal error: no guest") }

func (p *Process) startDeterministic(Command) error {
	return &LevelError{Finding{Level: Deterministic, Why: "it is for Linux on amd64 only"}}
}
