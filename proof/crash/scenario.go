//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A scenario is a command whose system calls are followed, and what there is
// before. A new one is a new entry of [scenarios].
type scenario struct {
	name string
	// Of the workspace: a name that ends in * is executable, in / a directory.
	files map[string]string
	setup [][]string // commands before, not followed
	// The command. $URL is the sample model server's.
	command []string
	live    bool // its answers come from the server, so two runs differ
	// orphans are in the store before: blobs that nothing names, in pieces too.
	orphans bool
	// kills names another scenario: its command is killed, then the command
	// of this one is followed, for several instants of the kill.
	kills string
	// How many states to check, of those that differ, and how many when
	// everything is proved; 0: all. Half and a third as many faults are tried.
	part, fullPart int
}

const nextMission = `
def main(coo):
    coo.log("next")
    return "next"
`

const askMission = `
def main(coo, url):
    for i in range(3):
        r = coo.chat(model = "sample-large", base_url = url + "/v1", key = "", temperature = 0, stream = i == 1,
            messages = [{"role": "user", "content": "question %d" % i}])
        print("ANSWER %d: %s" % (i + 1, r.text[:20]))
    return len(r.text) > 0
`

const largeMission = `
def main(coo, url):
    r = coo.http("POST", url + "/v1/chat/completions", headers = {"x-sample": "big; bytes=1200000"}, json = {"model": "sample-large", "messages": []})
    print("ANSWER 1: %d" % len(r.body))
    coo.write("large.txt", r.text[:70000])
    for i in range(70):
        coo.write("many/%d.txt" % i, "file %d" % i)
    return len(r.body)
`

const plainMission = `
def main(coo):
    notes = coo.read("notes.txt")
    def draft():
        coo.write("draft.md", notes)
        coo.fail("no")
    coo.attempt(draft)
    coo.log("x" * 5000)
    print("notes", len(notes), coo.now())
    return {"notes": notes}
`

const applyMission = `
def main(coo):
    coo.write("kept/replaced.txt", "new " * 2000)
    coo.write("new/deep/er/one.txt", "one")
    coo.write("new/two.txt", "two" * 5000)
    coo.remove("kept/removed.txt")
    coo.remove("dir/x.txt")
    coo.write("dir", "a file where a directory was")
    coo.write("tool.sh", "#!/bin/sh\necho new\n")
    return "written"
`

var workspaceFiles = map[string]string{
	"notes.txt":         "notes of the day\n",
	"kept/replaced.txt": "old",
	"kept/removed.txt":  "to be removed",
	"kept/other.txt":    "never touched",
	"dir/x.txt":         "x",
	"tool.sh*":          "#!/bin/sh\necho old\n",
	"next.star":         nextMission,
	"ask.star":          askMission,
	"large.star":        largeMission,
	"plain.star":        plainMission,
	"apply.star":        applyMission,
}

// manyFiles are more than are synced one by one, and an empty directory.
var manyFiles = func() map[string]string {
	files := map[string]string{"next.star": nextMission, "wipe.star": wipeMission, "then/": ""}
	for i := range 80 {
		files[fmt.Sprintf("many/%d.txt", i)] = fmt.Sprintf("file %d\n", i)
	}
	return files
}()

const wipeMission = `
def main(coo):
    for i in range(80):
        coo.write("many/%d.txt" % i, "new %d" % i)
`

var (
	plain = []string{"run", "plain.star", "--clock", "2026-11-23T09:00:00Z"}
	apply = []string{"run", "apply.star"}
)

