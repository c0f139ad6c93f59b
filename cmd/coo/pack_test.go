package main

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/pack"
	"github.com/coo-runtime/coo/internal/store"
)

// Every recording can be packed; its pack is verified, by coo and by the
// independent verifier, replays identically, and, of every sixth, is the same when
// it is made again.
func TestPackRecordings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	copyTree(t, filepath.Join(corpus, "store"), dir, 0o444)
	out := t.TempDir()
	var python []string
	for i, r := range corpusRuns(t) {
		file := filepath.Join(out, r.name+".zip")
		if status, _, errs := coo("--store", dir, "pack", r.id, "-o", file, "--yes"); status != exitOK {
			t.Errorf("coo pack %s: exit %d: %s", r.name, status, errs)
			continue
		}
		status, said, errs := coo("verify", file)
		if status != exitOK || !strings.Contains(said, "\n  run              "+r.id+"\n") {
			t.Errorf("coo verify %s.zip: exit %d: %s%s", r.name, status, said, errs)
		}
		if status, said, errs = coo("replay", file); status != exitOK || !strings.Contains(said, "\nidentical: ") {
			t.Errorf("coo replay %s.zip: exit %d: %s", r.name, status, errs)
		}
		python = append(python, file)
		if i%6 != 0 {
			continue
		}
		first := readFile(t, file)
		if status, _, errs := coo("--store", dir, "pack", r.id, "-o", file, "--yes", "--force"); status != exitOK || !bytes.Equal(first, readFile(t, file)) {
			t.Errorf("coo pack %s, again: exit %d, other bytes or none: %s", r.name, status, errs)
		}
	}
	if len(python) < 20 {
		t.Fatalf("only %d packs", len(python))
	}
	const program = `
import sys
sys.path.insert(0, sys.argv[1])
import pack
for name in sys.argv[2:]:
    if pack.main([name]) != 0:
        print("not accepted:", name)
`
	b, err := exec.Command("python3", append([]string{"-B", "-c", program, filepath.Join(repoRoot(t), "vectors")}, python...)...).CombinedOutput()
	if n := strings.Count(string(b), "ok "); err != nil || n != len(python) || strings.Contains(string(b), "not accepted") {
		t.Errorf("pack.py: %v: %s", err, b)
	}
}

// A pack of a stranger that is not one in its one form is refused, exit 4, and
// nothing is written anywhere.
func TestHostilePacks(t *testing.T) {
	for _, name := range []string{"../escaped", "/tmp/escaped-from-coo", "a/../../escaped", `..\escaped`, "CON", "manifest.json", "link"} {
		dir := t.TempDir()
		t.Chdir(dir)
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		h := &zip.FileHeader{Name: name, Method: zip.Store}
		h.SetMode(0o644)
		if name == "link" {
			h.SetMode(fs.ModeSymlink | 0o777)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte("/etc/passwd"))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("hostile.zip", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"verify", "hostile.zip"},
			{"unpack", "hostile.zip"},
			{"unpack", "hostile.zip", "here"},
			{"replay", "hostile.zip"},
			{"inspect", "hostile.zip"},
			{"logs", "hostile.zip"},
			{"explain", "hostile.zip"},
			{"diff", "hostile.zip", "hostile.zip"},
		} {
			if status, out, errs := coo(args...); status != exitIntegrity || out != "" || !strings.Contains(errs, "hostile.zip: ") {
				t.Errorf("%q: coo %s: exit %d, want %d: %s%s", name, strings.Join(args, " "), status, exitIntegrity, out, errs)
			}
		}
		if files := tree(t, dir); len(files) != 2 { // the archive, and the directory itself
			t.Errorf("%q: coo has written: %d files", name, len(files))
		}
		for _, escaped := range []string{filepath.Join(filepath.Dir(dir), "escaped"), "/tmp/escaped-from-coo"} {
			if _, err := os.Lstat(escaped); err == nil {
				t.Errorf("%q: %s is there", name, escaped)
			}
		}
	}
}

