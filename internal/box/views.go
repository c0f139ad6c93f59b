//go:build linux && amd64

package box

import (
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Where there are no mounts of its own, the program's paths are changed into
// others just before the kernel sees them: a view is a directory or a file
// that it sees at another path. Links are followed by the tracer for that, as
// what they say is the program's path as well.

// views are all of them, and /proc, whose numbers are the program's.
type views struct {
	at    map[string]View
	from  map[string]string
	ids   *ids
	plain map[string]bool // directories of the program's that are no links
}

func newViews(list []View, m *ids) *views {
	v := &views{at: map[string]View{}, from: map[string]string{}, ids: m, plain: map[string]bool{}}
	for _, w := range list {
		v.at[w.At] = w
		if w.At != w.From {
			v.from[w.From] = w.At
		}
	}
	return v
}

// view returns what shows a path of the program's, and what of the path is
// below it.
func (v *views) view(name string) (w View, rest string, ok bool) {
	for end := len(name); end > 0; end = strings.LastIndexByte(name[:end], '/') {
		if w, ok := v.at[name[:end]]; ok {
			return w, name[end:], true
		}
	}
	return View{}, name, false
}

// host returns where the machine has what the program has at a path.
func (v *views) host(name string) string {
	if w, rest, ok := v.view(name); ok {
		return w.From + rest
	}
	if rest, ok := strings.CutPrefix(name, "/proc/"); ok && v.ids != nil {
		return "/proc/" + renumber(rest, v.ids.real)
	}
	if isSlave(name) {
		return slavesDir + "none" // the machine's is somebody else's
	}
	return name
}

// inside returns where the program sees what the machine has at a path.
func (v *views) inside(name string) string {
	for end := len(name); end > 0; end = strings.LastIndexByte(name[:end], '/') {
		if at, ok := v.from[name[:end]]; ok {
			return at + name[end:]
		}
	}
	if rest, ok := strings.CutPrefix(name, "/proc/"); ok && v.ids != nil {
		return "/proc/" + renumber(rest, func(n int) int { return v.ids.inside[n] })
	}
	return name
}

// renumber changes the numbers of a path below /proc: N, and M of N/task/M.
func renumber(name string, to func(int) int) string {
	f := strings.Split(name, "/")
	for i := range f {
		if n, err := strconv.Atoi(f[i]); err == nil && (i == 0 || i == 2 && f[1] == "task") {
			f[i] = strconv.Itoa(to(n))
		}
	}
	return strings.Join(f, "/")
}

// mostLinks is how many links a path may lead through, path_resolution(7).
const mostLinks = 40

// A walk follows a path as the program means it.
type walk struct {
	*views
	self, thread string // what /proc/self and /proc/thread-self say
	at           string // where it is, as the program sees it
	kernel       string // where the kernel would be that was given the same path
	apart        bool   // which is not the same place
	links        int
}

// walk returns where a path leads, as the program sees it, and whether the
// kernel has to be given another: false when it leads nowhere.
func (x *tracer) walk(t *thread, at int, name string, follow bool) (w *walk, ok bool) {
	v := x.views
	id := strconv.Itoa(t.proc.id)
	w = &walk{views: v, self: id, thread: id + "/task/" + strconv.Itoa(t.id), at: "/", kernel: "/"}
	if !strings.HasPrefix(name, "/") {
		dir, ok := t.directory(at)
		if !ok {
			return nil, false
		}
		w.kernel, w.at = dir, v.inside(dir)
	}
	ok = w.follow(name, follow || strings.HasSuffix(name, "/"))
	return w, ok
}

// host is where the machine has it.
func (w *walk) host() string { return w.views.host(w.at) }

// changed reports whether the kernel, given the path as it is, would come to
// another place.
func (w *walk) changed() bool { return w.apart || w.kernel != w.host() }

func (w *walk) follow(name string, last bool) bool {
	for name != "" {
		var part string
		part, name, _ = strings.Cut(name, "/")
		switch part {
		case "", ".":
			continue
		case "..":
			w.at, w.kernel = path.Dir(w.at), path.Dir(w.kernel)
			continue
		}
		next := join(w.at, part)
		w.kernel = join(w.kernel, part)
		if strings.Trim(name, "/") == "" && !last {
			w.at = next
			return true
		}
		link, ok := w.link(next, strings.Trim(name, "/") != "")
		if !ok {
			w.at = next
			continue
		}
		if w.kernel != w.views.host(next) {
			w.apart = true
		}
		if w.links++; w.links > mostLinks {
			return false
		}
		w.kernel = path.Dir(w.kernel)
		if strings.HasPrefix(link, "/") {
			w.at, w.kernel = "/", "/"
		}
		if name == "" {
			name = link
		} else {
			name = link + "/" + name
		}
	}
	return true
}

func join(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}

// link returns where a link leads; false for what is none, and for one of
// /proc that is no path. More says that the path goes on after it.
func (w *walk) link(name string, more bool) (string, bool) {
	if w.plain[name] {
		return "", false
	}
	if rest, ok := strings.CutPrefix(name, "/proc/"); ok {
		switch {
		case rest == "self":
			return w.self, true
		case rest == "thread-self":
			return w.thread, true
		case rest == "mounts", rest == "net":
		case path.Base(rest) == "root" && more:
			return "/", true
		case path.Base(rest) == "cwd", path.Base(path.Dir(rest)) == "fd" && more:
			to, ok := readLink(w.views.host(name))
			return w.views.inside(to), ok && strings.HasPrefix(to, "/")
		default:
			return "", false
		}
	}
	host := w.views.host(name)
	to, ok := readLink(host)
	if ok {
		return to, true
	}
	var st unix.Stat_t
	if unix.Lstat(host, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		w.plain[name] = true
	}
	return "", false
}

func readLink(name string) (string, bool) {
	var b [unix.PathMax]byte
	n, err := unix.Readlink(name, b[:])
	if err != nil || n == len(b) {
		return "", false
	}
	return string(b[:n]), true
}

// directory returns where the machine has a thread's directory, or one that it
// has open.
func (t *thread) directory(at int) (string, bool) {
	link := "cwd"
	if at != unix.AT_FDCWD {
		link = "fd/" + strconv.Itoa(at)
	}
	to, ok := readLink(procPath(t.tid, link))
	if !ok || !strings.HasPrefix(to, "/") || strings.HasSuffix(to, " (deleted)") {
		return "", false
	}
	return to, true
}

// Shown returns where the machine has what views show at a path.
func Shown(list []View, name string) string { return newViews(list, nil).host(name) }

// Seen returns where what the machine has at a path is seen.
func Seen(list []View, name string) string { return newViews(list, nil).inside(name) }

// inMemory returns the view that a path of the machine's is in, if it looks
// like a file system in memory.
func (v *views) inMemory(host string) (w View, ok bool) {
	if v == nil {
		return w, false
	}
	w, _, ok = v.view(v.inside(host))
	return w, ok && w.Memory
}

// topEntries makes the directory above the top of such a view that itself.
func (x *tracer) topEntries(dir string, entries []dirEntry) {
	w, ok := x.views.inMemory(dir)
	if !ok || w.From != dir {
		return
	}
	for i := range entries {
		if entries[i].name == ".." {
			for _, e := range entries {
				if e.name == "." {
					entries[i].ino = e.ino
				}
			}
		}
	}
}
