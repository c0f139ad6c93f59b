package upkeep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/store"
)

// A Report says what a check of a store has found.
type Report struct {
	Damage     []Damage     // what remains, by path
	Repaired   []Repair     // in the order it was done
	Notes      []Repair     // what is worth knowing and no damage, by path
	Incomplete []Incomplete // no damage either
	Runs       int
	Executions int
	Live       int // runs in progress, checked as far as they are
	Blobs      Tally
	Unnamed    Tally // blobs that nothing names; not counted while there is damage
}

// A Damage is a place in the store that is not what was written.
type Damage struct {
	*store.DamageError
	Affects []string // runs, executions, workspace changes, in words, sorted
	Advice  string   // how to get it back
}

// A Repair is a path in the store and what was done, or is to be said, about it.
type Repair struct{ Path, What string }

// Check checks every file of a store, repairs what follows from other files,
// and says what the rest affects. The caller uses the store
// ([store.Store.Use]); other processes may use it too.
func Check(ctx context.Context, c Config) (*Report, error) {
	repaired, err := Restore(c)
	if err != nil {
		return nil, err
	}
	tried := map[string]bool{}
	for {
		k := &checker{
			ctx: ctx, c: c, g: newGraph(c, true), tried: tried,
			affects: map[string]map[string]bool{}, hints: map[digest.Digest][]hint{},
		}
		if err := k.all(); err != nil {
			return nil, err
		}
		made, err := k.repair()
		if err != nil {
			return nil, err
		}
		repaired = append(repaired, k.rep.Repaired...)
		if !made {
			k.rep.Repaired = repaired
			return k.finish()
		}
		// A content that is back can name another that is not.
	}
}

// Sweep removes what killed processes have left, and says so. The caller is
// alone with the store.
func Sweep(c Config) ([]Repair, error) {
	all, err := leftovers(c)
	if err != nil {
		return nil, err
	}
	var out []Repair
	for _, l := range all {
		out = append(out, Repair{l.path, "left by a process that was killed: removed"})
	}
	return out, removeLeftovers(c.Store, all)
}

// Restore makes again the directories and the .gitignore that a store always
// has. [Check] does it first; what is to happen before a check may need them.
func Restore(c Config) (made []Repair, err error) {
	for _, dir := range []string{"blobs/sha256", "runs", "executions", "open", "tmp", "locks"} {
		if _, err := os.Lstat(c.Store.Path(dir)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := durable.MkdirAll(c.Store.Path(dir), 0o755); err != nil {
			return made, err
		}
		made = append(made, Repair{dir, "missing: made, empty"})
	}
	if _, err := os.Lstat(c.Store.Path(".gitignore")); errors.Is(err, fs.ErrNotExist) {
		if err := durable.WriteFile(c.Store.Path(".gitignore"), []byte("*\n"), 0o644); err != nil {
			return made, err
		}
		made = append(made, Repair{".gitignore", "missing: made"})
	}
	return made, nil
}

// A checker makes one round.
type checker struct {
	ctx      context.Context
	c        Config
	g        *graph
	rep      Report
	affects  map[string]map[string]bool // path of a fault to what it affects
	names    map[digest.Digest][]store.Execution
	journals []*flight.Run // those in open/ that could be read
	hints    map[digest.Digest][]hint
	tried    map[string]bool // paths that were repaired in an earlier round
}

func (k *checker) all() error {
	for _, part := range []func() error{
		k.top, k.blobs, k.executions, k.sealed, k.attachments, k.open, k.others,
	} {
		if err := cmp.Or(k.ctx.Err(), part()); err != nil {
			return err
		}
	}
	return nil
}

// add notes damage and what it affects.
func (k *checker) add(err error, affects ...string) error {
	paths, err := k.g.fault(err)
	k.hit(paths, affects...)
	return err
}

// hit notes what the faults at paths affect.
func (k *checker) hit(paths []string, affects ...string) {
	for _, p := range paths {
		if k.affects[p] == nil {
			k.affects[p] = map[string]bool{}
		}
		for _, a := range affects {
			k.affects[p][a] = true
		}
	}
}

func (k *checker) note(rel, what string) { k.rep.Notes = append(k.rep.Notes, Repair{rel, what}) }

func (k *checker) stray(rel string) { k.note(rel, "is not coo's: left alone") }

// top looks at what lies in the store's directory, and where names say all.
func (k *checker) top() error {
	entries, err := list(k.c.Store, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) && !slices.Contains(k.c.Dirs, e.Name()) && !temporary(e.Name()) {
			k.stray(e.Name())
		}
	}
	if b, err := os.ReadFile(k.c.Store.Path(".gitignore")); err == nil && string(b) != "*\n" {
		k.note(".gitignore", `is not the "*" that coo writes: left alone`)
	}
	replays, err := list(k.c.Store, "replays")
	for _, e := range replays {
		if _, err := digest.Parse(e.Name()); err != nil && !temporary(e.Name()) {
			k.stray("replays/" + e.Name())
		}
	}
	return err
}

