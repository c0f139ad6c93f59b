package store

import "path/filepath"

// Place names a directory so that the store and what lies around it can move
// together: slash-separated from the store's parent where it is below that,
// else absolute.
func (s *Store) Place(dir string) string {
	rel, err := filepath.Rel(filepath.Dir(s.dir), dir)
	if err != nil || !filepath.IsLocal(rel) {
		return dir
	}
	return filepath.ToSlash(rel)
}

// PlaceOf is the inverse of [Store.Place].
func (s *Store) PlaceOf(place string) string {
	if filepath.IsAbs(place) {
		return place
	}
	return filepath.Join(filepath.Dir(s.dir), filepath.FromSlash(place))
}
