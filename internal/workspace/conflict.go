package workspace

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Conflicts compares the overlays of a fork's branches, in branch order, before
// they are merged. Two branches conflict when one writes or removes what the
// other reads, writes, removes or lists, or a directory above it; paths that
// differ only in case count as one. The error is a [*ConflictError] for the
// smallest pair of branches and, of that, the smallest path.
func Conflicts(branches []*Overlay) error {
	c := conflicts{
		writers: map[string][]touch{},
		readers: map[string][]touch{},
	}
	for i, o := range branches {
		read, wrote := o.uses()
		addTouches(c.writers, i, wrote)
		addTouches(c.readers, i, read)
	}
	for i, o := range branches {
		read, wrote := o.uses()
		c.compareWrites(i, wrote)
		c.compareReads(i, read)
		c.compareLists(i, o.lists, branches)
	}
	if c.first == nil {
		return nil
	}
	return c.first
}

// uses is Touched without the readings of paths that o also writes: whatever
// conflicts with such a reading conflicts with the write.
func (o *Overlay) uses() (read, wrote []string) {
	read, wrote = o.Touched()
	read = slices.DeleteFunc(read, func(p string) bool {
		_, ok := o.entries[p]
		return ok
	})
	return read, wrote
}

type conflicts struct {
	writers, readers map[string][]touch // by folded path, in branch order
	first            *ConflictError
}

// A touch is the first path of a branch with a certain folded form.
type touch struct {
	branch int
	path   string
}

func addTouches(m map[string][]touch, branch int, paths []string) {
	for _, p := range paths {
		k := fold(p)
		if t := m[k]; len(t) == 0 || t[len(t)-1].branch != branch {
			m[k] = append(t, touch{branch, p})
		}
	}
}

// other returns the first touch by another branch.
func other(touches []touch, branch int) (touch, bool) {
	for _, t := range touches {
		if t.branch != branch {
			return t, true
		}
	}
	return touch{}, false
}

func (c *conflicts) compareWrites(i int, wrote []string) {
	for _, p := range wrote {
		if t, ok := other(c.writers[fold(p)], i); ok {
			lo, hi := touch{i, p}, t
			if lo.branch > hi.branch {
				lo, hi = hi, lo
			}
			what := fmt.Sprintf("branches %d and %d both write %q", lo.branch, hi.branch, lo.path)
			if lo.path != hi.path {
				what = fmt.Sprintf("branch %d writes %q and branch %d %q, which differ only in case", lo.branch, lo.path, hi.branch, hi.path)
			}
			c.offer(i, t.branch, lo.path, what)
		}
		if t, ok := other(c.readers[fold(p)], i); ok {
			c.offer(i, t.branch, p, fmt.Sprintf("branch %d reads %q, which branch %d writes", t.branch, t.path, i))
		}
		for dir := range parents(p) {
			c.compareDir(i, p, dir)
		}
	}
}

// compareDir looks for branches that use as a file what i, writing p, uses as
// a directory.
func (c *conflicts) compareDir(i int, p, dir string) {
	if t, ok := other(c.writers[fold(dir)], i); ok {
		c.offer(i, t.branch, p, fmt.Sprintf("branch %d writes %q and branch %d %q: a file is no directory", t.branch, t.path, i, p))
	}
	if t, ok := other(c.readers[fold(dir)], i); ok {
		c.offer(i, t.branch, p, fmt.Sprintf("branch %d reads %q and branch %d writes %q: a file is no directory", t.branch, t.path, i, p))
	}
}

func (c *conflicts) compareReads(i int, read []string) {
	for _, p := range read {
		for dir := range parents(p) {
			if t, ok := other(c.writers[fold(dir)], i); ok {
				c.offer(i, t.branch, t.path, fmt.Sprintf("branch %d reads %q and branch %d writes %q: a file is no directory", i, p, t.branch, t.path))
			}
		}
	}
}

func (c *conflicts) compareLists(i int, lists map[string]*Pattern, branches []*Overlay) {
	for _, text := range slices.Sorted(maps.Keys(lists)) {
		for j, o := range branches {
			if j == i {
				continue
			}
			// order: offer keeps the smallest
			for p := range o.entries {
				if lists[text].Match(p) {
					c.offer(i, j, p, fmt.Sprintf("branch %d lists %q, which matches %q that branch %d writes", i, text, p, j))
				}
			}
		}
	}
}

// offer keeps the smallest conflict, so that the order in which they are found
// does not matter.
func (c *conflicts) offer(i, j int, path, what string) {
	e := &ConflictError{A: min(i, j), B: max(i, j), Path: path, What: what}
	if c.first == nil || cmp.Or(
		cmp.Compare(e.A, c.first.A), cmp.Compare(e.B, c.first.B),
		cmp.Compare(e.Path, c.first.Path), cmp.Compare(e.What, c.first.What),
	) < 0 {
		c.first = e
	}
}