// temporary reports whether a name is that of a file on its way to its own.
func temporary(name string) bool { return strings.HasPrefix(name, "tmp-") }

// blobs reads every blob, whether something names it or not.
func (k *checker) blobs() error {
	return k.c.Store.EachBlob(func(d digest.Digest, size int64) error {
		k.rep.Blobs.add(size)
		_, err := k.g.blob(d)
		return cmp.Or(k.ctx.Err(), err)
	}, k.stray)
}

// executions checks the list of executions and what was observed.
func (k *checker) executions() error {
	m, err := k.c.Store.MendExecutions()
	if err != nil {
		return err
	}
	for _, what := range m.Mended {
		k.rep.Repaired = append(k.rep.Repaired, Repair{"executions.jsonl", what + ": made again from executions/"})
	}
	k.rep.Executions = len(m.Executions)
	k.names = map[digest.Digest][]store.Execution{}
	for _, e := range m.Executions {
		k.names[e.Run] = append(k.names[e.Run], e)
	}
	for _, d := range m.Damage {
		affects := path.Dir(d.Path)
		for _, e := range m.Executions {
			if path.Dir(d.Path) == fmt.Sprintf("executions/%d", e.N) {
				affects = execution(e)
			}
		}
		if err := k.add(d, affects); err != nil {
			return err
		}
	}
	for _, e := range m.Executions {
		rel := "runs/" + e.Run.String()
		if _, err := os.Lstat(k.c.Store.Path(rel)); errors.Is(err, fs.ErrNotExist) {
			err := &store.DamageError{Path: store.RunPath(e.Run), Record: -1, What: "missing", Err: fs.ErrNotExist}
			if err := k.add(err, k.label(e.Run)); err != nil {
				return err
			}
		}
	}
	return k.executionDirs()
}

func execution(e store.Execution) string {
	return fmt.Sprintf("execution #%d (%s, run %s)", e.N, e.Name, e.Run.Short())
}

// label names a run: its ID, its mission, its executions.
func (k *checker) label(id digest.Digest) string {
	es := k.names[id]
	if len(es) == 0 {
		return "run " + id.Short()
	}
	var numbers []string
	for _, e := range es {
		numbers = append(numbers, fmt.Sprintf("#%d", e.N))
	}
	if n := len(numbers); n > 6 {
		numbers = append(numbers[:5], fmt.Sprintf("and %d more", n-5))
	}
	return fmt.Sprintf("run %s (%s, %s)", id.Short(), es[0].Name, strings.Join(numbers, " "))
}

// executionDirs looks for what is not coo's in executions/.
func (k *checker) executionDirs() error {
	entries, err := list(k.c.Store, "executions")
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := path.Join("executions", e.Name())
		var n int64
		if _, err := fmt.Sscan(e.Name(), &n); err != nil || n < 1 || fmt.Sprint(n) != e.Name() || !e.IsDir() {
			k.stray(dir)
			continue
		}
		in, err := list(k.c.Store, dir)
		if err != nil {
			return err
		}
		for _, f := range in {
			if f.Name() != "observations.jsonl" && f.Name() != "attachments.jsonl" {
				k.stray(path.Join(dir, f.Name()))
			}
		}
	}
	return nil
}

