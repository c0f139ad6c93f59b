// Package rollback makes a workspace what it was before, during or after a
// run, all or nothing, and keeps a log of it.
//
// The log is one directory an entry, .coo/rollbacks/<n>/, with entry.json, one
// canonical line (docs/format/rollback.md):
//
//	{"changes":[{"is":"absent","path":"page.html","was":"file 0644 50a6…"}],"execution":17,
//	 "from":"4ba8…","n":3,"prev":"9c1e…","run":"c251…","target":"f395…","to":"baseline",
//	 "undoes":null,"workspace":"."}
//
// prev is the SHA-256 of the line before, so the log is a chain. from is the
// tree of the workspace as it was before the rollback, whatever it was: all of
// it is in the store, and undoing brings it back.
//
// While a rollback is on its way its directory also holds plan.json. A crash
// leaves that file, and [Recover] finishes the rollback or takes it back.
package rollback

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// Dir is the name of the log's directory in a store.
const Dir = "rollbacks"

const (
	entryFile = "entry.json"
	planFile  = "plan.json"
)

// An Entry is one rollback that was done.
type Entry struct {
	N         int64         `json:"n"`    // from 1, per store
	Prev      digest.Digest `json:"prev"` // of the entry before; 64 zeros in the first
	Run       digest.Digest `json:"run"`
	Execution int64         `json:"execution"`
	To        string        `json:"to"`        // baseline, final, "step N", or undo
	Workspace string        `json:"workspace"` // from the store's parent where it is below it, else absolute
	From      digest.Digest `json:"from"`      // tree before the rollback
	Target    digest.Digest `json:"target"`    // tree after it
	Changes   []Change      `json:"changes"`
	Undoes    *int64        `json:"undoes"` // the entry that this one takes back
}

// A Change is a path that a rollback changed, in words.
type Change struct {
	Path string `json:"path"`
	Was  string `json:"was"` // absent, file 0644 <sha256>, dir 0755, link -> target
	Is   string `json:"is"`
}

// A Config says what to roll back.
type Config struct {
	Store     *store.Store
	Dir       *workspace.Dir
	Options   snapshot.Options
	Run       digest.Digest
	Execution int64
	To        string
	Expected  digest.Digest // the tree that the workspace should have now
	Target    digest.Digest
	Undoes    *int64
	// Recover ends changes of workspaces that were interrupted while this one
	// waited: [Recover], and what other packages have ([store.Store.ToChange]).
	Recover func() error
}

// A ChangedError says that a rollback would lose changes nobody has recorded.
type ChangedError struct{ Lost []snapshot.Change }

func (e *ChangedError) Error() string {
	return "the workspace has changed since, and the rollback would lose what was changed"
}

// A Prepared rollback has changed nothing yet. It holds the store's apply
// lock until [Prepared.Close].
type Prepared struct {
	c    Config
	r    *snapshot.Restoration
	lost []snapshot.Change
	lock *durable.Lock
}

// Prepare looks at the workspace, stores what it is, and plans its way to
// the target.
func Prepare(c Config) (*Prepared, error) {
	lock, err := c.Store.ToChange(c.Recover)
	if err != nil {
		return nil, err
	}
	p := &Prepared{c: c, lock: lock}
	if p.r, err = snapshot.Prepare(c.Dir, c.Store, c.Target, c.Options); err == nil {
		p.lost, err = lost(c, p.r)
	}
	if err != nil {
		lock.Unlock()
		return nil, err
	}
	return p, nil
}

// lost returns what changed since the run and would be changed by the
// rollback.
func lost(c Config, r *snapshot.Restoration) ([]snapshot.Change, error) {
	if r.Now.Tree == c.Expected {
		return nil, nil
	}
	entries, err := Log(c.Store)
	if err != nil {
		return nil, err
	}
	// What the newest rollback has made is recorded too.
	if n := len(entries); n > 0 && entries[n-1].Target == r.Now.Tree {
		return nil, nil
	}
	since, err := snapshot.Diff(c.Store, c.Expected, r.Now.Tree)
	if err != nil {
		return nil, err
	}
	touched := map[string]bool{}
	for _, ch := range r.Changes {
		touched[ch.Path] = true
	}
	var out []snapshot.Change
	for _, ch := range since {
		if touched[ch.Path] {
			out = append(out, ch)
		}
	}
	return out, nil
}

// Changes returns what the rollback will change, by path.
func (p *Prepared) Changes() []snapshot.Change { return p.r.Changes }

// Kept returns the directories that stay because something that is in no
// snapshot is in them.
func (p *Prepared) Kept() []string { return p.r.Kept }

// Problems returns what is in the workspace and cannot be kept right: it stays
// as it is.
func (p *Prepared) Problems() []snapshot.Problem { return p.r.Now.Problems }

// Close lets go of what Prepare holds. It changes nothing.
func (p *Prepared) Close() error { return p.lock.Unlock() }

// An UnreadableError says that a rollback would go round something that it
// cannot read, and so cannot tell what it is.
type UnreadableError struct{ Problem snapshot.Problem }

func (e *UnreadableError) Error() string {
	return e.Problem.String() + ": nothing was done; what is there cannot be put back"
}

