package modelserver

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// each runs a test for every endpoint, plain and streamed.
func each(t *testing.T, f func(t *testing.T, p *provider, stream bool)) {
	t.Helper()
	for _, p := range providers {
		t.Run(p.name+" plain", func(t *testing.T) { f(t, p, false) })
		t.Run(p.name+" stream", func(t *testing.T) { f(t, p, true) })
	}
}

func TestAnswer(t *testing.T) {
	s := start(t)
	each(t, func(t *testing.T, p *provider, stream bool) {
		got := p.says(t, s, options{stream: stream})
		if got.text == "" || got.model != "m-1" || got.finish != p.stop || got.tool != "" {
			t.Errorf("answer %+v", got)
		}
		if n := len(tokens(got.text)); got.out != n || got.in < 5 || got.all != got.in+got.out {
			t.Errorf("usage %d + %d = %d, want %d out", got.in, got.out, got.all, n)
		}
	})
}

func TestAnswersDiffer(t *testing.T) {
	s := start(t)
	each(t, func(t *testing.T, p *provider, stream bool) {
		ids, texts := map[string]bool{}, map[string]bool{}
		for range 8 {
			got := p.says(t, s, options{stream: stream})
			ids[got.id], texts[got.text] = true, true
		}
		// Two texts of eight are equal once in some hundred thousand times.
		if len(ids) != 8 || len(texts) < 6 {
			t.Errorf("of 8 answers %d ids and %d texts differ", len(ids), len(texts))
		}
	})
}

func TestLimit(t *testing.T) {
	s := start(t)
	each(t, func(t *testing.T, p *provider, stream bool) {
		got := p.says(t, s, options{stream: stream, limit: 3})
		if got.out != 3 || len(tokens(got.text)) != 3 || got.finish != p.length {
			t.Errorf("answer %+v, want 3 tokens and %s", got, p.length)
		}
	})
}

func TestToolCall(t *testing.T) {
	s := start(t)
	each(t, func(t *testing.T, p *provider, stream bool) {
		if p.noTools {
			return // not a feature of this endpoint
		}
		got := p.says(t, s, options{stream: stream, tools: true})
		if got.tool != "tide" || got.finish != p.called || (got.text == "") != p.wholeTools {
			t.Fatalf("answer %+v, want a call", got)
		}
		var args struct {
			Place *string
			Day   int
			Unit  string
			Sure  bool
			Near  []float64
		}
		if err := json.Unmarshal([]byte(got.args), &args); err != nil {
			t.Fatalf("arguments %s: %v", got.args, err)
		}
		if args.Place == nil || args.Day < 1 || args.Day > 31 || !strings.Contains(" m ft", " "+args.Unit) {
			t.Errorf("arguments %s", got.args)
		}
		got = p.says(t, s, options{stream: stream, tools: true, result: "4.2 m at noon"})
		if got.tool != "" || got.finish != p.stop || !strings.Contains(got.text, "4.2 m at noon") {
			t.Errorf("answer %+v, want a text about the result", got)
		}
	})
}

func TestToolChoice(t *testing.T) {
	s := start(t)
	two := `"tools":[{"type":"function","function":{"name":"one"}},{"type":"function","function":{"name":"two"}}]`
	for _, c := range []struct{ choice, want string }{
		{`"none"`, ""}, {`{"type":"function","function":{"name":"two"}}`, "two"}, {`{"type":"function","function":{"name":"one"}}`, "one"},
	} {
		a := post(t, s.Client(), s.URL+"/chat/completions", `{"model":"m","messages":[{"role":"user","content":"x"}],`+two+`,"tool_choice":`+c.choice+`}`)
		if got := chatPlain(parse(t, a.body)); got.tool != c.want {
			t.Errorf("tool_choice %s: %q is called", c.choice, got.tool)
		}
	}
}

func TestJSONAnswer(t *testing.T) {
	s := start(t)
	each(t, func(t *testing.T, p *provider, stream bool) {
		if p.name == "messages" || p.noJSON {
			return // not a feature of this endpoint
		}
		got := p.says(t, s, options{stream: stream, schema: toolSchema})
		v := parse(t, []byte(got.text))
		if day := num(v, "day"); day < 1 || day > 31 || at(v, "place") == nil {
			t.Errorf("text %s", got.text)
		}
	})
}

