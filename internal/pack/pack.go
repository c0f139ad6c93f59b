// Package pack puts a run in one file and reads it back: everything that is
// needed to verify and to replay it, in an archive that is the same bytes for
// the same run and attachments. The format is docs/format/pack.md.
//
//	README.txt  attachments.jsonl  blobs/0f64…  flight.jsonl  freeze/0006-answer.json
//	lineage.json  manifest.json  mission/demo.star  outputs/summary.md  replay.txt  …
//
// Which files there are follows from the run's records and its attachments
// ([layout]), when a pack is written as when it is read: a reader works out the
// manifest again and accepts no other. It reads what a stranger made: nothing is
// believed that was not compared, and nothing is written here at all.
//
// The package does no input and output of its own; archives come and go
// through [io.ReaderAt] and [io.Writer].
package pack

import (
	"fmt"
	"slices"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

// Format is the name of the format of packs.
const Format = "coo.pack/0"

// Paths of the files that every pack has; attachments only where there are any.
const (
	readmeFile      = "README.txt"
	attachmentsFile = "attachments.jsonl"
	flightFile      = "flight.jsonl"
	lineageFile     = "lineage.json"
	manifestFile    = "manifest.json"
	replayFile      = "replay.txt"
	rollbacksFile   = "rollbacks.jsonl"
)

const maxManifest = 256 << 20

// A Manifest binds every file of a pack by its digest. Its own digest is the
// pack's.
type Manifest struct {
	Format      string         `json:"format"`
	Run         digest.Digest  `json:"run"`
	Attachments *digest.Digest `json:"attachments"` // of the last line of attachments.jsonl
	Files       []File         `json:"files"`       // all but the manifest, in order
}

// A File is a file of a pack.
type File struct {
	Path   string        `json:"path"`
	Roles  []string      `json:"roles"` // what it is, sorted
	SHA256 digest.Digest `json:"sha256"`
	Size   int64         `json:"size"`
}

// encode returns the manifest's file.
func (m *Manifest) encode() ([]byte, error) {
	b, err := canon.Marshal(m)
	if err == nil && len(b) >= maxManifest {
		err = fmt.Errorf("pack: a manifest of %d bytes, limit %d", len(b), maxManifest)
	}
	return append(b, '\n'), err
}

// parseManifest is the inverse of encode.
func parseManifest(b []byte) (*Manifest, error) {
	line, ok := cutNewline(b)
	if !ok {
		return nil, fmt.Errorf("its last byte is no newline")
	}
	m := new(Manifest)
	if err := canon.Unmarshal(line, m); err != nil {
		return nil, err
	}
	if m.Format != Format {
		return nil, fmt.Errorf("format is %.40q, this coo reads %q", m.Format, Format)
	}
	return m, nil
}

func cutNewline(b []byte) ([]byte, bool) {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		return b[:n-1], true
	}
	return nil, false
}

// equal reports whether two files are told in the same way.
func (f *File) equal(o *File) bool {
	return f.Path == o.Path && f.SHA256 == o.SHA256 && f.Size == o.Size && slices.Equal(f.Roles, o.Roles)
}
