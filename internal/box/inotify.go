//go:build linux && amd64

package box

import (
	"encoding/binary"
	"strconv"

	"golang.org/x/sys/unix"
)

// isInotify reports whether a descriptor tells of changes of files, inotify(7).
func (t *thread) isInotify(n int) bool { return t.isOf(n, "anon_inode:inotify") }

// isOf reports whether a descriptor's file is of a kind that has no path.
func (t *thread) isOf(n int, kind string) bool {
	link, ok := readLink(procPath(t.tid, "fd/"+strconv.Itoa(n)))
	return ok && link == kind
}

// readEvents lets the kernel tell of changes, and gives the two names of a
// renaming a number of the program's own: the kernel counts those of all.
func (x *tracer) readEvents(t *thread) outcome {
	ret, out := x.passStopped(t)
	if out != goOn || ret <= 0 || t.nr != unix.SYS_READ {
		return out
	}
	const header = 16 // wd 4, mask 4, cookie 4, length of the name 4
	b := t.read(t.arg(1), int(ret))
	for at := 0; at+header <= len(b); at += header + int(binary.LittleEndian.Uint32(b[at+12:])) {
		cookie := binary.LittleEndian.Uint32(b[at+8:])
		if cookie == 0 {
			continue
		}
		if x.cookies[cookie] == 0 {
			x.cookies[cookie] = uint32(len(x.cookies) + 1)
		}
		binary.LittleEndian.PutUint32(b[at+8:], x.cookies[cookie])
	}
	t.write(t.arg(1), b)
	return goOn
}
