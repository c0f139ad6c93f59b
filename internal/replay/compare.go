package replay

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/mission"
)

// A Divergence is the first record at which a replay differs from its record.
type Divergence struct {
	N        int64
	Recorded flight.Record // nil: the record has ended
	Replayed flight.Record // nil: the replay asked for what was never recorded; see Asked
	Asked    string        // what it asked for, in words
	// Blobs are the documents and contents that the replayed record names.
	Blobs map[digest.Digest][]byte
}

func (d *Divergence) Error() string {
	return fmt.Sprintf("record %d: the replay differs from the record", d.N)
}

// A comparer is the recorder of a replay: it compares each record with the
// one recorded and keeps none.
type comparer struct {
	lines    [][]byte
	records  []flight.Record
	link     flight.Linker
	line     []byte                                 // scratch
	relaxed  func(recorded, replayed flight.Record) // what --against forgives
	fresh    map[digest.Digest][]byte               // blobs since the last record
	observed func(flight.Record)
}

// Append compares r with the next recorded line, byte for byte.
func (c *comparer) Append(r flight.Record) (int64, error) {
	n := c.link.Len()
	var recorded flight.Record
	if n < int64(len(c.records)) {
		recorded = c.records[n]
		if c.relaxed != nil {
			c.relaxed(recorded, r)
		}
	}
	line, err := c.link.Append(c.line[:0], r)
	if err != nil {
		return 0, mission.Fatal(err)
	}
	c.line = line
	return n, c.compare(n, line, recorded, r)
}

func (c *comparer) compare(n int64, line []byte, recorded, replayed flight.Record) error {
	if recorded == nil || !bytes.Equal(line, c.lines[n]) {
		return mission.Fatal(&Divergence{N: n, Recorded: recorded, Replayed: replayed, Blobs: c.fresh})
	}
	clear(c.fresh)
	if c.observed != nil {
		c.observed(recorded)
	}
	return nil
}

// Blob names content and remembers it until the record that names it.
func (c *comparer) Blob(b []byte) (digest.Digest, error) {
	d := digest.Of(b)
	c.fresh[d] = b
	return d, nil
}

// maxKept is how much of what a program prints is kept, in bytes, to show
// where it differs. Answers are those of the record.
const maxKept = 1 << 20

// Spool names content that comes in chunks.
func (c *comparer) Spool(name string) (flight.Spool, error) {
	s := &spool{c: c, sum: sha256.New()}
	if strings.HasPrefix(name, "std") {
		s.keep = maxKept
	}
	return s, nil
}

// A spool is the digest and the length of what was written to it, and what
// was written as long as that is to be kept.
type spool struct {
	c    *comparer
	sum  hash.Hash
	size int64
	keep int64
	kept []byte
}

// Write implements [io.Writer].
func (s *spool) Write(p []byte) (int, error) {
	if s.size += int64(len(p)); s.size <= s.keep {
		s.kept = append(s.kept, p...)
	}
	return s.sum.Write(p)
}

// Settle has nothing to bring anywhere.
func (s *spool) Settle() error { return nil }

// Finish returns digest and length.
func (s *spool) Finish() (digest.Digest, int64, error) {
	d := digest.Digest(s.sum.Sum(nil))
	if s.size <= s.keep {
		s.c.fresh[d] = s.kept
	}
	return d, s.size, nil
}

// Discard has nothing to drop.
func (s *spool) Discard() {}

// Flush has nothing to write.
func (c *comparer) Flush() error { return nil }

// Push has nothing to write either.
func (c *comparer) Push() error { return nil }

// Observe has nothing to note.
func (c *comparer) Observe(any) error { return nil }

// finish compares the seal, and with it the count, the Merkle root and the
// freeze manifest, which follow from the records.
func (c *comparer) finish(f flight.SealFields) error {
	n := c.link.Len()
	var recorded flight.Record
	if n < int64(len(c.records)) {
		recorded = c.records[n]
	}
	if c.relaxed != nil {
		facts := &flight.Seal{Before: f.Before, After: f.After}
		c.relaxed(recorded, facts)
		f.Before, f.After = facts.Before, facts.After
	}
	line, seal, manifest, err := c.link.Seal(nil, f)
	if err != nil {
		return err
	}
	c.fresh[seal.Freeze] = manifest
	return c.compare(n, line, recorded, seal)
}
