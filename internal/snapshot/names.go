package snapshot

import (
	"slices"

	"github.com/coo-runtime/coo/internal/digest"
)

// CacheDir is the name of the stat caches' directory in a store. It may be
// removed at any time.
const CacheDir = "cache"

// Names returns every blob that a tree needs, each once: the objects of its
// directories, its own first, and the contents of its files. It reads the
// objects and not the contents. What is missing or wrong of an object is a
// [*store.DamageError].
func Names(st Getter, tree digest.Digest) ([]digest.Digest, error) {
	seen := map[digest.Digest]bool{tree: true}
	out := []digest.Digest{tree}
	for dirs := []digest.Digest{tree}; len(dirs) > 0; {
		d := dirs[len(dirs)-1]
		dirs = dirs[:len(dirs)-1]
		entries, err := readTree(st, d)
		if err != nil {
			return nil, err
		}
		for _, e := range slices.Backward(entries) {
			if e.Type == Link || seen[e.SHA256] {
				continue
			}
			seen[e.SHA256] = true
			out = append(out, e.SHA256)
			if e.Type == Dir {
				dirs = append(dirs, e.SHA256)
			}
		}
	}
	return out, nil
}
