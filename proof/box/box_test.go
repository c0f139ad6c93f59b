//go:build linux && amd64

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTable holds that each program is in the table, and says in its first
// line what it shows.
func TestTable(t *testing.T) {
	for dir, table := range map[string][]program{zooDir: zoo, wholeDir: whole} {
		testTable(t, dir, table)
	}
}

func testTable(t *testing.T, dir string, table []program) {
	var listed []string
	for _, p := range table {
		listed = append(listed, p.file)
	}
	slices.Sort(listed)
	listed = slices.Compact(listed)
	var there []string
	names, err := filepath.Glob(filepath.Join("..", "..", dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		there = append(there, filepath.Base(name))
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(content, []byte("// ")) && !bytes.HasPrefix(content, []byte("# ")) {
			t.Errorf("%s does not begin with what it shows", name)
		}
	}
	if !slices.Equal(listed, there) {
		t.Errorf("in the table:\n%s\nin %s:\n%s", strings.Join(listed, " "), dir, strings.Join(there, " "))
	}
}

// newBench makes a bench that goes away with the test.
func newBench(t *testing.T, level string) *bench {
	t.Helper()
	b := &bench{level: level, limit: time.Minute, native: true}
	err := b.furnish()
	t.Cleanup(func() { os.RemoveAll(b.dir) })
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNatively holds, of one program of each language, that it differs
// without coo.
func TestNatively(t *testing.T) {
	b := newBench(t, native)
	for _, name := range []string{"aslr.c", "object_ids.py", "math_random.mjs", "map_order.go", "pipeline.sh"} {
		i := slices.IndexFunc(zoo, func(p program) bool { return p.file == name })
		try := &try{bench: b, program: &zoo[i], place: i}
		if err := try.perform(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestControl holds that what is compared does not itself depend on the
// surroundings: a program that never differs is the same run in all of them.
func TestControl(t *testing.T) {
	b := newBench(t, "frozen")
	b.runs = 1 + len(rows)
	try := &try{bench: b, program: &zoo[0]}
	if err := try.perform(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(try.inside, " identical") {
		t.Errorf("%s: %s", try.program, try.inside)
	}
}

// TestShrink holds that of an agent that fails only what makes it fail is
// left.
func TestShrink(t *testing.T) {
	fails := func(a *agent) bool {
		holders := 0
		for _, thread := range a.threads {
			if slices.ContainsFunc(thread, func(s step) bool { return s.name == "locked" }) {
				holders++
			}
		}
		return holders >= 2
	}
	shrunk := 0
	for seed := range uint64(50) {
		a := newAgent(seed)
		if !fails(a) {
			continue
		}
		before := a.text()
		small := a.shrink(fails)
		shrunk++
		if len(small.threads) != 2 || len(small.threads[0]) != 1 || len(small.threads[1]) != 1 || !fails(small) {
			t.Errorf("agent %d was made smaller to\n%s", seed, small.text())
		}
		if a.text() != before {
			t.Errorf("agent %d was changed", seed)
		}
	}
	if shrunk < 10 {
		t.Errorf("only %d agents with two locks", shrunk)
	}
}