// scenarios is the table.
var scenarios = []scenario{
	{name: "recording", command: []string{"run", "ask.star", "--calls=live", "--arg", "url=$URL"}, live: true, part: 160},
	{name: "a large answer, many files", setup: [][]string{{"init"}}, command: []string{"run", "large.star", "--calls=live", "--arg", "url=$URL"}, live: true, part: 40, fullPart: 1000},
	{name: "sealing", setup: [][]string{{"run", "next.star"}}, command: plain, part: 100},
	{name: "sealing the same run again", setup: [][]string{plain}, command: plain, part: 60},
	{name: "apply", setup: [][]string{{"run", "next.star"}}, command: apply, part: 160},
	{name: "apply, many files", files: manyFiles, setup: [][]string{{"init"}}, command: []string{"run", "wipe.star"}, part: 40, fullPart: 1000},
	{name: "recovery", kills: "apply", command: []string{"logs"}, part: 120, fullPart: 1000},
	{name: "rollback", setup: [][]string{{"run", "next.star"}, apply}, command: []string{"rollback", "@last"}, part: 120},
	{name: "rollback, many files", files: manyFiles, setup: [][]string{{"run", "wipe.star"}}, command: []string{"rollback", "@last"}, part: 40, fullPart: 1000},
	{name: "rollback undone", setup: [][]string{apply, {"rollback", "@last"}}, command: []string{"rollback", "--undo"}, part: 60},
	{name: "restore", setup: [][]string{apply}, command: []string{"restore", "@last:baseline", "then"}, part: 120},
	{name: "restore, many files", files: manyFiles, setup: [][]string{{"run", "next.star"}}, command: []string{"restore", "@last", "then"}, part: 40, fullPart: 1000},
	{name: "restore recovered", kills: "restore", command: []string{"logs"}, part: 80, fullPart: 1000},
	{name: "gc", setup: [][]string{apply, {"rollback", "@last"}}, orphans: true, command: []string{"gc"}, part: 120},
	{name: "collecting", kills: "sealing", command: []string{"gc", "--incomplete"}, part: 60, fullPart: 1000},
	{name: "killed, then run again", kills: "sealing", command: plain, part: 100, fullPart: 1000},
}

// A story is what a scenario comes to when nothing happens to it.
type story struct {
	before, after *node    // the workspace, without the store
	lines         [][]byte // of the run; nil: it cannot be known
	id            string   // empty: it cannot be known
	mission       string
	journal       []byte // the longest there was
	stdout        string
}

// A take is a story that was followed: from start, through ops.
type take struct {
	story
	name   string
	start  *disk
	said   promise // already, before the first of ops
	ops    []op
	traces map[string]int // by call: how often the busiest thread made it
}

// A promise is what coo has told somebody. It only grows.
type promise struct {
	answers int             // shown
	runs    map[string]int  // by the ID's first digits: number of the execution, 0 if not told
	applied map[bool]bool   // the workspace is said to be after (true) or before (false)
	text    map[int]*[]byte // by fd
}

func (p promise) clone() promise {
	c := promise{answers: p.answers, runs: map[string]int{}, applied: map[bool]bool{}, text: map[int]*[]byte{1: {}, 2: {}}}
	for k, v := range p.runs {
		c.runs[k] = v
	}
	for k, v := range p.applied {
		c.applied[k] = v
	}
	for fd, b := range p.text {
		*c.text[fd] = bytes.Clone(*b)
	}
	return c
}

var (
	toldRun      = regexp.MustCompile(`(?m)^coo: run ([0-9a-f]{12}), execution #(\d+): .*\n`)
	toldSealed   = regexp.MustCompile(`(?m)^coo: sealing of run ([0-9a-f]{12}) was interrupted; it is sealed now\n`)
	toldAnswer   = regexp.MustCompile(`(?m)^ANSWER (\d+):.*\n`)
	toldFinished = regexp.MustCompile(`(?m)^coo: writing to .* was interrupted; it is finished now\n`)
	toldUndone   = regexp.MustCompile(`(?m)^coo: writing to .* was interrupted; it is undone\n`)
	toldRolled   = regexp.MustCompile(`(?m)^coo: rollback \d+: .* changed, .*\n`)
	toldForward  = regexp.MustCompile(`(?m)^coo: rollback \d+ of .* was interrupted; it is finished now`)
	toldBack     = regexp.MustCompile(`(?m)^coo: rollback \d+ of .* was interrupted; it is taken back`)
	toldRestored = regexp.MustCompile(`(?m)^coo: .* holds the workspace as it was at .*\n`)
	toldLeft     = regexp.MustCompile(`(?m)^coo: restoring into .* was interrupted; what there was of it is removed`)
	toldNothing  = regexp.MustCompile(`(?m)^coo: the run is sealed, but nothing of it was written`)
)

