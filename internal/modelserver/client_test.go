package modelserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// start runs a server without delays.
func start(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(New(Options{MaxDelay: -1, Stall: 30 * time.Second}))
	t.Cleanup(s.Close)
	return s
}

// An answer is what a client got. err is what ended its body, if not its end.
type answer struct {
	status  int
	header  http.Header
	trailer http.Header
	body    []byte
	err     error
}

// post sends a request. Headers are name, value, name, value. An error before
// the body is err with status 0.
func post(t *testing.T, c *http.Client, url, body string, headers ...string) *answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return &answer{err: err}
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	a.body, a.err = io.ReadAll(resp.Body)
	a.trailer = resp.Trailer
	return a
}

// parse reads JSON.
func parse(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("not JSON: %v: %s", err, text)
	}
	return v
}

// at goes down into a JSON value by names and indices; nil when there is no
// such thing.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func str(v any, path ...any) string {
	s, _ := at(v, path...).(string)
	return s
}

func num(v any, path ...any) int {
	f, _ := at(v, path...).(float64)
	return int(f)
}

// A sse is one event of a stream.
type sse struct{ name, data string }

// readSSE reads a stream strictly: every line is an event field, every event
// has data, and the stream ends after an event. It is nil when one does not.
func readSSE(body []byte) ([]sse, error) {
	if !bytes.HasSuffix(body, []byte("\n\n")) && !bytes.HasSuffix(body, []byte("\r\n\r\n")) {
		return nil, fmt.Errorf("ends within an event: %q", tail(body))
	}
	text := strings.ReplaceAll(string(body), "\r\n", "\n")
	var out []sse
	for block := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		var e sse
		for line := range strings.SplitSeq(block, "\n") {
			name, value, ok := strings.Cut(line, ": ")
			switch {
			case ok && name == "event" && e.name == "":
				e.name = value
			case ok && name == "data" && e.data == "":
				e.data = value
			default:
				return nil, fmt.Errorf("line %q", line)
			}
		}
		if e.data == "" {
			return nil, fmt.Errorf("event without data: %q", block)
		}
		out = append(out, e)
	}
	return out, nil
}

func tail(b []byte) []byte { return b[max(0, len(b)-40):] }

// trouble is the text of an error, in any provider's shape.
func trouble(v any) string {
	return str(v, "error", "message") + str(v, "error") + str(v, "message")
}

// A said is what an answer says, whatever its shape.
type said struct {
	id, model    string
	text         string
	tool, args   string
	finish       string
	in, out, all int
}

// A provider is one endpoint as a client knows it.
type provider struct {
	name          string
	path, streams string // URL paths
	body          func(o options) string
	plain         func(v any) said
	stream        func(t *testing.T, body []byte) said
	values        func(t *testing.T, body []byte) []any // the events of a stream, parsed
	stop          string
	length        string
	called        string
	sse           bool
	wholeTools    bool // a call comes without a text before it
	noTools       bool
	noJSON        bool
}

// options are what a client asks for.
type options struct {
	model  string
	stream bool
	limit  int
	tools  bool
	result string // the result of the tool called before
	schema string // of a JSON answer
}

const (
	toolSchema = `{"type":"object","required":["place","day"],"properties":{` +
		`"place":{"type":"string"},"day":{"type":"integer","minimum":1,"maximum":31},` +
		`"unit":{"type":"string","enum":["m","ft"]},"sure":{"type":"boolean"},"near":{"type":"array","items":{"type":"number"}}}}`
	question = "How high is the tide?"
)

var anthropicVersion = []string{"anthropic-version", "2023-06-01"}

// ask posts a request of o to p.
func (p *provider) ask(t *testing.T, s *httptest.Server, o options, headers ...string) *answer {
	t.Helper()
	if o.model == "" {
		o.model = "m-1"
	}
	path := p.path
	if o.stream {
		path = p.streams
	}
	path = strings.Replace(path, "MODEL", o.model, 1)
	return post(t, s.Client(), s.URL+path, p.body(o), append(slices.Clone(anthropicVersion), headers...)...)
}

// says asks and reads the answer.
func (p *provider) says(t *testing.T, s *httptest.Server, o options) said {
	t.Helper()
	a := p.ask(t, s, o)
	if a.status != http.StatusOK || a.err != nil {
		t.Fatalf("%s: status %d, %v: %s", p.name, a.status, a.err, a.body)
	}
	if !o.stream {
		return p.plain(parse(t, a.body))
	}
	return p.stream(t, a.body)
}

// tags returns the JSON members of a request that depend on o.
func tags(members ...string) string {
	return "{" + strings.Join(slices.DeleteFunc(members, func(m string) bool { return m == "" }), ",") + "}"
}

// when is text if it is wanted.
func when(wanted bool, format string, args ...any) string {
	if !wanted {
		return ""
	}
	return fmt.Sprintf(format, args...)
}
