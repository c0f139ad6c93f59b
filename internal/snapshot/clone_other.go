//go:build !linux

package snapshot

import (
	"errors"
	"io/fs"
	"os"
)

func reflink(_, _ *os.File) error { return errors.ErrUnsupported }

func sparse(fs.FileInfo) bool { return false }
