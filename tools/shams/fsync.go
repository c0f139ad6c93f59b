package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// fsyncMission makes calls one after the other, says so after each answer,
// and writes a file.
const fsyncMission = `
def main(coo):
    for i in range(4):
        a = coo.http("POST", "http://model.coo.invalid/v1/chat/completions", json = {
            "model": "sample-large",
            "messages": [{"role": "user", "content": "question %d" % i}],
        })
        print("answer", i, a.status)
    coo.write("out/answers.txt", "4")
`

const fsyncCalls = 4

// fsync follows coo's system calls and demands that
//
//   - an answer that came over the network is written to the journal, and
//     the journal synced, before the mission goes on: before it prints, and
//     before its next request leaves;
//   - no file gets its name in the store, or in the workspace, before its
//     content is synced;
//   - when coo says what came of the run, every directory in which a name
//     changed is synced too.
func (b *bench) fsync(coo string, _ *sham) (string, error) {
	dir, err := os.MkdirTemp(b.dir, "fsync-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	trace := filepath.Join(dir, "trace")
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		return "", err
	}
	_, _, err = b.mission(coo, work, fsyncMission, "strace", "-f", "-yy", "-s", "80", "-o", trace,
		"-e", "trace=read,write,pwrite64,writev,sendto,sendmsg,fsync,fdatasync,syncfs,rename,renameat,renameat2")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		return "", err
	}
	d := &disk{dir: work, dirty: map[string]bool{}, names: map[string]bool{}}
	if err := d.follow(string(text)); err != nil {
		return "", err
	}
	if d.sent != fsyncCalls || d.shown != fsyncCalls || !d.told {
		return "", fmt.Errorf("the trace shows %d requests and %d answers, want %d", d.sent, d.shown, fsyncCalls)
	}
	return fmt.Sprintf("%d answers synced before they are shown, %d names after their content", d.shown, d.renamed), nil
}

// A disk is what a trace has told so far.
type disk struct {
	dir     string
	dirty   map[string]bool // files with content that is not synced
	names   map[string]bool // directories with names that are not synced
	answer  stage           // of the last answer
	sent    int             // requests
	shown   int             // answers printed
	renamed int
	told    bool // the run's ID was printed
}

// A stage is how far an answer has come.
type stage int

const (
	none     stage = iota
	received       // from the network
	written        // to the journal
	synced
)

// A line of strace -f: the process, then a call, the beginning or the end of one.
var (
	lineForm    = regexp.MustCompile(`^(\d+) +(.*)$`)
	resumedForm = regexp.MustCompile(`^<\.\.\. (\w+) resumed>(.*)$`)
	callForm    = regexp.MustCompile(`^(\w+)\((.*)$`)
	resultForm  = regexp.MustCompile(`= (-?\d+)[^=]*$`)
	fileForm    = regexp.MustCompile(`^(\d+)<([^>]*)`)
	quotedForm  = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
	atForm      = regexp.MustCompile(`^(?:AT_FDCWD|\d+)(?:<([^>]*)>)?$`)
)

// follow reads a trace.
func (d *disk) follow(trace string) error {
	begun := map[string]string{} // by process
	for line := range strings.Lines(trace) {
		m := lineForm.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			continue
		}
		process, text := m[1], m[2]
		if before, ok := strings.CutSuffix(text, "<unfinished ...>"); ok {
			begun[process] = before
			if err := d.begins(before); err != nil {
				return err
			}
			continue
		}
		if r := resumedForm.FindStringSubmatch(text); r != nil {
			d.ends(begun[process] + r[2])
			continue
		}
		if err := d.begins(text); err != nil {
			return err
		}
		d.ends(text)
	}
	return nil
}

// begins takes a call before it has an effect: what must be on disk by then?
func (d *disk) begins(text string) error {
	m := callForm.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	switch m[1] {
	case "write", "writev", "sendto", "sendmsg":
		f := fileForm.FindStringSubmatch(m[2])
		switch {
		case f == nil:
		case strings.HasPrefix(f[2], "TCP") && strings.Contains(m[2], `"POST `):
			return d.send()
		case f[1] == "2" && strings.Contains(m[2], `"answer `):
			return d.show()
		case f[1] == "2" && strings.Contains(m[2], `"coo: run `):
			return d.tell()
		}
	case "rename", "renameat", "renameat2":
		return d.rename(m[2])
	}
	return nil
}

