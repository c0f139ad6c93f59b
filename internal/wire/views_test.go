package wire_test

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/coo-runtime/coo/internal/modelserver"
	"github.com/coo-runtime/coo/internal/wire"
)

// tools are one tool in the form of each API.
const (
	openAITools  = `,"tools":[{"type":"function","function":{"name":"tide","parameters":{"type":"object","properties":{"port":{"type":"string"}},"required":["port"]}}}]`
	claudeTools  = `,"tools":[{"name":"tide","input_schema":{"type":"object","properties":{"port":{"type":"string"}},"required":["port"]}}]`
	bedrockTools = `,"toolConfig":{"tools":[{"toolSpec":{"name":"tide","inputSchema":{"json":{"type":"object","properties":{"port":{"type":"string"}},"required":["port"]}}}}]}`
	geminiTools  = `,"tools":[{"functionDeclarations":[{"name":"tide","parameters":{"type":"object","properties":{"port":{"type":"string"}},"required":["port"]}}]}]`
)

// Every API that a program may speak is read, whole and streamed, plain and in
// each coding, as the sample server sends it.
func TestViewOfEveryAPI(t *testing.T) {
	srv := httptest.NewServer(modelserver.New(modelserver.Options{MaxDelay: -1}))
	defer srv.Close()
	const messages = `"messages":[{"role":"user","content":"When is high tide?"}]`
	const converse = `"system":[{"text":"Be brief."}],"messages":[{"role":"user","content":[{"text":"When is high tide?"}]}]`
	for _, c := range []struct {
		api, path, body, tools string
		stream                 bool
	}{
		{"openai.chat", "/v1/chat/completions", `"model":"m-1",` + messages, openAITools, false},
		{"openai.chat", "/v1/chat/completions", `"model":"m-1","stream":true,"stream_options":{"include_usage":true},` + messages, openAITools, true},
		{"openai.responses", "/v1/responses", `"model":"m-1","input":"When is high tide?"`, `,"tools":[{"type":"function","name":"tide","parameters":{"type":"object"}}]`, false},
		{"openai.responses", "/v1/responses", `"model":"m-1","stream":true,"input":"When is high tide?"`, `,"tools":[{"type":"function","name":"tide","parameters":{"type":"object"}}]`, true},
		{"anthropic.messages", "/v1/messages", `"model":"m-1","max_tokens":9999,` + messages, claudeTools, false},
		{"anthropic.messages", "/v1/messages", `"model":"m-1","max_tokens":9999,"stream":true,` + messages, claudeTools, true},
		{"gemini.generate", "/v1beta/models/m-1:generateContent", `"contents":[{"parts":[{"text":"When is high tide?"}]}]`, geminiTools, false},
		{"gemini.generate", "/v1beta/models/m-1:streamGenerateContent?alt=sse", `"contents":[{"parts":[{"text":"When is high tide?"}]}]`, geminiTools, true},
		{"ollama.chat", "/api/chat", `"model":"m-1","stream":false,` + messages, openAITools, false},
		{"ollama.chat", "/api/chat", `"model":"m-1",` + messages, openAITools, true},
		{"ollama.generate", "/api/generate", `"model":"m-1","stream":false,"prompt":"When is high tide?"`, "", false},
		{"ollama.generate", "/api/generate", `"model":"m-1","prompt":"When is high tide?"`, "", true},
		{"bedrock.converse", "/model/m-1/converse", converse, bedrockTools, false},
		{"bedrock.converse", "/model/m-1/converse-stream", converse, bedrockTools, true},
		{"bedrock.invoke", "/model/m-1/invoke", `"anthropic_version":"bedrock-2023-05-31","max_tokens":9999,` + messages, claudeTools, false},
		{"bedrock.invoke", "/model/m-1/invoke-with-response-stream", `"anthropic_version":"bedrock-2023-05-31","max_tokens":9999,` + messages, claudeTools, true},
	} {
		for _, coding := range []string{"", "gzip", "deflate", "zstd"} {
			url := srv.URL + c.path
			l := view(t, url, "{"+c.body+"}", coding, "echo; as=reply")
			if l.API != c.api || l.Model != "m-1" || l.Stream != c.stream {
				t.Errorf("%s %s: %s, model %q, stream %v", c.api, coding, l.API, l.Model, l.Stream)
			}
			if last := l.Messages[len(l.Messages)-1]; last.Role != "user" || last.Text != "When is high tide?" {
				t.Errorf("%s: messages %+v", c.api, l.Messages)
			}
			r := l.Reply
			if r == nil || !strings.Contains(r.Text, "When is high tide?") || r.InputTokens <= 0 || r.OutputTokens <= 0 || r.Finish == "" {
				t.Errorf("%s %v %s: reply %+v, want the question in it", c.api, c.stream, coding, r)
			}
		}
		if c.tools == "" {
			continue
		}
		r := view(t, srv.URL+c.path, "{"+c.body+c.tools+"}", "", "").Reply
		if r == nil || len(r.ToolCalls) == 0 || r.ToolCalls[0].Name != "tide" || !json.Valid([]byte(r.ToolCalls[0].Arguments)) {
			t.Errorf("%s: reply %+v, want a call of tide", c.api, r)
		}
	}
}

