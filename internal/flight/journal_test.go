package flight

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
)

// interrupted makes a journal that was synced after its first two records and
// written, but not synced, to its end; it returns the journal's bytes, the
// length that was synced, and the store and directory.
func interrupted(t testing.TB) (st *store.Store, dir string, journal []byte, synced int64) {
	t.Helper()
	st = newStore(t)
	r, err := Create(st, "m.star")
	if err != nil {
		t.Fatal(err)
	}
	s := script{t, r}
	s.open()
	s.add(&Clock{Now: "2026-11-23T09:00:00.000Z"})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	synced = r.size
	s.add(&Input{Kind: "file", Name: "notes.txt", SHA256: s.blobRef("notes\n")})
	if err := r.Push(); err != nil {
		t.Fatal(err)
	}
	r.close() // as a kill would
	journal, err = os.ReadFile(filepath.Join(st.OpenDir(r.name), journalFile))
	if err != nil {
		t.Fatal(err)
	}
	return st, r.Dir(), journal, synced
}

func TestTruncatedJournal(t *testing.T) {
	st, dir, journal, _ := interrupted(t)
	whole, err := LoadOpen(st, dir)
	if err != nil || len(whole.Lines) != 3 || whole.Dropped != 0 {
		t.Fatalf("LoadOpen = %+v, %v, want 3 lines", whole, err)
	}
	for size := len(journal) - 1; size >= 0; size-- {
		if err := os.Truncate(st.Path(dir+"/"+journalFile), int64(size)); err != nil {
			t.Fatal(err)
		}
		run, err := LoadOpen(st, dir)
		if err != nil {
			t.Fatalf("cut to %d bytes: %v", size, err)
		}
		checkPrefix(t, run, whole)
		if len(run.Lines) == len(whole.Lines) || run.Dropped > int64(size) {
			t.Errorf("cut to %d bytes: %d lines, %d bytes dropped", size, len(run.Lines), run.Dropped)
		}
	}
}

// checkPrefix demands that a cut run is the beginning of the whole one.
func checkPrefix(t *testing.T, run, whole *Run) {
	t.Helper()
	for i, line := range run.Lines {
		if i >= len(whole.Lines) || !bytes.Equal(line, whole.Lines[i]) {
			t.Fatalf("record %d of a damaged journal is not that of the whole one: %q", i, line)
		}
	}
}

