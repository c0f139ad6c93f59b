package archive

import (
	"archive/zip"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A sparse file leaves out the zeros that are written to it.
type sparse struct{ f *os.File }

func (s sparse) Write(p []byte) (int, error) {
	for _, c := range p {
		if c != 0 {
			return s.f.Write(p)
		}
	}
	_, err := s.f.Seek(int64(len(p)), io.SeekCurrent)
	return len(p), err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Files and offsets beyond 4 GiB are told in zip64 fields, which other readers
// understand. At small n the file is there in name only: its length is told,
// and its bytes are not read.
func TestBeyond4GiB(t *testing.T) {
	const long = 1<<32 + 5
	files := []File{{Name: "a.txt", Size: 1}, {Name: "long", Size: long}, {Name: "z.txt", Size: 1}}
	sum := func(n int64) uint32 {
		h := crc32.NewIEEE()
		if _, err := io.CopyN(h, zeros{}, n); err != nil {
			t.Fatal(err)
		}
		return h.Sum32()
	}
	files[0].CRC = sum(1)
	files[2].CRC = files[0].CRC
	if os.Getenv("COO_PROOF") != "full" {
		for i, want := range []int{localSize + 5, localSize + 4 + 20, localSize + 5} {
			if got := len(standard.local(nil, &files[i])); got != want {
				t.Errorf("%s: a local header of %d bytes, want %d", files[i].Name, got, want)
			}
		}
		for i, want := range []int{centralSize + 5, centralSize + 4 + 20, centralSize + 5 + 12} {
			if got := len(standard.central(nil, &files[i], []int64{0, 100, long}[i])); got != want {
				t.Errorf("%s: a header of %d bytes in the directory, want %d", files[i].Name, got, want)
			}
		}
		return
	}
	files[1].CRC = sum(long)
	f, err := os.Create(filepath.Join(t.TempDir(), "long.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = Write(sparse{f}, files, func(i int, w io.Writer) error {
		_, err := io.CopyN(w, zeros{}, files[i].Size)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(f, fi.Size())
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.Files {
		if err := a.CopyTo(io.Discard, i, make([]byte, 1<<20)); err != nil {
			t.Error(err)
		}
	}
	other, err := zip.NewReader(f, fi.Size())
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range other.File {
		r, err := o.Open()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r); err != nil || n != files[i].Size {
			t.Errorf("archive/zip reads %d bytes of %s, %v", n, o.Name, err)
		}
	}
}