func TestViewOfEmbeddings(t *testing.T) {
	srv := httptest.NewServer(modelserver.New(modelserver.Options{MaxDelay: -1}))
	defer srv.Close()
	for _, c := range []struct{ api, path, body, want string }{
		{"openai.embeddings", "/v1/embeddings", `{"model":"m-1","input":["ebb","flow"]}`, "2 embeddings of 16 dimensions"},
		{"openai.embeddings", "/v1/embeddings", `{"model":"m-1","input":"ebb","encoding_format":"base64","dimensions":8}`, "1 embedding of 8 dimensions"},
		{"ollama.embed", "/api/embed", `{"model":"m-1","input":["ebb","flow"]}`, "2 embeddings of 16 dimensions"},
	} {
		l := view(t, srv.URL+c.path, c.body, "", "")
		if l.API != c.api || l.Model != "m-1" || l.Messages[0].Text != "ebb" || l.Reply == nil || l.Reply.Text != c.want {
			t.Errorf("%s: %+v, reply %+v, want %q", c.path, l, l.Reply, c.want)
		}
	}
}

// view asks the sample server and reads what came.
func view(t *testing.T, url, body, coding, sample string) *wire.LLM {
	t.Helper()
	req, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	if coding != "" {
		req.Header.Set("Accept-Encoding", coding)
		sample += "; coding=" + coding
	}
	if sample != "" {
		req.Header.Set("X-Sample", sample)
	}
	resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a := &wire.Answer{Status: resp.StatusCode, Headers: wire.HeaderList(resp.Header)}
	if a.Body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if got := a.Header("content-encoding"); got != coding {
		t.Fatalf("%s: coded %q, want %q", url, got, coding)
	}
	l, ok := wire.View(&wire.DocInfo{Method: "POST", URL: url}, []byte(body), a)
	if !ok {
		t.Fatalf("%s: no question to a model", url)
	}
	return l
}

// frame is a message of an Amazon event stream.
func frame(kind, name, payload string) []byte {
	head := func(b []byte, name, value string) []byte {
		b = append(append(b, byte(len(name))), name...)
		return append(append(b, 7, 0, byte(len(value))), value...)
	}
	h := head(head(nil, kind, name), ":content-type", "application/json")
	be := func(b []byte, n uint32) []byte { return append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)) }
	b := be(be(nil, uint32(16+len(h)+len(payload))), uint32(len(h)))
	b = be(b, crc32.ChecksumIEEE(b))
	b = append(append(b, h...), payload...)
	return be(b, crc32.ChecksumIEEE(b))
}

func amazonAnswer(frames ...[]byte) *wire.Answer {
	return &wire.Answer{Status: 200, Headers: [][2]string{{"content-type", "application/vnd.amazon.eventstream"}}, Body: bytes.Join(frames, nil)}
}

func TestFrames(t *testing.T) {
	a, b := frame(":event-type", "messageStart", `{"role":"assistant"}`), frame(":exception-type", "throttlingException", `{"message":"slow"}`)
	want := []wire.Frame{{Type: "messageStart", Payload: []byte(`{"role":"assistant"}`)}, {Type: "throttlingException", Exception: true, Payload: []byte(`{"message":"slow"}`)}}
	whole := append(bytes.Clone(a), b...)
	if got, err := wire.Frames(whole); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Frames = %+v, %v", got, err)
	}
	for n := len(a) + 1; n < len(whole); n++ {
		if got, err := wire.Frames(whole[:n]); err == nil || !reflect.DeepEqual(got, want[:1]) {
			t.Errorf("cut to %d bytes: Frames = %+v, %v, want the first and an error", n, got, err)
		}
	}
	for i := range a {
		bad := bytes.Clone(a)
		bad[i] ^= 1
		if got, err := wire.Frames(bad); err == nil {
			t.Errorf("byte %d flipped: Frames = %+v, want an error", i, got)
		}
	}
}

