//go:build linux

package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// umask is that of this process; coo inherits it.
const umask = 0o022

// sector is the unit in which disks write.
const sector = 512

// A node is a file of one possible state of the disk.
type node struct {
	dir     bool
	target  string
	mode    uint32
	data    []byte
	entries map[string]*node
}

// A policy says which of the changes that are not durable survive.
type policy struct {
	name    string
	choose  func(pending []change, r *rand.Rand) []change
	partial bool // nil means that it does not apply
}

// policies returns the policies, with n random ones.
func policies(n int) []policy {
	keep := func(f func(change) bool) func([]change, *rand.Rand) []change {
		return func(p []change, _ *rand.Rand) []change {
			return slices.DeleteFunc(slices.Clone(p), func(c change) bool { return !f(c) })
		}
	}
	list := []policy{
		{"kill", func(p []change, _ *rand.Rand) []change { return p }, false},
		{"nothing unsynced", keep(func(change) bool { return false }), false},
		{"names without data", keep(change.ofNames), false},
		{"names and zeros", zeros, false},
		{"data without renames", keep(func(c change) bool { return c.rename == 0 }), false},
		{"data without names", keep(func(c change) bool { return !c.ofNames() }), false},
		{"all but removals", keep(func(c change) bool { return c.kind != dropName || c.rename > 0 }), false},
		{"removals only", keep(func(c change) bool { return c.kind == dropName && c.rename == 0 }), false},
		{"torn at a sector", torn(atSector, false), true},
		{"torn at a byte", torn(func(c change, r *rand.Rand) int { return r.IntN(len(c.data)) }, false), true},
		{"torn, the end kept", torn(atSector, true), true},
	}
	for i := range n {
		list = append(list, policy{fmt.Sprintf("random %d", i), func(p []change, r *rand.Rand) []change {
			odds := []float64{0.5, 0.2, 0.8}[i%3]
			return slices.DeleteFunc(slices.Clone(p), func(change) bool { return r.Float64() >= odds })
		}, false})
	}
	return list
}

// atSector returns a place in a change's data where a sector begins; 0 if
// there is none.
func atSector(c change, r *rand.Rand) int {
	first := int(sector - c.off%sector)
	if first >= len(c.data) {
		return 0
	}
	return first + r.IntN((len(c.data)-first-1)/sector+1)*sector
}

// zeros keeps names and the lengths of files: a file system that had given
// the blocks but not written them.
func zeros(p []change, _ *rand.Rand) []change {
	p = slices.Clone(p)
	for i, c := range p {
		if c.kind == setData {
			p[i].data = make([]byte, len(c.data))
		}
	}
	return p
}

// torn keeps all but one part of the last data: what follows the cut, or, the
// other way round, what comes before it and is zeros then.
func torn(cut func(change, *rand.Rand) int, end bool) func([]change, *rand.Rand) []change {
	return func(p []change, r *rand.Rand) []change {
		p = slices.Clone(p)
		for i, c := range slices.Backward(p) {
			if c.kind != setData {
				continue
			}
			n := cut(c, r)
			if !end {
				p[i].data = c.data[:n]
				return p
			}
			if n == 0 {
				return nil
			}
			p[i].data = append(make([]byte, n), c.data[n:]...)
			return p
		}
		return nil
	}
}

// state returns what a power cut leaves when the chosen changes survive it.
func (d *disk) state(chosen []change) *node {
	added := map[int]bool{}
	waiting := map[int]bool{}
	within := map[int]bool{} // renames that are atomic
	dirOf := map[int]*inode{}
	for _, c := range d.pending {
		if c.rename == 0 {
			continue
		}
		if dirOf[c.rename] == c.ino || c.child.dir {
			within[c.rename] = true
		}
		dirOf[c.rename] = c.ino
		if c.kind == addName {
			waiting[c.rename] = true
		}
	}
	for _, c := range chosen {
		if c.kind == addName && c.rename > 0 {
			added[c.rename] = true
		}
	}
	kept := map[*inode]*content{}
	of := func(i *inode) *content {
		c, ok := kept[i]
		if !ok {
			c = &content{mode: i.kept.mode, data: i.kept.data, entries: maps.Clone(i.kept.entries)}
			kept[i] = c
		}
		return c
	}
	done := map[int]bool{}
	for _, c := range chosen {
		if c.kind == dropName && c.rename > 0 {
			if waiting[c.rename] && !added[c.rename] {
				continue
			}
			done[c.rename] = true
		}
		c.do(of(c.ino))
	}
	for _, c := range d.pending { // the other halves of what is atomic
		if c.kind == dropName && within[c.rename] && added[c.rename] && !done[c.rename] {
			c.do(of(c.ino))
		}
	}
	tree := build(d.root, of, 0)
	tree.mode = 0o755 // of the workspace itself: nobody's business
	return tree
}

func build(i *inode, of func(*inode) *content, depth int) *node {
	c := of(i)
	n := &node{dir: i.dir, target: i.target, mode: c.mode, data: c.data}
	if !i.dir || depth > 50 { // a directory that is in two places, and in itself
		return n
	}
	n.entries = make(map[string]*node, len(c.entries))
	for name, child := range c.entries {
		n.entries[name] = build(child, of, depth+1)
	}
	return n
}

// sum is a digest of all that a tree holds.
func (n *node) sum() [32]byte {
	h := sha256.New()
	n.hash(h)
	return [32]byte(h.Sum(nil))
}

func (n *node) hash(h hash.Hash) {
	text := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	fmt.Fprintf(h, "%v %o ", n.dir, n.mode)
	text([]byte(n.target))
	text(n.data)
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		text([]byte(name))
		n.entries[name].hash(h)
	}
	h.Write([]byte("."))
}

// write makes the tree below dir, which is there.
func (n *node) write(dir string) error {
	for name, c := range n.entries {
		at := filepath.Join(dir, name)
		var err error
		switch {
		case c.dir:
			if err = os.Mkdir(at, 0o755); err == nil {
				err = c.write(at)
			}
		case c.target != "":
			if err := os.Symlink(c.target, at); err != nil {
				return err
			}
			continue
		default:
			err = os.WriteFile(at, c.data, 0o644)
		}
		if err == nil && c.mode != map[bool]uint32{true: 0o755, false: 0o644}[c.dir] {
			err = os.Chmod(at, os.FileMode(c.mode))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readTree reads a directory back.
func readTree(dir string) (*node, error) {
	d, err := readDisk(dir)
	if err != nil {
		return nil, err
	}
	return d.state(nil), nil
}

// without returns the tree but for one name at its top.
func (n *node) without(name string) *node {
	c := *n
	c.entries = maps.Clone(n.entries)
	delete(c.entries, name)
	return &c
}

// at returns the node at a path, or nil.
func (n *node) at(names ...string) *node {
	for _, name := range names {
		if n == nil {
			return nil
		}
		n = n.entries[name]
	}
	return n
}
