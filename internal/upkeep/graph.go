package upkeep

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

// A graph follows names from blob to blob. Each blob is read once, however
// many runs name it. The paths of damaged files that something reaches are
// its faults.
type graph struct {
	c      Config
	check  bool // contents are checked as well as containers
	named  map[digest.Digest]bool
	blobs  map[digest.Digest]*blobInfo
	docs   map[flight.Name][]string
	trees  map[digest.Digest][]string
	faults map[string]*store.DamageError
	lists  map[digest.Digest][]digest.Digest // a damaged piece to the blobs it is of
}

type blobInfo struct {
	pieces []digest.Digest
	faults []string
}

func newGraph(c Config, check bool) *graph {
	return &graph{
		c: c, check: check,
		named:  map[digest.Digest]bool{},
		blobs:  map[digest.Digest]*blobInfo{},
		docs:   map[flight.Name][]string{},
		trees:  map[digest.Digest][]string{},
		faults: map[string]*store.DamageError{},
		lists:  map[digest.Digest][]digest.Digest{},
	}
}

// fault notes damage and returns its path. An error that is none is returned.
func (g *graph) fault(err error) ([]string, error) {
	if err == nil {
		return nil, nil
	}
	d, ok := errors.AsType[*store.DamageError](err)
	if !ok {
		return nil, err
	}
	if _, ok := g.faults[d.Path]; !ok {
		g.faults[d.Path] = d
	}
	return []string{d.Path}, nil
}

// unreadable makes damage of a file that the system does not let us read.
func unreadable(rel string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return &store.DamageError{Path: rel, Record: -1, What: "unreadable: " + p.Err.Error(), Err: p.Err}
	}
	return err
}

// blob reads blob d, whether something names it or not.
func (g *graph) blob(d digest.Digest) (*blobInfo, error) {
	if in, ok := g.blobs[d]; ok {
		return in, nil
	}
	in := &blobInfo{}
	g.blobs[d] = in // before its pieces: a list in itself ends here
	pieces, err := g.c.Store.Pieces(d)
	if in.faults, err = g.fault(unreadable(store.BlobPath(d), err)); err != nil {
		return nil, err
	}
	in.pieces = pieces
	for _, p := range pieces {
		pi, err := g.blob(p)
		if err != nil {
			return nil, err
		}
		if len(pi.faults) > 0 {
			g.lists[p] = append(g.lists[p], d)
			in.faults = append(in.faults, pi.faults...)
		}
	}
	if g.check && len(in.faults) == 0 {
		err := g.c.Store.VisitTo(d, io.Discard, nil)
		in.faults, err = g.fault(unreadable(store.BlobPath(d), err))
		if err != nil {
			return nil, err
		}
	}
	return in, nil
}

// name notes that something names blob d, and returns its faults.
func (g *graph) name(d digest.Digest) ([]string, error) {
	in, err := g.blob(d)
	if err != nil {
		return nil, err
	}
	g.mark(d)
	return in.faults, nil
}

// mark notes that a blob and all that it is a list of are named. They were read.
func (g *graph) mark(d digest.Digest) {
	if g.named[d] {
		return
	}
	g.named[d] = true
	for _, p := range g.blobs[d].pieces {
		g.mark(p)
	}
}

// names follows several blobs.
func (g *graph) names(ds ...digest.Digest) (faults []string, err error) {
	for _, d := range ds {
		f, err := g.name(d)
		if err != nil {
			return nil, err
		}
		faults = append(faults, f...)
	}
	return faults, nil
}

// tree follows a tree and all that is in it.
func (g *graph) tree(d digest.Digest) ([]string, error) {
	if faults, ok := g.trees[d]; ok {
		return faults, nil
	}
	if g.c.Walk == nil {
		return nil, fmt.Errorf("tree %s: nothing here can read trees", d.Short())
	}
	faults, err := g.name(d)
	if err != nil {
		return nil, err
	}
	if len(faults) == 0 {
		var ds []digest.Digest
		err = g.c.Walk(d, func(d digest.Digest) { ds = append(ds, d) })
		f, err := g.fault(err)
		if err != nil {
			return nil, fmt.Errorf("tree %s: %w", d.Short(), err)
		}
		more, err := g.names(ds...)
		if err != nil {
			return nil, err
		}
		faults = slices.Concat(f, more)
	}
	g.trees[d] = faults
	return faults, nil
}

// A follower is called with each blob that a run names and its faults.
type follower func(rec flight.Record, name flight.Name, faults []string)

