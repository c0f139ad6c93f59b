package rollback

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A bed is a store, a workspace, and two trees that the workspace had.
type bed struct {
	st          *store.Store
	dir         *workspace.Dir
	path        string
	first, last digest.Digest
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *bed) take(t *testing.T) digest.Digest {
	t.Helper()
	s, err := snapshot.Take(b.path, b.st, snapshot.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Tree
}

func newBed(t *testing.T) *bed {
	t.Helper()
	root := t.TempDir()
	b := &bed{path: filepath.Join(root, "ws")}
	var err error
	if b.st, _, err = store.Init(root); err != nil {
		t.Fatal(err)
	}
	write(t, b.path, map[string]string{"a.txt": "a", "gone.txt": "gone", "d/b.txt": "b"})
	b.first = b.take(t)
	write(t, b.path, map[string]string{"a.txt": "changed", "new/c.txt": "c"})
	if err := os.Remove(filepath.Join(b.path, "gone.txt")); err != nil {
		t.Fatal(err)
	}
	b.last = b.take(t)
	if b.dir, err = workspace.OpenDir(b.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.dir.Close() })
	return b
}

func (b *bed) config(expected, target digest.Digest) Config {
	return Config{Store: b.st, Dir: b.dir, Execution: 1, To: "baseline", Expected: expected, Target: target}
}

func (b *bed) do(t *testing.T, c Config, force bool) (*Entry, error) {
	t.Helper()
	p, err := Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	return p.Do(force)
}

func TestThereAndBack(t *testing.T) {
	b := newBed(t)
	e, err := b.do(t, b.config(b.last, b.first), false)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.take(t); got != b.first {
		t.Error("the workspace is not what it was")
	}
	if e.N != 1 || e.From != b.last || e.Target != b.first || len(e.Changes) != 4 {
		t.Errorf("entry = %+v", e)
	}
	c := b.config(e.Target, e.From)
	c.To, c.Undoes = "undo", &e.N
	if _, err := b.do(t, c, false); err != nil {
		t.Fatal(err)
	}
	if got := b.take(t); got != b.last {
		t.Error("the rollback is not undone")
	}
	entries, err := Log(b.st)
	if err != nil || len(entries) != 2 {
		t.Fatalf("Log = %v, %v", entries, err)
	}
	if _, ok := LastDone(entries); ok {
		t.Error("there is still a rollback to undo")
	}
	if e, err := b.do(t, b.config(b.last, b.last), false); e != nil || err != nil {
		t.Errorf("nothing to do: %v, %v", e, err)
	}
}

func TestUnrecordedChangesAreNotLost(t *testing.T) {
	b := newBed(t)
	write(t, b.path, map[string]string{"a.txt": "mine", "mine.txt": "mine"})
	mine := b.take(t)
	_, err := b.do(t, b.config(b.last, b.first), false)
	e, ok := errors.AsType[*ChangedError](err)
	if !ok || len(e.Lost) != 2 || e.Lost[0].Path != "a.txt" || e.Lost[1].Path != "mine.txt" {
		t.Fatalf("Do = %v (%+v)", err, e)
	}
	if got := b.take(t); got != mine {
		t.Error("a refused rollback has changed something")
	}
	done, err := b.do(t, b.config(b.last, b.first), true)
	if err != nil || done.From != mine {
		t.Fatalf("forced: %+v, %v", done, err)
	}
	// Nothing unrecorded is there now: no force is needed to go on.
	if _, err := b.do(t, b.config(b.last, mine), false); err != nil {
		t.Fatal(err)
	}
	if got := b.take(t); got != mine {
		t.Error("what was there is not back")
	}
}

// A crash between the intent and its end, wherever the workspace is then: the
// rollback is finished by Recover, and its entry stays.
func TestRecoverFinishes(t *testing.T) {
	b := newBed(t)
	p, err := Prepare(b.config(b.last, b.first))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.intend(); err != nil {
		t.Fatal(err)
	}
	p.Close()
	r, err := Recover(b.st)
	if err != nil || len(r) != 1 {
		t.Fatalf("Recover = %+v, %v", r, err)
	}
	want := b.last
	if r[0].Finished {
		want = b.first
	}
	if got := b.take(t); got != want {
		t.Errorf("Recover says finished: %v, and the workspace is something else", r[0].Finished)
	}
	entries, err := Log(b.st)
	if err != nil || (len(entries) == 1) != r[0].Finished {
		t.Errorf("finished: %v, and the log has %d entries, %v", r[0].Finished, len(entries), err)
	}
	if again, err := Recover(b.st); err != nil || len(again) != 0 {
		t.Errorf("Recover again = %+v, %v", again, err)
	}
}

// A changed bit anywhere in the log but the last entry's is found, and so are
// entries that are missing.
func TestChangedLogIsFound(t *testing.T) {
	b := newBed(t)
	for _, to := range []digest.Digest{b.first, b.last, b.first} {
		if _, err := b.do(t, b.config(b.take(t), to), false); err != nil {
			t.Fatal(err)
		}
	}
	for n := int64(1); n < 3; n++ {
		name := b.st.Path(entryDir(n) + "/" + entryFile)
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(whole)*8; i += 31 {
			flipped := append([]byte(nil), whole...)
			flipped[i/8] ^= 1 << (i % 8)
			if err := os.WriteFile(name, flipped, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Log(b.st); err == nil {
				t.Fatalf("entry %d: bit %d changed, and nobody noticed", n, i)
			}
		}
		if err := os.WriteFile(name, whole, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(b.st.Path(entryDir(2))); err != nil {
		t.Fatal(err)
	}
	if _, err := Log(b.st); err == nil {
		t.Error("an entry is missing, and nobody noticed")
	}
}
