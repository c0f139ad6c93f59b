// Package upkeep looks after a whole store: it removes what nothing names
// ([Collect]) and checks everything that is there ([Check]).
//
// Both follow the same names. A blob is named by
//
//   - the records of a sealed run, and the documents they name in turn;
//   - the records of a run in open/ that its journal does not hold itself;
//   - the attachments of an execution or of a run in open/: a member "tree"
//     is a whole tree ([Walker]), any other digest is a blob if the store has it;
//   - a workspace change in apply/, what was there before and what comes after;
//   - what other parts of coo keep ([Config.Roots]).
//
// A blob in pieces names its pieces.
//
// Collecting is safe beside other commands because it is never beside them:
// each command uses the store while it lives ([store.Store.Use]), a collection
// is alone with it ([store.Store.Alone]) and does not wait for that. It removes
// only what nothing names, runs that are given up before their blobs, and
// lists before pieces, so a kill or a power cut at any moment leaves a store
// in which every run verifies. When a name cannot be followed, because
// something is damaged, nothing is removed: the copy that would mend it may
// need what seems to be unnamed.
package upkeep

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/store"
)

// A Walker calls blob with every blob of a tree: the tree's own, those of the
// trees in it, and the contents of their files. What is missing or wrong of
// the trees themselves is a [*store.DamageError].
type Walker func(tree digest.Digest, blob func(digest.Digest)) error

// A Root is a blob that some other part of coo keeps.
type Root struct {
	Blob digest.Digest
	Tree bool   // it is a tree, with all that is in it
	By   string // who needs it, in words, such as "rollback #4"
}

// A Config says what to look after. Only Store is needed.
type Config struct {
	Store *store.Store
	Walk  Walker                 // nil: an attachment with a tree is an error
	Roots func() ([]Root, error) // what other parts keep, asked once all is still
	Dirs  []string               // names in the store that are theirs
}

// A Tally counts files and their bytes.
type Tally struct {
	N     int
	Bytes int64
}

func (t *Tally) add(bytes int64) {
	t.N++
	t.Bytes += bytes
}

// known are the names in the store's directory.
var known = []string{
	".gitignore", "apply", "blobs", "executions", "executions.jsonl", "format",
	"locks", "open", "replays", "runs", "tmp",
}

// A leftover is what a killed process has left: nothing needs it.
type leftover struct {
	path  string // slash-separated, in the store
	bytes int64
}

// leftovers lists temporary files and directories, by path. Without other
// processes they are all leftovers.
func leftovers(c Config) ([]leftover, error) {
	var paths []string
	inDir := func(dir string, is func(name string) bool) error {
		entries, err := list(c.Store, dir)
		for _, e := range entries {
			if is(e.Name()) {
				paths = append(paths, path.Join(dir, e.Name()))
			}
		}
		return err
	}
	err := inDir("tmp", func(string) bool { return true })
	for _, dir := range append([]string{".", "apply", "replays"}, c.Dirs...) {
		err = cmp.Or(err, inDir(dir, temporary))
	}
	open, oerr := list(c.Store, "open")
	for _, e := range open {
		dir := path.Join("open", e.Name())
		if in, err := list(c.Store, dir); err == nil && e.IsDir() && len(in) == 0 {
			paths = append(paths, dir) // killed before it was locked
		}
		err = cmp.Or(err, inDir(dir, func(name string) bool { return name == "state.tmp" }))
	}
	if err := cmp.Or(err, oerr); err != nil {
		return nil, err
	}
	slices.Sort(paths)
	out := make([]leftover, len(paths))
	for i, p := range paths {
		out[i] = leftover{p, sizeOf(c.Store, p)}
	}
	return out, nil
}

func removeLeftovers(st *store.Store, all []leftover) error {
	for _, l := range all {
		if err := os.RemoveAll(st.Path(l.path)); err != nil {
			return err
		}
	}
	return nil
}

// list lists a directory of the store, which need not be there, nor be one.
func list(st *store.Store, dir string) ([]fs.DirEntry, error) {
	fi, err := os.Lstat(st.Path(dir))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !fi.IsDir() {
		return nil, nil
	}
	entries, err := os.ReadDir(st.Path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return entries, err
}

// sizeOf adds up the regular files at and below a path of the store.
func sizeOf(st *store.Store, rel string) (n int64) {
	fs.WalkDir(os.DirFS(st.Dir()), rel, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone meanwhile
		}
		if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() {
			n += fi.Size()
		}
		return nil
	})
	return n
}

// openDirs returns the directories in open/, in order, with whether a process
// is working on each.
func openDirs(st *store.Store) (dirs []string, live map[string]bool, err error) {
	entries, err := list(st, "open")
	if err != nil {
		return nil, nil, err
	}
	live = map[string]bool{}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		dir := path.Join("open", e.Name())
		lock := st.Path(path.Join(dir, "lock"))
		if _, err := os.Lstat(lock); err == nil {
			l, err := durable.TryShared(lock)
			if err == nil {
				l.Unlock()
			}
			live[dir] = errors.Is(err, durable.ErrLocked)
		}
		dirs = append(dirs, dir)
	}
	return dirs, live, nil
}
