package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/config"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/program"
	"github.com/coo-runtime/coo/internal/replay"
	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
	"github.com/coo-runtime/coo/internal/workspace"
)

// programFlags are the flags of coo run that are about programs: the run's
// own, and those that a mission starts.
type programFlags struct {
	isolation string
	allow     []string
	env       []string
	stdin     string
	trace     string
	ignore    []string
}

// programOnly refuses flags that say nothing about a program.
func (f *runFlags) programOnly() error {
	switch {
	case len(f.args) > 0:
		return usagef("--arg is for missions: give a program its arguments after --")
	case f.eject != "":
		return usagef("--eject goes with coo run demo")
	case f.json == "-":
		return usagef("--json: stdout is the program's: give a file, --json=FILE")
	}
	return nil
}

// runProgram performs coo run -- CMD ARG….
func (a *app) runProgram(argv []string, f runFlags) error {
	if len(argv) == 0 {
		return usagef("nothing after --: give a program and its arguments")
	}
	if err := f.programOnly(); err != nil {
		return err
	}
	if f.calls == "" {
		f.calls = "fill"
	}
	s, err := f.parse()
	if err != nil {
		return err
	}
	name := f.name
	if name == "" {
		name = strings.Join(argv, " ")
	}
	if name == demoName {
		return usagef("the name %q is the built-in demo's: give another with --name", demoName)
	}
	input, err := a.programStdin(f.stdin)
	if err != nil {
		return err
	}
	st, err := a.openOrInitStore()
	if err != nil {
		return err
	}
	sources, err := a.sources(st, name, f)
	if err != nil {
		return err
	}
	dir, err := workspace.OpenDir(f.workspace)
	if err != nil {
		return usagef("--workspace %q: %v", f.workspace, unwrapPath(err))
	}
	defer dir.Close()
	secrets, err := credentialsOf(dir.Path())
	if err != nil {
		return err
	}
	answers, _, err := answerer(f, s, secrets, sources)
	if err != nil {
		return err
	}
	defer answers.Close()
	programs, err := a.programs(f, secrets, answers, sources)
	if err != nil {
		return err
	}
	if err := f.suits(programs.Level); err != nil {
		return err
	}
	clock, err := a.programClock(programs.Level, f, s, sources)
	if err != nil {
		return err
	}
	a.tellDotEnv(secrets.dot, programs.Level)
	command := &run.Command{Argv: argv, Env: programs.Base(0), DotEnv: programs.DotEnv(0), Stdin: input}
	attach, err := attachments(dir.Path(), argv)
	if err != nil {
		return err
	}
	o, err := run.Do(a.ctx, run.Config{
		Store: st, Name: name, Command: command, Programs: programs, Attach: attach, Dir: dir,
		Args: map[string]string{}, Seed: s.seed, Pinned: s.pinned,
		Answers: answers, Clock: clock, Secrets: secrets.known,
		Know:     func(string) error { return nil },
		Print:    func(string) {},
		Facts:    facts(st.Place(dir.Path()), f.calls),
		Snapshot: snapshotOptions(secrets), AllowUnsnapshotted: f.anyway,
	})
	a.skipped(answers)
	if is[*run.IncompleteError](err) {
		return a.incomplete(err)
	}
	if err != nil {
		return err
	}
	if o.Exit.Status != 0 {
		a.tellUnpassed(programs.Level, os.Environ(), secrets.names, f.env)
	}
	return a.programEnded(o, name, f)
}