// plain are contents as [flight.Run.Export] writes them.
type plain struct{ dir string }

func (p plain) name(d digest.Digest) string { return filepath.Join(p.dir, "blobs", d.String()) }

func (p plain) Get(d digest.Digest) ([]byte, error) { return os.ReadFile(p.name(d)) }

func (p plain) Size(d digest.Digest) (int64, bool, error) {
	fi, err := os.Stat(p.name(d))
	if err != nil {
		return 0, false, nil
	}
	return fi.Size(), true, nil
}

func (p plain) Open(d digest.Digest) (io.Reader, error) {
	b, err := p.Get(d)
	return bytes.NewReader(b), err
}

// The run of a program can be packed and verified, by both verifiers; a replay
// of the pack shows what would be started, and does not start it unasked.
func TestPackedProgramsAreNotStarted(t *testing.T) {
	vectors := filepath.Join(repoRoot(t), "vectors")
	from := plain{filepath.Join(vectors, "flight", "program")}
	r, err := flight.Read(bytes.NewReader(readFile(t, filepath.Join(from.dir, store.FlightFile))), store.FlightFile)
	if err != nil {
		t.Fatal(err)
	}
	r.BlobsFrom(from)
	draft, err := pack.New(r, nil, []byte("a program's run\n"), from)
	if err != nil {
		t.Fatal(err)
	}
	if err := draft.Scan(func(pack.File) (io.Writer, func() error) { return io.Discard, func() error { return nil } }); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := draft.Encode(&b); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("program.zip", b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := coo("verify", "program.zip"); status != exitOK {
		t.Errorf("coo verify: exit %d: %s", status, errs)
	}
	out, err := exec.Command("python3", "-B", filepath.Join(vectors, "verify.py"), "program.zip", r.ID.String()).CombinedOutput()
	if err != nil {
		t.Errorf("verify.py: %v: %s", err, out)
	}
	status, said, errs := coo("replay", "program.zip")
	if status != exitPolicy || said != "" || !strings.Contains(errs, `record 1 starts ["python3" "agent.py"`) || !strings.Contains(errs, "--trust") {
		t.Errorf("coo replay: exit %d, want %d: %s%s", status, exitPolicy, said, errs)
	}
	if status, _, errs := coo("replay", "program.zip", "--trust"); strings.Contains(errs, "unless you trust") || !strings.Contains(errs, "record 1 starts") {
		t.Errorf("coo replay --trust: exit %d: %s", status, errs)
	}
}

// On a terminal the yes is asked for, and only "y" or "yes" is one.
func TestPackAsks(t *testing.T) {
	bin := buildCoo(t)
	const program = `
import os, pty, sys
answer = sys.argv[1].encode() + b"\n"
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
out = b""
while b"[y/N]" not in out:
    out += os.read(fd, 1000)
os.write(fd, answer)
try:
    while True:
        b = os.read(fd, 1000)
        if not b:
            break
        out += b
except OSError:
    pass
sys.stdout.buffer.write(out)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`
	dir := t.TempDir()
	run := func(answer string) (string, error) {
		cmd := exec.Command("python3", "-c", program, answer, filepath.Join(bin, "coo"), "pack", "@last", "-o", "d.zip")
		cmd.Dir = dir
		b, err := cmd.CombinedOutput()
		return string(b), err
	}
	terminal(t, bin, dir, "", []string{"coo run demo"})
	for _, answer := range []string{"", "no", "yy"} {
		out, err := run(answer)
		if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != exitFailed || !strings.Contains(out, "nothing was written") {
			t.Errorf("answer %q: %v: %s", answer, err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "d.zip")); err == nil {
			t.Fatalf("answer %q: the pack was written", answer)
		}
	}
	if out, err := run("yes"); err != nil {
		t.Errorf("yes: %v: %s", err, out)
	}
	sameBytes(t, filepath.Join(dir, "d.zip"), filepath.Join(repoRoot(t), demoPack))
}
