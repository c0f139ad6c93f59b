package archive

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
)

// A content is a file to be put in an archive.
type content struct{ name, text string }

var small = []content{{"README.txt", "read me\n"}, {"blobs/ab", ""}, {"mission/a b%C3%A9.star", "def main(coo): pass\n"}}

func archiveOf(t testing.TB, z form, cs []content) []byte {
	t.Helper()
	files := make([]File, len(cs))
	for i, c := range cs {
		files[i] = File{Name: c.name, Size: int64(len(c.text)), CRC: crc32.ChecksumIEEE([]byte(c.text))}
	}
	var b bytes.Buffer
	err := z.write(&b, files, func(i int, w io.Writer) error {
		_, err := io.WriteString(w, cs[i].text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func openBytes(z form, b []byte) (*Reader, error) { return z.open(bytes.NewReader(b), int64(len(b))) }

// The bytes are pinned: they may not change with Go, the system or this code.
func TestGolden(t *testing.T) {
	b := archiveOf(t, standard, small)
	const want = "504b03040a00000000000000210005a6a1e508000000080000000a000000524541444d452e747874"
	if got := hex.EncodeToString(b[:localSize+len("README.txt")]); got != want {
		t.Errorf("first header = %s, want %s", got, want)
	}
	const sum = "bd99e3ea839474a0a564d7a7ea5946983c4d29683dc005aa2596c6bd2269240b"
	if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != sum {
		t.Errorf("archive of %d bytes has digest %s, want %s", len(b), got, sum)
	}
}

// What is written is read back, by this package and by another.
func TestThereAndBack(t *testing.T) {
	for _, z := range []form{standard, {long: 8, many: 2}, {long: 100, many: 100}} {
		b := archiveOf(t, z, small)
		a, err := openBytes(z, b)
		if err != nil {
			t.Fatal(err)
		}
		other, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range small {
			var out bytes.Buffer
			if err := a.CopyTo(&out, i, make([]byte, 3)); err != nil || out.String() != c.text {
				t.Errorf("%+v: CopyTo(%q) = %q, %v", z, c.name, out.String(), err)
			}
			if got, err := a.Read(i); err != nil || string(got) != c.text {
				t.Errorf("%+v: Read(%q) = %q, %v", z, c.name, got, err)
			}
			if j, ok := a.Find(c.name); !ok || j != i {
				t.Errorf("Find(%q) = %d, %t", c.name, j, ok)
			}
			f := other.File[i]
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || string(got) != c.text || f.Name != c.name || f.Mode() != 0o644 || f.Method != zip.Store {
				t.Errorf("%+v: archive/zip reads %q, mode %v: %q, %v", z, f.Name, f.Mode(), got, err)
			}
		}
	}
	if _, err := openBytes(standard, archiveOf(t, standard, nil)); err != nil {
		t.Errorf("an archive of nothing: %v", err)
	}
}

// Every bit is accounted for, in each of the forms of headers.
func TestFlipEveryBit(t *testing.T) {
	for _, z := range []form{standard, {long: 8, many: 2}} {
		b := archiveOf(t, z, small)
		for i := range b {
			for bit := range 8 {
				b[i] ^= 1 << bit
				if err := readAll(z, b); !is(err) {
					t.Errorf("%+v: byte %d, bit %d: %v, want an Error", z, i, bit, err)
				}
				b[i] ^= 1 << bit
			}
		}
		for n := range b {
			if err := readAll(z, b[:n]); !is(err) {
				t.Errorf("%+v: cut to %d bytes: %v, want an Error", z, n, err)
			}
		}
	}
}

func is(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return ok
}

func readAll(z form, b []byte) error {
	a, err := openBytes(z, b)
	if err != nil {
		return err
	}
	for i := range a.Files {
		if _, err := a.Read(i); err != nil {
			return err
		}
		if err := a.CopyTo(io.Discard, i, make([]byte, 64)); err != nil {
			return fmt.Errorf("CopyTo differs from Read: %w", err)
		}
	}
	return nil
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a", "a/b", "COM", "COM10", "console", "a.b.c", ".hidden", "%2E%2E", "{~}", strings.Repeat("a", 255)} {
		if err := CheckName(name); err != nil {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
	for _, name := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", `a\b`, "C:a", "a:b", "a*", "a?", `"a"`, "<a>", "a|b", "a\x00", "a\n", "\x1b", "\x7f",
		"é", "a.", "a ", "nul", "NUL.txt", "Com1", "lpt9.a.b", "aux /b", "a/con", "CONIN$", strings.Repeat("a", 256),
		strings.Repeat("a/", 64) + "a", strings.Repeat("abcdefgh/", 112),
	} {
		if err := CheckName(name); err == nil {
			t.Errorf("CheckName(%q) = nil, want an error", name)
		}
	}
	for _, pair := range [][2]string{{"A", "a"}, {"a", "a/b"}, {"A", "a/b"}, {"a/B/c", "a/b"}, {"a/b", "a/b-c"}, {"a/b", "a/bc"}, {"ab", "b"}} {
		cs := []content{{pair[0], ""}, {pair[1], ""}}
		if pair[0] > pair[1] {
			cs[0], cs[1] = cs[1], cs[0]
		}
		err := checkNames([]File{{Name: cs[0].name}, {Name: cs[1].name}})
		if clash := Fold(pair[1]+"/") == Fold(pair[0]+"/") || strings.HasPrefix(Fold(pair[1]), Fold(pair[0])+"/") || strings.HasPrefix(Fold(pair[0]), Fold(pair[1])+"/"); (err != nil) != clash {
			t.Errorf("checkNames(%q) = %v", pair, err)
		}
	}
}

// A count above all limits costs nothing before it is refused.
func TestHugeCounts(t *testing.T) {
	b := archiveOf(t, standard, nil)
	binary.LittleEndian.PutUint16(b[8:], 0xfffe)
	binary.LittleEndian.PutUint16(b[10:], 0xfffe)
	if err := readAll(standard, b); !is(err) {
		t.Errorf("65,534 files in no bytes: %v", err)
	}
	tail := standard.end(nil, MaxFiles+1, 0, 0)
	if err := readAll(standard, tail); !is(err) {
		t.Errorf("too many files: %v", err)
	}
}

// 65,536 files and more are told by a zip64 end record.
func TestManyFiles(t *testing.T) {
	cs := make([]content, 1<<16)
	for i := range cs {
		cs[i].name = fmt.Sprintf("%05x", i)
	}
	b := archiveOf(t, standard, cs)
	a, err := openBytes(standard, b)
	if err != nil || len(a.Files) != len(cs) {
		t.Fatalf("%d files: %v", len(a.Files), err)
	}
	other, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(other.File) != len(cs) {
		t.Fatalf("archive/zip: %v", err)
	}
}

// Whatever a reader accepts is what the writer makes of it.
func FuzzOpen(f *testing.F) {
	for _, cs := range [][]content{nil, small, small[:1]} {
		f.Add(archiveOf(f, standard, cs))
		f.Add(archiveOf(f, form{long: 8, many: 2}, cs))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := openBytes(standard, b)
		if err != nil {
			if !is(err) {
				t.Fatalf("open: %v, want an Error", err)
			}
			return
		}
		var cs []content
		for i, f := range a.Files {
			text, err := a.Read(i)
			if err != nil {
				return
			}
			cs = append(cs, content{f.Name, string(text)})
		}
		if again := archiveOf(t, standard, cs); !bytes.Equal(again, b) {
			t.Fatalf("%d bytes were accepted, the writer makes %d others", len(b), len(again))
		}
	})
}
