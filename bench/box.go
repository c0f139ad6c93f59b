package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A workload is a program of the section box. An aim is the greatest ratio
// to native that was hoped for at the level deterministic; 0 is none.
type workload struct {
	what string
	argv []string
	aim  float64
}

// clientsPython is what tools/clients.sh makes.
const clientsPython = ".cache/clients/python/bin/python"

// statted is how many files one of the workloads looks at.
const statted = 100_000

// box measures programs at each level of isolation, and under strace -f,
// against the same program natively.
func (b *bench) box() error {
	files, err := b.manyFiles()
	if err != nil {
		return err
	}
	// What python3 leads to may be a script that looks for one.
	found, err := exec.CommandContext(b.ctx, "python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return fmt.Errorf("python3: %w", err)
	}
	interpreter := strings.TrimSpace(string(found))
	python := func(script string) []string { return []string{interpreter, "-c", script} }
	loads := []workload{
		{"true", []string{"true"}, 0},
		{"python3 -c pass", python("pass"), 8},
		{"a loop of 10,000,000 in Python", python("n = 0\nfor i in range(10**7): n += i"), 1.05},
		{"stat of 100,000 files", python("import os\nfor e in os.scandir('" + files + "'): os.stat(e.path)"), 8},
		{"4 threads in Python", python(fourThreads), 8},
	}
	if openai, err := filepath.Abs(clientsPython); err == nil {
		if _, err := os.Stat(openai); err == nil {
			loads = append(loads, workload{"import openai", []string{openai, "-c", "import openai"}, 8})
		}
	}
	levels, err := b.levels()
	if err != nil {
		return err
	}
	for _, l := range loads {
		if err := b.boxed(l, levels); err != nil {
			return fmt.Errorf("%s: %w", l.what, err)
		}
	}
	return nil
}

// fourThreads is lock, queue and event work of four threads.
const fourThreads = `
import queue, threading
q, lock, total = queue.Queue(10), threading.Lock(), 0
def put():
    for i in range(2000): q.put(i)
def get():
    global total
    for i in range(2000):
        n = q.get()
        with lock: total += n
threads = [threading.Thread(target=f) for f in (put, get, put, get)]
for t in threads: t.start()
for t in threads: t.join()
`

// manyFiles makes a directory of files that is in no workspace.
func (b *bench) manyFiles() (string, error) {
	dir, err := b.subdir("files")
	if err != nil {
		return "", err
	}
	for i := range statted {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return "", err
		}
		if err := f.Close(); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// levels are the levels of isolation that there are here.
func (b *bench) levels() ([]string, error) {
	dir, err := b.subdir("level")
	if err != nil {
		return nil, err
	}
	var levels []string
	for _, level := range []string{"proxied", "frozen", "deterministic"} {
		if err := b.command(dir, "run", "--isolation="+level, "--", "true"); err == nil {
			levels = append(levels, level)
		}
	}
	if len(levels) == 0 {
		return nil, fmt.Errorf("coo runs no program here: %w", b.command(dir, "doctor"))
	}
	return levels, nil
}

// boxed measures one workload.
func (b *bench) boxed(l workload, levels []string) error {
	const n = 5
	dir, err := b.subdir("box")
	if err != nil {
		return err
	}
	plain := func(argv ...string) (time.Duration, error) {
		return medianOf(n, func() error {
			cmd := exec.CommandContext(b.ctx, argv[0], argv[1:]...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, out)
			}
			return nil
		})
	}
	bare, err := plain(l.argv...)
	if err != nil {
		return err
	}
	for _, level := range levels {
		d, err := medianOf(n, func() error {
			return b.command(dir, append([]string{"run", "--calls=live", "--from=none", "--isolation=" + level, "--"}, l.argv...)...)
		})
		if err != nil {
			return err
		}
		hoped := ""
		if level == "deterministic" && l.aim > 0 {
			hoped = aim(fmt.Sprintf("%v", l.aim), float64(d) <= l.aim*float64(bare))
		}
		b.rows.add(l.what+", "+level, short(d), short(bare)+" native", ratio(d, bare), hoped)
	}
	traced, err := plain(append([]string{"strace", "-f", "-o", os.DevNull}, l.argv...)...)
	if err != nil {
		return err
	}
	b.rows.add(l.what+", strace -f", short(traced), short(bare)+" native", ratio(traced, bare), "")
	return nil
}
