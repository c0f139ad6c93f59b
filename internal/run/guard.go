package run

import (
	"fmt"
	"maps"
	"slices"

	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// A SecretError ends a run that was about to write a secret to disk.
type SecretError struct {
	Where string // does not hold the secret itself
	Hit   wire.Hit
}

func (e *SecretError) Error() string {
	return fmt.Sprintf("%s holds the value of the secret %s (%s) and would be stored; give secrets with coo.secret(%q)",
		e.Where, e.Hit.Name, e.Hit.Form, e.Hit.Name)
}

// guard refuses content that holds a known secret before it is hashed or
// written.
func (w *world) guard(where string, content ...[]byte) error {
	return fatal(guard(w.secrets, where, content...))
}

func guard(s *wire.Secrets, where string, content ...[]byte) error {
	if s == nil {
		return nil
	}
	for _, b := range content {
		if hit, ok := s.Find(b); ok {
			// It is shown and kept why a run ended: a path or URL may hold
			// the secret too.
			return &SecretError{Where: string(s.Replace([]byte(where))), Hit: hit}
		}
	}
	return nil
}

// guardWords is guard for the words that stand in a record itself. Most come
// from the mission's source, which was searched whole, but a mission can put
// them together.
func (w *world) guardWords(r flight.Record) error {
	if w.secrets == nil {
		return nil
	}
	const failure = "an error message"
	switch r := r.(type) {
	case *flight.Open:
		for _, name := range slices.Sorted(maps.Keys(r.Args)) {
			if err := w.guard("the name of an argument", []byte(name)); err != nil {
				return err
			}
		}
		for _, f := range r.Mission.Files {
			if err := w.guard("the path of a mission file", []byte(f.Path)); err != nil {
				return err
			}
		}
	case *flight.Input:
		return w.guard("the name of an input", []byte(r.Name))
	case *flight.Write:
		return w.guard("the path of a file", []byte(r.Path))
	case *flight.Step:
		return w.guard("the name of a step", []byte(r.Name))
	case *flight.Rollback:
		return w.guard(failure, []byte(r.Why))
	case *flight.StepEnd:
		return w.guard(failure, []byte(r.Error))
	case *flight.BranchEnd:
		return w.guard(failure, []byte(r.Error))
	case *flight.End:
		return w.guard(failure, []byte(r.Error))
	}
	return nil
}
