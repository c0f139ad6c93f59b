package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var bothLevels = []Level{Frozen, Proxied}

// sleeper returns a duration by which a sleep of this test can be found.
func sleeper(n int) string { return fmt.Sprintf("8%d.%d", n, os.Getpid()) }

// running reports whether a process with this argument is on the machine.
func running(t *testing.T, arg string) bool {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && bytes.Contains(b, []byte("sleep\x00"+arg+"\x00")) {
			return true
		}
	}
	return false
}

func gone(t *testing.T, arg string) {
	t.Helper()
	for range 300 {
		if !running(t, arg) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("sleep %s is still running", arg)
}

func TestExits(t *testing.T) {
	t.Parallel()
	for _, level := range bothLevels {
		for script, want := range map[string]Exit{
			`exit 0`:          {},
			`exit 255`:        {Status: 255},
			`kill -KILL $$`:   {Status: 137, Signal: "SIGKILL"},
			`kill -TERM $$`:   {Status: 143, Signal: "SIGTERM"},
			`(true &); :`:     {},
			`(exit 9) & wait`: {},
		} {
			c := sh(script)
			c.Level = level
			if r := perform(t, c); r.exit.Status != want.Status || r.exit.Signal != want.Signal || len(r.exit.Left) != 0 {
				t.Errorf("%s %s: %+v, want %+v", level, script, r.exit, want)
			}
		}
	}
}

// What a program leaves behind is ended and named, however it hides; what is
// about to end by itself may.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	for _, level := range bothLevels {
		arg := sleeper(0)
		c := sh(`(setsid sh -c 'trap "" TERM HUP; sleep ` + arg + `; :' >/dev/null 2>&1 &); (sleep 0.1; echo late) & echo soon`)
		c.Level = level
		r := perform(t, c)
		want(t, "stdout", r.stdout, "soon\nlate\n")
		if len(r.exit.Left) != 2 || r.exit.Left[1] != "sleep "+arg {
			t.Errorf("%s: left %q", level, r.exit.Left)
		}
		if running(t, arg) {
			t.Errorf("%s: sleep %s is still running", level, arg)
		}
	}
}

func TestOrphansAreReaped(t *testing.T) {
	t.Parallel()
	r := perform(t, sh(`for i in 1 2 3 4 5; do (true &); done; sleep 0.2; grep -h '^State' /proc/[0-9]*/status | grep -c Z`))
	want(t, "zombies", r.stdout, "0\n")
}

func TestKill(t *testing.T) {
	t.Parallel()
	for _, level := range bothLevels {
		for round := range 3 {
			arg := sleeper(10 + round)
			c := sh(`trap "" INT TERM; (setsid sleep ` + arg + ` &); while :; do sleep 0.05; done`)
			c.Level = level
			ctx, cancel := context.WithCancel(t.Context())
			c.Dir, c.Env = t.TempDir(), environment(t)
			p, err := Start(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Run(); err != nil {
				t.Fatal(err)
			}
			for !running(t, arg) {
				time.Sleep(5 * time.Millisecond)
			}
			cancel()
			exit, err := p.Wait()
			if err != nil || exit.Signal != "SIGKILL" {
				t.Errorf("%s: Wait = %+v, %v", level, exit, err)
			}
			gone(t, arg)
		}
	}
}

// A held is a process of its own that holds a program.
type held struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

func startHeld(t *testing.T, level Level, script string, set func(*exec.Cmd)) *held {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "/usr/bin/python3", "-u", "-c", script)
	cmd.Env = append(os.Environ(), holdVariable+"="+string(level))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if set != nil {
		set(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); r.Close() })
	return &held{cmd, bufio.NewReader(r)}
}

func (h *held) line(t *testing.T, want string) {
	t.Helper()
	got, err := h.out.ReadString('\n')
	if got = strings.TrimSpace(got); got != want {
		t.Fatalf("line %q, %v, want %q", got, err, want)
	}
}

