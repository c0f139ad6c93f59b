//go:build linux && amd64

package box

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A pathArg is a path among the arguments of a call.
type pathArg struct {
	dir    int  // the argument that is a descriptor of its directory; -1: none
	name   int  // the argument that points to it
	follow bool // a link at its end is followed
	flags  int  // the argument with AT_SYMLINK_NOFOLLOW or AT_SYMLINK_FOLLOW; -1: none
	makes  bool // the call changes what is there
}

func follows(name int) []pathArg { return []pathArg{{-1, name, true, -1, false}} }
func stays(name int) []pathArg   { return []pathArg{{-1, name, false, -1, false}} }
func alters(name int) []pathArg  { return []pathArg{{-1, name, true, -1, true}} }
func places(name int) []pathArg  { return []pathArg{{-1, name, false, -1, true}} }

// pathArgs are the paths of calls. Those of open are its own.
var pathArgs = map[uint64][]pathArg{
	unix.SYS_ACCESS: follows(0), unix.SYS_FACCESSAT: {{0, 1, true, -1, false}}, unix.SYS_FACCESSAT2: {{0, 1, true, 3, false}},
	unix.SYS_CHDIR: follows(0), unix.SYS_STATFS: follows(0), unix.SYS_STATX: {{0, 1, true, 2, false}},
	unix.SYS_READLINK: stays(0), unix.SYS_READLINKAT: {{0, 1, false, -1, false}},
	unix.SYS_INOTIFY_ADD_WATCH: follows(1),
	unix.SYS_GETXATTR:          follows(0), unix.SYS_LGETXATTR: stays(0), unix.SYS_LISTXATTR: follows(0), unix.SYS_LLISTXATTR: stays(0),

	unix.SYS_CHMOD: alters(0), unix.SYS_FCHMODAT: {{0, 1, true, -1, true}}, unix.SYS_FCHMODAT2: {{0, 1, true, 3, true}},
	unix.SYS_CHOWN: alters(0), unix.SYS_LCHOWN: places(0), unix.SYS_FCHOWNAT: {{0, 1, true, 4, true}},
	unix.SYS_SETXATTR: alters(0), unix.SYS_LSETXATTR: places(0), unix.SYS_REMOVEXATTR: alters(0), unix.SYS_LREMOVEXATTR: places(0),
	unix.SYS_TRUNCATE: alters(0), unix.SYS_UTIME: alters(0), unix.SYS_UTIMES: alters(0), unix.SYS_FUTIMESAT: {{0, 1, true, -1, true}},
	unix.SYS_UTIMENSAT: {{0, 1, true, 3, true}},
	unix.SYS_MKDIR:     places(0), unix.SYS_MKDIRAT: {{0, 1, false, -1, true}}, unix.SYS_MKNOD: places(0), unix.SYS_MKNODAT: {{0, 1, false, -1, true}},
	unix.SYS_RMDIR: places(0), unix.SYS_UNLINK: places(0), unix.SYS_UNLINKAT: {{0, 1, false, -1, true}},
	unix.SYS_SYMLINK: places(1), unix.SYS_SYMLINKAT: {{1, 2, false, -1, true}},
	unix.SYS_RENAME:    {{-1, 0, false, -1, true}, {-1, 1, false, -1, true}},
	unix.SYS_RENAMEAT:  {{0, 1, false, -1, true}, {2, 3, false, -1, true}},
	unix.SYS_RENAMEAT2: {{0, 1, false, -1, true}, {2, 3, false, -1, true}},
	unix.SYS_LINK:      {{-1, 0, false, -1, true}, {-1, 1, false, -1, true}},
	unix.SYS_LINKAT:    {{0, 1, false, 4, true}, {2, 3, false, -1, true}},
}

// replaced are the calls after which a name that was no link may be one.
var replaced = map[uint64]bool{
	unix.SYS_RENAME: true, unix.SYS_RENAMEAT: true, unix.SYS_RENAMEAT2: true, unix.SYS_SYMLINK: true, unix.SYS_SYMLINKAT: true,
	unix.SYS_RMDIR: true, unix.SYS_UNLINKAT: true,
}

// argsOf returns the paths of a call.
func argsOf(r *unix.PtraceRegs) []pathArg {
	open := func(dir, name int, flags uint64) []pathArg {
		follow := flags&unix.O_NOFOLLOW == 0 && flags&(unix.O_CREAT|unix.O_EXCL) != unix.O_CREAT|unix.O_EXCL
		changes := flags&unix.O_ACCMODE != unix.O_RDONLY || flags&(unix.O_CREAT|unix.O_TRUNC) != 0
		return []pathArg{{dir, name, follow, -1, changes}}
	}
	switch r.Orig_rax {
	case unix.SYS_OPEN:
		return open(-1, 0, r.Rsi)
	case unix.SYS_OPENAT:
		return open(0, 1, r.Rdx)
	case unix.SYS_CREAT:
		return open(-1, 0, unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC)
	}
	return pathArgs[r.Orig_rax]
}

// Where the scratch has room for paths that the kernel is given, behind what
// handlers use.
const (
	pathsAt  = scratchAddr + 48<<10
	pathRoom = unix.PathMax
	addrsAt  = pathsAt + 2*pathRoom
)

