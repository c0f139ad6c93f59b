package run

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/workspace"
)

// base is what lies below the run's overlay: the inputs, each read once and
// recorded when it is first read. It reads for the branch that is running.
type base struct {
	w *world
	b string
}

// Read returns a file as the run first saw it.
func (s *base) Read(path string) ([]byte, bool, error) {
	r, ok := s.w.reads[path]
	if !ok {
		var err error
		if r, err = s.w.firstRead(s.b, path); err != nil {
			return nil, false, err
		}
		s.w.reads[path] = r
	}
	if r.absent != nil {
		return nil, false, r.absent
	}
	return r.data, r.exec, nil
}

func (w *world) firstRead(b, path string) (*read, error) {
	r := &read{}
	var err error
	r.data, r.exec, err = w.inputs.Read(path)
	in := &flight.Input{Kind: "file", Name: path}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.absent = err
	case err != nil:
		return nil, err
	default:
		if err := w.guard("the file "+path, r.data); err != nil {
			return nil, err
		}
		d, err := w.blob(r.data)
		if err != nil {
			return nil, err
		}
		in.SHA256 = &d
	}
	_, err = w.append(b, in)
	return r, err
}

// Glob returns the paths that match a pattern as the run first saw them.
func (s *base) Glob(pattern string) ([]string, error) {
	w := s.w
	if paths, ok := w.lists[pattern]; ok {
		return paths, nil
	}
	paths, err := w.inputs.Glob(pattern)
	if err != nil {
		return nil, err
	}
	if paths == nil {
		paths = []string{}
	}
	doc, err := canon.Marshal(paths)
	if err != nil {
		return nil, fatal(err)
	}
	if err := w.guard("the listing of "+pattern, doc); err != nil {
		return nil, err
	}
	d, err := w.blob(doc)
	if err != nil {
		return nil, err
	}
	if _, err := w.append(s.b, &flight.Input{Kind: "list", Name: pattern, SHA256: &d}); err != nil {
		return nil, err
	}
	w.lists[pattern] = paths
	return paths, nil
}

// Touch announces a path that is about to change.
func (s *base) Touch(path string) error { return s.w.inputs.Touch(path) }

// filesError tells a mission's mistake, which it may catch, from a directory
// that cannot be used as asked, which ends the run.
func filesError(err error) error {
	if _, ok := errors.AsType[*workspace.AccessError](err); ok {
		return fatal(err)
	}
	if e, ok := errors.AsType[*workspace.PathError](err); ok {
		// The mission names the function itself.
		return fmt.Errorf("%q: %s", e.Path, e.What)
	}
	return err
}

// Read returns the content of a file as the branch sees it.
func (w *world) Read(b, path string) ([]byte, error) {
	w.base.b = b
	data, err := w.branches[b].overlay.Read(path)
	return data, filesError(err)
}

// List returns the paths that match as the branch sees them.
func (w *world) List(b, pattern string) ([]string, error) {
	w.base.b = b
	paths, err := w.branches[b].overlay.List(pattern)
	return paths, filesError(err)
}

// Write puts content in the branch's overlay and records it.
func (w *world) Write(b, path string, data []byte) error {
	if err := w.guard("the file "+path, data); err != nil {
		return err
	}
	w.base.b = b
	if err := w.branches[b].overlay.Write(path, data, false); err != nil {
		return filesError(err)
	}
	d, err := w.blob(data)
	if err != nil {
		return err
	}
	path, err = workspace.CleanPath(path)
	if err != nil {
		return err
	}
	_, err = w.append(b, &flight.Write{Path: path, Mode: "file", SHA256: &d, Size: int64(len(data))})
	return err
}

// Remove takes a file out of the branch's overlay and records it.
func (w *world) Remove(b, path string) error {
	w.base.b = b
	if err := w.branches[b].overlay.Remove(path); err != nil {
		return filesError(err)
	}
	path, err := workspace.CleanReadPath(path)
	if err != nil {
		return err
	}
	_, err = w.append(b, &flight.Write{Path: path, Mode: "file"})
	return err
}

// Env returns an environment variable as the run first saw it.
func (w *world) Env(b, name string) (string, bool, error) {
	v, seen := w.env[name]
	if !seen {
		value, ok, err := w.inputs.Env(name)
		if err != nil {
			return "", false, fatal(err)
		}
		in := &flight.Input{Kind: "env", Name: name}
		if ok {
			if err := w.guard("the environment variable "+name, []byte(value)); err != nil {
				return "", false, err
			}
			d, err := w.blob([]byte(value))
			if err != nil {
				return "", false, err
			}
			in.SHA256, v = &d, &value
		}
		if _, err := w.append(b, in); err != nil {
			return "", false, err
		}
		w.env[name] = v
	}
	if v == nil {
		return "", false, nil
	}
	return *v, true, nil
}

