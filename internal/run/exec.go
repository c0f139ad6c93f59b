package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/coo-runtime/coo/internal/box"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/mission"
	"github.com/coo-runtime/coo/internal/program"
	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/wire"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A Command is a program with what identifies it.
type Command struct {
	Argv  []string
	Env   [][2]string // the variables that are recorded, sorted by name; secrets as "<secret NAME>"
	Stdin []byte      // nil: nothing to read
	// DotEnv are the files of variables that it finds: paths in the workspace,
	// sorted, and their texts; secrets as "<secret NAME>".
	DotEnv [][2]string
}

// Programs is what programs are performed with. A nil Programs performs none.
type Programs struct {
	Level   sandbox.Level
	Ground  Ground
	Answers freeze.Streamer
	// Positions are those of the frozen answers; see [freeze.Frozen.Positions].
	Positions func(rank int, p int64) []int64
	Patience  time.Duration
	// Strict ends a program at level deterministic that cannot be held to the
	// same each time; else that is noted.
	Strict bool
	// Trace is a file for the system calls of the run's program at that level;
	// "": none.
	Trace string
	// Boxed starts a program at level deterministic; nil: [sandbox.Start].
	Boxed func(context.Context, sandbox.Command) (program.Boxed, error)
	Rules *wire.Rules
	// Base returns the recorded variables of the k-th program of a mission,
	// without those that the mission sets.
	Base func(k int) [][2]string
	// DotEnv returns the files of variables that the k-th program finds in
	// its workspace, as in [Command]; nil: none finds any.
	DotEnv func(k int) [][2]string
	// Held returns the value of a secret that a program holds itself; nil: it
	// holds none.
	Held func(name string) (string, bool)
	// Content returns the content of a file that a program wrote.
	Content func(digest.Digest) ([]byte, error)
	// Environ returns what a program's environment is: the recorded
	// variables, and in a run everything else there is.
	Environ func(recorded [][2]string) []string
	// Secrets are the names that stand in a program's environment.
	Secrets []string
	// Values are their values, as far as they are known in a replay: a program
	// may have one from elsewhere, and send or print it as it did. nil: those
	// of the run.
	Values *wire.Secrets
	Allow  []sandbox.Endpoint
	Stdout io.Writer
	Stderr io.Writer
	Note   func(text string)
	// Kept, when not nil, is called with the trees before and after each
	// program.
	Kept func(call int64, before, after digest.Digest) error
	// Used, when not nil, is called with the files that each program used.
	Used func([]box.File)
}

// An exited program is what came of a command.
type exited struct {
	exit          *flight.Exit
	before, after digest.Digest // footprints of the workspace
	writes        []snapshot.Write
	timedOut      bool
}

// A told is where a program's surroundings differ between one that is the run
// and one of a mission.
type told struct {
	files          *workspace.Overlay // what it sees beside the workspace's tree; may be nil
	timeout        time.Duration      // 0: none
	seed           string             // of the program's randomness, where it has one
	stdout, stderr io.Writer
}

// exec performs a program and records it, from its call to its exit.
func (w *world) exec(b string, c Command, t told) (*exited, error) {
	p := w.programs
	site, err := p.Ground.Enter(t.files, p.given(c.DotEnv))
	if err != nil {
		return nil, fatal(err)
	}
	defer site.Leave()
	x := &exited{}
	call, key, err := w.execCall(b, c, site, x)
	if err != nil {
		return nil, err
	}
	var start int64
	if p.Level == sandbox.Deterministic {
		if start, err = w.programClock(b); err != nil {
			return nil, err
		}
	}
	values := p.Values
	if values == nil {
		values = w.secrets
	}
	res, err := program.Perform(w.ctx, program.Config{
		Call: call, Branch: b,
		Command: sandbox.Command{
			Level: p.Level, Argv: c.Argv, Dir: site.Dir, Over: site.Over, Keep: site.Keep, Fresh: site.Fresh, Given: site.Given,
			Unlisted: site.Unlisted, Outside: site.Outside,
			Env: p.Environ(c.Env), Stdin: stdin(c.Stdin), Allow: p.Allow, Trace: p.Trace,
		},
		Recorder: w.rec, Answers: p.Answers, Positions: p.Positions, Patience: p.Patience,
		Rules: p.Rules, Placeholders: wire.NewPlaceholders(p.Secrets).WithValues(values), Secrets: values,
		Seed: t.seed, Clock: start, Req: key, Strict: p.Strict, Boxed: p.Boxed,
		Timeout: t.timeout, Stdout: t.stdout, Stderr: t.stderr, Note: p.Note,
	})
	if err != nil {
		return nil, fatal(err)
	}
	x.timedOut = res.TimedOut
	if p.Used != nil {
		p.Used(res.Used)
	}
	w.calls += res.Calls
	w.sent += res.Sent
	w.refused += res.Refused
	w.due = true // a program takes time
	return x, w.execExit(b, call, res, site, x)
}

