package chain

import (
	"errors"
	"fmt"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"golang.org/x/mod/sumdb/tlog"
)

// hashes is a tree of package tlog, kept in memory.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x >= int64(len(h)) {
			return nil, fmt.Errorf("hash %d of %d", x, len(h))
		}
		out[i] = h[x]
	}
	return out, nil
}

// Every size from 0 to 100, compared with an independent implementation of
// RFC 6962; and every leaf proved to be in the tree of that root.
func TestTreeAgainstTlog(t *testing.T) {
	var tree Tree
	var store hashes
	for n := range int64(101) {
		want, err := tlog.TreeHash(n, store)
		if err != nil {
			t.Fatal(err)
		}
		root := tree.Root()
		if n == 0 {
			// RFC 6962, section 2.1: the hash of an empty tree is that of nothing.
			want = tlog.Hash(digest.Of(nil))
		}
		if root != digest.Digest(want) {
			t.Errorf("root of %d leaves is %s, want %s", n, root, digest.Digest(want))
		}
		for i := range n {
			proof, err := tlog.ProveRecord(n, i, store)
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckRecord(proof, n, tlog.Hash(root), i, tlog.RecordHash(leaf(i))); err != nil {
				t.Errorf("leaf %d of %d: %v", i, n, err)
			}
		}
		add, err := tlog.StoredHashes(n, leaf(n), store)
		if err != nil {
			t.Fatal(err)
		}
		store = append(store, add...)
		tree.Add(leaf(n))
	}
}

func leaf(i int64) []byte { return fmt.Appendf(nil, "line %d", i) }

// TestTreeRFC6962 holds the root to the vectors of the Certificate
// Transparency reference implementation for the leaves "", 00, 10, 2021, …
func TestTreeRFC6962(t *testing.T) {
	leaves := []string{"", "\x00", "\x10", "\x20\x21", "\x30\x31", "\x40\x41\x42\x43", "\x50\x51\x52\x53\x54\x55\x56\x57", "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"}
	roots := []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	var tree Tree
	for i, want := range roots {
		if got := tree.Root().String(); got != want {
			t.Errorf("root of %d leaves is %s, want %s", i, got, want)
		}
		if i < len(leaves) {
			tree.Add([]byte(leaves[i]))
		}
	}
}

// testChain returns lines and the number and previous digest each carries.
func testChain(t *testing.T, n int) (lines [][]byte, prevs []digest.Digest) {
	t.Helper()
	var l Linker
	for i := range int64(n) {
		seq, prev := l.Next()
		if err := l.Add(seq, prev, leaf(i)); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, leaf(i))
		prevs = append(prevs, prev)
	}
	return lines, prevs
}

func TestChangedLineBreaksTheNext(t *testing.T) {
	const size = 9
	for changed := range size - 1 {
		lines, prevs := testChain(t, size)
		lines[changed][0] ^= 1
		err := link(lines, prevs)
		e, ok := errors.AsType[*BrokenError](err)
		if !ok || e.N != int64(changed+1) {
			t.Errorf("line %d changed: %v, want BrokenError at %d", changed, err, changed+1)
		}
	}
}

// The last line has no next: its digest, the run's ID, must differ.
func TestChangedLastLineChangesTheHead(t *testing.T) {
	head := func(last byte) digest.Digest {
		var l Linker
		if err := l.Add(0, digest.Digest{}, []byte{last}); err != nil {
			t.Fatal(err)
		}
		_, d := l.Next()
		return d
	}
	if head('a') == head('b') {
		t.Error("two chains with different last lines have one head")
	}
}

func link(lines [][]byte, prevs []digest.Digest) error {
	var l Linker
	for i, line := range lines {
		if err := l.Add(int64(i), prevs[i], line); err != nil {
			return err
		}
	}
	return nil
}

func TestRefusedLineLeavesTheChain(t *testing.T) {
	var l Linker
	if err := l.Add(0, digest.Digest{}, []byte("a")); err != nil {
		t.Fatal(err)
	}
	n, prev := l.Next()
	root := l.Root()
	for _, tc := range []struct {
		n    Seq
		prev digest.Digest
		want string
	}{
		{0, prev, "record 1: its number is 0"},
		{2, prev, "record 1: its number is 2"},
		{1, digest.Digest{}, "record 1: previous is 000000000000, want " + prev.Short() + ": record 0 was changed, or one was added or removed before it"},
	} {
		err := l.Add(tc.n, tc.prev, []byte("b"))
		if err == nil || err.Error() != tc.want {
			t.Errorf("Add(%d, %s) = %v, want %s", tc.n, tc.prev.Short(), err, tc.want)
		}
		if n2, prev2 := l.Next(); n2 != n || prev2 != prev || l.Root() != root {
			t.Errorf("a refused line has changed the chain")
		}
	}
}