// Do carries the rollback out and logs it. Without force, changes that nobody
// has recorded are a [*ChangedError], and what cannot be read an [*UnreadableError]. When there is nothing to do, nothing is
// logged and the entry is nil.
func (p *Prepared) Do(force bool) (*Entry, error) {
	for _, problem := range p.r.Now.Problems {
		if !force && (problem.What == snapshot.Unreadable || problem.What == snapshot.Changing) {
			return nil, &UnreadableError{Problem: problem}
		}
	}
	if len(p.lost) > 0 && !force {
		return nil, &ChangedError{Lost: p.lost}
	}
	if p.r.Plan.Empty() {
		return nil, nil
	}
	e, err := p.intend()
	if err != nil {
		return nil, err
	}
	dir := p.c.Store.Path(entryDir(e.N))
	err = p.r.Plan.Apply(p.c.Dir, p.c.Store.GetReader)
	if ae, ok := errors.AsType[*workspace.ApplyError](err); ok && !ae.Undone {
		return nil, fmt.Errorf("%w; the next coo command tries again", err)
	}
	if p.r.Plan.Sweep(p.c.Dir) != nil {
		return e, err // with the plan, the next coo command sweeps
	}
	if err != nil {
		return nil, errors.Join(err, drop(p.c.Store, dir))
	}
	return e, finished(dir)
}

// drop removes an entry durably, for if its plan came back it would be carried
// out; and at once, for half an entry is damage.
func drop(st *store.Store, dir string) error {
	tmp, done, err := st.TempDir()
	if err != nil {
		return err
	}
	defer done()
	if err := os.Rename(dir, filepath.Join(tmp, "dropped")); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(dir))
}

// finished says durably that a rollback is over.
func finished(dir string) error {
	if err := os.Remove(filepath.Join(dir, planFile)); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

// intend makes the entry and the plan durable.
func (p *Prepared) intend() (*Entry, error) {
	entries, last, err := read(p.c.Store)
	if err != nil {
		return nil, err
	}
	e := &Entry{
		N: int64(len(entries)) + 1, Prev: last, Run: p.c.Run, Execution: p.c.Execution, To: p.c.To,
		Workspace: p.c.Store.Place(p.c.Dir.Path()), From: p.r.Now.Tree, Target: p.c.Target, Undoes: p.c.Undoes,
	}
	e.Changes = make([]Change, 0, len(p.r.Changes))
	for _, c := range p.r.Changes {
		e.Changes = append(e.Changes, Change{Path: c.Path, Was: State(c.Before), Is: State(c.After)})
	}
	// Another process may have undone the same rollback meanwhile.
	if err := e.check(entries); err != nil {
		return nil, fmt.Errorf("rollback: %w; nothing was done", err)
	}
	line, err := canon.Marshal(e)
	if err != nil {
		return nil, err
	}
	plan, err := p.r.Plan.Encode()
	if err != nil {
		return nil, err
	}
	return e, publish(p.c.Store, e.N, line, plan)
}

func publish(st *store.Store, n int64, line, plan []byte) error {
	if err := durable.MkdirAll(st.Path(Dir), 0o755); err != nil {
		return err
	}
	tmp, done, err := st.TempDir()
	if err != nil {
		return err
	}
	defer done()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	err = cmp.Or(
		durable.WriteFile(filepath.Join(tmp, entryFile), append(line, '\n'), 0o644),
		durable.WriteFile(filepath.Join(tmp, planFile), append(plan, '\n'), 0o644),
	)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, st.Path(entryDir(n))); err != nil {
		return err
	}
	return durable.SyncDir(st.Path(Dir))
}

func entryDir(n int64) string { return Dir + "/" + strconv.FormatInt(n, 10) }

// A Recovered tells of a rollback that a crash had interrupted.
type Recovered struct {
	N         int64
	Workspace string
	Finished  bool     // it is done now; else it is as if it had not begun
	Kept      []string // paths that somebody changed since, left as they are
}

// Recover finishes or takes back the rollbacks that a crash has interrupted.
func Recover(st *store.Store) ([]Recovered, error) {
	plans, err := fs.Glob(os.DirFS(st.Dir()), path.Join(Dir, "*", planFile))
	if err != nil || len(plans) == 0 {
		return nil, err
	}
	lock, err := durable.Exclusive(st.Path("locks/apply"))
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	var out []Recovered
	for _, plan := range plans {
		r, err := recoverOne(st, st.Path(path.Dir(plan)))
		if err != nil {
			return out, fmt.Errorf("%s: %w", path.Dir(plan), err)
		}
		if r != nil {
			out = append(out, *r)
		}
	}
	return out, nil
}

func recoverOne(st *store.Store, dir string) (*Recovered, error) {
	b, err := os.ReadFile(filepath.Join(dir, planFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // its own process was faster
	}
	if err != nil {
		return nil, err
	}
	line, err := os.ReadFile(filepath.Join(dir, entryFile))
	if err != nil {
		return nil, err
	}
	var e Entry
	if err := canon.Unmarshal(trimLine(line), &e); err != nil {
		return nil, err
	}
	plan, err := workspace.DecodePlan(trimLine(b))
	if err != nil {
		return nil, err
	}
	ws, err := workspace.OpenDir(st.PlaceOf(e.Workspace))
	if err != nil {
		return nil, err
	}
	defer ws.Close()
	r, err := plan.Recover(ws, st.GetReader)
	if err != nil {
		return nil, err
	}
	out := &Recovered{N: e.N, Workspace: e.Workspace, Finished: r.Finished, Kept: r.Kept}
	if !r.Finished {
		return out, drop(st, dir)
	}
	return out, finished(dir)
}

func trimLine(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		return b[:n-1]
	}
	return b
}
