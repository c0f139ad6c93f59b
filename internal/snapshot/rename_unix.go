//go:build !windows

package snapshot

import "golang.org/x/sys/unix"

// rename moves temp to dir, in one step also if that is an empty directory, which
// os.Rename would refuse.
func rename(temp, dir string) error { return unix.Rename(temp, dir) }