// What was there before a stream was cut, or reported an error, is shown.
func TestViewOfACutStream(t *testing.T) {
	converse := &wire.DocInfo{Method: "POST", URL: "https://bedrock-runtime.eu-west-1.amazonaws.com/model/anthropic.claude-x%3A0/converse-stream"}
	body := []byte(`{"messages":[{"role":"user","content":[{"text":"Tides?"},{"toolResult":{"toolUseId":"t","content":[{"json":{"high": "noon"}},{"text":"!"}]}}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"u","name":"look","input":{"n": 1}}}]}]}`)
	delta := frame(":event-type", "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"High"},"p":"abc"}`)
	for what, a := range map[string]*wire.Answer{
		"cut":      amazonAnswer(delta, delta[:20]),
		"an error": amazonAnswer(delta, frame(":exception-type", "throttlingException", `{"message":"slow"}`), delta),
	} {
		l, ok := wire.View(converse, body, a)
		if !ok || l.Model != "anthropic.claude-x:0" || l.Reply == nil || l.Reply.Text != "High" {
			t.Errorf("%s: %+v, reply %+v", what, l, l.Reply)
		}
	}
	l, _ := wire.View(converse, body, nil)
	want := []wire.LLMMessage{
		{Role: "user", Text: `Tides?{"high":"noon"}!`},
		{Role: "assistant", ToolCalls: []wire.ToolCall{{ID: "u", Name: "look", Arguments: `{"n":1}`}}},
	}
	if !reflect.DeepEqual(l.Messages, want) {
		t.Errorf("messages %+v, want %+v", l.Messages, want)
	}
	ollama := &wire.Answer{Status: 200, Headers: [][2]string{{"content-type", "application/x-ndjson"}}, Body: []byte(`{"model":"m","message":{"content":"Hi"}}` + "\n" + `{"mess`)}
	if l, ok := wire.View(&wire.DocInfo{Method: "POST", URL: "http://h/api/chat"}, []byte(`{"messages":[]}`), ollama); !ok || l.Reply.Text != "Hi" || !l.Stream {
		t.Errorf("ollama cut: %+v", l)
	}
}

// Models of other makers are read by the members that they use.
func TestViewOfOtherModelsInBedrock(t *testing.T) {
	for _, c := range []struct{ model, body, answer, prompt, text string }{
		{"amazon.titan", `{"inputText":"Tides?"}`, `{"results":[{"outputText":"High."}]}`, "Tides?", "High."},
		{"meta.llama", `{"prompt":"Tides?"}`, `{"generation":"High."}`, "Tides?", "High."},
		{"mistral.m", `{"prompt":"Tides?"}`, `{"outputs":[{"text":"High."}]}`, "Tides?", "High."},
		{"amazon.nova-1", `{"messages":[{"role":"user","content":[{"text":"Tides?"}]}]}`, `{"output":{"message":{"content":[{"text":"High."}]}}}`, "Tides?", "High."},
	} {
		a := &wire.Answer{Status: 200, Headers: [][2]string{{"content-type", "application/json"}}, Body: []byte(c.answer)}
		l, ok := wire.View(&wire.DocInfo{Method: "POST", URL: "https://h/model/" + c.model + "/invoke"}, []byte(c.body), a)
		if !ok || len(l.Messages) != 1 || l.Messages[0].Text != c.prompt || l.Reply.Text != c.text {
			t.Errorf("%s: %+v, reply %+v", c.model, l, l.Reply)
		}
	}
}

func TestPlain(t *testing.T) {
	a := &wire.Answer{Status: 200, Headers: [][2]string{{"content-encoding", "br, nonsense"}}, Body: []byte("x")}
	if got, err := wire.Plain(a); err == nil || got != a {
		t.Errorf("Plain of an unknown coding = %+v, %v, want it as it is and an error", got, err)
	}
	var br bytes.Buffer
	w := brotli.NewWriter(&br)
	io.WriteString(w, "ebb and flow, ")
	w.Flush()
	whole := br.Len()
	io.WriteString(w, "spring and neap")
	w.Close()
	a = &wire.Answer{
		Status: 200, Lens: []int{br.Len()}, Body: br.Bytes(),
		Headers: [][2]string{{"content-encoding", "br"}, {"content-length", "9"}, {"content-type", "text/plain"}},
	}
	got, err := wire.Plain(a)
	if err != nil || string(got.Body) != "ebb and flow, spring and neap" || got.Lens != nil || len(got.Headers) != 1 {
		t.Errorf("Plain = %+v, %v", got, err)
	}
	a.Body = a.Body[:whole]
	if got, err := wire.Plain(a); err == nil || string(got.Body) != "ebb and flow, " {
		t.Errorf("Plain of a cut body = %q, %v, want what there is and an error", got.Body, err)
	}
	a = &wire.Answer{Status: 200, Headers: [][2]string{{"content-type", "text/plain"}}, Body: []byte("x"), Lens: []int{1}}
	if got, err := wire.Plain(a); err != nil || got != a {
		t.Errorf("Plain of a plain answer = %+v, %v", got, err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(append(frame(":event-type", "chunk", `{"bytes":"e30="}`), frame(":exception-type", "x", "{}")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		frames, _ := wire.Frames(b)
		n := 0
		for _, fr := range frames {
			n += 16 + len(fr.Payload)
		}
		if n > len(b) {
			t.Errorf("%d bytes have frames of %d", len(b), n)
		}
		wire.View(&wire.DocInfo{Method: "POST", URL: "https://h/model/m/invoke-with-response-stream"}, []byte(`{"messages":[]}`), amazonAnswer(b))
	})
}
