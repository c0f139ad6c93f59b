package snapshot

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/coo-runtime/coo/internal/digest"
)

// Sums are the digests of single files anywhere on the machine. A file that
// looks as it did is not read again, by the rule of the stat cache of
// snapshots (see [cache]). With a file's digest a note is remembered, which is
// as good as the file is the same.
//
// Its methods may be called by several goroutines.
type Sums struct {
	file  string // "": nothing is remembered
	start int64  // by the clock of the file system that holds file

	mu    sync.Mutex // guards the rest
	known map[string]sumRecord
	now   map[string]sumRecord // looked at since
	read  int
}

type sumRecord struct {
	record
	note string
}

// A Sum is a regular file.
type Sum struct {
	Mode     fs.FileMode
	Size     int64 // bytes
	SHA256   digest.Digest
	Dev, Ino uint64
	// Note was remembered with the file; Known is false when nothing was.
	Note  string
	Known bool
	// Since: the file was changed, or may have been, since the sums were opened.
	Since bool
}

const (
	sumsMagic = "coo.sums/0\n"
	sumsFile  = "environment" // below CacheDir

	// mostSums is how many files are remembered. When there are more, those
	// that were not looked at this time go.
	mostSums = 1 << 18
)

// OpenSums reads what is remembered in the store directory dir, and notes the
// time. With an empty dir, or one where nothing can be written, nothing is
// remembered.
func OpenSums(dir string) *Sums {
	s := &Sums{known: map[string]sumRecord{}, now: map[string]sumRecord{}}
	if dir != "" {
		dir = filepath.Join(dir, CacheDir)
		if os.MkdirAll(dir, 0o755) == nil {
			s.file = filepath.Join(dir, sumsFile)
		}
	}
	at := filepath.Dir(s.file)
	if s.file == "" {
		at = os.TempDir()
	}
	var err error
	if s.start, err = timeIn(at); err != nil {
		s.file = ""
		return s // start is 0: every file may have changed
	}
	if s.file == "" {
		return s
	}
	if b, err := os.ReadFile(s.file); err == nil {
		s.known = decodeSums(b)
	}
	return s
}

// Of returns the sum of the regular file at an absolute path.
func (s *Sums) Of(path string) (Sum, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return Sum{}, err
	}
	if !fi.Mode().IsRegular() {
		return Sum{}, &fs.PathError{Op: "read", Path: path, Err: fs.ErrInvalid}
	}
	st := statOf(fi)
	s.mu.Lock()
	r, known := s.known[path]
	s.mu.Unlock()
	if known = known && r.stat.same(st); !known {
		if r, err = readSum(path); err != nil {
			return Sum{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !known {
		s.read++
	}
	if settled(r.stat.mtime, s.start) && settled(r.stat.ctime, s.start) {
		s.now[path] = r
	}
	changed := cmp.Or(r.stat.ctime, r.stat.mtime) // a file may say that it is of tomorrow
	return Sum{
		Mode: r.stat.mode, Size: r.stat.size, SHA256: r.sum, Dev: r.stat.dev, Ino: r.stat.ino,
		Note: r.note, Known: known, Since: !settled(changed, s.start),
	}, nil
}

// Remember keeps a note with a file that was looked at.
func (s *Sums) Remember(path, note string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.now[path]; ok {
		r.note = note
		s.now[path] = r
	}
}

// Read returns how many files were read.
func (s *Sums) Read() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read
}

// readSum reads a file, and once more if it changed meanwhile.
func readSum(path string) (r sumRecord, err error) {
	for range 2 {
		if r, err = sumOnce(path); err != errChanging {
			break
		}
	}
	return r, err
}

func sumOnce(path string) (r sumRecord, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return r, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return r, err
	}
	if !fi.Mode().IsRegular() {
		return r, errChanging
	}
	before := statOf(fi)
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return r, err
	}
	if fi, err = f.Stat(); err != nil {
		return r, err
	}
	if after := statOf(fi); !after.same(before) || n != before.size {
		return r, errChanging
	}
	r.stat = before
	sum.Sum(r.sum[:0])
	return r, nil
}

// Close writes what is remembered. It is not synced: a torn file is none.
func (s *Sums) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := false
	for path, r := range s.now {
		if s.known[path] != r {
			fresh = true
			break
		}
	}
	if s.file == "" || !fresh {
		return nil
	}
	all := maps.Clone(s.known)
	maps.Copy(all, s.now)
	if len(all) > mostSums {
		all = s.now
	}
	f, err := os.CreateTemp(filepath.Dir(s.file), "tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, harmlessly, once it is renamed
	_, err = f.Write(encodeSums(all))
	if err = cmp.Or(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), s.file)
}

func encodeSums(all map[string]sumRecord) []byte {
	b := []byte(sumsMagic)
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, path := range slices.Sorted(maps.Keys(all)) {
		r := all[path]
		text(path)
		b = r.stat.append(b)
		b = append(b, r.sum[:]...)
		text(r.note)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// decodeSums returns nothing when anything is wrong with b.
func decodeSums(b []byte) map[string]sumRecord {
	none := map[string]sumRecord{}
	body := len(b) - sha256.Size
	if body < len(sumsMagic) {
		return none
	}
	if sum := sha256.Sum256(b[:body]); !bytes.Equal(sum[:], b[body:]) {
		return none
	}
	r := cacheReader{b: b[:body], s: string(b[:body])}
	if r.take(len(sumsMagic)) != sumsMagic {
		return none
	}
	n := r.count()
	all := make(map[string]sumRecord, n)
	for ; n > 0 && !r.bad; n-- {
		x := sumRecord{record: r.record()}
		x.note = r.text()
		path := x.name
		x.name = ""
		all[path] = x
	}
	if r.bad || r.at != len(r.b) {
		return none
	}
	return all
}
