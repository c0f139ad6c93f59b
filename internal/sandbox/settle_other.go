//go:build !linux

package sandbox

import "time"

// Settle reports that it is not known here whether the program sleeps.
func (p *Process) Settle(time.Duration) bool { return false }

// Watchable reports whether Settle can see what the program does.
func (p *Process) Watchable() bool { return false }
