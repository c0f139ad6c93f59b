package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/coo-runtime/coo/internal/archive"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/mission"
	"github.com/coo-runtime/coo/internal/pack"
	"github.com/coo-runtime/coo/internal/replay"
	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/rollback"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
)

// classify turns the errors of the packages into exit statuses.
func classify(err error) int {
	switch {
	case is[*store.DamageError](err), is[*freeze.SourceError](err), is[*archive.Error](err):
		return exitIntegrity
	case is[*replay.Divergence](err):
		return exitDiverged
	case is[*freeze.MissError](err), is[*freeze.NoClockError](err):
		return exitNotFrozen
	case is[*run.SecretError](err), is[*replay.NotReplayableError](err), is[*freeze.MissingSecretError](err), is[*freeze.RulesError](err), is[*sandbox.LevelError](err):
		return exitPolicy
	case is[*mission.SourceError](err):
		return exitUsage
	}
	return exitFailed
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// openStore opens the store that the command works on, uses it until the
// command ends, and first finishes what a crash has left half done.
func (a *app) openStore() (*store.Store, error) {
	st, err := a.findStore()
	if err != nil {
		return nil, err
	}
	return st, a.begin(st)
}

// findStore opens the store that the command works on.
func (a *app) findStore() (st *store.Store, err error) {
	if a.storeDir != "" {
		st, err = store.Open(a.storeDir)
	} else {
		st, err = store.Find(".")
	}
	if errors.Is(err, store.ErrNone) {
		where := "here or in any directory above"
		if a.storeDir != "" {
			where = fmt.Sprintf("in %q", a.storeDir)
		}
		return nil, withStatus(exitUsage, fmt.Errorf("no store %s: run coo init, or coo run demo", where))
	}
	return st, err
}

// openOrInitStore is openStore for commands that make a store where there is
// none: beside the working directory, or in --store.
func (a *app) openOrInitStore() (*store.Store, error) {
	if a.storeDir == "" {
		if st, err := store.Find("."); !errors.Is(err, store.ErrNone) {
			if err != nil {
				return nil, err
			}
			return st, a.begin(st)
		}
	}
	dir := a.storeParent()
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		return nil, usagef("--store %q: no such directory", dir)
	}
	st, created, err := store.Init(dir)
	if err != nil {
		return nil, err
	}
	if created {
		a.say("made the store %s", visible(shown(st.Dir())))
		return st, a.use(st)
	}
	return st, a.begin(st)
}

// use keeps the store's blobs where they are until the command ends.
func (a *app) use(st *store.Store) error {
	done, err := st.Use()
	if err == nil {
		a.atEnd = append(a.atEnd, done)
	}
	return err
}

func (a *app) begin(st *store.Store) error {
	if err := a.use(st); err != nil {
		return err
	}
	return a.recover(st)
}

func (a *app) recover(st *store.Store) error {
	sealed, err := flight.Recover(st)
	for _, s := range sealed {
		a.say("sealing of run %s was interrupted; it is sealed now", s.ID.Short())
	}
	if err != nil {
		return err
	}
	if err := a.recoverRollbacks(st); err != nil {
		return err
	}
	if err := a.recoverRestores(st); err != nil {
		return err
	}
	applied, err := run.Recover(st)
	for _, r := range applied {
		switch {
		case r.Finished && len(r.Kept) > 0:
			a.say("writing to %s was interrupted; it is finished now, but for what was changed since: %s", visible(r.Workspace), visible(strings.Join(r.Kept, ", ")))
		case r.Finished:
			a.say("writing to %s was interrupted; it is finished now", visible(r.Workspace))
		default:
			a.say("writing to %s was interrupted; it is undone", visible(r.Workspace))
		}
	}
	return err
}

func (a *app) recoverRollbacks(st *store.Store) error {
	back, err := rollback.Recover(st)
	for _, r := range back {
		how := "it is taken back"
		if r.Finished {
			how = "it is finished now"
		}
		if len(r.Kept) > 0 {
			how += ", but for what was changed since: " + visible(strings.Join(r.Kept, ", "))
		}
		a.say("rollback %d of %s was interrupted; %s", r.N, visible(r.Workspace), how)
	}
	return err
}

// recoverRestores removes what interrupted restores have left. One that cannot be
// removed is in nobody's way.
func (a *app) recoverRestores(st *store.Store) error {
	left, err := snapshot.RecoverRestores(st)
	for _, r := range left {
		what := "what there was of it is removed"
		if r.Err != nil {
			what = visible(r.Err.Error())
		}
		a.say("restoring into %s was interrupted; %s", visible(r.Dir), what)
	}
	return err
}

// shown returns a path as the user would write it from here.
func shown(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(wd, path)
	if err != nil || !filepath.IsLocal(rel) {
		return path
	}
	return rel
}

// A recording is a run as the reading commands use it: of a store, or of a
// pack.
type recording struct {
	st     *store.Store // nil: it is a pack's
	handle store.Handle
	run    *flight.Run
	docs   report.Docs

	pack *pack.Pack   // nil: it is a store's
	file string       // the pack's, as it was given
	shop *store.Store // where a replay of a pack's programs finds its contents; made when it is needed
}

