package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/mission"
	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// runFlags are the flags of coo run.
type runFlags struct {
	args       []string
	calls      string
	from       []string
	seed       string
	clock      string
	name       string
	resolve    []string
	upstreamCA string
	json       string // "-" is stdout
	eject      string
	workspace  string
	anyway     bool // --allow-unsnapshotted
	programFlags
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run MISSION.star | demo | -- CMD ARG...",
		Short: "Run a mission or a program, freeze its calls, record each step",
		Long: `Runs a mission and seals what came of it as a run of the store. Calls that were
answered in an earlier run of the same mission are answered from there; others
go out, and their answers are frozen. stdout is what main returned, as JSON.

What the mission wrote reaches the working directory when the mission ends
well, all of it or nothing.

After "--", runs any program as it is. Its traffic goes through coo, which
answers it, freezes it and records it; its output and exit status are passed
on. It sees placeholders in the place of credentials; coo puts the values in
on the way out. "coo doctor" tells how well a program can be closed in here.

"demo" is built in: it needs no key, no network and no configuration.`,
		Example: `  coo run demo
  coo run summarise.star --arg topic=tides
  coo run summarise.star --calls=frozen          # in CI: no key, no network
  coo run summarise.star --calls=live --json
  coo run -- python agent.py
  coo run --calls=frozen --from calls/ -- pytest`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() == 0 {
				return nil
			}
			return exactly(1, "a mission file, demo, or -- and a program")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() == 0 {
				return a.runProgram(args, f)
			}
			if args[0] == demoName {
				return a.runDemo(f)
			}
			if f.eject != "" {
				return usagef("--eject goes with coo run demo")
			}
			return a.runFile(args[0], f)
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.args, "arg", nil, "give main the string `KEY=VALUE`; repeatable")
	fl.StringVar(&f.calls, "calls", "", "`MODE`: fill (frozen answers first, new calls go out), frozen (a new call ends the run, exit 6), live (every call goes out) (default fill)")
	fl.StringArrayVar(&f.from, "from", nil, "take frozen answers from `RUN|PACK|DIR|none` only (default: all runs of the same mission, newest first); repeatable")
	fl.StringVar(&f.seed, "seed", "0", "seed of coo.random and coo.uuid, and of a program at level deterministic, a whole `NUMBER`")
	fl.StringVar(&f.clock, "clock", "", "start the clock at `TIME` (RFC 3339) instead of reading it")
	fl.StringVar(&f.name, "name", "", "`NAME` under which runs of the mission find each other (default: its path from the store)")
	fl.StringArrayVar(&f.resolve, "resolve", nil, "reach `HOST:PORT:ADDR` at ADDR (an IP, or IP:PORT) instead; repeatable")
	fl.StringVar(&f.upstreamCA, "upstream-ca", "", "trust the certificates in `FILE` (PEM) as well when calling out")
	fl.StringVar(&f.workspace, "workspace", ".", "the `DIR` that the mission reads and writes")
	fl.BoolVar(&f.anyway, "allow-unsnapshotted", false, "run although the workspace holds what a rollback could not put back")
	fl.StringVar(&f.json, "json", "", "print the run as one JSON object, or write it to `FILE`")
	fl.Lookup("json").NoOptDefVal = "-"
	fl.StringVar(&f.isolation, "isolation", "", "programs: require the isolation `LEVEL`: deterministic, frozen or proxied (default: the first of them that is to be had)")
	fl.StringArrayVar(&f.allow, "allow", nil, "programs: reach the service `HOST:PORT` on this machine or network, through coo; repeatable")
	fl.StringArrayVar(&f.env, "env", nil, "programs: record the variable `NAME` too; repeatable")
	fl.StringVar(&f.trace, "trace", "", "a program at level deterministic: write its system calls to `FILE`, to be compared with a replay's")
	fl.StringVar(&f.stdin, "stdin", "", "programs: read standard input from `FILE` (- is coo's own)")
	fl.StringArrayVar(&f.ignore, "ignore", nil, "programs: leave `/JSON/POINTER or header:NAME` out of the identity of calls; repeatable")
	fl.StringVar(&f.eject, "eject", "", "demo: write the mission and its frozen calls to `DIR` instead of running it")
	return cmd
}

