package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
)

// A Handle is what a reference on the command line means.
type Handle struct {
	Sealed    bool
	ID        digest.Digest // of a sealed run; else the zero Digest
	Dir       string        // runs/<id> or open/<random>, slash-separated, in the store
	Execution *Execution    // the one asked for, or the newest of the run; may be nil
}

// An OpenRun is a run that is not sealed.
type OpenRun struct {
	Dir   string // open/<random>, slash-separated, in the store
	Live  bool   // a process is working on it
	State State
}

// A State says what is known of a run in open/; it is the file "state" there.
type State struct {
	Name    string `json:"name"`    // of the mission
	Reason  string `json:"reason"`  // why it was given up; empty: running or killed
	Started string `json:"started"` // RFC 3339, UTC
}

// WriteState replaces the state of the named run in open/. It is not synced:
// nothing depends on it.
func (s *Store) WriteState(name string, st State) error {
	b, err := canon.Marshal(st)
	if err != nil {
		return err
	}
	tmp := filepath.Join(s.OpenDir(name), "state.tmp")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(s.OpenDir(name), "state"))
}

// ReadState returns the state of the run in dir, open/<random>. One that a
// kill has left unreadable says nothing.
func (s *Store) ReadState(dir string) State {
	var st State
	b, err := os.ReadFile(s.Path(dir + "/state"))
	if err != nil || canon.Unmarshal([]byte(strings.TrimSuffix(string(b), "\n")), &st) != nil {
		return State{}
	}
	return st
}

// OpenRuns returns the runs in progress and the incomplete ones, the newest
// last and live ones after the others.
func (s *Store) OpenRuns() ([]OpenRun, error) {
	entries, err := os.ReadDir(s.Path("open"))
	if err != nil {
		return nil, err
	}
	var out []OpenRun
	for _, e := range entries {
		r := OpenRun{Dir: "open/" + e.Name()}
		if _, err := os.Stat(s.Path(r.Dir + "/lock")); err != nil {
			continue
		}
		if l, err := durable.TryShared(s.Path(r.Dir + "/lock")); err == nil {
			l.Unlock()
		} else {
			r.Live = true
		}
		r.State = s.ReadState(r.Dir)
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b OpenRun) int {
		if a.Live != b.Live {
			if a.Live {
				return 1
			}
			return -1
		}
		return strings.Compare(a.State.Started, b.State.Started)
	})
	return out, nil
}

// Resolve finds what a reference names: a run's ID or a unique prefix of it
// of four digits or more, "#17", "@last" (the execution with the highest
// number) or "@open" (the run in progress, else the newest incomplete one).
// References "~prefix" are resolved by package flight.
func (s *Store) Resolve(ref string) (Handle, error) {
	switch {
	case ref == "@open":
		open, err := s.OpenRuns()
		if err != nil {
			return Handle{}, err
		}
		if len(open) == 0 {
			return Handle{}, fmt.Errorf("no run %q: none is in progress or incomplete", ref)
		}
		return Handle{Dir: open[len(open)-1].Dir}, nil
	case ref == "@last" || strings.HasPrefix(ref, "#"):
		return s.resolveExecution(ref)
	}
	return s.resolvePrefix(ref)
}

func (s *Store) resolveExecution(ref string) (Handle, error) {
	es, err := s.Executions()
	if err != nil {
		return Handle{}, err
	}
	for _, e := range slices.Backward(es) {
		if ref == "@last" || ref[1:] == strconv.FormatInt(e.N, 10) {
			return sealed(e.Run, &e), nil
		}
	}
	if ref == "@last" {
		return Handle{}, fmt.Errorf("no run %q: nothing was run here yet", ref)
	}
	return Handle{}, noRun(ref)
}

func (s *Store) resolvePrefix(ref string) (Handle, error) {
	if len(ref) < 4 {
		return Handle{}, fmt.Errorf("run %q: a prefix has four digits or more", ref)
	}
	ids, err := s.Runs()
	if err != nil {
		return Handle{}, err
	}
	ids = slices.DeleteFunc(ids, func(d digest.Digest) bool { return !strings.HasPrefix(d.String(), ref) })
	switch len(ids) {
	case 0:
		return Handle{}, noRun(ref)
	case 1:
	default:
		names := make([]string, 0, 4)
		for _, d := range ids[:min(len(ids), 4)] {
			names = append(names, d.String()[:max(len(ref)+4, 12)])
		}
		return Handle{}, fmt.Errorf("run %q: %d runs begin so: %s", ref, len(ids), strings.Join(names, ", "))
	}
	es, err := s.Executions()
	if err != nil {
		return Handle{}, err
	}
	for _, e := range slices.Backward(es) {
		if e.Run == ids[0] {
			return sealed(ids[0], &e), nil
		}
	}
	return sealed(ids[0], nil), nil
}

func noRun(ref string) error { return fmt.Errorf("no run %q: coo logs lists them", ref) }

func sealed(id digest.Digest, e *Execution) Handle {
	return Handle{Sealed: true, ID: id, Dir: "runs/" + id.String(), Execution: e}
}
