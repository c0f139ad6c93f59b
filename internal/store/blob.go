package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
)

// BlobPath returns the slash-separated path of a blob in the store.
func BlobPath(d digest.Digest) string {
	s := d.String()
	return "blobs/sha256/" + s[:2] + "/" + s
}

// Has reports whether the store has a blob called d. It does not read it.
func (s *Store) Has(d digest.Digest) bool {
	_, err := os.Lstat(s.Path(BlobPath(d)))
	return err == nil
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
// is missing or wrong is a [*DamageError].
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

// A Batch stores many blobs that become durable together. It is not safe
// for concurrent use.
type Batch struct {
	s    *Store
	out  *durable.Batch
	seen map[digest.Digest]struct{}
	done func()
}

// NewBatch returns an empty batch. It ends with Commit or Discard.
func (s *Store) NewBatch() (*Batch, error) {
	done, err := s.writing()
	if err != nil {
		return nil, err
	}
	return &Batch{s, durable.NewBatch(s.Path("tmp")), make(map[digest.Digest]struct{}), done}, nil
}

// Put stages b, unless the store or the batch has it, and returns its digest.
func (t *Batch) Put(b []byte) (digest.Digest, error) {
	if len(b) > MaxBlob {
		return digest.Digest{}, fmt.Errorf("blob of %d bytes: limit is %d", len(b), MaxBlob)
	}
	d := digest.Of(b)
	if t.has(d) {
		return d, nil
	}
	if len(b) <= wholeBlob {
		return d, t.add(d, t.s.codec.encodeSingle(b))
	}
	parts := split(b)
	if len(parts) == 1 {
		return d, t.add(d, t.s.codec.encodeSingle(b))
	}
	list := make([]byte, 0, len(parts)*digest.Size)
	for _, p := range parts {
		pd := digest.Of(p)
		list = append(list, pd[:]...)
		if t.has(pd) {
			continue
		}
		if err := t.add(pd, t.s.codec.encodeSingle(p)); err != nil {
			return d, err
		}
	}
	return d, t.add(d, seal(pieces, len(b), list))
}

func (t *Batch) has(d digest.Digest) bool {
	if _, ok := t.seen[d]; ok {
		return true
	}
	return t.s.Has(d)
}

func (t *Batch) add(d digest.Digest, container []byte) error {
	t.seen[d] = struct{}{}
	return t.out.Add(t.s.Path(BlobPath(d)), container, 0o644)
}

// Commit makes every staged blob durable. The batch is over.
func (t *Batch) Commit() error {
	defer t.Discard()
	return t.out.Commit()
}

// Discard removes what was staged and not committed. It may be called twice.
func (t *Batch) Discard() {
	t.out.Discard()
	if t.done != nil {
		t.done()
		t.done = nil
	}
}
