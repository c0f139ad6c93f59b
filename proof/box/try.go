//go:build linux && amd64

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A try is one program, run natively and through coo.
type try struct {
	*bench
	program *program
	place   int // in the table
	dir     string
	done    chan struct{}
	err     error

	differs    string // how two native runs differed
	inside     string // how the runs through coo came out
	nativeTook time.Duration
	took       time.Duration // of one run through coo
}

// line is what is printed of a try.
func (t *try) line() string {
	line := fmt.Sprintf("%-28s %-9s natively %-9s %6.2fs", t.program, t.program.topic, t.differs, t.nativeTook.Seconds())
	if t.level != native {
		line += fmt.Sprintf("   %s %s %6.2fs", t.level, t.inside, t.took.Seconds())
	}
	if t.err != nil {
		line += fmt.Sprintf("\n    FAILED: %v\n    kept in %s", t.err, t.dir)
	}
	return line
}

// perform builds the program and tries it.
func (t *try) perform() error {
	name := strings.NewReplacer("/", "-", " ", "-").Replace(t.program.topic + " " + t.program.String())
	t.dir = filepath.Join(t.bench.dir, name)
	if err := os.Mkdir(t.dir, 0o755); err != nil {
		return err
	}
	file, err := t.build(t.program, t.dir)
	if err != nil {
		return err
	}
	t.differs = "-"
	perform := t.compare
	if t.program.differs == "" {
		perform = t.record
	}
	if err := perform(file); err != nil || t.keep {
		return err
	}
	return os.RemoveAll(t.dir)
}

// compare runs a program of the zoo.
func (t *try) compare(file string) error {
	if t.native || t.level == native {
		if err := t.natively(file); err != nil {
			return err
		}
	}
	if t.level == native {
		return nil
	}
	return t.through(file)
}

// attempts is how often a program that always differs is run before it is said
// to be the same.
const attempts = 6

// natively runs the program until it differs from its first run. One that
// need not differ is run twice.
func (t *try) natively(file string) error {
	first, err := t.once("native-0", file, native, &surroundings{})
	if err != nil {
		return err
	}
	t.nativeTook = first.took
	for i := 1; i < attempts; i++ {
		o, err := t.once(fmt.Sprintf("native-%d", i), file, native, &surroundings{})
		if err != nil {
			return err
		}
		if what := first.other(o, true); what != "" {
			t.differs = what
			if t.program.differs == never {
				return fmt.Errorf("natively: is said never to differ\n%s", first.diff(o, what))
			}
			return nil
		}
		t.differs = "same"
		if t.program.differs != always && t.program.differs != may {
			return nil
		}
	}
	if t.program.differs == may {
		return nil
	}
	return fmt.Errorf("natively: the same %d times", attempts)
}

// through runs the program through coo in changing surroundings.
func (t *try) through(file string) error {
	var first *outcome
	differ := map[string]bool{}
	for i := range t.runs {
		s := t.turn(t.place, i)
		if t.program.inputs && s.otherInputs() || t.program.path && s.deep {
			s = &rows[0]
		}
		// The same length for each: a program may be told of it.
		dir := strings.ReplaceAll(fmt.Sprintf("run-%02d-%-11s", i, s.name), " ", "_")
		o, err := t.once(dir, file, t.level, s)
		if err != nil {
			t.inside = "FAILED"
			return fmt.Errorf("run %d (%s): %w", i, s.name, err)
		}
		if i == 0 {
			first, t.took = o, o.took
			continue
		}
		what := first.other(o, !s.recordedDiffer())
		if what == "" {
			continue
		}
		differ[what] = true
		if t.level == deterministic && t.program.differs != outside {
			t.inside = "DIFFERS"
			return fmt.Errorf("run %d (%s): another %s\n%s", i, s.name, what, first.diff(o, what))
		}
	}
	t.inside = fmt.Sprintf("%d identical", t.runs)
	if len(differ) > 0 {
		var what []string
		for w := range differ {
			what = append(what, w)
		}
		t.inside = "differs: " + strings.Join(what, ", ")
	}
	return nil
}

// An outcome is what a run left behind, each part in a file of its own in dir.
type outcome struct {
	dir       string
	workspace string
	took      time.Duration
	said      []byte // stderr with what coo says
	// parts are compared in this order. The recorder is there after a run
	// through coo only, the trace if it was asked for.
	status, stdout, stderr, files, recorder, trace []byte
}

func (o *outcome) parts() []part {
	return []part{
		{"status", o.status},
		{"stdout", o.stdout},
		{"files", o.files},
		{"stderr", o.stderr},
		{"trace", o.trace},
		{"recorder", o.recorder},
	}
}

type part struct {
	name    string
	content []byte
}

// other returns the name of the first part that differs, or "". The last two
// are left out if inputs that are recorded were not the same.
func (o *outcome) other(p *outcome, sameInputs bool) string {
	theirs := p.parts()
	for i, mine := range o.parts() {
		if (mine.name != "recorder" && mine.name != "trace" || sameInputs) && !bytes.Equal(mine.content, theirs[i].content) {
			return mine.name
		}
	}
	return ""
}