// run follows the names of a run, sealed or not.
func (g *graph) run(r *flight.Run, follow follower) error {
	var names []flight.Name
	pairs := flight.Pairing{Run: r}
	for _, rec := range r.Records {
		sound := true
		names = flight.Names(names[:0], rec)
		for _, name := range names {
			faults, err := g.inRun(r, name)
			if err != nil {
				return err
			}
			follow(rec, name, faults)
			sound = sound && len(faults) == 0
		}
		if !g.check || !sound {
			continue
		}
		faults, err := g.fault(pairs.Add(rec, r.Blob))
		if err != nil {
			return err
		}
		if len(faults) > 0 {
			follow(rec, flight.Name{What: "ans"}, faults)
		}
	}
	return nil
}

// inRun follows one name of a run, and the document that it may name.
func (g *graph) inRun(r *flight.Run, name flight.Name) ([]string, error) {
	var faults []string
	var err error
	if !r.Holds(name.Digest) { // what the journal holds was checked
		faults, err = g.name(name.Digest)
	}
	if err != nil || len(faults) > 0 || !name.IsDoc() {
		return faults, err
	}
	// What a journal holds of a document is nobody else's.
	shared := r.Seal != nil
	if faults, ok := g.docs[name]; ok && shared {
		return faults, nil
	}
	faults, err = g.doc(r, name)
	if shared && err == nil {
		g.docs[name] = faults
	}
	return faults, err
}

// doc follows what a document names in turn.
func (g *graph) doc(r *flight.Run, name flight.Name) (faults []string, err error) {
	content, err := r.Blob(name.Digest)
	if err != nil {
		return g.fault(err)
	}
	refs, err := flight.ParseDoc(name, content)
	if err != nil {
		return g.misfit(r, name, err)
	}
	for _, ref := range refs {
		f, err := g.inRun(r, ref.Name)
		if err == nil && len(f) == 0 {
			f, err = g.body(r, name, ref)
		}
		if err != nil {
			return nil, err
		}
		faults = append(faults, f...)
	}
	return faults, nil
}

// body holds a content to what the document that names it says of it.
func (g *graph) body(r *flight.Run, doc flight.Name, ref flight.Ref) ([]string, error) {
	if !g.check {
		return nil, nil
	}
	size, start, err := r.Look(ref.Digest, wire.MaxInline)
	if err != nil {
		return g.fault(err)
	}
	if err := ref.Check(size, start); err != nil {
		return g.misfit(r, doc, err)
	}
	return nil, nil
}

// misfit notes that a document is not what its name says.
func (g *graph) misfit(r *flight.Run, name flight.Name, err error) ([]string, error) {
	at := store.BlobPath(name.Digest)
	if r.Holds(name.Digest) {
		at = r.Dir + "/journal"
	}
	return g.fault(&store.DamageError{Path: at, Record: -1, What: name.What + ": " + err.Error()})
}

// attachment follows the digests in an attachment.
func (g *graph) attachment(value []byte) ([]string, error) {
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return nil, fmt.Errorf("attachment: %w", err)
	}
	var faults []string
	err := g.value("", v, &faults)
	return faults, err
}

func (g *graph) value(member string, v any, faults *[]string) error {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if err := g.value(k, v[k], faults); err != nil {
				return err
			}
		}
	case []any:
		for _, x := range v {
			if err := g.value(member, x, faults); err != nil {
				return err
			}
		}
	case string:
		return g.text(member, v, faults)
	}
	return nil
}

func (g *graph) text(member, s string, faults *[]string) error {
	d, err := digest.Parse(s)
	if err != nil {
		return nil // not a digest
	}
	var f []string
	switch {
	case member == "tree":
		f, err = g.tree(d)
	case member == "manifest": // of the environment
		f, err = g.name(d)
	case g.c.Store.Has(d):
		f, err = g.name(d)
	}
	*faults = append(*faults, f...)
	return err
}

// attached follows several attachments.
func (g *graph) attached(values [][]byte) (faults []string, err error) {
	for _, v := range values {
		f, err := g.attachment(v)
		if err != nil {
			return nil, err
		}
		faults = append(faults, f...)
	}
	return faults, nil
}

// intent follows a workspace change that is on its way.
func (g *graph) intent(in run.Intent) ([]string, error) {
	if in.Err != nil {
		return g.fault(in.Err)
	}
	return g.names(in.Blobs...)
}

// root follows what another part keeps.
func (g *graph) root(r Root) ([]string, error) {
	if r.Tree {
		return g.tree(r.Blob)
	}
	return g.name(r.Blob)
}
