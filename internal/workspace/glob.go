package workspace

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// Glob implements [Reader]. It returns regular files, and links to them that
// stay inside; it does not enter linked directories. Names of the ignore set
// are left out. A matching name that cannot be a path, an unreadable directory
// and a list of more than [MaxList] paths are [*AccessError]s.
func (d *Dir) Glob(pattern string) ([]string, error) {
	p, err := ParsePattern(pattern)
	if err != nil {
		return nil, err
	}
	w := walk{d: d, p: p}
	if err := w.dir(".", p.start(), 0); err != nil {
		return nil, err
	}
	// Directory by directory is not the order of whole paths: "a.b" < "a/b".
	slices.Sort(w.found)
	return w.found, nil
}

type walk struct {
	d     *Dir
	p     *Pattern
	found []string
}

// dir collects the matches in and below one directory, which led to s.
func (w *walk) dir(name string, s positions, depth int) error {
	entries, err := w.d.readDir(w.p.text, name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		next := w.p.step(s, e.Name())
		if next == 0 || ignoredName(e.Name()) {
			continue
		}
		at := path.Join(name, e.Name())
		if e.IsDir() {
			if w.p.below(next) && depth < maxDepth {
				err = w.dir(at, next, depth+1)
			}
		} else if w.p.accepts(next) {
			err = w.file(at, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file adds a matching path if it leads to a regular file.
func (w *walk) file(at string, e fs.DirEntry) error {
	if what := cmp.Or(wrongPath(at), wrongName(path.Base(at))); what != "" {
		return &AccessError{Op: "list", Path: w.p.text, What: fmt.Sprintf("%q: %s", at, what)}
	}
	switch {
	case e.Type()&fs.ModeSymlink != 0:
		if _, kind, err := w.d.find("list", at); err != nil || kind != File {
			return nil
		}
	case !e.Type().IsRegular():
		return nil
	}
	if w.found = append(w.found, at); len(w.found) > MaxList {
		return &AccessError{Op: "list", Path: w.p.text, What: fmt.Sprintf("more than %d files", MaxList)}
	}
	return nil
}

// readDir returns the entries of a directory in no particular order.
func (d *Dir) readDir(pattern, name string) ([]fs.DirEntry, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, access("list", pattern, err)
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, access("list", pattern, err)
	}
	return entries, nil
}
