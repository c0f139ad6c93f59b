package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A PathError says why a mission cannot do what it asked for at a path. It
// follows from the mission and its record alone. Overlays return it; when
// there is no such file it is [fs.ErrNotExist].
type PathError struct {
	Op   string // read, write, remove, list, path
	Path string // as the mission gave it
	What string
	Err  error // fs.ErrNotExist or nil
}

func (e *PathError) Error() string { return fmt.Sprintf("%s %q: %s", e.Op, e.Path, e.What) }
func (e *PathError) Unwrap() error { return e.Err }

func notExist(op, path string) error {
	return &PathError{Op: op, Path: path, What: "no such file", Err: fs.ErrNotExist}
}

// An AccessError says why the directory, as it is now, cannot be used as a run
// needs it. It does not follow from the record, so no mission may see it: it
// ends the run. Err, when there is one, is the system's answer.
type AccessError struct {
	Op   string // read, write, list, apply, open
	Path string
	What string
	Err  error
}

func (e *AccessError) Error() string {
	switch {
	case e.Err == nil:
		return fmt.Sprintf("%s %q: %s", e.Op, e.Path, e.What)
	case e.What == "":
		return fmt.Sprintf("%s %q: %v", e.Op, e.Path, e.Err)
	}
	return fmt.Sprintf("%s %q: %s: %v", e.Op, e.Path, e.What, e.Err)
}

func (e *AccessError) Unwrap() error { return e.Err }

// access makes an AccessError of an error of package os, without the path
// that error names: it may be a temporary one.
func access(op, path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return &AccessError{Op: op, Path: path, Err: fs.ErrPermission}
	}
	return &AccessError{Op: op, Path: path, Err: bare(err)}
}

func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return bare(e.Err)
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return bare(e.Err)
	}
	return err
}

// A ChangedError says that somebody else changed a path that the run had read
// or written. It is returned by [Dir.Read], [Prepare] and [Plan.Apply], all of
// which leave the directory as it is.
type ChangedError struct{ Path string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%q changed while the mission ran: nothing was applied", e.Path)
}

// A ConflictError says that two branches of a fork touch one path. It follows
// from the record. [Conflicts] returns it.
type ConflictError struct {
	A, B int    // the branches, A < B
	Path string // written by one of them
	What string
}

func (e *ConflictError) Error() string { return e.What }

// An ApplyError says why applying a plan stopped. When Undone, everything is
// as it was; otherwise the plan must be kept for [Plan.Recover].
type ApplyError struct {
	Undone bool
	Err    error
}

func (e *ApplyError) Error() string {
	if e.Undone {
		return fmt.Sprintf("%v: nothing was applied", e.Err)
	}
	return fmt.Sprintf("%v: not all of it could be taken back", e.Err)
}

func (e *ApplyError) Unwrap() error { return e.Err }
