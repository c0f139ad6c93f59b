package freeze

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

// DirFormat is the name of the format of a directory of frozen calls,
// docs/format/freeze-dir.md.
const DirFormat = "coo.freeze/0"

// The files of a directory of frozen calls, and their greatest lengths in
// bytes. Bodies of requests are bounded by [wire.MaxBody], those of answers by
// [wire.MaxStream]. Views are for people, and not read.
const (
	manifestName = "freeze.json"
	rulesName    = "rules.json" // those of a user, if there are any
	indexName    = "calls.txt"  // a view
	viewName     = "view.txt"   // in each folder
	maxManifest  = 64 << 20
	maxDoc       = 16 << 20
)

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
	c := &content{failed: m.Outcome != "ok", rules: m.Rules, blob: r.blob, open: r.open}
	if err := r.readRules(m); err != nil {
		return nil, err
	}
	var names folderNames
	for i, row := range m.Calls {
		head, err := r.readCall(&names, i, row)
		if err != nil {
			return nil, err
		}
		if want := row.P != 0 && head; want != m.head[i] {
			return nil, r.errorf(manifestName, "answers: a program's answer with a status has a head (call %d), and no other has", i+1)
		}
		c.calls = append(c.calls, frozenCall{call: int64(i) + 1, p: row.P, req: row.Req, ans: row.Ans})
	}
	for i, n := range m.Answers {
		if n < 0 {
			c.calls[-n-1].head = int64(i) + 1
			continue
		}
		c.calls[n-1].answer = int64(i) + 1
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

// readRules notes where the rules of a user are.
func (r *dirReader) readRules(m *manifest) error {
	for _, rule := range m.Rules {
		if rule.ID != wire.UserRulesID {
			continue
		}
		text, err := r.note(rulesName, maxDoc, rule.SHA256)
		if err != nil {
			return err
		}
		if _, err := wire.ParseRules(text); err != nil {
			return r.errorf(rulesName, "%v", err)
		}
	}
	return nil
}

// checkTop refuses what the manifest does not name, but for hidden files,
// views and a README.md.
func (r *dirReader) checkTop(m *manifest) error {
	known := map[string]bool{manifestName: true, indexName: true, "README.md": true}
	for _, rule := range m.Rules {
		known[rulesName] = known[rulesName] || rule.ID == wire.UserRulesID
	}
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

// readCall checks the folder of call i, from 0, notes where its documents and
// bodies are, and reports whether its answer has a status.
func (r *dirReader) readCall(names *folderNames, i int, row manifestRow) (head bool, err error) {
	at := func(name string) string { return path.Join(row.Dir, name) }
	expected := map[string]bool{"request.json": true, "answer.json": true, viewName: true}
	req, err := r.document(at("request.json"), digest.Digest(row.Req))
	if err != nil {
		return false, err
	}
	info, err := wire.ParseDoc(req)
	if err != nil {
		return false, r.errorf(at("request.json"), "%v", err)
	}
	if want := names.next(i, row, info); row.Dir != want {
		return false, r.errorf(row.Dir, "the folder of this call is named %q", want)
	}
	if info.BodyDigest != nil {
		expected["request.body"] = true
		if _, err := r.note(at("request.body"), wire.MaxBody, *info.BodyDigest); err != nil {
			return false, err
		}
	}
	doc, err := r.document(at("answer.json"), digest.Digest(row.Ans))
	if err != nil {
		return false, err
	}
	ans, err := wire.ParseAnswer(doc)
	if err == nil && row.P == 0 && ans.Size > wire.MaxBody {
		err = fmt.Errorf("body longer than %d bytes", wire.MaxBody)
	}
	if err != nil {
		return false, r.errorf(at("answer.json"), "%v", err)
	}
	if ans.Body != nil {
		expected["answer.body"] = true
		if err := r.checkBody(at("answer.body"), ans); err != nil {
			return false, err
		}
	}
	return ans.Status != 0, r.checkFolder(row.Dir, expected)
}

// checkBody checks the file called name, which has the body of ans, and
// remembers where it is.
func (r *dirReader) checkBody(name string, ans *wire.AnswerInfo) error {
	f := dirFile{name, ans.Size}
	body, err := r.reader(f, *ans.Body)
	if err != nil {
		return err
	}
	defer body.Close()
	start, err := io.ReadAll(io.LimitReader(body, wire.MaxInline))
	if err == nil {
		_, err = io.Copy(io.Discard, body)
	}
	if err != nil {
		return err
	}
	if err := ans.CheckBody(body.n, start); err != nil {
		return r.errorf(name, "%v", err)
	}
	r.files[*ans.Body] = f
	return nil
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

// open reads a noted body as a stream.
func (r *dirReader) open(d digest.Digest) (io.Reader, error) {
	f, ok := r.files[d]
	if !ok {
		return nil, r.errorf(manifestName, "nothing has the digest %s", d)
	}
	body, err := r.reader(f, d)
	if err != nil {
		return nil, err
	}
	return body, nil
}

// file reads a regular file of at most max bytes.
func (r *dirReader) file(name string, max int64) ([]byte, error) {
	f, err := r.regular(name)
	if err != nil {
		return nil, err
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

// regular opens a regular file.
func (r *dirReader) regular(name string) (fs.File, error) {
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
	return f, nil
}

// reader returns a reader of a file that must have a digest.
func (r *dirReader) reader(f dirFile, want digest.Digest) (*checkedReader, error) {
	file, err := r.regular(f.path)
	if err != nil {
		return nil, err
	}
	return &checkedReader{r: r, from: file, file: f, want: want, sum: sha256.New()}, nil
}

// A checkedReader reads a file that must have a digest: its end is io.EOF only
// when it has.
type checkedReader struct {
	r    *dirReader
	from fs.File
	file dirFile
	want digest.Digest
	sum  hash.Hash
	n    int64
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	switch {
	case c.n > c.file.max:
		return 0, c.r.errorf(c.file.path, "it is longer than %d bytes", c.file.max)
	case err == io.EOF:
		if got := digest.Digest(c.sum.Sum(nil)); got != c.want {
			return n, c.r.errorf(c.file.path, "its digest is %s, want %s", got.Short(), c.want.Short())
		}
	case err != nil:
		return n, c.r.errorf(c.file.path, "it cannot be read")
	}
	return n, err
}

func (c *checkedReader) Close() error { return c.from.Close() }
