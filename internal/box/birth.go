//go:build linux && amd64

package box

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// newSpaces are the flags that ask for namespaces of one's own. In one of
// users a program would have the privilege to make all others.
const newSpaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

func clone(x *tracer, t *thread) outcome {
	flags := t.arg(0)
	if flags&newSpaces != 0 {
		return x.refuseSpaces(t)
	}
	if flags&unix.CLONE_UNTRACED != 0 {
		t.regs.Rdi &^= unix.CLONE_UNTRACED
		t.dirty = true
	}
	return goOn
}

func unshare(x *tracer, t *thread) outcome {
	if t.arg(0)&(newSpaces|unix.CLONE_NEWTIME) != 0 {
		return x.refuseSpaces(t)
	}
	return moves(x, t)
}

func (x *tracer) refuseSpaces(t *thread) outcome {
	x.noted("%s asked for namespaces of its own, and was refused them", t.proc.name())
	t.answer(-int64(unix.EPERM))
	return goOn
}

// foreign reports whether a program is about to execute one of another
// instruction set, that of 32 bits, whose calls are others: as on a kernel that
// knows none such, it cannot be executed.
func (x *tracer) foreign(t *thread) bool {
	at, name := unix.AT_FDCWD, t.arg(0)
	if t.nr == unix.SYS_EXECVEAT {
		at, name = t.intArg(0), t.arg(1)
	}
	path, ok := t.text(name, unix.PathMax)
	if !ok || path == "" {
		return false
	}
	f, err := os.OpenFile(x.resolve(t, at, path), os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO would wait
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 5)
	if _, err := io.ReadFull(f, head); err != nil || string(head) != "\x7fELF\x01" {
		return false
	}
	x.noted("%s wanted to execute %s, a program of 32 bits, and was told that it is none", t.proc.name(), path)
	return true
}

// orphan gives the children of a process that is no more to another.
func (x *tracer) orphan(p *process) {
	heir := p.parent
	for heir != nil && !heir.adopts {
		heir = heir.parent
	}
	for _, q := range append([]*process{}, x.processes...) {
		if q.parent != p {
			continue
		}
		q.parent = heir
		if q.mourns {
			x.interrupt(q)
		}
	}
}
