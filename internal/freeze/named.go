package freeze

import (
	"maps"
	"slices"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

// Secrets returns the names of the secrets that stand in the questions of s,
// sorted: what a program needs a placeholder for, to ask them again where its
// keys are not.
func (s *Source) Secrets() ([]string, error) {
	c, err := s.load()
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	read := map[digest.Call]bool{}
	for _, f := range c.calls {
		if read[f.req] {
			continue
		}
		read[f.req] = true
		doc, err := c.blob(digest.Digest(f.req))
		if err != nil {
			return nil, err
		}
		for _, name := range wire.Named(string(doc)) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}
