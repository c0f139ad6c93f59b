package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
)

const blobRoot = "blobs/sha256"

// EachBlob calls visit for every file in blobs/ that has a blob's name, in
// the order of their digests, and stray with the slash-separated path of
// every other thing there.
func (s *Store) EachBlob(visit func(d digest.Digest, size int64) error, stray func(rel string)) error {
	for _, dir := range []string{"blobs", blobRoot} {
		entries, err := readDir(s.Path(dir))
		if err != nil {
			return err
		}
		for _, e := range entries {
			rel := path.Join(dir, e.Name())
			switch {
			case rel == blobRoot && e.IsDir():
			case dir != blobRoot || !e.IsDir() || !isPrefix(e.Name()):
				stray(rel)
			default:
				if err := s.eachIn(rel, visit, stray); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *Store) eachIn(dir string, visit func(digest.Digest, int64) error, stray func(string)) error {
	entries, err := readDir(s.Path(dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		rel := path.Join(dir, e.Name())
		d, err := digest.Parse(e.Name())
		if err != nil || BlobPath(d) != rel {
			stray(rel)
			continue
		}
		fi, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // whoever removes blobs may be at it
		}
		if err != nil {
			return err
		}
		if err := visit(d, fi.Size()); err != nil {
			return err
		}
	}
	return nil
}

// readDir lists a directory; one that is not there is empty.
func readDir(name string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

func isPrefix(name string) bool {
	_, err := digest.Parse(name + "00000000000000000000000000000000000000000000000000000000000000")
	return err == nil
}

// RemoveBlobs removes blobs that nothing names, and returns which it has
// removed when ctx ends it or an error does. The caller is alone with the
// store ([Store.Alone]).
//
// A list goes before its pieces, and its removal is on disk before theirs
// begins: a crash at any moment leaves no list without its pieces.
func (s *Store) RemoveBlobs(ctx context.Context, ds []digest.Digest) (removed []digest.Digest, err error) {
	// By how far their pieces go down; a damaged container may be of any list.
	const levels = 3
	var parts [levels][]digest.Digest
	for _, d := range ds {
		k, err := s.levels(d, levels-1)
		if err != nil {
			return nil, err
		}
		parts[k] = append(parts[k], d)
	}
	for _, part := range slices.Backward(parts[:]) {
		n, err := s.removeFiles(ctx, part)
		removed = append(removed, part[:n]...)
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// levels returns how many lists are on the longest way from blob d to a piece,
// limit at most. What cannot be read is an error: a piece that is taken for a list
// would go before its list.
func (s *Store) levels(d digest.Digest, limit int) (int, error) {
	list, err := s.Pieces(d)
	if _, damaged := errors.AsType[*DamageError](err); damaged {
		return limit, nil
	}
	if err != nil {
		return 0, err
	}
	most := 0
	for _, p := range list {
		if most = max(most, 1); most < limit && s.Has(p) {
			below, err := s.levels(p, limit-1)
			if err != nil {
				return 0, err
			}
			most = max(most, 1+below)
		}
	}
	return most, nil
}

func (s *Store) removeFiles(ctx context.Context, ds []digest.Digest) (n int, err error) {
	dirs := make([]string, 0, len(ds))
	for _, d := range ds {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		name := BlobPath(d)
		if err := os.Remove(s.Path(name)); err != nil {
			return n, err
		}
		n++
		dirs = append(dirs, path.Dir(name))
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if err := durable.SyncDir(s.Path(dir)); err != nil {
			return n, err
		}
	}
	return n, nil
}