// given returns files of variables as a program is shown them: with a
// placeholder for each secret, but for those that they hold.
func (p *Programs) given(files [][2]string) []sandbox.Given {
	var out []sandbox.Given
	for _, f := range files {
		shown, err := wire.ParseText(f[1], p.Secrets).Reveal(func(name string) (string, error) {
			if p.Held != nil {
				if value, ok := p.Held(name); ok {
					return value, nil
				}
			}
			return wire.Placeholder(name), nil
		})
		if err != nil {
			panic("run: internal error: " + err.Error()) // nothing here has an escape
		}
		out = append(out, sandbox.Given{Path: f[0], Content: []byte(shown)})
	}
	return out
}

// programClock returns where the clock of a program at level deterministic
// starts: where it is pinned, or at a reading that is recorded now.
func (w *world) programClock(b string) (int64, error) {
	if w.pinned != nil {
		start, err := freeze.ParseTime(*w.pinned)
		return start, fatal(err)
	}
	w.due = true
	return w.Now(b)
}

// execCall records what is started, and where. It returns the number of the
// record and what identifies the start.
func (w *world) execCall(b string, c Command, site *Site, x *exited) (n int64, key digest.Call, err error) {
	e := wire.Exec{Argv: c.Argv, Env: c.Env}
	if x.before, err = w.whole(site.objs, site.Before); err != nil {
		return 0, key, err
	}
	e.Tree = x.before
	if c.Stdin != nil {
		if err := w.guard("the program's standard input", c.Stdin); err != nil {
			return 0, key, err
		}
		d, err := w.blob(c.Stdin)
		if err != nil {
			return 0, key, err
		}
		e.Stdin = &d
	}
	for _, f := range c.DotEnv {
		if err := w.guard(f[0], []byte(f[1])); err != nil {
			return 0, key, err
		}
		d, err := w.blob([]byte(f[1]))
		if err != nil {
			return 0, key, err
		}
		e.DotEnv = append(e.DotEnv, wire.NamedBlob{Path: f[0], SHA256: d})
	}
	doc, err := e.Doc()
	if err != nil {
		return 0, key, err
	}
	if err := w.guard("the command line", doc.Bytes); err != nil {
		return 0, key, err
	}
	if _, err := w.blob(doc.Bytes); err != nil {
		return 0, key, err
	}
	if n, err = w.append(b, &flight.Call{Kind: "exec", Req: doc.Key}); err != nil {
		return 0, key, err
	}
	return n, doc.Key, fatal(w.rec.Flush())
}

// execExit records how the program ended and what it has written.
func (w *world) execExit(b string, call int64, res *program.Result, site *Site, x *exited) error {
	after, err := site.After()
	if err != nil {
		return fatal(err)
	}
	for _, path := range after.Secrets {
		w.programs.Note(fmt.Sprintf("%q holds a secret: it is not recorded", path))
	}
	for _, problem := range after.Problems {
		w.programs.Note(fmt.Sprintf("not recorded: %s", problem))
	}
	if x.writes, err = snapshot.Written(site.objs, site.Before, after.Tree); err != nil {
		return fatal(err)
	}
	r := &flight.Exit{Call: call, Status: int64(res.Status), Signal: res.Signal, Stdout: res.Stdout, Stderr: res.Stderr}
	if r.Writes, err = w.writes(x.writes); err != nil {
		return err
	}
	if _, err := w.append(b, r); err != nil {
		return err
	}
	x.exit = r
	if x.after, err = w.whole(site.objs, after.Tree); err != nil {
		return err
	}
	if w.programs.Kept != nil {
		return fatal(w.programs.Kept(call, site.Before, after.Tree))
	}
	return nil
}

// whole is the footprint of a whole tree.
func (w *world) whole(objs snapshot.Getter, tree digest.Digest) (digest.Digest, error) {
	list, err := snapshot.Files(objs, tree)
	if err != nil {
		return digest.Digest{}, fatal(err)
	}
	var entries []workspace.Entry
	for _, f := range list {
		if err := w.target(f); err != nil {
			return digest.Digest{}, err
		}
		entries = append(entries, f.Entry)
	}
	return w.footprint(entries)
}

// target keeps where a link leads: it is what the digest of a link names.
// The contents of files are in the store.
func (w *world) target(f snapshot.Write) error {
	if f.Mode != workspace.Link {
		return nil
	}
	_, err := w.blob([]byte(f.Target))
	return err
}

