package flight

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/chain"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/proofs"
	"github.com/coo-runtime/coo/internal/store"
)

// files returns the paths in the store of every file that holds a byte of its
// runs: lines, blobs and observations.
func files(t *testing.T, st *store.Store) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"runs/*/*", "blobs/sha256/*/*", "executions/*/*"} {
		names, err := filepath.Glob(st.Path(pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			rel, err := filepath.Rel(st.Dir(), name)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, filepath.ToSlash(rel))
		}
	}
	return out
}

// Every bit of a sealed run, flipped, is found, and the file is named.
func TestFlipEveryBit(t *testing.T) {
	proofs.Needed(t)
	flipBits(t, script.small, 1)
}

// Of the run of a program, which has more bytes, one bit of each.
func TestFlipEveryByteOfAProgram(t *testing.T) { flipBits(t, script.smallProgram, 8) }

// The same at level deterministic.
func TestFlipEveryByteOfAnExactRun(t *testing.T) { flipBits(t, script.smallExact, 8) }

// flipBits flips every bit of a run, or one of so many, differently in each byte.
func flipBits(t *testing.T, make func(script) SealFields, one int) {
	if raceEnabled {
		one = 8
	}
	st := newStore(t)
	id := record(t, st, make).ID
	if _, err := Verify(st, id); err != nil {
		t.Fatal(err)
	}
	bits := 0
	for _, path := range files(t, st) {
		whole, err := os.ReadFile(st.Path(path))
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(st.Path(path), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		for bit := range 8 * len(whole) {
			if (bit+bit/8)%one != 0 {
				continue
			}
			i := bit / 8
			flip(t, f, i, whole[i]^1<<(bit%8))
			_, err := Verify(st, id)
			flip(t, f, i, whole[i])
			bits++
			e, ok := errors.AsType[*store.DamageError](err)
			if !ok || e.Path != path {
				t.Errorf("%s: bit %d of byte %d flipped: Verify = %v, want damage of that file", path, bit%8, i, err)
			}
			if ok && e.Path == store.RunPath(id) {
				checkPlace(t, whole, i, e)
			}
		}
		f.Close()
	}
	if _, err := Verify(st, id); err != nil || bits < 1000 {
		t.Errorf("after %d bits: %v", bits, err)
	}
}

func flip(t *testing.T, f *os.File, i int, b byte) {
	t.Helper()
	if _, err := f.WriteAt([]byte{b}, int64(i)); err != nil {
		t.Fatal(err)
	}
}

// checkPlace demands that damage at byte i of the lines is reported of the
// record it is in, or of the next one, whose link it breaks.
func checkPlace(t *testing.T, lines []byte, i int, e *store.DamageError) {
	t.Helper()
	n := int64(bytes.Count(lines[:i], []byte{'\n'}))
	if e.Record != n && e.Record != n+1 {
		t.Errorf("byte %d of record %d flipped: reported of record %d: %v", i, n, e.Record, e)
	}
}

func TestEditedLines(t *testing.T) {
	st := newStore(t)
	run, err := Load(st, record(t, st, script.full).ID)
	if err != nil {
		t.Fatal(err)
	}
	checkEdits(t, run.Lines)
	program, err := Load(st, record(t, st, script.program).ID)
	if err != nil {
		t.Fatal(err)
	}
	checkEdits(t, program.Lines)
	exact, err := Load(st, record(t, st, script.exact).ID)
	if err != nil {
		t.Fatal(err)
	}
	checkEdits(t, exact.Lines)
	other, err := Load(st, record(t, st, script.small).ID)
	if err != nil {
		t.Fatal(err)
	}
	// Both runs begin with the same open record, so the splice is one later.
	checkEdit(t, "spliced", 2, append(slices.Clone(run.Lines[:2]), other.Lines[2:]...))
}

// checkEdits edits the lines of a run, which must be noticed at the edit.
func checkEdits(t *testing.T, whole [][]byte) {
	t.Helper()
	last := len(whole) - 1
	check := func(what string, n int, lines [][]byte) { checkEdit(t, what, n, lines) }
	for i := range whole {
		drop := slices.Delete(slices.Clone(whole), i, i+1)
		check("dropped", i, drop)
		check("repeated", i+1, slices.Insert(slices.Clone(whole), i+1, whole[i]))
		if i < last {
			swapped := slices.Clone(whole)
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			check("swapped", i, swapped)
		}
		check("cut", i, whole[:i])
	}
	check("appended", last+1, append(slices.Clone(whole), whole[last]))
	check("appended an empty line", last+1, append(slices.Clone(whole), nil))
}

// checkEdit demands that edited lines are damage at record n.
func checkEdit(t *testing.T, what string, n int, lines [][]byte) {
	t.Helper()
	_, err := Read(bytes.NewReader(append(bytes.Join(lines, []byte{'\n'}), '\n')), "f")
	e, ok := errors.AsType[*store.DamageError](err)
	if !ok || e.Record != int64(n) {
		t.Errorf("%s: Read = %v, want damage at record %d", what, err, n)
	}
}

func TestReadDemandsTheLastNewline(t *testing.T) {
	st := newStore(t)
	run, err := Load(st, record(t, st, script.small).ID)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Join(run.Lines, []byte{'\n'})
	for _, b := range [][]byte{lines, append(bytes.Clone(lines), "\r\n"...), append([]byte("\n"), lines...)} {
		if _, err := Read(bytes.NewReader(b), "f"); err == nil {
			t.Errorf("Read(%q…) = nil, want damage", b[:20])
		}
	}
}

// relink makes a chain of records again, as a forger would who changes one.
func relink(t *testing.T, recs []Record) ([]byte, digest.Digest) {
	t.Helper()
	var out []byte
	var link chain.Linker
	for _, r := range recs {
		e := Env(r)
		e.N, e.Prev = link.Next()
		line, err := Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := link.Add(e.N, e.Prev, line); err != nil {
			t.Fatal(err)
		}
		out = append(append(out, line...), '\n')
	}
	_, id := link.Next()
	return out, id
}

func TestForgedSeal(t *testing.T) {
	for _, tc := range []struct {
		want  string
		forge func(s *Seal)
	}{
		{"count is", func(s *Seal) { s.Count++ }},
		{"root is", func(s *Seal) { s.Root[0] ^= 1 }},
		{"freeze manifest", func(s *Seal) { s.Freeze[0] ^= 1 }},
	} {
		st := newStore(t)
		run, err := Load(st, record(t, st, script.small).ID)
		if err != nil {
			t.Fatal(err)
		}
		tc.forge(run.Seal)
		lines, _ := relink(t, run.Records)
		_, err = Read(bytes.NewReader(lines), "f")
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Read = %v, want %q", err, tc.want)
		}
	}
}

