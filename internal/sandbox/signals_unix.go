//go:build unix

package sandbox

import (
	"os"
	"syscall"
)

// relayedSignals are passed on to the program: what a terminal, a shell or a
// CI runner says to what it started.
var relayedSignals = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
}

func isInterrupt(s os.Signal) bool { return s == syscall.SIGINT || s == syscall.SIGTERM }
