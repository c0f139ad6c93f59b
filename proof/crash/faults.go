//go:build linux

package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// failing are the calls that are made to fail.
var failing = []string{
	"openat", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "syncfs", "renameat", "linkat",
	"symlinkat", "unlinkat", "mkdirat", "fchmod",
}

// errnos are the errors of a disk, with the words coo has for them.
var errnos = map[string]string{
	"EIO": "input/output error", "ENOSPC": "no space left on device",
	"EROFS": "read-only file system", "EDQUOT": "disk quota exceeded",
}

// A fault is one call that fails, or every one from it on (for good), or at
// which coo is killed.
type fault struct {
	call, errno string // errno KILL: the signal
	k           int    // of the calls of each thread
	good        bool
}

func (f fault) String() string {
	s := fmt.Sprintf("%s %d", f.call, f.k)
	if f.good {
		s += " and all after it"
	}
	return s + ": " + f.errno
}

func (f fault) inject() string {
	when := fmt.Sprintf("when=%d", f.k)
	if f.good {
		when += "+"
	}
	if f.errno == "KILL" {
		return fmt.Sprintf("inject=%s:signal=KILL:%s", f.call, when)
	}
	return fmt.Sprintf("inject=%s:error=%s:%s", f.call, f.errno, when)
}

// countCalls counts the calls of each kind by the thread that made most.
func countCalls(trace []byte) map[string]int {
	counts, most := map[string]int{}, map[string]int{}
	for line := range strings.Lines(string(trace)) {
		pid, rest, _ := strings.Cut(line, " ")
		name, _, ok := strings.Cut(strings.TrimLeft(rest, " "), "(")
		if !ok || strings.HasPrefix(name, "<") {
			continue
		}
		counts[pid+name]++
		most[name] = max(most[name], counts[pid+name])
	}
	return most
}

// faults makes the calls of a scenario fail, one in each attempt.
func (b *bench) faults(s scenario) (n int, errs []error, note string, err error) {
	t, err := b.record(s)
	if err != nil {
		return 0, nil, "", err
	}
	list := b.faultList(t)
	possible := len(list)
	limit := s.part / 2
	if b.full {
		limit = s.fullPart / 3
	}
	if limit > 0 {
		var chosen []fault
		for _, i := range spread(len(list), limit) {
			chosen = append(chosen, list[i])
		}
		list = chosen
	}
	var mu sync.Mutex
	hits := 0
	tried, end := b.progress("faults of "+s.name, len(list))
	defer end()
	errs = b.parallel(len(list), func(i int) error {
		defer tried()
		hit, err := b.fail(s, t, list[i])
		mu.Lock()
		defer mu.Unlock()
		if hit {
			hits++
		}
		return err
	})
	return hits, errs, fmt.Sprintf(" (of %d faults %d were tried; the others met no call of coo's)", possible, len(list)), nil
}

func (b *bench) faultList(t *take) []fault {
	var list []fault
	names := []string{"EIO", "ENOSPC", "EROFS", "EDQUOT"}
	for _, call := range failing {
		for k := 1; k <= t.traces[call]; k++ {
			list = append(list, fault{call, "KILL", k, false})
			for i, e := range names {
				if i == k%len(names) {
					list = append(list, fault{call, e, k, false}, fault{call, e, k, true})
				}
			}
		}
	}
	return list
}

// fail performs a scenario with a fault, and reports whether it met a call
// that is coo's: on a file of the workspace, stdout or stderr.
func (b *bench) fail(s scenario, t *take, f fault) (bool, error) {
	dir, err := b.temp("fault")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	if err := t.start.state(nil).write(dir); err != nil {
		return false, err
	}
	trace := dir + ".trace"
	defer os.Remove(trace)
	args := []string{"-f", "-y", "-xx", "-s", "64", "-o", trace, "-e", "trace=" + f.call, "-e", "signal=none", "-e", f.inject(), b.coo}
	r := b.command(dir, "strace", append(args, b.args(s)...)...)
	r.args = b.args(s)
	text, err := os.ReadFile(trace)
	if err != nil {
		return false, err
	}
	ok, mute := met(string(text), dir, f, r)
	if !ok {
		return false, nil
	}
	if err := b.afterFault(s, t, f, r, dir, mute); err != nil {
		left, rerr := readTree(dir)
		if rerr != nil {
			return true, rerr
		}
		return true, b.keep(left, fmt.Sprintf("%s: %s: %v", s.name, f, err))
	}
	return true, nil
}

var injected = regexp.MustCompile(`(?m)^.*\(INJECTED\)$`)

// met reports whether the fault came, and only where coo has to bear it: the
// Go runtime cannot live without its own descriptors. It is mute when coo could
// not say anything on stderr.
func met(trace, dir string, f fault, r result) (ok, mute bool) {
	if f.errno == "KILL" {
		return r.status == -1 || r.status == 137, false
	}
	lines := injected.FindAllString(trace, -1)
	for _, line := range lines {
		_, call, _ := strings.Cut(line, "(")
		plain := string(unhex(call))
		if !strings.Contains(plain, dir) && !strings.HasPrefix(plain, "1<") && !strings.HasPrefix(plain, "2<") {
			return false, false
		}
		mute = mute || strings.HasPrefix(plain, "2<")
	}
	return len(lines) > 0, mute
}

func (b *bench) afterFault(s scenario, t *take, f fault, r result, dir string, mute bool) error {
	said := promise{}.clone()
	said.say(1, []byte(r.stdout))
	said.say(2, []byte(r.stderr))
	st := t.story
	st.journal = nil
	if s.live {
		st.lines, st.id = nil, ""
	}
	switch {
	case f.errno == "KILL":
	case r.status == 0:
		if err := whole(r, t, said, mute || s.command[0] != "run"); err != nil {
			return err
		}
	case !slices.Contains([]int{1, 2, 4, 5}, r.status):
		return fmt.Errorf("%s", r)
	default:
		if err := clear(r, f); err != nil && !mute {
			return err
		}
	}
	if r.status != 0 && said.applied[true] {
		// What came of the run was told before the fault came: the run is
		// there, of the workspace nothing is known but all or nothing.
		delete(said.applied, true)
		delete(said.applied, false)
	}
	left, err := readTree(dir)
	if err != nil {
		return err
	}
	return b.check(dir, left, &st, said)
}

// whole demands of a command that ended with status 0 that nothing is lost. A mute
// one tells of no run.
func whole(r result, t *take, said promise, mute bool) error {
	switch {
	case r.stdout != t.stdout:
		return fmt.Errorf("status 0, but stdout is %q, want %q: %s", r.stdout, t.stdout, r)
	case len(said.runs) == 0 && !mute:
		return fmt.Errorf("status 0, and no run: %s", r)
	}
	return nil
}

// clear demands one line that says what went wrong.
func clear(r result, f fault) error {
	n := 0
	for line := range strings.Lines(r.stderr) {
		// A snapshot says of a file or directory only that it cannot be read.
		if strings.HasPrefix(line, "coo: ") && (strings.Contains(line, errnos[f.errno]) || strings.Contains(line, "not readable")) {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("%d lines say %q: %s", n, errnos[f.errno], r)
	}
	return nil
}