// programStdin reads what the program is to read. What is not a terminal is
// read to its end before the program starts, for it is part of what
// identifies the run.
func (a *app) programStdin(flag string) ([]byte, error) {
	const limit = 64 << 20
	var from io.Reader = os.Stdin
	switch flag {
	case "":
		fi, err := os.Stdin.Stat()
		if err != nil || fi.Mode()&os.ModeCharDevice != 0 {
			return nil, nil
		}
		if fi.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0 {
			defer time.AfterFunc(2*time.Second, func() {
				a.say("reading standard input to its end (--stdin %s gives the program none)", os.DevNull)
			}).Stop()
		}
	case "-":
	default:
		file, err := os.Open(flag)
		if err != nil {
			return nil, usagef("--stdin %q: %v", flag, unwrapPath(err))
		}
		defer file.Close()
		from = file
	}
	b, err := io.ReadAll(io.LimitReader(from, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("standard input: %w", unwrapPath(err))
	case len(b) > limit:
		return nil, usagef("standard input: more than %s", report.Size(limit))
	case len(b) == 0:
		return nil, nil
	}
	return b, nil
}

// programs returns what programs are performed with in a run of today.
func (a *app) programs(f runFlags, secrets *credentials, answers answers, sources []*freeze.Source) (*run.Programs, error) {
	level, err := a.level(f.isolation)
	if err != nil {
		return nil, err
	}
	rules, err := programRules(f.ignore)
	if err != nil {
		return nil, err
	}
	if ruled, ok := answers.(interface{ SetRules(*wire.Rules) }); ok {
		ruled.SetRules(rules)
	}
	var allow []sandbox.Endpoint
	for _, service := range f.allow {
		e, err := sandbox.ParseEndpoint(service)
		if err != nil {
			return nil, usagef("--allow %v", err)
		}
		allow = append(allow, e)
	}
	p := &run.Programs{
		Level: level, Strict: f.isolation != "", Trace: traceFile(f.trace), Answers: answers, Patience: program.RunPatience,
		Rules: rules, Allow: allow,
		Stdout: a.stdout, Stderr: a.stderr, Note: func(text string) { a.say("%s", visible(text)) },
	}
	if ordered, ok := answers.(interface {
		Positions(rank int, p int64) []int64
	}); ok {
		p.Positions = ordered.Positions
	}
	base, names, err := withPlaceholders(os.Environ(), secrets.names, sources)
	if err != nil {
		return nil, err
	}
	p.Secrets = names
	environ := sandbox.Environ(base, names, f.env)
	p.Base = func(int) [][2]string { return environ.Recorded }
	p.DotEnv = func(int) [][2]string { return secrets.dot.files }
	p.Held = secrets.held
	p.Environ = func(vars [][2]string) []string {
		set := sandbox.Restore(vars, names)
		if level == sandbox.Deterministic {
			return set // what is not recorded no replay could set
		}
		env := slices.DeleteFunc(slices.Clone(environ.Env), func(kv string) bool {
			name, _, _ := strings.Cut(kv, "=")
			return slices.ContainsFunc(set, func(s string) bool { return strings.HasPrefix(s, name+"=") })
		})
		return append(env, set...)
	}
	return p, nil
}

// traceFile returns a file's name as it is found from any directory.
func traceFile(name string) string {
	if name == "" {
		return ""
	}
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

// withPlaceholders returns an environment in which the secrets that the
// newest source asked with are set, and their names besides those that are
// known: where the keys are not, a program asks with placeholders as before.
func withPlaceholders(env, names []string, sources []*freeze.Source) ([]string, []string, error) {
	if len(sources) == 0 {
		return env, names, nil
	}
	asked, err := sources[0].Secrets()
	if err != nil {
		return nil, nil, err
	}
	names = slices.Clone(names)
	for _, name := range asked {
		if slices.Contains(names, name) {
			continue
		}
		names = append(names, name)
		env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
		env = append(env, name+"="+wire.Placeholder(name))
	}
	slices.Sort(names)
	return env, names, nil
}

// programRules returns the identity rules of a program's calls: coo's own,
// and those that coo.toml and --ignore add.
func programRules(ignore []string) (*wire.Rules, error) {
	file, err := config.Find(".")
	if err != nil {
		return nil, usagef("%v", err)
	}
	list := file.Ignore
	for _, s := range ignore {
		ig, err := wire.ParseIgnore(s)
		if err != nil {
			return nil, usagef("--ignore %q: %v", s, err)
		}
		list = append(list, ig)
	}
	user, err := wire.UserRules(list)
	if err != nil {
		return nil, usagef("--ignore: %v", err)
	}
	if user == nil {
		return wire.ProgramRules(), nil
	}
	return wire.ProgramRules().With(user), nil
}

// programEnded tells of a sealed run of a program.
func (a *app) programEnded(o *run.Outcome, name string, f runFlags) error {
	if f.json != "" {
		b, err := canon.Marshal(programJSON{
			Run: o.ID, Name: name, Outcome: o.End.Outcome, Status: o.Exit.Status, Signal: o.Exit.Signal,
			Calls: o.Calls, Stdout: o.Exit.Stdout, Stderr: o.Exit.Stderr, Outputs: o.Exit.Writes,
		})
		if err != nil {
			return err
		}
		if err := durable.WriteFile(f.json, append(b, '\n'), 0o644); err != nil {
			return fmt.Errorf("--json=%s: %w", f.json, unwrapPath(err))
		}
	}
	outputs := "nothing written"
	if n := len(o.Exit.Writes); n > 0 {
		outputs = report.Count(n, "file") + " written"
	}
	a.say("run %s, execution #%d: %s (%d sent, %d frozen), %s", o.ID.Short(), o.N,
		report.Count(o.Calls, "call"), o.Sent, o.Calls-o.Sent, outputs)
	if o.Refused > 0 {
		a.say("%s refused", report.Count(o.Refused, "connection"))
	}
	a.next("coo replay %s", o.ID.Short())
	return a.programStatus(o.Exit)
}

// programStatus passes the program's status on. It is the last thing said.
func (a *app) programStatus(x *flight.Exit) error {
	status := x.Status
	if status == 0 {
		return nil
	}
	if x.Signal != "" {
		a.say("program ended by %s", x.Signal)
	} else {
		a.say("program exited %d", x.Status)
	}
	return silently(int(status))
}

// A programJSON is what coo run --json=FILE writes of a program: facts of the
// run, none of the execution.
type programJSON struct {
	Run     digest.Digest   `json:"run"`
	Name    string          `json:"name"`
	Outcome string          `json:"outcome"`
	Status  int64           `json:"status"`
	Signal  string          `json:"signal,omitempty"`
	Calls   int             `json:"calls"`
	Stdout  digest.Digest   `json:"stdout"`
	Stderr  digest.Digest   `json:"stderr"`
	Outputs []flight.Output `json:"outputs"`
}

// replayPrograms returns what the programs of a recorded run are performed
// with again: its own environment and a copy of its workspace.
func (a *app) replayPrograms(rec *recording) (*run.Programs, error) {
	open, err := rec.open()
	if err != nil || open.Level == "script" {
		return nil, err
	}
	level, err := a.level(open.Level)
	if err != nil {
		return nil, err
	}
	base, place, err := rec.baseline()
	if err != nil {
		return nil, err
	}
	st, err := a.workshop(rec)
	if err != nil {
		return nil, err
	}
	recorded, files, err := replayEnvirons(rec)
	if err != nil {
		return nil, err
	}
	services, err := replayServices(rec)
	if err != nil {
		return nil, err
	}
	secrets := secretNames(recorded, files)
	values, err := valuesOf(secrets)
	if err != nil {
		return nil, err
	}
	return &run.Programs{
		Level: level, Allow: services,
		Ground: run.Scratch{
			Store: st, Base: base, Dir: place.Workspace, Bind: level != sandbox.Proxied,
			Outside: place.Outside, Exact: level == sandbox.Deterministic,
		},
		Secrets: secrets, Values: values,
		Stdout: a.stdout, Stderr: a.stderr, Note: func(text string) { a.say("%s", visible(text)) },
		Base: func(k int) [][2]string {
			if k < len(recorded) {
				return recorded[k]
			}
			return nil
		},
		DotEnv: func(k int) [][2]string {
			if k < len(files) {
				return files[k]
			}
			return nil
		},
		Content: st.Get,
		Environ: func(vars [][2]string) []string { return sandbox.Restore(vars, secrets) },
	}, nil
}

// ofProgram reports whether a run is that of a program, and not a mission's.
func (r *recording) ofProgram() bool {
	open, err := r.open()
	return err == nil && open.Mission.Kind == "program"
}

// evidence tells what a replay's program tried to reach, and what it got.
func (a *app) evidence(p *run.Performance) {
	a.say("network: %s answered from the freeze, %d refused, 0 sent", report.Count(p.Calls, "call"), p.Refused)
}

// presentGround lets the programs of a replay work in a copy of today's
// workspace.
func (a *app) presentGround(rec *recording, dir *workspace.Dir, c *replay.Config) error {
	secrets, err := credentialsOf(dir.Path())
	if err != nil {
		return err
	}
	st, err := a.workshop(rec)
	if err != nil {
		return err
	}
	options := snapshotOptions(secrets)
	today, err := snapshot.Take(dir.Path(), st, options)
	if err != nil {
		return err
	}
	c.Programs.Ground = run.Scratch{
		Store: st, Base: today.Tree, Dir: dir.Path(), Bind: c.Programs.Level != sandbox.Proxied, Options: options,
		Exact: c.Programs.Level == sandbox.Deterministic,
	}
	return nil
}

// workshop returns a store from which the workspace of a replay is made: the
// run's own, or, for a pack, one that goes when the command ends.
func (a *app) workshop(rec *recording) (*store.Store, error) {
	if rec.st != nil {
		return rec.st, nil
	}
	if rec.shop != nil {
		return rec.shop, nil
	}
	dir, err := os.MkdirTemp("", "coo-pack-*")
	if err != nil {
		return nil, err
	}
	a.atEnd = append(a.atEnd, func() { os.RemoveAll(dir) })
	st, _, err := store.Init(dir)
	if err != nil {
		return nil, err
	}
	batch, err := st.NewBatch()
	if err != nil {
		return nil, err
	}
	defer batch.Discard()
	for _, d := range rec.pack.Contents() {
		r, err := rec.pack.Open(d)
		if err == nil {
			_, _, err = batch.PutReader(r)
		}
		if err != nil {
			return nil, inPack(rec.file, err)
		}
	}
	rec.shop = st
	return st, batch.Commit()
}

// replayEnvirons returns the recorded variables and .env files of each program
// of a run, in the order in which they were started.
func replayEnvirons(rec *recording) (vars, files [][][2]string, err error) {
	programs, err := starts(rec)
	for _, p := range programs {
		texts, err := replay.DotEnv(p.Exec, rec.run.Blob)
		if err != nil {
			return nil, nil, err
		}
		vars, files = append(vars, p.Env), append(files, texts)
	}
	return vars, files, err
}

// replayServices returns the services that a run's programs called. In a
// replay they may be reached, whatever was allowed when it was recorded: it is
// coo that answers for them.
func replayServices(rec *recording) ([]sandbox.Endpoint, error) {
	var out []sandbox.Endpoint
	for _, r := range rec.run.Records {
		call, ok := r.(*flight.Call)
		if !ok || call.Kind != "http" || call.P == 0 {
			continue
		}
		doc, err := rec.run.Blob(digest.Digest(call.Req))
		if err != nil {
			return nil, err
		}
		req, err := wire.ParseDoc(doc)
		if err != nil {
			return nil, err
		}
		e, err := sandbox.ParseEndpoint(service(req.URL))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out, nil
}

// service returns the host and port of a recorded URL, whose default port is
// not written in it.
func service(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	switch {
	case strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']'):
		return host
	case scheme == "https":
		return host + ":443"
	}
	return host + ":80"
}

// secretNames returns the names of the secrets in recorded variables and
// files.
func secretNames(environs, files [][][2]string) []string {
	var names []string
	for _, vars := range slices.Concat(environs, files) {
		for _, v := range vars {
			names = append(names, wire.Named(v[1])...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
