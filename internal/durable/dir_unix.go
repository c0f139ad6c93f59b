//go:build !windows

package durable

import "os"

// SyncDir makes the names in dir durable: what was made, renamed or removed
// there stays so after a power cut.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
