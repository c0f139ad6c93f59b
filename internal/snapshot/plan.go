package snapshot

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A Restoration is the way of a directory from its present state to a tree.
type Restoration struct {
	Now     *Snapshot // the present state, stored
	Tree    digest.Digest
	Changes []Change // from Now to Tree, except for Kept
	// Kept are directories that the tree does not have and that stay, because
	// something outside of the snapshots is in them.
	Kept []string
	// Plan carries it out: [workspace.Plan.Apply] and [workspace.Plan.Recover] with
	// the store's GetReader. It is empty when there is nothing to do. Its Inverse
	// undoes it, also where the two sides have different ignore files.
	Plan *workspace.Plan
}

// A BlockedError says why a directory cannot be made what a tree says. [Prepare] and
// [Restore] return it before they change anything.
type BlockedError struct {
	Path string
	What string
}

func (e *BlockedError) Error() string { return fmt.Sprintf("%q: %s", e.Path, e.What) }

// Prepare takes a snapshot of dir and plans how it becomes tree, which must have all
// its contents in st. It changes nothing.
//
// What is outside of either snapshot stays as it is: what the ignore files of the
// directory or of the tree name, unless the tree has it, and what Take calls a
// problem or a secret. Where that stands in the way, and where two names of the tree
// are one for this file system, the error is a [*BlockedError].
func Prepare(dir *workspace.Dir, st *store.Store, tree digest.Digest, opts Options) (*Restoration, error) {
	if _, err := measure(st, tree); err != nil {
		return nil, err
	}
	w, err := take(dir.Path(), st, opts, &tree)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	b := &planner{st: st, w: w, kept: map[string]bool{}}
	r := &Restoration{Now: w.snapshot(), Tree: tree}
	if err := b.check(dir, r); err != nil {
		return nil, err
	}
	d := differ{st: st, stays: b.stay}
	if err := d.dir("", 0, &w.tree, &tree); err != nil {
		return nil, err
	}
	slices.SortFunc(d.list, func(x, y Change) int { return strings.Compare(x.Path, y.Path) })
	if err := renamedByCase(dir.Path(), d.list); err != nil {
		return nil, err
	}
	for _, c := range d.list {
		if c.Kind == Removed && c.Before.Type == Dir && b.kept[c.Path] {
			r.Kept = append(r.Kept, c.Path)
			b.keep(c)
			continue
		}
		r.Changes = append(r.Changes, c)
		b.add(c)
	}
	if r.Plan, err = workspace.NewExact(b.changes, b.gone, b.made, b.modes); err != nil {
		return nil, err
	}
	return r, nil
}

type planner struct {
	st   *store.Store
	w    *walker
	kept map[string]bool // directories with something outside of the snapshots in them

	changes    []workspace.Change
	gone, made []workspace.Folder
	modes      []workspace.Remode
}

// check finds what stands in the way of the tree.
func (b *planner) check(dir *workspace.Dir, r *Restoration) error {
	stay := map[string]string{} // path to what it is
	for _, p := range b.w.outside {
		stay[p] = "is outside of the snapshot and stands in the way"
	}
	for _, p := range r.Now.Problems {
		stay[p.Path] = "stands in the way and could not be put back: " + p.What
	}
	for _, p := range r.Now.Secrets {
		stay[p] = "holds a secret and could not be put back"
	}
	for p := range stay {
		for i := range len(p) {
			if p[i] == '/' {
				b.kept[p[:i]] = true
			}
		}
	}
	c := checker{st: b.st, stay: stay, kept: b.kept, beside: map[string][]string{}}
	for _, p := range slices.Sorted(maps.Keys(stay)) {
		i := strings.LastIndexByte(p, '/')
		c.beside[p[:max(i, 0)]] = append(c.beside[p[:max(i, 0)]], p[i+1:])
	}
	if err := c.dir("", r.Tree); err != nil {
		return err
	}
	return c.collisions(dir.Path())
}

// A checker looks at every path of a tree before any is made.
type checker struct {
	st     Getter
	stay   map[string]string
	kept   map[string]bool
	beside map[string][]string // names in a directory that stay, whatever the tree says
	alike  [][2]string         // paths that are perhaps one on some systems
}

func (c *checker) dir(path string, tree digest.Digest) error {
	entries, err := readTree(c.st, tree)
	if err != nil {
		return err
	}
	c.group(path, entries)
	for _, e := range entries {
		at := join(path, e.Name)
		if err := workspace.CheckTreePath(at); err != nil {
			return &BlockedError{at, err.Error()}
		}
		if what, ok := c.stay[at]; ok {
			return &BlockedError{at, what}
		}
		if e.Type != Dir {
			if c.kept[at] {
				return &BlockedError{at, "a directory is there, with something outside of the snapshot in it"}
			}
			continue
		}
		if err := c.dir(at, e.SHA256); err != nil {
			return err
		}
	}
	return nil
}

// stay notes a directory on both sides.
func (b *planner) stay(path string, before, after *Entry) {
	open := func(mode string) bool {
		m, _ := workspace.ParsePerm(mode)
		return m&0o700 == 0o700
	}
	if before.Mode != after.Mode || !open(before.Mode) {
		b.modes = append(b.modes, workspace.Remode{Path: path, Before: before.Mode, After: after.Mode})
	}
}

// keep plans for a directory that stays though the tree does not have it.
func (b *planner) keep(c Change) { b.stay(c.Path, c.Before, c.Before) }

func (b *planner) add(c Change) {
	if c.Kind == Mode && c.Before.Type == Dir {
		return // stay has noted it
	}
	x, y := c.Before, c.After
	if x != nil && x.Type == Dir {
		b.gone = append(b.gone, workspace.Folder{Path: c.Path, Perm: x.Mode})
		x = nil
	}
	if y != nil && y.Type == Dir {
		b.made = append(b.made, workspace.Folder{Path: c.Path, Perm: y.Mode})
		y = nil
	}
	if x != nil || y != nil {
		b.changes = append(b.changes, workspace.Change{Path: c.Path, Before: stateOf(x), After: stateOf(y)})
	}
}

func stateOf(e *Entry) workspace.State {
	switch {
	case e == nil:
		return workspace.State{Mode: workspace.Absent}
	case e.Type == Link:
		return workspace.State{Mode: workspace.Link, Target: e.Target}
	}
	return workspace.State{Mode: workspace.File, Perm: e.Mode, SHA256: &e.SHA256}
}
