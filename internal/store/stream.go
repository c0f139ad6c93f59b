package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/coo-runtime/coo/internal/digest"
)

// MaxLong is the length of the longest content of all, 16 TiB: 16,384 blobs.
const MaxLong = 1 << 44

// PutReader stages what r holds, of any length up to [MaxLong], and returns its
// digest and length. At most a few hundred kilobytes of it are in memory; up to
// [MaxBlob] bytes give the same containers as [Batch.Put] does.
func (t *Batch) PutReader(r io.Reader) (digest.Digest, int64, error) { return t.putReader(r, MaxBlob) }

func (t *Batch) putReader(r io.Reader, part int64) (digest.Digest, int64, error) {
	whole := sha256.New()
	r = io.TeeReader(r, whole)
	first, n, more, err := t.putPart(r, nil, part)
	if err != nil || !more {
		return first, n, err
	}
	payload := binary.BigEndian.AppendUint64(nil, 0)
	payload = append(payload, first[:]...)
	for total := n; ; total += n {
		var look [1]byte
		if _, err := io.ReadFull(r, look[:]); errors.Is(err, io.EOF) {
			return t.putLong(digest.Digest(whole.Sum(nil)), total, first, payload)
		} else if err != nil {
			return digest.Digest{}, 0, err
		}
		if total >= MaxLong {
			return digest.Digest{}, 0, fmt.Errorf("content above %d bytes", int64(MaxLong))
		}
		var d digest.Digest
		if d, n, _, err = t.putPart(r, look[:], part); err != nil {
			return digest.Digest{}, 0, err
		}
		payload = append(payload, d[:]...)
	}
}

// putLong stages the list of the parts of a long content. A content that ends
// with its first part is no long one.
func (t *Batch) putLong(d digest.Digest, size int64, first digest.Digest, payload []byte) (digest.Digest, int64, error) {
	if len(payload) == 8+digest.Size {
		return first, size, nil
	}
	if t.Has(d) {
		return d, size, nil
	}
	binary.BigEndian.PutUint64(payload, uint64(size))
	return d, size, t.add(longLists, d, seal(long, 0, payload))
}

// putPart stages up to limit bytes, those in head first, as one blob. more: the
// limit was reached, and something may follow.
func (t *Batch) putPart(r io.Reader, head []byte, limit int64) (d digest.Digest, n int64, more bool, err error) {
	c := cutter{r: io.LimitReader(io.MultiReader(bytes.NewReader(head), r), limit), sum: sha256.New()}
	var list []byte
	var only []byte
	for {
		p, err := c.next()
		if err != nil {
			return d, 0, false, err
		}
		if p == nil {
			break
		}
		if only == nil && c.ended() {
			only = p // the one piece there is
			break
		}
		only = []byte{}
		pd, err := t.putPiece(p)
		if err != nil {
			return d, 0, false, err
		}
		list = append(list, pd[:]...)
	}
	d = digest.Digest(c.sum.Sum(nil))
	switch {
	case t.Has(d):
	case len(list) == 0:
		err = t.addSingle(d, only)
	default:
		err = t.add(lists, d, seal(pieces, int(c.n), list))
	}
	return d, c.n, c.n == limit, err
}

// A cutter reads pieces, where split would cut them.
type cutter struct {
	r   io.Reader
	sum hash.Hash
	buf []byte // what is read and not cut
	mem []byte
	n   int64 // bytes cut
	eof bool
}

// cutBuffer bounds what a cutter reads ahead.
const cutBuffer = 256 << 10

// next returns the next piece, valid until the next call, and nil at the end.
func (c *cutter) next() ([]byte, error) {
	if err := c.fill(); err != nil || len(c.buf) == 0 {
		return nil, err
	}
	n := len(c.buf)
	if c.n > 0 || n > wholeBlob {
		n = cut(c.buf)
	}
	p := c.buf[:n]
	c.buf = c.buf[n:]
	c.n += int64(n)
	c.sum.Write(p)
	return p, nil
}

func (c *cutter) ended() bool { return c.eof && len(c.buf) == 0 }

// fill sees to it that there are maxPiece bytes to cut, or all that are left.
func (c *cutter) fill() error {
	if c.eof || len(c.buf) > maxPiece {
		return nil
	}
	if c.mem == nil {
		c.mem = make([]byte, cutBuffer)
	}
	kept := copy(c.mem, c.buf)
	n, err := io.ReadFull(c.r, c.mem[kept:])
	c.buf = c.mem[:kept+n]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		c.eof, err = true, nil
	}
	return err
}

