package modelserver

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// TestLoop asks, with more results each time, until there is no call any more.
func TestLoop(t *testing.T) {
	s := start(t)
	lengths := map[int]bool{}
	for range 40 {
		messages, n := `{"role":"user","content":"x"}`, 0
		for {
			a := post(t, s.Client(), s.URL+"/v1/chat/completions", `{"model":"sample-loop","messages":[`+messages+`],`+
				`"tools":[{"type":"function","function":{"name":"tide","parameters":`+toolSchema+`}}]}`)
			calls, _ := at(parse(t, a.body), "choices", 0, "message", "tool_calls").([]any)
			if len(calls) == 0 {
				break
			}
			for range calls {
				messages += `,{"role":"tool","tool_call_id":"c","content":"4 m"}`
				n++
			}
		}
		if n < 1 || n > usualLoop {
			t.Fatalf("a loop of %d calls", n)
		}
		lengths[n] = true
	}
	if len(lengths) < 3 {
		t.Errorf("40 loops have the lengths %v", lengths)
	}
}

// TestManyCalls looks for an answer with several calls, whole, and equal to
// its stream in shape.
func TestManyCalls(t *testing.T) {
	s := start(t)
	counts := map[string]func(v any) int{
		"chat": func(v any) int { return length(at(v, "choices", 0, "message", "tool_calls")) },
		"responses": func(v any) int {
			return length(at(v, "output"))
		},
		"messages":         func(v any) int { return length(at(v, "content")) - 1 },
		"gemini":           func(v any) int { return length(at(v, "candidates", 0, "content", "parts")) },
		"ollama chat":      func(v any) int { return length(at(v, "message", "tool_calls")) },
		"bedrock converse": func(v any) int { return length(at(v, "output", "message", "content")) - 1 },
	}
	for _, p := range providers {
		count := counts[p.name]
		if count == nil {
			continue
		}
		seen := map[int]bool{}
		for range 60 {
			n := count(parse(t, p.ask(t, s, options{tools: true, model: "sample-loop"}).body))
			if n < 1 || n > maxCallsAtOnce {
				t.Fatalf("%s: %d calls", p.name, n)
			}
			seen[n] = true
			p.ask(t, s, options{tools: true, model: "sample-loop", stream: true})
		}
		if len(seen) != maxCallsAtOnce {
			t.Errorf("%s: answers with %v calls", p.name, seen)
		}
	}
}

func length(v any) int {
	l, _ := v.([]any)
	return len(l)
}