// enterPaths changes the paths of a call, and those that it tells.
func (x *tracer) enterPaths(t *thread, r *unix.PtraceRegs, c *change) {
	nr := r.Orig_rax
	for i, a := range argsOf(r) {
		x.enterPath(t, r, c, a, i)
	}
	if replaced[nr] {
		clear(x.views.plain)
	}
	switch nr {
	case unix.SYS_GETCWD:
		x.tellsPath(t, c, r.Rdi, r.Rsi, true)
	case unix.SYS_READLINK:
		x.tellsPath(t, c, r.Rsi, r.Rdx, false)
	case unix.SYS_READLINKAT:
		x.tellsPath(t, c, r.Rdx, r.R10, false)
	}
}

// enterPath changes one.
func (x *tracer) enterPath(t *thread, r *unix.PtraceRegs, c *change, a pathArg, i int) {
	name, ok := t.text(*regArg(r, a.name), unix.PathMax)
	if !ok || name == "" {
		return
	}
	at := unix.AT_FDCWD
	if a.dir >= 0 {
		at = int(int32(*regArg(r, a.dir)))
	}
	follow := a.follow
	if a.flags >= 0 {
		flags := *regArg(r, a.flags)
		follow = follow && flags&unix.AT_SYMLINK_NOFOLLOW == 0 || !a.follow && flags&unix.AT_SYMLINK_FOLLOW != 0
	}
	host, ok := x.hostPath(t, at, name, follow)
	if !ok || len(host) >= pathRoom {
		return
	}
	where := uint64(pathsAt + i*pathRoom)
	t.write(where, append([]byte(host), 0))
	*regArg(r, a.name), c.regs = where, true
	if a.dir >= 0 {
		atCWD := int64(unix.AT_FDCWD)
		*regArg(r, a.dir) = uint64(atCWD)
	}
}

// hostPath returns the path that the kernel is to be given; false when it is
// to be given the program's.
func (x *tracer) hostPath(t *thread, at int, name string, follow bool) (string, bool) {
	w, ok := x.walk(t, at, name, follow)
	if !ok || !w.changed() {
		return "", false
	}
	host := w.host()
	if strings.HasSuffix(name, "/") && host != "/" {
		host += "/"
	}
	return host, true
}

// forbidden answers a call that the program's view of files does not let it
// make: between two views, as between two mounts, nothing is renamed or
// linked, and one that is read-only is not changed.
func (x *tracer) forbidden(t *thread) bool {
	if x.views == nil {
		return false
	}
	var in []string
	for _, a := range argsOf(&t.regs) {
		if !a.makes {
			return false
		}
		p := t.place(a.dir, a.name)
		if !p.ok || p.name == "" {
			return false
		}
		w, ok := x.walk(t, p.at, p.name, a.follow)
		if !ok {
			return false
		}
		v, _, _ := x.views.view(w.at)
		if v.ReadOnly {
			t.answer(-int64(unix.EROFS))
			return true
		}
		in = append(in, v.At)
	}
	if len(in) == 2 && in[0] != in[1] {
		t.answer(-int64(unix.EXDEV))
		return true
	}
	return false
}

// tellsPath changes a path that a call tells into the program's. One that is
// told with its end has that counted in the result.
func (x *tracer) tellsPath(t *thread, c *change, at, room uint64, ended bool) {
	c.also(func(ret int64) int64 {
		if ret <= 0 || ret > unix.PathMax {
			return ret
		}
		b := t.read(at, int(ret))
		told := strings.TrimSuffix(string(b), "\x00")
		if !strings.HasPrefix(told, "/") {
			return ret
		}
		name := x.views.inside(told)
		if name == told {
			return ret
		}
		b = []byte(name)
		if ended {
			b = append(b, 0)
			if uint64(len(b)) > room {
				return -int64(unix.ERANGE)
			}
		}
		b = b[:min(uint64(len(b)), room)]
		t.write(at, b)
		return int64(len(b))
	})
}

// enterExec changes the path of what a thread is about to execute: false when
// the thread is no more.
func (x *tracer) enterExec(t *thread) bool {
	if x.views == nil {
		return true
	}
	a := pathArg{-1, 0, true, -1, false}
	if t.nr == unix.SYS_EXECVEAT {
		a = pathArg{0, 1, true, 4, false}
	}
	r, c := t.regs, change{}
	x.enterPath(t, &r, &c, a, 0)
	if !c.regs {
		t.executes = renamed{}
		return true
	}
	name, _ := t.text(t.arg(a.name), unix.PathMax)
	if at := t.intArg(0); a.dir == 0 && at != unix.AT_FDCWD && !strings.HasPrefix(name, "/") {
		name = fmt.Sprintf("/dev/fd/%d/%s", at, name) // as execveat(2) says it
	}
	host, _ := t.text(pathsAt, unix.PathMax)
	t.executes = renamed{name, host}
	return unix.PtraceSetRegs(t.tid, &r) == nil
}

// notExecuted takes the result of an execve that has failed.
func (x *tracer) notExecuted(t *thread) outcome {
	r := t.regs
	if unix.PtraceGetRegs(t.tid, &t.regs) != nil {
		return x.lost(t)
	}
	if x.views != nil {
		r.Rax = t.regs.Rax
		t.regs, t.dirty = r, true
	}
	return goOn
}
