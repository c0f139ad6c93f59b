package durable

import (
	"io/fs"
	"os"
	"syscall"

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

// CanSyncFS says whether the system can sync a whole file system.
const CanSyncFS = true

// SyncFS syncs the whole file system that holds dir, where the system has such a
// call (Linux), and reports whether it did.
func SyncFS(dir string) (done bool, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return SyncFSOf(f)
}

// SyncFSOf is [SyncFS] for an open file or directory. What could not be written
// since f was opened is an error, whoever wrote it.
func SyncFSOf(f *os.File) (done bool, err error) {
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return false, &os.PathError{Op: "syncfs", Path: f.Name(), Err: err}
	}
	return true, nil
}

// Device returns the number of the file system that holds what fi is about.
func Device(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Dev
	}
	return 0
}
