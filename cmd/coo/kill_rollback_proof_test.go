//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/proofs"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
)

// changing is a mission that changes, adds and removes a good many files.
const changing = `
def main(coo):
    for i in range(60):
        coo.write("changed/%d.txt" % i, "new %d" % i)
        coo.write("new/%d/file.txt" % i, "new")
        coo.remove("gone/%d.txt" % i)
`

// TestKilledRollbacksAreWholeOrNothing kills rollbacks at any moment, there
// and back. The next command finishes or takes back what was begun, and the
// workspace is exactly what it was at one end or the other.
func TestKilledRollbacksAreWholeOrNothing(t *testing.T) {
	proofs.Needed(t)
	n := 15
	if full() {
		n = 500
	}
	p := newPlace(t)
	for i := range 60 {
		p.write(fmt.Sprintf("ws/changed/%d.txt", i), "old")
		p.write(fmt.Sprintf("ws/gone/%d.txt", i), "old")
	}
	p.write("m.star", changing)
	p.ends(exitOK, "run", "m.star", "--workspace", "ws")
	st, err := store.Open(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	tree := func() string {
		s, err := snapshot.Take(filepath.Join(p.dir, "ws"), st, snapshot.Options{NoCache: true})
		if err != nil {
			t.Fatal(err)
		}
		return s.Tree.String()
	}
	final := tree()
	p.ends(exitOK, "rollback", "@last")
	baseline := tree()
	if baseline == final {
		t.Fatal("the mission changed nothing")
	}
	interrupted := 0
	for i := range n {
		from, to, point := tree(), final, "final"
		if from == final {
			to, point = baseline, "baseline"
		}
		cmd := p.command("rollback", "@last", "--to", point)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(rand.IntN(400))*time.Millisecond, func() { cmd.Process.Signal(syscall.SIGKILL) })
		if cmd.Wait() != nil {
			interrupted++
		}
		kill.Stop()
		p.ends(exitOK, "logs")
		if got := tree(); got != from && got != to {
			t.Fatalf("kill %d of a rollback to %s: the workspace is neither what it was nor what it should become", i, point)
		}
		p.ends(exitOK, "rollback", "--log")
	}
	if interrupted == 0 {
		t.Error("no rollback was interrupted: nothing is proved")
	}
	proved(t, "kill -9: %d rollbacks, %d of them killed; each is whole or nothing", n, interrupted)
}
