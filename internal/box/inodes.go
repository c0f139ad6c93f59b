//go:build linux && amd64

package box

import (
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A program sees numbers of its own for files: 1, 2, 3, … in the order in
// which it first saw them, all on one device. Their times are those of the
// run: what was there before is as old as the start, and what the program
// changed has the time of that.

// An inode is a file as the kernel tells it from others.
type inode struct{ dev, ino uint64 }

// A node is what the program is told of a file.
type node struct {
	number uint64
	// When it was last read, written and changed, and when it was made:
	// nanoseconds since 1970.
	a, m, c, b int64
	changed    bool
	// source: it keeps the time of its last change that it has on the machine.
	source bool
}

// A files is all that is known of files.
type files struct {
	nodes map[inode]*node
	last  uint64 // number given to one
	since int64  // when the tracer began, by the machine's clock
	held  []held
	lists map[listed]*dirList
	root  int // what the program calls /; 0: not opened yet
	// moved: a process has changed what paths mean to it, or who it is.
	moved bool
}

// A held file may be one that is no more: as long as it is open its number
// is not given to another.
type held struct {
	key inode
	fd  int
}

// mostHeld is how many of these there are. Disk space that they take is not
// free before.
const mostHeld = 64

func newFiles() files {
	var now unix.Timespec
	unix.ClockGettime(unix.CLOCK_REALTIME, &now) //nolint:errcheck // this clock exists
	return files{nodes: map[inode]*node{}, lists: map[listed]*dirList{}, since: now.Nano()}
}

// clockNow is the program's time, nanoseconds since 1970.
func (x *tracer) clockNow() int64 { return x.Start + x.now }

// node returns what the program is told of a file.
func (x *tracer) node(key inode) *node {
	n := x.files.nodes[key]
	if n == nil {
		x.files.last++
		n = &node{number: x.files.last, a: x.Start, m: x.Start, c: x.Start, b: x.Start}
		x.files.nodes[key] = n
	}
	return n
}

// touch notes that a file's content has changed.
func (x *tracer) touch(key inode) {
	n := x.node(key)
	n.m, n.c, n.changed = x.clockNow(), x.clockNow(), true
}

// made notes that a file is new.
func (x *tracer) made(key inode) {
	x.touch(key)
	n := x.node(key)
	n.a, n.b = n.m, n.m
}

func keyOf(st *unix.Stat_t) inode { return inode{st.Dev, st.Ino} }

func statxKey(s *unix.Statx_t) inode {
	return inode{unix.Mkdev(s.Dev_major, s.Dev_minor), s.Ino}
}

// hold keeps the number of a file from another, for one that may be about to
// go. It takes over the descriptor.
func (x *tracer) hold(key inode, fd int) {
	x.files.held = append(x.files.held, held{key, fd})
	if len(x.files.held) <= mostHeld {
		return
	}
	old := x.files.held[0]
	x.files.held = x.files.held[1:]
	var st unix.Stat_t
	if unix.Fstat(old.fd, &st) == nil && st.Nlink == 0 {
		delete(x.files.nodes, old.key)
	}
	unix.Close(old.fd)
}

func (x *tracer) holds(key inode) bool {
	for _, h := range x.files.held {
		if h.key == key {
			return true
		}
	}
	return false
}

// find opens a file of the program's by its path, as something that can be
// asked for its state but not read: false when it is not surely the same that
// the program would get.
//
// Links that mean another file for each process, as /proc/self/fd/1 does, are
// not followed.
func (x *tracer) find(t *thread, at int, name string, follow bool) (fd int, ok bool) {
	if x.views != nil {
		w, ok := x.walk(t, at, name, follow)
		if !ok {
			return -1, false
		}
		name = w.host()
	} else if name, ok = t.absolute(at, name); !ok {
		return -1, false
	}
	root, ok := x.rootOf(t)
	if !ok {
		return -1, false
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	if !follow {
		how.Flags |= unix.O_NOFOLLOW
	}
	fd, err := unix.Openat2(root, name, &how)
	if root != x.files.root {
		unix.Close(root)
	}
	return fd, err == nil
}

// rootOf opens what a thread calls /. It stays open as long as that is the
// same for all.
func (x *tracer) rootOf(t *thread) (int, bool) {
	if x.files.root != 0 && !x.files.moved {
		return x.files.root, true
	}
	fd, err := unix.Open(procPath(t.tid, "root"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, false
	}
	if !x.files.moved {
		x.files.root = fd
	}
	return fd, true
}

// absolute returns a path of a thread's beginning with /.
func (t *thread) absolute(at int, name string) (string, bool) {
	if strings.HasPrefix(name, "/") {
		return name, true
	}
	link := "cwd"
	if at != unix.AT_FDCWD {
		link = "fd/" + strconv.Itoa(at)
	}
	var b [4096]byte
	n, err := unix.Readlink(procPath(t.tid, link), b[:])
	if err != nil || n == len(b) || n == 0 || b[0] != '/' {
		return "", false
	}
	dir := string(b[:n])
	if t.views != nil {
		dir = t.views.inside(dir)
	}
	return dir + "/" + name, true
}

func procPath(tid int, name string) string {
	return "/proc/" + strconv.Itoa(tid) + "/" + name
}

// state asks for everything about a file that is open.
func state(fd int) (s unix.Statx_t, ok bool) {
	return s, unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &s) == nil
}

// stateOf asks for everything about a file by its path.
func (x *tracer) stateOf(t *thread, at int, name string, follow bool) (unix.Statx_t, bool) {
	fd, ok := x.find(t, at, name, follow)
	if !ok {
		return unix.Statx_t{}, false
	}
	defer unix.Close(fd)
	return state(fd)
}

// stateOfFD asks for everything about a file that a thread has open.
func (t *thread) stateOfFD(n int) (s unix.Statx_t, ok bool) {
	if n < 0 {
		return s, false
	}
	return s, unix.Statx(unix.AT_FDCWD, procPath(t.tid, "fd/"+strconv.Itoa(n)), 0, unix.STATX_BASIC_STATS, &s) == nil
}

// touchParent notes that a directory has one more or one fewer file.
func (x *tracer) touchParent(t *thread, at int, name string) {
	dir := path.Dir(strings.TrimRight(name, "/"))
	if s, ok := x.stateOf(t, at, dir, true); ok {
		x.touch(statxKey(&s))
	}
}

// moves is the handler of calls after which a path may mean another file to
// some process than to others, or be forbidden to it: from then on the
// program asks for the state of files itself.
func moves(x *tracer, t *thread) outcome {
	if x.views != nil && t.nr == unix.SYS_CHROOT {
		x.noted("%s asked for another root directory, and was refused it: where there are no mounts, paths are changed by the one that there is", t.proc.name())
		t.answer(-int64(unix.EPERM))
		return goOn
	}
	if x.files.root != 0 {
		unix.Close(x.files.root)
	}
	x.files.root, x.files.moved = 0, true
	return goOn
}