// say adds what coo writes to stdout or stderr.
func (p *promise) say(fd int, data []byte) {
	*p.text[fd] = append(*p.text[fd], data...)
	if fd != 2 {
		return
	}
	b := *p.text[2]
	p.answers = max(p.answers, len(toldAnswer.FindAll(b, -1)))
	for _, m := range toldSealed.FindAllSubmatch(b, -1) {
		p.runs[string(m[1])] = max(p.runs[string(m[1])], 0)
	}
	for _, m := range toldRun.FindAllSubmatch(b, -1) {
		p.runs[string(m[1])], _ = strconv.Atoi(string(m[2]))
		p.applied[true] = true
	}
	if toldFinished.Match(b) || toldRolled.Match(b) || toldForward.Match(b) || toldRestored.Match(b) {
		p.applied[true] = true
	}
	if toldUndone.Match(b) || toldNothing.Match(b) || toldBack.Match(b) || toldLeft.Match(b) {
		p.applied[false] = true
	}
}

// prepare makes the workspace of a scenario in dir.
func (b *bench) prepare(s scenario, dir string) error {
	files := s.files
	if files == nil {
		files = workspaceFiles
	}
	for name, text := range files {
		name, exec := strings.CutSuffix(name, "*")
		at := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(at, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if exec {
			mode = 0o755
		}
		if err := os.WriteFile(at, []byte(text), mode); err != nil {
			return err
		}
	}
	for _, args := range s.setup {
		if r := b.run(dir, args...); r.status != 0 {
			return fmt.Errorf("setup: %s", r)
		}
	}
	if s.orphans {
		return b.orphan(dir)
	}
	return nil
}

const orphanMission = `
def main(coo):
    coo.write("long.txt", "".join(["line %d of a long text\n" % (i * i) for i in range(2500)]))
    for i in range(5):
        coo.write("%d.txt" % i, "orphan %d" % i)
`

// orphan puts blobs in the store below dir that nothing there names: those of
// another store.
func (b *bench) orphan(dir string) error {
	other, err := b.temp("orphans")
	if err != nil {
		return err
	}
	defer os.RemoveAll(other)
	if err := os.WriteFile(filepath.Join(other, "m.star"), []byte(orphanMission), 0o644); err != nil {
		return err
	}
	if r := b.run(other, "run", "m.star"); r.status != 0 {
		return fmt.Errorf("orphans: %s", r)
	}
	const blobs = ".coo/blobs"
	return filepath.WalkDir(filepath.Join(other, blobs), func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(other, name)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if e.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o644)
	})
}

// args returns the scenario's command line.
func (b *bench) args(s scenario) []string {
	var out []string
	for _, a := range s.command {
		out = append(out, strings.ReplaceAll(a, "$URL", b.url))
	}
	return out
}

// record follows the scenario once.
func (b *bench) record(s scenario) (*take, error) {
	dir, err := b.temp("recorded")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // so that no command works there instead of where it is run
	if err := b.prepare(s, dir); err != nil {
		return nil, err
	}
	start, err := readDisk(dir)
	if err != nil {
		return nil, err
	}
	t := &take{name: s.name, start: start, said: promise{}.clone()}
	if s.command[0] == "run" {
		t.mission = s.command[1]
	}
	t.before = start.state(nil).without(".coo")
	if err := b.follow(t, s, dir); err != nil {
		return nil, err
	}
	return t, b.tell(t, dir)
}

