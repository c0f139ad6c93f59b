package pack

import (
	"errors"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/environment"
)

// environment notes the environment manifest that an attachment names. The
// digests in it are of files that are not in the pack.
func (l *layout) environment(value []byte) error {
	var a struct {
		Manifest digest.Digest `json:"manifest"`
		T        string        `json:"t"`
	}
	if err := canon.Unmarshal(value, &a); err != nil {
		return err
	}
	if l.surroundings != nil {
		return errors.New("a second environment manifest")
	}
	size, err := l.size(a.Manifest)
	if err != nil {
		return err
	}
	if size > environment.MaxBytes {
		return errors.New("an environment manifest that is too long")
	}
	b, err := l.from.Get(a.Manifest)
	if err != nil {
		return err
	}
	if _, err := environment.Parse(b); err != nil {
		return err
	}
	l.use(a.Manifest, "environment")
	l.surroundings = &a.Manifest
	return nil
}
