package workspace

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of the paths in a tree: more than a mission may use, for what other
// programs leave in a directory.
const (
	MaxTreeDepth = 250   // names
	MaxTreePath  = 32768 // bytes
)

// CheckTreeName says what is wrong with a name in a tree: it must be one that can
// stand in a directory, UTF-8, and outside of the ignore set.
func CheckTreeName(name string) error {
	what := ""
	switch {
	case name == "", name == ".", name == "..", strings.ContainsAny(name, "/\x00"):
		what = "is no name"
	case len(name) > maxName:
		what = fmt.Sprintf("is longer than %d bytes", maxName)
	case !utf8.ValidString(name):
		what = "is not UTF-8"
	case ignoredName(name):
		what = "is never read or written"
	default:
		return nil
	}
	return fmt.Errorf("name %.300q %s", name, what)
}

// CheckTreePath is [CheckTreeName] for a path of such names.
func CheckTreePath(p string) error {
	if len(p) > MaxTreePath || strings.Count(p, "/") >= MaxTreeDepth {
		return fmt.Errorf("path of %d bytes and %d names is too long", len(p), strings.Count(p, "/")+1)
	}
	for name := range strings.SplitSeq(p, "/") {
		if err := CheckTreeName(name); err != nil {
			return err
		}
	}
	return nil
}

// NewExact makes a plan that takes a directory from one known state to another.
// Unlike one of [Prepare] it knows all of both: full permissions, directories
// without files, links above paths. modes names every directory that stays and
// whose permissions change or do not let its owner change names in it.
func NewExact(changes []Change, gone, made []Folder, modes []Remode) (*Plan, error) {
	p := &Plan{
		Exact: true, Format: planFormat, ID: newID(),
		Changes: slices.Clone(changes), Gone: slices.Clone(gone), Made: slices.Clone(made), Modes: slices.Clone(modes),
	}
	slices.SortFunc(p.Changes, func(a, b Change) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(p.Gone, func(a, b Folder) int { return cmp.Compare(b.Path, a.Path) })
	slices.SortFunc(p.Made, func(a, b Folder) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(p.Modes, func(a, b Remode) int { return cmp.Compare(a.Path, b.Path) })
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return p, nil
}

// unlock lets the owner change names in every directory where the plan does.
func (a *applier) unlock() error {
	if !a.p.Exact {
		return nil
	}
	list := make([]string, 0, len(a.p.Modes)+len(a.p.Gone)+len(a.p.Made))
	for _, m := range a.p.Modes {
		list = append(list, m.Path)
	}
	for _, f := range slices.Concat(a.p.Gone, a.p.Made) { // some of Made are there after a crash
		list = append(list, f.Path)
	}
	slices.Sort(list) // parents first
	for _, dir := range list {
		fi, err := a.d.realDir(dir)
		if err != nil {
			return err
		}
		if fi == nil || !locked(fi.Mode()) {
			continue
		}
		if err := a.chmod(dir, fi.Mode(), fi.Mode()|0o700); err != nil {
			return err
		}
	}
	return nil
}

// lock gives the directories of an exact plan their permissions, the deepest
// first, and syncs them: nothing below them changes any more.
func (a *applier) lock() error {
	if !a.p.Exact {
		return nil
	}
	final := make([]Folder, 0, len(a.p.Made)+len(a.p.Modes))
	final = append(final, a.p.Made...)
	for _, m := range a.p.Modes {
		final = append(final, Folder{m.Path, m.After})
	}
	slices.SortFunc(final, func(x, y Folder) int { return cmp.Compare(y.Path, x.Path) })
	for _, f := range final {
		fi, err := a.d.realDir(f.Path)
		if err != nil {
			return err
		}
		if fi == nil || FormatPerm(fi.Mode()) == f.Perm {
			continue // gone with somebody else's doing, or right
		}
		if err := a.chmod(f.Path, fi.Mode(), parsePerm(f.Perm)); err != nil {
			return err
		}
	}
	return nil
}

// realDir returns what is at name if that is a directory with no link above it, and
// else nil. A plan's directories may lie below what is a link on the other side.
func (d *Dir) realDir(name string) (fs.FileInfo, error) {
	for dir := range parents(name) {
		if fi, err := d.lstat("apply", name, dir); err != nil || fi == nil || !fi.IsDir() {
			return nil, err
		}
	}
	fi, err := d.lstat("apply", name, name)
	if err != nil || fi == nil || !fi.IsDir() {
		return nil, err
	}
	return fi, nil
}

const permBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// chmod changes the permissions of a directory, durably.
func (a *applier) chmod(dir string, from, to fs.FileMode) error {
	set := func(m fs.FileMode) error { return a.d.chmodDir(dir, m&permBits) }
	if err := a.d.must(dir, "chmod", dir, func() error { return set(to) }); err != nil {
		return err
	}
	a.undo = append(a.undo, func() error { return set(from) })
	return nil
}

// chmodDir opens the directory while that is allowed: before or after.
func (d *Dir) chmodDir(dir string, perm fs.FileMode) error {
	f, err := d.root.Open(dir)
	if err != nil {
		if err := d.root.Chmod(dir, perm|0o700); err != nil {
			return err
		}
		if f, err = d.root.Open(dir); err != nil {
			return err
		}
	}
	defer f.Close()
	if err := f.Chmod(perm); err != nil {
		return err
	}
	return syncOpenDir(f)
}

// begun reports whether a directory of an exact plan has left its state before.
func (p *Plan) begun(d *Dir) bool {
	is := func(dir string) (fs.FileInfo, bool) {
		fi, err := d.realDir(dir)
		return fi, err == nil && fi != nil
	}
	for _, f := range p.Made {
		if _, ok := is(f.Path); ok {
			return true
		}
	}
	for _, f := range p.Gone {
		if _, ok := is(f.Path); !ok {
			return true
		}
	}
	for _, m := range p.Modes {
		before := parsePerm(m.Before)
		if fi, ok := is(m.Path); ok && FormatPerm(fi.Mode()) == m.After && m.After != FormatPerm(before|0o700) && m.After != m.Before {
			return true // and not only unlocked
		}
	}
	return false
}

// linkAbove reports whether a link above p is one that the plan makes or removes.
func (p *Plan) linkAbove(d *Dir, name string) bool {
	if !p.Exact {
		return false
	}
	for dir := range parents(name) {
		i, ok := slices.BinarySearchFunc(p.Changes, dir, func(c Change, dir string) int { return cmp.Compare(c.Path, dir) })
		if !ok || p.Changes[i].Before.Mode != Link && p.Changes[i].After.Mode != Link {
			continue
		}
		if fi, err := d.lstat("apply", dir, dir); err == nil && fi != nil && fi.Mode()&fs.ModeSymlink != 0 {
			return true
		}
	}
	return false
}

// lockedDirs are the directories of the plan in which no temporary file may be
// left, because it could not be removed.
func (p *Plan) lockedDirs() map[string]bool {
	m := map[string]bool{}
	for _, f := range p.Modes {
		m[f.Path] = locked(parsePerm(f.Before)) || locked(parsePerm(f.After))
	}
	for _, f := range p.Made {
		m[f.Path] = m[f.Path] || locked(parsePerm(f.Perm))
	}
	return m
}

// tempDir returns the name of the temporary directory that becomes dir.
func (a *applier) tempDir(dir string) (string, error) {
	if !a.p.Exact {
		return path.Join(path.Dir(dir), tempPrefix+a.p.ID+"-dir.new"), nil
	}
	at, err := a.place(dir)
	return path.Join(at, tempPrefix+a.p.ID+"-dir.new"), err
}
