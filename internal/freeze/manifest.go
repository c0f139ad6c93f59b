package freeze

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// A manifest is the content of freeze.json.
type manifest struct {
	// Answers are the numbers of calls, from 1, in the order of the answers.
	// The answer to a program has a head, too: the number of its call, negative.
	Answers []int64       `json:"answers"`
	Calls   []manifestRow `json:"calls"` // in the order they were made
	Clock   []string      `json:"clock"`
	Format  string        `json:"format"`
	Outcome string        `json:"outcome"` // ok, failed
	Rules   []flight.Rule `json:"rules"`

	head []bool // which of Calls have one in Answers
}

type manifestRow struct {
	Ans digest.Answer `json:"ans"`
	Dir string        `json:"dir"`
	P   int64         `json:"p,omitempty"` // number of the program, from 1; 0: the mission made the call
	Req digest.Call   `json:"req"`
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
	for i, row := range m.Calls {
		if !fs.ValidPath(row.Dir) || strings.ContainsAny(row.Dir, `/\`) || row.Dir == "." {
			return nil, fmt.Errorf("malformed folder name %.100q", row.Dir)
		}
		if row.P < 0 {
			return nil, fmt.Errorf("call %d: malformed number of a program", i+1)
		}
	}
	return m, m.checkOrder()
}

// checkOrder holds the order of the answers to the calls.
func (m *manifest) checkOrder() error {
	m.head = make([]bool, len(m.Calls))
	answered := make([]bool, len(m.Calls))
	left := len(m.Calls)
	for _, n := range m.Answers {
		i := max(n, -n) - 1
		switch {
		case n == 0 || i < 0 || i >= int64(len(m.Calls)) || answered[i]:
			return fmt.Errorf("answers: %d is no call, or is there twice", n)
		case n < 0 && (m.head[i] || m.Calls[i].P == 0):
			return fmt.Errorf("answers: %d is a second head, or that of a mission's call", n)
		case n < 0:
			m.head[i] = true
		default:
			answered[i] = true
			left--
		}
	}
	if left > 0 {
		return fmt.Errorf("%d answers to %d calls", len(m.Calls)-left, len(m.Calls))
	}
	return nil
}

// folderNames gives the folders of calls their names, in the order of the
// calls.
type folderNames struct {
	seen map[string]int // of the calls of programs
}

// next returns the name of the folder of call i, from 0. That of a mission is
// numbered: 0001-POST-api.test-v1-chat. A program's calls come in an order of
// their own each time: its folder is named by what was asked, so that it keeps
// its name when others come and go: POST-api.test-v1-chat-69ed01ab, and the
// same with -2 when it was asked again.
func (f *folderNames) next(i int, row manifestRow, info *wire.DocInfo) string {
	const longest = 80
	where, _, _ := strings.Cut(info.URL, "?")
	if _, rest, ok := strings.Cut(where, "://"); ok {
		where = rest
	}
	what := info.Method + "-" + where
	if row.P == 0 {
		return fileName(fmt.Sprintf("%04d-%s", i+1, what), longest)
	}
	name := fileName(what, longest-20) + "-" + row.Req.String()[:8]
	if f.seen == nil {
		f.seen = map[string]int{}
	}
	key := strings.ToLower(name) // some file systems take both cases for one
	if f.seen[key]++; f.seen[key] > 1 {
		name += fmt.Sprintf("-%d", f.seen[key])
	}
	return name
}

// fileName writes s with a hyphen for whatever some file system may not like.
func fileName(s string, longest int) string {
	var b []byte
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_':
			b = append(b, c)
		case len(b) > 0 && b[len(b)-1] != '-':
			b = append(b, '-')
		}
	}
	if len(b) > longest {
		b = b[:longest]
	}
	return strings.TrimRight(string(b), "-.")
}
