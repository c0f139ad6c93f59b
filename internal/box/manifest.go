//go:build linux && amd64

package box

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A manifest is which files a program has read, executed or mapped: what its
// run depends on besides its workspace and its calls.
type manifest struct {
	read    map[string]bool
	changed map[string]bool // opened to be written
}

// transient are places whose files are nobody's installation.
var transient = []string{"/proc/", "/sys/", "/dev/"}

// opened notes a file that the program opens.
func (m *manifest) opened(t *thread, at int, name string, flags uint64) {
	if !strings.HasPrefix(name, "/") {
		link := "/cwd"
		if at != unix.AT_FDCWD {
			link = "/fd/" + strconv.Itoa(at)
		}
		dir, err := os.Readlink("/proc/" + strconv.Itoa(t.tid) + link)
		if err != nil {
			return
		}
		if t.views != nil {
			dir = t.views.inside(dir)
		}
		name = dir + "/" + name
	}
	if flags&unix.O_ACCMODE != unix.O_WRONLY {
		m.add(&m.read, name)
	}
	if flags&unix.O_ACCMODE != unix.O_RDONLY {
		m.add(&m.changed, name)
	}
}

func (m *manifest) add(to *map[string]bool, name string) {
	if !strings.Contains(name, "/../") { // else a link may decide where it leads
		name = path.Clean(name)
	}
	if (*to)[name] || slices.ContainsFunc(transient, func(p string) bool { return strings.HasPrefix(name, p) }) {
		return
	}
	if *to == nil {
		*to = map[string]bool{}
	}
	(*to)[name] = true
}

// executed notes what the kernel has mapped for a program before its first
// instruction: its file, and the loader's.
func (m *manifest) executed(t *thread) {
	for _, r := range mappings(t.tid) {
		if t.views != nil {
			r.path = t.views.inside(r.path)
		}
		if strings.HasPrefix(r.path, "/") {
			m.add(&m.read, r.path)
		}
	}
}

// mostFiles is how many paths one event has.
const mostFiles = 1000

// tellManifest tells which files were used; those that are there, and are
// regular files.
func (x *tracer) tellManifest() {
	own := ownDirectory("/tmp")
	if x.views != nil {
		own = 0 // it is a view
	}
	for kind, set := range map[EventKind]map[string]bool{Used: x.manifest.read, Changed: x.manifest.changed} {
		var files []File
		for name := range set {
			host := name
			if x.views != nil {
				host = x.views.host(name)
			}
			var st unix.Stat_t
			if unix.Stat(host, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || strings.HasPrefix(name, "/tmp/") && (st.Dev == own || x.isOwnFile(host)) {
				continue
			}
			files = append(files, File{name, st.Dev, st.Ino})
		}
		slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
		for part := range slices.Chunk(files, mostFiles) {
			x.tell(Event{Kind: kind, Files: part})
		}
	}
}

// ownDirectory returns the file system of a directory for temporary files. What
// the program is shown there of the machine's is of another.
func ownDirectory(dir string) uint64 {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return 0
	}
	return st.Dev
}

// isOwnFile reports whether a file of the machine's stands for one in memory.
func (x *tracer) isOwnFile(host string) bool {
	_, ok := x.views.inMemory(host)
	return ok
}
