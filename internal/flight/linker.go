package flight

import (
	"fmt"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/chain"
	"github.com/coo-runtime/coo/internal/digest"
)

// MaxLine is the length of the longest line, without its newline; MaxRecords
// the largest number of records of a run.
const (
	MaxLine    = 4 << 20
	MaxRecords = 10_000_000
)

// A Linker makes the lines of a run one after the other, in memory: it
// numbers, links and encodes records, checks that they come in a possible
// order, and seals them. The zero Linker is at the start of a run. It writes
// nothing; a [Recorder] does, and has one.
type Linker struct {
	link  chain.Linker
	order order
}

// SealFields are the facts of a seal that do not follow from the records.
type SealFields struct {
	Before  digest.Digest // footprint tree: what was read
	After   digest.Digest // footprint tree: read and written
	Outputs []Output
}

// Len returns the number of records so far.
func (l *Linker) Len() int64 {
	n, _ := l.link.Next()
	return n
}

// Append sets the number, the previous digest and the type of r, and appends
// its line, without a newline, to dst. On an error the run is as it was.
func (l *Linker) Append(dst []byte, r Record) ([]byte, error) {
	e := r.envelope()
	e.N, e.Prev = l.link.Next()
	e.T = r.kind()
	if err := l.order.check(r); err != nil {
		return dst, fmt.Errorf("record %d: %w", e.N, err)
	}
	start := len(dst)
	out, err := canon.Append(dst, r)
	if err != nil {
		return dst, fmt.Errorf("record %d: %s: %w", e.N, e.T, err)
	}
	line := out[start:]
	if len(line) > MaxLine || e.N >= MaxRecords {
		return dst, fmt.Errorf("record %d: %s: %d bytes: limits are %d bytes and %d records", e.N, e.T, len(line), MaxLine, MaxRecords)
	}
	if err := l.link.Add(e.N, e.Prev, line); err != nil {
		return dst, err
	}
	l.order.note(r)
	return out, nil
}

// Seal appends the line of the seal to dst, and returns the seal and the
// freeze manifest it names. The digest of the line is the run's ID.
func (l *Linker) Seal(dst []byte, f SealFields) (line []byte, s *Seal, manifest []byte, err error) {
	manifest, err = l.order.manifest()
	if err != nil {
		return dst, nil, nil, err
	}
	n, _ := l.link.Next()
	s = &Seal{
		Count: n, Root: l.link.Root(), Freeze: digest.Of(manifest),
		Before: f.Before, After: f.After, Outputs: f.Outputs,
	}
	line, err = l.Append(dst, s)
	return line, s, manifest, err
}

// add takes a line that was read, after checking that it follows.
func (l *Linker) add(r Record, line []byte) error {
	e := r.envelope()
	// A record that does not follow is not asked whether it may.
	if n, prev := l.link.Next(); e.N == n && e.Prev == prev {
		if err := l.order.check(r); err != nil {
			return err
		}
	}
	if err := l.link.Add(e.N, e.Prev, line); err != nil {
		return err
	}
	l.order.note(r)
	return nil
}

// Last returns the digest of the last line; once that is the seal, the run's ID.
func (l *Linker) Last() digest.Digest {
	_, d := l.link.Next()
	return d
}
