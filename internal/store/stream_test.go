package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/coo-runtime/coo/internal/digest"
)

// files returns every file of blobs with its content.
func blobFiles(t *testing.T, s *Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(s.Path("blobs"), func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			b, err := os.ReadFile(p)
			all[e.Name()] = string(b)
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	rng.Read(b)
	return b
}

// lengths lie about every limit of cutting and reading ahead.
var lengths = []int{
	0, 1, minPiece, wholeBlob - 1, wholeBlob, wholeBlob + 1, maxPiece, maxPiece + 1,
	cutBuffer - 1, cutBuffer, cutBuffer + 1, 3*cutBuffer + 17,
}

func TestPutReaderMakesTheContainersOfPut(t *testing.T) {
	for _, n := range lengths {
		for _, b := range [][]byte{noise(uint64(n), n), make([]byte, n)} {
			whole, stream := newStore(t), newStore(t)
			want, err := whole.Put(b)
			if err != nil {
				t.Fatal(err)
			}
			got, size := putReader(t, stream, iotest.HalfReader(bytes.NewReader(b)), MaxBlob)
			if got != want || size != int64(n) {
				t.Errorf("PutReader of %d bytes = %s, %d; want %s", n, got.Short(), size, want.Short())
			}
			w, g := blobFiles(t, whole), blobFiles(t, stream)
			if len(w) != len(g) {
				t.Errorf("%d bytes: PutReader makes %d files, Put %d", n, len(g), len(w))
			}
			for name, text := range w {
				if g[name] != text {
					t.Errorf("%d bytes: the container %s differs", n, name)
				}
			}
			readBack(t, stream, want, b)
		}
	}
}

func putReader(t *testing.T, s *Store, r io.Reader, part int64) (digest.Digest, int64) {
	t.Helper()
	batch, err := s.NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Discard()
	d, n, err := batch.putReader(r, part)
	if err != nil {
		t.Fatal(err)
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
	return d, n
}

func readBack(t *testing.T, s *Store, d digest.Digest, want []byte) {
	t.Helper()
	r, err := s.GetReader(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(r, want); err != nil {
		t.Errorf("reading %d bytes back: %v", len(want), err)
	}
}

// Contents longer than one list, with parts of a length that a test can afford.
func TestLongContents(t *testing.T) {
	const part = 100 << 10
	for _, n := range []int{part - 1, part, part + 1, 2 * part, 5*part + 4321} {
		s := newStore(t)
		b := noise(7, n)
		d, size := putReader(t, s, bytes.NewReader(b), part)
		if d != digest.Of(b) || size != int64(n) {
			t.Errorf("%d bytes: %s, %d; want %s", n, d.Short(), size, digest.Of(b).Short())
		}
		readBack(t, s, d, b)
		if again, _ := putReader(t, s, bytes.NewReader(b), part); again != d {
			t.Errorf("%d bytes: again %s, want %s", n, again.Short(), d.Short())
		}
		seen := map[string]bool{}
		if err := s.VisitTo(d, io.Discard, func(p string, _ int64) { seen[filepath.Base(p)] = true }); err != nil {
			t.Error(err)
		}
		for name := range blobFiles(t, s) {
			if !seen[name] {
				t.Errorf("%d bytes: VisitTo passes over %s", n, name)
			}
		}
		if _, err := s.Get(d); n > part && err == nil {
			t.Errorf("%d bytes: Get of a long content = nil, want an error", n)
		}
	}
}

// Every flipped bit of every file is found before the end comes.
func TestReaderFindsDamage(t *testing.T) {
	s := newStore(t)
	b := append(bytes.Repeat([]byte("tides "), 2000), noise(1, 30<<10)...)
	d, _ := putReader(t, s, bytes.NewReader(b), 20<<10)
	for name, text := range blobFiles(t, s) {
		file := s.Path("blobs/sha256/" + name[:2] + "/" + name)
		for _, i := range []int{0, 10, 11, 13, 18, 25, overhead, len(text) / 2, len(text) - 1} {
			bad := []byte(text)
			bad[i] ^= 4
			if err := os.WriteFile(file, bad, 0o644); err != nil {
				t.Fatal(err)
			}
			err := s.VisitTo(d, io.Discard, nil)
			if _, ok := errors.AsType[*DamageError](err); !ok {
				t.Errorf("byte %d of %s: %v, want a *DamageError", i, name, err)
			}
		}
		os.Remove(file)
		if err := s.VisitTo(d, io.Discard, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without %s: %v, want fs.ErrNotExist", name, err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// A list of other blobs under this name: only the whole digest tells.
	other, _ := putReader(t, s, bytes.NewReader(noise(2, len(b))), 20<<10)
	from := s.Path(BlobPath(other))
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path(BlobPath(d)), text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.VisitTo(d, io.Discard, nil); err == nil {
		t.Error("another content under this name = nil, want an error")
	}
}

// A batch commits on its own before its temporary files become too many.
func TestBatchCommitsInPortions(t *testing.T) {
	const many = 500
	s := newStore(t)
	batch, err := s.NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Discard()
	batch.every = 100
	for i := range many {
		if _, err := batch.Put([]byte{byte(i), byte(i >> 8), 1}); err != nil {
			t.Fatal(err)
		}
	}
	if n := batch.staged(); n >= batch.every {
		t.Errorf("%d files wait, want fewer than %d", n, batch.every)
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
	for i := range many {
		if !s.Has(digest.Of([]byte{byte(i), byte(i >> 8), 1})) {
			t.Fatalf("blob %d is missing", i)
		}
	}
}
