package snapshot

import (
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/workspace"
)

// Files returns the files and links of a tree as a footprint has them: with
// the executable bit and nothing else of their permissions, so that equal
// workspaces are equal under every umask. A link counts by its target.
func Files(st Getter, tree digest.Digest) ([]Write, error) {
	d := differ{st: st}
	if err := d.dir("", 0, nil, &tree); err != nil {
		return nil, err
	}
	var out []Write
	for _, c := range d.list {
		if e, ok := state(c.Path, c.After); ok {
			out = append(out, Write{Entry: e, Size: c.After.Size, Target: c.After.Target})
		}
	}
	return out, nil
}

// A Write is a file or link of a tree, or one that differs between two, as a
// footprint has it; what is gone is absent.
type Write struct {
	workspace.Entry
	Size   int64  // of a file, in bytes
	Target string // of a link: the content that SHA256 names
}

// Written returns what differs from tree a to tree b in files and links.
func Written(st Getter, a, b digest.Digest) ([]Write, error) {
	changes, err := Diff(st, a, b)
	if err != nil {
		return nil, err
	}
	var out []Write
	for _, c := range changes {
		before, was := state(c.Path, c.Before)
		after, is := state(c.Path, c.After)
		switch {
		case is && was && before.Mode == after.Mode && *before.SHA256 == *after.SHA256:
			// Other permissions than the executable bit.
		case is:
			out = append(out, Write{Entry: after, Size: c.After.Size, Target: c.After.Target})
		case was:
			out = append(out, Write{Entry: workspace.Entry{Mode: workspace.Absent, Path: c.Path}})
		}
	}
	return out, nil
}

// state returns what is at a path, and whether that is a file or a link.
func state(path string, e *Entry) (workspace.Entry, bool) {
	if e == nil || e.Type == Dir {
		return workspace.Entry{}, false
	}
	w := workspace.Entry{Mode: workspace.File, Path: path, SHA256: &e.SHA256}
	switch {
	case e.Type == Link:
		target := digest.Of([]byte(e.Target))
		w.Mode, w.SHA256 = workspace.Link, &target
	case executable(e.Mode):
		w.Mode = workspace.Exec
	}
	return w, true
}
