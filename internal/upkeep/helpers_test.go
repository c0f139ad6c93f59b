package upkeep

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/rollback"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

func newStore(t testing.TB) *store.Store {
	t.Helper()
	st, _, err := store.Init(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// config is that of cmd/coo: whole workspaces as trees, and rollbacks that name some.
func config(st *store.Store) Config {
	return Config{
		Store: st, Dirs: []string{rollback.Dir, snapshot.CacheDir},
		Walk: func(tree digest.Digest, blob func(digest.Digest)) error {
			names, err := snapshot.Names(st, tree)
			for _, d := range names {
				blob(d)
			}
			return err
		},
		Roots: func() ([]Root, error) {
			entries, err := rollback.Log(st)
			var roots []Root
			for _, e := range entries {
				roots = append(roots, Root{Blob: e.From, Tree: true, By: "a rollback"}, Root{Blob: e.Target, Tree: true, By: "a rollback"})
			}
			return roots, err
		},
	}
}

// A node is an entry of a tree.
type node struct {
	Mode   string         `json:"mode"`
	Name   string         `json:"name"`
	SHA256 *digest.Digest `json:"sha256"`
	Size   *int           `json:"size,omitempty"`
	Type   string         `json:"type"`
}

type treeDoc struct {
	Entries []node `json:"entries"`
	Format  string `json:"format"`
}

// A tape records one run and knows which blobs it relies on the store for.
type tape struct {
	st    *store.Store
	r     *flight.Recorder
	needs map[digest.Digest]bool
	err   error
}

func record(st *store.Store, name string) *tape {
	r, err := flight.Create(st, name)
	return &tape{st: st, r: r, needs: map[digest.Digest]bool{}, err: err}
}

func (p *tape) blob(b []byte) digest.Digest {
	d := digest.Of(b)
	if p.err != nil {
		return d
	}
	_, p.err = p.r.Blob(b)
	if p.st.Has(d) {
		p.needs[d] = true
	}
	return d
}

func (p *tape) add(rec flight.Record) int64 {
	if p.err != nil {
		return 0
	}
	var n int64
	n, p.err = p.r.Append(rec)
	return n
}

// open adds the first record, of a mission with the given source.
func (p *tape) open(source string) {
	p.add(&flight.Open{
		Format: flight.Format, Epoch: flight.Epoch, Level: "script", Limits: "limits/1", Args: map[string]string{}, Seed: "0",
		Rules:   []flight.Rule{{ID: "http/1", SHA256: p.blob(wire.Builtin().Bytes)}},
		Mission: flight.Mission{Kind: "script", Main: "m.star", Files: []flight.File{{Path: "m.star", SHA256: p.blob([]byte(source))}}},
	})
}

// ask adds a call with a body, and its answer.
func (p *tape) ask(question, answer string) {
	if p.err != nil {
		return
	}
	req := wire.Request{Method: "POST", URL: wire.Lit("http://example.test/"), Body: wire.Lit(question)}
	doc, err := req.Doc(wire.Builtin())
	if err != nil {
		p.err = err
		return
	}
	p.blob(doc.Bytes)
	p.blob(doc.Body)
	n := p.add(&flight.Call{Kind: "http", Req: doc.Key})
	a := wire.Answer{Status: 200, Body: []byte(answer)}
	adoc, body, err := a.Encode()
	if err != nil {
		p.err = err
		return
	}
	if body != nil {
		p.blob(body)
	}
	p.add(&flight.Answer{Call: n, Ans: digest.Answer(p.blob(adoc))})
}

// read adds an input file.
func (p *tape) read(name, content string) {
	d := p.blob([]byte(content))
	p.add(&flight.Input{Kind: "file", Name: name, SHA256: &d})
}

// attach stores a tree of one directory with the given files in it, and
// attaches it. It returns the tree's blobs.
func (p *tape) attach(files map[string]string) []digest.Digest {
	var blobs []digest.Digest
	put := func(b []byte) *digest.Digest {
		if p.err != nil {
			return &digest.Digest{}
		}
		var d digest.Digest
		d, p.err = p.st.Put(b)
		blobs = append(blobs, d)
		return &d
	}
	tree := func(nodes []node) *digest.Digest {
		b, err := json.Marshal(treeDoc{nodes, "coo.tree/0"})
		if err != nil {
			panic(err)
		}
		return put(b)
	}
	var in []node
	for _, name := range slices.Sorted(maps.Keys(files)) {
		size := len(files[name])
		in = append(in, node{"0644", name, put([]byte(files[name])), &size, "file"})
	}
	root := tree([]node{{"0755", "src", tree(in), nil, "dir"}})
	if p.err == nil {
		p.err = p.r.Attach(map[string]string{"t": "baseline", "tree": root.String()})
	}
	return blobs
}

func (p *tape) seal() (digest.Digest, error) {
	none := p.blob([]byte("[]"))
	p.add(&flight.End{Outcome: "ok"})
	if p.err == nil {
		p.err = p.r.Observe(map[string]string{"host": "example"})
	}
	if p.err != nil {
		return digest.Digest{}, p.err
	}
	s, err := p.r.Seal(flight.SealFields{Before: none, After: none}, store.Execution{Outcome: "ok"})
	if err != nil {
		return digest.Digest{}, err
	}
	return s.ID, nil
}

// sealed seals a run that must succeed.
func (p *tape) sealed(t testing.TB) digest.Digest {
	t.Helper()
	id, err := p.seal()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// killed leaves the run as a kill would, and returns its directory.
func (p *tape) killed(t testing.TB) string {
	t.Helper()
	if p.err == nil {
		p.err = p.r.Flush()
	}
	if p.err != nil {
		t.Fatal(p.err)
	}
	dir := p.r.Dir()
	if err := p.r.Abandon(""); err != nil {
		t.Fatal(err)
	}
	return dir
}

// noise returns a text of n bytes that does not compress, the same for a seed.
func noise(n int, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(' ' + r.IntN(95))
	}
	return string(b)
}

// blobsOf returns the blobs that are on disk.
func blobsOf(t testing.TB, st *store.Store) map[digest.Digest]bool {
	t.Helper()
	all := map[digest.Digest]bool{}
	err := st.EachBlob(func(d digest.Digest, _ int64) error { all[d] = true; return nil }, func(rel string) { t.Errorf("stray %s", rel) })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// files returns the regular files below dir, by slash-separated path.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		all[filepath.ToSlash(rel)], err = os.ReadFile(name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// putBack makes the files below dir what they were.
func putBack(t testing.TB, dir string, was map[string][]byte) {
	t.Helper()
	for rel := range files(t, dir) {
		if _, ok := was[rel]; !ok {
			if err := os.Remove(filepath.Join(dir, rel)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for rel, b := range was {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(rel)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func check(t testing.TB, st *store.Store) *Report {
	t.Helper()
	rep, err := Check(t.Context(), config(st))
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// whole fails the test unless the store has no damage and every run in it
// verifies by itself.
func whole(t testing.TB, st *store.Store, when string) {
	t.Helper()
	for _, d := range check(t, st).Damage {
		t.Errorf("%s: %v, affects %q", when, d.DamageError, d.Affects)
	}
	ids, err := st.Runs()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if _, err := flight.Verify(st, id); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	dirs, _, err := openDirs(st)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if _, err := flight.VerifyOpen(st, dir); err != nil {
			t.Errorf("%s: %s: %v", when, dir, err)
		}
	}
}

func collect(t testing.TB, st *store.Store, o Options) *Collected {
	t.Helper()
	done, err := st.Alone()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	c, err := Collect(t.Context(), config(st), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func lines(format string, n int) string {
	var s string
	for i := range n {
		s += fmt.Sprintf(format, i)
	}
	return s
}