func TestPadding(t *testing.T) {
	s := start(t)
	body := `{"model":"m","input":"x","messages":[{"role":"user","content":"x"}],"stream":true`
	for _, path := range []string{"/v1/chat/completions", "/v1/responses"} {
		with := post(t, s.Client(), s.URL+path, body+"}")
		without := post(t, s.Client(), s.URL+path, body+`,"stream_options":{"include_obfuscation":false}}`)
		if !strings.Contains(string(with.body), `"obfuscation":"`) || strings.Contains(string(without.body), "obfuscation") {
			t.Errorf("%s: padding with\n%s\nwithout\n%s", path, with.body, without.body)
		}
		if strings.Contains(string(with.body), `"usage":{"prompt`) {
			t.Errorf("%s: usage that was not asked for", path)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := start(t)
	for _, p := range providers {
		one, two := p.ask(t, s, options{}), p.ask(t, s, options{stream: true})
		id := map[string]string{"chat": "x-request-id", "responses": "x-request-id", "messages": "request-id"}[p.name]
		if id != "" && (one.header.Get(id) == "" || one.header.Get(id) == two.header.Get(id)) {
			t.Errorf("%s: %s: %q and %q", p.name, id, one.header.Get(id), two.header.Get(id))
		}
		if one.header.Get("date") == "" || !strings.HasPrefix(one.header.Get("content-type"), "application/json") {
			t.Errorf("%s: headers %v", p.name, one.header)
		}
		if p.sse != strings.HasPrefix(two.header.Get("content-type"), "text/event-stream") {
			t.Errorf("%s: stream of type %s", p.name, two.header.Get("content-type"))
		}
	}
}

func TestRefusals(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		path, body, want string
		status           int
	}{
		{"/v1/chat/completions", `{`, "body: not JSON", 400},
		{"/v1/chat/completions", `{"model":1}`, "body: model: a number is not expected here", 400},
		{"/v1/chat/completions", `{"messages":[{}]}`, "model: required", 400},
		{"/v1/chat/completions", `{"model":"m"}`, "messages: at least one is required", 400},
		{"/v1/chat/completions", `{"model":"m","messages":[{}],"n":2}`, "n: 2: the sample server gives one choice", 400},
		{"/v1/chat/completions", `{"model":"m","messages":[{}],"tool_choice":{"name":"x"}}`, "tool choice: no such function: x", 400},
		{"/v1/responses", `{"model":"m"}`, "input: required: a text or a list of items", 400},
		{"/v1/messages", `{"model":"m","messages":[{}]}`, "max_tokens: Field required", 400},
		{"/v1beta/models/m:generateContent", `{}`, "messages: at least one is required", 400},
		{"/v1beta/models/m:countTokens", `{}`, "no such endpoint: /v1beta/models/m:countTokens", 404},
		{"/v2", `{}`, "no such endpoint: /v2", 404},
	} {
		a := post(t, s.Client(), s.URL+c.path, c.body, anthropicVersion...)
		if got := str(parse(t, a.body), "error", "message"); a.status != c.status || got != c.want {
			t.Errorf("%s %s: %d %q, want %d %q", c.path, c.body, a.status, got, c.status, c.want)
		}
	}
	a := post(t, s.Client(), s.URL+"/v1/messages", `{}`)
	if got := str(parse(t, a.body), "error", "message"); got != "anthropic-version: header is required" {
		t.Errorf("without a version: %q", got)
	}
	resp, err := s.Client().Get(s.URL + "/v1/messages")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("allow") != "POST" {
		t.Errorf("GET: %d, allow %q", resp.StatusCode, resp.Header.Get("allow"))
	}
}

func TestModels(t *testing.T) {
	s := start(t)
	for path, keys := range map[string][]any{"/v1/models": {"data", 0, "id"}, "/v1beta/models": {"models", 0, "name"}} {
		resp, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.HasSuffix(str(parse(t, b), keys...), "sample-large") {
			t.Errorf("%s: %v: %s", path, err, b)
		}
	}
}

func TestKey(t *testing.T) {
	s := httptest.NewServer(New(Options{MaxDelay: -1, Key: "sk-right-key"}))
	defer s.Close()
	for _, c := range []struct {
		name, value string
		status      int
	}{
		{"authorization", "Bearer sk-right-key", 200},
		{"x-api-key", "sk-right-key", 200},
		{"x-goog-api-key", "sk-right-key", 200},
		{"authorization", "Bearer <secret KEY>", 401},
		{"accept", "*/*", 401},
	} {
		if a := providers[0].ask(t, s, options{}, c.name, c.value); a.status != c.status {
			t.Errorf("%s: %s: status %d, want %d", c.name, c.value, a.status, c.status)
		}
	}
}

func TestDelays(t *testing.T) {
	s := httptest.NewServer(New(Options{MinDelay: 2 * time.Millisecond, MaxDelay: 3 * time.Millisecond}))
	defer s.Close()
	begin := time.Now()
	providers[0].says(t, s, options{stream: true, limit: 20})
	// 20 tokens are more than 8 pieces, whatever frames were joined, except once in a million times.
	if d := time.Since(begin); d < 16*time.Millisecond {
		t.Errorf("a stream of 20 tokens took %v", d)
	}
}
