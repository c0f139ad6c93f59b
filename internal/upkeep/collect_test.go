package upkeep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
)

// A model knows which blobs a store must have: by what keeps them.
type model struct {
	st    *store.Store
	keeps map[string]map[digest.Digest]bool
	open  map[string]bool // the incomplete among them
	n     int
}

func (m *model) needed() map[digest.Digest]bool {
	all := map[digest.Digest]bool{}
	for _, blobs := range m.keeps {
		for d := range blobs {
			all[d] = true
			if list, err := m.st.Pieces(d); err == nil {
				for _, p := range list {
					all[p] = true
				}
			}
		}
	}
	return all
}

// content draws a text from few, so that runs share some: short, in pieces,
// and one with pieces of another.
func content(t *rapid.T) string {
	n := rapid.Uint64Range(0, 5).Draw(t, "content")
	switch {
	case n == 4:
		return noise(15<<10, 1)
	case n == 5:
		return noise(15<<10, 1) + noise(10<<10, 2)
	}
	return fmt.Sprintf(`{"text":%d}`, n)
}

// run records a run with a few contents, and seals it or leaves it.
func (m *model) run(t *rapid.T) {
	p := record(m.st, "m.star")
	m.n++
	p.open(fmt.Sprintf("# %d\n", rapid.IntRange(0, 3).Draw(t, "source")))
	for range rapid.IntRange(0, 2).Draw(t, "calls") {
		p.ask(content(t), content(t))
	}
	attached := map[digest.Digest]bool{}
	if rapid.Bool().Draw(t, "attach") {
		for _, d := range p.attach(map[string]string{"a": content(t), "b": content(t)}) {
			attached[d] = true
		}
	}
	if p.err != nil {
		t.Fatal(p.err)
	}
	if rapid.IntRange(0, 2).Draw(t, "sealed") == 0 {
		if err := p.r.Abandon(""); err != nil {
			t.Fatal(err)
		}
		maps.Copy(p.needs, attached)
		m.keeps[p.r.Dir()] = p.needs
		m.open[p.r.Dir()] = true
		return
	}
	id, err := p.seal()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := m.keeps[id.String()]; !ok {
		m.keeps[id.String()] = map[digest.Digest]bool{}
	}
	maps.Copy(m.keeps[id.String()], attached)
	r, err := flight.Load(m.st, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := exported(r, m.keeps[id.String()]); err != nil {
		t.Fatal(err)
	}
}

// exported adds the blobs of a run, by what an export of it holds: another
// walk than the one that is tested.
func exported(r *flight.Run, to map[digest.Digest]bool) error {
	dir, err := os.MkdirTemp("", "coo-upkeep-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := r.Export(dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir + "/blobs")
	for _, e := range entries {
		d, err := digest.Parse(e.Name())
		if err != nil {
			return err
		}
		to[d] = true
	}
	return err
}

// Whatever was recorded, a collection removes all that nothing needs and
// nothing else, says so, and says the same in a dry run.
func TestCollectAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		st, _, err := store.Init(dir)
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{st: st, keeps: map[string]map[digest.Digest]bool{}, open: map[string]bool{}}
		for range rapid.IntRange(1, 8).Draw(rt, "operations") {
			switch rapid.SampledFrom([]string{"run", "run", "run", "put", "gc", "gc incomplete"}).Draw(rt, "operation") {
			case "run":
				m.run(rt)
			case "put":
				if _, err := st.Put([]byte(content(rt))); err != nil {
					rt.Fatal(err)
				}
			case "gc":
				m.collect(t, rt, false)
			case "gc incomplete":
				m.collect(t, rt, true)
			}
		}
		m.collect(t, rt, true)
	})
}

func (m *model) collect(t *testing.T, rt *rapid.T, incomplete bool) {
	before := blobsOf(t, m.st)
	dry := collect(t, m.st, Options{DryRun: true, Incomplete: incomplete})
	if !maps.Equal(before, blobsOf(t, m.st)) {
		rt.Fatal("a dry run has removed blobs")
	}
	done := collect(t, m.st, Options{Incomplete: incomplete})
	if fmt.Sprint(dry) != fmt.Sprint(done) {
		rt.Fatalf("dry run %+v, collection %+v", dry, done)
	}
	given := done.Kept
	if incomplete {
		given = done.Incomplete
	}
	var dirs []string
	for _, i := range given {
		dirs = append(dirs, i.Dir)
		if incomplete {
			delete(m.keeps, i.Dir)
		}
	}
	if want := slices.Sorted(maps.Keys(m.open)); !slices.Equal(dirs, want) {
		rt.Fatalf("incomplete %v, want %v", dirs, want)
	}
	if incomplete {
		clear(m.open)
	}
	after := blobsOf(t, m.st)
	if want := m.needed(); !maps.Equal(after, want) {
		rt.Fatalf("%d blobs are left, %d are needed", len(after), len(want))
	}
	if done.Blobs.N != len(before)-len(after) {
		rt.Fatalf("%d blobs said to be removed, %d were", done.Blobs.N, len(before)-len(after))
	}
	whole(t, m.st, "after a collection")
	if t.Failed() {
		rt.FailNow()
	}
}

