//go:build !linux

package durable

import "os"

// Data syncs f's content and length.
func Data(f *os.File) error { return f.Sync() }

// SyncFS reports that there is no such call here: every file and directory must
// be synced by itself.
func SyncFS(string) (done bool, err error) { return false, nil }
