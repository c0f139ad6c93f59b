package snapshot

import "testing"

// BenchmarkSame is a snapshot of 20,000 files of which none has changed.
func BenchmarkSame(b *testing.B) {
	root, st := tempDir(b), newStore(b)
	makeMany(b, root, 20_000, 100)
	age(b, root)
	mustTake(b, root, st, Options{})
	for b.Loop() {
		if s := mustTake(b, root, st, Options{}); s.Read != 0 {
			b.Fatalf("%d files were read", s.Read)
		}
	}
}
