package snapshot

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/coo-runtime/coo/internal/workspace"
)

// Outside returns what lies in the directory root and is outside of its
// snapshots, because the built-in ignore set or an ignore file names it:
// paths from root with "/" between names, sorted. What lies below one of them
// is not named. What cannot be read is passed over.
func Outside(root string) ([]string, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if _, err := os.ReadDir(abs); err != nil {
		return nil, err
	}
	o := &outside{root: abs}
	o.dir("", nil, 0)
	slices.Sort(o.list)
	return o.list, nil
}

type outside struct {
	root string
	list []string
}

func (o *outside) dir(path string, above *ignorer, depth int) {
	if depth > workspace.MaxTreeDepth {
		return
	}
	dir := filepath.Join(o.root, filepath.FromSlash(path))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	ig := above
	if text, err := readIgnore(filepath.Join(dir, IgnoreFile)); err == nil {
		ig = parseIgnore(above, path, text)
	}
	for _, e := range entries {
		below := join(path, e.Name())
		if workspace.Ignored(e.Name()) || ig.ignored(below, e.Name(), e.IsDir()) {
			o.list = append(o.list, below)
			continue
		}
		if e.IsDir() {
			o.dir(below, ig, depth+1)
		}
	}
}

// readIgnore reads an ignore file. One that [Take] names as a problem says
// nothing here.
func readIgnore(name string) ([]byte, error) {
	fi, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxIgnore {
		return nil, errors.ErrUnsupported
	}
	return os.ReadFile(name)
}
