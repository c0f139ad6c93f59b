//go:build linux && amd64

package box

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// A directory is read as a whole when its reading begins, and told in the
// order of its names. The position of its description, which lseek(2) sets
// and tells, is a place in that list.

// A listed names a descriptor that a directory is read by.
type listed struct {
	p *process
	n int
}

// A dirList is a directory as it was when its reading began.
type dirList struct {
	key     inode
	entries []dirEntry
}

type dirEntry struct {
	name string
	ino  uint64
	kind byte // DT_REG, …
}

// getdents is the handler of getdents64(2).
func getdents(x *tracer, t *thread) outcome {
	n := t.intArg(0)
	own, err := x.take(t, n)
	if err != nil {
		return goOn // the kernel says what is wrong
	}
	defer unix.Close(own)
	at, err := unix.Seek(own, 0, unix.SEEK_CUR)
	if err != nil {
		return goOn
	}
	list := x.listing(t, n, at)
	if list == nil {
		return goOn
	}
	b, next := list.encode(x, int(at), int(min(t.arg(2), 1<<20)))
	switch {
	case len(b) == 0 && int(at) < len(list.entries):
		t.answer(-int64(unix.EINVAL)) // the buffer is too small for one
		return goOn
	case !t.write(t.arg(1), b):
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	unix.Seek(own, int64(next), unix.SEEK_SET) //nolint:errcheck // a directory can be positioned
	if len(b) == 0 {
		delete(x.files.lists, listed{t.proc, n})
	}
	t.answer(int64(len(b)))
	return goOn
}

// listing returns the list that a reading at a position goes on with; nil when
// that is no directory.
func (x *tracer) listing(t *thread, n int, at int64) *dirList {
	s, ok := t.stateOfFD(n)
	if !ok || s.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	key, by := statxKey(&s), listed{t.proc, n}
	if l := x.files.lists[by]; at > 0 && l != nil && l.key == key {
		return l
	}
	if at > 0 {
		// It goes on with a copy of the descriptor.
		for _, l := range x.files.lists {
			if l.key == key {
				return l
			}
		}
	}
	entries, err := readDir(procPath(t.tid, "fd/"+strconv.Itoa(n)))
	if err != nil {
		return nil
	}
	entries = slices.DeleteFunc(entries, func(e dirEntry) bool { return x.unlisted(t, n, e) })
	if dir, ok := t.directory(n); ok {
		entries = x.ownEntries(dir, entries)
		x.topEntries(dir, entries)
		slices.SortFunc(entries, func(a, b dirEntry) int { return compareNames(a.name, b.name) })
	}
	l := &dirList{key, entries}
	x.files.lists[by] = l
	return l
}

// unlisted reports whether an entry of a directory is not told.
func (x *tracer) unlisted(t *thread, n int, e dirEntry) bool {
	if e.name == storeName {
		return true
	}
	return slices.ContainsFunc(x.Unlisted, func(u Inode) bool {
		if e.ino != u.Ino {
			return false
		}
		var st unix.Stat_t
		err := unix.Lstat(procPath(t.tid, "fd/"+strconv.Itoa(n)+"/"+e.name), &st)
		return err == nil && st.Dev == u.Dev && st.Ino == u.Ino
	})
}

// storeName is that of coo's own directory, which is no part of a workspace:
// a replay has none there.
const storeName = ".coo"

// readDir returns a directory's entries: itself, the one above, and the
// others in the order of their names.
func readDir(path string) ([]dirEntry, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var out []dirEntry
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		for b := buf[:n]; len(b) > direntHeader; {
			size := binary.LittleEndian.Uint16(b[16:])
			name, _, _ := bytes.Cut(b[direntHeader:size], []byte{0})
			out = append(out, dirEntry{string(name), binary.LittleEndian.Uint64(b), b[18]})
			b = b[size:]
		}
	}
	slices.SortFunc(out, func(a, b dirEntry) int { return compareNames(a.name, b.name) })
	return out, nil
}

func compareNames(a, b string) int {
	rank := func(s string) int {
		switch s {
		case ".":
			return 0
		case "..":
			return 1
		}
		return 2
	}
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	return bytes.Compare([]byte(a), []byte(b))
}

// direntHeader is what comes before the name in a struct linux_dirent64:
// d_ino 8, d_off 8, d_reclen 2, d_type 1.
const direntHeader = 19

// encode lays out the entries from one on, as many as there is room for, and
// returns which comes next.
func (l *dirList) encode(x *tracer, from, room int) (b []byte, next int) {
	for next = from; next < len(l.entries); next++ {
		e := l.entries[next]
		size := (direntHeader + len(e.name) + 1 + 7) &^ 7
		if len(b)+size > room {
			break
		}
		b = binary.LittleEndian.AppendUint64(b, x.node(inode{l.key.dev, e.ino}).number)
		b = binary.LittleEndian.AppendUint64(b, uint64(next+1))
		b = binary.LittleEndian.AppendUint16(b, uint16(size))
		b = append(append(b, e.kind), e.name...)
		for range size - direntHeader - len(e.name) {
			b = append(b, 0)
		}
	}
	return b, next
}
