package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newStore(t testing.TB) *Store {
	t.Helper()
	s, _, err := Init(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestInitIsIdempotent(t *testing.T) {
	dir := t.TempDir()
	s, created, err := Init(dir)
	if err != nil || !created {
		t.Fatalf("Init = %v, %v, want a new store", created, err)
	}
	d, err := s.Put([]byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	if s, created, err = Init(dir); err != nil || created || !s.Has(d) {
		t.Errorf("second Init = %v, %v, want the same store", created, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, ".coo", ".gitignore"))
	if err != nil || string(b) != "*\n" {
		t.Errorf(".gitignore = %q, %v", b, err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(sub); !errors.Is(err, ErrNone) {
		t.Errorf("Find without a store = %v, want ErrNone", err)
	}
	s, _, err := Init(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{dir, sub} {
		if found, err := Find(from); err != nil || found.Dir() != s.Dir() {
			t.Errorf("Find(%s) = %v", from, err)
		}
	}
	if direct, err := Open(s.Dir()); err != nil || direct.Dir() != s.Dir() {
		t.Errorf("Open(.coo) = %v", err)
	}
}

func TestOpenRefusesOtherFormats(t *testing.T) {
	s := newStore(t)
	if err := os.WriteFile(s.Path("format"), []byte("coo.store/9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(s.Dir())
	if want := `store: format is "coo.store/9", this coo reads "coo.store/0"`; err == nil || err.Error() != want {
		t.Errorf("Open = %v, want %s", err, want)
	}
}

func TestSweepRemovesWhatAKillLeft(t *testing.T) {
	s := newStore(t)
	left := s.Path("tmp/left")
	if err := os.WriteFile(left, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	b, err := s.NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Errorf("Sweep while somebody writes: %v, want the file untouched", err)
	}
	b.Discard()
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Sweep has left the file: %v", err)
	}
}

func TestResolve(t *testing.T) {
	s := newStore(t)
	if _, err := s.Resolve("@last"); err == nil {
		t.Error("Resolve(@last) in an empty store = nil, want an error")
	}
	a, b := seedRun(t, s, "a"), seedRun(t, s, "b")
	for _, e := range []Execution{{Run: a, Open: "x"}, {Run: b, Open: "y"}, {Run: a, Open: "z"}} {
		if _, err := s.AppendExecution(e, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		ref string
		id  string
		n   int64
	}{
		{a.String(), a.String(), 3},
		{a.String()[:10], a.String(), 3},
		{b.String()[:4], b.String(), 2},
		{"#1", a.String(), 1},
		{"#2", b.String(), 2},
		{"@last", a.String(), 3},
	} {
		h, err := s.Resolve(tc.ref)
		if err != nil || !h.Sealed || h.ID.String() != tc.id || h.Execution == nil || h.Execution.N != tc.n || h.Dir != "runs/"+tc.id {
			t.Errorf("Resolve(%s) = %+v, %v, want run %s of execution %d", tc.ref, h, err, tc.id, tc.n)
		}
	}
	for ref, want := range map[string]string{
		"#4":               `no run "#4": coo logs lists them`,
		"#01":              `no run "#01": coo logs lists them`,
		"nope":             `no run "nope": coo logs lists them`,
		"abc":              `run "abc": a prefix has four digits or more`,
		"":                 `run "": a prefix has four digits or more`,
		"@open":            `no run "@open": none is in progress or incomplete`,
		a.String() + "0":   `coo logs lists them`,
		"../" + a.String(): `coo logs lists them`,
	} {
		if _, err := s.Resolve(ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Resolve(%q) = %v, want %s", ref, err, want)
		}
	}
}

func TestResolveAmbiguous(t *testing.T) {
	s := newStore(t)
	for _, id := range []string{"abcd1" + strings.Repeat("0", 59), "abcd2" + strings.Repeat("0", 59)} {
		if err := os.Mkdir(s.Path("runs/"+id), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Resolve("abcd")
	if want := `run "abcd": 2 runs begin so: abcd10000000, abcd20000000`; err == nil || err.Error() != want {
		t.Errorf("Resolve = %v, want %s", err, want)
	}
}