func (a *app) runFile(file string, f runFlags) error {
	if fi, err := os.Stat(file); err != nil || fi.IsDir() {
		what := "no such file"
		if err == nil {
			what = "it is a directory"
		}
		if near := nearest(file, []string{demoName}); near != "" && err != nil {
			what += fmt.Sprintf("; did you mean %q?", near)
		}
		return usagef("mission %q: %s", file, what)
	}
	if f.calls == "" {
		f.calls = "fill"
	}
	settings, err := f.parse()
	if err != nil {
		return err
	}
	main, root, err := missionName(a.storeParent(), file)
	if err != nil {
		return err
	}
	program, err := loadMission(main, root)
	if err != nil {
		return err
	}
	name := main
	if f.name != "" {
		name = f.name
	}
	if name == demoName {
		return usagef("the name %q is the built-in demo's: give another with --name", demoName)
	}
	st, err := a.openOrInitStore()
	if err != nil {
		return err
	}
	sources, err := a.sources(st, name, f)
	if err != nil {
		return err
	}
	return a.perform(st, name, program, sources, settings, f)
}

// settings are the parsed values of run's flags.
type settings struct {
	args    map[string]string
	seed    string
	pinned  *string
	start   int64
	resolve map[string]string
	roots   *x509.CertPool // nil: the system's
}

func (f *runFlags) parse() (s settings, err error) {
	if !slices.Contains([]string{"fill", "frozen", "live"}, f.calls) {
		return s, usagef("--calls=%s: give fill, frozen or live", f.calls)
	}
	s.args = map[string]string{}
	for _, arg := range f.args {
		k, v, ok := strings.Cut(arg, "=")
		if !ok || k == "" {
			return s, usagef("--arg %q: give KEY=VALUE", arg)
		}
		if _, twice := s.args[k]; twice {
			return s, usagef("--arg %s: given twice", k)
		}
		if strings.ToValidUTF8(arg, "") != arg {
			return s, usagef("--arg %q: not valid UTF-8", k)
		}
		s.args[k] = v
	}
	n, ok := new(big.Int).SetString(f.seed, 10)
	if !ok || len(f.seed) > 40 {
		return s, usagef("--seed %q: give a whole number of at most 40 digits", f.seed)
	}
	s.seed = n.String()
	if f.clock != "" {
		s.start, err = parseClock(f.clock)
		if err != nil {
			return s, usagef("--clock %q: give a time like 2026-11-23T09:00:00Z (RFC 3339)", f.clock)
		}
		pinned := freeze.FormatTime(s.start)
		s.pinned = &pinned
	}
	s.resolve = map[string]string{}
	for _, r := range f.resolve {
		host, addr, err := freeze.ParseResolve(r)
		if err != nil {
			return s, usagef("--resolve %v", err)
		}
		s.resolve[host] = addr
	}
	if f.upstreamCA != "" {
		pem, err := os.ReadFile(f.upstreamCA)
		if err != nil {
			return s, usagef("--upstream-ca %q: %v", f.upstreamCA, unwrapPath(err))
		}
		if s.roots, err = freeze.LoadCA(pem); err != nil {
			return s, usagef("--upstream-ca %q: %v", f.upstreamCA, err)
		}
	}
	return s, nil
}

// sources returns where frozen answers come from, newest first.
func (a *app) sources(st *store.Store, name string, f runFlags) ([]*freeze.Source, error) {
	if len(f.from) > 0 {
		return a.explicitSources(st, f.from)
	}
	executions, err := st.Executions()
	if err != nil {
		return nil, err
	}
	var out []*freeze.Source
	seen := map[digest.Digest]bool{}
	for _, e := range slices.Backward(executions) {
		if e.Name != name || seen[e.Run] {
			continue
		}
		seen[e.Run] = true
		out = append(out, freeze.FromRun(st, store.Handle{Sealed: true, ID: e.Run, Dir: "runs/" + e.Run.String()}))
	}
	return out, nil
}

