package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// errPassed is why a sham fails: the proof did not notice it.
var errPassed = errors.New("nothing noticed it")

// A proof looks at a build of coo. check returns what it saw, and an error
// when the build is not what it should be; s is nil when the build is coo
// itself.
type proof struct {
	name  string
	check func(b *bench, coo string, s *sham) (string, error)
}

var proofs = []proof{
	{"replay", (*bench).replayAll},
	{"fsync", (*bench).fsync},
	{"canary", (*bench).canary},
	{"exec", (*bench).programs},
	{"relay", func(b *bench, _ string, _ *sham) (string, error) { return b.goTest(tests["relay"], "") }},
	{"near", func(b *bench, _ string, _ *sham) (string, error) { return b.goTest(tests["near"], "") }},
	{"faults", func(b *bench, _ string, _ *sham) (string, error) { return b.goTest(tests["faults"], "") }},
	{"key", func(b *bench, _ string, _ *sham) (string, error) { return b.goTest(tests["key"], "") }},
	{"around", func(b *bench, _ string, _ *sham) (string, error) { return b.goTest(tests["around"], "") }},
	{"dotenv", func(b *bench, _ string, _ *sham) (string, error) { return b.goTest(tests["dotenv"], "") }},
	{"flip", (*bench).flip},
}

// A caughtError says that a proof found a build to be wrong.
type caughtError struct{ what string }

func (e *caughtError) Error() string { return e.what }

func caught(format string, args ...any) error { return &caughtError{fmt.Sprintf(format, args...)} }

