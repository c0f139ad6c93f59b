package snapshot

import (
	"cmp"
	"slices"

	"github.com/coo-runtime/coo/internal/digest"
)

// How a path differs between two trees.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed" // another content or target; perhaps other permissions too
	Mode    = "mode"    // only other permissions
	Type    = "type"    // a file, a directory or a link in place of another of them
)

// A Change is a path that differs between two trees. Directories have changes of
// their own when they are added, removed, or have other permissions; each path
// below an added or removed directory has one too.
type Change struct {
	Path   string
	Kind   string
	Before *Entry // nil when added
	After  *Entry // nil when removed
}

// Diff returns what differs from tree a to tree b, sorted by the bytes of the paths.
// It reads only the directories that differ.
func Diff(st Getter, a, b digest.Digest) ([]Change, error) {
	d := differ{st: st}
	if err := d.dir("", 0, &a, &b); err != nil {
		return nil, err
	}
	slices.SortFunc(d.list, func(x, y Change) int { return cmp.Compare(x.Path, y.Path) })
	return d.list, nil
}

type differ struct {
	st     Getter
	list   []Change
	budget budget
	// stays, when not nil, is called with every directory that is on both sides
	// and differs in content or permissions.
	stays func(path string, before, after *Entry)
}

// dir compares two directories; nil is none.
func (d *differ) dir(path string, depth int, a, b *digest.Digest) error {
	if a != nil && b != nil && *a == *b {
		return nil
	}
	read := func(t *digest.Digest) ([]Entry, error) {
		if t == nil {
			return nil, nil
		}
		entries, err := readTree(d.st, *t)
		if err != nil {
			return nil, err
		}
		return entries, d.budget.spend(len(entries), depth)
	}
	left, err := read(a)
	if err != nil {
		return err
	}
	right, err := read(b)
	if err != nil {
		return err
	}
	for len(left) > 0 || len(right) > 0 {
		var x, y *Entry
		switch {
		case len(right) == 0 || len(left) > 0 && left[0].Name < right[0].Name:
			x, left = &left[0], left[1:]
		case len(left) == 0 || right[0].Name < left[0].Name:
			y, right = &right[0], right[1:]
		default:
			x, left, y, right = &left[0], left[1:], &right[0], right[1:]
		}
		if err := d.entry(path, depth, x, y); err != nil {
			return err
		}
	}
	return nil
}

// entry compares two entries of one name; nil is none.
func (d *differ) entry(dir string, depth int, x, y *Entry) error {
	c := Change{Before: x, After: y}
	name := ""
	switch {
	case x == nil:
		c.Kind, name = Added, y.Name
	case y == nil:
		c.Kind, name = Removed, x.Name
	case x.equal(y):
		return nil
	case x.Type != y.Type:
		c.Kind, name = Type, x.Name
	case x.Type != Dir && (x.SHA256 != y.SHA256 || x.Target != y.Target):
		c.Kind, name = Changed, x.Name
	case x.Mode != y.Mode:
		c.Kind, name = Mode, x.Name
	default:
		name = x.Name // a directory that differs further down
	}
	c.Path = join(dir, name)
	if c.Kind != "" {
		d.list = append(d.list, c)
	}
	a, b := treeOf(x), treeOf(y)
	if a != nil && b != nil && d.stays != nil {
		d.stays(c.Path, x, y)
	}
	return d.dir(c.Path, depth+1, a, b)
}

func treeOf(e *Entry) *digest.Digest {
	if e == nil || e.Type != Dir {
		return nil
	}
	return &e.SHA256
}
