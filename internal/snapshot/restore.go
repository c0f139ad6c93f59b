package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// ErrBusy is returned by [Restore] when another process restores into the same
// directory.
var ErrBusy = errors.New("another process is restoring into it")

// Restore makes dir, which must be empty or not exist, what the tree says, all of it
// or nothing, durably. It is made under another name beside dir (".coo-restore-" and
// 16 digits) and renamed; what a killed process left there is removed by
// [RecoverRestores], or by the next try. Of an existing dir the permissions are kept,
// but it is another directory afterwards: a process that works in it must enter it
// again.
func Restore(st *store.Store, tree digest.Digest, dir string) error {
	if err := restore(st, tree, dir); err != nil {
		return fmt.Errorf("restore %q: %w", dir, err)
	}
	return nil
}

func restore(st *store.Store, tree digest.Digest, dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	perm, err := emptyDir(abs)
	if err != nil {
		return err
	}
	place := st.Place(abs)
	lock, err := durable.TryLock(st.Path(restoreLock(place)))
	if errors.Is(err, durable.ErrLocked) {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if _, err := clearRestore(st, place); err != nil {
		return err
	}
	in, err := intendRestore(st, place)
	if err != nil {
		return err
	}
	if err := in.carryOut(st, tree, perm); err != nil {
		_, left := in.clear(st)
		return errors.Join(err, left)
	}
	return in.drop(st)
}

// carryOut builds the directory beside its place and puts it there.
func (in restoreIntent) carryOut(st *store.Store, tree digest.Digest, perm fs.FileMode) error {
	temp, dir := in.temp(st), st.PlaceOf(in.Dir)
	if err := os.Mkdir(temp, 0o700); err != nil {
		return bare(err)
	}
	if err := build(st, tree, temp); err != nil {
		return err
	}
	if err := giveMode(temp, perm); err != nil {
		return bare(err)
	}
	if err := rename(temp, dir); err != nil {
		return bare(err)
	}
	return durable.SyncDir(filepath.Dir(dir))
}

// giveMode gives a directory its permissions, durably. It is opened before: they may
// keep its owner out.
func giveMode(dir string, perm fs.FileMode) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Chmod(dir, perm); err != nil || runtime.GOOS == "windows" {
		return err
	}
	return f.Sync()
}

// emptyDir returns the permissions of the directory to come.
func emptyDir(dir string) (fs.FileMode, error) {
	fi, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0o755, nil
	case err != nil:
		return 0, bare(err)
	case !fi.IsDir():
		return 0, errors.New("it is not a directory")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, bare(err)
	}
	if len(entries) > 0 {
		return 0, errors.New("it is not empty")
	}
	return fi.Mode(), nil
}

// bare takes the path off an error: it may be a temporary one.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

// removeAll is os.RemoveAll that also removes what is in read-only directories.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	top, err := os.OpenRoot(dir)
	if err != nil {
		return os.RemoveAll(dir)
	}
	defer top.Close()
	unlockAll(top, ".", 0)
	return os.RemoveAll(dir)
}

func unlockAll(top *os.Root, dir string, depth int) {
	_ = top.Chmod(dir, 0o700) // what cannot be changed shows when it is removed
	f, err := top.Open(dir)
	if err != nil {
		return
	}
	entries, _ := f.ReadDir(-1)
	f.Close()
	for _, e := range entries {
		if e.IsDir() && depth < workspace.MaxTreeDepth {
			unlockAll(top, filepath.Join(dir, e.Name()), depth+1)
		}
	}
}
