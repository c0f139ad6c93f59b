// Package snapshot keeps whole workspaces: what every file, directory and link of
// a directory was, so that it can be compared and put back exactly.
//
//	Take       a directory to a tree in the store
//	Diff       two trees to the paths that differ
//	Overlay    a tree and the writes of a mission to the tree they make
//	Restore    a tree to a new directory
//	Prepare    a directory and a tree to a workspace.Plan between them
//
// # Trees
//
// A tree is one object for each directory, canonical JSON, a blob of the store;
// the digest of the top one names the whole (docs/format/workspace.md):
//
//	{"entries":[{"mode":"0644","name":"notes.txt","sha256":"444e…","size":6,"type":"file"},
//	            {"mode":"0755","name":"out","sha256":"1f7c…","type":"dir"},
//	            {"name":"today","target":"notes.txt","type":"link"}],
//	 "format":"coo.tree/0"}
//
// Names, permissions, contents and link targets are in it; times, owners, inode
// numbers and the permissions of the top directory are not. Nor is what lies
// outside of a snapshot: the ignore set of package workspace, what .cooignore
// files name (in git's syntax), and files that hold a known secret.
//
// # What a snapshot costs
//
// [Take] reads a file only when its size, times, inode or mode differ from those
// the stat cache remembers, or when the file is so young that a change might not
// show in them (git calls such an entry racy). The cache holds nothing that is not
// in the directory: without it, or when a byte of it is wrong, everything is read.
package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
)

// IgnoreFile is the name of the files that say what is outside of a snapshot.
const IgnoreFile = ".cooignore"

// Options of [Take] and [Prepare]. The zero value is useful.
type Options struct {
	// Scan returns a new scanner for one file, name or link target. One in which it finds a known
	// secret is left out, and none of it is stored.
	Scan func() Scanner
	// ScanID stands for what Scan looks for. Only files that were scanned under the
	// same ScanID are taken from the stat cache; when Scan is set and ScanID is
	// empty, every file is read. It is stored, so it must tell nothing of a secret.
	ScanID string
	// Omit are files that are not part of the workspace although they lie in
	// it, such as the one that coo's own output goes to.
	Omit []fs.FileInfo
	// NoCache neither reads nor writes the stat cache.
	NoCache bool
	// Workers is the number of files read at once; 0 means GOMAXPROCS.
	Workers int
}

// A Scanner is written the bytes of one file in order.
type Scanner interface {
	Write(p []byte) (n int, err error)
	// Found reports whether there was a secret in what was written.
	Found() bool
}

// A Snapshot is a tree and what was met on the way.
type Snapshot struct {
	Tree     digest.Digest
	Problems []Problem // what the tree does not hold, sorted by path
	Notes    []Problem // what it holds, but not all of, such as hard links
	Secrets  []string  // files left out because they hold a secret, sorted
	Files    int       // regular files in the tree
	Bytes    int64     // their length
	Read     int       // files whose content was read
}

// Why something is a [Problem].
const (
	Socket     = "a socket"
	Pipe       = "a named pipe"
	Device     = "a device"
	Unreadable = "not readable"
	Changing   = "changing while it is read"
	BadName    = "a name that is not UTF-8"
	BadTarget  = "a link whose target is not UTF-8"
	TooLong    = "a path that is too long"
	BadIgnore  = "an ignore file that is too long or no regular file"
	HardLink   = "one of several hard links: its content is kept, not that they are one file"
)

// A Problem is a path that a snapshot cannot keep right.
type Problem struct {
	Path string // as the system has it: not always UTF-8
	What string
}

func (p Problem) String() string { return fmt.Sprintf("%q: %s", p.Path, p.What) }

// Take stores the directory root as a tree in st, durably. It changes nothing in
// the directory. Paths that cannot be kept right are in the result, not an error.
func Take(root string, st *store.Store, opts Options) (*Snapshot, error) {
	w, err := take(root, st, opts, nil)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return w.snapshot(), nil
}

// take walks root. target, when not nil, is a tree whose paths are looked at even
// where ignore files name them, and whose ignore files count too.
func take(root string, st *store.Store, opts Options, target *digest.Digest) (*walker, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	top, err := os.OpenRoot(abs)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	batch, err := st.NewBatch()
	if err != nil {
		return nil, err
	}
	defer batch.Discard()
	w := newWalker(st, batch, opts)
	old, err := openCache(st, abs, opts)
	if err != nil {
		return nil, err
	}
	w.old = old
	var also *side
	if target != nil {
		if also, err = w.side(nil, "", *target); err != nil {
			return nil, err
		}
	}
	w.tree, _ = w.dir(top, place{}, nil, also)
	if err := cmp.Or(w.err, batch.Commit()); err != nil {
		return nil, err
	}
	if w.tree.IsZero() {
		return nil, &os.PathError{Op: "read", Path: root, Err: errors.New(Unreadable)}
	}
	return w, old.write(w)
}

func (w *walker) snapshot() *Snapshot {
	byPath := func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.What, b.What)) }
	slices.SortFunc(w.problems, byPath)
	slices.SortFunc(w.notes, byPath)
	slices.Sort(w.secrets)
	return &Snapshot{
		Tree: w.tree, Problems: w.problems, Notes: w.notes, Secrets: w.secrets,
		Files: w.files, Bytes: w.bytes, Read: w.read,
	}
}