// try builds a sham and demands that its proof catches it. Only a proof's own
// finding counts: a build that breaks, or a crash, is no proof.
func (b *bench) try(s *sham) (string, error) {
	dir, err := os.MkdirTemp(b.dir, "sham-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := b.overlay(s, dir)
	if err != nil {
		return "", err
	}
	if test, ok := tests[s.proof]; ok {
		_, err := b.goTest(test, overlay)
		return expectCaught(err)
	}
	coo, err := b.build(filepath.Join(filepath.Base(dir), "coo"), overlay, "./cmd/coo")
	if err != nil {
		return "", err
	}
	if s.proof == "replay" {
		return b.diverges(coo, s)
	}
	i := slices.IndexFunc(proofs, func(p proof) bool { return p.name == s.proof })
	_, err = proofs[i].check(b, coo, s)
	return expectCaught(err)
}

func expectCaught(err error) (string, error) {
	var c *caughtError
	switch {
	case err == nil:
		return "", errPassed
	case errors.As(err, &c):
		return "caught: " + c.what, nil
	}
	return "", err
}

// A goldenRun is a recording in testdata/recordings/v0.
type goldenRun struct {
	id    string
	lines []string
}

func goldenRuns(root string) (map[string]goldenRun, error) {
	golden := filepath.Join(root, "testdata", "recordings", "v0")
	text, err := os.ReadFile(filepath.Join(golden, "runs.txt"))
	if err != nil {
		return nil, err
	}
	runs := map[string]goldenRun{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		b, err := os.ReadFile(filepath.Join(golden, "store", "runs", f[1], "flight.jsonl"))
		if err != nil {
			return nil, err
		}
		runs[f[0]] = goldenRun{f[1], strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")}
	}
	return runs, nil
}

// goldenStore returns a copy of the golden store that may be written to.
func (b *bench) goldenStore() (string, error) {
	dir, err := os.MkdirTemp(b.dir, "store-*")
	if err != nil {
		return "", err
	}
	store := filepath.Join(dir, "store")
	return store, os.CopyFS(store, os.DirFS(filepath.Join(b.root, "testdata", "recordings", "v0", "store")))
}

// replayAll replays every golden run.
func (b *bench) replayAll(coo string, _ *sham) (string, error) {
	store, err := b.goldenStore()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(store)
	for name, r := range b.runs {
		status, out, err := b.exec(coo, "--store", store, "replay", r.id)
		if err != nil {
			return "", err
		}
		if status != 0 || !strings.Contains(out, "\nidentical: ") {
			return "", caught("the replay of %s exits %d: %s", name, status, last(out))
		}
	}
	return fmt.Sprintf("%d golden runs are identical", len(b.runs)), nil
}

var divergedAt = regexp.MustCompile(`(?m)^diverged at record (\d+): .*$`)

// diverges demands that the replay of the sham's run diverges at its record.
func (b *bench) diverges(coo string, s *sham) (string, error) {
	r, ok := b.runs[s.run]
	if !ok {
		return "", fmt.Errorf("shams.txt: no golden run %q", s.run)
	}
	if s.record >= len(r.lines) || !strings.Contains(r.lines[s.record], s.holds) {
		is := slices.IndexFunc(r.lines, func(l string) bool { return strings.Contains(l, s.holds) })
		return "", fmt.Errorf("shams.txt: record %d of %s does not hold %s; record %d is the first that does", s.record, s.run, s.holds, is)
	}
	store, err := b.goldenStore()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(store)
	status, out, err := b.exec(coo, "--store", store, "replay", r.id)
	if err != nil {
		return "", err
	}
	m := divergedAt.FindStringSubmatch(out)
	switch {
	case status == 0:
		return "", errPassed
	case status != 3 || m == nil:
		return "", fmt.Errorf("the replay of %s exits %d: %s", s.run, status, last(out))
	case m[1] != fmt.Sprint(s.record):
		return "", fmt.Errorf("the replay of %s diverges at record %s, want %d: %s", s.run, m[1], s.record, m[0])
	}
	return s.run + " " + m[0], nil
}

// canary runs the tests that search for secrets.
func (b *bench) canary(string, *sham) (string, error) { return b.goTest(tests["canary"], "") }

// programs runs the script of missions that start programs. No recording of the
// corpus has one: it replays where no program can be started.
func (b *bench) programs(string, *sham) (string, error) { return b.goTest(tests["exec"], "") }

// A goTest is a proof that is a test of cmd/coo.
type goTest struct{ name, run, fine string }

var tests = map[string]goTest{
	"canary": {"TestCanary", "^TestCanary", "TestCanary finds no secret"},
	"exec":   {"TestScripts", "^TestScripts$/^exec$", "a mission's programs are recorded and replayed"},
	"relay":  {"TestNobodyElse", "^TestNobodyElseIsAnswered$", "the run's own programs are answered, and nobody else"},
	"near":   {"TestNothingNear", "^TestNothingNearIsReached$", "what is near is not reached"},
	"faults": {"TestFaultsReach", "^TestFaultsReachRealClients$", "what the network does wrong reaches real clients as it is"},
	"dotenv": {"TestScripts", "^TestScripts$/^program_dotenv$", "programs are shown .env files with placeholders, and so are their replays"},
	"around": {"TestScripts", "^TestScripts$/^environment_manifest$", "what a program used outside of its workspace is described and compared"},
	"key":    {"TestTheKey", "^TestTheKeyStaysInside$", "the CA's key is in coo's memory alone"},
}

// goTest runs a test, with an overlay if there is one: in the test and in the
// binary that some of them build.
func (b *bench) goTest(t goTest, overlay string) (string, error) {
	cmd := b.command("go", "test", "-p", "1", "-count=1", "-vet=off", "-failfast", "-run", t.run, "./cmd/coo")
	cmd.Env = append(cmd.Env, "COO_PROOF=small")
	if overlay != "" {
		cmd.Env = append(cmd.Env, "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	}
	out, err := cmd.CombinedOutput()
	if err == nil {
		return t.fine, nil
	}
	i := bytes.Index(out, []byte("--- FAIL: "+t.name))
	if i < 0 {
		return "", fmt.Errorf("go test: %w: %s", err, out)
	}
	lines := strings.SplitN(string(out[i:]), "\n", 3)
	finding := strings.TrimSpace(strings.Join(lines[:min(2, len(lines))], " "))
	return "", caught("%.160s", finding)
}

// flip changes bits of a stored run, one at a time, all over its files, and
// demands that coo verify names each file.
func (b *bench) flip(coo string, _ *sham) (string, error) {
	store, err := b.goldenStore()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(store)
	r := b.runs["files"]
	files := []string{filepath.Join("runs", r.id, "flight.jsonl")}
	for _, sum := range regexp.MustCompile(`[0-9a-f]{64}`).FindAllString(strings.Join(r.lines, "\n"), -1) {
		blob := filepath.Join("blobs", "sha256", sum[:2], sum)
		if _, err := os.Stat(filepath.Join(store, blob)); err == nil && !slices.Contains(files, blob) {
			files = append(files, blob)
		}
	}
	if len(files) < 10 {
		return "", fmt.Errorf("the golden run has only %d files", len(files))
	}
	flips := 0
	for _, file := range files {
		n, err := b.flipFile(coo, store, file, r.id)
		if err != nil {
			return "", err
		}
		flips += n
	}
	return fmt.Sprintf("%d flipped bits in %d files are each reported", flips, len(files)), nil
}

func (b *bench) flipFile(coo, store, file, id string) (flips int, err error) {
	name := filepath.Join(store, file)
	whole, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	defer os.WriteFile(name, whole, 0o644)
	const places = 5
	for i := range places {
		at := i * (len(whole) - 1) / (places - 1)
		changed := bytes.Clone(whole)
		changed[at] ^= 1 << (at % 8)
		if err := os.WriteFile(name, changed, 0o644); err != nil {
			return flips, err
		}
		status, out, err := b.exec(coo, "--store", store, "verify", id)
		if err != nil {
			return flips, err
		}
		if status != 4 || !strings.Contains(out, filepath.ToSlash(file)) {
			return flips, caught("byte %d of %s has a flipped bit, and coo verify exits %d: %s", at, filepath.ToSlash(file)[:24], status, last(out))
		}
		flips++
	}
	return flips, nil
}

// exec runs coo and returns its exit status and what it printed.
func (b *bench) exec(coo string, args ...string) (status int, out string, err error) {
	c := exec.Command(coo, args...)
	c.Dir = b.dir
	text, err := c.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(text), nil
	}
	return 0, string(text), err
}

func last(out string) string {
	out = strings.TrimSpace(out)
	return out[strings.LastIndexByte(out, '\n')+1:]
}

// A server is the sample model server.
type server struct {
	cmd  *exec.Cmd
	addr string
}

func start(program, dir string) (*server, error) {
	ready := filepath.Join(dir, "ready")
	s := &server{cmd: exec.Command(program, "-ready", ready, "-delay", "0s,1ms")}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for range 500 {
		b, err := os.ReadFile(ready)
		if err == nil {
			s.addr = strings.TrimSpace(string(b))
			return s, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.stop()
	return nil, errors.New("the sample server does not start")
}

func (s *server) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// mission runs a mission in dir against the sample server, under the program
// before if there is one, and returns what it printed.
func (b *bench) mission(coo, dir, source string, before ...string) (stdout, stderr string, err error) {
	if err := os.WriteFile(filepath.Join(dir, "m.star"), []byte(source), 0o644); err != nil {
		return "", "", err
	}
	argv := append(slices.Clone(before), coo, "run", "m.star", "--resolve", "model.coo.invalid:80:"+b.server.addr)
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir = dir
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return "", "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, errs.String())
	}
	return out.String(), errs.String(), nil
}
