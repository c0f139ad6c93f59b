package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
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
	if !exclusive && IsReadOnly(err) {
		// A lock that others may share needs no right to write.
		f, err = os.Open(name)
	}
	if err != nil {
		return nil, err
	}
	if err := lock(f, exclusive, wait); err != nil {
		f.Close()
		return nil, err
	}
	return &Lock{f}, nil
}

// IsReadOnly reports whether err says that this process may not write there.
func IsReadOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// Unlock lets the lock go.
func (l *Lock) Unlock() error { return l.f.Close() }
