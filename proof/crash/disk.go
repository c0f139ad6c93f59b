//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

type opKind int

const (
	opOpen opKind = iota
	opWrite
	opTruncate
	opCopy
	opClone
	opSeek
	opChmod
	opMkdir
	opSymlink
	opLink
	opRename
	opUnlink
	opSyncBegin
	opSync
	opSay
	opSend
)

var opNames = [...]string{
	"open", "write", "truncate", "copy", "clone", "seek", "chmod", "mkdir", "symlink", "link", "rename",
	"unlink", "sync begins", "sync", "say", "send",
}

// An op is one call that succeeded. Files are named by the handle of the open
// description or by their path below the root.
type op struct {
	kind                 opKind
	h, h2                int // handles; of a sync, -1: the whole file system
	path, to             string
	off, size            int64 // off -1: at the position
	data                 []byte
	mode                 uint32
	fd                   int // of what is said: 1 or 2
	create, trunc, atEnd bool
}

func (o op) String() string {
	s := opNames[o.kind]
	if o.path != "" {
		s += " " + o.path
	}
	if o.to != "" {
		s += " to " + o.to
	}
	if o.kind == opSay {
		s += fmt.Sprintf(" %q", o.data)
	} else if o.data != nil {
		s += fmt.Sprintf(" (%d bytes)", len(o.data))
	}
	return s
}

// An inode is a file, a directory or a symbolic link. Its fields are what the
// running system sees; what a power cut is sure to leave is in kept.
type inode struct {
	dir     bool
	target  string // of a link
	mode    uint32
	data    []byte // never changed in place
	entries map[string]*inode
	kept    content
}

type content struct {
	mode    uint32
	data    []byte
	entries map[string]*inode
}

// A change is what has happened but need not survive a power cut.
type change struct {
	seq  int
	kind changeKind
	ino  *inode // whose sync makes it durable
	off  int64
	data []byte
	mode uint32
	// Of names: for a rename, both halves carry its number.
	name   string
	child  *inode
	rename int
}

type changeKind int

const (
	setData changeKind = iota // data at off
	setSize                   // off is the size
	setMode
	addName
	dropName
)

func (c change) ofNames() bool { return c.kind == addName || c.kind == dropName }

// A disk is a weak file system. The content of a file is durable when the
// file was synced, a name when its directory was. Until then a power cut may
// keep any of the changes and lose the others; but a rename within one
// directory, or of a directory, is atomic, and no rename loses the file.
type disk struct {
	root    *inode
	pending []change
	files   map[int]*file
	seq     int
	renames int
	syncs   map[int]int // by handle: what a sync that goes on will cover
}

type file struct {
	ino   *inode
	pos   int64
	atEnd bool
}

func newDir(mode uint32) *inode {
	return &inode{
		dir: true, mode: mode, entries: map[string]*inode{},
		kept: content{mode: mode, entries: map[string]*inode{}},
	}
}

// readDisk returns a disk on which all that is below dir is durable.
func readDisk(dir string) (*disk, error) {
	root, err := readInode(dir)
	return &disk{root: root, files: map[int]*file{}, syncs: map[int]int{}}, err
}

func readInode(name string) (*inode, error) {
	fi, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	mode := uint32(fi.Mode().Perm())
	switch {
	case fi.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(name)
		return &inode{target: target}, err
	case !fi.IsDir():
		b, err := os.ReadFile(name)
		return &inode{mode: mode, data: b, kept: content{mode: mode, data: b}}, err
	}
	d := newDir(mode)
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		child, err := readInode(filepath.Join(name, e.Name()))
		if err != nil {
			return nil, err
		}
		d.entries[e.Name()], d.kept.entries[e.Name()] = child, child
	}
	return d, nil
}

// look returns the inode at p, or nil.
func (d *disk) look(p string) *inode {
	at := d.root
	if p == "." {
		return at
	}
	for _, name := range strings.Split(p, "/") {
		if at = at.entries[name]; at == nil {
			return nil
		}
	}
	return at
}

func (d *disk) note(c change) {
	d.seq++
	c.seq = d.seq
	d.pending = append(d.pending, c)
}

