package workspace

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
)

// An Overlay holds what a run, a step or a branch has written and removed, over
// its parent or, for a run, over a [Reader]. Its errors are [*PathError]s and
// whatever the reader returns.
//
// What an overlay knows of the layers below it is what was read through it: a
// path that the reader was asked for does not change any more for this run.
type Overlay struct {
	run     *run
	parent  *Overlay
	entries map[string]entry
	reads   map[string]bool // paths whose state came from below this overlay
	lists   map[string]*Pattern
	dirs    map[string]int    // directory to the number of entries and reads below it
	names   map[string]string // folded path written, or directory of one, to its spelling
}

// An entry is a file written, or removed.
type entry struct {
	gone bool
	exec bool
	data []byte
	sum  digest.Digest
	at   int64 // orders the writes of a run
}

// A run is what all overlays of a run share.
type run struct {
	below   Reader
	seen    map[string]*digest.Digest // what the reader said; nil: no such file
	lists   map[string][]string
	touched map[string]bool
	writes  int64
	pending int64 // bytes held by all overlays
}

// New returns the overlay of a run over what lies below.
func New(below Reader) *Overlay {
	return layer(&run{
		below:   below,
		seen:    map[string]*digest.Digest{},
		lists:   map[string][]string{},
		touched: map[string]bool{},
	}, nil)
}

// Child returns an empty overlay over o, for a step, an attempt or a branch. It
// ends with [Overlay.Merge] or [Overlay.Drop]. Until then only branches of the
// same fork, and nothing else, may use or change o.
func (o *Overlay) Child() *Overlay { return layer(o.run, o) }

func layer(r *run, parent *Overlay) *Overlay {
	return &Overlay{
		run: r, parent: parent,
		entries: map[string]entry{},
		reads:   map[string]bool{},
		lists:   map[string]*Pattern{},
		dirs:    map[string]int{},
		names:   map[string]string{},
	}
}

// Read returns the content of a file as o sees it. It must not be modified.
func (o *Overlay) Read(path string) ([]byte, error) {
	p, err := clean("read", path, false)
	if err != nil {
		return nil, err
	}
	data, ok, err := o.read(p)
	if err == nil && !ok {
		err = notExist("read", path)
	}
	return data, err
}

// read looks for a clean path from the top layer down and notes, in every
// layer it passes, that the answer came from below.
func (o *Overlay) read(p string) (data []byte, ok bool, err error) {
	for l := o; l != nil; l = l.parent {
		if e, ok := l.entries[p]; ok {
			return e.data, !e.gone, nil
		}
		l.note(p)
	}
	if o.isDir(p) || o.fileAbove(p) != "" {
		return nil, false, nil
	}
	return o.run.read(p)
}

// note records that p was read through o.
func (o *Overlay) note(p string) {
	if !o.reads[p] {
		o.reads[p] = true
		o.count(p)
	}
}

// count keeps dirs for a path that is new to o.
func (o *Overlay) count(p string) {
	for dir := range parents(p) {
		o.dirs[dir]++
	}
}

// read asks the reader. What it said once holds for the whole run.
func (r *run) read(p string) ([]byte, bool, error) {
	known, asked := r.seen[p]
	if asked && known == nil {
		return nil, false, nil
	}
	data, _, err := r.below.Read(p)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	if err != nil {
		if asked {
			return nil, false, &ChangedError{p}
		}
		r.seen[p] = nil
		return nil, false, nil
	}
	sum := digest.Of(data)
	if asked && *known != sum {
		return nil, false, &ChangedError{p}
	}
	r.seen[p] = &sum
	return data, true, nil
}

// at returns the state of a clean path as o knows it, without asking below:
// whether there is a file, and whether anything is known.
func (o *Overlay) at(p string) (file, known bool) {
	for l := o; l != nil; l = l.parent {
		if e, ok := l.entries[p]; ok {
			return !e.gone, true
		}
		if l.reads[p] {
			known = true
		}
	}
	return known && o.run.seen[p] != nil, known
}

// fileAbove returns the directory above p that o knows to be a file, or "".
func (o *Overlay) fileAbove(p string) string {
	for dir := range parents(p) {
		if file, _ := o.at(dir); file {
			return dir
		}
	}
	return ""
}

// isDir reports whether o knows a file below p.
func (o *Overlay) isDir(p string) bool {
	for l := o; l != nil; l = l.parent {
		if l.dirs[p] == 0 {
			continue
		}
		for q := range l.paths() {
			if file, _ := o.at(q); file && strings.HasPrefix(q, p+"/") {
				return true
			}
		}
	}
	return false
}

