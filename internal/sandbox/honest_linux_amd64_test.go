package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/box"
)

// A guestRun is what a program did in the box.
type guestRun struct {
	out           string
	exit          Exit
	noted, broken []string
	err           error // the box ended before the program
}

// guest runs a program in the box.
func guest(t *testing.T, c Command) guestRun {
	t.Helper()
	c.Level, c.Dir, c.Clock = Deterministic, t.TempDir(), 1_700_000_000e3
	if c.Env == nil {
		c.Env = os.Environ()
	}
	p, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	var r guestRun
	for g := p.Guest(); ; {
		e, err := g.Next()
		if err != nil {
			r.err = err
			p.Wait() //nolint:errcheck // it says the same
			return r
		}
		switch e.Kind {
		case box.Printed:
			r.out += string(e.Data)
		case box.Noted:
			r.noted = append(r.noted, e.Text)
		case box.Broken:
			r.broken = append(r.broken, e.Text)
		case box.Quiet:
			o := box.Order{Kind: box.Wake}
			if e.Deadline < 0 {
				o.Kind = box.Stop
			}
			if err := g.Obey(o); err != nil {
				t.Fatal(err)
			}
		case box.Ended:
			if r.exit, err = p.Wait(); err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
}

// compiled returns a program of testdata/box.
func compiled(t *testing.T, name string, flags ...string) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), name)
	args := append([]string{"-O1", "-o", exe, "testdata/box/" + name + ".c", "-pthread"}, flags...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
		t.Skip("no gcc")
	} else if err != nil {
		t.Fatalf("gcc: %v: %s", err, out)
	}
	return exe
}

// certain fails a test whose program was told to be uncertain.
func (r *guestRun) certain(t *testing.T) {
	t.Helper()
	if r.err != nil || len(r.broken) > 0 {
		t.Errorf("uncertain: %q, %v", r.broken, r.err)
	}
}

// TestSpins holds that a thread that only looks at memory lets others go on,
// and that one that counts meanwhile is told.
func TestSpins(t *testing.T) {
	t.Parallel()
	exe := compiled(t, "spins")
	r := guest(t, Command{Argv: []string{exe}})
	r.certain(t)
	want(t, "output", r.out, "set\nseen\n")

	r = guest(t, Command{Argv: []string{exe, "count"}})
	want(t, "output", r.out, "set\nseen\n")
	contains(t, "broken", strings.Join(r.broken, "\n"), "(spins), thread ", "spins at spins, main+0x")
}

// TestStuck holds that of a program that waits for itself it is said where.
func TestStuck(t *testing.T) {
	t.Parallel()
	const script = `
import os, threading
l = threading.Lock(); l.acquire()
r, w = os.pipe()
threading.Thread(target=lambda: os.read(r, 1)).start()
if os.fork() == 0: l.acquire()
l.acquire()
`
	r := guest(t, Command{Argv: []string{"/usr/bin/python3", "-c", script}})
	contains(t, "noted", strings.Join(r.noted, "\n"), "is stuck", "(python3), thread ", "futex 0x", " in [heap]+0x", "(3 is a pipe)")
}

// TestRefused holds that what is outside the model is noted once.
func TestRefused(t *testing.T) {
	t.Parallel()
	const script = `
import ctypes
c = ctypes.CDLL(None, use_errno=True)
for call in [999, 999, 272, 425]:
    c.syscall(call, 0x10000000, 0)
    print(call, ctypes.get_errno())
import os
open("old", "wb").write(b"\x7fELF\x01" + bytes(100)); os.chmod("old", 0o755)
for do in [lambda: open("/dev/kvm"), lambda: os.execv("old", ["old"])]:
    try: do()
    except OSError as e: print(e)
`
	r := guest(t, Command{Argv: []string{"/usr/bin/python3", "-c", script}})
	r.certain(t)
	want(t, "output", r.out, "999 38\n999 38\n272 1\n425 38\n[Errno 2] No such file or directory: '/dev/kvm'\n[Errno 8] Exec format error\n")
	contains(t, "noted", strings.Join(r.noted, "\n"), "the system call 999", "namespaces of its own", "old, a program of 32 bits")
	if len(r.noted) > 4 {
		t.Errorf("noted = %q", r.noted)
	}
}

// TestStops holds that what is stopped does not run, and that its parent is
// told as by the kernel.
func TestStops(t *testing.T) {
	t.Parallel()
	exe := compiled(t, "stops")
	r := guest(t, Command{Argv: []string{exe}})
	r.certain(t)
	native, err := exec.Command(exe).Output()
	if err != nil {
		t.Fatal(err)
	}
	// How often the child has counted, and when a signal comes, is up to luck.
	luck := regexp.MustCompile(`counted \d+|SIGCHLD.*\n`)
	want(t, "output", luck.ReplaceAllString(r.out, ""), luck.ReplaceAllString(string(native), ""))
	contains(t, "output", r.out, "SIGCHLD code 5 status 19\nSIGCHLD code 6 status 18\n")
}

// TestOwners holds that a lock goes on to who waits for it when its owner
// ends, however that ends.
func TestOwners(t *testing.T) {
	t.Parallel()
	r := guest(t, Command{Argv: []string{compiled(t, "owners")}})
	r.certain(t)
	var all string
	for kind := range 6 {
		all += fmt.Sprintf("%d: the owner has died: 1\n", kind)
	}
	want(t, "output", r.out, all)
}
