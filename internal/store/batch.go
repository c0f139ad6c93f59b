package store

import (
	"fmt"
	"sync"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
)

// commitEvery is the number of staged files from which a batch commits what it
// has, so that neither its memory nor the directory of temporary files grows
// with what is stored. A blob that nothing names yet does no harm.
const commitEvery = 1 << 14

// A list gets its name when the names of what it lists are durable: who has a
// list has its content. So containers are committed in ranks.
const (
	singles = iota
	lists
	longLists // of lists
	ranks
)

// A Batch stores many blobs that become durable together, or, when there are
// very many, in several commits. Its Put methods may be called from several
// goroutines at once; nothing may be called beside Commit or Discard.
type Batch struct {
	s     *Store
	out   [ranks]*durable.Batch
	done  func()
	every int  // commitEvery
	anew  bool // what the store has does not count

	mu   sync.Mutex // guards seen
	seen map[digest.Digest]struct{}
	flow sync.RWMutex // held shared to stage, alone to commit
}

// NewBatch returns an empty batch. It ends with Commit or Discard.
func (s *Store) NewBatch() (*Batch, error) {
	done, err := s.writing()
	if err != nil {
		return nil, err
	}
	t := &Batch{s: s, done: done, every: commitEvery, seen: make(map[digest.Digest]struct{})}
	for rank := range t.out {
		t.out[rank] = durable.NewBatch(s.Path("tmp"))
	}
	return t, nil
}

// Put stages b, unless the store or the batch has it, and returns its digest.
func (t *Batch) Put(b []byte) (digest.Digest, error) {
	if len(b) > MaxBlob {
		return digest.Digest{}, fmt.Errorf("blob of %d bytes: limit is %d", len(b), MaxBlob)
	}
	d := digest.Of(b)
	if t.Has(d) {
		return d, nil
	}
	if len(b) <= wholeBlob {
		return d, t.addSingle(d, b)
	}
	parts := split(b)
	if len(parts) == 1 {
		return d, t.addSingle(d, b)
	}
	list := make([]byte, 0, len(parts)*digest.Size)
	for _, p := range parts {
		pd, err := t.putPiece(p)
		if err != nil {
			return d, err
		}
		list = append(list, pd[:]...)
	}
	return d, t.add(lists, d, seal(pieces, len(b), list))
}

// putPiece stages what fits in one container.
func (t *Batch) putPiece(b []byte) (digest.Digest, error) {
	d := digest.Of(b)
	if t.Has(d) {
		return d, nil
	}
	return d, t.addSingle(d, b)
}

// Has reports whether the store or the batch has the blob. One that the store
// has is durable with the commit, whoever stored it.
func (t *Batch) Has(d digest.Digest) bool {
	t.mu.Lock()
	_, ok := t.seen[d]
	t.mu.Unlock()
	if ok || t.anew || !t.s.Has(d) {
		return ok
	}
	t.flow.RLock()
	t.out[singles].Settle(t.s.Path(BlobPath(d)))
	t.flow.RUnlock()
	return true
}

func (t *Batch) addSingle(d digest.Digest, b []byte) error {
	return t.add(singles, d, t.s.codec.encodeSingle(b))
}

// add stages a container. Two goroutines that stage one blob at once both write
// it; the second name takes the place of the first.
func (t *Batch) add(rank int, d digest.Digest, container []byte) error {
	if err := t.stage(rank, d, container); err != nil {
		return err
	}
	if t.staged() < t.every {
		return nil
	}
	t.flow.Lock()
	defer t.flow.Unlock()
	if t.staged() < t.every {
		return nil // another goroutine was faster
	}
	return t.commit()
}

func (t *Batch) staged() int {
	n := 0
	for _, out := range t.out {
		n += out.Len()
	}
	return n
}

func (t *Batch) commit() error {
	for _, out := range t.out {
		if err := out.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func (t *Batch) stage(rank int, d digest.Digest, container []byte) error {
	t.flow.RLock()
	defer t.flow.RUnlock()
	if err := t.out[rank].Add(t.s.Path(BlobPath(d)), container, 0o644); err != nil {
		return err
	}
	// Not before it is staged: who finds it here may stage a list that names it,
	// and what is staged earlier has its name earlier.
	t.mu.Lock()
	t.seen[d] = struct{}{}
	t.mu.Unlock()
	return nil
}

// Commit makes every staged blob durable, and those that were there already.
// The batch is over.
func (t *Batch) Commit() error {
	defer t.Discard()
	return t.commit()
}

// Discard removes what was staged and not committed. It may be called twice.
func (t *Batch) Discard() {
	for _, out := range t.out {
		out.Discard()
	}
	if t.done != nil {
		t.done()
		t.done = nil
	}
}
