package store

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
)

// FlightFile is the name of the records in a run's directory.
const FlightFile = "flight.jsonl"

// RunPath returns the slash-separated path of a run's records in the store.
func RunPath(id digest.Digest) string { return "runs/" + id.String() + "/" + FlightFile }

// AddRun writes the records of run id, durably, and reports whether it was
// new. The records of a run that is there already must be the same bytes: if
// they are not, the error is a [*DamageError].
func (s *Store) AddRun(id digest.Digest, write func(w io.Writer) error) (created bool, err error) {
	done, err := s.writing()
	if err != nil {
		return false, err
	}
	defer done()
	tmp, err := s.tempDir()
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(tmp) // fails, harmlessly, once it is renamed
	name := filepath.Join(tmp, FlightFile)
	if err := writeSynced(name, write); err != nil {
		return false, err
	}
	if err := durable.SyncDir(tmp); err != nil {
		return false, err
	}
	final := s.Path("runs/" + id.String())
	if _, err := os.Stat(final); err != nil {
		err := publish(tmp, final)
		if err == nil || !errors.Is(err, os.ErrExist) {
			return err == nil, err
		}
	}
	if err := sameFile(name, filepath.Join(final, FlightFile), RunPath(id)); err != nil {
		return false, err
	}
	// Whoever published it may have been killed before it synced the name.
	return false, durable.SyncDir(s.Path("runs"))
}

func writeSynced(name string, write func(w io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return cmp.Or(err, f.Close())
}

// sameFile compares what would be written with what is there under rel.
func sameFile(want, got, rel string) error {
	w, err := os.ReadFile(want)
	if err != nil {
		return err
	}
	g, err := os.ReadFile(got)
	if errors.Is(err, os.ErrNotExist) {
		return &DamageError{Path: rel, Record: -1, What: "missing", Err: os.ErrNotExist}
	}
	if err != nil {
		return err
	}
	if bytes.Equal(w, g) {
		return nil
	}
	i := 0
	for i < min(len(w), len(g)) && w[i] == g[i] {
		i++
	}
	return &DamageError{
		Path: rel, Record: int64(bytes.Count(g[:i], []byte("\n"))), Offset: int64(i),
		What: "differs from the same run made again",
	}
}
