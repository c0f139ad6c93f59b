//go:build !linux

package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
)

// Init does nothing here: coo starts itself inside a box on Linux only.
func Init() {}

func probeFrozen() Finding {
	return Finding{
		Level: Frozen, Why: "it needs Linux's namespaces, and this is " + runtime.GOOS,
		Remedy: "run coo in a Linux virtual machine or container",
	}
}

func (p *Process) startFrozen(Command) error { return &LevelError{probeFrozen()} }

// Target is for level frozen, which is Linux's.
func (p *Process) Target(net.Conn) (Target, error) { return Target{}, errors.New("not redirected") }

// A plainBox is a program and the processes that can be found to be its own.
type plainBox struct {
	cmd   *exec.Cmd
	group group
	stdio []*os.File
}

// startPlain prepares a program in the machine's own network.
func startPlain(c Command) (holder, error) {
	b := &plainBox{}
	b.cmd = &exec.Cmd{Path: c.Exe, Args: c.Argv, Env: c.Env, Dir: c.Dir, Stdout: c.Stdout, Stderr: c.Stderr}
	if f, ok := c.Stdin.(*os.File); ok {
		b.cmd.Stdin = f
	} else if c.Stdin != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("stdin: %w", err)
		}
		b.cmd.Stdin = r
		b.stdio = append(b.stdio, r)
		go copyStdin(w, c.Stdin)
	}
	b.group.prepare(b.cmd)
	return b, nil
}

func (b *plainBox) run() error {
	err := b.cmd.Start()
	for _, f := range b.stdio {
		f.Close()
	}
	if err != nil {
		return fmt.Errorf("program %q: %w", b.cmd.Path, err)
	}
	return b.group.started(b.cmd)
}

func (b *plainBox) signal(s os.Signal) { b.group.signal(b.cmd, s) }

func (b *plainBox) kill() { b.group.kill(b.cmd) }

func (b *plainBox) wait() (Exit, error) {
	err := b.cmd.Wait()
	b.group.kill(b.cmd) // what it left running
	if _, ok := errors.AsType[*exec.ExitError](err); !ok && err != nil {
		return Exit{}, err
	}
	return exitOf(b.cmd.ProcessState), nil
}
