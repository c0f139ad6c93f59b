package freeze

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/wire"
)

// attributes keep git from changing line ends in the files beside it.
const attributes = "* -text\n"

// maxViewed is the length in bytes of the longest answer that a view is made
// of.
const maxViewed = 8 << 20

// A Viewed is a frozen call to be written for people.
type Viewed struct {
	Request *wire.DocInfo
	Body    []byte // of the request
	Answer  *wire.Answer
	Size    int64 // of the answer's body; Answer has none above 8 MiB
}

// WriteDir writes the frozen calls of s to the directory dir, which must be
// empty or not exist, and returns their number. What is written depends on s
// alone. freeze.json comes last: a directory without one is an incomplete one.
//
// view returns a call as people read it, which goes beside it; nil: no views.
func WriteDir(dir string, s *Source, view func(Viewed) string) (int, error) {
	c, err := s.load()
	if err != nil {
		return 0, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if len(entries) > 0 {
		return 0, fmt.Errorf("%s: not empty", dir)
	}
	w := &dirWriter{dir: dir, content: c, view: view}
	return len(c.calls), w.write()
}

// A dirWriter writes one directory of frozen calls.
type dirWriter struct {
	dir string
	*content
	view  func(Viewed) string
	names folderNames
	m     manifest
	index bytes.Buffer // calls.txt
}

func (w *dirWriter) write() error {
	w.m = manifest{Format: DirFormat, Outcome: "ok", Rules: w.rules, Answers: answerOrder(w.calls)}
	if w.failed {
		w.m.Outcome = "failed"
	}
	for _, now := range w.clock {
		w.m.Clock = append(w.m.Clock, FormatTime(now))
	}
	programs := map[int64]int64{0: 0} // their numbers here
	for i, f := range w.calls {
		if _, ok := programs[f.p]; !ok {
			programs[f.p] = int64(len(programs))
		}
		if err := w.writeCall(i, f, programs[f.p]); err != nil {
			return err
		}
	}
	text, err := canon.Marshal(w.m)
	if err != nil {
		return err
	}
	if err := w.writeRules(); err != nil {
		return err
	}
	if w.view != nil {
		if err := w.file(indexName, w.index.Bytes()); err != nil {
			return err
		}
	}
	if err := w.file(".gitattributes", []byte(attributes)); err != nil {
		return err
	}
	return w.file(manifestName, append(text, '\n'))
}

// writeRules writes the rules of a user, which nobody else has.
func (w *dirWriter) writeRules() error {
	user, err := w.userRules()
	if err != nil || user == nil {
		return err
	}
	return w.file(rulesName, user.Bytes)
}

// answerOrder returns the places of calls, from 1, in the order of their
// answers, and negative in that of their heads.
func answerOrder(calls []frozenCall) []int64 {
	type release struct{ at, n int64 }
	var order []release
	for i, f := range calls {
		n := int64(i) + 1
		if f.head > 0 {
			order = append(order, release{f.head, -n})
		}
		order = append(order, release{f.answer, n})
	}
	slices.SortFunc(order, func(a, b release) int { return int(a.at - b.at) })
	out := make([]int64, len(order))
	for i, r := range order {
		out[i] = r.n
	}
	return out
}

func (w *dirWriter) writeCall(i int, f frozenCall, p int64) error {
	req, info, body, err := w.request(f)
	if err != nil {
		return err
	}
	doc, ans, err := w.info(f)
	if err != nil {
		return err
	}
	row := manifestRow{Ans: f.ans, P: p, Req: f.req}
	row.Dir = w.names.next(i, row, info)
	w.m.Calls = append(w.m.Calls, row)
	err = errors.Join(
		w.file(filepath.Join(row.Dir, "request.json"), req),
		w.file(filepath.Join(row.Dir, "answer.json"), doc),
	)
	if err == nil && info.BodyDigest != nil {
		err = w.file(filepath.Join(row.Dir, "request.body"), body)
	}
	if err == nil && ans.Body != nil {
		err = w.body(filepath.Join(row.Dir, "answer.body"), ans)
	}
	if err != nil || w.view == nil {
		return err
	}
	fmt.Fprintf(&w.index, "%s  %s\n", row.Dir, outcomeOf(ans))
	return w.writeView(row.Dir, Viewed{Request: info, Body: body, Answer: &ans.Answer, Size: ans.Size}, ans)
}

// outcomeOf tells an answer in a word or two.
func outcomeOf(ans *wire.AnswerInfo) string {
	switch {
	case ans.Status == 0:
		return ans.Error
	case ans.Error != "":
		return fmt.Sprintf("%d, %s", ans.Status, ans.Error)
	}
	return fmt.Sprint(ans.Status)
}

func (w *dirWriter) writeView(dir string, v Viewed, ans *wire.AnswerInfo) error {
	v.Answer.Body = ans.Inline
	if ans.Body != nil && ans.Size <= maxViewed {
		var err error
		if v.Answer.Body, err = w.blob(*ans.Body); err != nil {
			return err
		}
	}
	return w.file(filepath.Join(dir, viewName), []byte(w.view(v)))
}

// body writes the body of ans to a new file.
func (w *dirWriter) body(name string, ans *wire.AnswerInfo) error {
	if w.open == nil {
		b, err := w.blob(*ans.Body)
		if err != nil {
			return err
		}
		return w.file(name, b)
	}
	r, err := w.open(*ans.Body)
	if err != nil {
		return err
	}
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
	return w.stream(name, r)
}

func (w *dirWriter) file(name string, b []byte) error { return w.stream(name, bytes.NewReader(b)) }

// stream writes a file that must not exist, with its directories.
func (w *dirWriter) stream(name string, r io.Reader) error {
	name = filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, werr := io.Copy(f, r)
	return errors.Join(werr, f.Close())
}
