package flight

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
)

// A Reader reads the lines of a sealed run and checks, line by line, that
// each is the canonical form of a record, follows from the one before and
// comes in a possible order; at the seal, count, root and freeze manifest.
type Reader struct {
	path string // for errors
	r    *bufio.Reader
	link Linker
	off  int64 // of the next line
	seal *Seal
}

// NewReader reads from r; path is what damage is reported of.
func NewReader(r io.Reader, path string) *Reader {
	return &Reader{path: path, r: bufio.NewReaderSize(r, 64<<10)}
}

// Next returns the next line, without its newline, and its record. After the
// seal it returns io.EOF if nothing follows. What is wrong is a
// [*store.DamageError]; after one, Next must not be called again.
func (r *Reader) Next() (line []byte, rec Record, err error) {
	line, err = r.line()
	if err != nil {
		return nil, nil, err
	}
	rec, err = Decode(line)
	if s, ok := rec.(*Seal); ok {
		err = r.checkSeal(s)
	}
	if err == nil {
		err = r.link.add(rec, line)
	}
	if err != nil {
		return nil, nil, r.damage(err.Error())
	}
	r.off += int64(len(line)) + 1
	return line, rec, nil
}

// Last returns the digest of the last line: after the seal, the run's ID.
func (r *Reader) Last() digest.Digest { return r.link.Last() }

func (r *Reader) line() ([]byte, error) {
	var line []byte
	for {
		part, err := r.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > MaxLine+1:
			return nil, r.damage(fmt.Sprintf("line above %d bytes", MaxLine))
		case err == bufio.ErrBufferFull:
			continue
		case err != nil && err != io.EOF:
			return nil, err
		case len(line) == 0 && r.seal != nil:
			return nil, io.EOF
		case r.seal != nil:
			return nil, r.damage("bytes after the seal")
		case len(line) == 0:
			return nil, r.damage("the run ends without a seal")
		case err == io.EOF:
			return nil, r.damage("the line has no end")
		case r.link.Len() >= MaxRecords:
			return nil, r.damage(fmt.Sprintf("more than %d records", MaxRecords))
		}
		return line[:len(line)-1], nil
	}
}

// checkSeal compares a seal with the records before it.
func (r *Reader) checkSeal(s *Seal) error {
	r.seal = s
	n, root := r.link.Len(), r.link.link.Root()
	manifest, err := r.link.order.manifest()
	switch {
	case err != nil:
		return err
	case s.Count != n:
		return fmt.Errorf("seal: count is %d, want %d", s.Count, n)
	case s.Root != root:
		return fmt.Errorf("seal: root is %s, want %s", s.Root.Short(), root.Short())
	case s.Freeze != digest.Of(manifest):
		return errors.New("seal: freeze manifest is not that of the calls")
	}
	return nil
}

func (r *Reader) damage(what string) error {
	return &store.DamageError{Path: r.path, Record: r.link.Len(), Offset: r.off, What: what}
}
