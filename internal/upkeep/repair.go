package upkeep

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

// A hint says where the content of a damaged blob might be found again.
type hint struct {
	file     string      // below the directory that holds the store
	manifest *flight.Run // of which it is the freeze manifest
}

// hint notes where a content that could not be read was once.
func (k *checker) hint(r *flight.Run, rec flight.Record, name flight.Name, faults []string) {
	if len(faults) == 0 {
		return
	}
	add := func(h hint) {
		if !slices.Contains(k.hints[name.Digest], h) {
			k.hints[name.Digest] = append(k.hints[name.Digest], h)
		}
	}
	isIt := func(d *digest.Digest) bool { return d != nil && *d == name.Digest }
	switch rec := rec.(type) {
	case *flight.Open:
		for _, f := range rec.Mission.Files {
			if f.SHA256 == name.Digest {
				add(hint{file: f.Path})
			}
		}
	case *flight.Input:
		if rec.Kind == "file" {
			add(hint{file: rec.Name})
		}
	case *flight.Write:
		add(hint{file: rec.Path})
	case *flight.Seal:
		if name.What == "freeze" {
			add(hint{manifest: r})
		}
		for _, o := range rec.Outputs {
			if isIt(o.SHA256) {
				add(hint{file: o.Path})
			}
		}
	}
}

// repair makes damaged blobs again whose content is elsewhere, and reports
// whether there was one.
func (k *checker) repair() (made bool, err error) {
	root, err := os.OpenRoot(filepath.Dir(k.c.Store.Dir()))
	if err != nil {
		return false, err
	}
	defer root.Close()
	for _, p := range slices.Sorted(maps.Keys(k.g.faults)) {
		d, err := digest.Parse(p[strings.LastIndexByte(p, '/')+1:])
		if err != nil || p != store.BlobPath(d) || k.tried[p] {
			continue
		}
		from, content := k.again(root, d)
		if content == nil {
			continue
		}
		if err := k.c.Store.Remake(content); err != nil {
			return made, err
		}
		made, k.tried[p] = true, true
		k.rep.Repaired = append(k.rep.Repaired, Repair{p, fmt.Sprintf("%s: made again from %s", k.g.faults[p].What, from)})
	}
	return made, nil
}

// again finds the content of blob d, or one that d is a piece of, anywhere
// else, and says where.
func (k *checker) again(root *os.Root, d digest.Digest) (from string, content []byte) {
	for _, whole := range append([]digest.Digest{d}, k.g.lists[d]...) {
		if from, b := k.elsewhere(root, whole); b != nil {
			return from, b
		}
	}
	return "", nil
}

func (k *checker) elsewhere(root *os.Root, d digest.Digest) (string, []byte) {
	if b := wire.Builtin().Bytes; digest.Of(b) == d {
		return "coo itself", b
	}
	for _, r := range k.journals {
		if r.Holds(d) {
			if b, err := r.Blob(d); err == nil {
				return r.Dir + "/journal", b
			}
		}
	}
	for _, h := range k.hints[d] {
		if h.manifest != nil {
			if b, err := h.manifest.Manifest(); err == nil && digest.Of(b) == d {
				return store.RunPath(h.manifest.ID), b
			}
			continue
		}
		if b, err := readFile(root, h.file); err == nil && digest.Of(b) == d {
			return fmt.Sprintf("the file %q", h.file), b
		}
	}
	return "", nil
}

// readFile reads a regular file that is not larger than a blob.
func readFile(root *os.Root, name string) ([]byte, error) {
	name = filepath.FromSlash(name)
	fi, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > store.MaxBlob {
		return nil, os.ErrInvalid
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, store.MaxBlob))
}
