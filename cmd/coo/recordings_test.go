package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
)

// corpus is where the runs are that every coo must still read, verify and
// replay: testdata/recordings/v0/make.sh made them, once.
const corpus = "../../testdata/recordings/v0"

// A corpusRun is a line of runs.txt.
type corpusRun struct {
	name, id, exit string
	flags          []string // it was made with
}

func corpusRuns(t testing.TB) []corpusRun {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpus, "runs.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out []corpusRun
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 3 {
			t.Fatalf("runs.txt: %q", line)
		}
		out = append(out, corpusRun{f[0], f[1], f[2], f[3:]})
	}
	if len(out) < 20 {
		t.Fatalf("only %d runs in the corpus", len(out))
	}
	return out
}

// corpusEnv is the environment the runs were made in.
func corpusEnv(t testing.TB) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpus, "env"))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for line := range strings.Lines(string(b)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			t.Fatalf("env: %q", line)
		}
		env[name] = value
	}
	return env
}

// coo runs a command in this process.
func coo(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = execute(context.Background(), args, &out, &errs)
	return status, out.String(), errs.String()
}

// copyTree copies a directory; the copies of files get the mode perm.
func copyTree(t testing.TB, from, to string, perm fs.FileMode) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, perm)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tree returns the content of every file below dir, by path.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			out[rel+"/"] = ""
			return nil
		}
		b, err := os.ReadFile(name)
		out[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// readOnly takes the permission to write from every directory below dir until
// the test ends. (Root may write all the same: compare trees as well.)
func readOnly(t *testing.T, dir string) {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range slices.Backward(dirs) {
		if err := os.Chmod(d, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, d := range dirs {
			os.Chmod(d, 0o755) // so that it can be removed
		}
	})
}

// Every recording verifies and replays identically, and neither changes what
// the store holds.
func TestRecordings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	copyTree(t, filepath.Join(corpus, "store"), dir, 0o444)
	before := tree(t, dir)
	readOnly(t, dir)
	runs := corpusRuns(t)
	for _, r := range runs {
		if status, out, errs := coo("--store", dir, "verify", r.id); status != exitOK || !strings.HasPrefix(out, "verified run "+r.id) {
			t.Errorf("coo verify %s: exit %d: %s%s", r.name, status, out, errs)
		}
		status, out, errs := coo("--store", dir, "replay", r.id)
		if status != exitOK || !strings.Contains(out, "\nidentical: ") {
			t.Errorf("coo replay %s: exit %d: %s%s", r.name, status, out[max(0, len(out)-600):], errs)
		}
	}
	after := tree(t, dir)
	for _, name := range slices.Sorted(keysOf(after)) {
		if strings.HasPrefix(name, "locks/") || strings.HasPrefix(name, "tmp/") || strings.HasSuffix(name, "/") {
			continue // nothing of a run: scratch, and directories that git does not keep
		}
		if content, ok := before[name]; !ok || content != after[name] {
			t.Errorf("verify and replay wrote %s", name)
		}
	}
	if len(after) < len(before) {
		t.Errorf("verify and replay removed %d files", len(before)-len(after))
	}
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := st.Runs()
	if err != nil || len(ids) != len(runs) {
		t.Errorf("the corpus holds %d runs, %v; runs.txt lists %d", len(ids), err, len(runs))
	}
}

