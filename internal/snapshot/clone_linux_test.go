package snapshot

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// twins makes a directory with a long file under several names, and what it is.
func twins(t *testing.T, length int) (string, model) {
	t.Helper()
	b := make([]byte, length)
	rand.NewChaCha8([32]byte{7}).Read(b)
	for i := range b {
		b[i] = 'a' + b[i]%26
	}
	m := model{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		m[name] = "f0644 " + string(b)
	}
	root := tempDir(t)
	m.write(t, root)
	return root, m
}

// Equal files are made once and then cloned; where that fails, at once or half-way,
// they are copied.
func TestClonesFallBack(t *testing.T) {
	root, m := twins(t, 200<<10)
	st := newStore(t)
	tree := mustTake(t, root, st, Options{}).Tree
	defer func(f func(dst, src *os.File) error) { share = f }(share)
	for what, f := range map[string]func(dst, src *os.File) error{
		"not supported":  func(_, _ *os.File) error { return errors.ErrUnsupported },
		"another device": func(_, _ *os.File) error { return unix.EXDEV },
		"half-way": func(dst, _ *os.File) error {
			if _, err := dst.WriteString(strings.Repeat("X", 300<<10)); err != nil {
				return err
			}
			return unix.EIO
		},
	} {
		calls := make(chan bool, 100)
		share = func(dst, src *os.File) error {
			calls <- true
			return f(dst, src)
		}
		dir := filepath.Join(tempDir(t), "r")
		if err := Restore(st, tree, dir); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if diff := cmp.Diff(m, read(t, dir)); diff != "" {
			t.Errorf("%s: the directory differs", what)
		}
		if len(calls) == 0 {
			t.Errorf("%s: nothing was cloned", what)
		}
	}
}

// Where the file system can, a restored copy takes no space. tools/reflinks.sh runs
// this on one that can, and says so in COO_REFLINKS.
func TestClonesShareTheirBlocks(t *testing.T) {
	const length = 4 << 20
	root, m := twins(t, length)
	st := newStore(t)
	tree := mustTake(t, root, st, Options{}).Tree
	probe := func() error {
		src, err := os.Open(filepath.Join(root, "a"))
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		dst, err := os.Create(filepath.Join(tempDir(t), "probe"))
		if err != nil {
			t.Fatal(err)
		}
		defer dst.Close()
		return reflink(dst, src)
	}
	can := probe() == nil
	if os.Getenv("COO_REFLINKS") != "" && !can {
		t.Error("this file system has no reflinks")
	}
	free := func() int64 {
		unix.Sync() // or space that is not given out yet does not count
		var s unix.Statfs_t
		if err := unix.Statfs(root, &s); err != nil {
			t.Fatal(err)
		}
		return int64(s.Bfree) * int64(s.Bsize)
	}
	before := int64(0)
	if can {
		before = free()
	}
	dir := filepath.Join(tempDir(t), "r")
	if err := Restore(st, tree, dir); err != nil {
		t.Fatal(err)
	}
	if can {
		took := before - free()
		if took > 4*length {
			t.Errorf("8 equal files of %d bytes took %d", length, took)
		}
		t.Logf("proof: reflinks: 8 equal files of %d bytes took %d", length, took)
	}
	if diff := cmp.Diff(m, read(t, dir)); diff != "" {
		t.Error("the directory differs")
	}
}
