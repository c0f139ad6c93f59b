package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
)

// An Execution is one time that a run was produced. Everything in it is an
// observation: no run's ID depends on it.
type Execution struct {
	N       int64         `json:"n"` // from 1, per store
	Run     digest.Digest `json:"run"`
	Name    string        `json:"name"`    // of the mission
	Outcome string        `json:"outcome"` // ok, failed
	Started string        `json:"started"` // RFC 3339, UTC
	Millis  int64         `json:"millis"`  // wall-clock time it took
	Live    int64         `json:"live"`    // calls that were sent
	Frozen  int64         `json:"frozen"`  // calls answered from records
	// Open is the name its directory had in open/, by which an interrupted
	// sealing knows its execution again.
	Open string `json:"open"`
	// Attached is the SHA-256 of the last line of its attachments; absent
	// when it has none.
	Attached *digest.Digest `json:"attached,omitempty"`
	// Head is the SHA-256 of the last line of its observations; absent in
	// the first line of that file, which is this same object.
	Head *digest.Digest `json:"head,omitempty"`
}

const executionsFile = "executions.jsonl"

func observationsFile(n int64) string {
	return "executions/" + strconv.FormatInt(n, 10) + "/observations.jsonl"
}

func attachmentsFile(n int64) string {
	return "executions/" + strconv.FormatInt(n, 10) + "/attachments.jsonl"
}

// AppendExecution numbers an execution, stores its observations and its
// attachments (canonical values) in executions/<n> and then adds its line to
// executions.jsonl, durably. The fields N, Attached and Head are set here. An execution
// with the same name Open that is in the list already is left alone, and its
// number returned.
func (s *Store) AppendExecution(e Execution, observations, attachments [][]byte) (n int64, err error) {
	l, err := durable.Exclusive(s.Path("locks/executions"))
	if err != nil {
		return 0, err
	}
	defer l.Unlock()
	known, size, err := s.readExecutions()
	if err != nil {
		return 0, err
	}
	// An execution whose writer died before the list had it.
	if known, size, err = s.adopt(known, size); err != nil {
		return 0, err
	}
	for _, k := range known {
		if e.Open != "" && k.Open == e.Open {
			return k.N, s.settleList()
		}
	}
	e.N, e.Head, e.Attached = 1, nil, nil
	if len(known) > 0 {
		e.N = known[len(known)-1].N + 1
	}
	attached, last := chained(attachments)
	if len(attachments) > 0 {
		e.Attached = &last
	}
	first, err := canon.Marshal(e)
	if err != nil {
		return 0, err
	}
	observed, head := chained(append([][]byte{first}, observations...))
	if err := s.writeExecution(e.N, observed, attached); err != nil {
		return 0, err
	}
	e.Head = &head
	return e.N, s.appendLine(e, size)
}

// chained returns values as the lines of an observation file, and the digest
// of the last.
func chained(values [][]byte) ([]byte, digest.Digest) {
	var o Observations
	var out []byte
	for _, v := range values {
		out = o.Append(out, v)
	}
	return out, o.Head()
}

// writeExecution makes the directory of execution n, whole or not at all.
func (s *Store) writeExecution(n int64, observed, attached []byte) error {
	done, err := s.writing()
	if err != nil {
		return err
	}
	defer done()
	tmp, err := s.tempDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // fails, harmlessly, once it is renamed
	if err := durable.WriteFile(filepath.Join(tmp, "observations.jsonl"), observed, 0o644); err != nil {
		return err
	}
	if len(attached) > 0 {
		if err := durable.WriteFile(filepath.Join(tmp, "attachments.jsonl"), attached, 0o644); err != nil {
			return err
		}
	}
	return publish(tmp, s.Path("executions/"+strconv.FormatInt(n, 10)))
}

// publish gives a directory that was made in tmp its name.
func publish(tmp, name string) error {
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.Rename(tmp, name); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(name))
}

