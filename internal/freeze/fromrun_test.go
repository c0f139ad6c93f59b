package freeze

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

// record writes the tape p with a real recorder.
func record(t *testing.T, p *tape) (*store.Store, *flight.Recorder) {
	t.Helper()
	st, _, err := store.Init(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := flight.Create(st, "test.star")
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.Blob([]byte("def main(coo):\n    pass\n"))
	if err != nil {
		t.Fatal(err)
	}
	p.blobs[digest.Of(wire.Builtin().Bytes)] = wire.Builtin().Bytes
	for _, b := range p.blobs {
		if _, err := r.Blob(b); err != nil {
			t.Fatal(err)
		}
	}
	for _, rec := range p.records {
		if o, ok := rec.(*flight.Open); ok {
			o.Format, o.Epoch, o.Level, o.Limits, o.Seed = flight.Format, flight.Epoch, "script", "limits/1", "0"
			o.Mission = flight.Mission{Kind: "script", Main: "test.star", Files: []flight.File{{Path: "test.star", SHA256: text}}}
		}
		if _, err := r.Append(rec); err != nil {
			t.Fatal(err)
		}
	}
	return st, r
}

// frozenRun is a tape with a clock, a body that is a blob and two calls that
// cross.
func frozenRun(t *testing.T) *tape {
	p := newTape(t)
	p.add(&flight.Clock{Now: "2026-11-23T09:00:00.000Z"})
	a, b := p.ask(get("http://a.test/")), p.ask(post("http://b.test/", `{"x":1}`))
	p.answer(b, ok(strings.Repeat("b", wire.MaxInline+1)))
	p.answer(a, ok("a"))
	return p
}

// checkRun expects what frozenRun holds.
func checkRun(t *testing.T, s *Source) {
	t.Helper()
	f := NewFrozen(s)
	ask(t, f, call(t, 1, get("http://a.test/")))
	ask(t, f, call(t, 2, post("http://b.test/", `{"x":1}`)))
	for _, want := range []string{"2: 200 " + strings.Repeat("b", wire.MaxInline+1), "1: 200 a"} {
		if got := next(t, f); got != want {
			t.Errorf("Next = %.40q, want %.40q", got, want)
		}
	}
	if clock, err := s.Clock(); err != nil || len(clock) != 1 {
		t.Errorf("Clock = %v, %v, want one reading", clock, err)
	}
	miss := wantMiss(t, f, call(t, 3, post("http://b.test/", `{"x":2}`)))
	if miss.Nearest == nil || string(miss.Nearest.Body) != `{"x":1}` {
		t.Errorf("nearest = %+v", miss.Nearest)
	}
}

func TestFromSealedRun(t *testing.T) {
	p := frozenRun(t).end("ok")
	st, r := record(t, p)
	empty, err := r.Blob([]byte("[]"))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := r.Seal(flight.SealFields{Before: empty, After: empty}, store.Execution{Outcome: "ok"})
	if err != nil {
		t.Fatal(err)
	}
	h, err := st.Resolve(sealed.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	s := FromRun(st, h)
	if want := "run " + sealed.ID.Short(); s.Name() != want {
		t.Errorf("Name = %q, want %q", s.Name(), want)
	}
	checkRun(t, s)
	loaded, err := flight.LoadHandle(st, h)
	if err != nil {
		t.Fatal(err)
	}
	checkRun(t, FromLoaded("run "+loaded.ID.Short(), loaded))

	dir := write(t, s)
	fromDir, err := FromDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	checkRun(t, fromDir)

	name := st.Path(store.RunPath(sealed.ID))
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	os.Chmod(name, 0o644)
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	err = FromRun(st, h).Load()
	if _, isDamage := errors.AsType[*store.DamageError](err); !isDamage {
		t.Errorf("Load of a damaged run = %v, want a DamageError", err)
	}
}

func TestFromRunInProgress(t *testing.T) {
	p := frozenRun(t)
	p.ask(get("http://never-answered.test/"))
	st, r := record(t, p)
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	checkRun(t, FromRun(st, store.Handle{Dir: r.Dir()}))
	if err := r.Abandon("the test is over"); err != nil {
		t.Fatal(err)
	}
	s := FromRun(st, store.Handle{Dir: r.Dir()})
	checkRun(t, s)
	if n, err := s.Len(); n != 2 || err != nil {
		t.Errorf("Len = %d, %v, want 2: a call without an answer is not frozen", n, err)
	}
}
