package replay

import (
	"fmt"
	"io/fs"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/mission"
)

// recorded answers for files and environment variables from a run's input
// records.
type recorded struct {
	inputs map[inputKey]*digest.Digest
	blob   func(digest.Digest) ([]byte, error)
}

type inputKey struct{ kind, name string }

// An unrecordedError ends a replay that asks for an input which the recorded
// run never took.
type unrecordedError struct{ kind, name string }

func (e *unrecordedError) Error() string {
	switch e.kind {
	case "list":
		return fmt.Sprintf("list the files %q", e.name)
	case "env":
		return "read the environment variable " + e.name
	}
	return fmt.Sprintf("read the file %q", e.name)
}

func newRecorded(records []flight.Record, blob func(digest.Digest) ([]byte, error)) *recorded {
	r := &recorded{inputs: map[inputKey]*digest.Digest{}, blob: blob}
	for _, rec := range records {
		if in, ok := rec.(*flight.Input); ok {
			r.inputs[inputKey{in.Kind, in.Name}] = in.SHA256
		}
	}
	return r
}

func (r *recorded) find(kind, name string) ([]byte, bool, error) {
	d, ok := r.inputs[inputKey{kind, name}]
	if !ok {
		return nil, false, mission.Fatal(&unrecordedError{kind, name})
	}
	if d == nil {
		return nil, false, nil
	}
	b, err := r.blob(*d)
	return b, true, mission.Fatal(err)
}

// Read returns the file's recorded content.
func (r *recorded) Read(path string) ([]byte, bool, error) {
	b, ok, err := r.find("file", path)
	if err == nil && !ok {
		err = &absentError{path}
	}
	return b, false, err
}

// Glob returns the recorded listing.
func (r *recorded) Glob(pattern string) ([]string, error) {
	b, _, err := r.find("list", pattern)
	if err != nil {
		return nil, err
	}
	var paths []string
	if err := canon.Unmarshal(b, &paths); err != nil {
		return nil, mission.Fatal(fmt.Errorf("the recorded listing of %q: %w", pattern, err))
	}
	return paths, nil
}

// Touch looks at nothing: a replay writes nothing.
func (*recorded) Touch(string) error { return nil }

// Env returns the variable's recorded value.
func (r *recorded) Env(name string) (string, bool, error) {
	b, ok, err := r.find("env", name)
	return string(b), ok, err
}

// An absentError says that a file was not there when the run was recorded.
type absentError struct{ path string }

func (e *absentError) Error() string        { return fmt.Sprintf("%q: no such file", e.path) }
func (e *absentError) Is(target error) bool { return target == fs.ErrNotExist }
