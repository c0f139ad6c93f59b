//go:build linux && amd64

package box

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Files of /proc tell of the machine. One that a program opens to read is a
// file in memory instead, with what is to be told of the program's machine
// and of its processes. Others can be opened when they tell nothing that
// differs; when that is not known of one, the run is labelled.

// procName returns which file below /proc a path is, "" for none.
func (t *thread) procName(at int, name string) string {
	if !strings.HasPrefix(name, "/") || strings.Contains(name, "//") || strings.Contains(name, "/.") {
		abs, ok := t.absolute(at, name)
		if !ok {
			return ""
		}
		name = path.Clean(abs)
	}
	if name == "/etc/mtab" {
		return "self/mounts"
	}
	rest, _ := strings.CutPrefix(name, "/proc/")
	if rest == name {
		return ""
	}
	return rest
}

// openProc opens a file of /proc.
func (x *tracer) openProc(t *thread, o opening, name string) outcome {
	if o.flags&unix.O_ACCMODE != unix.O_RDONLY || o.flags&(unix.O_PATH|unix.O_DIRECTORY) != 0 {
		return goOn
	}
	content, ok := x.procContent(t, name)
	if !ok {
		return goOn
	}
	flags := uint64(0)
	if o.flags&unix.O_CLOEXEC != 0 {
		flags = unix.MFD_CLOEXEC
	}
	t.write(scratchAddr, append([]byte(path.Base(name)), 0))
	fd, alive := x.instead(t, unix.SYS_MEMFD_CREATE, scratchAddr, flags)
	if !alive {
		return x.lost(t)
	}
	t.answer(fd)
	if fd >= 0 {
		// Opened anew, so that the program's position stays at the start.
		if err := os.WriteFile(procPath(t.tid, "fd/"+strconv.FormatInt(fd, 10)), []byte(content), 0); err != nil {
			x.broken("/proc/%s could not be told: %v", name, err)
		}
	}
	return goOn
}

// procContent returns what a file of /proc is to tell, false when it is to be
// opened as it is.
func (x *tracer) procContent(t *thread, name string) (string, bool) {
	first, rest, _ := strings.Cut(name, "/")
	if first == "thread-self" {
		return x.ownFile(t, strconv.Itoa(t.proc.id)+"/task/"+strconv.Itoa(t.id), rest)
	}
	if first == "self" {
		first = strconv.Itoa(t.proc.id)
	}
	if _, err := strconv.Atoi(first); err == nil {
		if task, after, ok := strings.Cut(strings.TrimPrefix(rest, "task/"), "/"); ok && strings.HasPrefix(rest, "task/") {
			return x.ownFile(t, first+"/task/"+task, after)
		}
		return x.ownFile(t, first, rest)
	}
	if tell, ok := machineFiles[name]; ok {
		return tell(x, t), true
	}
	if value, ok := settings[name]; ok {
		return value + "\n", true
	}
	if slices.Contains([]string{"mounts", "net"}, first) {
		return x.ownFile(t, strconv.Itoa(t.proc.id), name)
	}
	if first != "sysvipc" || x.ids != nil { // numbers of the program's own
		x.unknownFile(t, name)
	}
	return "", false
}

// unknownFile labels the run, if there is such a file.
func (x *tracer) unknownFile(t *thread, name string) {
	if st, err := os.Stat(procPath(t.tid, "root/proc/") + name); err != nil || st.IsDir() {
		return
	}
	x.broken("/proc/%s was read, which may tell of the machine", name)
}

// numbered are what links of /proc tell of files that have no path: pipes,
// sockets, and namespaces.
var numbered = regexp.MustCompile(`^(pipe|socket|mnt|net|pid|ipc|uts|user|cgroup|time):\[(\d+)\]$`)

// readlinks is the handler of readlink(2) and readlinkat(2).
func readlinks(x *tracer, t *thread) outcome {
	p, to, room := t.place(-1, 0), t.arg(1), t.arg(2)
	if t.nr == unix.SYS_READLINKAT {
		p, to, room = t.place(0, 1), t.arg(2), t.arg(3)
	}
	if !p.ok || t.procName(p.at, p.name) == "" {
		return goOn
	}
	if x.ids != nil {
		if link, ok := x.selfLink(t, t.procName(p.at, p.name)); ok {
			link = link[:min(uint64(len(link)), room)]
			t.write(to, []byte(link))
			t.answer(int64(len(link)))
			return goOn
		}
	}
	ret, out := x.passStopped(t)
	if out != goOn || ret <= 0 {
		return out
	}
	m := numbered.FindSubmatch(t.read(to, int(ret)))
	if m == nil {
		return goOn
	}
	ino, err := strconv.ParseUint(string(m[2]), 10, 64)
	if err != nil {
		return goOn
	}
	n := x.node(inode{x.devOf(string(m[1])), ino}).number
	link := append(append(m[1], ":["...), strconv.FormatUint(n, 10)+"]"...)
	link = link[:min(uint64(len(link)), room)]
	t.write(to, link)
	t.answer(int64(len(link)))
	return goOn
}

// devOf returns the device that files of a kind without a path are on.
func (x *tracer) devOf(kind string) uint64 {
	if dev, ok := x.devs[kind]; ok {
		return dev
	}
	var st unix.Stat_t
	switch kind {
	case "pipe":
		var fds [2]int
		if unix.Pipe2(fds[:], unix.O_CLOEXEC) == nil {
			unix.Fstat(fds[0], &st) //nolint:errcheck // it is open
			unix.Close(fds[0])
			unix.Close(fds[1])
		}
	case "socket":
		if fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err == nil {
			unix.Fstat(fd, &st) //nolint:errcheck // as above
			unix.Close(fd)
		}
	default:
		unix.Stat("/proc/self/ns/"+kind, &st) //nolint:errcheck // it was linked to just now
	}
	if x.devs == nil {
		x.devs = map[string]uint64{}
	}
	x.devs[kind] = st.Dev
	return st.Dev
}

// fields of lines such as "Name:\tvalue".
func lines(s string) (out [][2]string) {
	for line := range strings.Lines(s) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		out = append(out, [2]string{name, strings.TrimSpace(value)})
	}
	return out
}