// Begin starts a step: a checkpoint, and an overlay of its own.
func (w *world) Begin(b, name, kind string) (int64, error) {
	br := w.branches[b]
	tree, err := w.footprint(br.overlay.After())
	if err != nil {
		return 0, err
	}
	n, err := w.append(b, &flight.Step{Name: name, Kind: kind, Tree: tree})
	if err != nil {
		return 0, err
	}
	if w.check != nil {
		if err := w.check(n, br.overlay); err != nil {
			return 0, fatal(err)
		}
	}
	br.steps = append(br.steps, step{n: n, outer: br.overlay})
	br.overlay = br.overlay.Child()
	return n, nil
}

// End merges a step's overlay into what surrounds it, or drops it.
func (w *world) End(b string, n int64, failure error) error {
	br := w.branches[b]
	s := br.steps[len(br.steps)-1]
	if s.n != n {
		panic("run: internal error: steps end in another order than they began")
	}
	br.steps = br.steps[:len(br.steps)-1]
	inner := br.overlay
	br.overlay = s.outer
	if failure == nil {
		inner.Merge()
		_, err := w.append(b, &flight.StepEnd{Step: n, OK: true})
		return err
	}
	why := message(failure)
	var undone []flight.Undone
	for _, u := range inner.Drop() {
		undone = append(undone, flight.Undone{Path: u.Path, Wrote: u.Wrote})
	}
	tree, err := w.footprint(s.outer.After())
	if err != nil {
		return err
	}
	if _, err := w.append(b, &flight.Rollback{Step: n, Tree: tree, Undone: undone, Why: why}); err != nil {
		return err
	}
	_, err = w.append(b, &flight.StepEnd{Step: n, Error: why})
	return err
}

// Fork splits a branch; each part writes to an overlay of its own.
func (w *world) Fork(b string, width int) (int64, error) {
	n, err := w.append(b, &flight.Fork{Width: int64(width)})
	if err != nil {
		return 0, err
	}
	parent := w.branches[b]
	for i := range width {
		w.branches[branchName(n, i)] = &branch{
			overlay: parent.overlay.Child(),
			slept:   parent.slept,
			owed:    parent.owed,
		}
	}
	return n, nil
}

// BranchEnd records how a branch ended.
func (w *world) BranchEnd(b string, failure error) error {
	r := &flight.BranchEnd{OK: failure == nil}
	if failure != nil {
		r.Error = message(failure)
	}
	_, err := w.append(b, r)
	return err
}

// Join brings the branches of a fork together. What they wrote is merged even
// when one of them failed, so that the step around them takes it back by name.
func (w *world) Join(b string, fork int64) error {
	parent := w.branches[b]
	var parts []*workspace.Overlay
	parent.slept, parent.owed = 0, 0
	for i := 0; ; i++ {
		name := branchName(fork, i)
		part, ok := w.branches[name]
		if !ok {
			break
		}
		delete(w.branches, name)
		parts = append(parts, part.overlay)
		parent.slept = max(parent.slept, part.slept)
		parent.owed = max(parent.owed, part.owed)
	}
	if _, err := w.append(b, &flight.Join{Fork: fork}); err != nil {
		return err
	}
	conflict := workspace.Conflicts(parts)
	for _, part := range parts {
		part.Merge()
	}
	return conflict
}

// footprint returns the digest of a footprint tree, stored as a blob.
func (w *world) footprint(entries []workspace.Entry) (digest.Digest, error) {
	tree, err := workspace.Footprint(entries)
	if err != nil {
		return digest.Digest{}, fatal(err)
	}
	return w.blob(tree)
}

// message is an error's text as it stands in a record.
func message(err error) string {
	const limit = 4 << 10
	s := err.Error()
	if len(s) > limit {
		s = s[:limit]
		for len(s) > 0 && s[len(s)-1]&0xc0 == 0x80 {
			s = s[:len(s)-1]
		}
		s = s[:max(len(s)-1, 0)] + "…"
	}
	return s
}

// branchName names branch i of the fork at record n.
func branchName(n int64, i int) string { return fmt.Sprintf("%d.%d", n, i) }
