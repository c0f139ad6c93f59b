//go:build linux && amd64

package box

import "golang.org/x/sys/unix"

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
