package run

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// What a mission wrote reaches the workspace after its run is sealed, all or
// nothing. Before the seal, an intent is made durable in apply/<name>, where
// name is that of the run in open/; it is removed when everything is done.
// A crash in between leaves the intent, and [Recover] finishes it if the run
// was sealed, and drops it if not.

const applyDir = "apply"

// An intent is a plan for a workspace.
type intent struct {
	Workspace string `json:"workspace"` // from the store's parent where it is below it, else absolute
	Plan      string `json:"plan"`      // as workspace.Plan encodes it
}

// A pending intent holds the store's apply lock.
type pending struct {
	st   *store.Store
	name string
	dir  *workspace.Dir
	plan *workspace.Plan
	lock *durable.Lock
}

// intend prepares the apply of files to dir and makes the intent durable. It
// returns nil when there is nothing to change.
func intend(st *store.Store, name string, dir *workspace.Dir, files *workspace.Overlay) (*pending, error) {
	lock, err := durable.Exclusive(st.Path("locks/apply"))
	if err != nil {
		return nil, err
	}
	p := &pending{st: st, name: name, dir: dir, lock: lock}
	if err := p.prepare(files); err != nil {
		lock.Unlock()
		return nil, err
	}
	if p.plan.Empty() {
		return nil, lock.Unlock()
	}
	return p, nil
}

func (p *pending) prepare(files *workspace.Overlay) error {
	batch, err := p.st.NewBatch()
	if err != nil {
		return err
	}
	defer batch.Discard()
	if p.plan, err = workspace.Prepare(p.dir, files, batch.Put); err != nil {
		return err
	}
	if p.plan.Empty() {
		return nil
	}
	if err := batch.Commit(); err != nil {
		return err
	}
	enc, err := p.plan.Encode()
	if err != nil {
		return err
	}
	b, err := canon.Marshal(intent{Workspace: place(p.st, p.dir.Path()), Plan: string(enc)})
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(p.st.Path(applyDir), 0o755); err != nil {
		return err
	}
	return durable.WriteFile(p.file(), append(b, '\n'), 0o644)
}

// place names a workspace so that store and workspace can move together.
func place(st *store.Store, dir string) string {
	rel, err := filepath.Rel(filepath.Dir(st.Dir()), dir)
	if err != nil || !filepath.IsLocal(rel) {
		return dir
	}
	return filepath.ToSlash(rel)
}

func (p *pending) file() string { return p.st.Path(path.Join(applyDir, p.name)) }

// apply does what was intended.
func (p *pending) apply() error {
	if p == nil {
		return nil
	}
	defer p.lock.Unlock()
	err := p.plan.Apply(p.dir, p.st.Get)
	if e, ok := errors.AsType[*workspace.ApplyError](err); ok && !e.Undone {
		return fmt.Errorf("%w; the next coo command tries again", err)
	}
	return errors.Join(err, os.Remove(p.file()))
}

// drop gives the intent up: the run was not sealed.
func (p *pending) drop() {
	if p != nil {
		os.Remove(p.file()) // a leftover is dropped by Recover
		p.lock.Unlock()
	}
}

// A Recovered tells of an apply that a crash had interrupted.
type Recovered struct {
	Workspace string
	Finished  bool     // everything is applied now; else nothing is
	Kept      []string // paths that somebody changed since, left as they are
}

// Recover finishes or undoes the applies that a crash has interrupted. Call
// [flight.Recover] first, so that runs whose seal was written are sealed.
func Recover(st *store.Store) ([]Recovered, error) {
	entries, err := os.ReadDir(st.Path(applyDir))
	if errors.Is(err, os.ErrNotExist) || len(entries) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lock, err := durable.Exclusive(st.Path("locks/apply"))
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	executions, err := st.Executions()
	if err != nil {
		return nil, err
	}
	sealed := map[string]bool{}
	for _, e := range executions {
		sealed[e.Open] = true
	}
	var out []Recovered
	for _, e := range entries {
		r, err := recoverOne(st, e.Name(), sealed[e.Name()])
		if err != nil {
			return out, fmt.Errorf("%s/%s: %w", applyDir, e.Name(), err)
		}
		if r != nil {
			out = append(out, *r)
		}
	}
	return out, nil
}

func recoverOne(st *store.Store, name string, sealed bool) (*Recovered, error) {
	file := st.Path(path.Join(applyDir, name))
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // its own process was faster
	}
	if err != nil {
		return nil, err
	}
	if !sealed {
		return nil, os.Remove(file)
	}
	var in intent
	if err := canon.Unmarshal([]byte(strings.TrimSuffix(string(b), "\n")), &in); err != nil {
		return nil, err
	}
	plan, err := workspace.DecodePlan([]byte(in.Plan))
	if err != nil {
		return nil, err
	}
	where := in.Workspace
	if !filepath.IsAbs(where) {
		where = filepath.Join(st.Dir(), "..", filepath.FromSlash(where))
	}
	dir, err := workspace.OpenDir(where)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	r, err := plan.Recover(dir, func(d digest.Digest) ([]byte, error) { return st.Get(d) })
	if err != nil {
		return nil, err
	}
	return &Recovered{Workspace: in.Workspace, Finished: r.Finished, Kept: r.Kept}, os.Remove(file)
}
