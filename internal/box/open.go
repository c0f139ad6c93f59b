//go:build linux && amd64

package box

import "golang.org/x/sys/unix"

// An opening is what a call that opens a file asks for.
type opening struct {
	place
	flags uint64
}

func (t *thread) opening() opening {
	switch t.nr {
	case unix.SYS_OPENAT:
		return opening{t.place(0, 1), t.arg(2)}
	case unix.SYS_CREAT:
		return opening{t.place(-1, 0), unix.O_CREAT | unix.O_WRONLY | unix.O_TRUNC}
	}
	return opening{t.place(-1, 0), t.arg(1)}
}

// opens is the handler of open(2) and its like.
func opens(x *tracer, t *thread) outcome {
	o := t.opening()
	if !o.ok {
		return goOn // the kernel says what is wrong
	}
	x.opensTerminal(o.name)
	if x.missing(t, o.name) {
		return goOn
	}
	if name := t.procName(o.at, o.name); name != "" {
		return x.openProc(t, o, name)
	}
	if o.flags&(unix.O_PATH|unix.O_DIRECTORY) == 0 {
		x.manifest.opened(t, o.at, o.name, o.flags)
	}
	if st, ok := x.isFIFO(t, o); ok {
		return x.openFIFO(t, st, o.flags)
	}
	if o.flags&(unix.O_CREAT|unix.O_TRUNC) == 0 {
		return goOn
	}
	return x.openToChange(t, o)
}

// isFIFO reports whether the file is a FIFO that is opened at one end:
// opening it waits for its other end.
func (x *tracer) isFIFO(t *thread, o opening) (st unix.Stat_t, ok bool) {
	if o.flags&(unix.O_NONBLOCK|unix.O_PATH|unix.O_DIRECTORY) != 0 || o.flags&unix.O_ACCMODE == unix.O_RDWR {
		return st, false
	}
	ok = unix.Stat(x.resolve(t, o.at, o.name), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO
	return st, ok
}

// openToChange opens a file that is made or emptied by that.
func (x *tracer) openToChange(t *thread, o opening) outcome {
	fresh := false
	if o.flags&unix.O_CREAT != 0 {
		fd, ok := x.find(t, o.at, o.name, true)
		if ok {
			unix.Close(fd)
		}
		fresh = !ok
	}
	if o.flags&unix.O_TMPFILE == unix.O_TMPFILE {
		fresh = true
	}
	ret, out := x.passStopped(t)
	if out == goOn && ret >= 0 {
		x.opened(t, o.place, o.flags, int(ret), fresh)
	}
	return out
}
