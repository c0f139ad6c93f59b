package workspace

import (
	"cmp"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// commit gives everything its name: removals, directories that go, directories
// that come, files.
func (a *applier) commit() error {
	for _, m := range a.moves {
		if m.After.Mode == Absent {
			a.temps = append(a.temps, m.old)
			if err := a.rename(m, m.Path, m.old, func() error { return a.d.root.Rename(m.old, m.Path) }); err != nil {
				return err
			}
		}
	}
	for _, f := range a.p.Gone {
		if err := a.rmdir(f); err != nil {
			return err
		}
	}
	for _, f := range a.p.Made {
		if err := a.mkdir(f); err != nil {
			return err
		}
	}
	for _, m := range a.moves {
		if m.After.Mode == Absent {
			continue
		}
		back := func() error { return a.d.root.Rename(m.old, m.Path) }
		if m.Before.Mode == Absent {
			back = func() error { return a.d.root.Remove(m.Path) }
		}
		if err := a.rename(m, m.new, m.Path, back); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) rename(m move, from, to string, back func() error) error {
	if err := a.d.must(m.Path, "rename", to, func() error { return a.d.root.Rename(from, to) }); err != nil {
		return err
	}
	a.undo = append(a.undo, back)
	return nil
}

// rmdir removes a directory that is in the way. One that was only made for the
// sake of a file, and that somebody else uses by now, stays.
func (a *applier) rmdir(f Folder) error {
	fi, err := a.d.realDir(f.Path)
	if err != nil || fi == nil {
		return err // nothing to do: it went before a crash
	}
	if !a.inTheWay(f.Path) && a.d.holdsFiles(f.Path) {
		return nil
	}
	if err := a.d.must(f.Path, "rmdir", f.Path, func() error { return a.d.root.Remove(f.Path) }); err != nil {
		return err
	}
	a.undo = append(a.undo, func() error { return a.makeDir(f.Path, fi.Mode()&permBits) })
	return nil
}

// inTheWay reports whether a file takes the place of dir or of one above it.
func (a *applier) inTheWay(dir string) bool {
	return slices.ContainsFunc(a.moves, func(m move) bool {
		return m.After.Mode != Absent && (m.Path == dir || strings.HasPrefix(dir, m.Path+"/"))
	})
}

func (a *applier) mkdir(f Folder) error {
	fi, err := a.d.realDir(f.Path)
	if err != nil {
		return err
	}
	if fi != nil {
		return nil // made before a crash, or by somebody else meanwhile
	}
	perm := parsePerm(f.Perm)
	if a.p.Exact {
		perm |= 0o700 // until everything is in it
	}
	if err := a.makeDir(f.Path, perm); err != nil {
		return access("apply", f.Path, err)
	}
	a.undo = append(a.undo, func() error {
		if a.d.holdsFiles(f.Path) {
			return nil // somebody else uses it
		}
		return a.d.root.Remove(f.Path)
	})
	return nil
}

// makeDir makes a directory under a temporary name and renames it, so that it
// never has its name without its permissions.
func (a *applier) makeDir(name string, perm fs.FileMode) error {
	temp, err := a.tempDir(name)
	if err != nil {
		return err
	}
	_ = a.d.root.Remove(temp) // left over, if anything
	if err := a.d.do("mkdir", temp, func() error { return a.d.root.Mkdir(temp, 0o700) }); err != nil {
		return err
	}
	err = a.d.do("chmod", temp, func() error { return a.d.root.Chmod(temp, perm) })
	// That of an exact plan is put right after a crash, and synced with the rest.
	if err == nil && !(a.together && a.p.Exact) {
		err = a.d.do("sync", temp, func() error { return a.d.syncDir(temp) })
	}
	if err == nil {
		err = a.d.do("rename", name, func() error { return a.d.root.Rename(temp, name) })
	}
	if err != nil {
		_ = a.d.do("remove", temp, func() error { return a.d.root.Remove(temp) }) // or it holds up the undoing of its parent
	}
	return err
}

// revert takes back what commit did, newest first, as far as it can.
func (a *applier) revert() error {
	var first error
	for _, back := range slices.Backward(a.undo) {
		first = cmp.Or(first, a.d.do("undo", "", back))
	}
	if first != nil {
		return first // the old files are still needed
	}
	a.removeTemps()
	if len(a.undo) == 0 {
		return nil
	}
	return a.syncDirs()
}

// removeTemps removes the temporary files, durably, because nobody looks for
// them when the plan is gone. One that stays is never listed and is left to
// [Plan.Sweep], so that it is no error.
func (a *applier) removeTemps() {
	dirs := map[string]bool{}
	for _, temp := range a.temps {
		if a.d.do("remove", temp, func() error { return a.d.root.Remove(temp) }) == nil {
			dirs[path.Dir(temp)] = true
		}
	}
	_ = a.syncNames(slices.Sorted(maps.Keys(dirs)))
}
