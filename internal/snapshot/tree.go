package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/workspace"
)

const treeFormat = "coo.tree/0"

// The types of an [Entry].
const (
	File = "file"
	Dir  = "dir"
	Link = "link"
)

// Limits of trees.
const (
	MaxEntries = 1 << 20  // entries of one directory
	MaxTarget  = 4096     // bytes of a link's target
	MaxPaths   = 10 << 20 // paths of a tree that is compared or restored
	maxObject  = 1 << 30  // bytes of one object
)

// An Entry is one name in a directory.
type Entry struct {
	Type   string
	Name   string
	Mode   string        // permissions, four octal digits; not of a link
	SHA256 digest.Digest // of a file's content, or of a directory's object
	Size   int64         // of a file, in bytes
	Target string        // of a link
}

// equal compares two entries of one name.
func (e *Entry) equal(f *Entry) bool { return *e == *f }

// encodeTree returns the object of a directory. The entries must be sorted by the
// bytes of their names.
func encodeTree(entries []Entry) []byte {
	n := 64
	for i := range entries {
		n += 160 + len(entries[i].Name) + len(entries[i].Target)
	}
	b := append(make([]byte, 0, n), `{"entries":[`...)
	for i := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = entries[i].append(b)
	}
	b = append(b, `],"format":"`...)
	b = append(b, treeFormat...)
	return append(b, `"}`...)
}

// append appends what canon.Marshal makes of an entry, without its reflection: a
// snapshot encodes every directory.
func (e *Entry) append(b []byte) []byte {
	b = append(b, '{')
	if e.Type != Link {
		b = append(b, `"mode":"`...)
		b = append(b, e.Mode...)
		b = append(b, `",`...)
	}
	b = appendText(append(b, `"name":`...), e.Name)
	if e.Type != Link {
		b = append(b, `,"sha256":"`...)
		b = appendHex(b, e.SHA256)
		b = append(b, '"')
	}
	switch e.Type {
	case File:
		b = strconv.AppendInt(append(b, `,"size":`...), e.Size, 10)
	case Link:
		b = appendText(append(b, `,"target":`...), e.Target)
	}
	b = append(b, `,"type":"`...)
	b = append(b, e.Type...)
	return append(b, `"}`...)
}

func appendText(b []byte, s string) []byte {
	out, err := canon.AppendString(b, s)
	if err != nil {
		panic("snapshot: internal error: " + err.Error())
	}
	return out
}

func appendHex(b []byte, d digest.Digest) []byte {
	const hex = "0123456789abcdef"
	for _, c := range d {
		b = append(b, hex[c>>4], hex[c&15])
	}
	return b
}

// object is how a directory's object is read.
type object struct {
	Entries []struct {
		Mode   string         `json:"mode"`
		Name   string         `json:"name"`
		SHA256 *digest.Digest `json:"sha256"`
		Size   *int64         `json:"size"`
		Target string         `json:"target"`
		Type   string         `json:"type"`
	} `json:"entries"`
	Format string `json:"format"`
}

// ParseTree reads the object of one directory. It accepts only what [Take] can
// have written: the entries in order, every name possible, in canonical form.
func ParseTree(b []byte) ([]Entry, error) {
	entries, err := parseTree(b)
	if err != nil {
		return nil, fmt.Errorf("tree: %w", err)
	}
	return entries, nil
}

func parseTree(b []byte) ([]Entry, error) {
	if len(b) > maxObject {
		return nil, fmt.Errorf("%d bytes, limit %d", len(b), maxObject)
	}
	var o object
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return nil, errors.New("not the JSON of a tree")
	}
	if o.Format != treeFormat {
		return nil, fmt.Errorf("format %.40q, want %q", o.Format, treeFormat)
	}
	if len(o.Entries) > MaxEntries {
		return nil, fmt.Errorf("%d entries, limit %d", len(o.Entries), MaxEntries)
	}
	entries := make([]Entry, len(o.Entries))
	for i, j := range o.Entries {
		e := Entry{Type: j.Type, Name: j.Name, Mode: j.Mode, Target: j.Target}
		if j.SHA256 != nil {
			e.SHA256 = *j.SHA256
		}
		if j.Size != nil {
			e.Size = *j.Size
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		if i > 0 && e.Name <= entries[i-1].Name {
			return nil, fmt.Errorf("entry %d: %q is out of order", i, e.Name)
		}
		entries[i] = e
	}
	if again := encodeTree(entries); !bytes.Equal(again, b) {
		i := 0
		for i < len(again) && i < len(b) && again[i] == b[i] {
			i++
		}
		return nil, fmt.Errorf("not in canonical form at byte %d", i)
	}
	return entries, nil
}

