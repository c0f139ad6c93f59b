package flight

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
)

var update = flag.Bool("update", false, "write the vectors anew")

const vectors = "../../vectors"

// golden is a run of a script, goldenProgram one of a program, goldenExact one
// of a program at level deterministic, as [Run.Export] writes them: between
// them they have a record of every type.
var (
	golden        = filepath.Join(vectors, "flight", "golden")
	goldenProgram = filepath.Join(vectors, "flight", "program")
	goldenExact   = filepath.Join(vectors, "flight", "deterministic")
)

// A tampering is one line of vectors/flight/tampered.jsonl: an edit of a copy
// of the golden run, and a part of what must be said of it.
type tampering struct {
	Name   string `json:"name"`
	File   string `json:"file"`   // made when the golden run does not have it
	At     int    `json:"at"`     // byte at which the edit begins; -1: the file goes
	Delete int    `json:"delete"` // bytes that go
	Insert string `json:"insert"` // text that comes
	Want   string `json:"want"`
}

func TestVectorsGolden(t *testing.T) {
	t.Run("script", func(t *testing.T) { checkGolden(t, golden, script.full) })
	t.Run("program", func(t *testing.T) { checkGolden(t, goldenProgram, script.program) })
	t.Run("deterministic", func(t *testing.T) { checkGolden(t, goldenExact, script.exact) })
}

func checkGolden(t *testing.T, golden string, make func(script) SealFields) {
	st := newStore(t)
	run, err := Load(st, record(t, st, make).ID)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "golden")
	if err := run.Export(dir); err != nil {
		t.Fatal(err)
	}
	if *update {
		writeVectors(t, golden, run, dir)
	}
	// The committed files are what this code makes, to the byte.
	want := readTree(t, golden)
	got := readTree(t, dir)
	for name := range want {
		if !bytes.Equal(want[name], got[name]) {
			t.Errorf("%s: this code writes %q, the vector has %q", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("this code writes %d files, the vector has %d", len(got), len(want))
	}
	out, err := verifier(golden, run.ID.String())
	wantOut := fmt.Sprintf("ok %s %d records, %d blobs\n", run.ID, len(run.Lines), len(want)-1)
	if err != nil || out != wantOut {
		t.Errorf("verify.py = %q, %v, want %q", out, err, wantOut)
	}
	if out, err := verifier(golden, strings.Repeat("0", 64)); err == nil {
		t.Errorf("verify.py under another ID = %q, want damage", out)
	}
}

func TestVectorsTampered(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(vectors, "flight", "tampered.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	whole := readTree(t, golden)
	run, err := Read(bytes.NewReader(whole[store.FlightFile]), "golden")
	if err != nil {
		t.Fatal(err)
	}
	var all []tampering
	var dirs []string
	for line := range bytes.Lines(b) {
		var tm tampering
		if err := json.Unmarshal(line, &tm); err != nil {
			t.Fatal(err)
		}
		all = append(all, tm)
		dirs = append(dirs, tamper(t, whole, tm))
	}
	if len(all) < 30 {
		t.Errorf("%d tamperings, want 30 or more", len(all))
	}
	said := verifyAll(t, dirs, run.ID)
	for i, tm := range all {
		if !strings.HasPrefix(said[i], "4 damage: ") || !strings.Contains(said[i], tm.Want) {
			t.Errorf("%s: verify.py says %q, want status 4 and %q", tm.Name, said[i], tm.Want)
		}
		if tm.File == store.FlightFile && tm.At >= 0 {
			checkTampered(t, filepath.Join(dirs[i], tm.File), tm, run.ID)
		}
	}
}

// tamper writes a copy of the golden run, edited, and returns its directory.
func tamper(t *testing.T, whole map[string][]byte, tm tampering) string {
	t.Helper()
	dir := t.TempDir()
	files := maps.Clone(whole)
	if tm.At < 0 {
		delete(files, tm.File)
	} else {
		b := files[tm.File]
		edited := append(bytes.Clone(b[:tm.At]), tm.Insert...)
		files[tm.File] = append(edited, b[tm.At+tm.Delete:]...)
	}
	for name, b := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// checkTampered demands that what is wrong with the lines for verify.py is
// wrong for this code as well, and in the same place.
func checkTampered(t *testing.T, path string, tm tampering, id digest.Digest) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	run, err := Read(bytes.NewReader(b), tm.File)
	if err == nil && run.ID != id {
		err = &store.DamageError{Record: int64(len(run.Records) - 1)} // as Load does
	}
	if d, ok := errors.AsType[*store.DamageError](err); !ok || !strings.Contains(tm.Want, fmt.Sprintf("record %d:", d.Record)) {
		t.Errorf("%s: Read = %v, want damage at %q", tm.Name, err, tm.Want)
	}
}

// verifyAll runs verify.py's main for each directory in one process and
// returns its status and what it said. The zero id stands for any.
func verifyAll(t *testing.T, dirs []string, id digest.Digest) []string {
	t.Helper()
	const driver = `
import sys
sys.path.insert(0, sys.argv[1])
import verify
sys.stderr = sys.stdout
sys.stdout.reconfigure(errors="backslashreplace")
for d in sys.argv[3:]:
    status = None
    try:
        status = verify.main([d] + [a for a in sys.argv[2:3] if a])
    finally:
        print(status, end="\0")
`
	want := ""
	if !id.IsZero() {
		want = id.String()
	}
	args := append([]string{"-B", "-c", driver, vectors, want}, dirs...)
	out, err := exec.Command("python3", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("python3: %v\n%s", err, out)
	}
	said := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(said) != len(dirs) {
		t.Fatalf("%d answers for %d directories: %s", len(said), len(dirs), out)
	}
	for i, s := range said {
		text, status := cutLast(s, "\n")
		said[i] = status + " " + text
	}
	return said
}

func cutLast(s, sep string) (before, after string) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):]
	}
	return "", s
}