// appendLine adds e to the list, whose whole lines are size bytes long.
func (s *Store) appendLine(e Execution, size int64) error {
	line, err := canon.Marshal(e)
	if err != nil {
		return err
	}
	_, statErr := os.Stat(s.Path(executionsFile))
	f, err := os.OpenFile(s.Path(executionsFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	// A torn line of a writer that was killed goes: adopt has it back whole.
	if err := f.Truncate(size); err != nil {
		return err
	}
	if _, err := f.WriteAt(append(line, '\n'), size); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if statErr != nil {
		return durable.SyncDir(s.dir)
	}
	return nil
}

// settleList makes the list durable, which another process may have written and
// not synced.
func (s *Store) settleList() error {
	f, err := os.OpenFile(s.Path(executionsFile), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	return durable.SyncDir(s.dir)
}

// adopt adds to the list the executions that have a directory with a number
// after the last listed one.
func (s *Store) adopt(known []Execution, size int64) ([]Execution, int64, error) {
	numbers, err := s.executionDirs()
	if err != nil {
		return nil, 0, err
	}
	var last int64
	if len(known) > 0 {
		last = known[len(known)-1].N
	}
	for _, n := range numbers {
		if n <= last {
			continue
		}
		e, err := s.executionOf(n)
		if err != nil {
			return nil, 0, err
		}
		if err := durable.SyncDir(s.Path("executions")); err != nil {
			return nil, 0, err
		}
		if err := s.appendLine(e, size); err != nil {
			return nil, 0, err
		}
		line, err := canon.Marshal(e)
		if err != nil {
			return nil, 0, err
		}
		size += int64(len(line)) + 1
		known = append(known, e)
	}
	return known, size, nil
}

// executionOf reads an execution back from its observations.
func (s *Store) executionOf(n int64) (Execution, error) {
	values, head, err := s.readObservations(n)
	if err != nil {
		return Execution{}, err
	}
	var e Execution
	if len(values) == 0 || canon.Unmarshal(values[0], &e) != nil || e.N != n || e.Head != nil {
		return Execution{}, &DamageError{Path: observationsFile(n), Record: 0, What: "not the facts of execution " + strconv.FormatInt(n, 10)}
	}
	e.Head = &head
	return e, nil
}

// executionDirs returns the numbers in executions/, in order.
func (s *Store) executionDirs() ([]int64, error) {
	entries, err := os.ReadDir(s.Path("executions"))
	if err != nil {
		return nil, err
	}
	var ns []int64
	for _, e := range entries {
		n, err := strconv.ParseInt(e.Name(), 10, 64)
		if err == nil && n > 0 && strconv.FormatInt(n, 10) == e.Name() {
			ns = append(ns, n)
		}
	}
	slices.Sort(ns)
	return ns, nil
}

// Executions returns every execution, in order of their numbers. A list that
// is gone is made again from executions/.
func (s *Store) Executions() ([]Execution, error) {
	if _, err := os.Stat(s.Path(executionsFile)); errors.Is(err, fs.ErrNotExist) {
		if err := s.rebuild(); err != nil {
			return nil, err
		}
	}
	es, _, err := s.readExecutions()
	return es, err
}

// rebuild writes the list of executions anew from the first lines of their
// observations.
func (s *Store) rebuild() error {
	l, err := durable.Exclusive(s.Path("locks/executions"))
	if err != nil {
		return err
	}
	defer l.Unlock()
	numbers, err := s.executionDirs()
	if err != nil || len(numbers) == 0 {
		return err
	}
	var out []byte
	for _, n := range numbers {
		e, err := s.executionOf(n)
		if err != nil {
			return err
		}
		if out, err = canon.Append(out, e); err != nil {
			return err
		}
		out = append(out, '\n')
	}
	return durable.WriteFile(s.Path(executionsFile), out, 0o644)
}

// readExecutions returns the listed executions and the length of their whole
// lines. What follows the last newline was never finished, nor was a last line
// with zeros in it: a power cut can leave the end of a write without its
// beginning.
func (s *Store) readExecutions() ([]Execution, int64, error) {
	b, err := os.ReadFile(s.Path(executionsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, err
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	var es []Execution
	offset := 0
	for line := range bytes.Lines(b) {
		var e Execution
		err := canon.Unmarshal(line[:len(line)-1], &e)
		switch {
		case err == nil && e.Head == nil:
			err = errors.New("no head")
		case err == nil && len(es) > 0 && e.N <= es[len(es)-1].N:
			err = fmt.Errorf("number %d out of order", e.N)
		}
		if err != nil && offset+len(line) == len(b) && bytes.IndexByte(line, 0) >= 0 {
			break
		}
		if err != nil {
			return nil, 0, &DamageError{
				Path: executionsFile, Record: int64(len(es)), Offset: int64(offset),
				What: err.Error() + ": without this file coo makes it again from executions/",
			}
		}
		es = append(es, e)
		offset += len(line)
	}
	return es, int64(offset), nil
}

// Runs returns the IDs of the sealed runs, sorted.
func (s *Store) Runs() ([]digest.Digest, error) {
	entries, err := os.ReadDir(s.Path("runs"))
	if err != nil {
		return nil, err
	}
	var ids []digest.Digest
	for _, e := range entries {
		if d, err := digest.Parse(e.Name()); err == nil {
			ids = append(ids, d)
		}
	}
	slices.SortFunc(ids, func(a, b digest.Digest) int { return cmp.Compare(a.String(), b.String()) })
	return ids, nil
}
