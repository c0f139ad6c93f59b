//go:build unix

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

func mayExecute(path string) bool { return unix.Access(path, unix.X_OK) == nil }

// explainExec says what the kernel's refusal to execute a file means.
func explainExec(exe string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		err = errors.New("not in a format that this machine executes")
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("not there, or made for a loader that is not there: %w", err)
	case errors.Is(err, syscall.E2BIG):
		err = errors.New("its arguments and environment are larger than this system takes")
	}
	return fmt.Errorf("program %q: %w", filepath.ToSlash(exe), err)
}
