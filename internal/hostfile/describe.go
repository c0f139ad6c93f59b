// Package hostfile describes files of this machine for an environment
// manifest (package environment): which links lead to them, what is in them,
// and, where that can be told, the package that installed them.
package hostfile

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/coo-runtime/coo/internal/environment"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A Used file is one that a program has used: its path as the program named
// it, and which file that was for it.
type Used struct {
	Path     string
	Dev, Ino uint64
}

// Options say what is described.
type Options struct {
	Sums *snapshot.Sums
	// Inside reports whether what is at a path, which no link leads through, is
	// of the workspace: that is not described. nil: nothing is.
	Inside func(path string) bool
	// Secret reports whether text holds a known secret; nil: none is known.
	Secret func(text []byte) bool
}

// Describe returns the manifest of used files. One that is not at its path for
// everybody, but was shown to the program there, is not in it: coo made it, or
// it was in a directory for temporary files of the program's own. Nor is one
// that the program alone has seen, and removed, or was not permitted to read.
func Describe(used []Used, o Options) *environment.Manifest {
	w := newDescriber(o)
	for _, u := range used {
		w.use(u)
	}
	w.look()
	w.name()
	return w.manifest()
}

// Today returns what is at the paths of a manifest. What is not there, or
// cannot be read, is not in it.
func Today(m *environment.Manifest, sums *snapshot.Sums) *environment.Manifest {
	w := newDescriber(Options{Sums: sums})
	for i := range m.Files {
		w.at(m.Files[i].Path)
	}
	for i := range m.Links {
		w.at(m.Links[i].Path)
	}
	w.look()
	w.name()
	now := w.manifest()
	for i := range now.Files {
		now.Files[i].Changed = false // no program has run
	}
	return now
}

// A describer gathers what a manifest has.
type describer struct {
	Options
	walk    *walk
	files   []*found
	told    map[string]bool   // paths of files
	links   map[string]string // by their paths
	omitted int64
}

// A found file is a regular file at its own path.
type found struct {
	path string
	want *Used // what the program has used; nil: whatever it is
	sum  snapshot.Sum
	err  error
	by   *environment.Package
}

func newDescriber(o Options) *describer {
	return &describer{Options: o, walk: newWalk(), told: map[string]bool{}, links: map[string]string{}}
}

// use notes a file that a program has used.
func (w *describer) use(u Used) {
	path, via, ok := w.walk.resolve(u.Path)
	switch {
	case !ok:
		return // it was the program's, and is gone with it
	case special(path) || w.Inside != nil && w.Inside(path):
		return
	case !w.tellable(path):
		w.omitted++
		return
	}
	w.add(path, &u)
	for _, l := range via {
		if (w.Inside == nil || !w.Inside(l.Path)) && w.tellable(l.Path) && w.tellable(l.Link) {
			w.links[l.Path] = l.Link
		}
	}
}

// special reports whether the kernel makes up what is at a path: it is nobody's
// installation, and reading it may take for ever.
func special(path string) bool {
	return slices.ContainsFunc([]string{"/proc/", "/sys/", "/dev/"}, func(p string) bool { return strings.HasPrefix(path, p) })
}

func (w *describer) add(path string, want *Used) {
	if !w.told[path] && !special(path) {
		w.told[path] = true
		w.files = append(w.files, &found{path: path, want: want})
	}
}

// at notes what is at a path.
func (w *describer) at(path string) {
	if to, err := os.Readlink(path); err == nil {
		w.links[path] = to
		return
	}
	w.add(path, nil)
}

func (w *describer) tellable(text string) bool {
	return environment.Tellable(text) && (w.Secret == nil || !w.Secret([]byte(text)))
}

// look looks at the files, several at the same time.
func (w *describer) look() {
	var wg sync.WaitGroup
	next := make(chan *found)
	for range min(runtime.GOMAXPROCS(0), len(w.files)) {
		wg.Go(func() {
			for f := range next {
				f.sum, f.err = w.Sums.Of(f.path)
				if f.err == nil && w.secret(f) {
					f.err = errSecret
				}
			}
		})
	}
	for _, f := range w.files {
		next <- f
	}
	close(next)
	wg.Wait()
}

// name finds the packages of the files that were not seen before.
func (w *describer) name() {
	var fresh []string
	for _, f := range w.files {
		switch {
		case f.err != nil:
		case f.sum.Known:
			f.by = parsePackage(f.sum.Note)
		default:
			fresh = append(fresh, f.path)
		}
	}
	if len(fresh) == 0 {
		return
	}
	by := packagesOf(fresh)
	for _, f := range w.files {
		if f.err == nil && !f.sum.Known {
			f.by = by[f.path]
			w.Sums.Remember(f.path, formatPackage(f.by))
		}
	}
}

// manifest puts together what was found.
func (w *describer) manifest() *environment.Manifest {
	m := &environment.Manifest{Omitted: w.omitted}
	room := environment.MaxBytes
	for _, path := range slices.Sorted(maps.Keys(w.links)) {
		to := w.links[path]
		if room -= length(path, to); room < 0 || len(m.Links) >= environment.MaxEntries/2 {
			break // of what follows the files are told, as far as there is room
		}
		m.Links = append(m.Links, environment.Link{Link: to, Path: path})
	}
	slices.SortFunc(w.files, func(a, b *found) int { return strings.Compare(a.path, b.path) })
	for _, f := range w.files {
		switch {
		case f.err != nil && (f.want == nil || errors.Is(f.err, fs.ErrPermission) || errors.Is(f.err, fs.ErrNotExist)):
			continue
		case f.err == nil && f.want != nil && (f.sum.Dev != f.want.Dev || f.sum.Ino != f.want.Ino):
			continue
		}
		room -= length(f.path, formatPackage(f.by))
		if f.err != nil || room < 0 || len(m.Files)+len(m.Links) >= environment.MaxEntries {
			m.Omitted++
			continue
		}
		m.Files = append(m.Files, environment.File{
			Changed: f.sum.Since, Mode: workspace.FormatPerm(f.sum.Mode), Package: f.by,
			Path: f.path, SHA256: f.sum.SHA256, Size: f.sum.Size,
		})
	}
	return m
}

// length is more than the line of an entry takes that holds these texts: an
// escaped byte is six.
func length(texts ...string) int {
	n := 300
	for _, s := range texts {
		n += 6 * len(s)
	}
	return n
}

// maxPrivate is the length in bytes up to which a file that only its owner may
// read is searched for secrets.
const maxPrivate = 1 << 20

var errSecret = errors.New("holds a secret")

// secret reports whether a file that only its owner may read holds a known
// secret: not even its digest is told then.
func (w *describer) secret(f *found) bool {
	if w.Secret == nil || f.sum.Mode.Perm()&0o077 != 0 || f.sum.Size > maxPrivate {
		return false
	}
	b, err := os.ReadFile(f.path)
	return err == nil && w.Secret(b)
}
