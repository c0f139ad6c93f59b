package freeze

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/wire"
)

// attributes keep git from changing line ends in the files beside it.
const attributes = "* -text\n"

// WriteDir writes the frozen calls of s to the directory dir, which must be
// empty or not exist. What is written depends on s alone. freeze.json comes
// last: a directory without one is an incomplete one.
func WriteDir(dir string, s *Source) error {
	c, err := s.load()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s: not empty", dir)
	}
	m := manifest{Format: DirFormat, Outcome: "ok", Rules: c.rules}
	if c.failed {
		m.Outcome = "failed"
	}
	for _, now := range c.clock {
		m.Clock = append(m.Clock, FormatTime(now))
	}
	m.Answers = answerOrder(c.calls)
	for i, f := range c.calls {
		row, err := writeCall(dir, i, c, f)
		if err != nil {
			return err
		}
		m.Calls = append(m.Calls, row)
	}
	text, err := canon.Marshal(m)
	if err != nil {
		return err
	}
	if err := writeNew(filepath.Join(dir, ".gitattributes"), []byte(attributes)); err != nil {
		return err
	}
	return writeNew(filepath.Join(dir, manifestName), append(text, '\n'))
}

// answerOrder returns the places of calls, from 1, in the order of their
// answers.
func answerOrder(calls []frozenCall) []int64 {
	order := make([]int64, len(calls))
	for i := range order {
		order[i] = int64(i) + 1
	}
	slices.SortFunc(order, func(a, b int64) int {
		return int(calls[a-1].answer - calls[b-1].answer)
	})
	return order
}

func writeCall(dir string, i int, c *content, f frozenCall) (manifestRow, error) {
	req, info, reqBody, err := c.request(f)
	if err != nil {
		return manifestRow{}, err
	}
	ans, _, err := c.answer(f)
	if err != nil {
		return manifestRow{}, err
	}
	row := manifestRow{Ans: f.ans, Dir: folderName(i, info), Req: f.req}
	files := map[string][]byte{"request.json": req, "answer.json": ans}
	if info.BodyDigest != nil {
		files["request.body"] = reqBody
	}
	body, err := wire.BodyOf(ans)
	if err != nil {
		return manifestRow{}, err
	}
	if body != nil {
		if files["answer.body"], err = c.blob(*body); err != nil {
			return manifestRow{}, err
		}
	}
	for _, name := range []string{"request.json", "request.body", "answer.json", "answer.body"} {
		if b, ok := files[name]; ok {
			if err := writeNew(filepath.Join(dir, row.Dir, name), b); err != nil {
				return manifestRow{}, err
			}
		}
	}
	return row, nil
}

// writeNew writes a file that must not exist, with its directories.
func writeNew(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, werr := f.Write(b)
	return errors.Join(werr, f.Close())
}
