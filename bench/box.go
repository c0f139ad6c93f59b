package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
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
	// flags are those of coo run.
	flags []string
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
	srv := httptest.NewServer(unhurried{&server{}})
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	loads := []workload{
		{"true", []string{"true"}, 0, nil},
		{"python3 -c pass", python("pass"), 8, nil},
		{"an agent with 50 calls", python(strings.ReplaceAll(agent, "ADDR", addr)), 1.3, []string{"--allow", addr}},
		{"a loop of 10,000,000 in Python", python("n = 0\nfor i in range(10**7): n += i"), 1.05, nil},
		{"stat of 100,000 files", python("import os\nfor e in os.scandir('" + files + "'): os.stat(e.path)"), 8, nil},
		{"4 threads in Python", python(fourThreads), 8, nil},
	}
	if openai, err := filepath.Abs(clientsPython); err == nil {
		if _, err := os.Stat(openai); err == nil {
			loads = append(loads, workload{"import openai", []string{openai, "-c", "import openai"}, 8, nil})
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

// boxed measures one workload, natively and in each other way in turn: what
// else the machine does meets all of them.
func (b *bench) boxed(l workload, levels []string) error {
	const n = 7
	dir, err := b.subdir("box")
	if err != nil {
		return err
	}
	plain := func(argv ...string) func() error {
		return func() error {
			cmd := exec.CommandContext(b.ctx, argv[0], argv[1:]...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, out)
			}
			return nil
		}
	}
	names, ways := []string{"native"}, []func() error{plain(l.argv...)}
	for _, level := range levels {
		args := append([]string{"run", "--calls=live", "--from=none", "--isolation=" + level}, l.flags...)
		args = append(append(args, "--"), l.argv...)
		names, ways = append(names, level), append(ways, func() error { return b.command(dir, args...) })
	}
	names = append(names, "strace -f")
	ways = append(ways, plain(append([]string{"strace", "-f", "-o", os.DevNull}, l.argv...)...))
	took := make([][]time.Duration, len(ways))
	for range n {
		for i, way := range ways {
			d, err := timed(way)
			if err != nil {
				return err
			}
			took[i] = append(took[i], d)
		}
	}
	bare := median(took[0])
	for i, name := range names[1:] {
		d, hoped := median(took[i+1]), ""
		if name == "deterministic" && l.aim > 0 {
			hoped = aim(fmt.Sprintf("%v", l.aim), float64(d) <= l.aim*float64(bare))
		}
		b.rows.add(l.what+", "+name, short(d), short(bare)+" native", ratio(d, bare), hoped)
	}
	return nil
}

// An unhurried server answers each call after as long as a quick model takes.
type unhurried struct{ next http.Handler }

func (u unhurried) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(50 * time.Millisecond)
	u.next.ServeHTTP(w, r)
}

// agent asks a server fifty times, one after the other.
const agent = `
import json, urllib.request
text = "hello"
for n in range(50):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"{n} {text}"}]}).encode()
    q = urllib.request.Request("http://ADDR/v1/chat/completions", body, {"content-type": "application/json"})
    text = urllib.request.urlopen(q).read().decode()
`
