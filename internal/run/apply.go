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
	Workspace string        `json:"workspace"` // from the store's parent where it is below it, else absolute
	Plan      string        `json:"plan"`      // as workspace.Plan encodes it
	Sum       digest.Digest `json:"sum"`       // SHA-256 of workspace, newline and plan
}

func (in intent) sum() digest.Digest { return digest.Of([]byte(in.Workspace + "\n" + in.Plan)) }

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
func intend(st *store.Store, name string, dir *workspace.Dir, files *workspace.Overlay, recover func() error) (*pending, error) {
	lock, err := st.ToChange(recover)
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
	in := intent{Workspace: p.st.Place(p.dir.Path()), Plan: string(enc)}
	in.Sum = in.sum()
	b, err := canon.Marshal(in)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(p.st.Path(applyDir), 0o755); err != nil {
		return err
	}
	return durable.WriteFile(p.file(), append(b, '\n'), 0o644)
}

func (p *pending) file() string { return p.st.Path(path.Join(applyDir, p.name)) }

// apply does what was intended.
func (p *pending) apply() error {
	if p == nil {
		return nil
	}
	defer p.lock.Unlock()
	err := p.plan.Apply(p.dir, p.st.GetReader)
	if e, ok := errors.AsType[*workspace.ApplyError](err); ok && !e.Undone {
		return fmt.Errorf("%w; the next coo command tries again", err)
	}
	if p.plan.Sweep(p.dir) != nil {
		return err // with the intent, the next coo command sweeps
	}
	return errors.Join(err, forget(p.file()))
}

// forget removes an intent, durably: if it came back it could undo what
// somebody has changed since.
func forget(file string) error {
	if err := os.Remove(file); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(file))
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
			if _, ok := errors.AsType[*store.DamageError](err); !ok {
				err = fmt.Errorf("%s/%s: %w", applyDir, e.Name(), err)
			}
			return out, err
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
	in, plan, err := decodeIntent(name, b)
	if err != nil {
		return nil, err
	}
	dir, err := workspace.OpenDir(st.PlaceOf(in.Workspace))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	r, err := plan.Recover(dir, st.GetReader)
	if err != nil {
		return nil, err
	}
	return &Recovered{Workspace: in.Workspace, Finished: r.Finished, Kept: r.Kept}, forget(file)
}

func decodeIntent(name string, b []byte) (in intent, plan *workspace.Plan, err error) {
	text, whole := strings.CutSuffix(string(b), "\n")
	err = canon.Unmarshal([]byte(text), &in)
	switch {
	case err == nil && (!whole || in.Sum != in.sum()):
		err = errors.New("not what was written")
	case err == nil:
		plan, err = workspace.DecodePlan([]byte(in.Plan))
	}
	if err != nil {
		err = &store.DamageError{Path: path.Join(applyDir, name), Record: -1, What: err.Error()}
	}
	return in, plan, err
}

// An Intent is a workspace change that is on its way.
type Intent struct {
	Name      string // of its file in apply/, and of its run in open/
	Workspace string
	Blobs     []digest.Digest // the contents it needs, to finish or to undo
	Err       error           // the intent cannot be read: a *store.DamageError
}

// Intents returns the workspace changes that are on their way, by name.
func Intents(st *store.Store) ([]Intent, error) {
	entries, err := os.ReadDir(st.Path(applyDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var out []Intent
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "tmp-") {
			continue // on its way to its name
		}
		b, err := os.ReadFile(st.Path(path.Join(applyDir, e.Name())))
		if errors.Is(err, os.ErrNotExist) {
			continue // done meanwhile
		}
		if err != nil {
			return nil, err
		}
		in, plan, err := decodeIntent(e.Name(), b)
		it := Intent{Name: e.Name(), Workspace: in.Workspace, Err: err}
		if err == nil {
			for _, c := range plan.Changes {
				for _, s := range []workspace.State{c.Before, c.After} {
					if s.SHA256 != nil {
						it.Blobs = append(it.Blobs, *s.SHA256)
					}
				}
			}
		}
		out = append(out, it)
	}
	return out, err
}
