package workspace

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

// planFormat names the format of an encoded plan.
const planFormat = "coo.apply/0"

// A Plan says, path by path, what a directory is before and after an overlay is
// applied. With the contents it names it is enough to finish or to undo that at
// any later time. It is state of one machine and never part of a run.
type Plan struct {
	Changes []Change `json:"changes"` // sorted by path
	// Exact: the plan restores a state. Permissions count in full, directories
	// come and go for their own sake, and names need not be portable.
	Exact  bool     `json:"exact,omitempty"`
	Format string   `json:"format"`
	Gone   []Folder `json:"gone"`            // directories that give way to a file, deepest first
	ID     string   `json:"id"`              // 16 hex digits, in the names of temporary files
	Made   []Folder `json:"made"`            // directories that are missing, parents first
	Modes  []Remode `json:"modes,omitempty"` // directories that stay, parents first; only in an exact plan
}

// A Change is a path that differs before and after.
type Change struct {
	After  State  `json:"after"`
	Before State  `json:"before"`
	Path   string `json:"path"`
}

// A State is what is at a path: nothing ([Absent]), a regular file ([File])
// with its permissions as four octal digits and its digest, or a symbolic link
// ([Link]) with its target.
type State struct {
	Mode   string         `json:"mode"`
	Perm   string         `json:"perm,omitempty"`
	SHA256 *digest.Digest `json:"sha256,omitempty"`
	Target string         `json:"target,omitempty"`
}

// A Remode is a directory that stays. Its permissions change, or it is locked, on
// one side at least, against changes of the names in it.
type Remode struct {
	After  string `json:"after"`
	Before string `json:"before"`
	Path   string `json:"path"`
}

// A Folder is a directory and its permissions as four octal digits.
type Folder struct {
	Path string `json:"path"`
	Perm string `json:"perm"`
}

// equal compares what a rename carries over. Unless the plan is exact, other
// permissions than the executable bit may differ: a umask or a user may have
// changed them since.
func (s State) equal(t State, exact bool) bool {
	if exact && s.Perm != t.Perm {
		return false
	}
	return s.Mode == t.Mode && s.Target == t.Target && s.executable() == t.executable() &&
		(s.SHA256 == nil) == (t.SHA256 == nil) && (s.SHA256 == nil || *s.SHA256 == *t.SHA256)
}

func (s State) executable() bool { return s.Mode == File && parsePerm(s.Perm)&0o111 != 0 }

// special are the permissions outside of the nine bits.
var special = []struct {
	mode fs.FileMode
	bit  uint32
}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}}

// FormatPerm returns the permissions in m, setuid, setgid and sticky among them,
// as four octal digits.
func FormatPerm(m fs.FileMode) string {
	bits := uint32(m.Perm())
	for _, s := range special {
		if m&s.mode != 0 {
			bits |= s.bit
		}
	}
	return string([]byte{'0' + byte(bits>>9), '0' + byte(bits>>6&7), '0' + byte(bits>>3&7), '0' + byte(bits&7)})
}

// ParsePerm is the inverse of [FormatPerm].
func ParsePerm(s string) (fs.FileMode, error) {
	bits, err := strconv.ParseUint(s, 8, 12)
	if err != nil || len(s) != 4 {
		return 0, fmt.Errorf("malformed permissions %.40q", s)
	}
	m := fs.FileMode(bits & 0o777)
	for _, s := range special {
		if uint32(bits)&s.bit != 0 {
			m |= s.mode
		}
	}
	return m, nil
}

