// Package store keeps the .coo directory: blobs named by their content, the
// runs by their IDs, and the executions that produced them by number.
//
//	.coo/format                            "coo.store/0\n"
//	.coo/.gitignore                        "*\n"
//	.coo/blobs/sha256/ab/ab12…             one blob in a checked container
//	.coo/runs/<id>/flight.jsonl            the records of a sealed run
//	.coo/executions.jsonl                  one line an execution, in order
//	.coo/executions/17/observations.jsonl  what was true of execution 17 only
//	.coo/open/<random>/                    a run in progress
//	.coo/tmp/                              files on their way to their names
//	.coo/locks/                            files that processes lock
//
// A blob's name is the SHA-256 of its plain content. The container (see
// docs/format/store.md) adds a checksum of every stored byte, because a
// compressed frame has bits that decode to nothing. Blobs above 8 KiB are
// lists of content-defined pieces that are blobs themselves, so a text that
// grows costs what is new in it.
//
// Any number of processes may use a store at once. Blobs and runs are
// written under temporary names, synced and renamed; two writers of one blob
// write the same bytes. Only the list of executions is locked, and what
// removes blobs is alone with the store ([Store.Use], [Store.Alone]).
package store

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/coo-runtime/coo/internal/durable"
)

// Name is the name of the store's directory, Format the first and only line
// of its file "format".
const (
	Name   = ".coo"
	Format = "coo.store/0"
)

// ErrNone is returned by [Find] and [Open] where there is no store.
var ErrNone = errors.New("no store here: coo init makes one")

// A Store is an open store. Its methods may be called from several
// goroutines and processes at once.
type Store struct {
	dir   string // the .coo directory
	codec *codec
}

// A DamageError reports bytes of a store that are not what was written.
type DamageError struct {
	Path   string // slash-separated, relative to the store's directory
	Record int64  // number of the record; -1 when it is not about one
	Offset int64  // of the first wrong byte, as far as it can be told
	What   string
	Err    error // fs.ErrNotExist when the file is missing; may be nil
}

func (e *DamageError) Error() string {
	where := e.Path
	if e.Record >= 0 {
		where += fmt.Sprintf(": record %d", e.Record)
	}
	if e.Err != nil {
		return where + ": " + e.What
	}
	return fmt.Sprintf("%s: byte %d: %s", where, e.Offset, e.What)
}

// Unwrap returns the cause that callers may ask for.
func (e *DamageError) Unwrap() error { return e.Err }

var subdirectories = []string{".", "blobs/sha256", "runs", "executions", "open", "tmp", "locks"}

// Init makes the store dir/.coo, durably, and reports whether it was new. An
// existing one is opened.
func Init(dir string) (s *Store, created bool, err error) {
	root := filepath.Join(dir, Name)
	if _, err := os.Stat(filepath.Join(root, "format")); err == nil {
		s, err := Open(dir)
		return s, false, err
	}
	for _, sub := range subdirectories {
		if err := durable.MkdirAll(filepath.Join(root, filepath.FromSlash(sub)), 0o755); err != nil {
			return nil, false, err
		}
	}
	// Whoever collects takes temporary files for leftovers.
	use, err := (&Store{dir: root}).Use()
	if err != nil {
		return nil, false, err
	}
	defer use()
	// The format comes last: what has one is complete.
	for _, f := range [][2]string{{".gitignore", "*\n"}, {"format", Format + "\n"}} {
		if err := durable.WriteFile(filepath.Join(root, f[0]), []byte(f[1]), 0o644); err != nil {
			return nil, false, err
		}
	}
	s, err = Open(dir)
	return s, err == nil, err
}

