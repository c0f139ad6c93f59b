// Package environment is the form of an environment manifest: which files
// outside of its workspace a program at level deterministic has read, executed
// or mapped, and what was in them.
//
//	{"format":"coo.environment/0","omitted":0}
//	{"link":"python3.11","path":"/usr/bin/python3"}
//	{"mode":"0755","package":{"name":"python3.11-minimal","system":"debian","version":"3.11.2-6"},"path":"/usr/bin/python3.11","sha256":"5f70bf18…","size":6831736}
//
// It is text: canonical JSON, a line a file or a symbolic link on the way to
// one, in the order of their paths, after a line that says what it is. One
// manifest has one encoding, and [Parse] accepts no other.
package environment

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

// Format is the name of the form.
const Format = "coo.environment/0"

// Limits of a manifest.
const (
	MaxEntries = 1 << 17   // files and links together
	MaxBytes   = 128 << 20 // of its text
	MaxPath    = 4096      // bytes of a path, of a link's target, and of what names a package
)

// A Manifest is what a run's programs have used of the machine they ran on.
type Manifest struct {
	Files []File // in the order of their paths, as the links do too
	Links []Link
	// Omitted is how many files were used and are not described: they could not
	// be read, their names cannot be told, or they were too many.
	Omitted int64
}

// A File is a regular file by its own path: no link leads through it.
type File struct {
	// Changed: it changed while the program ran, so what is told of it may not
	// be what the program found.
	Changed bool          `json:"changed,omitempty"`
	Mode    string        `json:"mode"`              // permissions, four octal digits
	Package *Package      `json:"package,omitempty"` // nil: of none that is known
	Path    string        `json:"path"`
	SHA256  digest.Digest `json:"sha256"`
	Size    int64         `json:"size"` // bytes
}

// A Link is a symbolic link that leads to a used file.
type Link struct {
	Link string `json:"link"` // where it leads, as it says itself
	Path string `json:"path"`
}

// A Package is what has installed a file.
type Package struct {
	Name    string `json:"name"`
	System  string `json:"system"` // cpython, debian, npm, python
	Version string `json:"version"`
}

func (p *Package) String() string { return p.System + " " + p.Name + " " + p.Version }

// A head is the first line.
type head struct {
	Format  string `json:"format"`
	Omitted int64  `json:"omitted"`
}

// Bytes returns the length of the files together.
func (m *Manifest) Bytes() int64 {
	var n int64
	for i := range m.Files {
		n += m.Files[i].Size
	}
	return n
}

// Encode returns the text of m, whose files and links are sorted.
func (m *Manifest) Encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	b, err := canon.Marshal(head{Format, m.Omitted})
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	for f, l := 0, 0; f < len(m.Files) || l < len(m.Links); {
		if l == len(m.Links) || f < len(m.Files) && m.Files[f].Path < m.Links[l].Path {
			b, err = canon.Append(b, &m.Files[f])
			f++
		} else {
			b, err = canon.Append(b, &m.Links[l])
			l++
		}
		if err != nil {
			return nil, err
		}
		b = append(b, '\n')
	}
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("environment manifest: %d bytes, limit %d", len(b), MaxBytes)
	}
	return b, nil
}

// Parse is the inverse of [Manifest.Encode].
func Parse(b []byte) (*Manifest, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("environment manifest: %d bytes, limit %d", len(b), MaxBytes)
	}
	m := new(Manifest)
	n, last := 0, ""
	for line := range bytes.Lines(b) {
		text, whole := bytes.CutSuffix(line, []byte{'\n'})
		if !whole {
			return nil, fmt.Errorf("environment manifest: line %d does not end", n)
		}
		if n > MaxEntries {
			return nil, fmt.Errorf("environment manifest: more than %d entries", MaxEntries)
		}
		path, err := m.add(n, text)
		if err == nil && n > 0 && path <= last {
			err = errOrder
		}
		if err != nil {
			return nil, fmt.Errorf("environment manifest: line %d: %w", n, err)
		}
		n, last = n+1, path
	}
	if n == 0 {
		return nil, errors.New("environment manifest: empty")
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

var errOrder = errors.New("not in the order of the paths")

// add reads line n and returns the path that it is about.
func (m *Manifest) add(n int, line []byte) (path string, err error) {
	if n == 0 {
		var h head
		if err := canon.Unmarshal(line, &h); err != nil {
			return "", err
		}
		if h.Format != Format {
			return "", fmt.Errorf("format is %.40q, this coo reads %q", h.Format, Format)
		}
		m.Omitted = h.Omitted
		return "", nil
	}
	if bytes.HasPrefix(line, []byte(`{"link":`)) {
		var l Link
		if err := canon.Unmarshal(line, &l); err != nil {
			return "", err
		}
		m.Links = append(m.Links, l)
		return l.Path, nil
	}
	var f File
	if err := canon.Unmarshal(line, &f); err != nil {
		return "", err
	}
	m.Files = append(m.Files, f)
	return f.Path, nil
}

// check holds m to what every manifest is.
func (m *Manifest) check() error {
	if m.Omitted < 0 {
		return fmt.Errorf("environment manifest: %d files omitted", m.Omitted)
	}
	if n := len(m.Files) + len(m.Links); n > MaxEntries {
		return fmt.Errorf("environment manifest: %d entries, limit %d", n, MaxEntries)
	}
	last := ""
	for i := range m.Files {
		f := &m.Files[i]
		if err := f.check(last); err != nil {
			return fmt.Errorf("environment manifest: file %.200q: %w", f.Path, err)
		}
		last = f.Path
	}
	last = ""
	for i := range m.Links {
		l := &m.Links[i]
		if err := cmp.Or(checkPath(l.Path, last), checkText(l.Link)); err != nil {
			return fmt.Errorf("environment manifest: link %.200q: %w", l.Path, err)
		}
		last = l.Path
	}
	return m.distinct()
}

// distinct reports a path that is a file and a link.
func (m *Manifest) distinct() error {
	for f, l := 0, 0; f < len(m.Files) && l < len(m.Links); {
		switch strings.Compare(m.Files[f].Path, m.Links[l].Path) {
		case 0:
			return fmt.Errorf("environment manifest: %.200q is a file and a link", m.Links[l].Path)
		case -1:
			f++
		default:
			l++
		}
	}
	return nil
}

func (f *File) check(last string) error {
	if err := checkPath(f.Path, last); err != nil {
		return err
	}
	if f.Size < 0 {
		return fmt.Errorf("%d bytes long", f.Size)
	}
	if !isMode(f.Mode) {
		return fmt.Errorf("mode %.40q", f.Mode)
	}
	if p := f.Package; p != nil {
		return cmp.Or(checkText(p.Name), checkText(p.System), checkText(p.Version))
	}
	return nil
}

// isMode reports whether s is permissions as four octal digits.
func isMode(s string) bool {
	return len(s) == 4 && strings.Trim(s, "01234567") == ""
}

func checkPath(p, last string) error {
	switch {
	case !strings.HasPrefix(p, "/") || path.Clean(p) != p || p == "/":
		return errors.New("not an absolute path in its shortest form")
	case p <= last:
		return errOrder
	}
	return checkText(p)
}

// checkText holds what stands in a manifest to be something, and no more than
// a path has.
func checkText(s string) error {
	if s == "" || len(s) > MaxPath || !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("%.40q is empty, too long or no text", s)
	}
	return nil
}

// Tellable reports whether a path, or the target of a link, can stand in a
// manifest.
func Tellable(s string) bool { return checkText(s) == nil }
