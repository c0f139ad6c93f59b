package workspace

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
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
func (p *Plan) Recover(d *Dir, blob func(digest.Digest) ([]byte, error)) (Recovery, error) {
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
	if begun && p.proceed(d, blob) == nil {
		r.Finished = true
		return r, nil
	}
	if err := p.inverse().proceed(d, blob); err != nil {
		return Recovery{}, err
	}
	return r, nil
}

// proceed makes the changes of p that are still to be made. The temporary files
// of the earlier attempt go first: they might keep a directory from going.
func (p *Plan) proceed(d *Dir, blob func(digest.Digest) ([]byte, error)) error {
	if err := p.sweep(d); err != nil {
		return err
	}
	s, err := p.survey(d)
	if err != nil {
		return err
	}
	return p.carryOut(d, blob, s)
}

// sweep removes the temporary files of the plan, wherever they may be.
func (p *Plan) sweep(d *Dir) error {
	dirs := map[string]bool{".": true}
	for _, c := range p.Changes {
		for dir := range parents(c.Path) {
			dirs[dir] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if fi, err := d.lstat("apply", dir, dir); err != nil || fi == nil || !fi.IsDir() {
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
			if err := d.must(dir, "remove", name, func() error { return d.root.Remove(name) }); err != nil {
				return err
			}
		}
	}
	return nil
}