// parsePerm is ParsePerm for permissions that were checked.
func parsePerm(s string) fs.FileMode {
	m, err := ParsePerm(s)
	if err != nil {
		return fs.ModeIrregular
	}
	return m
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool {
	return len(p.Changes) == 0 && (!p.Exact || len(p.Gone)+len(p.Made)+len(p.Modes) == 0)
}

// Paths returns the paths that change, sorted.
func (p *Plan) Paths() []string {
	paths := make([]string, len(p.Changes))
	for i, c := range p.Changes {
		paths[i] = c.Path
	}
	return paths
}

// Encode returns the plan as canonical JSON.
func (p *Plan) Encode() ([]byte, error) { return canon.Marshal(p) }

// DecodePlan is the inverse of [Plan.Encode]. It refuses what [Prepare] and
// [NewExact] cannot have made.
func DecodePlan(b []byte) (*Plan, error) {
	p := new(Plan)
	if err := canon.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return p, nil
}

func (p *Plan) check() error {
	if p.Format != planFormat {
		return fmt.Errorf("format %.40q, want %q", p.Format, planFormat)
	}
	if len(p.ID) != 16 || strings.Trim(p.ID, "0123456789abcdef") != "" {
		return fmt.Errorf("malformed id %.40q", p.ID)
	}
	file, above := map[string]bool{}, map[string]bool{} // after the plan
	for i, c := range p.Changes {
		if i > 0 && c.Path <= p.Changes[i-1].Path {
			return fmt.Errorf("change %d: %q is out of order", i, c.Path)
		}
		if !p.isPath(c.Path) {
			return fmt.Errorf("change %d: %q is no path", i, c.Path)
		}
		if err := cmp.Or(c.Before.check(), c.After.check()); err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
		if c.Before.equal(c.After, p.Exact) {
			return fmt.Errorf("change %d: nothing changes", i)
		}
		if c.After.Mode == Absent {
			continue
		}
		file[c.Path] = true
		for dir := range parents(c.Path) {
			above[dir] = true
		}
	}
	for i, f := range p.Gone {
		// A directory goes because it, or one above it, becomes a file.
		ok := p.Exact || file[f.Path]
		for dir := range parents(f.Path) {
			ok = ok || file[dir]
		}
		if err := p.checkFolder("gone", p.Gone, i, ok, -1); err != nil {
			return err
		}
	}
	for i, f := range p.Made {
		if err := p.checkFolder("made", p.Made, i, p.Exact || above[f.Path], 1); err != nil {
			return err
		}
	}
	return p.checkModes()
}

// checkModes holds the list of directories that stay to its order.
func (p *Plan) checkModes() error {
	if !p.Exact && p.Modes != nil {
		return errors.New("modes in a plan that is not exact")
	}
	for i, m := range p.Modes {
		before, err := ParsePerm(m.Before)
		if err != nil {
			return fmt.Errorf("modes %d: %w", i, err)
		}
		after, err := ParsePerm(m.After)
		switch {
		case err != nil:
			return fmt.Errorf("modes %d: %w", i, err)
		case !p.isPath(m.Path):
			return fmt.Errorf("modes %d: %q is no path", i, m.Path)
		case i > 0 && m.Path <= p.Modes[i-1].Path:
			return fmt.Errorf("modes %d: %q is out of order", i, m.Path)
		case before == after && !locked(before):
			return fmt.Errorf("modes %d: nothing changes", i)
		}
	}
	return nil
}

// locked reports whether a directory's owner may not change the names in it.
func locked(perm fs.FileMode) bool { return perm&0o700 != 0o700 }

// isPath reports whether a plan of this kind may name p.
func (p *Plan) isPath(name string) bool {
	if p.Exact {
		return CheckTreePath(name) == nil
	}
	q, err := clean("path", name, false)
	return err == nil && q == name
}

// checkFolder holds a directory to the order of its list, ascending or
// descending, and to having a reason.
func (p *Plan) checkFolder(what string, list []Folder, i int, reason bool, order int) error {
	f := list[i]
	switch {
	case !p.isPath(f.Path):
		return fmt.Errorf("%s %d: %q is no path", what, i, f.Path)
	case i > 0 && cmp.Compare(f.Path, list[i-1].Path) != order:
		return fmt.Errorf("%s %d: %q is out of order", what, i, f.Path)
	case !reason:
		return fmt.Errorf("%s %d: no change needs %q", what, i, f.Path)
	case parsePerm(f.Perm) == fs.ModeIrregular:
		return fmt.Errorf("%s %d: malformed permissions %.40q", what, i, f.Perm)
	}
	return nil
}

func (s State) check() error {
	file := s.Perm != "" && s.SHA256 != nil && s.Target == ""
	switch {
	case s.Mode == Absent && s == State{Mode: Absent}:
		return nil
	case s.Mode == Link && s == State{Mode: Link, Target: s.Target} && s.Target != "":
		return nil
	case s.Mode == File && file && parsePerm(s.Perm) != fs.ModeIrregular:
		return nil
	}
	return fmt.Errorf("malformed state %.40q", s.Mode)
}

// Inverse returns the plan that undoes p, from the same contents.
func (p *Plan) Inverse() *Plan {
	q := &Plan{Exact: p.Exact, Format: p.Format, ID: p.ID, Made: slices.Clone(p.Gone), Gone: slices.Clone(p.Made)}
	slices.Reverse(q.Made)
	slices.Reverse(q.Gone)
	for _, c := range p.Changes {
		q.Changes = append(q.Changes, Change{Path: c.Path, Before: c.After, After: c.Before})
	}
	for _, m := range p.Modes {
		q.Modes = append(q.Modes, Remode{Path: m.Path, Before: m.After, After: m.Before})
	}
	return q
}
