//go:build unix && !linux

package sandbox

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// A group is the process group of a program. What leaves the group is not
// found again.
type group struct{ own bool }

// prepare gives the program a group of its own, except when it reads from a
// terminal: it must be in the terminal's foreground group then.
func (g *group) prepare(cmd *exec.Cmd) {
	f, ok := cmd.Stdin.(*os.File)
	g.own = !ok || !isTerminal(f)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: g.own}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

func (g *group) started(*exec.Cmd) error { return nil }

// signal passes a signal on. In the terminal's group the terminal has done so
// for what is typed.
func (g *group) signal(cmd *exec.Cmd, s os.Signal) {
	n, ok := s.(syscall.Signal)
	switch {
	case !ok || cmd.Process == nil:
	case g.own:
		syscall.Kill(-cmd.Process.Pid, n)
	case n != syscall.SIGINT && n != syscall.SIGQUIT:
		cmd.Process.Signal(s) //nolint:errcheck // one that has ended needs no signal
	}
}

func (g *group) kill(cmd *exec.Cmd) {
	if cmd.Process == nil {
		return
	}
	if g.own {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		return
	}
	cmd.Process.Kill() //nolint:errcheck // as above
}

func exitOf(s *os.ProcessState) Exit {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return Exit{Status: 128 + int(ws.Signal()), Signal: unix.SignalName(ws.Signal())}
	}
	return Exit{Status: s.ExitCode()}
}
