package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
)

// A Mending is what [Store.MendExecutions] has found and done.
type Mending struct {
	Executions []Execution    // as they are listed now
	Mended     []string       // what was wrong with the list and is no longer, in words
	Damage     []*DamageError // of the list and of single executions, by path
}

// MendExecutions checks the list of executions, the observations and the
// attachments of each, and what the list and the observations say of each
// other. What follows from the observations is put right in the list.
//
// The digests in the list are all that holds the last line of observations.
// When they differ in a few digits only, the list has changed (two digests of
// different lines have nothing in common); otherwise the line has.
func (s *Store) MendExecutions() (*Mending, error) {
	l, err := durable.Exclusive(s.Path("locks/executions"))
	if err != nil {
		return nil, err
	}
	defer l.Unlock()
	b, err := os.ReadFile(s.Path(executionsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	m := &mender{s: s, list: readable(b)}
	numbers, err := s.executionDirs()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, n := range numbers {
		if err := m.execution(n); err != nil {
			return nil, err
		}
	}
	if err := m.rest(); err != nil {
		return nil, err
	}
	return m.finish(b)
}

// readable returns the executions of all lines that can be read.
func readable(b []byte) map[int64]Execution {
	list := map[int64]Execution{}
	for line := range bytes.Lines(b) {
		var e Execution
		if canon.Unmarshal(bytes.TrimSuffix(line, []byte("\n")), &e) == nil && e.Head != nil {
			list[e.N] = e
		}
	}
	return list
}

type mender struct {
	s    *Store
	list map[int64]Execution // what the list says; those that are done are gone
	out  []Execution
	Mending
}

// execution settles what is true of the execution that has directory n.
func (m *mender) execution(n int64) error {
	listed, isListed := m.list[n]
	delete(m.list, n)
	e, err := m.s.executionOf(n)
	switch {
	case err != nil:
		if isListed {
			m.out = append(m.out, listed)
		}
		return m.damage(err)
	case isListed && !sameButFew(*listed.Head, *e.Head):
		m.out = append(m.out, listed)
		return m.damage(&DamageError{
			Path: observationsFile(n), Record: -1, Offset: m.lastLine(n),
			What: fmt.Sprintf("last line is %s, the list of executions has %s", e.Head.Short(), listed.Head.Short()),
		})
	}
	m.out = append(m.out, e)
	_, err = m.s.Attachments(e)
	return m.damage(err)
}

// sameButFew reports whether two digests are the same but for some digits.
func sameButFew(a, b digest.Digest) bool {
	different := 0
	for i, c := range a.String() {
		if b.String()[i] != byte(c) {
			different++
		}
	}
	return different <= 8
}

func (m *mender) lastLine(n int64) int64 {
	b, err := os.ReadFile(m.s.Path(observationsFile(n)))
	if err != nil {
		return 0
	}
	return int64(bytes.LastIndexByte(bytes.TrimSuffix(b, []byte("\n")), '\n') + 1)
}

// rest keeps what is listed and has no directory: a loss.
func (m *mender) rest() error {
	for _, n := range slices.Sorted(maps.Keys(m.list)) {
		if n < 1 {
			continue
		}
		m.out = append(m.out, m.list[n])
		err := m.damage(&DamageError{Path: observationsFile(n), Record: -1, What: "missing", Err: fs.ErrNotExist})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(m.out, func(a, b Execution) int { return cmp.Compare(a.N, b.N) })
	return nil
}

func (m *mender) damage(err error) error {
	d, ok := errors.AsType[*DamageError](err)
	if ok {
		m.Damage = append(m.Damage, d)
		return nil
	}
	return err
}

// finish writes the list if it is not as it should be.
func (m *mender) finish(was []byte) (*Mending, error) {
	m.Executions = m.out
	var is []byte
	for _, e := range m.out {
		var err error
		if is, err = canon.Append(is, e); err != nil {
			return nil, err
		}
		is = append(is, '\n')
	}
	if !bytes.Equal(was, is) {
		if err := durable.WriteFile(m.s.Path(executionsFile), is, 0o644); err != nil {
			return nil, err
		}
		m.Mended = append(m.Mended, listFault(was, is))
	}
	return &m.Mending, nil
}

// listFault says what was wrong with the list.
func listFault(was, is []byte) string {
	if was == nil {
		return "missing"
	}
	i := 0
	for i < min(len(was), len(is)) && was[i] == is[i] {
		i++
	}
	line := strconv.Itoa(bytes.Count(was[:i], []byte{'\n'}) + 1)
	where := "line " + line + ", byte " + strconv.Itoa(i) + ": "
	switch {
	case i == len(was) && (i == 0 || was[i-1] == '\n'):
		return where + "executions are not listed"
	case i == len(was):
		return where + "the line is torn"
	case i == len(is):
		return where + "more than the executions there are"
	}
	return where + "not what the execution says of itself"
}
