package pack

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/archive"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
)

// A Draft is a pack that is about to be written.
type Draft struct {
	ID    digest.Digest // the pack's, the manifest's digest
	Files []File        // in order; the manifest is one of them
	from  flight.Blobs
	texts map[string][]byte // files that are no contents, by path
	sums  []uint32          // CRC-32 of each file, once known
}

// New drafts the pack of a sealed run with the values attached to one of its
// executions. transcript is what a replay of it has printed.
func New(run *flight.Run, attachments [][]byte, transcript []byte, from flight.Blobs) (*Draft, error) {
	if run.Seal == nil {
		return nil, fmt.Errorf("pack: the run is not sealed")
	}
	files, err := plan(run, attachments, from)
	if err != nil {
		return nil, err
	}
	d := &Draft{Files: files, from: from, texts: map[string][]byte{}}
	m := Manifest{Format: Format, Run: run.ID}
	d.add(readmeFile, "readme", readmeOf(run))
	d.add(flightFile, "flight", append(bytes.Join(run.Lines, []byte{'\n'}), '\n'))
	d.add(replayFile, "replay", transcript)
	if len(attachments) > 0 {
		lines, head := chained(attachments)
		m.Attachments = &head
		d.add(attachmentsFile, "attachments", lines)
	}
	for _, text := range []struct {
		path, role string
		make       func(*flight.Run) ([]byte, error)
	}{{lineageFile, "lineage", lineageOf}, {rollbacksFile, "rollbacks", rollbacksOf}} {
		b, err := text.make(run)
		if err != nil {
			return nil, err
		}
		d.add(text.path, text.role, b)
	}
	slices.SortFunc(d.Files, byPath)
	m.Files = slices.Clone(d.Files)
	b, err := m.encode()
	if err != nil {
		return nil, err
	}
	d.ID = digest.Of(b)
	d.add(manifestFile, "manifest", b)
	slices.SortFunc(d.Files, byPath)
	return d, nil
}

func byPath(a, b File) int { return strings.Compare(a.Path, b.Path) }

func (d *Draft) add(path, role string, b []byte) {
	d.texts[path] = b
	d.Files = append(d.Files, File{Path: path, Roles: []string{role}, SHA256: digest.Of(b), Size: int64(len(b))})
}

func chained(values [][]byte) ([]byte, digest.Digest) {
	var o store.Observations
	var out []byte
	for _, v := range values {
		out = o.Append(out, v)
	}
	return out, o.Head()
}

// Size returns the length of all files together.
func (d *Draft) Size() int64 {
	var n int64
	for _, f := range d.Files {
		n += f.Size
	}
	return n
}

// Scan shows every file to look, which may end it with an error. It must come
// before [Draft.Encode], which needs what it learns.
func (d *Draft) Scan(look func(f File) (io.Writer, func() error)) error {
	d.sums = make([]uint32, len(d.Files))
	for i, f := range d.Files {
		sum := crc32.NewIEEE()
		w, done := look(f)
		if err := d.content(io.MultiWriter(sum, w), f); err != nil {
			return err
		}
		if err := done(); err != nil {
			return err
		}
		d.sums[i] = sum.Sum32()
	}
	return nil
}

func (d *Draft) content(w io.Writer, f File) error {
	if b, ok := d.texts[f.Path]; ok {
		_, err := w.Write(b)
		return err
	}
	r, err := d.from.Open(f.SHA256)
	if err == nil {
		_, err = io.Copy(w, r)
	}
	return err
}

// Encode writes the archive to w.
func (d *Draft) Encode(w io.Writer) error {
	files := make([]archive.File, len(d.Files))
	for i, f := range d.Files {
		files[i] = archive.File{Name: f.Path, Size: f.Size, CRC: d.sums[i]}
	}
	return archive.Write(w, files, func(i int, w io.Writer) error { return d.content(w, d.Files[i]) })
}
