package snapshot

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/workspace"
)

// An Edit is what a mission did to a path: it wrote a file, or, when SHA256 is nil,
// removed it.
type Edit struct {
	Path   string
	Exec   bool
	SHA256 *digest.Digest
	Size   int64
}

// Overlay returns the tree that a directory of tree base becomes when edits are
// applied to it as package workspace does, without looking at any directory: new
// files have mode 0644 or 0755, those that are there keep theirs, a link gives way
// to the file, an empty directory stays. Subtrees without edits are shared.
//
// Edits of paths that the ignore files name are left out, as they are outside of a
// snapshot. An edit that cannot be applied is an error.
func Overlay(from Getter, to Putter, base digest.Digest, edits []Edit) (digest.Digest, error) {
	o := overlay{from: from, to: to}
	list := slices.Clone(edits)
	slices.SortFunc(list, func(a, b Edit) int { return cmp.Compare(a.Path, b.Path) })
	for i, e := range list {
		if err := workspace.CheckTreePath(e.Path); err != nil {
			return base, fmt.Errorf("overlay: %w", err)
		}
		if i > 0 && e.Path == list[i-1].Path {
			return base, fmt.Errorf("overlay: %q: twice", e.Path)
		}
	}
	tree, _, err := o.dir("", &base, list, nil)
	if err != nil {
		return base, fmt.Errorf("overlay: %w", err)
	}
	return tree, nil
}

type overlay struct {
	from Getter
	to   Putter
}

// dir applies edits below the directory at path, nil for none, and returns its tree
// and whether there is one.
func (o *overlay) dir(path string, tree *digest.Digest, edits []Edit, ig *ignorer) (digest.Digest, bool, error) {
	fail := func(err error) (digest.Digest, bool, error) { return digest.Digest{}, false, err }
	var entries []Entry
	if tree != nil {
		var err error
		if entries, err = readTree(o.from, *tree); err != nil {
			return fail(err)
		}
	}
	ig, err := o.rules(path, entries, edits, ig)
	if err != nil {
		return fail(err)
	}
	skip := 0
	if path != "" {
		skip = len(path) + 1
	}
	changed := false
	// The edits of one name are not beside each other: "a", "a-b", "a/b".
	byName := map[string][]Edit{}
	var names []string
	for _, e := range edits {
		name, _, _ := strings.Cut(e.Path[skip:], "/")
		if byName[name] == nil {
			names = append(names, name)
		}
		byName[name] = append(byName[name], e)
	}
	for _, name := range names {
		was := find(entries, name)
		now, err := o.name(join(path, name), name, was, byName[name], ig)
		if err != nil {
			return fail(err)
		}
		if was == nil && now == nil || was != nil && now != nil && *was == *now {
			continue
		}
		changed = true
		entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Name == name })
		if now != nil {
			i, _ := slices.BinarySearchFunc(entries, name, func(e Entry, n string) int { return strings.Compare(e.Name, n) })
			entries = slices.Insert(entries, i, *now)
		}
	}
	if !changed && tree != nil {
		return *tree, true, nil
	}
	if len(entries) == 0 && tree == nil && !slices.ContainsFunc(edits, func(e Edit) bool { return e.SHA256 != nil }) {
		return digest.Digest{}, false, nil // nothing was written below what is not there
	}
	sum, err := o.to.Put(encodeTree(entries))
	return sum, true, err
}

// rules adds the ignore file that the directory has after the edits.
func (o *overlay) rules(path string, entries []Entry, edits []Edit, ig *ignorer) (*ignorer, error) {
	var sum *digest.Digest
	size := int64(0)
	if e := find(entries, IgnoreFile); e != nil && e.Type == File {
		sum, size = &e.SHA256, e.Size
	}
	i, ok := slices.BinarySearchFunc(edits, join(path, IgnoreFile), func(e Edit, p string) int { return strings.Compare(e.Path, p) })
	if ok {
		sum, size = edits[i].SHA256, edits[i].Size
	}
	if sum == nil || size > maxIgnore {
		return ig, nil
	}
	text, err := o.from.Get(*sum)
	if err != nil {
		return nil, err
	}
	return parseIgnore(ig, path, text), nil
}

// name applies the edits of one name and below it: first what is removed, then what
// is written below, then the name itself.
func (o *overlay) name(path, name string, e *Entry, edits []Edit, ig *ignorer) (*Entry, error) {
	var own *Edit
	if edits[0].Path == path {
		own, edits = &edits[0], edits[1:]
	}
	if own != nil && own.SHA256 == nil && e != nil && e.Type != Dir && !ig.ignored(path, name, false) {
		e = nil
	}
	if len(edits) > 0 && !ig.ignored(path, name, true) {
		var err error
		if e, err = o.below(path, name, e, edits, ig); err != nil {
			return nil, err
		}
	}
	if own == nil || own.SHA256 == nil || ig.ignored(path, name, false) {
		return e, nil
	}
	return o.write(path, name, e, own)
}

// below applies edits below a name.
func (o *overlay) below(path, name string, e *Entry, edits []Edit, ig *ignorer) (*Entry, error) {
	if e != nil && e.Type != Dir {
		for _, edit := range edits {
			if edit.SHA256 != nil {
				return nil, fmt.Errorf("%q: %q is a %s", edit.Path, path, e.Type)
			}
		}
		return e, nil
	}
	tree, ok, err := o.dir(path, treeOf(e), edits, ig)
	switch {
	case err != nil:
		return nil, err
	case e == nil && !ok:
		return nil, nil
	case e == nil:
		return &Entry{Type: Dir, Name: name, Mode: "0755", SHA256: tree}, nil
	}
	made := *e
	made.SHA256 = tree
	return &made, nil
}

// write puts a file in the place of what is there.
func (o *overlay) write(path, name string, e *Entry, own *Edit) (*Entry, error) {
	perm := fs.FileMode(0o644)
	switch {
	case e == nil || e.Type == Link:
	case e.Type == File:
		perm, _ = workspace.ParsePerm(e.Mode)
		perm = perm.Perm()
	default:
		if err := o.mustBeEmpty(path, e.SHA256, 0); err != nil {
			return nil, err
		}
	}
	if own.Exec {
		perm |= perm & 0o444 >> 2
	}
	made := &Entry{Type: File, Name: name, Mode: workspace.FormatPerm(perm), SHA256: *own.SHA256, Size: own.Size}
	if e != nil && e.Type == File && e.SHA256 == made.SHA256 && executable(e.Mode) == executable(made.Mode) {
		return e, nil // a file that is right is not touched
	}
	return made, nil
}

func executable(mode string) bool {
	m, _ := workspace.ParsePerm(mode)
	return m&0o111 != 0
}

// mustBeEmpty refuses a directory with anything but directories in it.
func (o *overlay) mustBeEmpty(path string, tree digest.Digest, depth int) error {
	entries, err := readTree(o.from, tree)
	if err != nil {
		return err
	}
	for _, e := range entries {
		at := join(path, e.Name)
		if e.Type != Dir || depth > workspace.MaxTreeDepth {
			return fmt.Errorf("%q: it is a directory that holds %q", path, at)
		}
		if err := o.mustBeEmpty(at, e.SHA256, depth+1); err != nil {
			return err
		}
	}
	return nil
}