// paths yields the paths that o has entries or reads for, in no order.
func (o *Overlay) paths() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		// order: the one caller asks whether there is any
		for p := range o.entries {
			if !yield(p) {
				return
			}
		}
		// order: as above
		for p := range o.reads {
			if !yield(p) {
				return
			}
		}
	}
}

// Write sets the content of a file, making it if need be. It keeps data, which
// must not be modified any more.
func (o *Overlay) Write(path string, data []byte, exec bool) error {
	p, err := clean("write", path, true)
	if err != nil {
		return err
	}
	wrong := func(format string, args ...any) error {
		return &PathError{Op: "write", Path: path, What: fmt.Sprintf(format, args...)}
	}
	if len(data) > MaxFile {
		return wrong("larger than %d MiB", MaxFile>>20)
	}
	if dir := o.fileAbove(p); dir != "" {
		return wrong("%q is a file", dir)
	}
	if o.isDir(p) {
		return wrong("it is a directory")
	}
	if is, was := o.spelling(p); is != was {
		return wrong("%q and %q differ only in case", is, was)
	}
	if o.run.pending-int64(len(o.entries[p].data))+int64(len(data)) > MaxPending {
		return wrong("more than %d MiB are written and not yet applied", MaxPending>>20)
	}
	if !o.run.touched[p] {
		if err := o.run.below.Touch(p); err != nil {
			return err
		}
		o.run.touched[p] = true
	}
	o.put(p, entry{data: data, exec: exec, sum: digest.Of(data)})
	return nil
}

// Remove removes a file. That it is there is a reading.
func (o *Overlay) Remove(path string) error {
	p, err := clean("remove", path, false)
	if err != nil {
		return err
	}
	_, ok, err := o.read(p)
	if err != nil {
		return err
	}
	if !ok {
		return notExist("remove", path)
	}
	o.put(p, entry{gone: true})
	return nil
}

// spelling returns the first part of p that was written before, on the way to
// o, in another case, and how.
func (o *Overlay) spelling(p string) (is, was string) {
	check := func(q string) bool {
		for l := o; l != nil; l = l.parent {
			if s, ok := l.names[fold(q)]; ok && s != q {
				is, was = q, s
				return true
			}
		}
		return false
	}
	for dir := range parents(p) {
		if check(dir) {
			return is, was
		}
	}
	check(p)
	return is, was
}

// put makes e the newest entry of o.
func (o *Overlay) put(p string, e entry) {
	o.run.writes++
	e.at = o.run.writes
	o.run.pending += int64(len(e.data))
	o.set(p, e)
}

func (o *Overlay) set(p string, e entry) {
	old, ok := o.entries[p]
	o.run.pending -= int64(len(old.data))
	o.entries[p] = e
	if !ok {
		o.count(p)
	}
	if e.gone {
		return
	}
	o.names[fold(p)] = p
	for dir := range parents(p) {
		o.names[fold(dir)] = dir
	}
}

// Merge makes what o holds part of its parent. o must not be used any more.
func (o *Overlay) Merge() {
	if o.parent == nil {
		panic("workspace: internal error: the overlay of a run has nothing to merge into")
	}
	// order: set adds to sums and fills maps
	for p, e := range o.entries {
		o.parent.set(p, e)
	}
	o.entries = nil
}

// An Undone is a path whose last write was taken back; Wrote is null when it
// had been removed.
type Undone struct {
	Path  string
	Wrote *digest.Digest
}

// Drop forgets what o holds and returns it, the newest write first, each path
// once. What was read through o stays read. o must not be used any more.
func (o *Overlay) Drop() []Undone {
	paths := slices.SortedFunc(maps.Keys(o.entries), func(a, b string) int {
		return cmp.Compare(o.entries[b].at, o.entries[a].at)
	})
	undone := make([]Undone, 0, len(paths))
	for _, p := range paths {
		e := o.entries[p]
		o.run.pending -= int64(len(e.data))
		undone = append(undone, Undone{p, e.entry(p).SHA256})
	}
	o.entries = nil
	return undone
}

func (e entry) entry(p string) Entry {
	switch {
	case e.gone:
		return Entry{Mode: Absent, Path: p}
	case e.exec:
		return Entry{Mode: Exec, Path: p, SHA256: &e.sum}
	}
	return Entry{Mode: File, Path: p, SHA256: &e.sum}
}