func TestFlippedJournal(t *testing.T) {
	st, dir, journal, synced := interrupted(t)
	whole, err := LoadOpen(st, dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(st.Path(dir+"/"+journalFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range journal {
		flip(t, f, i, journal[i]^1<<(i%8))
		run, err := LoadOpen(st, dir)
		flip(t, f, i, journal[i])
		_, damaged := errors.AsType[*store.DamageError](err)
		switch {
		case err != nil && !damaged:
			t.Fatalf("byte %d flipped: %v", i, err)
		case damaged && int64(i) >= synced:
			t.Errorf("byte %d flipped, which was never synced: %v, want it cut", i, err)
		case !damaged && int64(i) < synced:
			t.Errorf("byte %d flipped, which was synced: no damage found", i)
		case !damaged:
			checkPrefix(t, run, whole)
			if run.Dropped == 0 {
				t.Errorf("byte %d flipped: nothing dropped", i)
			}
		}
	}
}

// A blob may hold a journal; when its frame is torn, the frames inside it
// must not be taken for the run's.
func TestJournalInsideJournal(t *testing.T) {
	_, _, inner, _ := interrupted(t)
	st := newStore(t)
	r, err := Create(st, "m.star")
	if err != nil {
		t.Fatal(err)
	}
	s := script{t, r}
	s.open()
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	s.blob(string(inner))
	if err := r.Push(); err != nil {
		t.Fatal(err)
	}
	if err := r.f.Truncate(r.size - 1); err != nil {
		t.Fatal(err)
	}
	r.close()
	run, err := LoadOpen(st, r.Dir())
	if err != nil || len(run.Lines) != 1 || run.Dropped < int64(len(inner)) {
		t.Errorf("LoadOpen = %+v, %v, want one record and the torn blob dropped", run, err)
	}
}

// crashed makes a run whose process ended when its journal was complete.
func crashed(t *testing.T, st *store.Store) (dir string, id digest.Digest) {
	t.Helper()
	r, err := Create(st, "m.star")
	if err != nil {
		t.Fatal(err)
	}
	f := script{t, r}.full()
	if err := r.Observe("seen"); err != nil {
		t.Fatal(err)
	}
	if id, err = r.appendSeal(f, store.Execution{Outcome: "failed"}); err != nil {
		t.Fatal(err)
	}
	r.close()
	return r.Dir(), id
}

func TestRecoverFinishesASeal(t *testing.T) {
	st := newStore(t)
	dir, id := crashed(t, st)
	if run, err := LoadOpen(st, dir); err != nil || run.Last != id {
		t.Fatalf("LoadOpen = %v", err)
	}
	done, err := Recover(st)
	if err != nil || len(done) != 1 || done[0].ID != id || done[0].N != 1 {
		t.Fatalf("Recover = %+v, %v, want run %s", done, err, id)
	}
	if _, err := Verify(st, id); err != nil {
		t.Error(err)
	}
	es, err := st.Executions()
	if err != nil || len(es) != 1 || es[0].Outcome != "failed" {
		t.Fatalf("Executions = %+v, %v", es, err)
	}
	if values, err := st.Observations(es[0]); err != nil || len(values) != 2 || string(values[1]) != `"seen"` {
		t.Errorf("Observations = %q, %v", values, err)
	}
	if done, err = Recover(st); err != nil || len(done) != 0 {
		t.Errorf("second Recover = %+v, %v, want nothing", done, err)
	}
}

// A crash after any step of the sealing: the steps are taken again, and
// nothing is there twice.
func TestFinishTwice(t *testing.T) {
	st := newStore(t)
	dir, id := crashed(t, st)
	for range 2 { // finish leaves the journal: as if the crash came before its removal
		s, err := finish(st, dir)
		if err != nil || s.ID != id || s.N != 1 {
			t.Fatalf("finish = %+v, %v, want run %s, execution 1", s, err, id)
		}
	}
	if _, err := Recover(st); err != nil {
		t.Fatal(err)
	}
	if es, err := st.Executions(); err != nil || len(es) != 1 {
		t.Errorf("Executions = %+v, %v, want one", es, err)
	}
}

func TestRecoverLeavesOthersAlone(t *testing.T) {
	st, dir, _, _ := interrupted(t)
	live, err := Create(st, "live")
	if err != nil {
		t.Fatal(err)
	}
	if done, err := Recover(st); err != nil || len(done) != 0 {
		t.Errorf("Recover = %+v, %v, want nothing", done, err)
	}
	open, err := st.OpenRuns()
	if err != nil || len(open) != 2 || open[0].Dir != dir || open[1].Dir != live.Dir() || !open[1].Live {
		t.Errorf("OpenRuns = %+v, %v, want the incomplete one, then the live one", open, err)
	}
	if h, err := Resolve(st, "@open"); err != nil || h.Dir != live.Dir() {
		t.Errorf("Resolve(@open) = %+v, %v, want the live one", h, err)
	}
	if err := live.Abandon("test"); err != nil {
		t.Error(err)
	}
}

func FuzzLoadOpen(f *testing.F) {
	st, dir, journal, _ := interrupted(f)
	f.Add(journal)
	f.Add(journal[:len(journal)-3])
	f.Add(journal[:journalHeader])
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(st.Path(dir+"/"+journalFile), b, 0o644); err != nil {
			t.Fatal(err)
		}
		run, err := LoadOpen(st, dir)
		if err != nil {
			return
		}
		for i, line := range run.Lines {
			if again, err := Encode(run.Records[i]); err != nil || !bytes.Equal(again, line) {
				t.Errorf("record %d: Encode(Decode(%q)) = %q, %v", i, line, again, err)
			}
		}
		if run.Dropped < 0 || run.Dropped > int64(len(b)) {
			t.Errorf("%d bytes of %d dropped", run.Dropped, len(b))
		}
	})
}
