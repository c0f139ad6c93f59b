package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
)

func TestAloneOrInUse(t *testing.T) {
	s := newStore(t)
	first, err := s.Use()
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Use()
	if err != nil {
		t.Fatal(err)
	}
	busy := func(want string) {
		t.Helper()
		_, err := s.Alone()
		if b, ok := errors.AsType[*BusyError](err); !ok || b.By != want {
			t.Errorf("Alone = %v, want %q", err, want)
		}
	}
	first()
	busy("a command is using the store")
	_, run, err := s.NewOpen()
	if err != nil {
		t.Fatal(err)
	}
	busy("a run is in progress")
	run.Unlock()
	second()
	done, err := s.Alone()
	if err != nil {
		t.Fatal(err)
	}
	busy("another collection is under way")
	done()
}

// A reader without the right to write keeps blobs from going away as well.
func TestUseOfAStoreThatCannotBeWritten(t *testing.T) {
	s := newStore(t)
	done, err := s.Alone()
	if err != nil {
		t.Fatal(err)
	}
	done()
	if err := os.Chmod(s.Path(useLock), 0o444); err != nil {
		t.Fatal(err)
	}
	done, err = s.Use()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if err := os.Chmod(s.Path(useLock), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Alone(); err == nil {
		t.Error("a reader does not count as a user")
	}
}

// A blob in pieces is there when all its pieces are: otherwise the next Put
// brings back what is missing.
func TestHasCountsPieces(t *testing.T) {
	s := newStore(t)
	b := random(40<<10, 3)
	d, err := s.Put(b)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Pieces(d)
	if err != nil || len(list) < 2 || !s.Has(d) {
		t.Fatalf("Pieces = %v, %v; Has = %v", list, err, s.Has(d))
	}
	if err := os.Remove(s.Path(BlobPath(list[1]))); err != nil {
		t.Fatal(err)
	}
	if s.Has(d) {
		t.Error("Has with a piece missing = true")
	}
	if _, err := s.Put(b); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(d); err != nil {
		t.Error(err)
	}
}

func TestRemakeReplacesDamage(t *testing.T) {
	s := newStore(t)
	b := random(40<<10, 4)
	d, err := s.Put(b)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Pieces(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []digest.Digest{d, list[0]} {
		if err := os.WriteFile(s.Path(BlobPath(x)), []byte("no container"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Remake(b); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(d); err != nil {
		t.Error(err)
	}
}

func TestRemoveBlobs(t *testing.T) {
	s := newStore(t)
	kept, err := s.Put([]byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	large, err := s.Put(random(40<<10, 5))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path("blobs/sha256/stray"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var all, strays []string
	var gone []digest.Digest
	err = s.EachBlob(func(d digest.Digest, _ int64) error {
		all = append(all, d.String())
		if d != kept {
			gone = append(gone, d)
		}
		return nil
	}, func(rel string) { strays = append(strays, rel) })
	if err != nil || !slices.IsSorted(all) || len(all) < 4 || !slices.Equal(strays, []string{"blobs/sha256/stray"}) {
		t.Fatalf("EachBlob: %v, %v, %v", all, strays, err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := s.RemoveBlobs(over, gone); len(n) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("RemoveBlobs after its end = %v, %v", n, err)
	}
	if n, err := s.RemoveBlobs(t.Context(), gone); len(n) != len(gone) || err != nil {
		t.Errorf("RemoveBlobs = %v, %v", n, err)
	}
	if s.Has(large) || !s.Has(kept) {
		t.Error("the wrong blobs are gone")
	}
	if left, _ := filepath.Glob(s.Path("blobs/sha256/*/*")); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}
