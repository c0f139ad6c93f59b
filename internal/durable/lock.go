package durable

import (
	"errors"
	"os"
)

// ErrLocked is returned by [TryLock] and [TryShared] when another holder has the lock.
var ErrLocked = errors.New("locked by another process")

// A Lock is held on a file, against all others who ask for one, in this
// process or another. The system takes it back when the holder dies; the file
// stays.
type Lock struct{ f *os.File }

// Exclusive waits until it alone holds the named file, which it makes if need be.
func Exclusive(name string) (*Lock, error) { return newLock(name, true, true) }

// Shared waits until nobody holds the named file exclusively.
func Shared(name string) (*Lock, error) { return newLock(name, false, true) }

// TryLock is [Exclusive] without waiting: it returns [ErrLocked].
func TryLock(name string) (*Lock, error) { return newLock(name, true, false) }

// TryShared is [Shared] without waiting: it returns [ErrLocked].
func TryShared(name string) (*Lock, error) { return newLock(name, false, false) }

func newLock(name string, exclusive, wait bool) (*Lock, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := lock(f, exclusive, wait); err != nil {
		f.Close()
		return nil, err
	}
	return &Lock{f}, nil
}

// Unlock lets the lock go.
func (l *Lock) Unlock() error { return l.f.Close() }
