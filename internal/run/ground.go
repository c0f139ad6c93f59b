package run

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A Ground is where programs work.
type Ground interface {
	// Enter makes a directory hold what files show, and keeps its state. The
	// program finds the given files in it, which are no part of that state.
	// The directory is the program's alone until Leave.
	Enter(files *workspace.Overlay, given []sandbox.Given) (*Site, error)
}

// A Site is a directory that a program works in.
type Site struct {
	Dir      string          // as the program sees it
	Over     string          // what is shown there instead; "" is Dir itself
	Keep     []string        // what of Dir is shown in Over too, read-only
	Fresh    []string        // directories in Dir that are empty at the start, and as they were after
	Given    []sandbox.Given // what is shown in the place of files in Dir, read-only
	Unlisted []fs.FileInfo   // files in Dir that are not seen there, as no tree has them
	Outside  []string        // what of Dir no tree has: it is seen as it is, with its times
	Before   digest.Digest   // the tree that is there
	objs     snapshot.Getter
	after    func() (*snapshot.Snapshot, error)
	leave    func() error
}

// After returns the tree that is there now.
func (s *Site) After() (*snapshot.Snapshot, error) { return s.after() }

// Leave gives the directory back.
func (s *Site) Leave() error {
	if s.leave == nil {
		return nil
	}
	return s.leave()
}

// InPlace lets a program work in the workspace itself, as it would without
// coo.
type InPlace struct {
	Store   *store.Store
	Dir     string
	Base    digest.Digest // its tree
	Exact   bool          // level deterministic: caches are empty, which no replay could fill
	Bind    bool          // what is given can be shown in the place of what is there
	Options snapshot.Options
}

// Enter implements [Ground]; there is nothing to show but the directory, and
// in it what is given.
func (g InPlace) Enter(_ *workspace.Overlay, given []sandbox.Given) (*Site, error) {
	s := &Site{
		Dir: g.Dir, Before: g.Base, objs: g.Store,
		after:    func() (*snapshot.Snapshot, error) { return snapshot.Take(g.Dir, g.Store, g.Options) },
		Unlisted: g.Options.Omit,
	}
	if g.Bind {
		s.Given = given
	}
	if !g.Exact {
		return s, nil
	}
	all, err := snapshot.Outside(g.Dir)
	if err != nil {
		return nil, err
	}
	s.Outside = withoutBytecode(all)
	for _, path := range all {
		fi, err := os.Lstat(filepath.Join(g.Dir, filepath.FromSlash(path)))
		if err == nil && fi.IsDir() && isCache(filepath.Base(path)) {
			s.Fresh = append(s.Fresh, path)
		}
	}
	return s, nil
}

// Scratch lets a program work in a copy of a recorded workspace, which is
// removed afterwards.
type Scratch struct {
	Store *store.Store
	Base  digest.Digest // the workspace's tree
	// Dir is the directory that the copy is shown at. Where it cannot be
	// shown there, because there is no such directory or because Bind is
	// false, the program works in the copy where it lies.
	Dir  string
	Bind bool
	// Outside are the paths outside of snapshots that were there when the
	// workspace was recorded: no others are shown; nil: all are.
	Outside *[]string
	// Exact is for level deterministic: __pycache__ directories are shown, too,
	// for the program writes none, and caches are there, and empty.
	Exact   bool
	Options snapshot.Options
}

// Enter implements [Ground].
func (g Scratch) Enter(files *workspace.Overlay, given []sandbox.Given) (*Site, error) {
	tree := g.Base
	if files != nil {
		var err error
		if err = g.settle(files); err != nil {
			return nil, err
		}
		if tree, err = snapshot.Overlay(g.Store, g.Store, g.Base, editsOf(files)); err != nil {
			return nil, err
		}
	}
	temp, err := os.MkdirTemp("", "coo-")
	if err != nil {
		return nil, err
	}
	s := &Site{Before: tree, objs: g.Store, leave: func() error { return removeAll(temp) }}
	copied := filepath.Join(temp, "workspace")
	if err := snapshot.Restore(g.Store, tree, copied); err != nil {
		s.Leave()
		return nil, err
	}
	if err := give(copied, given); err != nil {
		s.Leave()
		return nil, err
	}
	if g.Bind {
		s.Given = given // they are there, and cannot be written to
	}
	s.after = func() (*snapshot.Snapshot, error) {
		o := g.Options
		o.NoCache = true // what is scratch is not seen again
		return snapshot.Take(copied, g.Store, o)
	}
	if err := g.show(s, copied); err != nil {
		s.Leave()
		return nil, err
	}
	return s, nil
}

