package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

// Observations writes the lines of an observation file, a chain of their own:
//
//	{"n":0,"prev":"0000…","v":{…}}
//
// v is any canonical value; n and prev are those of a record. The zero value
// is at the start of a file.
type Observations struct {
	n    int64
	prev digest.Digest
}

// Append appends the line of a canonical value, with its newline, to dst.
func (o *Observations) Append(dst, value []byte) []byte {
	start := len(dst)
	dst = append(dst, o.prefix()...)
	dst = append(dst, value...)
	dst = append(dst, '}')
	o.prev = digest.Of(dst[start:])
	o.n++
	return append(dst, '\n')
}

// Head returns the digest of the last line; of no line, the zero Digest.
func (o *Observations) Head() digest.Digest { return o.prev }

func (o *Observations) prefix() string {
	return `{"n":` + strconv.FormatInt(o.n, 10) + `,"prev":"` + o.prev.String() + `","v":`
}

// ParseObservations returns the values of an observation file and the digest
// of its last line. When torn is allowed, the values end at the first line that
// does not follow from the one before: a crash may leave anything in a file
// that was never synced.
func ParseObservations(b []byte, torn bool) (values [][]byte, head digest.Digest, err error) {
	var o Observations
	offset := 0
	for line := range bytes.Lines(b) {
		text, whole := bytes.CutSuffix(line, []byte("\n"))
		v, ok := bytes.CutPrefix(text, []byte(o.prefix()))
		v, end := bytes.CutSuffix(v, []byte("}"))
		good := whole && ok && end && json.Valid(v)
		if !good && torn {
			break
		}
		if !good {
			return nil, head, &DamageError{Record: o.n, Offset: int64(offset), What: "does not follow from the line before"}
		}
		o.Append(nil, v)
		values = append(values, v)
		offset += len(line)
	}
	return values, o.Head(), nil
}

// Observations returns the values observed in execution e of the list, the
// execution itself first, after checking their chain and that they are what
// the list says of them.
func (s *Store) Observations(e Execution) ([][]byte, error) {
	values, head, err := s.readObservations(e.N)
	if err != nil {
		return nil, err
	}
	damage := func(record int, what string) error {
		return &DamageError{Path: observationsFile(e.N), Record: int64(record), What: what}
	}
	if e.Head == nil || *e.Head != head {
		return nil, damage(len(values)-1, fmt.Sprintf("last line is %s, the list of executions has another", head.Short()))
	}
	e.Head = nil
	facts, err := canon.Marshal(e)
	if err != nil {
		return nil, err
	}
	if len(values) == 0 || !bytes.Equal(values[0], facts) {
		return nil, damage(0, "not what the list of executions says")
	}
	return values, nil
}

// Attachments returns the values attached to execution e of the list, after
// checking their chain and that its end is what the execution says.
func (s *Store) Attachments(e Execution) ([][]byte, error) {
	name := attachmentsFile(e.N)
	b, err := os.ReadFile(s.Path(name))
	switch {
	case errors.Is(err, fs.ErrNotExist) && e.Attached == nil:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, &DamageError{Path: name, Record: -1, What: "missing", Err: fs.ErrNotExist}
	case err != nil:
		return nil, err
	}
	values, head, err := ParseObservations(b, false)
	if d, ok := errors.AsType[*DamageError](err); ok {
		d.Path = name
	}
	if err != nil {
		return nil, err
	}
	if e.Attached == nil || *e.Attached != head {
		return nil, &DamageError{Path: name, Record: int64(len(values) - 1), What: fmt.Sprintf("last line is %s, the execution has another", head.Short())}
	}
	return values, nil
}

func (s *Store) readObservations(n int64) ([][]byte, digest.Digest, error) {
	b, err := os.ReadFile(s.Path(observationsFile(n)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, digest.Digest{}, &DamageError{Path: observationsFile(n), Record: -1, What: "missing", Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, digest.Digest{}, err
	}
	values, head, err := ParseObservations(b, false)
	if d, ok := errors.AsType[*DamageError](err); ok {
		d.Path = observationsFile(n)
	}
	return values, head, err
}