// check holds an entry to its type. Members that its type does not have are found
// by encoding it again.
func (e *Entry) check() error {
	if err := checkName(e.Name); err != nil {
		return err
	}
	switch e.Type {
	case File, Dir:
		if _, err := workspace.ParsePerm(e.Mode); err != nil {
			return fmt.Errorf("%q: %w", e.Name, err)
		}
		if e.Size < 0 || e.Size > canon.MaxInt {
			return fmt.Errorf("%q: size %d", e.Name, e.Size)
		}
	case Link:
		if !goodTarget(e.Target) {
			return fmt.Errorf("%q: target %.300q", e.Name, e.Target)
		}
	default:
		return fmt.Errorf("%q: type %.40q", e.Name, e.Type)
	}
	return nil
}

func goodTarget(s string) bool {
	return s != "" && len(s) <= MaxTarget && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

// checkName is workspace.CheckTreeName without the ignore set: that may grow, and
// an older tree must stay readable. What makes files checks that too.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > 255 || !utf8.ValidString(name) || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("name %.300q", name)
	}
	return nil
}

// A Getter reads blobs: a *store.Store.
type Getter interface {
	Get(digest.Digest) ([]byte, error)
}

// A Putter stores blobs: a *store.Store or a *store.Batch.
type Putter interface {
	Put([]byte) (digest.Digest, error)
}

// readTree returns the entries of a directory's object.
func readTree(st Getter, d digest.Digest) ([]Entry, error) {
	b, err := st.Get(d)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(b)
	if err != nil {
		return nil, fmt.Errorf("tree %s: %w", d.Short(), err)
	}
	return entries, nil
}

// find returns the entry of a name in a sorted list, or nil.
func find(entries []Entry, name string) *Entry {
	lo, hi := 0, len(entries)
	for lo < hi {
		if m := int(uint(lo+hi) >> 1); entries[m].Name < name {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if lo < len(entries) && entries[lo].Name == name {
		return &entries[lo]
	}
	return nil
}

// A budget bounds what a walk through a tree may meet: directories that share
// objects can make a small store name more paths than there are atoms.
type budget int

func (n *budget) spend(count, depth int) error {
	if *n += budget(count); *n > MaxPaths {
		return fmt.Errorf("tree: more than %d paths", MaxPaths)
	}
	if depth > workspace.MaxTreeDepth {
		return fmt.Errorf("tree: deeper than %d names", workspace.MaxTreeDepth)
	}
	return nil
}

// measure returns the number of paths in a tree, which it reads once for each
// object: without walking through what hostile ones pretend to hold.
func measure(st Getter, tree digest.Digest) (int, error) {
	type size struct{ paths, depth int }
	known := map[digest.Digest]size{}
	var of func(tree digest.Digest, depth int) (size, error)
	of = func(tree digest.Digest, depth int) (size, error) {
		if s, ok := known[tree]; ok {
			return s, new(budget).spend(s.paths, depth+s.depth)
		}
		entries, err := readTree(st, tree)
		if err != nil {
			return size{}, err
		}
		total, spent := size{paths: len(entries)}, budget(0)
		if err := spent.spend(len(entries), depth); err != nil {
			return size{}, err
		}
		for _, e := range entries {
			if e.Type != Dir {
				continue
			}
			s, err := of(e.SHA256, depth+1)
			if err == nil {
				err = spent.spend(s.paths, depth)
			}
			if err != nil {
				return size{}, err
			}
			total.paths += s.paths
			total.depth = max(total.depth, s.depth+1)
		}
		known[tree] = total
		return total, nil
	}
	s, err := of(tree, 0)
	return s.paths, err
}

// join puts a name below a directory's path, "" for the top one.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