// ending is a context that ends when it was asked n times.
type ending struct {
	context.Context
	n int
}

func (e *ending) Err() error {
	if e.n--; e.n < 0 {
		return context.Canceled
	}
	return nil
}

// A collection that ends after any number of removals leaves a store in which
// everything verifies, and the next one does the rest.
func TestCollectEndsAnywhere(t *testing.T) {
	st, _ := specimen(t)
	p := record(st, "n.star")
	p.open("# given up\n")
	p.ask(`{"q":3}`, noise(18<<10, 5))
	if _, err := st.Put([]byte(noise(18<<10, 6))); err != nil {
		t.Fatal(err)
	}
	p.attach(map[string]string{"c": noise(18<<10, 7)})
	p.killed(t)
	total := collect(t, st, Options{DryRun: true, Incomplete: true})
	var removed, ends int
	for ; ; ends++ {
		done, err := st.Alone()
		if err != nil {
			t.Fatal(err)
		}
		c, err := Collect(&ending{t.Context(), 1}, config(st), Options{Incomplete: true})
		done()
		removed += c.Blobs.N
		whole(t, st, fmt.Sprintf("after %d ends", ends))
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if removed != total.Blobs.N || ends < removed-1 {
		t.Errorf("%d blobs removed in %d parts, want %d", removed, ends, total.Blobs.N)
	}
}

// While anything is damaged that may name blobs, nothing is removed: with the
// file of a copy back in its place all is there.
func TestDamagedStoresAreNotCollected(t *testing.T) {
	st, _ := specimen(t)
	was := files(t, st.Dir())
	for rel, b := range was {
		// What nothing covers, and what is of no blob.
		if mute(rel) || len(b) < 40 || rel == "executions.jsonl" {
			continue
		}
		if err := os.WriteFile(st.Path(rel), b[:len(b)/2], 0o644); err != nil {
			t.Fatal(err)
		}
		done, err := st.Alone()
		if err != nil {
			t.Fatal(err)
		}
		_, err = Collect(t.Context(), config(st), Options{})
		done()
		if err := os.WriteFile(st.Path(rel), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if rep := check(t, st); len(rep.Damage) > 0 {
			t.Fatalf("%s, half of it: Collect = %v: %v", rel, err, rep.Damage[0].DamageError)
		}
		putBack(t, st.Dir(), was)
	}
}

// A run that is being recorded keeps what it has seen in the store: nobody
// can be alone with it.
func TestNothingIsCollectedUnderARun(t *testing.T) {
	st := newStore(t)
	d, err := st.Put([]byte("left by an earlier run"))
	if err != nil {
		t.Fatal(err)
	}
	p := record(st, "m.star")
	p.open("def main(coo): pass\n")
	if p.blob([]byte("left by an earlier run")); !p.needs[d] {
		t.Fatal("the run does not rely on the store")
	}
	if _, err := st.Alone(); err == nil {
		t.Fatal("alone with a store in which a run is in progress")
	}
	p.read("notes.txt", "left by an earlier run")
	p.sealed(t)
	collect(t, st, Options{Incomplete: true})
	whole(t, st, "after the run")
}

// What other parts keep stays, with all that is in their trees.
func TestRootsOfOtherParts(t *testing.T) {
	st := newStore(t)
	p := record(st, "m.star")
	p.open("# to be given up\n")
	tree := p.attach(map[string]string{"a": "in the tree", "b": noise(9<<10, 1)})
	p.killed(t)
	plain, err := st.Put([]byte("kept by itself"))
	if err != nil {
		t.Fatal(err)
	}
	c := config(st)
	c.Roots = func() ([]Root, error) {
		return []Root{{Blob: tree[len(tree)-1], Tree: true, By: "rollback #1"}, {Blob: plain, By: "rollback #2"}}, nil
	}
	done, err := st.Alone()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if _, err := Collect(t.Context(), c, Options{Incomplete: true}); err != nil {
		t.Fatal(err)
	}
	for _, d := range append(tree, plain) {
		if _, err := st.Get(d); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(st.Path(store.BlobPath(tree[0]))); err != nil {
		t.Fatal(err)
	}
	rep, err := Check(t.Context(), c)
	if err != nil || len(rep.Damage) != 1 || !slices.Equal(rep.Damage[0].Affects, []string{"rollback #1"}) {
		t.Errorf("Check = %+v, %v", rep, err)
	}
	// Without a way to read trees nothing is removed either.
	c.Walk = nil
	if _, err := Collect(t.Context(), c, Options{}); err == nil {
		t.Error("collected without reading trees")
	}
}
