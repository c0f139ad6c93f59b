package freeze

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// DirFormat is the name of the format of a directory of frozen calls,
// docs/format/freeze-dir.md.
const DirFormat = "coo.freeze/0"

// The files of a directory of frozen calls, and their greatest lengths in
// bytes. Bodies are bounded by [wire.MaxBody].
const (
	manifestName = "freeze.json"
	maxManifest  = 64 << 20
	maxDoc       = 16 << 20
)

// A manifest is the content of freeze.json.
type manifest struct {
	Answers []int64       `json:"answers"` // numbers of calls, from 1, in the order of the answers
	Calls   []manifestRow `json:"calls"`   // in the order they were made
	Clock   []string      `json:"clock"`
	Format  string        `json:"format"`
	Outcome string        `json:"outcome"` // ok, failed
	Rules   []flight.Rule `json:"rules"`
}

type manifestRow struct {
	Ans digest.Answer `json:"ans"`
	Dir string        `json:"dir"`
	Req digest.Call   `json:"req"`
}

// A SourceError reports a directory of frozen calls that is not what was
// written. [FromDir] and [FromFS] return it, and what reads the directory
// later.
type SourceError struct {
	Source string // the directory, as it was given
	Path   string // in it, slash-separated
	What   string
}

func (e *SourceError) Error() string { return fmt.Sprintf("%s: %s: %s", e.Source, e.Path, e.What) }

// FromDir returns the directory dir as a source. It is read and checked now;
// bodies are read again, and checked again, when they are needed.
func FromDir(dir string) (*Source, error) { return FromFS(os.DirFS(dir), dir) }

// FromFS is [FromDir] for any file system, such as an embedded one. name
// stands for it in messages.
func FromFS(fsys fs.FS, name string) (*Source, error) {
	r := &dirReader{fsys: fsys, name: name, files: map[digest.Digest]dirFile{}}
	c, err := r.read()
	if err != nil {
		return nil, err
	}
	return newSource(name, func() (*content, error) { return c, nil }), nil
}

// A dirReader reads one directory of frozen calls.
type dirReader struct {
	fsys  fs.FS
	name  string
	files map[digest.Digest]dirFile // where documents and bodies are
}

type dirFile struct {
	path string
	max  int64
}

func (r *dirReader) errorf(path, format string, args ...any) error {
	return &SourceError{Source: r.name, Path: path, What: fmt.Sprintf(format, args...)}
}

func (r *dirReader) read() (*content, error) {
	text, err := r.file(manifestName, maxManifest)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(text)
	if err != nil {
		return nil, r.errorf(manifestName, "%v", err)
	}
	if err := r.checkTop(m); err != nil {
		return nil, err
	}
	c := &content{failed: m.Outcome != "ok", rules: m.Rules, blob: r.blob}
	for i, row := range m.Calls {
		if err := r.readCall(i, row); err != nil {
			return nil, err
		}
		c.calls = append(c.calls, frozenCall{call: int64(i) + 1, req: row.Req, ans: row.Ans})
	}
	for i, n := range m.Answers {
		c.calls[n-1].answer = int64(i)
	}
	for _, s := range m.Clock {
		now, err := ParseTime(s)
		if err != nil {
			return nil, r.errorf(manifestName, "%v", err)
		}
		c.clock = append(c.clock, now)
	}
	return c, nil
}

