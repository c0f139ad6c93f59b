package snapshot

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A walker goes through a directory with several goroutines. The tree it makes
// does not depend on their order.
type walker struct {
	st    *store.Store
	batch *store.Batch
	opts  Options
	old   *cache
	slots chan struct{} // one for each goroutine besides the first

	tree digest.Digest

	mu       sync.Mutex // guards what follows
	err      error      // the first that ends the walk
	dirs     map[string][]record
	known    int // records in dirs
	problems []Problem
	notes    []Problem
	secrets  []string
	outside  []string // the topmost paths that ignore rules name
	files    int
	bytes    int64
	read     int
}

func newWalker(st *store.Store, batch *store.Batch, opts Options) *walker {
	workers := opts.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return &walker{st: st, batch: batch, opts: opts, slots: make(chan struct{}, workers-1), dirs: map[string][]record{}}
}

// A place is a directory on the way down.
type place struct {
	path string
	// Ruled: ignore files name it, and only what the other tree has is looked at.
	ruled bool
}

// A side is a directory of another tree that is walked along: what is in it is
// looked at, whatever the ignore files say.
type side struct {
	entries []Entry
	ig      *ignorer
	path    string
}

func (w *walker) side(parent *ignorer, path string, tree digest.Digest) (*side, error) {
	entries, err := readTree(w.st, tree)
	if err != nil {
		return nil, err
	}
	s := &side{entries: entries, ig: parent, path: path}
	if e := find(entries, IgnoreFile); e != nil && e.Type == File && e.Size <= maxIgnore {
		text, err := w.st.Get(e.SHA256)
		if err != nil {
			return nil, err
		}
		s.ig = parseIgnore(parent, path, text)
	}
	return s, nil
}

// child returns the directory of that name on the other side, or nil.
func (w *walker) child(s *side, name string) (*side, error) {
	if s == nil {
		return nil, nil
	}
	e := find(s.entries, name)
	if e == nil || e.Type != Dir {
		return nil, nil
	}
	return w.side(s.ig, join(s.path, name), e.SHA256)
}

// do runs f in another goroutine if one is free, else here.
func (w *walker) do(wg *sync.WaitGroup, f func()) {
	select {
	case w.slots <- struct{}{}:
		wg.Go(func() {
			defer func() { <-w.slots }()
			f()
		})
	default:
		f()
	}
}

// fail ends the walk.
func (w *walker) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

func (w *walker) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}

func (w *walker) problem(path, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, Problem{path, what})
}

func (w *walker) leave(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outside = append(w.outside, path)
}

// A listing is the content of one directory on its way to a tree's object. Every
// goroutine has elements of its own.
type listing struct {
	entries []Entry  // of the same length as names; an empty name: not in the tree
	records []record // as entries, for files that may be cached
}

// files of a directory that one goroutine takes at once.
const batchOfFiles = 64

// dir stores a directory and returns its digest, or false if it is not readable or
// the walk has ended.
func (w *walker) dir(root *os.Root, at place, ig *ignorer, also *side) (digest.Digest, bool) {
	found, err := list(root)
	if err != nil {
		w.problem(at.path, Unreadable)
		return digest.Digest{}, false
	}
	ig = w.ignoreFile(root, at, ig, found)
	inside := w.inside(at, ig, also, found)
	l := listing{make([]Entry, len(inside)), make([]record, len(inside))}
	cached := w.old.known.dirs[at.path]
	var wg sync.WaitGroup
	for next := 0; next < len(inside); {
		from, end := next, next+1
		if inside[from].IsDir() {
			w.do(&wg, func() { w.subdir(root, at, inside[from].Name(), ig, also, &l.entries[from]) })
			next = end
			continue
		}
		for end < len(inside) && end-from < batchOfFiles && !inside[end].IsDir() {
			end++
		}
		w.do(&wg, func() {
			for k := from; k < end && !w.failed(); k++ {
				name := inside[k].Name()
				w.leaf(root, join(at.path, name), name, cached, &l.entries[k], &l.records[k])
			}
		})
		next = end
	}
	wg.Wait()
	return w.finish(at, l)
}

// list returns the entries of an open directory, sorted by name.
func list(root *os.Root) ([]fs.DirEntry, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return found, nil
}

// ignoreFile adds the rules of the directory's own ignore file.
func (w *walker) ignoreFile(root *os.Root, at place, ig *ignorer, found []fs.DirEntry) *ignorer {
	_, ok := slices.BinarySearchFunc(found, IgnoreFile, func(e fs.DirEntry, name string) int { return strings.Compare(e.Name(), name) })
	if !ok {
		return ig
	}
	path := join(at.path, IgnoreFile)
	fi, err := root.Lstat(IgnoreFile)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxIgnore {
		w.problem(path, BadIgnore)
		return ig
	}
	f, err := root.OpenFile(IgnoreFile, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return ig // named when it is read as a file
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxIgnore))
	if err != nil {
		return ig
	}
	return parseIgnore(ig, at.path, text)
}

