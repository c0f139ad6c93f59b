package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
)

// BlobPath returns the slash-separated path of a blob in the store.
func BlobPath(d digest.Digest) string {
	s := d.String()
	return "blobs/sha256/" + s[:2] + "/" + s
}

// Has reports whether the store has the files of a blob called d, those of
// its pieces included. It does not check them. The answer holds for as long as
// the process uses the store ([Store.Use]). That a blob is there says nothing
// of blobs that its content names.
func (s *Store) Has(d digest.Digest) bool { return s.has(d, 2) }

// has looks at lists down to a depth: a long content is a list of parts, which
// are lists of pieces, and there is nothing deeper.
func (s *Store) has(d digest.Digest, depth int) bool {
	fi, err := os.Lstat(s.Path(BlobPath(d)))
	if err != nil {
		return false
	}
	// Only what has the size of a list can be one: digests, of a long content
	// after eight bytes.
	if list := fi.Size() - overhead; list < 2*digest.Size || list%digest.Size != 0 && list%digest.Size != 8 {
		return true
	}
	if depth == 0 {
		return true
	}
	parts, err := s.Pieces(d)
	if err != nil {
		return true // damaged, which is for verification to tell
	}
	for _, p := range parts {
		if !s.has(p, depth-1) {
			return false
		}
	}
	return true
}

// Settle makes durable that the store has the blobs, which it is known to have:
// another process may have given them their names and not synced those yet.
func (s *Store) Settle(blobs []digest.Digest) error {
	dirs := []string{s.Path("blobs/sha256")}
	seen := make(map[string]bool)
	for _, d := range blobs {
		if dir := filepath.Dir(s.Path(BlobPath(d))); !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	return durable.SyncDirs(s.Path("tmp"), dirs)
}

// Put stores b durably and returns its digest. A blob that is there already
// is not read again: [Store.Get] and verification find damage, and a damaged
// file that is removed comes back with the next Put of its content.
func (s *Store) Put(b []byte) (digest.Digest, error) {
	batch, err := s.NewBatch()
	if err != nil {
		return digest.Digest{}, err
	}
	defer batch.Discard()
	d, err := batch.Put(b)
	if err != nil {
		return digest.Digest{}, err
	}
	return d, batch.Commit()
}

// Get returns the content of blob d after checking every stored byte. What
// is missing or wrong is a [*DamageError], and so is a content above [MaxBlob],
// which [Store.GetReader] reads.
func (s *Store) Get(d digest.Digest) ([]byte, error) {
	return s.get(d, nil)
}

// Visit is [Store.Get] that calls visit with the path and size of each file
// it has read, the blob's own last.
func (s *Store) Visit(d digest.Digest, visit func(path string, size int64)) ([]byte, error) {
	return s.get(d, visit)
}

func (s *Store) get(d digest.Digest, visit func(string, int64)) ([]byte, error) {
	m, size, payload, err := s.readContainer(d, visit)
	if err != nil {
		return nil, err
	}
	var b []byte
	if m == long {
		return nil, damaged(d, bad(len(magic), "a content above %d bytes, too long to be held at once", MaxBlob))
	}
	if m == pieces {
		b, err = s.join(d, size, payload, visit)
	} else {
		b, err = s.codec.decodeSingle(m, size, payload)
	}
	if err == nil && digest.Of(b) != d {
		err = bad(overhead, "content is that of blob %s", digest.Of(b))
	}
	if err != nil {
		return nil, damaged(d, err)
	}
	return b, nil
}

// join puts the pieces of a list together.
func (s *Store) join(d digest.Digest, size int, payload []byte, visit func(string, int64)) ([]byte, error) {
	list, err := decodeList(size, payload)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, min(size, 16<<20)) // the rest as the pieces prove it
	for _, p := range list {
		m, n, payload, err := s.readContainer(p, visit)
		if err != nil {
			return nil, err
		}
		b, err := s.codec.decodeSingle(m, n, payload)
		if err == nil && digest.Of(b) != p {
			err = bad(overhead, "content is that of blob %s", digest.Of(b))
		}
		if err != nil {
			return nil, damaged(p, err)
		}
		if out = append(out, b...); len(out) > size {
			break
		}
	}
	if len(out) != size {
		return nil, bad(12, "pieces of %d bytes or more in all, want %d", len(out), size)
	}
	return out, nil
}

func (s *Store) readContainer(d digest.Digest, visit func(string, int64)) (method, int, []byte, error) {
	b, err := readLimited(s.Path(BlobPath(d)), overhead+MaxBlob/minPiece*digest.Size)
	if err != nil {
		return 0, 0, nil, damaged(d, err)
	}
	m, size, payload, err := unseal(b)
	if err != nil {
		return 0, 0, nil, damaged(d, err)
	}
	if visit != nil {
		visit(BlobPath(d), int64(len(b)))
	}
	return m, size, payload, nil
}

// readLimited reads a regular file that is not longer than limit bytes.
func readLimited(name string, limit int64) ([]byte, error) {
	st, err := os.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, bad(0, "not a regular file")
	case st.Size() > limit:
		return nil, bad(int(limit), "%d bytes, limit %d", st.Size(), limit)
	}
	return os.ReadFile(name)
}

// damaged makes a DamageError of what went wrong with blob d.
func damaged(d digest.Digest, err error) error {
	if _, ok := errors.AsType[*DamageError](err); ok {
		return err
	}
	e := &DamageError{Path: BlobPath(d), Record: -1}
	if c, ok := errors.AsType[*containerError](err); ok {
		e.Offset, e.What = c.offset, c.what
		return e
	}
	if errors.Is(err, fs.ErrNotExist) {
		e.What, e.Err = "missing", fs.ErrNotExist
		return e
	}
	return err
}