func (h *held) status(t *testing.T) int {
	t.Helper()
	err := h.cmd.Wait()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// A coo that is killed takes the program and all that it started with it.
func TestHolderKilled(t *testing.T) {
	t.Parallel()
	for _, level := range bothLevels {
		for round := range 3 {
			arg := sleeper(20 + round)
			h := startHeld(t, level, `
import os, subprocess, time
subprocess.Popen(["setsid", "sleep", "`+arg+`"]); time.sleep(0.1); print("up"); time.sleep(1000)`, nil)
			h.line(t, "up")
			if !running(t, arg) {
				t.Fatal("not running")
			}
			h.cmd.Process.Kill()
			gone(t, arg)
			if rest, _ := io.ReadAll(h.out); len(rest) > 0 { // until every holder of the pipe has gone
				t.Errorf("%s: output %q", level, rest)
			}
		}
	}
}

const countInterrupts = `
import signal, sys, time
n = 0
def got(*a):
    global n; n += 1
signal.signal(signal.SIGINT, got)
print("up")
end = time.time() + float(sys.argv[1] if len(sys.argv) > 1 else 0.5)
while time.time() < end: time.sleep(0.02)
print("interrupts", n)
sys.exit(5)
`

// An interrupt reaches the program once, whether it is sent to coo alone, to
// its process group, or typed at the terminal; a second one kills.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	group := func(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
	for _, level := range bothLevels {
		h := startHeld(t, level, countInterrupts, group)
		h.line(t, "up")
		syscall.Kill(h.cmd.Process.Pid, syscall.SIGINT)
		h.line(t, "interrupts 1")
		if n := h.status(t); n != 5 {
			t.Errorf("%s: status %d", level, n)
		}

		h = startHeld(t, level, countInterrupts, group)
		h.line(t, "up")
		syscall.Kill(-h.cmd.Process.Pid, syscall.SIGINT)
		h.line(t, "interrupts 1")

		h = startHeld(t, level, countInterrupts, group)
		h.line(t, "up")
		syscall.Kill(h.cmd.Process.Pid, syscall.SIGINT)
		time.Sleep(50 * time.Millisecond)
		syscall.Kill(h.cmd.Process.Pid, syscall.SIGINT)
		if n := h.status(t); n != 137 {
			t.Errorf("%s: status %d after two interrupts", level, n)
		}
	}
}

// openTerminal returns both ends of a new terminal.
func openTerminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	m, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(m.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	s, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(); s.Close() })
	return m, s
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	for _, level := range bothLevels {
		keyboard, tty := openTerminal(t)
		h := startHeld(t, level, `
import os, sys
print(os.isatty(0), os.ttyname(0) != "", os.tcgetpgrp(0) == os.getpgrp())
print("typed", input())
`+countInterrupts, func(c *exec.Cmd) {
			c.Stdin = tty
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		})
		h.line(t, "True True True")
		keyboard.WriteString("hello\n")
		h.line(t, "typed hello")
		h.line(t, "up")
		keyboard.WriteString("\x03")
		h.line(t, "interrupts 1")
	}
}

// A reader that never ends does not keep coo waiting.
func TestStdin(t *testing.T) {
	t.Parallel()
	for _, level := range bothLevels {
		r, w := io.Pipe()
		go w.Write([]byte("one\ntwo\n"))
		c := sh(`head -n 1`)
		c.Level, c.Stdin = level, r
		want(t, "stdout", perform(t, c).stdout, "one\n")
		w.Close()

		c = sh(`cat; echo end`)
		c.Level = level
		want(t, "without stdin", perform(t, c).stdout, "end\n")
		c.Stdin = strings.NewReader(strings.Repeat("x", 200_000))
		if n := len(perform(t, c).stdout); n != 200_004 {
			t.Errorf("%d bytes", n)
		}
	}
}
