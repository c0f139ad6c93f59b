// Package durable writes files that survive a crash, and locks them against
// other processes.
//
// The guarantee. When [WriteFile] or [Batch.Commit] has returned nil, the
// files have their whole new content after a kill of the process, of the
// kernel or of the power, provided the disk keeps what it says it has
// written. When the moment comes earlier, each file has its whole old
// content or its whole new content under its name, and temporary files may
// be left over. What has not been synced is never renamed.
//
// The system calls, on Linux, for one file:
//
//	openat(O_CREAT|O_EXCL)  a temporary name in the same file system
//	write, fsync, close     content and length are on disk
//	renameat                the name changes at once
//	openat, fsync           of the directory, so that the name is on disk too
//
// A batch writes all its files first; then each is fsynced, or, from 65
// files on, the file system is synced once (syncfs, which reports write
// errors since Linux 5.8); then all are renamed; then each directory that
// changed is synced in the same way. Other systems fsync each file; macOS
// gets F_FULLFSYNC through [os.File.Sync]; Windows has no sync of a
// directory, its file system keeps the order itself.
//
// An fsync that failed is never repeated: the kernel may have dropped the
// pages that it could not write, and a second call would succeed over the
// loss. The error is returned, and the file counts as not written.
package durable

import (
	"cmp"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile replaces the content of the named file, or makes it. The
// directory must exist. On an error the file is as it was before, unless the
// error is of the directory's sync.
func WriteFile(name string, data []byte, perm fs.FileMode) error {
	return Write(name, perm, whole(data))
}

// Write is [WriteFile] of what write writes.
func Write(name string, perm fs.FileMode, write func(io.Writer) error) error {
	dir := filepath.Dir(name)
	tmp, err := writeTemp(dir, write, perm, true)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, name); err != nil {
		os.Remove(tmp)
		return err
	}
	return SyncDir(dir)
}

func whole(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// writeTemp writes to a new file in dir and returns its name. On an error
// nothing is left.
func writeTemp(dir string, write func(io.Writer) error, perm fs.FileMode, sync bool) (string, error) {
	f, err := os.CreateTemp(dir, "tmp-*")
	if err != nil {
		return "", err
	}
	err = write(f)
	if err == nil && sync {
		err = f.Sync()
	}
	if err := cmp.Or(err, f.Chmod(perm), f.Close()); err != nil {
		f.Close()
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// MkdirAll makes dir and the parents it lacks, and syncs every directory in
// which it made one; that of dir also when dir is there, because whoever made
// it may have been killed before that sync.
func MkdirAll(dir string, perm fs.FileMode) error {
	parents, err := mkdirAll(dir, perm)
	if err != nil {
		return err
	}
	if len(parents) == 0 {
		parents = []string{filepath.Dir(dir)}
	}
	for _, p := range parents {
		if err := SyncDir(p); err != nil {
			return err
		}
	}
	return nil
}

// mkdirAll is MkdirAll without syncs; it returns the directories that need one.
func mkdirAll(dir string, perm fs.FileMode) ([]string, error) {
	if st, err := os.Stat(dir); err == nil && st.IsDir() {
		return nil, nil
	}
	parent := filepath.Dir(dir)
	var made []string
	if parent != dir {
		var err error
		if made, err = mkdirAll(parent, perm); err != nil {
			return nil, err
		}
	}
	// Another process may have made it meanwhile, and not synced it yet.
	if err := os.Mkdir(dir, perm); err != nil && !isDir(dir) {
		return nil, err
	}
	return append(made, parent), nil
}

func isDir(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}
