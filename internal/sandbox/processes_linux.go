package sandbox

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// A process is one that runs inside a box.
type process struct{ pid, parent int }

// descendants returns the processes that come from this one and have not
// ended, by what /proc says.
func descendants() []process {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	children := map[int][]process{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if parent, state, ok := stat(pid); ok && state != 'X' {
			children[parent] = append(children[parent], process{pid, parent})
		}
	}
	var found []process
	for queue := children[os.Getpid()]; len(queue) > 0; queue = queue[1:] {
		p := queue[0]
		if _, state, ok := stat(p.pid); ok && state != 'Z' {
			found = append(found, p)
		}
		queue = append(queue, children[p.pid]...)
	}
	return found
}

// stat reads the parent and the state of a process: "123 (a name) S 1 …".
func stat(pid int) (parent int, state byte, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, false
	}
	// The name may hold anything, parentheses too.
	_, rest, ok := cutLast(string(b), ") ")
	f := strings.Fields(rest)
	if !ok || len(f) < 2 || f[0] == "" {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(f[1])
	return parent, f[0][0], err == nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// commandLine returns what a process was started as, at most 200 bytes of it.
func (p process) commandLine() string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/cmdline")
	if err != nil {
		return ""
	}
	b = bytes.TrimRight(bytes.ReplaceAll(b, []byte{0}, []byte{' '}), " ")
	return string(b[:min(len(b), 200)])
}
