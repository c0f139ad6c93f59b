package flight

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

func newStore(t testing.TB) *store.Store {
	t.Helper()
	st, _, err := store.Init(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// A script makes the records of a test run, failing the test on any error.
type script struct {
	t testing.TB
	r *Recorder
}

func (s script) blob(text string) digest.Digest {
	s.t.Helper()
	d, err := s.r.Blob([]byte(text))
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s script) blobRef(text string) *digest.Digest {
	d := s.blob(text)
	return &d
}

func (s script) add(rec Record) int64 {
	s.t.Helper()
	n, err := s.r.Append(rec)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// call adds a call to url with a body and returns its number.
func (s script) call(branch, url, body string) int64 {
	s.t.Helper()
	req := wire.Request{Method: "POST", URL: wire.Lit(url), Body: wire.Lit(body)}
	doc, err := req.Doc(wire.Builtin())
	if err != nil {
		s.t.Fatal(err)
	}
	s.blob(string(doc.Bytes))
	s.blob(string(doc.Body))
	return s.add(&Call{Envelope: Envelope{Branch: branch}, Kind: "http", Req: doc.Key})
}

// answer adds the answer to a call.
func (s script) answer(branch string, call int64, a *wire.Answer) {
	s.t.Helper()
	doc, body, err := a.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	if body != nil {
		s.blob(string(body))
	}
	s.add(&Answer{Envelope: Envelope{Branch: branch}, Call: call, Ans: digest.Answer(s.blob(string(doc)))})
}

const emptyTree = "[]"

// open adds the first record.
func (s script) open() {
	s.t.Helper()
	main := s.blob("def main(coo):\n    pass\n")
	s.add(&Open{
		Format: Format, Epoch: Epoch, Level: "script", Limits: "limits/1",
		Args: map[string]string{"topic": "tides"}, Seed: "0",
		Rules:   []Rule{{ID: "http/1", SHA256: s.blob("rules\n")}},
		Mission: Mission{Kind: "script", Main: "m.star", Files: []File{{Path: "m.star", SHA256: main}}},
	})
}

// small records the shortest run that has a call.
func (s script) small() SealFields {
	s.t.Helper()
	s.open()
	c := s.call("", "http://example.test/", `{"a":1}`)
	s.answer("", c, &wire.Answer{Status: 200, Body: []byte("ok")})
	s.add(&End{Outcome: "ok", Result: s.blobRef("null")})
	tree := s.blob(emptyTree)
	return SealFields{Before: tree, After: tree}
}

// full records a run that has a record of every type.
func (s script) full() SealFields {
	s.t.Helper()
	s.open()
	tree := s.blob(emptyTree)
	s.add(&Input{Kind: "file", Name: "notes.txt", SHA256: s.blobRef("notes\n")})
	s.add(&Input{Kind: "env", Name: "LANG"})
	s.add(&Clock{Now: "2026-11-23T09:00:00.000Z"})
	fork := s.add(&Fork{Width: 2})
	a := s.call("4.0", "http://example.test/a", "not json")
	b := s.call("4.1", "http://example.test/b", "{}")
	s.answer("4.1", b, &wire.Answer{Status: 200, Body: bytes.Repeat([]byte{0xff, 0, 7}, 6000)})
	s.add(&BranchEnd{Envelope: Envelope{Branch: "4.1"}, OK: true})
	s.answer("4.0", a, &wire.Answer{Error: "refused"})
	s.add(&BranchEnd{Envelope: Envelope{Branch: "4.0"}, Error: "refused"})
	s.add(&Join{Fork: fork})
	step := s.add(&Step{Name: "publish", Kind: "attempt", Tree: tree})
	wrote := s.blobRef("draft")
	s.add(&Write{Path: "draft.md", Mode: "file", SHA256: wrote, Size: 5})
	s.add(&Rollback{Step: step, Tree: tree, Undone: []Undone{{Path: "draft.md", Wrote: wrote}}, Why: "mission: no"})
	s.add(&StepEnd{Step: step, Error: "mission: no"})
	text := "done <&> \u2028 \"é\"\n"
	s.add(&Log{Kind: "print", Text: &text})
	out := s.blobRef("summary")
	s.add(&Write{Path: "summary.md", Mode: "file", SHA256: out, Size: 7})
	s.add(&End{Outcome: "failed", Status: 1, Error: "mission: no", Trace: []Frame{{File: "m.star", Line: 1, Col: 5, Func: "main"}}})
	after := s.blob(`[["summary.md","file"]]`)
	return SealFields{Before: tree, After: after, Outputs: []Output{{Path: "summary.md", Mode: "file", SHA256: out}}}
}

// record makes and seals a run.
func record(t testing.TB, st *store.Store, make func(script) SealFields) *Sealed {
	t.Helper()
	r, err := Create(st, "m.star")
	if err != nil {
		t.Fatal(err)
	}
	f := make(script{t, r})
	if err := r.Observe(map[string]string{"go": "any"}); err != nil {
		t.Fatal(err)
	}
	sealed, err := r.Seal(f, store.Execution{Outcome: "ok", Live: 1})
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealThenLoad(t *testing.T) {
	st := newStore(t)
	sealed := record(t, st, script.full)
	if !sealed.New || sealed.N != 1 {
		t.Errorf("Seal = %+v, want a new run and execution 1", sealed)
	}
	run, err := Load(st, sealed.ID)
	if err != nil {
		t.Fatal(err)
	}
	if run.ID != digest.Of(run.Lines[len(run.Lines)-1]) {
		t.Errorf("ID is %s, not the digest of the last line", run.ID)
	}
	types := make(map[string]bool)
	for i, rec := range run.Records {
		line, err := Encode(rec)
		if err != nil || !bytes.Equal(line, run.Lines[i]) {
			t.Errorf("Encode(record %d) = %q, %v, want %q", i, line, err, run.Lines[i])
		}
		types[Env(rec).T] = true
	}
	if len(types) != 15 {
		t.Errorf("the run has %d types of records, want all 15", len(types))
	}
	if run.Seal == nil || run.Seal.Count != int64(len(run.Lines)-1) {
		t.Errorf("Seal = %+v", run.Seal)
	}
	rep, err := Verify(st, sealed.ID)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Calls != 2 || rep.Records != int64(len(run.Lines)) || rep.Root != run.Seal.Root {
		t.Errorf("Verify = %+v", rep)
	}
	open, err := st.OpenRuns()
	if err != nil || len(open) != 0 {
		t.Errorf("OpenRuns() after the seal = %v, %v, want none", open, err)
	}
}

func TestEqualRunsShareRecords(t *testing.T) {
	st := newStore(t)
	first := record(t, st, script.full)
	second := record(t, st, script.full)
	if second.ID != first.ID || second.New || second.N != 2 {
		t.Errorf("second Seal = %+v, want run %s, not new, execution 2", second, first.ID)
	}
	other := record(t, newStore(t), script.full)
	if other.ID != first.ID {
		t.Errorf("another store makes run %s, want %s", other.ID, first.ID)
	}
	es, err := st.Executions()
	if err != nil || len(es) != 2 {
		t.Fatalf("Executions() = %v, %v, want 2", es, err)
	}
	values, err := st.Observations(es[1])
	if err != nil || len(values) != 2 || string(values[1]) != `{"go":"any"}` {
		t.Errorf("Observations = %q, %v", values, err)
	}
}

func TestSealFindsDamagedTwin(t *testing.T) {
	st := newStore(t)
	id := record(t, st, script.small).ID
	path := st.Path(store.RunPath(id))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[40] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := Create(st, "m.star")
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Seal(script{t, r}.small(), store.Execution{Outcome: "ok"})
	e, ok := errors.AsType[*store.DamageError](err)
	if !ok || e.Offset != 40 || e.Record != 0 || e.Path != store.RunPath(id) {
		t.Errorf("Seal over a damaged twin = %v, want damage at record 0, byte 40", err)
	}
}

func TestAppendRefuses(t *testing.T) {
	lost := digest.Of([]byte("nobody has stored this"))
	for _, tc := range []struct {
		rec  Record
		want string
	}{
		{&Open{}, "a second open record"},
		{&Answer{Call: 1}, "blob"},
		{&Input{Kind: "file", Name: "x", SHA256: &lost}, "record 1: input: sha256: blob " + lost.Short() + " is not stored"},
		{&Join{Fork: 0}, "record 0 is not a fork that can end"},
		{&StepEnd{Step: 0}, "record 0 is not a step that can end"},
		{&Clock{Now: "\xff"}, "not valid UTF-8"},
		{&Seal{}, "blob"},
	} {
		r, err := Create(newStore(t), "m")
		if err != nil {
			t.Fatal(err)
		}
		s := script{t, r}
		s.open()
		last := r.link.Last()
		if _, err := r.Append(tc.rec); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Append(%T) = %v, want %q", tc.rec, err, tc.want)
		}
		if r.link.Last() != last || r.Len() != 1 {
			t.Errorf("Append(%T) refused, but the run has changed", tc.rec)
		}
		if err := r.Abandon("test"); err != nil {
			t.Error(err)
		}
	}
}

func TestSealNeedsAnswers(t *testing.T) {
	st := newStore(t)
	r, err := Create(st, "m")
	if err != nil {
		t.Fatal(err)
	}
	s := script{t, r}
	s.open()
	s.call("", "http://example.test/", "")
	s.add(&End{Outcome: "ok"})
	tree := s.blob(emptyTree)
	_, err = r.Seal(SealFields{Before: tree, After: tree}, store.Execution{})
	if err == nil || err.Error() != "record 1: call without an answer" {
		t.Errorf("Seal = %v", err)
	}
	if err := r.Abandon("no answer"); err != nil {
		t.Fatal(err)
	}
	open, err := st.OpenRuns()
	if err != nil || len(open) != 1 || open[0].Live || open[0].State.Reason != "no answer" {
		t.Fatalf("OpenRuns() = %+v, %v, want the abandoned one", open, err)
	}
	run, err := LoadOpen(st, open[0].Dir)
	if err != nil || len(run.Records) != 3 || run.Seal != nil || run.Dropped != 0 {
		t.Fatalf("LoadOpen = %+v, %v", run, err)
	}
	h, err := Resolve(st, "~"+run.Last.String()[:8])
	if err != nil || h.Sealed || h.Dir != open[0].Dir {
		t.Errorf("Resolve(~…) = %+v, %v", h, err)
	}
	if rep, err := VerifyOpen(st, h.Dir); err != nil || rep.Calls != 1 || rep.Records != 3 {
		t.Errorf("VerifyOpen = %+v, %v", rep, err)
	}
}

func TestLinkerMakesTheSameRun(t *testing.T) {
	st := newStore(t)
	id := record(t, st, script.full).ID
	run, err := Load(st, id)
	if err != nil {
		t.Fatal(err)
	}
	var l Linker
	for i, rec := range run.Records[:len(run.Records)-1] {
		line, err := l.Append(nil, rec)
		if err != nil || !bytes.Equal(line, run.Lines[i]) {
			t.Fatalf("Append(record %d) = %q, %v, want %q", i, line, err, run.Lines[i])
		}
	}
	s := run.Seal
	if _, _, _, err := l.Seal(nil, SealFields{s.Before, s.After, s.Outputs}); err != nil || l.Last() != id {
		t.Errorf("Seal gives run %s, %v, want %s", l.Last(), err, id)
	}
}

func TestTailFollowsARun(t *testing.T) {
	st := newStore(t)
	r, err := Create(st, "m.star")
	if err != nil {
		t.Fatal(err)
	}
	s := script{t, r}
	s.open()
	if err := r.Push(); err != nil {
		t.Fatal(err)
	}
	lines, next, err := Follow(st, r.Dir(), 0)
	if err != nil || len(lines) != 1 {
		t.Fatalf("Tail = %d lines, %v, want 1", len(lines), err)
	}
	s.add(&Clock{Now: "2026-11-23T09:00:00.000Z"})
	if lines, next, err = Follow(st, r.Dir(), next); err != nil || len(lines) != 0 {
		t.Errorf("Tail of what is not written = %d lines, %v", len(lines), err)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	s.add(&End{Outcome: "ok"})
	if err := r.Push(); err != nil {
		t.Fatal(err)
	}
	if lines, next, err = Follow(st, r.Dir(), next); err != nil || len(lines) != 2 || !bytes.Contains(lines[0], []byte(`"t":"clock"`)) {
		t.Errorf("Tail = %q, %v, want clock and end", lines, err)
	}
	tree := s.blob(emptyTree)
	if _, err := r.Seal(SealFields{Before: tree, After: tree}, store.Execution{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Follow(st, r.Dir(), next); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Tail of a sealed run = %v, want fs.ErrNotExist", err)
	}
}

// A failed sync is final: the kernel may have dropped what it could not write.
func TestFailedSyncEndsTheRecorder(t *testing.T) {
	st := newStore(t)
	r, err := Create(st, "m.star")
	if err != nil {
		t.Fatal(err)
	}
	s := script{t, r}
	s.open()
	rd, pipe, err := os.Pipe() // can be written, cannot be synced
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	defer pipe.Close()
	journal := r.f
	defer journal.Close()
	r.f = pipe
	first := r.Flush()
	if first == nil {
		t.Fatal("Flush to a pipe = nil, want an error")
	}
	r.f = journal // the disk is well again: too late
	if _, err := r.Append(&End{Outcome: "ok"}); err != first {
		t.Errorf("Append after a failed sync = %v, want %v", err, first)
	}
	if _, err := r.Seal(SealFields{}, store.Execution{}); err != first {
		t.Errorf("Seal after a failed sync = %v, want %v", err, first)
	}
	if err := r.Abandon("disk"); err != first {
		t.Errorf("Abandon after a failed sync = %v, want %v", err, first)
	}
}

func TestExportIsPlain(t *testing.T) {
	st := newStore(t)
	run, err := Load(st, record(t, st, script.full).ID)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := run.Export(dir); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "blobs", "*"))
	if err != nil || len(names) < 10 {
		t.Fatalf("%d blobs, %v", len(names), err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil || digest.Of(b).String() != filepath.Base(name) {
			t.Errorf("%s: %v, content is %s", name, err, digest.Of(b))
		}
	}
	if err := run.Export(dir); err == nil {
		t.Error("Export into a directory that is not empty = nil, want an error")
	}
}
