// Package chain links records by digest and seals them: arithmetic on
// bytes, without files, clocks or I/O.
//
// A chain is a sequence of lines. Record n carries prev, the SHA-256 of line
// n-1 (64 zeros in record 0), so a line that is changed, dropped, repeated,
// moved or inserted breaks the link that follows it. The link that would
// follow the last line is the run's ID: the SHA-256 of the seal line.
//
// The seal also carries the root of the RFC 6962 Merkle tree whose leaf i is
// line i (the seal excluded), so that one record can be proved to belong to a
// run without the others.
package chain

import (
	"fmt"

	"github.com/coo-runtime/coo/internal/digest"
	"golang.org/x/mod/sumdb/tlog"
)

// A Seq is the number of a record in its chain, counted from 0.
type Seq = int64

// A BrokenError reports the first record at which lines stop being a chain.
type BrokenError struct {
	N         Seq           // the record that does not follow from the one before
	GotN      Seq           // the number it carries
	Got, Want digest.Digest // the prev it carries, and what it should be
}

func (e *BrokenError) Error() string {
	if e.GotN != e.N {
		return fmt.Sprintf("record %d: its number is %d", e.N, e.GotN)
	}
	return fmt.Sprintf("record %d: previous is %s, want %s: record %d was changed, or one was added or removed before it",
		e.N, e.Got.Short(), e.Want.Short(), max(e.N-1, 0))
}

// A Linker follows a chain from its first line. The zero Linker is at the
// start of a chain.
type Linker struct {
	n    Seq
	prev digest.Digest
	tree Tree
}

// Next returns the number and the previous digest that the next line must carry.
func (l *Linker) Next() (Seq, digest.Digest) { return l.n, l.prev }

// Root returns the Merkle root of the lines added so far.
func (l *Linker) Root() digest.Digest { return l.tree.Root() }

// Add appends a line, without its newline, that carries the number n and the
// previous digest prev. A line that does not follow is refused with a
// [*BrokenError] and leaves l as it was.
func (l *Linker) Add(n Seq, prev digest.Digest, line []byte) error {
	if n != l.n || prev != l.prev {
		return &BrokenError{N: l.n, GotN: n, Got: prev, Want: l.prev}
	}
	l.n++
	l.prev = digest.Of(line)
	l.tree.Add(line)
	return nil
}

// A Tree computes the root of an RFC 6962 Merkle tree in one pass and
// logarithmic memory. The zero Tree is empty.
type Tree struct {
	n     int64
	stack []tlog.Hash // roots of the perfect subtrees, largest first
}

// Add appends a leaf.
func (t *Tree) Add(leaf []byte) {
	t.stack = append(t.stack, tlog.RecordHash(leaf))
	t.n++
	// A trailing zero bit of n is a pair of perfect subtrees of equal size.
	for n := t.n; n&1 == 0; n >>= 1 {
		k := len(t.stack)
		t.stack = append(t.stack[:k-2], tlog.NodeHash(t.stack[k-2], t.stack[k-1]))
	}
}

// Root returns the tree's root; of an empty tree, the SHA-256 of nothing
// (RFC 6962, section 2.1).
func (t *Tree) Root() digest.Digest {
	if len(t.stack) == 0 {
		return digest.Of(nil)
	}
	h := t.stack[len(t.stack)-1]
	for i := len(t.stack) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.stack[i], h)
	}
	return digest.Digest(h)
}
