package workspace

import (
	"fmt"
	"maps"
	"slices"
)

// List returns the paths of the files that match pattern as o sees them,
// sorted. That is a reading of the whole pattern.
func (o *Overlay) List(pattern string) ([]string, error) {
	p, err := ParsePattern(pattern)
	if err != nil {
		return nil, err
	}
	for l := o; l != nil; l = l.parent {
		l.lists[p.text] = p
	}
	base, err := o.run.list(p)
	if err != nil {
		return nil, err
	}
	var list []string
	mine := o.visible()
	// order: sorted below
	for path, e := range mine {
		if !e.gone && p.Match(path) {
			list = append(list, path)
		}
	}
	for _, path := range base {
		if _, ok := mine[path]; !ok && o.fileAbove(path) == "" && !o.isDir(path) {
			list = append(list, path)
		}
	}
	if len(list) > MaxList {
		return nil, &PathError{Op: "list", Path: pattern, What: fmt.Sprintf("more than %d files", MaxList)}
	}
	slices.Sort(list)
	return list, nil
}

// list asks the reader, once a pattern.
func (r *run) list(p *Pattern) ([]string, error) {
	if list, ok := r.lists[p.text]; ok {
		return list, nil
	}
	list, err := r.below.Glob(p.text)
	if err == nil {
		r.lists[p.text] = list
	}
	return list, err
}

// visible returns the newest entry of every path that o or a layer below it
// has written or removed.
func (o *Overlay) visible() map[string]entry {
	all := map[string]entry{}
	for l := o; l != nil; l = l.parent {
		for p, e := range l.entries {
			if _, ok := all[p]; !ok {
				all[p] = e
			}
		}
	}
	return all
}

// Before returns what the whole run has read from below its overlays so far,
// sorted by path. Files have the mode [File]: whether one is executable cannot
// be seen by a mission.
func (o *Overlay) Before() []Entry {
	list := make([]Entry, 0, len(o.run.seen))
	for _, p := range slices.Sorted(maps.Keys(o.run.seen)) {
		e := Entry{Mode: File, Path: p, SHA256: o.run.seen[p]}
		if e.SHA256 == nil {
			e.Mode = Absent
		}
		list = append(list, e)
	}
	return list
}

// After returns what [Overlay.Before] does, with what o sees written and
// removed in its place.
func (o *Overlay) After() []Entry {
	mine := o.visible()
	var list []Entry
	for _, e := range o.Before() {
		if _, ok := mine[e.Path]; !ok {
			list = append(list, e)
		}
	}
	// order: sorted below
	for p, e := range mine {
		list = append(list, e.entry(p))
	}
	sortEntries(list)
	return list
}

// Changes returns what o sees written and removed, sorted by path: for a run,
// its outputs. A file that was not there, was written and removed again is not
// among them.
func (o *Overlay) Changes() []Entry {
	var list []Entry
	// order: sorted below
	for p, e := range o.visible() {
		if known, asked := o.run.seen[p]; e.gone && asked && known == nil {
			continue
		}
		list = append(list, e.entry(p))
	}
	sortEntries(list)
	return list
}

// Sizes returns the lengths of the files that o sees written, by path.
func (o *Overlay) Sizes() map[string]int64 {
	sizes := map[string]int64{}
	for p, e := range o.visible() {
		if !e.gone {
			sizes[p] = int64(len(e.data))
		}
	}
	return sizes
}

// Touched returns the paths that were read from below o, also by children that
// were dropped, and those that o and the children merged into it have written
// or removed. Both are sorted.
func (o *Overlay) Touched() (read, wrote []string) {
	return slices.Sorted(maps.Keys(o.reads)), slices.Sorted(maps.Keys(o.entries))
}