// apply does one operation. An error is a fault of the model or of the trace.
func (d *disk) apply(o op) error {
	var ino *inode
	if o.h > 0 && o.kind != opOpen {
		if d.files[o.h] == nil {
			return fmt.Errorf("%s: no such handle", o)
		}
		ino = d.files[o.h].ino
	}
	switch o.kind {
	case opOpen:
		return d.open(o)
	case opWrite:
		d.write(d.files[o.h], o.off, o.data)
	case opCopy:
		from := d.files[o.h2]
		data := from.ino.data[from.pos:][:o.size]
		from.pos += o.size
		d.write(d.files[o.h], -1, data)
	case opClone:
		d.resize(ino, 0)
		d.setData(ino, 0, d.files[o.h2].ino.data)
	case opSeek:
		d.files[o.h].pos = o.off
	case opTruncate, opChmod:
		if ino == nil {
			ino = d.look(o.path)
		}
		if ino == nil {
			return fmt.Errorf("%s: no such file", o)
		}
		if o.kind == opTruncate {
			d.resize(ino, o.size)
			break
		}
		ino.mode = o.mode
		d.note(change{kind: setMode, ino: ino, mode: o.mode})
	case opSyncBegin:
		d.syncs[o.h] = d.seq
	case opSync:
		d.sync(ino, d.syncs[o.h])
	case opSay, opSend:
	default:
		return d.rename(o)
	}
	return nil
}

func (d *disk) open(o op) error {
	ino := d.look(o.path)
	if ino == nil {
		if !o.create {
			return fmt.Errorf("%s: no such file", o)
		}
		ino = &inode{mode: o.mode &^ umask}
		ino.kept.mode = ino.mode
		if err := d.addName(o.path, ino, 0); err != nil {
			return err
		}
	}
	if o.trunc && len(ino.data) > 0 {
		d.resize(ino, 0)
	}
	d.files[o.h] = &file{ino: ino, atEnd: o.atEnd}
	return nil
}

func (d *disk) write(f *file, off int64, data []byte) {
	if off < 0 {
		if off = f.pos; f.atEnd {
			off = int64(len(f.ino.data))
		}
		f.pos = off + int64(len(data))
	}
	d.setData(f.ino, off, data)
}

func (d *disk) setData(ino *inode, off int64, data []byte) {
	if len(data) > 0 {
		ino.data = overwrite(ino.data, off, data)
		d.note(change{kind: setData, ino: ino, off: off, data: data})
	}
}

func (d *disk) resize(ino *inode, size int64) {
	if int64(len(ino.data)) != size {
		ino.data = resized(ino.data, size)
		d.note(change{kind: setSize, ino: ino, off: size})
	}
}

func overwrite(b []byte, off int64, data []byte) []byte {
	out := make([]byte, max(int64(len(b)), off+int64(len(data))))
	copy(out, b)
	copy(out[off:], data)
	return out
}

func resized(b []byte, size int64) []byte {
	out := make([]byte, size)
	copy(out, b)
	return out
}

// rename does what changes names.
func (d *disk) rename(o op) error {
	switch o.kind {
	case opMkdir:
		return d.addName(o.path, newDir(o.mode&^umask), 0)
	case opSymlink:
		return d.addName(o.path, &inode{target: string(o.data)}, 0)
	case opUnlink:
		return d.dropName(o.path, 0)
	}
	child := d.look(o.path)
	if child == nil {
		return fmt.Errorf("%s: no such file", o)
	}
	if o.kind == opLink {
		return d.addName(o.to, child, 0)
	}
	if d.look(o.to) == child {
		return nil
	}
	d.renames++
	if err := d.addName(o.to, child, d.renames); err != nil {
		return err
	}
	return d.dropName(o.path, d.renames)
}

func (d *disk) addName(p string, child *inode, rename int) error {
	dir := d.look(path.Dir(p))
	if dir == nil || !dir.dir {
		return fmt.Errorf("add %s: no such directory", p)
	}
	dir.entries[path.Base(p)] = child
	d.note(change{kind: addName, ino: dir, name: path.Base(p), child: child, rename: rename})
	return nil
}