func (d *disk) send() error {
	d.sent++
	if err := d.recorded(fmt.Sprintf("request %d leaves", d.sent)); d.sent > 1 && err != nil {
		return err
	}
	d.answer = none
	return nil
}

func (d *disk) show() error {
	d.shown++
	return d.recorded(fmt.Sprintf("answer %d is shown", d.shown))
}

// recorded demands that the last answer is on disk.
func (d *disk) recorded(moment string) error {
	switch d.answer {
	case received:
		return caught("%s before the answer is in the journal", moment)
	case written:
		return caught("%s before the journal is synced", moment)
	case none:
		return fmt.Errorf("%s, and the trace shows no answer before", moment)
	}
	return nil
}

// passing are the names that nothing depends on: what they name may be lost.
func passing(name string) bool {
	return strings.HasSuffix(name, "/state.tmp") || strings.HasSuffix(name, "/state") || strings.Contains(name, "/.coo/tmp/gone-") ||
		strings.Contains(name, "/.coo/cache/")
}

func (d *disk) rename(args string) error {
	from, to := d.twoPaths(args)
	if from == "" || passing(from) || passing(to) {
		return nil
	}
	d.renamed++
	for name := range d.dirty {
		if name == from || strings.HasPrefix(name, from+"/") {
			return caught("%s gets its name before its content is synced", d.shorter(to))
		}
	}
	d.names[filepath.Dir(to)] = true
	return nil
}

func (d *disk) tell() error {
	d.told = true
	var late []string
	for name := range d.names {
		late = append(late, d.shorter(name))
	}
	for name := range d.dirty {
		if base := filepath.Base(name); base != "journal" && !passing(name) && !strings.Contains(name, "/open/") {
			late = append(late, d.shorter(name))
		}
	}
	if len(late) > 0 {
		return caught("the run is told of before %s is synced", slices.Min(late))
	}
	return nil
}

// ends takes a call that has had its effect.
func (d *disk) ends(text string) {
	m := callForm.FindStringSubmatch(text)
	result := resultForm.FindStringSubmatch(text)
	if m == nil || result == nil || strings.HasPrefix(result[1], "-") {
		return
	}
	f := fileForm.FindStringSubmatch(m[2])
	switch {
	case f == nil:
	case m[1] == "read" && strings.HasPrefix(f[2], "TCP"):
		if result[1] != "0" && d.sent > 0 {
			d.answer = received
		}
	case strings.HasPrefix(f[2], d.dir):
		d.file(m[1], f[2])
	}
}

// file takes a call that has had its effect on a file of the run.
func (d *disk) file(call, name string) {
	journal := filepath.Base(name) == "journal"
	switch call {
	case "write", "pwrite64", "writev":
		d.dirty[name] = true
		if journal && d.answer == received {
			d.answer = written
		}
	case "fsync", "fdatasync":
		delete(d.dirty, name)
		delete(d.names, name)
		if journal && d.answer == written {
			d.answer = synced
		}
	case "syncfs":
		clear(d.dirty)
		clear(d.names)
	}
}

// twoPaths returns the paths of a rename, if they are below the directory.
func (d *disk) twoPaths(args string) (from, to string) {
	var paths []string
	base := ""
	for field := range strings.SplitSeq(args, ", ") {
		if m := atForm.FindStringSubmatch(field); m != nil {
			base = m[1]
		} else if q := quotedForm.FindStringSubmatch(field); q != nil {
			p := q[1]
			if !filepath.IsAbs(p) {
				p = filepath.Join(base, p)
			}
			paths = append(paths, p)
		}
	}
	if len(paths) != 2 || !strings.HasPrefix(paths[0], d.dir) {
		return "", ""
	}
	return paths[0], paths[1]
}

// shorter returns a path as it is below the directory, digits left out.
func (d *disk) shorter(name string) string {
	rel, err := filepath.Rel(d.dir, name)
	if err != nil {
		return name
	}
	return regexp.MustCompile(`[0-9a-f]{8,}`).ReplaceAllStringFunc(filepath.ToSlash(rel), func(s string) string { return s[:4] + "…" })
}
