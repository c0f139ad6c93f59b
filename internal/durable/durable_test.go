package durable

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteFileReplaces(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	for _, content := range []string{"first", "", "second, longer"} {
		if err := WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil || string(got) != content {
			t.Errorf("ReadFile = %q, %v, want %q", got, err, content)
		}
	}
	onlyFiles(t, dir, 1)
}

func TestWriteFileFailsWhole(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(name, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(name, []byte("x"), 0o644); err == nil {
		t.Error("WriteFile over a directory = nil, want an error")
	}
	onlyFiles(t, dir, 1)
	if err := WriteFile(filepath.Join(dir, "none", "f"), nil, 0o644); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("WriteFile in no directory = %v, want fs.ErrNotExist", err)
	}
}

// onlyFiles demands that dir has n entries: no temporary file is left.
func onlyFiles(t *testing.T, dir string, n int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != n {
		t.Errorf("%s has %d entries, %v, want %d", dir, len(entries), err, n)
	}
}

// Below and above the number of files from which one sync serves them all.
func TestBatch(t *testing.T) {
	for _, n := range []int{0, 1, SyncEach, SyncEach + 1, 3 * SyncEach} {
		dir := t.TempDir()
		tmp := filepath.Join(dir, "tmp")
		if err := os.Mkdir(tmp, 0o755); err != nil {
			t.Fatal(err)
		}
		b := NewBatch(tmp)
		name := func(i int) string { return filepath.Join(dir, "out", fmt.Sprint(i%100), fmt.Sprint(i)) }
		for i := range n {
			if err := b.Add(name(i), fmt.Appendf(nil, "content %d", i), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(name(i)); err == nil {
				t.Fatalf("file %d has its name before the commit", i)
			}
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			got, err := os.ReadFile(name(i))
			if want := fmt.Appendf(nil, "content %d", i); err != nil || !bytes.Equal(got, want) {
				t.Errorf("file %d of %d: %q, %v", i, n, got, err)
			}
		}
		onlyFiles(t, tmp, 0)
	}
}

func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	b := NewBatch(dir)
	if err := b.Add(filepath.Join(dir, "f"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.Discard()
	onlyFiles(t, dir, 0)
	if err := b.Commit(); err != nil {
		t.Errorf("Commit of an empty batch = %v", err)
	}
}

// A file that cannot be synced gets no name.
func TestBatchSyncsBeforeItRenames(t *testing.T) {
	dir := t.TempDir()
	b := NewBatch(dir)
	if err := b.Add(filepath.Join(dir, "good"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.Add(filepath.Join(dir, "bad"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(b.files[1].tmp); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); err == nil {
		t.Error("Commit = nil, want the error of the sync")
	}
	onlyFiles(t, dir, 0)
}

func TestLocks(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	must := func(l *Lock, err error) *Lock {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	held := must(Exclusive(name))
	if _, err := TryLock(name); !errors.Is(err, ErrLocked) {
		t.Errorf("TryLock of a held lock = %v, want ErrLocked", err)
	}
	if _, err := TryShared(name); !errors.Is(err, ErrLocked) {
		t.Errorf("TryShared of a held lock = %v, want ErrLocked", err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	a, b := must(Shared(name)), must(TryShared(name))
	if _, err := TryLock(name); !errors.Is(err, ErrLocked) {
		t.Errorf("TryLock of a shared lock = %v, want ErrLocked", err)
	}
	a.Unlock()
	b.Unlock()
	must(TryLock(name)).Unlock()
}

func TestMkdirAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	for range 2 {
		if err := MkdirAll(dir, 0o755); err != nil || !isDir(dir) {
			t.Errorf("MkdirAll = %v", err)
		}
	}
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(filepath.Join(file, "d"), 0o755); err == nil {
		t.Error("MkdirAll below a file = nil, want an error")
	}
}