// diff shows how a part differs.
func (o *outcome) diff(p *outcome, name string) string {
	out, _ := exec.Command("diff", "-U2", "-a", filepath.Join(o.dir, name), filepath.Join(p.dir, name)).Output() // 1 is a difference
	lines := strings.Split(string(out), "\n")
	if len(lines) > 30 {
		lines = append(lines[:30], fmt.Sprintf("… and %d lines more", len(lines)-30))
	}
	return strings.Join(lines, "\n")
}

// startClock is when every run through coo begins, at the level that gives a
// program its time.
const startClock = "2026-02-03T04:05:06Z"

// errLimit is the end of a run that took too long.
var errLimit = errors.New("no end")

// once runs the program once, in a workspace of its own.
func (t *try) once(name, file, level string, s *surroundings) (*outcome, error) {
	o := &outcome{dir: filepath.Join(t.dir, name)}
	if err := os.Mkdir(o.dir, 0o755); err != nil {
		return nil, err
	}
	w, err := s.workspace(o.dir, file)
	if err != nil {
		return nil, err
	}
	o.workspace = w
	argv := t.argv(t.program, file)
	if level != native {
		if out, err := t.around(w, s, []string{t.coo, "init"}).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("coo init: %w\n%s", err, out)
		}
		head := []string{t.coo, "run", "--isolation=" + level, "--calls=live", "--from=none"}
		if level == deterministic {
			head = append(head, "--clock="+startClock)
		}
		if t.program.model != "" {
			head = append(head, "--allow="+t.program.model)
		}
		if t.trace != "" {
			head = append(head, t.trace+"="+filepath.Join(w, "..", "trace"))
		}
		argv = append(append(head, "--"), argv...)
	}
	stop, err := s.burden()
	if err != nil {
		return nil, err
	}
	defer stop()
	if err := t.wait(o, t.around(w, s, argv)); err != nil {
		return nil, fmt.Errorf("%w\nstdout: %s\nstderr: %s", err, tail(o.stdout), tail(o.said))
	}
	return o, t.collect(o, w, level)
}

// around makes a command in the surroundings, in a process group of its own.
func (t *try) around(w string, s *surroundings, argv []string) *exec.Cmd {
	argv = s.wrap(argv)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = w
	cmd.Env = s.environment(t.home(), w)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// wait runs a command within the limit.
func (t *try) wait(o *outcome, cmd *exec.Cmd) error {
	ctx, cancel := context.WithTimeout(context.Background(), t.limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // it may have ended
	err := cmd.Wait()
	ended()
	o.took, o.stdout, o.said, o.stderr = time.Since(begin), stdout.Bytes(), stderr.Bytes(), own(stderr.Bytes())
	if t.verbose {
		fmt.Printf("$ %s\n%s[%v, %v]\n", strings.Join(cmd.Args, " "), stderr.Bytes(), cmd.ProcessState, o.took.Round(time.Millisecond))
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w after %v", errLimit, t.limit)
	}
	o.status = fmt.Appendf(nil, "%v\n", cmd.ProcessState)
	if _, ok := errors.AsType[*exec.ExitError](err); ok && t.program.differs == outside {
		return nil
	}
	return err
}

// coos are how the lines begin that coo writes to stderr.
var coos = []string{"coo: ", "next: ", "identical: "}

// own removes what coo itself says.
func own(stderr []byte) []byte {
	var out []byte
	for line := range bytes.Lines(stderr) {
		if !slices.ContainsFunc(coos, func(p string) bool { return bytes.HasPrefix(line, []byte(p)) }) {
			out = append(out, line...)
		}
	}
	return out
}

// collect reads what the run left behind, and writes each part to a file, so
// that it can be looked at.
func (t *try) collect(o *outcome, w, level string) error {
	var err error
	if o.files, err = listing(w); err != nil {
		return err
	}
	if level != native && string(o.status) == "exit status 0\n" {
		names, err := filepath.Glob(filepath.Join(w, ".coo", "runs", "*", "flight.jsonl"))
		if err != nil || len(names) != 1 {
			return fmt.Errorf("%d runs in %s", len(names), w)
		}
		if o.recorder, err = os.ReadFile(names[0]); err != nil {
			return err
		}
		if t.trace != "" {
			if o.trace, err = os.ReadFile(filepath.Join(w, "..", "trace")); err != nil {
				return err
			}
		}
	}
	for _, p := range o.parts() {
		if err := os.WriteFile(filepath.Join(o.dir, p.name), p.content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// listing describes the files of a workspace: what is executable, what they
// are, what is in them.
func listing(w string) ([]byte, error) {
	var out []byte
	err := filepath.WalkDir(w, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".coo" {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var what string
		switch {
		case d.Type().IsRegular():
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			what = fmt.Sprintf("%x %.200q", sha256.Sum256(content), content)
		case d.Type()&fs.ModeSymlink != 0:
			if what, err = os.Readlink(name); err != nil {
				return err
			}
		}
		out = fmt.Appendf(out, "%v %t %s %s\n", d.Type(), info.Mode()&0o100 != 0, strings.TrimPrefix(name, w), what)
		return nil
	})
	return out, err
}

// tail is the end of what a program said.
func tail(b []byte) []byte {
	b = bytes.TrimSpace(b)
	return b[max(0, len(b)-1500):]
}
