//go:build !linux

package durable

import (
	"io/fs"
	"os"
)

// Data syncs f's content and length.
func Data(f *os.File) error { return f.Sync() }

// CanSyncFS says whether the system can sync a whole file system.
const CanSyncFS = false

// SyncFS reports that there is no such call here: every file and directory must
// be synced by itself.
func SyncFS(string) (done bool, err error) { return false, nil }

// SyncFSOf is [SyncFS] for an open file or directory.
func SyncFSOf(*os.File) (done bool, err error) { return false, nil }

// Device returns 0: nobody syncs a file system here.
func Device(fs.FileInfo) uint64 { return 0 }