// A Reader reads the content of a blob of any length, piece by piece. Every
// piece is checked before a byte of it is given out, the whole before the end is:
// what was read before [io.EOF] came is not yet proven to be the blob.
type Reader struct {
	s     *Store
	d     digest.Digest
	size  int64
	visit func(path string, size int64)
	list  []digest.Digest // pieces or parts still to come
	parts bool            // they are parts
	sub   *Reader         // the part being read
	buf   []byte
	mem   []byte
	sum   hash.Hash
	n     int64
	err   error
}

// GetReader returns a reader of the blob d. What is missing or wrong, now or
// while it reads, is a [*DamageError].
func (s *Store) GetReader(d digest.Digest) (io.Reader, error) {
	r, err := s.reader(d, nil)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Size returns the length of the content of blob d, as its container tells it.
func (s *Store) Size(d digest.Digest) (int64, error) {
	r, err := s.reader(d, nil)
	if err != nil {
		return 0, err
	}
	return r.size, nil
}

// VisitTo writes the content of blob d, of any length, to w, and calls visit with
// the path and size of each file it has read, the blob's own first.
func (s *Store) VisitTo(d digest.Digest, w io.Writer, visit func(path string, size int64)) error {
	r, err := s.reader(d, visit)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return err
}

func (s *Store) reader(d digest.Digest, visit func(string, int64)) (*Reader, error) {
	m, size, payload, err := s.readContainer(d, nil)
	if err != nil {
		return nil, err
	}
	r := &Reader{s: s, d: d, size: int64(size), sum: sha256.New(), visit: visit}
	switch m {
	case long:
		r.parts = true
		r.size, r.list, err = decodeLong(size, payload)
	case pieces:
		r.list, err = decodeList(size, payload)
	default:
		r.buf, err = s.codec.decodeSingle(m, size, payload)
		r.sum.Write(r.buf)
		r.n = int64(len(r.buf))
	}
	if err != nil {
		return nil, damaged(d, err)
	}
	if visit != nil {
		visit(BlobPath(d), int64(overhead+len(payload)))
	}
	return r, nil
}

// Size returns the length of the content.
func (r *Reader) Size() int64 { return r.size }

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.buf) == 0 && r.err == nil {
		r.err = r.more()
	}
	if len(r.buf) == 0 {
		return 0, r.err
	}
	n := copy(p, r.buf)
	r.buf = r.buf[n:]
	return n, nil
}

// more fills the buffer, or returns why it cannot.
func (r *Reader) more() error {
	if r.sub != nil {
		return r.fromPart()
	}
	if len(r.list) == 0 {
		return r.end()
	}
	next := r.list[0]
	r.list = r.list[1:]
	if !r.parts {
		return r.piece(next)
	}
	sub, err := r.s.reader(next, r.visit)
	if err != nil {
		return err
	}
	if sub.parts {
		return damaged(r.d, bad(len(magic), "a list of parts where a part is expected"))
	}
	r.sub, r.buf = sub, nil
	return nil
}

func (r *Reader) fromPart() error {
	if r.mem == nil {
		r.mem = make([]byte, maxPiece)
	}
	n, err := r.sub.Read(r.mem)
	r.give(r.mem[:n])
	if errors.Is(err, io.EOF) {
		r.sub, err = nil, nil
	}
	return err
}

func (r *Reader) piece(d digest.Digest) error {
	m, size, payload, err := r.s.readContainer(d, r.visit)
	if err != nil {
		return err
	}
	b, err := r.s.codec.decodeSingle(m, size, payload)
	if err == nil && digest.Of(b) != d {
		err = bad(overhead, "content is that of blob %s", digest.Of(b))
	}
	if err != nil {
		return damaged(d, err)
	}
	r.give(b)
	return nil
}

func (r *Reader) give(b []byte) {
	r.buf = b
	r.sum.Write(b)
	r.n += int64(len(b))
}

func (r *Reader) end() error {
	if r.n != r.size {
		return damaged(r.d, bad(12, "pieces of %d bytes in all, want %d", r.n, r.size))
	}
	if d := digest.Digest(r.sum.Sum(nil)); d != r.d {
		return damaged(r.d, bad(overhead, "content is that of blob %s", d))
	}
	return io.EOF
}
