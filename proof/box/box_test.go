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
	var listed []string
	for _, p := range zoo {
		listed = append(listed, p.file)
	}
	slices.Sort(listed)
	listed = slices.Compact(listed)
	var there []string
	names, err := filepath.Glob(filepath.Join("..", "..", zooDir, "*"))
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
		t.Errorf("in the table:\n%s\nin %s:\n%s", strings.Join(listed, " "), zooDir, strings.Join(there, " "))
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