// sealed checks every run in runs/.
func (k *checker) sealed() error {
	entries, err := list(k.c.Store, "runs")
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, err := digest.Parse(e.Name())
		if err != nil || !e.IsDir() {
			k.stray(path.Join("runs", e.Name()))
			continue
		}
		k.rep.Runs++
		if err := cmp.Or(k.ctx.Err(), k.sealedRun(id)); err != nil {
			return err
		}
	}
	return nil
}

func (k *checker) sealedRun(id digest.Digest) error {
	label := k.label(id)
	if err := k.add(unreadable("runs/"+id.String(), flight.CheckDir(k.c.Store, id)), label); err != nil {
		return err
	}
	r, err := flight.Load(k.c.Store, id)
	if err != nil {
		return k.add(unreadable(store.RunPath(id), err), label)
	}
	return k.g.run(r, func(rec flight.Record, name flight.Name, faults []string) {
		k.hit(faults, label)
		k.hint(r, rec, name, faults)
	})
}

// attachments checks the trees and contents that executions have attached.
func (k *checker) attachments() error {
	for _, id := range slices.SortedFunc(maps.Keys(k.names), func(a, b digest.Digest) int { return cmp.Compare(a.String(), b.String()) }) {
		for _, e := range k.names[id] {
			values, err := k.c.Store.Attachments(e)
			if err != nil {
				continue // noted with the execution
			}
			faults, err := k.g.attached(values)
			if err != nil {
				return err
			}
			k.hit(faults, execution(e))
		}
	}
	return nil
}

// others checks workspace changes and what other parts keep.
func (k *checker) others() error {
	intents, err := run.Intents(k.c.Store)
	if err != nil {
		return err
	}
	for _, in := range intents {
		faults, err := k.g.intent(in)
		if err != nil {
			return err
		}
		what := "the workspace change " + in.Name
		if in.Err == nil { // else it may be what is wrong
			what += " in " + in.Workspace
		}
		k.hit(faults, what)
	}
	if k.c.Roots == nil {
		return nil
	}
	roots, err := k.c.Roots()
	if err != nil {
		return k.add(err)
	}
	for _, r := range roots {
		faults, err := k.g.root(r)
		if err != nil {
			return err
		}
		k.hit(faults, r.By)
	}
	return nil
}

// finish makes the report of the last round.
func (k *checker) finish() (*Report, error) {
	rep := &k.rep
	for _, p := range slices.Sorted(maps.Keys(k.g.faults)) {
		d := Damage{DamageError: k.g.faults[p], Advice: advice(p)}
		d.Affects = slices.Sorted(maps.Keys(k.affects[p]))
		rep.Damage = append(rep.Damage, d)
	}
	slices.SortStableFunc(rep.Notes, func(a, b Repair) int { return cmp.Compare(a.Path, b.Path) })
	if len(rep.Damage) > 0 {
		return rep, nil
	}
	garbage, sizes, err := k.g.unnamed()
	for _, d := range garbage {
		rep.Unnamed.add(sizes[d])
	}
	return rep, err
}

// advice says how to get back what is damaged at a path.
func advice(p string) string {
	dir, _, _ := strings.Cut(p, "/")
	parts := strings.Split(p, "/")
	switch dir {
	case "runs":
		if len(parts) > 2 && parts[2] != store.FlightFile {
			return "move it out of the run's directory"
		}
		return "copy it from another copy of this store; to do without the run, remove its directory in runs/, those of its executions, and executions.jsonl"
	case "executions":
		return "copy it from another copy of this store; to do without the execution, remove executions/" + parts[1] + " and executions.jsonl"
	case "open":
		return "coo gc --incomplete gives the run up"
	case "apply":
		return "look at the workspace, then remove the file: nothing is written then"
	}
	return "copy it from another copy of this store"
}