func (a *app) explicitSources(st *store.Store, from []string) ([]*freeze.Source, error) {
	if len(from) == 1 && from[0] == "none" {
		return nil, nil
	}
	var out []*freeze.Source
	for _, ref := range from {
		if ref == "none" {
			return nil, usagef("--from none: stands alone")
		}
		if fi, err := os.Stat(ref); err == nil && fi.IsDir() {
			s, err := freeze.FromDir(ref)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
			continue
		}
		s, err := a.sourceOf(st, ref)
		if err != nil {
			return nil, err
		}
		if err := s.Load(); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// sourceOf returns the run or pack that --from names. Of a pack every byte is
// checked first.
func (a *app) sourceOf(st *store.Store, ref string) (*freeze.Source, error) {
	if isPack(ref) {
		rec, err := a.loadPack(ref)
		if err != nil {
			return nil, err
		}
		return rec.source(), rec.verify()
	}
	h, err := flight.Resolve(st, ref)
	if err != nil {
		return nil, withStatus(exitUsage, fmt.Errorf("--from: %w", err))
	}
	return freeze.FromRun(st, h), nil
}

// perform runs a program and tells the user what came of it.
func (a *app) perform(st *store.Store, name string, program *mission.Program, sources []*freeze.Source, s settings, f runFlags) error {
	dir, err := workspace.OpenDir(f.workspace)
	if err != nil {
		return usagef("--workspace %q: %v", f.workspace, unwrapPath(err))
	}
	defer dir.Close()
	secrets, err := credentialsOf(dir.Path())
	if err != nil {
		return err
	}
	answers, know, err := answerer(f, s, secrets, sources)
	if err != nil {
		return err
	}
	defer answers.Close()
	var programs *run.Programs
	var attach []any
	if program.Execs() {
		place, err := run.PlaceOf(dir.Path())
		if err != nil {
			return err
		}
		attach = []any{place}
		if programs, err = a.programs(f, secrets, answers, sources); err != nil {
			return err
		}
		a.tellDotEnv(secrets.dot, programs.Level)
		programs.Content = st.Get
	}
	clock, err := clockOf(f.calls, s, sources)
	if err != nil {
		return err
	}
	o, err := run.Do(a.ctx, run.Config{
		Store: st, Name: name, Program: program, Programs: programs, Attach: attach, Dir: dir,
		Args: s.args, Seed: s.seed, Pinned: s.pinned,
		Answers: answers, Clock: clock, Secrets: secrets.known, Know: know,
		Print:    func(text string) { fmt.Fprintln(a.stderr, visible(text)) },
		Facts:    facts(st.Place(dir.Path()), f.calls),
		Snapshot: snapshotOptions(secrets), AllowUnsnapshotted: f.anyway,
		Recover: func() error { return a.recover(st) },
	})
	a.skipped(answers)
	if is[*run.IncompleteError](err) {
		return a.incomplete(err)
	}
	if err != nil {
		return err // before there was a run
	}
	return a.ended(o, program, name, f)
}

// answers are those of a mission's calls and of a program's.
type answers interface {
	freeze.Answerer
	freeze.Streamer
}

func answerer(f runFlags, s settings, secrets *credentials, sources []*freeze.Source) (answers, func(string) error, error) {
	if f.calls == "frozen" {
		return freeze.NewFrozen(sources...), func(string) error { return nil }, nil
	}
	live := freeze.NewLive(freeze.LiveOptions{Resolve: s.resolve, RootCAs: s.roots, Secret: secrets.lookup})
	if err := live.Know(secrets.names...); err != nil {
		return nil, nil, err
	}
	// A secret that is missing matters only when a live call needs it.
	know := func(name string) error { return live.Know(name) }
	if f.calls == "live" {
		return live, know, nil
	}
	return freeze.NewFill(live, sources...), know, nil
}

// skipped tells which sources answered nothing, and why.
func (a *app) skipped(from answers) {
	if s, ok := from.(interface{ Skipped() []error }); ok {
		for _, err := range s.Skipped() {
			a.say("%v", err)
		}
	}
}

func clockOf(calls string, s settings, sources []*freeze.Source) (freeze.Clock, error) {
	if s.pinned != nil {
		return freeze.PinnedClock(s.start), nil
	}
	if calls == "live" {
		return freeze.LiveClock(), nil
	}
	var readings []int64
	if len(sources) > 0 {
		var err error
		if readings, err = sources[0].Clock(); err != nil {
			return nil, err
		}
	}
	if calls == "frozen" {
		return freeze.FrozenClock(readings), nil
	}
	return freeze.FillClock(readings), nil
}

// incomplete tells of a run that could not be sealed.
func (a *app) incomplete(err error) error {
	ref := "@open"
	if e, ok := errors.AsType[*run.IncompleteError](err); ok {
		ref = e.Ref
		err = e.Err
	}
	status := exitStatus(err)
	if miss, ok := errors.AsType[*freeze.MissError](err); ok {
		report.Miss(a.stderr, miss)
	} else {
		tell(a.stderr, err)
	}
	a.say("the run was not sealed; what was recorded of it is %s", ref)
	switch status {
	case exitNotFrozen:
		a.next("coo run --calls=fill   # sends what is not frozen, and freezes it")
	default:
		a.next("coo logs '%s'", ref)
	}
	return silently(status)
}

// ended tells of a sealed run.
func (a *app) ended(o *run.Outcome, program *mission.Program, name string, f runFlags) error {
	if f.json != "" {
		if err := a.printRun(o, name, f.json); err != nil {
			return err
		}
	} else if o.Result != nil {
		fmt.Fprintf(a.stdout, "%s\n", o.Result)
	}
	status := exitOK
	if o.End.Outcome != "ok" {
		status = exitFailed
		a.failure(o.End, program)
	}
	outputs := "nothing written"
	if len(o.Performance.Seal.Outputs) > 0 {
		outputs = report.Count(len(o.Performance.Seal.Outputs), "file") + " written"
	}
	a.say("run %s, execution #%d: %s (%d sent, %d frozen), %s", o.ID.Short(), o.N,
		report.Count(o.Calls, "call"), o.Sent, o.Calls-o.Sent, outputs)
	if o.Applied != nil {
		tell(a.stderr, o.Applied)
		a.say("the run is sealed, but nothing of it was written to the working directory")
		status = exitFailed
	}
	a.next("coo replay %s", o.ID.Short())
	if status != exitOK {
		return silently(status)
	}
	return nil
}

// failure prints why a mission failed, with the source lines.
func (a *app) failure(end *flight.End, program *mission.Program) {
	sources := map[string][][]byte{}
	for _, f := range program.Files() {
		sources[f.Path] = bytes.Split(f.Text, []byte("\n"))
	}
	for _, fr := range end.Trace {
		fmt.Fprintf(a.stderr, "  %s:%d:%d: in %s\n", visible(fr.File), fr.Line, fr.Col, visible(fr.Func))
		if lines := sources[fr.File]; fr.Line >= 1 && int(fr.Line) <= len(lines) {
			fmt.Fprintf(a.stderr, "    %s\n", report.OneLine(strings.TrimSpace(string(lines[fr.Line-1])), 120))
		}
	}
	a.say("the mission failed: %s", visible(end.Error))
}

// A runJSON is what coo run --json prints: facts of the run, none of the
// execution, so that equal runs print equal bytes.
type runJSON struct {
	Run     digest.Digest   `json:"run"`
	Name    string          `json:"name"`
	Outcome string          `json:"outcome"`
	Error   string          `json:"error,omitempty"`
	Result  *digest.Digest  `json:"result"`
	Calls   int             `json:"calls"`
	Outputs []flight.Output `json:"outputs"`
}

func (a *app) printRun(o *run.Outcome, name, file string) error {
	b, err := canon.Marshal(runJSON{
		Run: o.ID, Name: name, Outcome: o.End.Outcome, Error: o.End.Error,
		Result: o.End.Result, Calls: o.Calls, Outputs: o.Performance.Seal.Outputs,
	})
	if err != nil {
		return err
	}
	value := o.Result
	if value == nil {
		value = []byte("null")
	}
	// The value itself may hold floats, which canon does not write.
	b = append(b[:len(b)-1], `,"value":`...)
	b = append(append(b, value...), "}\n"...)
	if file != "-" {
		if err := durable.WriteFile(file, b, 0o644); err != nil {
			return fmt.Errorf("--json=%s: %w", file, unwrapPath(err))
		}
		return nil
	}
	_, err = a.stdout.Write(b)
	return err
}

func unwrapPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}
