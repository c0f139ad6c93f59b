package pack_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/coo-runtime/coo/internal/archive"
	"github.com/coo-runtime/coo/internal/pack"
	"github.com/coo-runtime/coo/internal/store"
)

const demoPack = "../../artefacts/demo_pack_v1.zip"

func demo(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(demoPack)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// check opens and verifies a pack, as coo verify does.
func check(b []byte) error {
	p, err := pack.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	return p.Verify(1)
}

// isDamage reports whether coo ends with status 4.
func isDamage(err error) bool {
	_, a := errors.AsType[*archive.Error](err)
	_, d := errors.AsType[*store.DamageError](err)
	return a || d
}

// A file of an archive that a test makes up.
type file struct{ name, text string }

// unzip returns the files of the pack in b.
func unzip(t testing.TB, b []byte) []file {
	t.Helper()
	a, err := archive.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out []file
	for i, f := range a.Files {
		text, err := a.Read(i)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, file{f.Name, string(text)})
	}
	return out
}

// zip writes files as an archive in its one form.
func zip(t testing.TB, files []file) []byte {
	t.Helper()
	var b bytes.Buffer
	var fs []archive.File
	for _, f := range files {
		fs = append(fs, archive.File{Name: f.name, Size: int64(len(f.text)), CRC: crcOf(f.text)})
	}
	err := archive.Write(&b, fs, func(i int, w io.Writer) error {
		_, err := io.WriteString(w, files[i].text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
