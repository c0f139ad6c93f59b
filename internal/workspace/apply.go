package workspace

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
)

// Blobs reads contents by their digests. What it reads is checked.
type Blobs func(digest.Digest) (io.Reader, error)

// Apply makes the directory what the plan says, all of it or nothing, and syncs
// it. blob reads the contents that [Prepare] has put. For a crash on the way
// to be mended, the plan must be on disk before.
//
// When a path is not as the plan has it before, the error is a
// [*ChangedError]; every other error is an [*ApplyError].
func (p *Plan) Apply(d *Dir, blob Blobs) error {
	s, err := p.survey(d)
	if err != nil {
		return &ApplyError{Undone: true, Err: err}
	}
	for i, c := range p.Changes {
		if s[i] != isBefore {
			return &ChangedError{c.Path}
		}
	}
	return p.carryOut(d, blob, s)
}

// Where a path stands between the two states of its change.
type standing int

const (
	isBefore standing = iota
	isAfter
	isOther // somebody else changed it
)

// survey finds out where every path of the plan stands.
func (p *Plan) survey(d *Dir) ([]standing, error) {
	list := make([]standing, len(p.Changes))
	folders := map[string]bool{}
	for _, f := range slices.Concat(p.Gone, p.Made) {
		folders[f.Path] = true
	}
	for i, c := range p.Changes {
		if p.linkAbove(d, c.Path) {
			list[i] = p.stand(State{Mode: Absent}, c)
			continue
		}
		s, err := d.state(c.Path)
		if err != nil {
			return nil, err
		}
		if s.Mode == directory && folders[c.Path] {
			s = State{Mode: Absent} // the directory has a place of its own in the plan
		}
		list[i] = p.stand(s, c)
	}
	return list, nil
}

func (p *Plan) stand(s State, c Change) standing {
	switch {
	case s.equal(c.Before, p.Exact):
		return isBefore
	case s.equal(c.After, p.Exact):
		return isAfter
	}
	return isOther
}

// carryOut makes the changes that stand at before.
func (p *Plan) carryOut(d *Dir, blob Blobs, s []standing) error {
	a := applier{d: d, p: p, blob: blob, dirs: map[string]bool{}, gone: map[string]bool{}, locked: p.lockedDirs()}
	for _, f := range p.Gone {
		a.gone[f.Path] = true
		a.dirs[path.Dir(f.Path)] = true
	}
	for _, f := range p.Made {
		a.dirs[path.Dir(f.Path)], a.dirs[f.Path] = true, true
	}
	for _, m := range p.Modes {
		a.dirs[m.Path] = true
	}
	for i, c := range p.Changes {
		// Also where nothing is left to do: whoever did it may have died
		// before the sync.
		a.dirs[path.Dir(c.Path)] = true
		if s[i] == isBefore {
			a.moves = append(a.moves, move{Change: c, n: i})
		}
	}
	var err error
	a.together = durable.CanSyncFS && len(a.moves)+len(p.Made) > durable.SyncEach
	defer a.closeSystems()
	for _, f := range []func() error{a.unlock, a.stage, a.settle, a.commit, a.syncDirs, a.lock} {
		if err = f(); err != nil {
			break
		}
	}
	if err != nil {
		return &ApplyError{Undone: a.revert() == nil, Err: err}
	}
	a.removeTemps()
	clear(d.first) // the states remembered are history
	return nil
}

// An applier carries out one plan. Everything that can fail for want of space
// or rights comes first (stage), where nothing of the user's has changed yet.
type applier struct {
	d      *Dir
	p      *Plan
	blob   Blobs
	moves  []move
	gone   map[string]bool
	locked map[string]bool
	temps  []string
	undo   []func() error  // newest last
	dirs   map[string]bool // in which names change
	// together: files are not synced one by one but with their file systems.
	together bool
	systems  map[uint64]system
}

// A move is a change with the temporary names of its two sides.
type move struct {
	Change
	n        int
	new, old string
}

