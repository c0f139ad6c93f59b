package workspace

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// A Recovery says what became of an apply that was interrupted.
type Recovery struct {
	// Finished: all of the plan is applied; otherwise none of it is.
	Finished bool
	// Kept are paths of the plan that somebody has changed since. They were
	// left alone.
	Kept []string
}

// Recover brings a directory in which [Plan.Apply] was interrupted to one of
// the plan's two sides: after, if any path has got there, else before. When it
// cannot go forward it goes back. It may be interrupted itself and repeated.
// Two processes must not recover one plan at once.
//
// After an error the plan is still needed.
func (p *Plan) Recover(d *Dir, blob Blobs) (Recovery, error) {
	s, err := p.survey(d)
	if err != nil {
		return Recovery{}, err
	}
	var r Recovery
	begun := false
	for i, c := range p.Changes {
		begun = begun || s[i] == isAfter
		if s[i] == isOther {
			r.Kept = append(r.Kept, c.Path)
		}
	}
	begun = begun || p.Exact && p.begun(d)
	if begun && p.proceed(d, blob) == nil {
		r.Finished = true
		return r, nil
	}
	if err := p.Inverse().proceed(d, blob); err != nil {
		return Recovery{}, err
	}
	return r, nil
}

// proceed makes the changes of p that are still to be made. The temporary files
// of the earlier attempt go first: they might keep a directory from going.
func (p *Plan) proceed(d *Dir, blob Blobs) error {
	// Directories are unlocked first, or their temporary files could not go.
	if err := (&applier{d: d, p: p}).unlock(); err != nil {
		return err
	}
	if err := p.Sweep(d); err != nil {
		return err
	}
	s, err := p.survey(d)
	if err != nil {
		return err
	}
	return p.carryOut(d, blob, s)
}

// Sweep removes the temporary files of the plan, wherever they may be. [Plan.Apply]
// does so itself, but cannot when removing fails.
func (p *Plan) Sweep(d *Dir) error {
	dirs := map[string]bool{".": true}
	for _, c := range p.Changes {
		for dir := range parents(c.Path) {
			dirs[dir] = true
		}
	}
	for _, f := range slices.Concat(p.Gone, p.Made) {
		for dir := range parents(f.Path) {
			dirs[dir] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if fi, err := d.realDir(dir); err != nil || fi == nil {
			continue
		}
		entries, err := d.readDir(dir, dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), tempPrefix+p.ID+"-") {
				continue
			}
			name := path.Join(dir, e.Name())
			// All: a power cut may lose the rename of a directory and keep what
			// came into it after.
			if err := d.must(dir, "remove", name, func() error { return d.root.RemoveAll(name) }); err != nil {
				return err
			}
		}
	}
	return nil
}
