package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Likeness maps names that some file system takes for one to one text: by case
// (NTFS, APFS, HFS+), by Unicode's normal forms (APFS, HFS+), by both.
func Likeness(name string) string {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return norm.NFC.String(cases.Fold().String(norm.NFD.String(name)))
		}
	}
	return strings.ToLower(name)
}

// SameName reports whether two names are one on the file system of root: it makes a
// file of one name in a directory of its own there and looks for the other.
func SameName(root, a, b string) (bool, error) {
	dir, err := os.MkdirTemp(root, tempPrefix+"names-*")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	top, err := os.OpenRoot(dir)
	if err != nil {
		return false, err
	}
	defer top.Close()
	f, err := top.Create(a)
	if err != nil {
		return false, err
	}
	f.Close()
	_, err = top.Lstat(b)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// spelled refuses a path of which a name is there under another spelling: the
// record says that one file is new and another stays, and there would be one.
func (b *builder) spelled(p string) error {
	at := "."
	for name := range strings.SplitSeq(p, "/") {
		next := path.Join(at, name)
		fi, err := b.d.lstat("apply", p, next)
		if err != nil || fi == nil {
			return err
		}
		if b.names[at] == nil {
			entries, err := b.d.readDir(at, at)
			if err != nil {
				return err
			}
			b.names[at] = make(map[string]bool, len(entries))
			for _, e := range entries {
				b.names[at][e.Name()] = true
			}
		}
		if !b.names[at][name] {
			return b.alias(p, next, fi)
		}
		at = next
	}
	return nil
}

// alias is the error for a name by which fi was found and that its directory does
// not have.
func (b *builder) alias(p, name string, fi fs.FileInfo) error {
	for _, there := range slices.Sorted(maps.Keys(b.names[path.Dir(name)])) {
		other := path.Join(path.Dir(name), there)
		if o, err := b.d.lstat("apply", p, other); err == nil && o != nil && os.SameFile(fi, o) {
			return &AccessError{Op: "apply", Path: p, What: fmt.Sprintf("on this file system %+q is the same name as %+q, which is there", name, other)}
		}
	}
	return &ChangedError{p} // it came after the directory was read
}

// apart refuses two names to be written that are one on this file system. Those that
// differ only in case never get here: an overlay refuses them everywhere.
func (b *builder) apart() error {
	seen := map[string]string{} // directory and likeness to path
	for _, c := range b.plan.Changes {
		if c.After.Mode == Absent {
			continue
		}
		for dir := range parents(c.Path + "/") {
			key := path.Dir(dir) + "/" + Likeness(path.Base(dir))
			other, ok := seen[key]
			if !ok {
				seen[key] = dir
			}
			if !ok || other == dir {
				continue
			}
			same, err := SameName(b.d.path, path.Base(other), path.Base(dir))
			if err != nil {
				return access("apply", c.Path, err)
			}
			if same {
				return &AccessError{Op: "apply", Path: c.Path, What: fmt.Sprintf("on this file system %+q is the same name as %+q, which is written, too", dir, other)}
			}
		}
	}
	return nil
}
