package store

import (
	"errors"
	"io/fs"
	"os"

	"github.com/coo-runtime/coo/internal/durable"
)

// onTheWay is where changes of workspaces are written down before they begin.
var onTheWay = []string{"apply/*", "rollbacks/*/plan.json"}

// errInterrupted is what remains of a change that cannot be ended.
var errInterrupted = errors.New("a change of a workspace was interrupted and is not ended; the next coo command tries again")

// ToChange waits until this process alone may change workspaces, and no change
// that its process did not live to end is left: whoever planned on top of it would
// take half of it for the workspace. recover ends such a change; it is called
// without the lock, which it needs itself.
func (s *Store) ToChange(recover func() error) (*durable.Lock, error) {
	const enough = 100 // others may be killed meanwhile
	for range enough {
		lock, err := durable.Exclusive(s.Path("locks/apply"))
		if err != nil {
			return nil, err
		}
		left, err := s.interrupted()
		if err == nil && !left {
			return lock, nil
		}
		lock.Unlock()
		if err != nil {
			return nil, err
		}
		if recover == nil {
			break
		}
		if err := recover(); err != nil {
			return nil, err
		}
	}
	return nil, errInterrupted
}

func (s *Store) interrupted() (bool, error) {
	for _, pattern := range onTheWay {
		found, err := fs.Glob(os.DirFS(s.dir), pattern)
		if err != nil || len(found) > 0 {
			return len(found) > 0, err
		}
	}
	return false, nil
}
