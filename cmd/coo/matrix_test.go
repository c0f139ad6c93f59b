//go:build !windows

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/coo-runtime/coo/internal/proofs"
	"github.com/coo-runtime/coo/internal/store"
)

// Surroundings are what may not show in a run.
type surroundings struct {
	name  string
	env   []string // all there is
	umask int
	deep  bool // in a directory far down, with a long name
	last  bool // the workspace's files are made in the opposite order
}

var matrix = []surroundings{
	{name: "plain", umask: 0o022, env: os.Environ()},
	{name: "Chatham", umask: 0o077, env: []string{
		"TZ=Pacific/Chatham", "LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8", "LANGUAGE=tr", "GOMAXPROCS=1", "HOME=/nonexistent",
	}},
	{name: "bare", umask: 0, deep: true, last: true},
	{
		name: "many", umask: 0o027, last: true, env: append(os.Environ(),
			"TZ=Asia/Kathmandu", "HOME=/", "COLUMNS=17", "GOMAXPROCS=16", "GOGC=10", "TERM=dumb", "NO_COLOR=1", "COO_ANYTHING=1"),
	},
}

// The same missions give the same bytes, and so the same run IDs, in all
// surroundings; and those IDs are the ones that the recordings got when they
// were made. tools/machines.sh does the same with other processors, users and
// file systems.
func TestMatrix(t *testing.T) {
	proofs.Needed(t)
	root, err := filepath.Abs(corpus)
	if err != nil {
		t.Fatal(err)
	}
	runs := corpusRuns(t)
	want := map[string]string{}
	for _, r := range runs {
		want[r.name] = r.id
	}
	first := map[string]string{}
	for _, s := range matrix {
		t.Run(s.name, func(t *testing.T) {
			got := s.measure(t, root, runs)
			for _, what := range slices.Sorted(keysOf(got)) {
				if id, ok := want[what]; ok && got[what] != id {
					t.Errorf("%s is run %s here; it was made as %s", what, got[what], id)
				}
				if _, ok := first[what]; !ok {
					first[what] = got[what]
				}
				if got[what] != first[what] {
					t.Errorf("%s is here\n%s\nand in %s surroundings\n%s", what, got[what], matrix[0].name, first[what])
				}
			}
		})
	}
}

// measure performs everything in the surroundings s and returns what came of
// it, by name.
func (s surroundings) measure(t *testing.T, root string, runs []corpusRun) map[string]string {
	dir := t.TempDir()
	if s.deep {
		dir = filepath.Join(dir, strings.Repeat("deep/", 20), "ü b", strings.Repeat("n", 200))
	}
	before := syscall.Umask(s.umask)
	defer syscall.Umask(before)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.fill(t, dir, tree(t, filepath.Join(root, "workspace")))
	got := map[string]string{}
	got["demo, stdout"], got["demo, stderr"] = s.coo(t, dir, "0", "run", "demo")
	got["demo, files"] = fmt.Sprint(tree(t, filepath.Join(dir, "coo-demo")))
	got["demo, replay"], _ = s.coo(t, dir, "0", "replay", "@last")
	for _, r := range runs {
		if r.name != "language" && r.name != "files" && r.name != "failing" {
			continue // their calls need a server: TestRecordingsAgain
		}
		args := append([]string{"run", filepath.Join(root, "missions", r.name+".star"), "--json", "--from", "none"}, r.flags...)
		out, _ := s.coo(t, dir, r.exit, args...)
		var run struct{ Run string }
		if err := json.Unmarshal([]byte(out), &run); err != nil {
			t.Fatal(err)
		}
		got[r.name], got[r.name+", stdout"] = run.Run, out
	}
	for name, content := range tree(t, filepath.Join(dir, store.Name, "runs")) {
		if strings.HasSuffix(name, store.FlightFile) {
			got["records of "+filepath.Dir(name)] = content
		}
	}
	return got
}

// coo runs a command in a process of its own, which must exit as told.
func (s surroundings) coo(t *testing.T, dir, exit string, args ...string) (stdout, stderr string) {
	t.Helper()
	program, err := exec.LookPath("coo") // this test binary: see TestMain
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, args...)
	// The race detector, if it is in the binary, waits a second at the end.
	c.Dir, c.Env = dir, append(slices.Clone(s.env), "PWD="+dir, "GORACE=atexit_sleep_ms=0")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err = c.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	if status := fmt.Sprint(c.ProcessState.ExitCode()); status != exit {
		t.Fatalf("coo %s: exit %s, want %s: %s", strings.Join(args, " "), status, exit, &errs)
	}
	return out.String(), errs.String()
}

// fill makes the files of the workspace, in the order of s.
func (s surroundings) fill(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	names := slices.Sorted(keysOf(files))
	if s.last {
		slices.Reverse(names)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "/") {
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