func TestCoded(t *testing.T) {
	s := start(t)
	open := map[string]func(io.Reader) (io.Reader, error){
		"gzip":    func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"deflate": func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
		"zstd":    func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	}
	each(t, func(t *testing.T, p *provider, stream bool) {
		for accept, want := range map[string]string{"gzip, deflate": "gzip", "br, zstd;q=0, deflate": "deflate", "gzip, zstd": "zstd"} {
			a := p.ask(t, s, options{stream: stream, model: "sample-coded"}, "accept-encoding", accept)
			if got := a.header.Get("content-encoding"); got != want || a.err != nil {
				t.Fatalf("%s: %q, %v", accept, got, a.err)
			}
			r, err := open[want](bytes.NewReader(a.body))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatalf("%s: %v", want, err)
			}
			said := p.plain
			if stream {
				p.stream(t, b)
			} else if got := said(parse(t, b)); got.text == "" {
				t.Errorf("%s: %s", want, b)
			}
		}
		a := p.ask(t, s, options{stream: stream}, "accept-encoding", "gzip", "x-sample", "cut; coding=gzip")
		if a.header.Get("content-encoding") != "gzip" || a.err == nil {
			t.Errorf("cut: %v, error %v", a.header, a.err)
		}
		if a := p.ask(t, s, options{stream: stream, model: "sample-coded"}, "accept-encoding", "identity"); a.header.Get("content-encoding") != "" {
			t.Errorf("identity: %v", a.header)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	s := httptest.NewServer(New(Options{MaxDelay: -1, RetryAfter: 20 * time.Millisecond}))
	defer s.Close()
	for how, want := range map[string]string{
		"429": "0 20", "429; retry-after=2": "2 2000", "429; retry-after-ms=1500": "1 1500", "503; retry-after=1; retry-after-ms=3": "1 3",
	} {
		a := providers[0].ask(t, s, options{}, "x-sample", how)
		if got := a.header.Get("retry-after") + " " + a.header.Get("retry-after-ms"); got != want {
			t.Errorf("%s: %s, want %s", how, got, want)
		}
	}
	a := post(t, s.Client(), s.URL+"/model/m/converse", "{}", "x-sample", "429")
	if got := a.header.Get("x-amzn-errortype"); got != "ThrottlingException" {
		t.Errorf("bedrock: %q", got)
	}
}

// TestThinking sends a thought back, as it was and changed.
func TestThinking(t *testing.T) {
	s := start(t)
	ask := func(messages string, stream bool) *answer {
		return post(t, s.Client(), s.URL+"/v1/messages", fmt.Sprintf(
			`{"model":"m","max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1024},"stream":%v,"messages":[%s]}`, stream, messages), anthropicVersion...)
	}
	const user = `{"role":"user","content":"x"}`
	plain := at(parse(t, ask(user, false).body), "content", 0)
	thought, signature := str(plain, "thinking"), str(plain, "signature")
	var streamed, sum string
	for _, v := range eventValues(t, ask(user, true).body) {
		streamed += str(v, "delta", "thinking")
		sum += str(v, "delta", "signature")
	}
	for _, c := range []struct {
		thought, signature string
		status             int
	}{{thought, signature, 200}, {streamed, sum, 200}, {thought + " ", signature, 400}, {thought, sum, 400}, {thought, "", 400}} {
		block := encode(object{"role", "assistant", "content", []any{object{"type", "thinking", "thinking", c.thought, "signature", c.signature}}})
		a := ask(user+","+string(block)+","+user, false)
		if a.status != c.status || thought == "" {
			t.Errorf("%q: status %d, want %d: %s", c.thought, a.status, c.status, a.body)
		}
	}
}

// TestGeminiSchemas tells the parameters of a function in each way there is.
func TestGeminiSchemas(t *testing.T) {
	s := start(t)
	for _, name := range []string{"parameters", "parametersJsonSchema", "parameters_json_schema"} {
		a := post(t, s.Client(), s.URL+"/v1beta/models/m:generateContent",
			`{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"tide","`+name+`":`+toolSchema+`}]}]}`)
		if got := str(parse(t, a.body), "candidates", 0, "content", "parts", 0, "functionCall", "args", "place"); got == "" {
			t.Errorf("%s: %s", name, a.body)
		}
	}
}

func TestEmbeddings(t *testing.T) {
	s := start(t)
	a := post(t, s.Client(), s.URL+"/v1/embeddings", `{"model":"m","input":["a","b"],"dimensions":8}`)
	v := parse(t, a.body)
	if length(at(v, "data")) != 2 || length(at(v, "data", 1, "embedding")) != 8 || num(v, "usage", "total_tokens") == 0 {
		t.Errorf("%s", a.body)
	}
	sum := 0.0
	for i := range 8 {
		f, _ := at(v, "data", 0, "embedding", i).(float64)
		sum += f * f
	}
	if sum < 0.999 || sum > 1.001 {
		t.Errorf("a vector of length² %v", sum)
	}
	a = post(t, s.Client(), s.URL+"/v1/embeddings", `{"model":"m","input":[1,2,3],"encoding_format":"base64"}`)
	b, err := base64.StdEncoding.DecodeString(str(parse(t, a.body), "data", 0, "embedding"))
	if err != nil || len(b) != 4*usualDimensions {
		t.Errorf("%v: %d bytes: %s", err, len(b), a.body)
	}
	a = post(t, s.Client(), s.URL+"/api/embed", `{"model":"m","input":"a"}`)
	if length(at(parse(t, a.body), "embeddings", 0)) != usualDimensions {
		t.Errorf("ollama: %s", a.body)
	}
	for body, want := range map[string]string{
		`{"model":"m"}`: "messages: at least one is required",
		`{"model":"m","input":"a","dimensions":-1}`:       "dimensions: not between 1 and 16384",
		`{"model":"m","input":"a","encoding_format":"x"}`: "encoding_format: neither float nor base64",
	} {
		if a := post(t, s.Client(), s.URL+"/v1/embeddings", body); a.status != 400 || trouble(parse(t, a.body)) != want {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}

func TestUpload(t *testing.T) {
	s := start(t)
	content := []byte("line\r\n--not the boundary\r\n\x00\xff")
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	w.WriteField("purpose", "batch")
	part, err := w.CreateFormFile("file", "notes.txt")
	if err != nil {
		t.Fatal(err)
	}
	part.Write(content)
	w.Close()
	a := post(t, s.Client(), s.URL+"/v1/files", form.String(), "content-type", w.FormDataContentType())
	v := parse(t, a.body)
	sum := sha256.Sum256(content)
	if str(v, "filename") != "notes.txt" || num(v, "bytes") != len(content) || str(v, "sha256") != hex.EncodeToString(sum[:]) || str(v, "purpose") != "batch" {
		t.Errorf("%s", a.body)
	}
	for _, c := range [][3]string{
		{form.String(), "text/plain", "content-type: not multipart/form-data with a boundary"},
		{form.String()[:60], w.FormDataContentType(), "body: not a whole form"},
		{strings.Replace(form.String(), `"purpose"`, `"x"`, 1), w.FormDataContentType(), "purpose and file: Fields required"},
	} {
		if a := post(t, s.Client(), s.URL+"/v1/files", c[0], "content-type", c[1]); a.status != 400 || trouble(parse(t, a.body)) != c[2] {
			t.Errorf("%d %s, want %s", a.status, a.body, c[2])
		}
	}
}

// TestAuthority asks for hosts of any name, and for none.
func TestAuthority(t *testing.T) {
	authority, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: New(Options{MaxDelay: -1}), TLSConfig: authority.TLS()}
	go s.ServeTLS(ln, "", "")
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority.PEM())
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig.RootCAs = pool
	transport.Proxy = nil
	dial := &net.Dialer{}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial.DialContext(ctx, network, ln.Addr().String())
	}
	defer transport.CloseIdleConnections()
	for _, url := range []string{"https://api.openai.com", "https://bedrock-runtime.us-east-1.amazonaws.com", "https://" + ln.Addr().String()} {
		resp, err := (&http.Client{Transport: transport}).Get(url + "/v1/models")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.ProtoMajor != 2 {
			t.Errorf("%s: %s over %s", url, resp.Status, resp.Proto)
		}
	}
}