// stage writes the new files and gives the old ones a second name.
func (a *applier) stage() error {
	for i := range a.moves {
		m := &a.moves[i]
		dir, err := a.place(m.Path)
		if err != nil {
			return err
		}
		if err := a.meet(dir); err != nil {
			return err
		}
		m.new = path.Join(dir, fmt.Sprintf("%s%s-%d.new", tempPrefix, a.p.ID, m.n))
		m.old = path.Join(dir, fmt.Sprintf("%s%s-%d.old", tempPrefix, a.p.ID, m.n))
		if m.After.Mode == Absent {
			continue
		}
		if err := a.create(m.Path, m.new, m.After); err != nil {
			return err
		}
		if err := a.second(m); err != nil {
			return err
		}
	}
	return nil
}

// place returns the nearest directory above p that is there and stays: a
// temporary file in it can be renamed to p unless a mount lies between.
func (a *applier) place(p string) (string, error) {
	at := "."
	for dir := range parents(p) {
		fi, err := a.d.lstat("apply", p, dir)
		if err != nil {
			return "", err
		}
		if fi == nil || !fi.IsDir() || a.gone[dir] {
			break
		}
		if !a.locked[dir] {
			at = dir
		}
	}
	return at, nil
}

// create makes the file or link that s describes under a temporary name.
func (a *applier) create(p, temp string, s State) error {
	a.temps = append(a.temps, temp)
	_ = a.d.do("remove", temp, func() error { return a.d.root.Remove(temp) }) // left over, if anything
	if s.Mode == Link {
		return a.d.must(p, "symlink", temp, func() error { return a.d.root.Symlink(s.Target, temp) })
	}
	data, err := a.blob(*s.SHA256)
	if err != nil {
		return &AccessError{Op: "apply", Path: p, Err: err}
	}
	err = a.d.do("create", temp, func() error { return a.writeFile(temp, data, *s.SHA256, parsePerm(s.Perm)) })
	if errors.Is(err, errDamaged) {
		return &AccessError{Op: "apply", Path: p, What: errDamaged.Error()}
	}
	if err != nil {
		return access("apply", p, err)
	}
	return nil
}

// second gives what a move replaces a second name. A hard link keeps the file
// itself, so that taking back needs no space and loses nothing.
func (a *applier) second(m *move) error {
	switch m.Before.Mode {
	case Absent:
		return nil
	case Link:
		return a.create(m.Path, m.old, m.Before)
	}
	a.temps = append(a.temps, m.old)
	_ = a.d.do("remove", m.old, func() error { return a.d.root.Remove(m.old) })
	if err := a.d.do("link", m.old, func() error { return a.d.root.Link(m.Path, m.old) }); err == nil {
		return nil
	}
	return a.create(m.Path, m.old, m.Before)
}

// must is do with an error that names the path p.
func (d *Dir) must(p, op, name string, f func() error) error {
	if err := d.do(op, name, f); err != nil {
		return access("apply", p, err)
	}
	return nil
}

// do carries out an operation that changes the directory.
func (d *Dir) do(op, name string, f func() error) error {
	if d.fault != nil {
		if err := d.fault(op, name); err != nil {
			return err
		}
	}
	return f()
}

var errDamaged = errors.New("its stored content is damaged")

// writeFile makes a file of the content sum and syncs it, unless all are synced
// together.
func (a *applier) writeFile(name string, data io.Reader, sum digest.Digest, perm fs.FileMode) error {
	f, err := a.d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = WriteSparse(f, io.TeeReader(data, h))
	if err == nil && digest.Digest(h.Sum(nil)) != sum {
		err = errDamaged
	}
	if err == nil {
		err = f.Chmod(perm) // not before: a read-only file is no obstacle, and no umask has a say
	}
	if err == nil && !a.together {
		err = a.d.do("sync", name, f.Sync)
	}
	return cmp.Or(err, f.Close())
}

// holdsFiles reports whether a directory is known not to be empty.
func (d *Dir) holdsFiles(name string) bool {
	entries, err := d.readDir(name, name)
	return err == nil && len(entries) > 0
}