// Open opens the store dir/.coo, or dir itself if that is one.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir) // or no place could be told from it
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, Name)
	if _, err := os.Stat(root); err != nil {
		root = dir
	}
	b, err := os.ReadFile(filepath.Join(root, "format"))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, ErrNone
	case err != nil:
		return nil, err
	case string(b) != Format+"\n":
		name, _, _ := strings.Cut(string(b), "\n")
		if !isFormat(string(b)) {
			i := 0
			for i < min(len(b), len(Format)) && b[i] == Format[i] {
				i++
			}
			return nil, &DamageError{Path: "format", Record: -1, Offset: int64(i), What: fmt.Sprintf("is %.40q, want %q", b, Format+"\n")}
		}
		return nil, fmt.Errorf("store: format is %.40q, this coo reads %q", name, Format)
	}
	return &Store{dir: root, codec: newCodec()}, nil
}

// isFormat reports whether a file "format" names one, of whatever version.
func isFormat(s string) bool {
	version, ok := strings.CutPrefix(s, Format[:len(Format)-1])
	version, ends := strings.CutSuffix(version, "\n")
	return ok && ends && version != "" && strings.Trim(version, "0123456789") == ""
}

// Find opens the nearest store in from or above it.
func Find(from string) (*Store, error) {
	dir, err := filepath.Abs(from)
	if err != nil {
		return nil, err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, Name, "format")); err == nil {
			return Open(dir)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil, ErrNone
		}
		dir = parent
	}
}

// Dir returns the store's directory, the one called .coo.
func (s *Store) Dir() string { return s.dir }

// Path returns the system's name of a slash-separated path in the store.
func (s *Store) Path(rel string) string { return filepath.Join(s.dir, filepath.FromSlash(rel)) }

// tempDir makes a new directory in tmp and returns its path.
func (s *Store) tempDir() (string, error) { return os.MkdirTemp(s.Path("tmp"), "dir-*") }

// writing says that this process writes temporary files, until done is called.
func (s *Store) writing() (done func(), err error) {
	l, err := durable.Shared(s.Path("locks/tmp"))
	if err != nil {
		return nil, err
	}
	return func() { l.Unlock() }, nil
}

// TempDir makes a directory in tmp, in which others may stage what gets its name in
// the store by a rename. Until done is called, which removes what is left of it,
// nobody takes it for a leftover.
func (s *Store) TempDir() (dir string, done func(), err error) {
	unlock, err := s.writing()
	if err != nil {
		return "", nil, err
	}
	if dir, err = s.tempDir(); err != nil {
		unlock()
		return "", nil, err
	}
	return dir, func() {
		os.RemoveAll(dir) // what stays is swept
		unlock()
	}, nil
}

// Sweep removes what killed processes have left in tmp, if nobody is writing now.
func (s *Store) Sweep() error {
	l, err := durable.TryLock(s.Path("locks/tmp"))
	if errors.Is(err, durable.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Unlock()
	entries, err := os.ReadDir(s.Path("tmp"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(s.Path(path.Join("tmp", e.Name()))); err != nil {
			return err
		}
	}
	return nil
}

// NewOpen makes the directory of a run in progress, locks it for this
// process, and returns its random name.
func (s *Store) NewOpen() (name string, l *durable.Lock, err error) {
	var b [8]byte
	rand.Read(b[:])
	name = hex.EncodeToString(b[:])
	if err := os.Mkdir(s.OpenDir(name), 0o755); err != nil {
		return "", nil, err
	}
	l, err = durable.Exclusive(filepath.Join(s.OpenDir(name), "lock"))
	return name, l, err
}

// OpenDir returns the directory of the named run in progress.
func (s *Store) OpenDir(name string) string { return s.Path("open/" + name) }

// DropOpen removes the directory of a run in progress, a path in the store
// that begins with open/: at once under its name, then file by file. It is not
// synced: what a power cut brings back, whole or in part, is of a run that is
// listed, and is dropped again.
func (s *Store) DropOpen(dir string) error {
	gone := s.Path("tmp/gone-" + path.Base(dir))
	err := os.Rename(s.Path(dir), gone)
	if errors.Is(err, os.ErrNotExist) {
		return nil // another process has finished the same run
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(gone)
}
