package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/coo-runtime/coo/internal/canon"
)

// Limits of [JSONDiff]. Above the first it does not compare at all; above the
// others it reports a container as changed without looking into it.
const (
	maxDiffJSON    = 16 << 20  // bytes of one text
	maxDiffParts   = 100_000   // elements or members of one container
	maxDiffWork    = 256 << 20 // bytes of containers looked into
	maxDiffChanges = 10_000
)

// A ChangeKind says what became of a place in a JSON text.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// A Change is one place at which two JSON texts differ.
type Change struct {
	// Path is a JSON Pointer, RFC 6901: into the old text for what was
	// removed, into the new one for everything else. "" is the whole text.
	Path     string
	Kind     ChangeKind
	Old, New string // compact JSON, whole; "" where there is none
}

// JSONDiff returns where two JSON texts differ, in the order of their
// canonical form ([canon.JSON]); ok is false when one is not strict JSON or
// longer than 16 MiB. Numbers are compared as they are written: 1 and 1.0
// differ.
//
// The elements of arrays are aligned by a longest common subsequence of equal
// ones, so that one message put into a history is one change.
func JSONDiff(a, b []byte) (changes []Change, ok bool) {
	if len(a) > maxDiffJSON || len(b) > maxDiffJSON {
		return nil, false
	}
	a, errA := canon.JSON(a)
	b, errB := canon.JSON(b)
	if errA != nil || errB != nil {
		return nil, false
	}
	w := &jsonWalk{work: maxDiffWork}
	w.compare("", "", a, b)
	return w.changes, true
}

// A jsonWalk goes down two canonical texts. Canonical values are equal when
// their bytes are, so there is no tree to build.
type jsonWalk struct {
	changes []Change
	work    int // bytes that may still be looked into
}

func (w *jsonWalk) compare(oldPath, newPath string, a, b []byte) {
	if bytes.Equal(a, b) {
		return
	}
	if a[0] == b[0] && (a[0] == '{' || a[0] == '[') && len(w.changes) < maxDiffChanges {
		w.work -= len(a) + len(b)
		old, okOld := split(a)
		new, okNew := split(b)
		if w.work >= 0 && okOld && okNew {
			if a[0] == '{' {
				w.members(oldPath, newPath, old, new)
			} else {
				w.elements(oldPath, newPath, old, new)
			}
			return
		}
	}
	w.changes = append(w.changes, Change{newPath, Changed, string(a), string(b)})
}

func (w *jsonWalk) added(path string, b []byte) {
	w.changes = append(w.changes, Change{path, Added, "", string(b)})
}

func (w *jsonWalk) removed(path string, a []byte) {
	w.changes = append(w.changes, Change{path, Removed, string(a), ""})
}

// members compares two objects, whose members are sorted by name.
func (w *jsonWalk) members(oldPath, newPath string, old, new [][]byte) {
	for len(old) > 0 || len(new) > 0 {
		order := 0
		var oldName, newName string
		var a, b []byte
		switch {
		case len(old) == 0:
			order = 1
		case len(new) == 0:
			order = -1
		}
		if order <= 0 {
			oldName, a = member(old[0])
		}
		if order >= 0 {
			newName, b = member(new[0])
		}
		if order == 0 {
			order = canon.CompareKeys(oldName, newName)
		}
		switch {
		case order < 0:
			w.removed(oldPath+"/"+pointer(oldName), a)
			old = old[1:]
		case order > 0:
			w.added(newPath+"/"+pointer(newName), b)
			new = new[1:]
		default:
			w.compare(oldPath+"/"+pointer(oldName), newPath+"/"+pointer(newName), a, b)
			old, new = old[1:], new[1:]
		}
	}
}

func (w *jsonWalk) elements(oldPath, newPath string, old, new [][]byte) {
	n := numbers{}
	ids := func(parts [][]byte) []int {
		out := make([]int, len(parts))
		for i, p := range parts {
			out[i] = n.of(string(p))
		}
		return out
	}
	for _, m := range align(ids(old), ids(new)) {
		switch {
		case m.new < 0:
			w.removed(oldPath+"/"+strconv.Itoa(m.old), old[m.old])
		case m.old < 0:
			w.added(newPath+"/"+strconv.Itoa(m.new), new[m.new])
		default:
			w.compare(oldPath+"/"+strconv.Itoa(m.old), newPath+"/"+strconv.Itoa(m.new), old[m.old], new[m.new])
		}
	}
}

// split returns the elements of a canonical array or the members of an
// object; ok is false when there are too many.
func split(b []byte) (parts [][]byte, ok bool) {
	if len(b) == 2 {
		return nil, true
	}
	depth, start := 0, 1
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return append(parts, b[start:i]), true
			}
		case ',':
			if depth > 0 {
				continue
			}
			if len(parts) == maxDiffParts-1 {
				return nil, false
			}
			parts = append(parts, b[start:i])
			start = i + 1
		}
	}
	panic("report: internal error: canonical JSON does not end")
}

// stringEnd returns where the string that begins at b[i] is over.
func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func member(b []byte) (name string, value []byte) {
	end := stringEnd(b, 0)
	if err := json.Unmarshal(b[:end], &name); err != nil {
		panic("report: internal error: " + err.Error())
	}
	return name, b[end+1:]
}

// pointer escapes a name for a JSON Pointer.
func pointer(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// String returns the change on one line, long values cut around the first
// difference.
func (c Change) String() string {
	path := c.Path
	if path == "" {
		path = "the whole text"
	}
	path = OneLine(path, 160)
	switch c.Kind {
	case Added:
		return fmt.Sprintf("%s: added %s", path, OneLine(c.New, 80))
	case Removed:
		return fmt.Sprintf("%s: removed %s", path, OneLine(c.Old, 80))
	}
	old, new := around(c.Old, c.New)
	return fmt.Sprintf("%s: %s → %s", path, old, new)
}

// paths names the places of changes, so many at most.
func paths(changes []Change, limit int) string {
	var names []string
	for _, c := range changes {
		if c.Path == "" {
			c.Path = "the whole text"
		}
		if name := OneLine(c.Path, 120); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if more := len(names) - limit; more > 0 {
		names = append(names[:limit], fmt.Sprintf("%d more", more))
	}
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return strings.Join(names, "")
}

// How much is shown of a changed value, and of what is the same before the
// difference, in bytes.
const (
	shownValue  = 80
	shownBefore = 24
)

// around returns two texts on one line each, cut to where they first differ
// when they are long.
func around(old, new string) (string, string) {
	same := 0
	for same < len(old) && same < len(new) && old[same] == new[same] {
		same++
	}
	cut := same - shownBefore
	if cut < 8 || max(len(old), len(new)) <= shownValue {
		return OneLine(old, shownValue), OneLine(new, shownValue)
	}
	for cut > 0 && !utf8.RuneStart(old[cut]) {
		cut--
	}
	return "…" + OneLine(old[cut:], shownValue), "…" + OneLine(new[cut:], shownValue)
}
