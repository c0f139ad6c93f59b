//go:build linux && amd64

package box

import (
	"os"
	"strconv"
	"strings"
)

// procFile returns a file of /proc about a thread, "" when it is no more.
func procFile(tid int, name string) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/" + name)
	if err != nil {
		return ""
	}
	return string(b)
}

// statusField returns the last word of a line of a thread's status, and of
// the line "State" the letter.
func statusField(tid int, name string) string {
	for line := range strings.Lines(procFile(tid, "status")) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			f := strings.Fields(rest)
			switch {
			case len(f) == 0:
				return ""
			case name == "State":
				return f[0]
			}
			return f[len(f)-1]
		}
	}
	return ""
}

// commandLine returns what a process was started with, for people.
func commandLine(pid int) string {
	return strings.Join(strings.FieldsFunc(procFile(pid, "cmdline"), func(r rune) bool { return r == 0 }), " ")
}
