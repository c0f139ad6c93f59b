package snapshot

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// RestoresDir is the name of the directory in a store that says which
// directories are being restored. Each file is one canonical line:
//
//	{"dir":"out","format":"coo.restore/0","id":"9f86d081884c7d65"}
//
// dir is from the directory that holds the store, or absolute, and id that of
// the directory beside it, .coo-restore-<id>, in which the state is made. The
// file's name begins the SHA-256 of dir; it is there, durably, before that
// directory, and goes, durably, after it.
const RestoresDir = "restores"

const restoreFormat = "coo.restore/0"

// A restoreIntent says where a restore that is on its way builds.
type restoreIntent struct {
	Dir    string `json:"dir"`
	Format string `json:"format"`
	ID     string `json:"id"`
}

func restoreKey(place string) string { return digest.Of([]byte(place)).String()[:16] }

func restoreLock(place string) string { return "locks/restore-" + restoreKey(place) }

func (in restoreIntent) file() string { return path.Join(RestoresDir, restoreKey(in.Dir)) }

// temp returns the directory beside the one to come.
func (in restoreIntent) temp(st *store.Store) string {
	return filepath.Join(filepath.Dir(st.PlaceOf(in.Dir)), workspace.RestorePrefix+in.ID)
}

func intendRestore(st *store.Store, place string) (restoreIntent, error) {
	var id [8]byte
	rand.Read(id[:])
	in := restoreIntent{Dir: place, Format: restoreFormat, ID: hex.EncodeToString(id[:])}
	line, err := canon.Marshal(in)
	if err != nil {
		return in, err
	}
	if err := durable.MkdirAll(st.Path(RestoresDir), 0o755); err != nil {
		return in, err
	}
	return in, durable.WriteFile(st.Path(in.file()), append(line, '\n'), 0o644)
}

// clear removes what was built and not put in place, durably, and then the
// intent. It reports whether there was anything.
func (in restoreIntent) clear(st *store.Store) (found bool, err error) {
	temp := in.temp(st)
	if _, err := os.Lstat(temp); err == nil {
		found = true
	}
	// Also where nothing is left: whoever removed it, or put it in place, may
	// have died before the sync.
	err = cmp.Or(removeAll(temp), durable.SyncDir(filepath.Dir(temp)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // the directory around it is gone, with all in it
		return found, fmt.Errorf("%s, in which it was being made, stays: %w", filepath.Base(temp), bare(err))
	}
	return found, in.drop(st)
}

// drop takes the intent back, durably.
func (in restoreIntent) drop(st *store.Store) error {
	if err := os.Remove(st.Path(in.file())); err != nil {
		return err
	}
	return durable.SyncDir(st.Path(RestoresDir))
}

var restoreID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// readRestore reads an intent; fs.ErrNotExist if it is gone meanwhile.
func readRestore(st *store.Store, name string) (in restoreIntent, err error) {
	name = path.Join(RestoresDir, name)
	b, err := os.ReadFile(st.Path(name))
	if err != nil {
		return in, err
	}
	damage := &store.DamageError{Path: name, Record: -1, What: "not an intent to restore"}
	if len(b) == 0 || b[len(b)-1] != '\n' || canon.Unmarshal(b[:len(b)-1], &in) != nil {
		return in, damage
	}
	// What it names is removed, so it must be a name that coo gives.
	if in.Format != restoreFormat || !restoreID.MatchString(in.ID) || in.file() != name || st.Place(st.PlaceOf(in.Dir)) != in.Dir {
		return in, damage
	}
	return in, nil
}

// clearRestore removes what an earlier try at the same place has left. The
// caller holds the lock.
func clearRestore(st *store.Store, place string) (found bool, err error) {
	in, err := readRestore(st, restoreKey(place))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return in.clear(st)
}

// An InterruptedRestore tells of a restore that a crash had interrupted before
// its directory was in place.
type InterruptedRestore struct {
	Dir string // as [store.Store.Place] has it
	Err error  // why what it left could not be removed; nil: it is removed
}

// RecoverRestores removes what interrupted restores have left beside the
// directories that they were to make. A restore that had put its directory in
// place has left nothing, and is not told of.
func RecoverRestores(st *store.Store) ([]InterruptedRestore, error) {
	entries, err := os.ReadDir(st.Path(RestoresDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []InterruptedRestore
	for _, e := range entries {
		if !restoreID.MatchString(e.Name()) {
			continue // on its way to its name, or nobody's
		}
		in, err := readRestore(st, e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // its own process was faster
		}
		if err != nil {
			return out, err
		}
		if r := recoverRestore(st, in); r != nil {
			out = append(out, *r)
		}
	}
	return out, nil
}

// recoverRestore returns nil when there is nothing to tell.
func recoverRestore(st *store.Store, in restoreIntent) *InterruptedRestore {
	lock, err := durable.TryLock(st.Path(restoreLock(in.Dir)))
	if errors.Is(err, durable.ErrLocked) {
		return nil // it goes on
	}
	if err != nil {
		return &InterruptedRestore{Dir: in.Dir, Err: bare(err)}
	}
	defer lock.Unlock()
	found, err := clearRestore(st, in.Dir)
	if !found && err == nil {
		return nil
	}
	return &InterruptedRestore{Dir: in.Dir, Err: err}
}