// load finds and reads a run, sealed or not.
func (a *app) load(ref string) (*recording, error) {
	if isPack(ref) {
		return a.loadPack(ref)
	}
	st, err := a.openStore()
	if err != nil {
		return nil, err
	}
	h, err := resolve(st, ref)
	if err != nil {
		return nil, err
	}
	r, err := flight.LoadHandle(st, h)
	if err != nil {
		return nil, err
	}
	return &recording{st: st, handle: h, run: r, docs: report.Docs{Blob: r.Blob, Look: r.Look}}, nil
}

// isPack reports whether a RUN on the command line is the name of a pack.
func isPack(ref string) bool {
	return strings.HasSuffix(ref, ".zip") || strings.ContainsRune(ref, '/') || strings.ContainsRune(ref, os.PathSeparator)
}

// loadPack opens a pack; it stays open until the command ends.
func (a *app) loadPack(name string) (*recording, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, usagef("pack %q: %v", name, unwrapPath(err))
	}
	a.atEnd = append(a.atEnd, func() { f.Close() })
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, usagef("pack %q: not a regular file", name)
	}
	p, err := pack.Open(f, fi.Size())
	if err != nil {
		return nil, inPack(name, err)
	}
	return &recording{
		handle: store.Handle{Sealed: true, ID: p.Run.ID}, run: p.Run, docs: report.Docs{Blob: p.Get}, pack: p, file: name,
	}, nil
}

// inPack says of which pack an error is.
func inPack(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }

// verify checks every byte of a sealed run.
func (r *recording) verify() error {
	if r.pack == nil {
		_, err := flight.Verify(r.st, r.run.ID)
		return err
	}
	if err := r.pack.Verify(runtime.GOMAXPROCS(0)); err != nil {
		return inPack(r.file, err)
	}
	return nil
}

// source returns the run as a source of frozen answers.
func (r *recording) source() *freeze.Source {
	name := "run " + r.run.ID.Short()
	if r.pack != nil {
		name = "pack " + r.file
	}
	return freeze.FromLoaded(name, r.run)
}

// calls returns how many calls the run has sent, or had answered from records.
func (r *recording) calls() int {
	n := 0
	for _, rec := range r.run.Records {
		if c, ok := rec.(*flight.Call); ok && c.Kind == "http" {
			n++
		}
	}
	return n
}

// resolve finds a run by what the user calls it. One that is not there is a
// mistake of the command line; damage is not.
func resolve(st *store.Store, ref string) (store.Handle, error) {
	h, err := flight.Resolve(st, ref)
	if err != nil && !is[*store.DamageError](err) {
		err = withStatus(exitUsage, err)
	}
	return h, err
}

// name returns what the run is called on the command line.
func (r *recording) name() string {
	if r.pack != nil {
		return r.file
	}
	if r.run.Seal == nil {
		return "~" + r.run.Last.Short()
	}
	return r.run.ID.Short()
}

func (r *recording) open() (*flight.Open, error) {
	if len(r.run.Records) == 0 {
		return nil, fmt.Errorf("run %s is empty: it ended before its first record", r.name())
	}
	open, ok := r.run.Records[0].(*flight.Open)
	if !ok {
		return nil, &store.DamageError{Path: r.handle.Dir, Record: 0, What: "a run begins with an open record"}
	}
	return open, nil
}

// storeParent returns the directory that holds the store, or will.
func (a *app) storeParent() string {
	if a.storeDir != "" {
		if filepath.Base(a.storeDir) == store.Name {
			return filepath.Dir(filepath.Clean(a.storeDir))
		}
		return a.storeDir
	}
	if st, err := store.Find("."); err == nil {
		return filepath.Dir(st.Dir())
	}
	return "."
}

// missionName is how runs of a mission find each other: the file's path from
// the directory that holds the store, or its base name outside of that.
func missionName(parent, file string) (name, root string, err error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", "", err
	}
	root, err = filepath.Abs(parent)
	if err != nil {
		return "", "", err
	}
	rel, err := filepath.Rel(root, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return filepath.Base(abs), filepath.Dir(abs), nil
	}
	return filepath.ToSlash(rel), root, nil
}

// loadMission reads and parses a mission and everything that it loads.
func loadMission(main, root string) (*mission.Program, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	p, err := mission.Load(main, func(path string) ([]byte, error) {
		const limit = 4 << 20
		name := filepath.FromSlash(path)
		fi, err := dir.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%q: no such file", path)
		case err != nil:
			return nil, fmt.Errorf("%q: it cannot be read", path)
		case !fi.Mode().IsRegular():
			return nil, fmt.Errorf("%q: not a regular file", path)
		case fi.Size() > limit:
			return nil, fmt.Errorf("%q: larger than %s", path, report.Size(limit))
		}
		return dir.ReadFile(name)
	})
	if err != nil {
		return nil, withStatus(exitUsage, err)
	}
	return p, nil
}
