package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// Data syncs f's content and length, but not its times: one write of the
// file system's journal less than [os.File.Sync] when only content changed.
func Data(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		// An interrupted call has not failed; every other error is final.
		if err != unix.EINTR {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

// SyncFS syncs the whole file system that holds dir, where the system has such a
// call (Linux), and reports whether it did.
func SyncFS(dir string) (done bool, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return false, &os.PathError{Op: "syncfs", Path: dir, Err: err}
	}
	return true, nil
}