// inside returns the entries that belong to the snapshot, as far as names tell.
func (w *walker) inside(at place, ig *ignorer, also *side, found []fs.DirEntry) []fs.DirEntry {
	kept := found[:0]
	for _, e := range found {
		name := e.Name()
		path := join(at.path, name)
		switch {
		case workspace.Ignored(name), !also.wants(e) && (at.ruled || ruledOut(ig, also, path, name, e.IsDir())):
			w.leave(path)
		case !utf8.ValidString(name):
			w.problem(path, BadName)
		case w.secretIn(name):
			w.hold(path)
		case len(path) > workspace.MaxTreePath || strings.Count(path, "/") >= workspace.MaxTreeDepth:
			w.problem(path, TooLong)
		default:
			kept = append(kept, e)
		}
	}
	return kept
}

// secretIn reports whether a name or target holds a known secret: it would
// stand in a tree.
func (w *walker) secretIn(text string) bool {
	if w.opts.Scan == nil {
		return false
	}
	s := w.opts.Scan()
	_, err := io.WriteString(s, text)
	return err == nil && s.Found()
}

// hold notes a path that is left out for a secret.
func (w *walker) hold(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets = append(w.secrets, path)
}

// wants reports whether an entry is looked at for the sake of the other tree. A
// directory where that has none is not: what is in it would be in nobody's way.
func (s *side) wants(e fs.DirEntry) bool {
	if s == nil {
		return false
	}
	other := find(s.entries, e.Name())
	return other != nil && (other.Type == Dir || !e.IsDir())
}

// ruledOut reports whether the ignore files of either side name a path.
func ruledOut(ig *ignorer, also *side, path, name string, dir bool) bool {
	return ig.ignored(path, name, dir) || also != nil && also.ig.ignored(path, name, dir)
}

// subdir stores a directory below root.
func (w *walker) subdir(root *os.Root, at place, name string, ig *ignorer, also *side, e *Entry) {
	path := join(at.path, name)
	fi, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return // it went since the names were read
	}
	if err != nil || !fi.IsDir() {
		w.problem(path, Changing)
		return
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		w.problem(path, Unreadable)
		return
	}
	defer sub.Close()
	now, err := sub.Stat(".")
	if err != nil {
		w.problem(path, Unreadable)
		return
	}
	if !os.SameFile(fi, now) {
		w.problem(path, Changing) // a link took its place
		return
	}
	next, err := w.child(also, name)
	if err != nil {
		w.fail(err)
		return
	}
	below := place{path, at.ruled || next != nil && ruledOut(ig, also, path, name, true)}
	if sum, ok := w.dir(sub, below, ig, next); ok {
		*e = Entry{Type: Dir, Name: name, Mode: workspace.FormatPerm(fi.Mode()), SHA256: sum}
	}
}

// leaf stores what is not a directory.
func (w *walker) leaf(root *os.Root, path, name string, cached []record, e *Entry, r *record) {
	fi, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		w.problem(path, Unreadable)
		return
	}
	if slices.ContainsFunc(w.opts.Omit, func(o fs.FileInfo) bool { return os.SameFile(o, fi) }) {
		return
	}
	switch mode := fi.Mode(); {
	case mode.IsRegular():
		w.file(root, path, name, fi, lookup(cached, name), e, r)
	case mode&fs.ModeSymlink != 0:
		target, err := root.Readlink(name)
		switch target = filepath.ToSlash(target); {
		case err != nil:
			w.problem(path, Changing)
		case !goodTarget(target):
			w.problem(path, BadTarget)
		case w.secretIn(target):
			w.hold(path)
		default:
			*e = Entry{Type: Link, Name: name, Target: target}
		}
	case mode.IsDir():
		w.problem(path, Changing)
	default:
		w.problem(path, kindOf(mode))
	}
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSocket != 0:
		return Socket
	case mode&fs.ModeNamedPipe != 0:
		return Pipe
	}
	return Device
}

// finish stores the object of a directory.
func (w *walker) finish(at place, l listing) (digest.Digest, bool) {
	if w.failed() {
		return digest.Digest{}, false
	}
	entries := slices.DeleteFunc(l.entries, func(e Entry) bool { return e.Name == "" })
	records := slices.DeleteFunc(l.records, func(r record) bool { return r.name == "" })
	sum, err := w.batch.Put(encodeTree(entries))
	if err != nil {
		w.fail(err)
		return digest.Digest{}, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(records) > 0 {
		w.dirs[at.path] = records
		w.known += len(records)
	}
	for i := range entries {
		if entries[i].Type == File {
			w.files++
			w.bytes += entries[i].Size
		}
	}
	return sum, true
}
