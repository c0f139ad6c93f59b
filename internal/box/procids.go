//go:build linux && amd64

package box

import (
	"strconv"
	"strings"
)

// Files of /proc have numbers of processes in their names, and in what they
// say. Where the program has no namespace for them they are changed here.

// procDir returns what the kernel calls a directory such as 3 or 3/task/4.
func (x *tracer) procDir(dir string) string {
	if x.ids == nil {
		return dir
	}
	return renumber(dir, x.ids.real)
}

// statIDs changes the numbers of /proc/PID/stat: the first field, and after
// the name the fields 4 to 6, proc(5).
func (x *tracer) statIDs(s string) string {
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if x.ids == nil || open < 1 || end < open {
		return s
	}
	f := strings.Fields(s[end+1:])
	for i := 1; i <= 3 && i < len(f); i++ {
		f[i] = x.insideID(f[i])
	}
	return x.insideID(strings.TrimSpace(s[:open])) + " " + s[open:end+1] + " " + strings.Join(f, " ") + "\n"
}

// insideID changes a number, with 0 for one that is not the program's.
func (x *tracer) insideID(s string) string {
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 {
		return s
	}
	return strconv.Itoa(x.ids.inside[n])
}

// statusID changes the numbers of a line of /proc/PID/status.
func (x *tracer) statusID(name, value string) string {
	if x.ids == nil {
		return value
	}
	switch name {
	case "Tgid", "Pid", "PPid":
		return x.insideID(value)
	case "NStgid", "NSpid", "NSpgid", "NSsid":
		return x.insideID(firstWord(value))
	}
	return value
}

func firstWord(s string) string {
	s, _, _ = strings.Cut(s, "\t")
	return s
}

// ownEntries leaves, of the entries of /proc or of the threads of a process,
// those that are the program's, by its numbers.
func (x *tracer) ownEntries(dir string, entries []dirEntry) []dirEntry {
	if x.views != nil && dir+"/" == slavesDir {
		return x.ownTerminals(entries)
	}
	rest, ok := strings.CutPrefix(dir, "/proc")
	if x.ids == nil || !ok || rest != "" && !strings.HasSuffix(rest, "/task") {
		return entries
	}
	out := entries[:0]
	for _, e := range entries {
		if n, err := strconv.Atoi(e.name); err == nil {
			id := x.ids.inside[n]
			if id == 0 || x.ids.kernel[id] != n {
				continue
			}
			e.name = strconv.Itoa(id)
		}
		out = append(out, e)
	}
	return out
}

// selfLink returns what the links to who asks say.
func (x *tracer) selfLink(t *thread, name string) (string, bool) {
	id := strconv.Itoa(t.proc.id)
	switch name {
	case "self":
		return id, true
	case "thread-self":
		return id + "/task/" + strconv.Itoa(t.id), true
	}
	return "", false
}