// follow performs the scenario's command in dir under strace, and checks that
// the model comes to what there is then.
func (b *bench) follow(t *take, s scenario, dir string) error {
	trace := dir + ".trace"
	defer os.Remove(trace)
	strace := []string{"-f", "-y", "-xx", "-s", "8000000", "-o", trace, "-e", "trace=" + traced, "-e", "signal=none"}
	r := b.command(dir, "strace", append(append(strace, b.coo), b.args(s)...)...)
	if r.status != 0 {
		return fmt.Errorf("%s", r)
	}
	t.stdout = r.stdout
	text, err := os.ReadFile(trace)
	if err != nil {
		return err
	}
	if t.ops, err = parseTrace(bytes.NewReader(text), dir, 0); err != nil {
		return err
	}
	t.traces = countCalls(text)
	end := t.start.clone()
	for _, o := range t.ops {
		if err := end.apply(o); err != nil {
			return fmt.Errorf("the model: %w", err)
		}
		if open := end.look(".coo/open"); open != nil {
			for _, run := range open.entries {
				if j := run.entries["journal"]; j != nil && len(j.data) > len(t.journal) {
					t.journal = j.data
				}
			}
		}
	}
	real, err := readTree(dir)
	if err != nil {
		return err
	}
	if err := equalTrees(".", end.state(end.pending), real); err != nil {
		return fmt.Errorf("the model and the file system differ: %w", err)
	}
	t.after = real.without(".coo")
	return nil
}

// tell asks coo what came of the recording.
func (b *bench) tell(t *take, dir string) error {
	r := b.run(dir, "logs", "@last", "--json")
	if r.status != 0 {
		return fmt.Errorf("%s", r)
	}
	t.lines = bytes.SplitAfter([]byte(r.stdout), []byte("\n"))
	t.lines = t.lines[:len(t.lines)-1]
	es, err := b.executions(dir)
	if err != nil {
		return err
	}
	if len(es) == 0 {
		return errors.New("no execution")
	}
	t.id = es[len(es)-1].Run
	return nil
}

type execution struct {
	N    int    `json:"n"`
	Run  string `json:"run"`
	Name string `json:"name"`
}

func (b *bench) executions(dir string) ([]execution, error) {
	r := b.run(dir, "logs", "--json")
	if r.status != 0 {
		return nil, fmt.Errorf("%s", r)
	}
	var out []execution
	for line := range strings.Lines(r.stdout) {
		var e execution
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// A moment is an instant of a take: before its op k, after all others before.
type moment struct {
	k    int
	disk *disk
	said promise
}

// each calls do at every instant that differs from the one before.
func (t *take) each(do func(moment) error) error {
	d, said := t.start.clone(), t.said.clone()
	sends := said.answers
	if err := do(moment{0, d, said}); err != nil {
		return err
	}
	for k, o := range t.ops {
		if err := d.apply(o); err != nil {
			return err
		}
		switch o.kind {
		case opSay:
			said.say(o.fd, o.data)
		case opSend:
			// A request that leaves has seen the answers before it.
			if bytes.HasPrefix(o.data, []byte("POST ")) {
				said.answers = max(said.answers, sends)
				sends++
			}
		case opSeek, opSyncBegin:
			continue
		}
		if err := do(moment{k + 1, d, said}); err != nil {
			return err
		}
	}
	return nil
}

// second returns takes of s after kills of base at n instants spread over
// those where it had written anything.
func (b *bench) second(s scenario, base *take, n int) ([]*take, error) {
	var at []int
	was := base.start.state(nil).sum()
	if err := base.each(func(m moment) error {
		if sum := m.disk.state(m.disk.pending).sum(); sum != was {
			was = sum
			at = append(at, m.k)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	chosen := map[int]bool{}
	for _, i := range spread(len(at), n) {
		chosen[at[i]] = true
	}
	var out []*take
	err := base.each(func(m moment) error {
		if !chosen[m.k] {
			return nil
		}
		delete(chosen, m.k)
		dir, err := b.temp("second")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := m.disk.state(m.disk.pending).write(dir); err != nil {
			return err
		}
		t := &take{story: base.story, name: fmt.Sprintf("%s (killed before op %d)", s.name, m.k), start: m.disk.clone(), said: m.said.clone()}
		after := t.after
		if err := b.follow(t, s, dir); err != nil {
			return fmt.Errorf("killed before op %d: %w", m.k, err)
		}
		t.after, t.journal = after, base.journal
		out = append(out, t)
		return nil
	})
	return out, err
}

// spread returns n indexes of 0..size-1, evenly, the first and last among them.
func spread(size, n int) []int {
	if n >= size {
		n = size
	}
	var out []int
	for i := range n {
		at := 0
		if n > 1 {
			at = i * (size - 1) / (n - 1)
		}
		out = append(out, at)
	}
	return out
}
