package snapshot

import (
	"errors"
	"io/fs"
	"os"
)

// rename moves temp to dir. Windows does not replace a directory, so an empty one
// goes first.
func rename(temp, dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(temp, dir)
}
