// Package workspace keeps what a mission does to files apart from the
// directory it works in until the mission has ended well, and then applies
// all of it or nothing.
//
//	Dir       the live directory, read through os.Root: no way out of it
//	Overlay   writes and removals over a Reader; steps and branches are children
//	Plan      what applying an overlay will change, path by path, and back
//
// A mission sees its own writes through an [Overlay] and, beneath, what the
// [Reader] holds: in a run the directory, in a replay the record. Everything
// an overlay answers follows from the mission's own writes and from what its
// reader has answered; it looks at nothing else, so that a replay, which has
// no directory, answers alike.
//
// # Paths
//
// A path is relative, with "/" between names, and the same rules hold on every
// system ([CleanPath]). Names of the ignore set are never read, listed or
// written: .env*, .git, .coo, node_modules, .venv, __pycache__, .mypy_cache,
// .pytest_cache, .ruff_cache, .tox.
//
// # Errors
//
// A [*PathError] and a [*ConflictError] follow from the record and may be shown
// to a mission. An [*AccessError] or [*ChangedError] is about this directory at
// this moment: it must end the run.
//
// # Applying
//
// [Prepare] compares every path with its state when the run first touched it
// and makes a [Plan], canonical JSON with the state of each path before and
// after:
//
//	{"changes":[{"after":{"mode":"file","perm":"0644","sha256":"637a…"},
//	             "before":{"mode":"absent"},"path":"out/summary.md"}],
//	 "format":"coo.apply/0","gone":[],"id":"9f86d081884c7d65",
//	 "made":[{"path":"out","perm":"0755"}]}
//
// [Plan.Apply] first writes every new file under a temporary name beside its
// place (".coo-apply-<id>-<n>.new") and syncs it, keeps the old one under a
// second name (".old"), and only then removes, makes directories and renames.
// An error on the way takes everything back, in reverse. When the process dies
// on the way, each path is in its state before or after, and [Plan.Recover]
// carries on from there: forward when any path has changed, back otherwise or
// when forward is impossible.
//
// Applied files have mode 0644 or 0755, whatever the umask; a file that is
// overwritten keeps its permissions, its executable bit included. A file whose
// content is already right is not touched. A hard link is broken, a symbolic
// link at a written path is replaced by the file.
//
// A plan of [NewExact] takes a directory between two states that are known in full,
// for rollbacks: permissions to the last bit, directories without files, links where
// directories were. Locked directories, in which their owner may not change names,
// are unlocked first and locked last; no temporary file is left in one.
//
// Nothing in this package is safe for concurrent use: a mission has one token.
package workspace

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

// A Reader is what an overlay lies on: a [*Dir], something that records what a
// Dir answers, or a record.
type Reader interface {
	// Read returns the content of a regular file and whether it is executable.
	// When there is no regular file the error is [fs.ErrNotExist].
	Read(path string) (data []byte, exec bool, err error)
	// Glob returns the paths of the regular files that match, sorted.
	Glob(pattern string) ([]string, error)
	// Touch is called before a path is first written. It is no reading: it
	// lets a directory notice later that somebody else changed the path.
	Touch(path string) error
}

// The modes of an [Entry] and a [State]. Only a State can be a link.
const (
	Absent = "absent"
	File   = "file"
	Exec   = "exec"
	Link   = "link"
)

// Limits of every workspace. They are part of the limits profile, limits/1.
const (
	MaxFile    = 64 << 20  // bytes of a file that is read or written
	MaxPending = 512 << 20 // bytes written by a run and not yet applied
	MaxList    = 250_000   // paths in a list
	maxBefore  = 1 << 30   // bytes of a file that is overwritten or removed
)

// An Entry is what is at a path: a file, an executable file, or nothing, in
// which case SHA256 is null.
type Entry struct {
	Mode   string         `json:"mode"`
	Path   string         `json:"path"`
	SHA256 *digest.Digest `json:"sha256"`
}

// Footprint returns the canonical list of the entries, sorted by the bytes of
// their paths. Its digest is the footprint tree of the record:
//
//	[{"mode":"file","path":"notes.txt","sha256":"98ae…"},{"mode":"absent","path":"old.txt","sha256":null}]
//
// A path given twice is an error.
func Footprint(entries []Entry) ([]byte, error) {
	s := slices.Clone(entries)
	sortEntries(s)
	for i := range s {
		if i > 0 && s[i].Path == s[i-1].Path {
			return nil, fmt.Errorf("footprint: %q: twice", s[i].Path)
		}
	}
	if s == nil {
		return []byte("[]"), nil
	}
	return canon.Marshal(s)
}

func sortEntries(s []Entry) {
	slices.SortFunc(s, func(a, b Entry) int { return cmp.Compare(a.Path, b.Path) })
}
