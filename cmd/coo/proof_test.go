package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// What the proofs have in common: coo as a process, and its exit status.

// full reports whether the proofs are to be done at full length.
func full() bool { return os.Getenv("COO_PROOF") == "full" }

// proved prints what a proof has shown where it is kept.
func proved(t *testing.T, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf("proof: "+format, args...)
	t.Log(line)
	fmt.Println(line)
}

// binary is the coo binary as it is delivered, without the race detector and
// what that takes of memory and time. It is built once.
var binary = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(binaries, "coo")
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return bin, nil
})

// binaries is where the binary is built, for as long as the tests run.
var binaries string

// A tidy run of the tests removes the binary.
type tidy struct{ *testing.M }

func (m tidy) Run() int {
	var err error
	if binaries, err = os.MkdirTemp("", "coo-proofs-"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(binaries)
	return m.M.Run()
}

// A place is a directory in which coo is run, and the environment it has.
type place struct {
	t   *testing.T
	bin string
	dir string
	env []string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, bin: bin, dir: t.TempDir()}
	for _, kv := range os.Environ() {
		// Nothing of the caller's may count as a secret, or as a provider's.
		if name, _, _ := strings.Cut(kv, "="); !secretName(name) && !strings.HasSuffix(name, "_BASE_URL") {
			p.env = append(p.env, kv)
		}
	}
	return p
}

// without is the place without some variables.
func (p *place) without(names ...string) *place {
	q := *p
	q.env = slices.DeleteFunc(slices.Clone(p.env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(names, name)
	})
	return &q
}

func (p *place) write(name, content string) {
	p.t.Helper()
	path := filepath.Join(p.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// A process is what came of running coo once.
type process struct {
	status         int
	stdout, stderr string
	state          *os.ProcessState
}

func (p *place) command(args ...string) *exec.Cmd {
	return &exec.Cmd{Path: p.bin, Args: append([]string{"coo"}, args...), Dir: p.dir, Env: p.env}
}

// coo runs coo to its end.
func (p *place) coo(args ...string) process {
	p.t.Helper()
	return p.finish(p.command(args...))
}

func (p *place) finish(cmd *exec.Cmd) process {
	p.t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		p.t.Fatal(err)
	}
	return process{cmd.ProcessState.ExitCode(), out.String(), errs.String(), cmd.ProcessState}
}

// ends runs coo, which must end with just that status.
func (p *place) ends(status int, args ...string) process {
	p.t.Helper()
	r := p.coo(args...)
	if r.status != status {
		p.t.Fatalf("coo %s: exit %d, want %d\n%s%s", strings.Join(args, " "), r.status, status, r.stdout, r.stderr)
	}
	return r
}
