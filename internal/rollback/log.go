package rollback

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
)

// State says in words what a path is.
func State(e *snapshot.Entry) string {
	switch {
	case e == nil:
		return "absent"
	case e.Type == snapshot.Link:
		return "link -> " + e.Target
	case e.Type == snapshot.Dir:
		return "dir " + e.Mode
	}
	return "file " + e.Mode + " " + e.SHA256.String()
}

// Log returns the rollbacks that were done, the oldest first, after checking
// that they are a chain.
func Log(st *store.Store) ([]Entry, error) {
	entries, _, err := read(st)
	return entries, err
}

func read(st *store.Store) (entries []Entry, last digest.Digest, err error) {
	for n := int64(1); ; n++ {
		name := entryDir(n) + "/" + entryFile
		b, err := os.ReadFile(st.Path(name))
		if errors.Is(err, fs.ErrNotExist) {
			if err = onlyEntries(st, len(entries)); err != nil && exists(st.Path(name)) {
				n-- // it came between the two looks
				continue
			}
			return entries, last, err
		}
		if err != nil {
			return nil, last, err
		}
		var e Entry
		damage := &store.DamageError{Path: name, Record: -1}
		if len(b) == 0 || b[len(b)-1] != '\n' {
			damage.What = "its last byte is missing"
			return nil, last, damage
		}
		line := b[:len(b)-1]
		if err := canon.Unmarshal(line, &e); err != nil {
			damage.What = err.Error()
			return nil, last, damage
		}
		if e.N != n || e.Prev != last {
			damage.What = "does not follow from the entry before"
			return nil, last, damage
		}
		if err := e.check(entries); err != nil {
			damage.What = err.Error()
			return nil, last, damage
		}
		last = digest.Of(line)
		entries = append(entries, e)
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// onlyEntries reports an entry that is missing before others.
func onlyEntries(st *store.Store, n int) error {
	dirs, err := os.ReadDir(st.Path(Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(dirs) > n { // fewer: one that failed was dropped meanwhile
		return &store.DamageError{Path: Dir, Record: -1, What: fmt.Sprintf("%d directories, but entry %d is missing", len(dirs), n+1)}
	}
	return nil
}

// LastDone returns the newest rollback that is neither undone nor an undoing
// itself, and whether there is one.
func LastDone(entries []Entry) (Entry, bool) {
	undone := map[int64]bool{}
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		if e.Undoes != nil {
			undone[*e.Undoes] = true
			continue
		}
		if !undone[e.N] {
			return e, true
		}
	}
	return Entry{}, false
}

var (
	point = regexp.MustCompile(`^(baseline|final|undo|step (0|[1-9][0-9]{0,15}))$`)
	state = regexp.MustCompile(`^(absent|file [0-7]{4} [0-9a-f]{64}|dir [0-7]{4}|(?s:link -> [^\x00]+))$`)
)

// check says what of an entry cannot be, after the entries before it.
func (e *Entry) check(before []Entry) error {
	switch {
	case e.Execution < 1:
		return fmt.Errorf("there is no execution %d", e.Execution)
	case !point.MatchString(e.To):
		return fmt.Errorf("%.40q is nothing to roll back to", e.To)
	case e.Workspace == "" || strings.ContainsRune(e.Workspace, 0):
		return errors.New("it names no workspace")
	case (e.To == "undo") != (e.Undoes != nil):
		return errors.New("it undoes something, or it does not")
	case e.Changes == nil:
		return errors.New("it has no list of changes")
	}
	for i, c := range e.Changes {
		if err := c.check(); err != nil {
			return err
		}
		if i > 0 && e.Changes[i-1].Path >= c.Path {
			return fmt.Errorf("%.100q is out of order", c.Path)
		}
	}
	if e.Undoes != nil {
		return e.checkUndo(before)
	}
	return nil
}

func (c Change) check() error {
	switch {
	case !isPath(c.Path):
		return fmt.Errorf("%.100q is no path of a workspace", c.Path)
	case !state.MatchString(c.Was) || !state.MatchString(c.Is) || c.Was == c.Is:
		return fmt.Errorf("%.100q: not two states of a path", c.Path)
	}
	return nil
}

// isPath reports whether p is a path in a tree, which may hold any names.
func isPath(p string) bool {
	for name := range strings.SplitSeq(p, "/") {
		if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsRune(name, 0) {
			return false
		}
	}
	return true
}

// A NotUndoableError says why there is no way back of a rollback. [Prepared.Do]
// returns it when another process has undone the same one meanwhile.
type NotUndoableError struct{ Why string }

func (e *NotUndoableError) Error() string { return e.Why }

// checkUndo demands that the entry takes back one that is there, is no undoing
// itself and is not taken back already, and goes to where that one came from.
func (e *Entry) checkUndo(before []Entry) error {
	n := *e.Undoes
	if n < 1 || n > int64(len(before)) || before[n-1].Undoes != nil {
		return &NotUndoableError{fmt.Sprintf("there is no rollback %d to undo", n)}
	}
	for _, b := range before {
		if b.Undoes != nil && *b.Undoes == n {
			return &NotUndoableError{fmt.Sprintf("rollback %d is undone already", n)}
		}
	}
	if e.Target != before[n-1].From || e.Run != before[n-1].Run {
		return &NotUndoableError{fmt.Sprintf("it is not the way back of rollback %d", n)}
	}
	return nil
}