// parseManifest reads freeze.json.
func parseManifest(text []byte) (*manifest, error) {
	line, ok := strings.CutSuffix(string(text), "\n")
	if !ok {
		return nil, fmt.Errorf("it does not end in a line feed")
	}
	m := new(manifest)
	if err := canon.Unmarshal([]byte(line), m); err != nil {
		return nil, err
	}
	if m.Format != DirFormat {
		return nil, fmt.Errorf("format %.40q: want %q", m.Format, DirFormat)
	}
	if m.Outcome != "ok" && m.Outcome != "failed" {
		return nil, fmt.Errorf("outcome %.40q: want ok or failed", m.Outcome)
	}
	if len(m.Answers) != len(m.Calls) {
		return nil, fmt.Errorf("%d answers to %d calls", len(m.Answers), len(m.Calls))
	}
	seen := make([]bool, len(m.Calls))
	for _, n := range m.Answers {
		if n < 1 || n > int64(len(seen)) || seen[n-1] {
			return nil, fmt.Errorf("answers: %d is no call, or is there twice", n)
		}
		seen[n-1] = true
	}
	for _, row := range m.Calls {
		if !fs.ValidPath(row.Dir) || strings.ContainsAny(row.Dir, `/\`) || row.Dir == "." {
			return nil, fmt.Errorf("malformed folder name %.100q", row.Dir)
		}
	}
	return m, nil
}

// checkTop refuses what the manifest does not name, but for hidden files and
// a README.md.
func (r *dirReader) checkTop(m *manifest) error {
	known := map[string]bool{manifestName: true, "README.md": true}
	for _, row := range m.Calls {
		known[row.Dir] = true
	}
	entries, err := fs.ReadDir(r.fsys, ".")
	if err != nil {
		return r.errorf(".", "cannot be listed")
	}
	for _, e := range entries {
		if !known[e.Name()] && !strings.HasPrefix(e.Name(), ".") {
			return r.errorf(e.Name(), "not named by %s", manifestName)
		}
	}
	return nil
}

// readCall checks the folder of call i, from 0, and notes where its documents
// and bodies are.
func (r *dirReader) readCall(i int, row manifestRow) error {
	at := func(name string) string { return path.Join(row.Dir, name) }
	expected := map[string]bool{"request.json": true, "answer.json": true}
	req, err := r.document(at("request.json"), digest.Digest(row.Req))
	if err != nil {
		return err
	}
	info, err := wire.ParseDoc(req)
	if err != nil {
		return r.errorf(at("request.json"), "%v", err)
	}
	if want := folderName(i, info); row.Dir != want {
		return r.errorf(row.Dir, "the folder of this call is named %q", want)
	}
	if info.BodyDigest != nil {
		expected["request.body"] = true
		if _, err := r.note(at("request.body"), wire.MaxBody, *info.BodyDigest); err != nil {
			return err
		}
	}
	ans, err := r.document(at("answer.json"), digest.Digest(row.Ans))
	if err != nil {
		return err
	}
	_, err = wire.DecodeAnswer(ans, func(d digest.Digest) ([]byte, error) {
		expected["answer.body"] = true
		return r.note(at("answer.body"), wire.MaxBody, d)
	})
	if se, ok := err.(*SourceError); ok {
		return se
	}
	if err != nil {
		return r.errorf(at("answer.json"), "%v", err)
	}
	return r.checkFolder(row.Dir, expected)
}

func (r *dirReader) checkFolder(dir string, expected map[string]bool) error {
	entries, err := fs.ReadDir(r.fsys, dir)
	if err != nil {
		return r.errorf(dir, "cannot be listed")
	}
	for _, e := range entries {
		if !expected[e.Name()] {
			return r.errorf(path.Join(dir, e.Name()), "nothing names it")
		}
	}
	return nil
}

// document reads and notes a request or answer document.
func (r *dirReader) document(name string, want digest.Digest) ([]byte, error) {
	return r.note(name, maxDoc, want)
}

// note reads the file called name, checks it and remembers where it is.
func (r *dirReader) note(name string, max int64, want digest.Digest) ([]byte, error) {
	b, err := r.checked(dirFile{name, max}, want)
	if err == nil {
		r.files[want] = dirFile{name, max}
	}
	return b, err
}

// blob returns a noted document or body.
func (r *dirReader) blob(d digest.Digest) ([]byte, error) {
	f, ok := r.files[d]
	if !ok {
		return nil, r.errorf(manifestName, "nothing has the digest %s", d)
	}
	return r.checked(f, d)
}

func (r *dirReader) checked(f dirFile, want digest.Digest) ([]byte, error) {
	b, err := r.file(f.path, f.max)
	if err != nil {
		return nil, err
	}
	if got := digest.Of(b); got != want {
		return nil, r.errorf(f.path, "its digest is %s, want %s", got.Short(), want.Short())
	}
	return b, nil
}

// file reads a regular file of at most max bytes.
func (r *dirReader) file(name string, max int64) ([]byte, error) {
	info, err := fs.Lstat(r.fsys, name)
	if err != nil {
		return nil, r.errorf(name, "it is missing")
	}
	if !info.Mode().IsRegular() {
		return nil, r.errorf(name, "it is no regular file")
	}
	f, err := r.fsys.Open(name)
	if err != nil {
		return nil, r.errorf(name, "it cannot be opened")
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, r.errorf(name, "it cannot be read")
	}
	if int64(len(b)) > max {
		return nil, r.errorf(name, "it is longer than %d bytes", max)
	}
	return b, nil
}

// folderName returns the name of the folder of call i, from 0: a number, the
// method, host and path, with a hyphen for whatever some file system may not
// like. Only the number makes it unique.
func folderName(i int, info *wire.DocInfo) string {
	const longest = 80
	where, _, _ := strings.Cut(info.URL, "?")
	if _, rest, ok := strings.Cut(where, "://"); ok {
		where = rest
	}
	b := fmt.Appendf(nil, "%04d", i+1)
	for _, c := range []byte("-" + info.Method + "-" + where) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_':
			b = append(b, c)
		case b[len(b)-1] != '-':
			b = append(b, '-')
		}
	}
	if len(b) > longest {
		b = b[:longest]
	}
	return strings.TrimRight(string(b), "-.")
}