// verifier runs verify.py and returns what it says on both outputs.
func verifier(args ...string) (string, error) {
	cmd := exec.Command("python3", append([]string{"-B", filepath.Join(vectors, "verify.py")}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// readTree returns the files below dir by slash-separated path.
func readTree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := make(map[string][]byte)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		out[name], err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// writeVectors replaces a golden run by the one in dir, and the tamperings of
// that of a script.
func writeVectors(t *testing.T, to string, run *Run, dir string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if to != golden {
		return
	}
	var out []byte
	for _, tm := range tamperings(run) {
		line, err := json.Marshal(tm)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, line...), '\n')
	}
	if err := os.WriteFile(filepath.Join(vectors, "flight", "tampered.jsonl"), out, 0o644); err != nil {
		t.Fatal(err)
	}
}

// tamperings returns the edits of a run that must be found.
func tamperings(run *Run) []tampering {
	const f = store.FlightFile
	last := len(run.Lines) - 1
	at := func(n int) int { return int(offsetOf(run.Lines, int64(n))) }
	size := func(n int) int { return len(run.Lines[n]) + 1 }
	line := func(n int) string { return string(run.Lines[n]) + "\n" }
	in := func(n int, text string) int { return at(n) + bytes.Index(run.Lines[n], []byte(text)) }
	rec := func(n int) string { return fmt.Sprintf("record %d:", n) }
	var call *Call
	var ans *Answer
	for _, r := range run.Records {
		switch r := r.(type) {
		case *Call:
			call = r
		case *Answer:
			ans = r
		}
	}
	blob := func(d fmt.Stringer) string { return "blobs/" + d.String() }
	return []tampering{
		{"record changed", f, in(1, "notes.txt"), 1, "N", rec(2)},
		{"record changed, link too", f, in(2, `"prev":"`) + 8, 1, flipHex(run.Lines[2], `"prev":"`), rec(2)},
		{"seal changed", f, in(last, `"path":"`) + 8, 1, "S", rec(last)},
		{"count changed", f, in(last, `"count":`) + 8, 1, "9", rec(last)},
		{"root changed", f, in(last, `"root":"`) + 8, 1, flipHex(run.Lines[last], `"root":"`), rec(last)},
		{"freeze changed", f, in(last, `"freeze":"`) + 10, 1, flipHex(run.Lines[last], `"freeze":"`), rec(last)},
		{"record dropped", f, at(4), size(4), "", rec(4)},
		{"first record dropped", f, 0, size(0), "", rec(0)},
		{"record repeated", f, at(4), 0, line(4), rec(5)},
		{"records swapped", f, at(4), size(4) + size(5), line(5) + line(4), rec(4)},
		{"record appended", f, at(last) + size(last), 0, line(4), rec(last + 1)},
		{"empty line appended", f, at(last) + size(last), 0, "\n", rec(last + 1)},
		{"last newline dropped", f, at(last) + size(last) - 1, 1, "", rec(last)},
		{"seal dropped", f, at(last), size(last), "", rec(last)},
		{"cut inside a record", f, at(6) + 10, at(last) + size(last) - at(6) - 10, "", rec(6)},
		{"white space", f, at(3) + 1, 0, " ", rec(3)},
		{"members out of order", f, at(3), size(3), strings.Replace(line(3), `{"n":3,`, `{`, 1)[:len(line(3))-len(`"n":3,}`)-1] + ",\"n\":3}\n", rec(3)},
		{"member repeated", f, at(3) + 1, 0, `"n":3,`, rec(3)},
		{"member unknown", f, at(3) + 1, 0, `"a":0,`, rec(3)},
		{"member missing", f, in(1, `"kind"`), len(`"kind":"file",`), "", rec(1)},
		{"type unknown", f, in(3, `"t":"clock"`) + 5, 5, "clack", rec(3)},
		{"number as text", f, in(3, `"n":3`) + 4, 1, `"3"`, rec(3)},
		{"number as a float", f, in(3, `"n":3`) + 5, 0, ".0", rec(3)},
		{"escape not canonical", f, in(1, "notes.txt"), 1, `\u006e`, rec(1)},
		{"lone surrogate", f, in(1, "notes.txt"), 1, `\ud800`, rec(1)},
		{"digest in capitals", f, in(1, `"sha256":"`) + 10, 64, strings.ToUpper(run.Records[1].(*Input).SHA256.String()), rec(1)},
		{"request changed", blob(call.Req), 20, 1, "z", rec(int(call.N))},
		{"answer changed", blob(ans.Ans), 2, 1, "z", rec(int(ans.N))},
		{"answer missing", blob(ans.Ans), -1, 0, "", rec(int(ans.N))},
		{"output changed", blob(run.Seal.Outputs[0].SHA256), 0, 1, "S", "other content"},
		{"output appended", blob(run.Seal.Outputs[0].SHA256), 7, 0, "\n", "other content"},
		{"manifest missing", blob(run.Seal.Freeze), -1, 0, "", rec(last)},
		{"blob added", blob(digest.Of([]byte("x"))), 0, 0, "x", "not named by the run"},
		{"file added", "notes", 0, 0, "x", "foreign"},
		{"lines missing", f, -1, 0, "", "missing"},
	}
}

// flipHex returns another digit for the first one after member.
func flipHex(line []byte, member string) string {
	if line[bytes.Index(line, []byte(member))+len(member)] == '0' {
		return "1"
	}
	return "0"
}

// The examples in the format's description are the golden runs.
func TestDocsShowTheGoldenRun(t *testing.T) {
	doc, err := os.ReadFile("../../docs/format/flight.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{golden, goldenProgram, goldenExact} {
		files := readTree(t, dir)
		if !bytes.Contains(doc, append([]byte("```jsonl\n"), files[store.FlightFile]...)) {
			t.Errorf("docs/format/flight.md does not show %s/flight.jsonl", dir)
		}
		run, err := Read(bytes.NewReader(files[store.FlightFile]), dir)
		if err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string]string{"ID": run.ID.String(), "freeze manifest": string(files["blobs/"+run.Seal.Freeze.String()])} {
			if !bytes.Contains(doc, []byte(text)) {
				t.Errorf("docs/format/flight.md does not show the %s %s", what, text)
			}
		}
	}
}
