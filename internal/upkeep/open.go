package upkeep

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
)

// openFiles are the files of a run in progress.
var openFiles = []string{"journal", "lock", "observations.jsonl", "state", "state.tmp"}

// open checks the runs in open/. One that came to no end is no damage; bytes
// of its journal that were on disk once and are not now are.
func (k *checker) open() error {
	dirs, live, err := openDirs(k.c.Store)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		in, err := list(k.c.Store, dir)
		if err != nil {
			return err
		}
		if len(in) == 0 {
			continue // being made, or a leftover
		}
		for _, f := range in {
			if !slices.Contains(openFiles, f.Name()) && !flight.IsSpool(f.Name()) {
				k.stray(path.Join(dir, f.Name()))
			}
		}
		if err := k.openRun(dir, live[dir]); err != nil {
			return err
		}
	}
	entries, err := list(k.c.Store, "open")
	for _, e := range entries {
		if !e.IsDir() {
			k.stray("open/" + e.Name())
		}
	}
	return err
}

func (k *checker) openRun(dir string, live bool) error {
	r, err := loadOpen(k.c.Store, dir, live)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // sealed or removed meanwhile
	}
	what := "the incomplete run " + dir
	if live {
		k.rep.Live++
		what = "the run in progress " + dir
	} else {
		i := describe(k.c.Store, dir, r)
		k.rep.Incomplete = append(k.rep.Incomplete, i)
		if i.Ref != dir {
			what = "the incomplete run " + i.Ref
		}
		if i.Name != "" {
			what += " (" + i.Name + ")"
		}
	}
	if b, err := os.ReadFile(k.c.Store.Path(dir + "/state")); err == nil && !live {
		// It is never synced, so a power cut may leave anything.
		var st store.State
		if canon.Unmarshal(bytes.TrimSuffix(b, []byte("\n")), &st) != nil {
			k.note(dir+"/state", "cannot be read: mission and reason are not known")
		}
	}
	if err != nil {
		return k.add(unreadable(dir+"/journal", err), what)
	}
	if r.Dropped > 0 && !live {
		k.note(dir+"/journal", fmt.Sprintf("the last %d bytes are of a record that was never finished", r.Dropped))
	}
	if !live {
		for _, s := range r.Spools {
			k.note(dir+"/"+s.File(), fmt.Sprintf("%d bytes of %s", s.Size, s.What()))
		}
	}
	k.journals = append(k.journals, r)
	err = k.g.run(r, func(rec flight.Record, name flight.Name, faults []string) {
		k.hit(faults, what)
		k.hint(r, rec, name, faults)
	})
	if err != nil && goneMeanwhile(k.c.Store, dir) {
		return nil
	}
	if err != nil {
		return err
	}
	faults, err := k.g.attached(r.Attached)
	if err != nil {
		return err
	}
	k.hit(faults, what)
	return k.observed(dir, what)
}

// loadOpen reads a journal. One that is written meanwhile may look damaged
// where its end was, for a moment.
func loadOpen(st *store.Store, dir string, live bool) (r *flight.Run, err error) {
	for range 5 {
		r, err = flight.LoadOpen(st, dir)
		if _, damaged := errors.AsType[*store.DamageError](err); !damaged || !live {
			break
		}
	}
	return r, err
}

func goneMeanwhile(st *store.Store, dir string) bool {
	_, err := os.Lstat(st.Path(dir))
	return errors.Is(err, fs.ErrNotExist)
}

// observed checks what was observed of a run so far; it was not synced.
func (k *checker) observed(dir, what string) error {
	name := dir + "/observations.jsonl"
	b, err := os.ReadFile(k.c.Store.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, _, err = store.ParseObservations(b, true)
	}
	if d, ok := errors.AsType[*store.DamageError](err); ok {
		d.Path = name
	}
	return k.add(unreadable(name, err), what)
}
