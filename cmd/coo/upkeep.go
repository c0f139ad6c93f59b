package main

import (
	"fmt"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/rollback"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/upkeep"
)

// upkeepConfig says what there is in a store beside runs: the trees of
// workspaces, and the log of rollbacks that names some.
func upkeepConfig(st *store.Store) upkeep.Config {
	walked := map[digest.Digest][]digest.Digest{}
	return upkeep.Config{
		Store: st,
		Dirs:  []string{rollback.Dir, snapshot.CacheDir, snapshot.RestoresDir},
		Walk: func(tree digest.Digest, blob func(digest.Digest)) error {
			names, ok := walked[tree]
			if !ok {
				var err error
				if names, err = snapshot.Names(st, tree); err != nil {
					return err
				}
				walked[tree] = names
			}
			for _, d := range names {
				blob(d)
			}
			return nil
		},
		Roots: func() ([]upkeep.Root, error) {
			entries, err := rollback.Log(st)
			if err != nil {
				return nil, err
			}
			var roots []upkeep.Root
			for _, e := range entries {
				by := fmt.Sprintf("rollback %d", e.N)
				roots = append(roots, upkeep.Root{Blob: e.From, Tree: true, By: by}, upkeep.Root{Blob: e.Target, Tree: true, By: by})
			}
			return roots, nil
		},
	}
}