// give writes what a program is given into a copy. Links in it lead nowhere
// else: a recorded workspace may come from anybody.
func give(copied string, given []sandbox.Given) error {
	root, err := os.OpenRoot(copied)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range given {
		if err = root.MkdirAll(path.Dir(f.Path), 0o755); err == nil {
			err = root.WriteFile(f.Path, f.Content, 0o644)
		}
		if err == nil {
			err = root.Chmod(f.Path, 0o644)
		}
		if err != nil {
			return fmt.Errorf("scratch: %w", err)
		}
	}
	return nil
}

// settle brings what the mission has written into the store: a copy is made
// of what is there, not of what a journal holds.
func (g Scratch) settle(files *workspace.Overlay) error {
	batch, err := g.Store.NewBatch()
	if err != nil {
		return err
	}
	defer batch.Discard()
	for _, c := range files.Changes() {
		if c.SHA256 == nil {
			continue
		}
		data, err := files.Read(c.Path)
		if err != nil {
			return err
		}
		if _, err := batch.Put(data); err != nil {
			return err
		}
	}
	return batch.Commit()
}

// show decides where the program sees the copy, and what of the original
// beside it.
func (g Scratch) show(s *Site, copied string) error {
	fi, err := os.Stat(g.Dir)
	if err != nil || !fi.IsDir() {
		s.Dir = copied
		return nil
	}
	all, err := snapshot.Outside(g.Dir)
	if err != nil {
		return err
	}
	if g.Exact {
		caches := all
		if g.Outside != nil {
			caches = *g.Outside
		}
		if err := emptyCaches(copied, caches); err != nil {
			return err
		}
	}
	keep := slices.DeleteFunc(all, func(path string) bool {
		base := filepath.Base(path)
		switch {
		case g.Outside != nil && !slices.Contains(*g.Outside, path):
			return true
		case base == bytecode && g.Exact:
			return false
		}
		return made(base) || !shown(filepath.Join(g.Dir, filepath.FromSlash(path)))
	})
	s.Outside = withoutBytecode(keep)
	if g.Bind {
		s.Dir, s.Over = g.Dir, copied
		s.Keep, err = g.link(keep, copied)
		return err
	}
	s.Dir = copied
	for _, path := range keep {
		at := filepath.Join(copied, filepath.FromSlash(path))
		if err := os.Symlink(filepath.Join(g.Dir, filepath.FromSlash(path)), at); err != nil {
			return fmt.Errorf("scratch: %w", err)
		}
	}
	return nil
}

// withoutBytecode leaves the paths that files of programs may be below.
func withoutBytecode(paths []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return filepath.Base(path) == bytecode })
}

// link makes those of the paths that are links in the copy, as they are: what
// is shown in the place of one would be a directory. It returns the others.
func (g Scratch) link(paths []string, copied string) ([]string, error) {
	var rest []string
	for _, path := range paths {
		name := filepath.FromSlash(path)
		target, err := os.Readlink(filepath.Join(g.Dir, name))
		if err != nil {
			rest = append(rest, path)
			continue
		}
		at := filepath.Join(copied, name)
		if err = os.MkdirAll(filepath.Dir(at), 0o755); err == nil {
			err = os.Symlink(target, at)
		}
		if err != nil {
			return nil, fmt.Errorf("scratch: %w", err)
		}
	}
	return rest, nil
}

// shown reports whether a name stands for a file, a directory or a link: a
// socket is not another's to answer.
func shown(path string) bool {
	fi, err := os.Lstat(path)
	return err == nil && (fi.IsDir() || fi.Mode().IsRegular() || fi.Mode()&os.ModeSymlink != 0)
}

// bytecode is where Python keeps what it has compiled.
const bytecode = "__pycache__"

// isCache reports whether a name is that of a directory in which a tool keeps
// what it would find out anew.
func isCache(name string) bool {
	return name == ".mypy_cache" || name == ".pytest_cache" || name == ".ruff_cache"
}

// emptyCaches makes those of paths that are caches.
func emptyCaches(dir string, paths []string) error {
	for _, path := range paths {
		if !isCache(filepath.Base(path)) || !filepath.IsLocal(filepath.FromSlash(path)) {
			continue
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(path)), 0o755); err != nil {
			return fmt.Errorf("scratch: %w", err)
		}
	}
	return nil
}

// made reports whether a name outside of snapshots is one that a program
// makes anew when it is not there, and wants to write to. The store is
// nobody's but coo's, and what .env files hold is not given to a replay.
func made(name string) bool {
	return name == ".coo" || name == bytecode || name == ".tox" || isCache(name) || strings.HasPrefix(name, ".env")
}

// removeAll removes a directory, also what a program made unwritable in it.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() || err != nil {
			os.Chmod(path, 0o700) // what cannot be changed is told by RemoveAll
		}
		return nil
	})
	return os.RemoveAll(dir)
}
