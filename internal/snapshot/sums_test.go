package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
)

// sumsTest is a store directory and a file that has been as it is for a while.
func sumsTest(t *testing.T) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	file = filepath.Join(dir, "file")
	write(t, file, "one")
	settle(t, dir)
	return dir, file
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// settle waits until the clock of the file system has gone on, as it does
// between two commands.
func settle(t *testing.T, dir string) {
	t.Helper()
	first, err := timeIn(dir)
	for at := first; err == nil && at <= first; at, err = timeIn(dir) {
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func sumOf(t *testing.T, s *Sums, file, want string) Sum {
	t.Helper()
	got, err := s.Of(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.SHA256 != digest.Of([]byte(want)) || got.Size != int64(len(want)) {
		t.Errorf("Of(%q) = %s, %d bytes, want those of %q", file, got.SHA256.Short(), got.Size, want)
	}
	return got
}

func TestSumsRememberWhatIsSettled(t *testing.T) {
	dir, file := sumsTest(t)
	s := OpenSums(dir)
	if got := sumOf(t, s, file, "one"); got.Known || got.Since {
		t.Errorf("first: known %t, changed since %t", got.Known, got.Since)
	}
	s.Remember(file, "a note")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = OpenSums(dir)
	if got := sumOf(t, s, file, "one"); !got.Known || got.Note != "a note" || s.Read() != 0 {
		t.Errorf("second: known %t, note %q, %d files read", got.Known, got.Note, s.Read())
	}
	// The same size and the same modification time: the change time tells.
	fi, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "two")
	if err := os.Chtimes(file, fi.ModTime(), fi.ModTime()); err != nil {
		t.Fatal(err)
	}
	if got := sumOf(t, s, file, "two"); got.Known || !got.Since {
		t.Errorf("changed: known %t, changed since %t", got.Known, got.Since)
	}
	// What may still change unseen is not remembered.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = OpenSums(dir)
	if got := sumOf(t, s, file, "two"); got.Known {
		t.Error("a file that had just changed was remembered")
	}
}

// A file of tomorrow has not changed, though nothing tells when it does.
func TestSumsOfTomorrow(t *testing.T) {
	dir, file := sumsTest(t)
	tomorrow := time.Now().Add(24 * time.Hour)
	if err := os.Chtimes(file, tomorrow, tomorrow); err != nil {
		t.Fatal(err)
	}
	settle(t, dir)
	for range 2 {
		s := OpenSums(dir)
		if got := sumOf(t, s, file, "one"); got.Known || got.Since {
			t.Errorf("known %t, changed since %t", got.Known, got.Since)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSumsOfWhatIsNoFile(t *testing.T) {
	dir, file := sumsTest(t)
	s := OpenSums(dir)
	if err := os.Symlink(file, file+".link"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Of(file + ".none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	for _, path := range []string{dir, file + ".link"} {
		if _, err := s.Of(path); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Any bit that is wrong in what is remembered makes it nothing.
func TestSumsAreWholeOrNothing(t *testing.T) {
	dir, file := sumsTest(t)
	s := OpenSums(dir)
	sumOf(t, s, file, "one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	if len(decodeSums(b)) != 1 {
		t.Fatal("nothing was remembered")
	}
	for i := range b {
		bad := append([]byte{}, b...)
		bad[i] ^= 1
		if len(decodeSums(bad)) > 0 {
			t.Errorf("byte %d flipped: it is believed", i)
		}
		if len(decodeSums(b[:i])) > 0 {
			t.Errorf("%d bytes: they are believed", i)
		}
	}
}

// Without a place to remember, each file is read each time.
func TestSumsWithoutAPlace(t *testing.T) {
	_, file := sumsTest(t)
	for range 2 {
		s := OpenSums("")
		if got := sumOf(t, s, file, "one"); got.Known || got.Since {
			t.Errorf("known %t, changed since %t", got.Known, got.Since)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
