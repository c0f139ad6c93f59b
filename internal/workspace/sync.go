package workspace

import (
	"maps"
	"os"
	"runtime"
	"slices"

	"github.com/coo-runtime/coo/internal/durable"
)

// A system is one of the file systems that a plan writes to: a directory in it,
// opened before anything was written, so that what cannot be written shows when it
// is synced.
type system struct {
	dir string
	f   *os.File
}

// meet notes the file system of a directory in which something will be written.
func (a *applier) meet(dir string) error {
	if !a.together {
		return nil
	}
	fi, err := a.d.root.Lstat(dir)
	if err != nil {
		return access("apply", dir, err)
	}
	if _, ok := a.systems[durable.Device(fi)]; ok {
		return nil
	}
	f, err := a.d.root.Open(dir)
	if err != nil {
		return access("apply", dir, err)
	}
	if a.systems == nil {
		a.systems = map[uint64]system{}
	}
	a.systems[durable.Device(fi)] = system{dir, f}
	return nil
}

// settle makes what was staged durable, where that was not done file by file.
func (a *applier) settle() error {
	for _, dev := range slices.Sorted(maps.Keys(a.systems)) {
		s := a.systems[dev]
		err := a.d.must(s.dir, "syncfs", s.dir, func() error {
			_, err := durable.SyncFSOf(s.f)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) closeSystems() {
	// order: each is closed, and no one depends on another
	for _, s := range a.systems {
		s.f.Close()
	}
}

// syncDirs makes the new names durable.
func (a *applier) syncDirs() error {
	var dirs []string
	for _, dir := range slices.Sorted(maps.Keys(a.dirs)) {
		fi, err := a.d.realDir(dir)
		if err != nil {
			return err
		}
		if fi != nil { // and not one that gave way
			dirs = append(dirs, dir)
		}
	}
	return a.syncNames(dirs)
}

// syncNames makes the names in directories durable.
func (a *applier) syncNames(dirs []string) error {
	if a.together && len(dirs) > durable.SyncEach {
		for _, dir := range dirs {
			if err := a.meet(dir); err != nil {
				return err
			}
		}
		return a.settle()
	}
	for _, dir := range dirs {
		if err := a.d.must(dir, "sync", dir, func() error { return a.d.syncDir(dir) }); err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes the names in a directory durable. It is opened through the root:
// its whole path may be longer than the system takes.
func (d *Dir) syncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncOpenDir(f)
}

// syncOpenDir does nothing on Windows, which cannot flush a directory.
func syncOpenDir(f *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return f.Sync()
}