func keysOf[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Every mission, run again from its recording's answers on the same inputs,
// is the same run, and the answers come from nowhere else.
func TestRecordingsAgain(t *testing.T) {
	for name, value := range corpusEnv(t) {
		if secretName(name) {
			value = "" // a frozen run needs none
		}
		t.Setenv(name, value)
	}
	missions, err := filepath.Abs(filepath.Join(corpus, "missions"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copyTree(t, filepath.Join(corpus, "store"), filepath.Join(dir, store.Name), 0o644)
	for _, sub := range []string{"tmp", "locks", "executions"} {
		if err := os.MkdirAll(filepath.Join(dir, store.Name, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	source, err := filepath.Abs(filepath.Join(corpus, "workspace"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range corpusRuns(t) {
		workspace := filepath.Join(dir, r.name)
		copyTree(t, source, workspace, 0o644)
		t.Chdir(workspace)
		args := append([]string{"--store", dir, "run", filepath.Join(missions, r.name+".star"), "--calls=frozen", "--from", r.id, "--json"}, r.flags...)
		status, out, errs := coo(args...)
		if fmt.Sprint(status) != r.exit || !strings.Contains(out, `"run":"`+r.id+`"`) {
			t.Errorf("coo %s: exit %d, want %s: %s%s", strings.Join(args, " "), status, r.exit, out, errs)
		}
	}
}

// The corpus holds no form of the keys it was made with.
func TestRecordingsHoldNoKey(t *testing.T) {
	var values []string
	for name, value := range corpusEnv(t) {
		if secretName(name) {
			values = append(values, value)
		}
	}
	if len(values) < 5 {
		t.Fatalf("only %d keys", len(values))
	}
	searchStore(t, filepath.Join(corpus, "store"), values)
}

// The independent verifier accepts every recording, as flight exports it.
func TestRecordingsSecondVerifier(t *testing.T) {
	dir := t.TempDir()
	copyTree(t, filepath.Join(corpus, "store"), filepath.Join(dir, "store"), 0o644)
	st, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	const driver = `
import sys
sys.path.insert(0, "../../vectors")
import verify
sys.exit(max(verify.main(sys.argv[i:i+2]) for i in range(1, len(sys.argv), 2)))
`
	args := []string{"-B", "-c", driver}
	var want strings.Builder
	for _, r := range corpusRuns(t) {
		id, err := digest.Parse(r.id)
		if err != nil {
			t.Fatal(err)
		}
		run, err := flight.Load(st, id)
		if err != nil {
			t.Fatal(err)
		}
		plain := filepath.Join(dir, r.name)
		if err := run.Export(plain); err != nil {
			t.Fatal(err)
		}
		blobs, err := os.ReadDir(filepath.Join(plain, "blobs"))
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, plain, r.id)
		fmt.Fprintf(&want, "ok %s %d records, %d blobs\n", r.id, len(run.Lines), len(blobs))
	}
	out, err := exec.Command("python3", args...).CombinedOutput()
	got := strings.ReplaceAll(string(out), "\r\n", "\n") // Python's on Windows
	if err != nil || got != want.String() {
		t.Errorf("verify.py: %v\n%s\nwant\n%s", err, got, &want)
	}
}

// What the corpus must hold at least once: every type of record and every way
// an answer can fail, but for an answer of more than 64 MiB.
var corpusHolds = []string{
	`"t":"open"`, `"t":"input"`, `"t":"clock"`, `"t":"call"`, `"t":"answer"`, `"t":"write"`, `"t":"step"`, `"t":"rollback"`,
	`"t":"step-end"`, `"t":"fork"`, `"t":"branch-end"`, `"t":"join"`, `"t":"log"`, `"t":"end"`, `"t":"seal"`,
	`"kind":"attempt"`, `"kind":"step"`, `"kind":"file"`, `"kind":"list"`, `"kind":"env"`, `"kind":"print"`, `"kind":"log"`,
	`"outcome":"failed"`, `"outcome":"ok"`, `"trace":[{`, `"clock":"1999-`, `"seed":"-9223372036854775808"`, `"result":"`,
	`"error":"timeout"`, `"error":"refused"`, `"error":"unresolved"`, `"error":"reset"`, `"error":"tls"`, `"error":"cut"`, `"error":"encoding"`,
	`"status":429`, `"lens":[`, `"trailers":[[`, `"body":{"bytes":`, `"body":{"json":`, `<secret GOLDEN_KEY>`,
}

// The corpus covers the formats, and its README says what each run is for.
func TestRecordingsCover(t *testing.T) {
	dir := t.TempDir()
	copyTree(t, filepath.Join(corpus, "store"), dir, 0o644)
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(corpus, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	missing := slices.Clone(corpusHolds)
	for _, r := range corpusRuns(t) {
		if !strings.Contains(string(readme), "`"+r.name+"`") {
			t.Errorf("README.md does not say what %s is for", r.name)
		}
		id, err := digest.Parse(r.id)
		if err != nil {
			t.Fatal(err)
		}
		run, err := flight.Load(st, id)
		if err != nil {
			t.Fatal(err)
		}
		text := string(bytes.Join(run.Lines, []byte{'\n'}))
		for _, rec := range run.Records {
			var doc digest.Digest
			switch rec := rec.(type) {
			case *flight.Call:
				doc = digest.Digest(rec.Req)
			case *flight.Answer:
				doc = digest.Digest(rec.Ans)
			default:
				continue
			}
			b, err := run.Blob(doc)
			if err != nil {
				t.Fatal(err)
			}
			text += "\n" + string(b)
		}
		missing = slices.DeleteFunc(missing, func(s string) bool { return strings.Contains(text, s) })
	}
	if len(missing) > 0 {
		t.Errorf("no recording holds %s", strings.Join(missing, ", "))
	}
}

// The demo is the run that README.md shows, wherever it is run.
func TestRecordingsDemo(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(repoRoot(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^verified run ([0-9a-f]{64})$`).FindSubmatch(readme)
	if want == nil {
		t.Fatal("README.md shows no verified run")
	}
	t.Chdir(t.TempDir())
	if status, _, errs := coo("run", "demo"); status != exitOK {
		t.Fatalf("coo run demo: exit %d: %s", status, errs)
	}
	for _, args := range [][]string{{"verify", "@last"}, {"replay", "@last"}} {
		if status, out, errs := coo(args...); status != exitOK || args[0] == "verify" && !strings.HasPrefix(out, string(want[0])+"\n") {
			t.Errorf("coo %s: exit %d, want 0 and %q: %s%s", strings.Join(args, " "), status, want[0], out, errs)
		}
	}
}