func (d *disk) dropName(p string, rename int) error {
	dir, child := d.look(path.Dir(p)), d.look(p)
	if child == nil {
		return fmt.Errorf("drop %s: no such file", p)
	}
	delete(dir.entries, path.Base(p))
	d.note(change{kind: dropName, ino: dir, name: path.Base(p), child: child, rename: rename})
	return nil
}

// sync makes the changes of one inode up to seq durable, or all (nil). The
// sync of the directory that a rename left makes the new name durable too, and
// that of a directory's new place its leaving of the old one.
func (d *disk) sync(ino *inode, seq int) {
	covers := func(c change) bool { return (ino == nil || c.ino == ino) && c.seq <= seq }
	whole := map[int]bool{} // renames of which both halves become durable
	for _, c := range d.pending {
		if c.rename > 0 && covers(c) && (c.kind == dropName || c.child.dir) {
			whole[c.rename] = true
		}
	}
	settled := map[entry]int{} // names that are durable ahead of what came before
	for _, c := range d.pending {
		if whole[c.rename] && !covers(c) {
			settled[entry{c.ino, c.name}] = c.seq
		}
	}
	d.pending = slices.DeleteFunc(d.pending, func(c change) bool {
		if c.ofNames() && c.seq < settled[entry{c.ino, c.name}] {
			return true
		}
		if !covers(c) && !whole[c.rename] {
			return false
		}
		c.do(&c.ino.kept)
		return true
	})
}

// An entry is a name in a directory.
type entry struct {
	dir  *inode
	name string
}

// do makes a change in one content.
func (c change) do(to *content) {
	switch c.kind {
	case setData:
		to.data = overwrite(to.data, c.off, c.data)
	case setSize:
		to.data = resized(to.data, c.off)
	case setMode:
		to.mode = c.mode
	case addName:
		to.entries[c.name] = c.child
	case dropName:
		if to.entries[c.name] == c.child {
			delete(to.entries, c.name)
		}
	}
}

// clone returns a disk that can go on by itself, and no open files.
func (d *disk) clone() *disk {
	known := map[*inode]*inode{}
	var copyOf func(*inode) *inode
	names := func(m map[string]*inode) map[string]*inode {
		if m == nil {
			return nil
		}
		out := make(map[string]*inode, len(m))
		for _, name := range slices.Sorted(maps.Keys(m)) {
			out[name] = copyOf(m[name])
		}
		return out
	}
	copyOf = func(i *inode) *inode {
		if i == nil {
			return nil
		}
		if c, ok := known[i]; ok {
			return c
		}
		c := new(inode)
		*c = *i
		known[i] = c
		c.entries, c.kept.entries = names(i.entries), names(i.kept.entries)
		return c
	}
	out := &disk{root: copyOf(d.root), seq: d.seq, renames: d.renames, files: map[int]*file{}, syncs: map[int]int{}}
	for _, c := range d.pending {
		c.ino, c.child = copyOf(c.ino), copyOf(c.child)
		out.pending = append(out.pending, c)
	}
	return out
}

// equalTrees compares what two inodes hold.
func equalTrees(at string, a, b *node) error {
	switch {
	case a == nil || b == nil:
		return fmt.Errorf("%s is there once only", at)
	case a.dir != b.dir || a.target != b.target || a.mode != b.mode:
		return fmt.Errorf("%s is %v %q %o and %v %q %o", at, a.dir, a.target, a.mode, b.dir, b.target, b.mode)
	case !bytes.Equal(a.data, b.data):
		return fmt.Errorf("%s has %d and %d bytes that differ", at, len(a.data), len(b.data))
	}
	for _, name := range slices.Sorted(maps.Keys(merged(a.entries, b.entries))) {
		if err := equalTrees(path.Join(at, name), a.entries[name], b.entries[name]); err != nil {
			return err
		}
	}
	return nil
}

func merged(a, b map[string]*node) map[string]*node {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]*node{}
	}
	maps.Copy(out, b)
	return out
}