// writes returns what a program wrote as the record has it.
func (w *world) writes(list []snapshot.Write) ([]flight.Output, error) {
	out := []flight.Output{}
	for _, c := range list {
		if err := w.target(c); err != nil {
			return nil, err
		}
		mode := c.Mode
		if mode == workspace.Absent {
			mode = workspace.File // of what is gone only that it is gone counts
		}
		out = append(out, flight.Output{Path: c.Path, Mode: mode, SHA256: c.SHA256})
	}
	return out, nil
}

func stdin(b []byte) io.Reader {
	if b == nil {
		return nil
	}
	return bytes.NewReader(b)
}

// command performs the program that a run consists of.
func (w *world) command(c Command) (*Performance, error) {
	x, err := w.exec("", c, told{seed: w.seed, stdout: w.programs.Stdout, stderr: w.programs.Stderr})
	if err != nil {
		return nil, err
	}
	p := &Performance{Calls: w.calls, Sent: w.sent, Refused: w.refused, Exit: x.exit}
	p.End = &flight.End{Outcome: "ok"}
	if status := x.exit.Status; status != 0 {
		p.End.Outcome, p.End.Status, p.End.Error = "failed", status, x.words()
	}
	if _, err := w.append("", p.End); err != nil {
		return nil, err
	}
	p.Seal = flight.SealFields{Before: x.before, After: x.after, Outputs: x.exit.Writes}
	return p, nil
}

// words says how the program ended.
func (x *exited) words() string {
	if x.exit.Signal != "" {
		return "program ended by " + x.exit.Signal
	}
	return fmt.Sprintf("program exited %d", x.exit.Status)
}

// Exec performs a program of the mission, in a copy of the workspace that
// shows what the branch has written, and takes what it writes into the
// branch's overlay.
func (w *world) Exec(b string, e *mission.Exec) (*mission.Exited, error) {
	if w.programs == nil {
		return nil, errors.New("the mission's source does not name coo.exec: write it out")
	}
	c := Command{Argv: e.Argv, Stdin: e.Stdin}
	c.Env = w.programs.Base(w.execs)
	if w.programs.DotEnv != nil {
		c.DotEnv = w.programs.DotEnv(w.execs)
	}
	seed := fmt.Sprintf("%s/%d", w.seed, w.execs) // programs that do the same do it with other numbers
	w.execs++
	for _, f := range e.Env {
		c.Env = setVariable(c.Env, f.Name, f.Value.String())
	}
	w.base.b = b
	files := w.branches[b].overlay
	var stdout, stderr bounded
	x, err := w.exec(b, c, told{files, time.Duration(e.Timeout) * time.Millisecond, seed, &stdout, &stderr})
	if err != nil {
		return nil, err
	}
	for _, c := range x.writes {
		if err := w.takeOver(files, c); err != nil {
			return nil, err
		}
	}
	return &mission.Exited{
		Status: x.exit.Status, Signal: x.exit.Signal, TimedOut: x.timedOut,
		Stdout: stdout.b, Stderr: stderr.b,
	}, nil
}

// A bounded buffer keeps the first part of what is written to it: a little
// more than a mission may have, so that what is too long is seen to be.
type bounded struct{ b []byte }

func (o *bounded) Write(p []byte) (int, error) {
	const most = workspace.MaxFile + 1
	o.b = append(o.b, p[:min(len(p), most-len(o.b))]...)
	return len(p), nil
}

// takeOver puts what a program did to a path in an overlay.
func (w *world) takeOver(files *workspace.Overlay, c snapshot.Write) error {
	switch c.Mode {
	case workspace.Absent:
		return filesError(files.Remove(c.Path))
	case workspace.Link:
		return fmt.Errorf("the program made %q a symbolic link: a mission keeps files only", c.Path)
	}
	if c.Size > workspace.MaxFile {
		return fmt.Errorf("the program wrote %q: larger than %d bytes", c.Path, workspace.MaxFile)
	}
	data, err := w.programs.Content(*c.SHA256)
	if err != nil {
		return fatal(err)
	}
	return filesError(files.Write(c.Path, data, c.Mode == workspace.Exec))
}

// setVariable sets a variable in a list sorted by name.
func setVariable(env [][2]string, name, value string) [][2]string {
	i, ok := slices.BinarySearchFunc(env, name, func(v [2]string, name string) int { return strings.Compare(v[0], name) })
	if ok {
		env = slices.Clone(env)
		env[i][1] = value
		return env
	}
	return slices.Insert(slices.Clone(env), i, [2]string{name, value})
}
