//go:build linux && amd64

package box

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What every file and directory is told to have.
const (
	device    = 1
	blockSize = 4096
	dirSize   = 4096
	// dirLinks: as many file systems have it, which do not count directories.
	dirLinks = 1
)

// A question is a call that asks for the state of a file.
type question struct {
	at     int
	path   uint64 // where the path is; 0: the file is the descriptor at
	flags  uint64
	mask   uint64 // of statx; 0: the answer is a struct stat
	answer uint64
}

func (t *thread) question() question {
	const cwd = unix.AT_FDCWD
	switch t.nr {
	case unix.SYS_STAT:
		return question{at: cwd, path: t.arg(0), answer: t.arg(1)}
	case unix.SYS_LSTAT:
		return question{at: cwd, path: t.arg(0), answer: t.arg(1), flags: unix.AT_SYMLINK_NOFOLLOW}
	case unix.SYS_FSTAT:
		return question{at: t.intArg(0), answer: t.arg(1)}
	case unix.SYS_NEWFSTATAT:
		return question{at: t.intArg(0), path: t.arg(1), answer: t.arg(2), flags: t.arg(3)}
	}
	return question{at: t.intArg(0), path: t.arg(1), flags: t.arg(2), mask: t.arg(3) | 1<<63, answer: t.arg(4)}
}

// stats is the handler of the calls that tell the state of a file.
//
// The tracer asks for it itself, which needs one stop and not two, and lets
// the program ask when the answer is not surely the same.
func stats(x *tracer, t *thread) outcome {
	q := t.question()
	s, name, ok := x.askFor(t, q)
	if !ok {
		ret, alive := x.askAsProgram(t, q)
		if !alive {
			return x.lost(t)
		}
		if errno(ret) != 0 {
			t.answer(ret)
			return goOn
		}
		s = readStatx(t.read(scratchAddr, statxSize))
	}
	x.view(&s, t, name)
	b := statBytes(&s)
	if q.mask != 0 {
		b = statxBytes(&s)
	}
	return t.written(t.write(q.answer, b))
}

func (x *tracer) askFor(t *thread, q question) (s unix.Statx_t, name string, ok bool) {
	if q.path == 0 && t.nr == unix.SYS_FSTAT {
		s, ok = t.stateOfFD(q.at)
		return s, "", ok
	}
	name, ok = t.text(q.path, 4096)
	const known = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_EMPTY_PATH | unix.AT_STATX_FORCE_SYNC | unix.AT_STATX_DONT_SYNC
	switch {
	case !ok || q.flags&^known != 0 || x.files.moved:
		return s, name, false
	case name == "" && q.flags&unix.AT_EMPTY_PATH != 0 && q.at != unix.AT_FDCWD:
		s, ok = t.stateOfFD(q.at)
		return s, "", ok
	case name == "":
		return s, name, false
	}
	s, ok = x.stateOf(t, q.at, name, q.flags&unix.AT_SYMLINK_NOFOLLOW == 0)
	return s, name, ok
}

// askAsProgram lets the program ask, and leaves the answer in the scratch.
func (x *tracer) askAsProgram(t *thread, q question) (ret int64, alive bool) {
	if t.nr == unix.SYS_FSTAT {
		q.path, q.flags = scratchAddr+statxSize, unix.AT_EMPTY_PATH
		t.write(q.path, []byte{0})
	}
	mask := q.mask &^ (1 << 63)
	if q.mask == 0 {
		mask = unix.STATX_BASIC_STATS
	}
	return x.instead(t, unix.SYS_STATX, uint64(q.at), q.path, q.flags, mask|unix.STATX_BASIC_STATS, scratchAddr)
}

