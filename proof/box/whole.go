//go:build linux && amd64

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// wholeDir is where the whole programs are.
const wholeDir = "internal/box/testdata/whole"

// whole is the table of programs that do what programs do. Each is recorded
// once, and its replays are compared with that.
var whole = []program{
	{file: "thread_pool.py", topic: "whole"},
	{file: "multiprocessing_pool.py", topic: "whole"},
	{file: "asyncio_processes.py", topic: "whole"},
	{file: "numpy_threads.py", topic: "whole", numpy: true},
	{file: "workers.mjs", topic: "whole"},
	{file: "thousand.go", topic: "whole"},
	{file: "git.sh", topic: "whole"},
	{file: "make.sh", topic: "whole"},
	{file: "sqlite_writers.py", topic: "whole"},
	{file: "pipeline.sh", topic: "whole"},
	// Chosen when all of it was written, and none of them was a reason for
	// anything in it.
	{file: "perl_forks.sh", topic: "whole"},
	{file: "shell_jobs.sh", topic: "whole"},
	{file: "node_tests.sh", topic: "whole"},
	{file: "archive.sh", topic: "whole"},
	{file: "openssl.sh", topic: "whole"},
	{file: "python_mix.py", topic: "whole"},
}

// record runs the program natively, so that it is known to work, then through
// coo, and replays that in changing surroundings.
func (t *try) record(file string) error {
	if t.native || t.level == native {
		o, err := t.once("native", file, native, &surroundings{})
		if err != nil {
			return fmt.Errorf("natively: %w", err)
		}
		t.differs, t.nativeTook = "works", o.took
	}
	if t.level == native {
		return nil
	}
	first, err := t.once("run", file, t.level, &surroundings{})
	if err != nil {
		t.inside = "FAILED"
		return fmt.Errorf("run: %w", err)
	}
	t.took = first.took
	same := 0
	replays := t.replays
	if t.program.topic == "soak" {
		replays = 1
	}
	for i := range replays {
		s := t.replaySurroundings(i)
		if what, err := t.replay(first, i, s); err == nil {
			same++
		} else if t.level == deterministic {
			t.inside = "DIFFERS"
			return fmt.Errorf("replay %d (%s): %s: %w", i, s.name, what, err)
		}
	}
	t.inside = fmt.Sprintf("%d of %d replays identical", same, replays)
	return nil
}

// replaySurroundings returns the surroundings of replay i: a replay is made in the
// store, by whom it belongs to.
func (t *try) replaySurroundings(i int) *surroundings {
	var fit []*surroundings
	for k := range rows {
		if r := &rows[k]; !r.stranger && !r.deep && !r.backwards && (t.row == "" || t.row == r.name) {
			fit = append(fit, r)
		}
	}
	if len(fit) == 0 {
		return &surroundings{name: "plain"}
	}
	return fit[(t.place+i)%len(fit)]
}

// replay performs the last run of first's workspace again.
func (t *try) replay(first *outcome, i int, s *surroundings) (what string, err error) {
	o := &outcome{dir: filepath.Join(t.dir, fmt.Sprintf("replay-%d-%s", i, s.name))}
	if err := os.Mkdir(o.dir, 0o755); err != nil {
		return "", err
	}
	stop, err := s.burden()
	if err != nil {
		return "", err
	}
	defer stop()
	err = t.wait(o, t.around(first.workspace, s, []string{t.coo, "replay", "@last"}))
	for _, p := range o.parts() {
		if err := os.WriteFile(filepath.Join(o.dir, p.name), p.content, 0o644); err != nil {
			return "", err
		}
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("%w\nstderr: %s", err, tail(o.said))
	case !bytes.Equal(first.stdout, o.stdout):
		return "another stdout", fmt.Errorf("\n%s", first.diff(o, "stdout"))
	case !bytes.Equal(first.stderr, o.stderr):
		return "another stderr", fmt.Errorf("\n%s", first.diff(o, "stderr"))
	}
	return "", nil
}
