package run

import (
	"fmt"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// An UnsnapshottedError names what a snapshot cannot keep right, before a
// run has begun.
type UnsnapshottedError struct{ Problems []snapshot.Problem }

func (e *UnsnapshottedError) Error() string {
	const most = 5
	var b strings.Builder
	for i, p := range e.Problems {
		if i == most {
			fmt.Fprintf(&b, " and %d more;", len(e.Problems)-most)
			break
		}
		fmt.Fprintf(&b, " %s;", p)
	}
	return "the workspace holds what a rollback could not put back:" + b.String() +
		" name it in .cooignore, or go on without it: --allow-unsnapshotted"
}

// checkpoints attaches the workspace's trees to a run: its state before, at
// each step, and after. Those of the steps are made of the baseline and what
// the mission has written: the directory itself does not change meanwhile.
type checkpoints struct {
	st   *store.Store
	rec  *flight.Recorder
	base digest.Digest
}

// baseline takes the snapshot that a run begins with. What it cannot keep is
// named before anything runs.
func baseline(c Config) (digest.Digest, error) {
	s, err := snapshot.Take(c.Dir.Path(), c.Store, c.Snapshot)
	if err != nil {
		return digest.Digest{}, err
	}
	if len(s.Problems) > 0 && !c.AllowUnsnapshotted {
		return digest.Digest{}, &UnsnapshottedError{Problems: s.Problems}
	}
	return s.Tree, nil
}

// at attaches the state of the workspace as an overlay shows it.
func (c *checkpoints) at(at string, n int64, files *workspace.Overlay) error {
	var edits []snapshot.Edit
	if files != nil {
		edits = editsOf(files)
	}
	objects := objects{st: c.st, rec: c.rec, made: map[digest.Digest][]byte{}}
	tree, err := snapshot.Overlay(objects, objects, c.base, edits)
	if err != nil {
		return err
	}
	return c.attach(at, n, tree)
}

// attach attaches a state of the workspace that is in the store.
func (c *checkpoints) attach(at string, n int64, tree digest.Digest) error {
	return c.rec.Attach(Tree{T: "tree", At: at, N: n, Tree: tree})
}

// objects keeps tree objects in a run's journal, and finds those it has just
// made there.
type objects struct {
	st   *store.Store
	rec  *flight.Recorder
	made map[digest.Digest][]byte
}

func (o objects) Put(p []byte) (digest.Digest, error) {
	d, err := o.rec.Blob(p)
	o.made[d] = p
	return d, err
}

func (o objects) Get(d digest.Digest) ([]byte, error) {
	if p, ok := o.made[d]; ok {
		return p, nil
	}
	return o.st.Get(d)
}

func editsOf(files *workspace.Overlay) []snapshot.Edit {
	sizes := files.Sizes()
	var edits []snapshot.Edit
	for _, c := range files.Changes() {
		edits = append(edits, snapshot.Edit{
			Path: c.Path, Exec: c.Mode == workspace.Exec, SHA256: c.SHA256, Size: sizes[c.Path],
		})
	}
	return edits
}
