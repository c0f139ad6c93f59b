package pack

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/coo-runtime/coo/internal/archive"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
)

// A Pack is a pack whose archive, manifest and records were checked. Its
// contents are checked as they are read; [Pack.Verify] checks them all.
type Pack struct {
	ID          digest.Digest // of its manifest
	Manifest    *Manifest
	Run         *flight.Run // its blobs are the pack's
	Attachments [][]byte    // values

	zip    *archive.Reader
	places map[digest.Digest]int // a file of that content
}

// Open reads the pack of size bytes in r. What is not as a pack is written is
// an [*archive.Error] or a [*store.DamageError], whose path is that in the
// archive.
func Open(r io.ReaderAt, size int64) (*Pack, error) {
	zip, err := archive.Open(r, size)
	if err != nil {
		return nil, err
	}
	p := &Pack{zip: zip}
	for _, read := range []func() error{p.readManifest, p.readRun, p.readAttachments} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func damage(path, format string, args ...any) error {
	return &store.DamageError{Path: path, Record: -1, What: fmt.Sprintf(format, args...)}
}

// text reads a file that every pack has.
func (p *Pack) text(path string) ([]byte, error) {
	i, ok := p.zip.Find(path)
	if !ok {
		return nil, &store.DamageError{Path: path, Record: -1, What: "missing: not a pack of coo", Err: errMissing}
	}
	if path == manifestFile && p.zip.Files[i].Size > maxManifest {
		return nil, damage(path, "longer than %d bytes", maxManifest)
	}
	return p.zip.Read(i)
}

// readManifest reads the manifest and compares its list with the archive's.
func (p *Pack) readManifest() error {
	b, err := p.text(manifestFile)
	if err != nil {
		return err
	}
	p.ID = digest.Of(b)
	if p.Manifest, err = parseManifest(b); err != nil {
		return damage(manifestFile, "%v", err)
	}
	p.places = make(map[digest.Digest]int, len(p.Manifest.Files))
	told := 0
	for i, f := range p.zip.Files {
		if f.Name == manifestFile {
			continue
		}
		if told == len(p.Manifest.Files) || p.Manifest.Files[told].Path != f.Name {
			return damage(f.Name, "not in the manifest, or not at its place")
		}
		m := &p.Manifest.Files[told]
		if m.Size != f.Size {
			return damage(f.Name, "%d bytes, the manifest says %d", f.Size, m.Size)
		}
		m.Path = f.Name // one copy of each name is enough
		p.places[m.SHA256] = i
		told++
	}
	if told < len(p.Manifest.Files) {
		return damage(p.Manifest.Files[told].Path, "in the manifest, and missing")
	}
	return nil
}

// checked reads a file and compares it with its digest in the manifest.
func (p *Pack) checked(path string) ([]byte, error) {
	b, err := p.text(path)
	if err != nil {
		return nil, err
	}
	i, _ := p.zip.Find(path)
	if digest.Of(b) != p.told(i).SHA256 {
		return nil, damage(path, "its digest is not the one in the manifest")
	}
	return b, nil
}

// told returns what the manifest says of file i of the archive, which is not
// the manifest.
func (p *Pack) told(i int) *File {
	if p.zip.Files[i].Name > manifestFile {
		i--
	}
	return &p.Manifest.Files[i]
}

func (p *Pack) readRun() error {
	b, err := p.checked(flightFile)
	if err != nil {
		return err
	}
	if p.Run, err = flight.Read(bytes.NewReader(b), flightFile); err != nil {
		return err
	}
	if p.Run.ID != p.Manifest.Run {
		return damage(flightFile, "the run is %s, the manifest says %s", p.Run.ID.Short(), p.Manifest.Run.Short())
	}
	p.Run.BlobsFrom(p)
	return nil
}

func (p *Pack) readAttachments() error {
	_, have := p.zip.Find(attachmentsFile)
	if want := p.Manifest.Attachments != nil; have != want {
		return damage(attachmentsFile, "there: %t; in the manifest: %t", have, want)
	}
	if !have {
		return nil
	}
	b, err := p.checked(attachmentsFile)
	if err != nil {
		return err
	}
	values, head, err := store.ParseObservations(b, false)
	if d, ok := errors.AsType[*store.DamageError](err); ok {
		d.Path = attachmentsFile
	}
	if err == nil && head != *p.Manifest.Attachments {
		err = damage(attachmentsFile, "last line is %s, the manifest has another", head.Short())
	}
	p.Attachments = values
	return err
}

// Get implements [flight.Blobs].
func (p *Pack) Get(d digest.Digest) ([]byte, error) {
	i, ok := p.places[d]
	if !ok {
		return nil, &store.DamageError{Path: "blobs/" + d.String(), Record: -1, What: "missing", Err: errMissing}
	}
	b, err := p.zip.Read(i)
	if err == nil && digest.Of(b) != d {
		err = damage(p.zip.Files[i].Name, "its digest is not the one in the manifest")
	}
	return b, err
}

// Contents returns the digests of the contents that the run and its
// attachments name, each once.
func (p *Pack) Contents() []digest.Digest {
	var out []digest.Digest
	seen := map[digest.Digest]bool{}
	for _, f := range p.Manifest.Files {
		if _, text := textRoles[f.Path]; !text && !seen[f.SHA256] {
			seen[f.SHA256] = true
			out = append(out, f.SHA256)
		}
	}
	return out
}

// Size implements [flight.Blobs].
func (p *Pack) Size(d digest.Digest) (int64, bool, error) {
	i, ok := p.places[d]
	if !ok {
		return 0, false, nil
	}
	return p.zip.Files[i].Size, true, nil
}

// Open implements [flight.Blobs].
func (p *Pack) Open(d digest.Digest) (io.Reader, error) {
	i, ok := p.places[d]
	if !ok {
		return nil, &store.DamageError{Path: "blobs/" + d.String(), Record: -1, What: "missing", Err: errMissing}
	}
	return &reader{name: p.zip.Files[i].Name, from: p.zip.Section(i), want: d, sum: sha256.New()}, nil
}

// A reader checks a content against its digest before it tells its end.
type reader struct {
	name string
	from io.Reader
	want digest.Digest
	sum  hash.Hash
}

// Read implements [io.Reader].
func (r *reader) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	r.sum.Write(b[:n])
	if err == io.EOF && digest.Digest(r.sum.Sum(nil)) != r.want {
		err = damage(r.name, "its digest is not the one in the manifest")
	}
	return n, err
}
