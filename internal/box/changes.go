//go:build linux && amd64

package box

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Calls that change files are made by the kernel, and when they change
// something that is noted: the kernel's own times tell of the machine's clock.

// A place is a path of a call's, and the directory that it begins at.
type place struct {
	at   int
	name string
	ok   bool
}

// place reads one: dir is the number of the argument that is a descriptor of
// the directory, -1 for none.
func (t *thread) place(dir, name int) place {
	p := place{at: unix.AT_FDCWD}
	if dir >= 0 {
		p.at = t.intArg(dir)
	}
	p.name, p.ok = t.text(t.arg(name), 4096)
	return p
}

// makes returns a handler for calls that make a file.
func makes(dir, name int) handler {
	return func(x *tracer, t *thread) outcome {
		p := t.place(dir, name)
		ret, out := x.passStopped(t)
		if out == goOn && ret == 0 && p.ok {
			x.isNew(t, p)
		}
		return out
	}
}

func (x *tracer) isNew(t *thread, p place) {
	if s, ok := x.stateOf(t, p.at, p.name, false); ok {
		x.made(statxKey(&s))
	}
	x.touchParent(t, p.at, p.name)
}

// links is the handler of link(2) and linkat(2): a file gets another name.
func links(x *tracer, t *thread) outcome {
	p := t.place(-1, 1)
	if t.nr == unix.SYS_LINKAT {
		p = t.place(2, 3)
	}
	ret, out := x.passStopped(t)
	if out == goOn && ret == 0 && p.ok {
		if s, ok := x.stateOf(t, p.at, p.name, false); ok {
			x.changedState(statxKey(&s))
		}
		x.touchParent(t, p.at, p.name)
	}
	return out
}

// changedState notes that something other than a file's content has changed.
func (x *tracer) changedState(key inode) {
	n := x.node(key)
	n.c = x.clockNow()
}

// removes returns a handler for calls that take a name from a file.
func removes(dir, name int) handler {
	return func(x *tracer, t *thread) outcome {
		p := t.place(dir, name)
		x.mayGo(t, p)
		ret, out := x.passStopped(t)
		if out == goOn && ret == 0 && p.ok {
			x.touchParent(t, p.at, p.name)
		}
		return out
	}
}

// mayGo holds a file that the program knows and that may be about to go.
func (x *tracer) mayGo(t *thread, p place) {
	if !p.ok {
		return
	}
	fd, ok := x.find(t, p.at, p.name, false)
	if !ok {
		return
	}
	s, ok := state(fd)
	key := statxKey(&s)
	n := x.files.nodes[key]
	if !ok || n == nil || x.holds(key) {
		unix.Close(fd)
		return
	}
	x.hold(key, fd)
	if s.Nlink > 1 {
		n.c = x.clockNow()
	}
}

// renames is the handler of rename(2) and its like.
func renames(x *tracer, t *thread) outcome {
	from, to := t.place(-1, 0), t.place(-1, 1)
	if t.nr != unix.SYS_RENAME {
		from, to = t.place(0, 1), t.place(2, 3)
	}
	x.mayGo(t, to)
	ret, out := x.passStopped(t)
	if out != goOn || ret != 0 || !from.ok || !to.ok {
		return out
	}
	if s, ok := x.stateOf(t, to.at, to.name, false); ok {
		x.changedState(statxKey(&s))
	}
	x.touchParent(t, from.at, from.name)
	x.touchParent(t, to.at, to.name)
	return out
}

// resizes is the handler of truncate(2).
func resizes(x *tracer, t *thread) outcome {
	p := t.place(-1, 0)
	ret, out := x.passStopped(t)
	if out == goOn && ret == 0 && p.ok {
		if s, ok := x.stateOf(t, p.at, p.name, true); ok {
			x.touch(statxKey(&s))
		}
	}
	return out
}

// writesFile returns a handler for calls that write to the file of a
// descriptor, the argument of that number, and never wait.
func writesFile(arg int) handler {
	return func(x *tracer, t *thread) outcome {
		x.wroteTo(t, t.intArg(arg))
		return goOn
	}
}

// wroteTo notes that a file that is open changes.
func (x *tracer) wroteTo(t *thread, n int) {
	if s, ok := t.stateOfFD(n); ok && s.Mode&unix.S_IFMT == unix.S_IFREG {
		x.touch(statxKey(&s))
	}
}

// opened notes what opening a file has changed: fresh says that there was
// none before.
func (x *tracer) opened(t *thread, p place, flags uint64, fd int, fresh bool) {
	s, ok := t.stateOfFD(fd)
	if !ok || s.Mode&unix.S_IFMT != unix.S_IFREG {
		return
	}
	switch {
	case fresh:
		x.made(statxKey(&s))
		if s.Nlink > 0 {
			x.touchParent(t, p.at, p.name)
		}
	case flags&unix.O_TRUNC != 0:
		x.touch(statxKey(&s))
	}
}

// setsTimes is the handler of the calls by which a program says when a file
// was read and written.
func setsTimes(x *tracer, t *thread) outcome {
	p, times, follow := t.place(-1, 0), t.arg(1), true
	byFD := false
	switch t.nr {
	case unix.SYS_UTIMENSAT:
		p, times = t.place(0, 1), t.arg(2)
		follow = t.arg(3)&unix.AT_SYMLINK_NOFOLLOW == 0
		byFD = t.arg(1) == 0 || p.name == "" && t.arg(3)&unix.AT_EMPTY_PATH != 0
	case unix.SYS_FUTIMESAT:
		p, times = t.place(0, 1), t.arg(2)
		byFD = t.arg(1) == 0
	}
	a, m := x.givenTimes(t, times)
	ret, out := x.passStopped(t)
	if out != goOn || ret != 0 {
		return out
	}
	var s unix.Statx_t
	ok := false
	if byFD {
		s, ok = t.stateOfFD(p.at)
	} else if p.ok {
		s, ok = x.stateOf(t, p.at, p.name, follow)
	}
	if ok {
		n := x.node(statxKey(&s))
		n.c, n.changed = x.clockNow(), true
		if a != nil {
			n.a = *a
		}
		if m != nil {
			n.m = *m
		}
	}
	return out
}

// givenTimes reads the two times of such a call; nil for one that stays as it
// is.
func (x *tracer) givenTimes(t *thread, at uint64) (a, m *int64) {
	now := x.clockNow()
	if at == 0 {
		return &now, &now
	}
	b := t.read(at, 32)
	if t.nr == unix.SYS_UTIME {
		b = append(b[:min(len(b), 16)], make([]byte, 16)...)
		// Two numbers of seconds.
		copy(b[16:24], b[8:16])
		copy(b[8:16], make([]byte, 8))
	}
	if len(b) < 32 {
		return nil, nil
	}
	unit := int64(1)
	if t.nr == unix.SYS_UTIMES || t.nr == unix.SYS_FUTIMESAT {
		unit = 1000
	}
	read := func(b []byte) *int64 {
		sec, sub := int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
		switch {
		case t.nr == unix.SYS_UTIMENSAT && sub == unix.UTIME_NOW:
			return &now
		case t.nr == unix.SYS_UTIMENSAT && sub == unix.UTIME_OMIT:
			return nil
		}
		ns := sec*second + sub*unit
		return &ns
	}
	return read(b), read(b[16:])
}
