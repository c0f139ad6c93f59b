package workspace

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
)

// Prepare compares the directory with what the run's overlay o holds and
// returns what would have to change. It changes nothing. put is called with
// every content that the plan names, before and after.
//
// A path that is not what it was when d first read or touched it is a
// [*ChangedError]. A directory with other files in it where a file must go, a
// file or link where a directory must be, names that the file system does not tell
// apart, and what coo could not put back are [*AccessError]s.
func Prepare(d *Dir, o *Overlay, put func([]byte) (digest.Digest, error)) (*Plan, error) {
	b := builder{
		d: d, put: put,
		plan: &Plan{Format: planFormat, ID: newID()},
		mine: o.visible(),
		made: map[string]bool{}, names: map[string]map[string]bool{},
	}
	for _, e := range o.Changes() {
		if err := b.add(e.Path, b.mine[e.Path]); err != nil {
			return nil, err
		}
	}
	if err := b.apart(); err != nil {
		return nil, err
	}
	for _, dir := range slices.Sorted(maps.Keys(b.made)) {
		b.plan.Made = append(b.plan.Made, Folder{dir, "0755"})
	}
	slices.SortFunc(b.plan.Gone, func(x, y Folder) int { return strings.Compare(y.Path, x.Path) })
	return b.plan, nil
}

func newID() string {
	var id [8]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

type builder struct {
	d    *Dir
	put  func([]byte) (digest.Digest, error)
	plan *Plan
	mine map[string]entry
	made map[string]bool
	// names are those in a directory, as they are spelled there.
	names map[string]map[string]bool
}

func (b *builder) add(p string, e entry) error {
	if err := b.d.unchanged(p); err != nil {
		return err
	}
	before, err := b.d.state(p)
	if err != nil {
		return err
	}
	if err := b.spelled(p); err != nil {
		return err
	}
	if before.Mode == directory {
		if e.gone {
			return nil // a directory is no file: it is gone already
		}
		if err := b.giveWay(p); err != nil {
			return err
		}
		before = State{Mode: Absent}
	}
	after := e.state(before)
	if after.equal(before, false) {
		return nil
	}
	if !e.gone {
		if err := b.makeWay(p); err != nil {
			return err
		}
	}
	if err := b.keep(p, before, e); err != nil {
		return err
	}
	b.plan.Changes = append(b.plan.Changes, Change{Path: p, Before: before, After: after})
	return nil
}

// state returns what e makes of a path: a new file has the usual permissions,
// one that is there keeps its own.
func (e entry) state(before State) State {
	if e.gone {
		return State{Mode: Absent}
	}
	perm := fs.FileMode(0o644)
	if before.Mode == File {
		perm = parsePerm(before.Perm).Perm() // new content never inherits setuid
	}
	if e.exec {
		perm |= perm & 0o444 >> 2
	}
	return State{Mode: File, Perm: FormatPerm(perm), SHA256: &e.sum}
}

// keep puts the contents of both sides where the plan can find them.
func (b *builder) keep(p string, before State, e entry) error {
	if before.Mode == File {
		data, err := b.d.content(p)
		if err != nil {
			return err
		}
		if digest.Of(data) != *before.SHA256 {
			return &ChangedError{p}
		}
		if _, err := b.put(data); err != nil {
			return err
		}
	}
	if e.gone {
		return nil
	}
	_, err := b.put(e.data)
	return err
}

// makeWay plans the directories above p.
func (b *builder) makeWay(p string) error {
	for dir := range parents(p) {
		s, err := b.d.state(dir)
		if err != nil {
			return err
		}
		switch e, mine := b.mine[dir]; {
		case s.Mode == directory:
			continue
		case s.Mode == Absent, mine && e.gone:
			b.made[dir] = true
		default:
			return &AccessError{Op: "apply", Path: p, What: fmt.Sprintf("%q is a %s", dir, s.Mode)}
		}
	}
	return nil
}

// giveWay plans the removal of directory p and those below it, provided that
// every file in them is removed by the plan.
func (b *builder) giveWay(p string) error {
	fi, err := b.d.lstat("apply", p, p)
	if err != nil {
		return err
	}
	entries, err := b.d.readDir(p, p)
	if err != nil {
		return err
	}
	for _, sub := range entries {
		at := path.Join(p, sub.Name())
		if e, ok := b.mine[at]; ok && e.gone {
			continue
		}
		if !sub.IsDir() || ignoredName(sub.Name()) {
			return &AccessError{Op: "apply", Path: p, What: fmt.Sprintf("it is a directory that holds %q", at)}
		}
		if err := b.giveWay(at); err != nil {
			return err
		}
	}
	b.plan.Gone = append(b.plan.Gone, Folder{p, FormatPerm(fi.Mode())})
	return nil
}

// unchanged compares a path with what it was when the run first met it.
func (d *Dir) unchanged(p string) error {
	first, ok := d.first[p]
	if !ok {
		return nil
	}
	now, err := d.glance("apply", p)
	if err != nil {
		return err
	}
	if now != first {
		return &ChangedError{p}
	}
	return nil
}

// state returns what is at p itself, links not followed. The mode may also be
// [directory].
func (d *Dir) state(p string) (State, error) {
	if ok, err := d.above("apply", p); !ok || err != nil {
		return State{Mode: Absent}, err
	}
	fi, err := d.lstat("apply", p, p)
	switch {
	case err != nil:
		return State{}, err
	case fi == nil:
		return State{Mode: Absent}, nil
	case fi.IsDir():
		return State{Mode: directory}, nil
	case fi.Mode()&fs.ModeSymlink != 0:
		target, err := d.root.Readlink(p)
		if err != nil {
			return State{}, access("apply", p, err)
		}
		return State{Mode: Link, Target: target}, nil
	case !fi.Mode().IsRegular():
		return State{}, &AccessError{Op: "apply", Path: p, What: "not a regular file"}
	}
	sum, err := d.sum("apply", p, p)
	return State{Mode: File, Perm: FormatPerm(fi.Mode()), SHA256: &sum}, err
}

// above reports whether everything above p is a directory. A link is an error.
func (d *Dir) above(op, p string) (bool, error) {
	for dir := range parents(p) {
		fi, err := d.lstat(op, p, dir)
		switch {
		case err != nil:
			return false, err
		case fi == nil:
			return false, nil
		case fi.Mode()&fs.ModeSymlink != 0:
			return false, &AccessError{Op: op, Path: p, What: fmt.Sprintf("%q is a link", dir)}
		case !fi.IsDir():
			return false, nil
		}
	}
	return true, nil
}

// content reads a file that is about to be replaced or removed.
func (d *Dir) content(p string) ([]byte, error) {
	f, fi, err := d.open("apply", p, p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readAll(f, fi.Size(), maxBefore)
	if errors.Is(err, errTooLarge) {
		return nil, &AccessError{Op: "apply", Path: p, What: fmt.Sprintf("larger than %d MiB: it could not be put back", maxBefore>>20)}
	}
	if err != nil {
		return nil, access("apply", p, err)
	}
	return data, nil
}
