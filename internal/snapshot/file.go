package snapshot

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/workspace"
)

// wholeFile is the length up to which a file is read into memory, in bytes. A
// longer one is streamed.
const wholeFile = 1 << 20

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

var (
	errSecret   = errors.New("holds a secret")
	errChanging = errors.New(Changing)
)

// A storeError is one of the store: it ends the walk, where one of the file is a
// problem of that file.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }

// file stores a regular file, from the cache if that knows it.
func (w *walker) file(root *os.Root, path, name string, fi fs.FileInfo, known *record, e *Entry, r *record) {
	s := statOf(fi)
	var sum digest.Digest
	if known != nil && known.stat.same(s) && (w.old.sound[known.sum[0]] || w.batch.Has(known.sum)) {
		sum = known.sum
	} else {
		var err error
		if sum, s, err = w.readTwice(root, name); err != nil {
			w.unread(path, err)
			return
		}
	}
	*e = Entry{Type: File, Name: name, Mode: workspace.FormatPerm(s.mode), SHA256: sum, Size: s.size}
	if w.old.file != "" && w.old.settled(s) {
		*r = record{name, s, sum}
	}
	if s.links > 1 {
		w.mu.Lock()
		w.notes = append(w.notes, Problem{path, HardLink})
		w.mu.Unlock()
	}
}

// unread says why a file is not in the tree.
func (w *walker) unread(path string, err error) {
	var se *storeError
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.As(err, &se):
		w.fail(se.err)
	case errors.Is(err, errSecret):
		w.mu.Lock()
		w.secrets = append(w.secrets, path)
		w.mu.Unlock()
	case errors.Is(err, errChanging):
		w.problem(path, Changing)
	default:
		w.problem(path, Unreadable)
	}
}

// readTwice reads a file, and once more if it changed meanwhile.
func (w *walker) readTwice(root *os.Root, name string) (sum digest.Digest, s stat, err error) {
	for range 2 {
		if sum, s, err = w.readOnce(root, name); !errors.Is(err, errChanging) {
			break
		}
	}
	return sum, s, err
}

// reading is called in the middle of every reading of a file; tests set it.
var reading func(name string)

func (w *walker) readOnce(root *os.Root, name string) (digest.Digest, stat, error) {
	fail := func(err error) (digest.Digest, stat, error) { return digest.Digest{}, stat{}, err }
	outer, err := root.Lstat(name)
	if err != nil {
		return fail(err)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	switch {
	case err != nil:
		return fail(err)
	case !fi.Mode().IsRegular() || !os.SameFile(outer, fi):
		return fail(errChanging)
	}
	before := statOf(fi)
	w.mu.Lock()
	w.read++
	w.mu.Unlock()
	sum, n, err := w.content(f, before.size)
	if err != nil {
		return fail(err)
	}
	if fi, err = f.Stat(); err != nil {
		return fail(err)
	}
	if after := statOf(fi); !after.same(before) || n != before.size {
		return fail(errChanging)
	}
	return sum, before, nil
}

// content stores what is in an open file.
func (w *walker) content(f *os.File, size int64) (digest.Digest, int64, error) {
	if size > wholeFile {
		return w.stream(f)
	}
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	b.Grow(int(size) + bytes.MinRead)
	n, err := b.ReadFrom(io.LimitReader(f, wholeFile+1))
	if reading != nil {
		reading(f.Name())
	}
	if err != nil {
		return digest.Digest{}, 0, err
	}
	if w.opts.Scan != nil {
		s := w.opts.Scan()
		if _, err := s.Write(b.Bytes()); err != nil || s.Found() {
			return digest.Digest{}, 0, errors.Join(errSecret, err)
		}
	}
	sum, err := w.batch.Put(b.Bytes())
	if err != nil {
		return digest.Digest{}, 0, &storeError{err}
	}
	return sum, n, nil
}

// stream stores a long file. It is scanned before any of it is stored, and again
// while it is: it may have changed.
func (w *walker) stream(f *os.File) (digest.Digest, int64, error) {
	var r io.Reader = &fileReader{f: f}
	if w.opts.Scan != nil {
		if _, err := io.Copy(io.Discard, &fileReader{f: f, scan: w.opts.Scan()}); err != nil {
			return digest.Digest{}, 0, err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return digest.Digest{}, 0, err
		}
		r = &fileReader{f: f, scan: w.opts.Scan()}
	}
	sum, n, err := w.batch.PutReader(r)
	if reading != nil {
		reading(f.Name())
	}
	if errors.Is(err, errSecret) {
		return digest.Digest{}, 0, err
	}
	if fr := r.(*fileReader); err != nil && fr.err != nil {
		return digest.Digest{}, 0, fr.err
	}
	if err != nil {
		return digest.Digest{}, 0, &storeError{err}
	}
	return sum, n, nil
}

// A fileReader tells a file's errors from the store's, and gives nothing on in
// which its scanner finds a secret.
type fileReader struct {
	f    *os.File
	scan Scanner
	err  error
}

func (r *fileReader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	if r.scan == nil || n == 0 {
		return n, err
	}
	if _, err := r.scan.Write(p[:n]); err != nil || r.scan.Found() {
		r.err = errSecret
		return 0, errSecret
	}
	return n, err
}