// A run that is changed and sealed again is another run: its old name finds it out.
func TestForgedRun(t *testing.T) {
	st := newStore(t)
	id := record(t, st, script.small).ID
	run, err := Load(st, id)
	if err != nil {
		t.Fatal(err)
	}
	run.Seal.Outputs = append(run.Seal.Outputs, Output{Path: "more", Mode: "file"})
	lines, forged := relink(t, run.Records)
	if err := os.WriteFile(st.Path(store.RunPath(id)), lines, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(st, id)
	e, ok := errors.AsType[*store.DamageError](err)
	if !ok || e.Record != run.Seal.N || !strings.Contains(e.What, forged.Short()) {
		t.Errorf("Verify = %v, want damage at the seal that names %s", err, forged.Short())
	}
}

func TestVerifyNamesWhatIsMissingOrForeign(t *testing.T) {
	st := newStore(t)
	id := record(t, st, script.full).ID
	dir := "runs/" + id.String()
	for _, path := range files(t, st) {
		if err := os.Rename(st.Path(path), st.Path("away")); err != nil {
			t.Fatal(err)
		}
		_, err := Verify(st, id)
		e, ok := errors.AsType[*store.DamageError](err)
		if !ok || e.Path != path || e.What[len(e.What)-7:] != "missing" {
			t.Errorf("%s removed: Verify = %v", path, err)
		}
		if err := os.Rename(st.Path("away"), st.Path(path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(st.Path(dir+"/notes"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Verify(st, id)
	if e, ok := errors.AsType[*store.DamageError](err); !ok || e.Path != dir+"/notes" {
		t.Errorf("a file added: Verify = %v", err)
	}
}

// A record that names a document which is none: the chain holds, the content does not.
func TestVerifyParsesDocuments(t *testing.T) {
	st := newStore(t)
	r, err := Create(st, "m")
	if err != nil {
		t.Fatal(err)
	}
	s := script{t, r}
	s.open()
	c := s.add(&Call{Kind: "http", Req: digest.Call(s.blob("no document"))})
	s.add(&Answer{Call: c, Ans: digest.Answer(s.blob(`{"error":"refused"}`))})
	s.add(&End{Outcome: "ok"})
	tree := s.blob(emptyTree)
	sealed, err := r.Seal(SealFields{Before: tree, After: tree}, store.Execution{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Verify(st, sealed.ID)
	want := store.BlobPath(digest.Of([]byte("no document")))
	if e, ok := errors.AsType[*store.DamageError](err); !ok || e.Record != c || e.Path != want {
		t.Errorf("Verify = %v, want damage of %s at record %d", err, want, c)
	}
}

func FuzzDecode(f *testing.F) {
	st := newStore(f)
	run, err := Load(st, record(f, st, script.full).ID)
	if err != nil {
		f.Fatal(err)
	}
	program, err := Load(st, record(f, st, script.program).ID)
	if err != nil {
		f.Fatal(err)
	}
	exact, err := Load(st, record(f, st, script.exact).ID)
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range slices.Concat(run.Lines, program.Lines, exact.Lines) {
		f.Add(line)
	}
	f.Add([]byte(`{"b":"","kind":"http","n":1,"prev":"` + strings.Repeat("0", 64) + `","req":"` + strings.Repeat("1", 64) + `","t":"call"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := Decode(line)
		slow, slowErr := decode(line)
		if (err == nil) != (slowErr == nil) || err == nil && !reflect.DeepEqual(r, slow) {
			t.Errorf("Decode(%q) = %v, %v; without the scanner %v, %v", line, r, err, slow, slowErr)
		}
		if err != nil {
			return
		}
		if again, err := Encode(r); err != nil || !bytes.Equal(again, line) {
			t.Errorf("Encode(Decode(%q)) = %q, %v", line, again, err)
		}
	})
}

func FuzzRead(f *testing.F) {
	st := newStore(f)
	for _, make := range []func(script) SealFields{script.small, script.smallProgram, script.smallExact} {
		b, err := os.ReadFile(st.Path(store.RunPath(record(f, st, make).ID)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		run, err := Read(bytes.NewReader(b), "f")
		if err != nil {
			if _, ok := errors.AsType[*store.DamageError](err); !ok {
				t.Errorf("Read = %v, want a DamageError", err)
			}
			return
		}
		if again := append(bytes.Join(run.Lines, []byte{'\n'}), '\n'); !bytes.Equal(again, b) {
			t.Errorf("Read(%q) and back = %q", b, again)
		}
	})
}
