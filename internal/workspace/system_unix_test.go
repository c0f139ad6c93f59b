//go:build !windows

package workspace

import "golang.org/x/sys/unix"

func mkfifo(name string) error { return unix.Mkfifo(name, 0o600) }

func umask(mask int) int { return unix.Umask(mask) }
