package upkeep

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/store"
)

// Options say what to collect.
type Options struct {
	DryRun     bool // tell only
	Incomplete bool // runs in open/ that no process is working on, too
}

// A Collected says what was removed, or would be.
type Collected struct {
	Incomplete []Incomplete // given up, by name of the directory
	Blobs      Tally
	Temps      Tally        // temporary files and directories
	Kept       []Incomplete // what Options.Incomplete would have given up
}

// An Incomplete is a run in open/ that no process is working on.
type Incomplete struct {
	Ref    string // ~ and the digest of its last record; its directory if it has none
	Dir    string // in the store, slash-separated
	Name   string // of the mission
	Reason string // why it was given up; empty: killed
	Bytes  int64
}

// Collect removes what nothing names. The caller is alone with the store
// ([store.Store.Alone]) and has recovered what a crash has interrupted. When
// a name cannot be followed, nothing is removed and the error is the
// [*store.DamageError]. After another error, and when ctx ends it, what is
// returned was removed.
func Collect(ctx context.Context, c Config, o Options) (*Collected, error) {
	out := &Collected{}
	temps, err := leftovers(c)
	if err != nil {
		return out, err
	}
	g := newGraph(c, false)
	all, err := g.everything(o.Incomplete)
	if err != nil {
		return out, err
	}
	if len(g.faults) > 0 {
		return out, g.faults[slices.Min(slices.Collect(maps.Keys(g.faults)))]
	}
	garbage, sizes, err := g.unnamed()
	if err != nil {
		return out, err
	}
	if !o.Incomplete {
		out.Kept, all = all, nil
	}
	if o.DryRun {
		out.Incomplete = all
		for _, d := range garbage {
			out.Blobs.add(sizes[d])
		}
		for _, t := range temps {
			out.Temps.add(t.bytes)
		}
		return out, nil
	}
	return out, out.remove(ctx, c.Store, all, garbage, sizes, temps)
}

// remove takes things away in an order that can end anywhere: an incomplete
// run before the blobs that only it names.
func (out *Collected) remove(ctx context.Context, st *store.Store, open []Incomplete, garbage []digest.Digest, sizes map[digest.Digest]int64, temps []leftover) error {
	for _, i := range open {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := st.DropOpen(i.Dir); err != nil {
			return err
		}
		out.Incomplete = append(out.Incomplete, i)
	}
	if len(open) > 0 {
		if err := durable.SyncDir(st.Path("open")); err != nil {
			return err
		}
	}
	removed, err := st.RemoveBlobs(ctx, garbage)
	for _, d := range removed {
		out.Blobs.add(sizes[d])
	}
	if err != nil {
		return err
	}
	if err := removeLeftovers(st, temps); err != nil {
		return err
	}
	for _, t := range temps {
		out.Temps.add(t.bytes)
	}
	return nil
}

// everything follows all that keeps blobs, but not, if so asked, incomplete
// runs. It returns those.
func (g *graph) everything(giveUp bool) (incomplete []Incomplete, err error) {
	ids, err := g.c.Store.Runs()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		r, err := flight.Load(g.c.Store, id)
		if err != nil {
			_, err = g.fault(err)
		} else {
			err = g.run(r, ignore)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := g.executions(); err != nil {
		return nil, err
	}
	if incomplete, err = g.open(giveUp); err != nil {
		return nil, err
	}
	return incomplete, g.others()
}

func ignore(flight.Record, flight.Name, []string) {}

// executions follows the attachments of every execution, listed or not.
func (g *graph) executions() error {
	m, err := g.c.Store.MendExecutions()
	if err != nil {
		return err
	}
	for _, d := range m.Damage {
		g.fault(d)
	}
	for _, e := range m.Executions {
		values, err := g.c.Store.Attachments(e)
		if err == nil {
			_, err = g.attached(values)
		}
		if _, err := g.fault(err); err != nil {
			return err
		}
	}
	return nil
}

// open follows the runs in open/.
func (g *graph) open(giveUp bool) (incomplete []Incomplete, err error) {
	dirs, live, err := openDirs(g.c.Store)
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		in, err := list(g.c.Store, dir)
		if err != nil {
			return nil, err
		}
		if len(in) == 0 {
			continue // a leftover
		}
		r, err := flight.LoadOpen(g.c.Store, dir)
		if !live[dir] {
			incomplete = append(incomplete, describe(g.c.Store, dir, r))
			if giveUp {
				continue
			}
		}
		if err == nil {
			if err = g.run(r, ignore); err == nil {
				_, err = g.attached(r.Attached)
			}
		}
		if _, err = g.fault(err); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return incomplete, nil
}

// describe tells of an incomplete run; r is nil when it cannot be read.
func describe(st *store.Store, dir string, r *flight.Run) Incomplete {
	i := Incomplete{Ref: dir, Dir: dir, Bytes: sizeOf(st, dir)}
	if r != nil && len(r.Lines) > 0 {
		i.Ref = "~" + r.Last.Short()
	}
	if open, err := st.OpenRuns(); err == nil {
		for _, o := range open {
			if o.Dir == dir {
				i.Name, i.Reason = o.State.Name, o.State.Reason
			}
		}
	}
	return i
}

// others follows workspace changes and what other parts keep.
func (g *graph) others() error {
	intents, err := run.Intents(g.c.Store)
	if err != nil {
		return err
	}
	for _, in := range intents {
		if _, err := g.intent(in); err != nil {
			return err
		}
	}
	if g.c.Roots == nil {
		return nil
	}
	roots, err := g.c.Roots()
	if err != nil {
		return err
	}
	for _, r := range roots {
		if _, err := g.root(r); err != nil {
			return err
		}
	}
	return nil
}

// unnamed returns the blobs that nothing names, and the sizes of their files.
func (g *graph) unnamed() ([]digest.Digest, map[digest.Digest]int64, error) {
	var ds []digest.Digest
	sizes := map[digest.Digest]int64{}
	err := g.c.Store.EachBlob(func(d digest.Digest, size int64) error {
		if !g.named[d] {
			ds = append(ds, d)
			sizes[d] = size
		}
		return nil
	}, func(string) {})
	return ds, sizes, err
}