// view makes of what the kernel says about a file what the program is told.
func (x *tracer) view(s *unix.Statx_t, t *thread, name string) {
	key := statxKey(s)
	n := x.node(key)
	x.noticed(n, s)
	if s.Nlink == 0 && s.Mode&unix.S_IFMT == unix.S_IFREG && !x.holds(key) {
		x.holdOpen(t, key)
	}
	n.source = n.source || x.isSource(t, name)
	if x.views != nil && s.Rdev_major == firstSlaves {
		s.Rdev_minor = x.views.terminal(s.Rdev_minor)
	}
	s.Ino, s.Dev_major, s.Dev_minor, s.Mnt_id = n.number, 0, device, 1
	s.Blksize, s.Attributes, s.Attributes_mask = blockSize, 0, 0
	s.Mask &= unix.STATX_BASIC_STATS
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		s.Nlink, s.Size = dirLinks, dirSize
		s.Blocks = dirSize / 512
	case unix.S_IFREG:
		s.Blocks = (s.Size + blockSize - 1) / blockSize * (blockSize / 512)
	default:
		s.Blocks = 0
	}
	m := n.m
	if n.source && !n.changed {
		// Python takes what it has compiled for this file by this time.
		m = s.Mtime.Sec * second
	}
	s.Atime, s.Mtime, s.Ctime = statxTime(n.a), statxTime(m), statxTime(n.c)
	s.Btime = statxTime(n.b)
}

// noticed finds changes that no call announced, as by a mapping: they have the
// time at which they were first seen.
func (x *tracer) noticed(n *node, s *unix.Statx_t) {
	if n.changed || s.Ctime.Sec*second+int64(s.Ctime.Nsec) <= x.files.since {
		return
	}
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK:
		return // others use it as well
	}
	n.c, n.changed = x.clockNow(), true
	if s.Mtime.Sec*second+int64(s.Mtime.Nsec) > x.files.since {
		n.m = n.c
	} else if n.source {
		n.m = s.Mtime.Sec * second
	}
}

// holdOpen holds a file that has no name any more.
func (x *tracer) holdOpen(t *thread, key inode) {
	n := t.intArg(0)
	fd, err := unix.Open(procPath(t.tid, "fd/"+strconv.Itoa(n)), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || keyOf(&st) != key {
		unix.Close(fd)
		return
	}
	x.hold(key, fd)
}

// isSource reports whether a file is a module of an installation of Python's:
// what is compiled of it is used only if the time of its last change is the
// same, and all that is imported would be compiled anew in each run. Those of
// the workspace are, which is restored without times: also those of an
// installation in it that a snapshot has.
func (x *tracer) isSource(t *thread, name string) bool {
	if !strings.HasSuffix(name, ".py") {
		return false
	}
	installed := strings.Contains(name, "/site-packages/") || strings.Contains(name, "/dist-packages/")
	full, ok := t.absolute(unix.AT_FDCWD, name)
	if !ok || x.Workspace == "" {
		return installed
	}
	inside, ok := strings.CutPrefix(full, strings.TrimSuffix(x.Workspace, "/")+"/")
	if !ok {
		return true
	}
	return installed && slices.ContainsFunc(x.Timed, func(path string) bool { return strings.HasPrefix(inside, path+"/") })
}

func statxTime(ns int64) unix.StatxTimestamp {
	sec, nsec := ns/second, ns%second
	if nsec < 0 {
		sec, nsec = sec-1, nsec+second
	}
	return unix.StatxTimestamp{Sec: sec, Nsec: uint32(nsec)}
}

const statxSize = 256

func readStatx(b []byte) (s unix.Statx_t) {
	copy((*[statxSize]byte)(unsafe.Pointer(&s))[:], b)
	return s
}

func statxBytes(s *unix.Statx_t) []byte {
	return append([]byte(nil), (*[statxSize]byte)(unsafe.Pointer(s))[:]...)
}

// statBytes makes a struct stat, stat(2).
func statBytes(s *unix.Statx_t) []byte {
	u64 := binary.LittleEndian.AppendUint64
	u32 := binary.LittleEndian.AppendUint32
	b := u64(nil, unix.Mkdev(s.Dev_major, s.Dev_minor))
	b = u64(b, s.Ino)
	b = u64(b, uint64(s.Nlink))
	b = u32(u32(u32(u32(b, uint32(s.Mode)), s.Uid), s.Gid), 0)
	b = u64(b, unix.Mkdev(s.Rdev_major, s.Rdev_minor))
	b = u64(u64(u64(b, s.Size), uint64(s.Blksize)), s.Blocks)
	for _, when := range []unix.StatxTimestamp{s.Atime, s.Mtime, s.Ctime} {
		b = u64(u64(b, uint64(when.Sec)), uint64(when.Nsec))
	}
	return append(b, make([]byte, 24)...)
}
