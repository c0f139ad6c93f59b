package store

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
)

const useLock = "locks/gc"

// A BusyError is returned by [Store.Alone]: others are at the store.
type BusyError struct{ By string } // such as "a command is using the store"

func (e *BusyError) Error() string { return "store: " + e.By }

// Use says that this process works with the store: until done is called, no
// blob goes away, so what [Store.Has] reports stays true. It waits for a
// collection that is under way. The system ends the use of a process that is
// killed.
func (s *Store) Use() (done func(), err error) {
	l, err := durable.Shared(s.Path(useLock))
	if durable.IsReadOnly(err) || errors.Is(err, fs.ErrNotExist) {
		// There is no such file and none can be made: nobody has collected
		// here, and whoever cannot write cannot begin to.
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	return func() { l.Unlock() }, nil
}

// Alone keeps every other process from using the store until done is called,
// as removing blobs needs it. It does not wait: when the store is in use, the
// error is a [*BusyError].
func (s *Store) Alone() (done func(), err error) {
	l, err := durable.TryLock(s.Path(useLock))
	if errors.Is(err, durable.ErrLocked) {
		return nil, &BusyError{s.user()}
	}
	if err != nil {
		return nil, err
	}
	return func() { l.Unlock() }, nil
}

// user says who is at the store.
func (s *Store) user() string {
	l, err := durable.TryShared(s.Path(useLock))
	if errors.Is(err, durable.ErrLocked) {
		return "another collection is under way"
	}
	if err == nil {
		l.Unlock()
	}
	open, err := s.OpenRuns()
	live := 0
	for _, o := range open {
		if o.Live {
			live++
		}
	}
	switch {
	case err != nil || live == 0:
		return "a command is using the store"
	case live == 1:
		return "a run is in progress"
	}
	return fmt.Sprintf("%d runs are in progress", live)
}

// Pieces returns the pieces that blob d is a list of; none when it is stored
// in one container. The container is checked, the content is not.
func (s *Store) Pieces(d digest.Digest) ([]digest.Digest, error) {
	m, size, payload, err := s.readContainer(d, nil)
	if err != nil {
		return nil, err
	}
	var list []digest.Digest
	switch m {
	case pieces:
		list, err = decodeList(size, payload)
	case long:
		_, list, err = decodeLong(size, payload)
	}
	if err != nil {
		return nil, damaged(d, err)
	}
	return list, nil
}

// Remake stores b again, durably, over whatever the store has under its name
// and the names of its pieces.
func (s *Store) Remake(b []byte) error {
	batch, err := s.NewBatch()
	if err != nil {
		return err
	}
	defer batch.Discard()
	batch.anew = true
	if _, err := batch.Put(b); err != nil {
		return err
	}
	return batch.Commit()
}
