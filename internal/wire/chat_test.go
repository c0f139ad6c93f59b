package wire

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/canon"
)

// conversation is a prompt that uses everything the translations know.
const conversation = `[
 {"role":"system","content":"Be brief."},
 {"role":"user","content":"Tides?"},
 {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"look","arguments":"{\"n\":1.0}"}}]},
 {"role":"tool","tool_call_id":"c1","content":"{\"high\":\"noon\"}"},
 {"role":"user","content":[{"type":"text","text":"And now?"}]}]`

const toolList = `[{"type":"function","function":{"name":"look","description":"d","parameters":{"type":"object"}}}]`

func testChat() Chat {
	return Chat{
		Key: Secret("KEY"), Model: "m-1", Messages: Lit(conversation), Tools: Lit(toolList), Timeout: 9000,
		Params: []NamedText{{"temperature", Lit("0.50")}, {"max_tokens", Lit("7")}, {"stop", Lit(`"END"`)}},
	}
}

func TestChatRequest(t *testing.T) {
	for _, c := range []struct{ provider, url, auth, body string }{
		{
			"openai", "https://api.openai.com/v1/chat/completions", "authorization: Bearer <secret KEY>",
			`{"max_tokens":7,"messages":[{"content":"Be brief.","role":"system"},{"content":"Tides?","role":"user"},{"content":null,"role":"assistant","tool_calls":[{"function":{"arguments":"{\"n\":1.0}","name":"look"},"id":"c1","type":"function"}]},{"content":"{\"high\":\"noon\"}","role":"tool","tool_call_id":"c1"},{"content":[{"text":"And now?","type":"text"}],"role":"user"}],"model":"m-1","stop":"END","temperature":0.50,"tools":[{"function":{"description":"d","name":"look","parameters":{"type":"object"}},"type":"function"}]}`,
		},
		{
			"anthropic", "https://api.anthropic.com/v1/messages", "x-api-key: <secret KEY>",
			`{"max_tokens":7,"messages":[{"content":"Tides?","role":"user"},{"content":[{"id":"c1","input":{"n":1.0},"name":"look","type":"tool_use"}],"role":"assistant"},{"content":[{"content":"{\"high\":\"noon\"}","tool_use_id":"c1","type":"tool_result"}],"role":"user"},{"content":[{"text":"And now?","type":"text"}],"role":"user"}],"model":"m-1","stop_sequences":["END"],"system":"Be brief.","temperature":0.50,"tools":[{"description":"d","input_schema":{"type":"object"},"name":"look"}]}`,
		},
		{
			"gemini", "https://generativelanguage.googleapis.com/v1beta/models/m-1:generateContent", "x-goog-api-key: <secret KEY>",
			`{"contents":[{"parts":[{"text":"Tides?"}],"role":"user"},{"parts":[{"functionCall":{"args":{"n":1.0},"name":"look"}}],"role":"model"},{"parts":[{"functionResponse":{"name":"look","response":{"high":"noon"}}}],"role":"user"},{"parts":[{"text":"And now?"}],"role":"user"}],"generationConfig":{"maxOutputTokens":7,"stopSequences":["END"],"temperature":0.50},"systemInstruction":{"parts":[{"text":"Be brief."}]},"tools":[{"functionDeclarations":[{"description":"d","name":"look","parameters":{"type":"object"}}]}]}`,
		},
	} {
		r, err := ChatRequest(c.provider, testChat())
		if err != nil {
			t.Errorf("%s: %v", c.provider, err)
			continue
		}
		if got := r.Body.String(); got != c.body {
			t.Errorf("%s: body %s\nwant %s", c.provider, got, c.body)
		}
		d := mustDoc(t, r)
		info, err := ParseDoc(d.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		name, value, _ := strings.Cut(c.auth, ": ")
		if info.Method != "POST" || info.URL != c.url || info.Header(name) != value || info.BodyKind != "json" || r.Timeout != 9000 {
			t.Errorf("%s: document %s", c.provider, d.Bytes)
		}
		if info.Header("anthropic-version") == "2023-06-01" != (c.provider == "anthropic") {
			t.Errorf("%s: document %s", c.provider, d.Bytes)
		}
	}
}

func TestChatRequestStreamedAndBase(t *testing.T) {
	for provider, want := range map[string][2]string{
		"openai":    {"http://localhost:1/x/chat/completions", `"stream":true,"stream_options":{"include_usage":true}}`},
		"anthropic": {"http://localhost:1/x/v1/messages", `"max_tokens":1024,"messages":[],"model":"a/b","stream":true}`},
		"gemini":    {"http://localhost:1/x/v1beta/models/a%2Fb:streamGenerateContent?alt=sse", `{"contents":[]}`},
	} {
		r, err := ChatRequest(provider, Chat{BaseURL: "http://localhost:1/x/", Model: "a/b", Messages: Lit("[]"), Stream: true})
		if err != nil || r.URL.String() != want[0] || !strings.HasSuffix(r.Body.String(), want[1]) {
			t.Errorf("%s: %v, %v", provider, r, err)
		}
		mustDoc(t, r) // and no credential is asked of a local server
	}
}

// A secret in a message survives every translation and is revealed as JSON.
func TestChatRequestKeepsSecrets(t *testing.T) {
	messages := Concat(Lit(`[{"role":"system","content":"k=`), Secret("KEY"), Lit(` coo-secret-0x1;"},{"role":"user","content":"`), Secret("TOKEN"), Secret("KEY"), Lit(`"}]`))
	for _, provider := range []string{"openai", "anthropic", "gemini"} {
		r, err := ChatRequest(provider, Chat{Model: "m", Messages: messages})
		if err != nil {
			t.Fatal(err)
		}
		shown := r.Body.String()
		if !strings.Contains(shown, `"k=<secret KEY> coo-secret-0x1;"`) || !strings.Contains(shown, `"<secret TOKEN><secret KEY>"`) {
			t.Errorf("%s: %s", provider, shown)
		}
		sent, err := r.Body.Reveal(reveal)
		if err != nil || !strings.Contains(sent, `"tok tok/tok+toksk-\"quoted\"/é&1"`) {
			t.Errorf("%s: sends %s, %v", provider, sent, err)
		}
		if _, err := canon.JSON([]byte(sent)); err != nil {
			t.Errorf("%s: sends what is not JSON: %v", provider, err)
		}
	}
}

func TestChatRequestRefuses(t *testing.T) {
	for want, c := range map[string]Chat{
		`chat: model "": empty or not valid UTF-8`:                             {Messages: Lit("[]")},
		`chat: messages: not a list`:                                           {Model: "m", Messages: Lit("{}")},
		`chat: messages: not JSON: byte 0: a value is missing`:                 {Model: "m"},
		`chat: messages: 1: not a dict`:                                        {Model: "m", Messages: Lit(`[{},3]`)},
		`chat: messages: 0: malformed tool_calls`:                              {Model: "m", Messages: Lit(`[{"tool_calls":3}]`)},
		`chat: messages: content is neither text nor a list`:                   {Model: "m", Messages: Lit(`[{"role":"system","content":1},{"role":"system","content":2}]`)},
		`chat: messages: the arguments of tool call "f" are not a JSON object`: {Model: "m", Messages: Lit(`[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"x"}}]}]`)},
		`chat: messages: a tool message has no tool_call_id`:                   {Model: "m", Messages: Lit(`[{"role":"tool","content":"x"}]`)},
		`chat: tools: not a list`:                                              {Model: "m", Messages: Lit("[]"), Tools: Lit("null")},
		`chat: parameter "stream" is set by an argument of its own`:            {Model: "m", Messages: Lit("[]"), Params: []NamedText{{"stream", Lit("true")}}},
		`chat: parameter "n": given twice or not valid UTF-8`:                  {Model: "m", Messages: Lit("[]"), Params: []NamedText{{"n", Lit("1")}, {"n", Lit("2")}}},
		`chat: temperature: not JSON: byte 0: a value is missing`:              {Model: "m", Messages: Lit("[]"), Params: []NamedText{{"temperature", Lit("hot")}}},
		`chat: parameter "system": there is a system message too`:              {Model: "m", Messages: Lit(`[{"role":"system","content":"x"}]`), Params: []NamedText{{"system", Lit(`"y"`)}}},
		`chat: messages: more than 1000000 values`:                             {Model: "m", Messages: Lit("[" + strings.Repeat("0,", maxValues+1) + "0]")},
	} {
		if _, err := ChatRequest("anthropic", c); err == nil || err.Error() != want {
			t.Errorf("ChatRequest: %v\nwant %s", err, want)
		}
	}
	if _, err := ChatRequest("x", Chat{}); err == nil || err.Error() != `chat: unknown provider "x": openai, anthropic and gemini are known` {
		t.Errorf("unknown provider: %v", err)
	}
}

func jsonAnswer(body string) *Answer {
	return &Answer{Status: 200, Headers: [][2]string{{"content-type", "application/json"}}, Body: []byte(body)}
}

func sseAnswer(events ...string) *Answer {
	return &Answer{Status: 200, Headers: [][2]string{{"content-type", "text/event-stream; charset=utf-8"}}, Body: []byte("data: " + strings.Join(events, "\n\ndata: ") + "\n\n")}
}

// The same reply from each provider, plain and streamed.
func TestChatReply(t *testing.T) {
	for _, c := range []struct {
		name, provider string
		a              *Answer
		finish, id     string
	}{
		{"openai", "openai", jsonAnswer(`{"id":"x","model":"m-1","choices":[{"index":0,"message":{"role":"assistant","content":"High é","tool_calls":[{"id":"c1","type":"function","function":{"name":"look","arguments":"{\"n\":1.0}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":12,"completion_tokens":3}}`), "tool_calls", "c1"},
		{"openai streamed", "openai", sseAnswer(
			`{"model":"m-1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"obfuscation":"aX"}`,
			`{"model":"m-1","choices":[{"index":1,"delta":{"content":"no"}},{"index":0,"delta":{"content":"High "}}]}`,
			`{"model":"m-1","choices":[{"index":0,"delta":{"content":"é","tool_calls":[{"index":0,"id":"c1","function":{"name":"look","arguments":""}}]}}]}`,
			`{"model":"m-1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"n\""}}]}}]}`,
			`{"model":"m-1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1.0}"}}]}}]}`,
			`{"model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`,
			`{"model":"m-1","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3}}`, `[DONE]`), "tool_calls", "c1"},
		{"anthropic", "anthropic", jsonAnswer(`{"type":"message","model":"m-1","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"High "},{"type":"text","text":"é"},{"type":"tool_use","id":"t1","name":"look","input":{ "n": 1.0 }}],"stop_reason":"tool_use","usage":{"input_tokens":12,"output_tokens":3}}`), "tool_use", "t1"},
		{"anthropic streamed", "anthropic", sseAnswer(
			`{"type":"message_start","message":{"model":"m-1","usage":{"input_tokens":12,"output_tokens":1}}}`, `{"type":"ping"}`,
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"High "}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"é"}}`, `{"type":"content_block_stop","index":0}`,
			`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t1","name":"look","input":{}}}`,
			`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}`,
			`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"n\":1.0}"}}`, `{"type":"new_kind","x":1}`,
			`{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":3}}`, `{"type":"message_stop"}`), "tool_use", "t1"},
		{"gemini", "gemini", jsonAnswer(`{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"High é"},{"functionCall":{"name":"look","args":{"n":1.0}}}],"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":3},"modelVersion":"m-1"}`), "STOP", ""},
		{"gemini streamed", "gemini", sseAnswer(
			`{"candidates":[{"content":{"parts":[{"text":"High "}]}}],"modelVersion":"m-1"}`,
			`{"candidates":[{"content":{"parts":[{"text":"é"},{"functionCall":{"name":"look","args":{"n":1.0}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":3}}`), "STOP", ""},
		{"gemini array", "gemini", jsonAnswer(`[{"candidates":[{"content":{"parts":[{"text":"High "}]}}],"modelVersion":"m-1"},
			{"candidates":[{"content":{"parts":[{"text":"é"},{"functionCall":{"name":"look","args":{"n":1.0}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":3}}]`), "STOP", ""},
	} {
		got, err := ChatReply(c.provider, c.a)
		want := &Reply{Text: "High é", ToolCalls: []ToolCall{{c.id, "look", `{"n":1.0}`}}, InputTokens: 12, OutputTokens: 3, Model: "m-1", Finish: c.finish}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestChatReplyWithoutUsage(t *testing.T) {
	got, err := ChatReply("openai", jsonAnswer(`{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}],"usage":{"prompt_tokens":null,"completion_tokens":1.5}}`))
	if err != nil || got.Text != "ab" || got.InputTokens != -1 || got.OutputTokens != -1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestChatReplyErrors(t *testing.T) {
	status := func(n int, body string) *Answer { return &Answer{Status: n, Body: []byte(body)} }
	start := `{"choices":[{"index":0,"delta":{"content":"par"}}]}`
	for _, c := range []struct {
		provider string
		a        *Answer
		want     string
	}{
		{"openai", status(429, `{"error":{"message":"Rate limit\nreached","type":"requests"}}`), "chat: openai: 429: Rate limit reached"},
		{"anthropic", status(529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`), "chat: anthropic: 529: Overloaded"},
		{"gemini", status(400, `[{"error":{"code":400,"message":"API key not valid"}}]`), "chat: gemini: 400: API key not valid"},
		{"openai", status(500, `{"error":"model not found"}`), "chat: openai: 500: model not found"},
		{"openai", status(502, "<html>\n bad\tgateway"), "chat: openai: 502: <html> bad gateway"},
		{"openai", status(503, ""), "chat: openai: 503: no message"},
		{"openai", status(500, strings.Repeat("é", 150)), "chat: openai: 500: " + strings.Repeat("é", 100)},
		{"openai", status(500, "a"+strings.Repeat("é", 150)), "chat: openai: 500: a" + strings.Repeat("é", 99)},
		{"openai", &Answer{Error: "timeout"}, "chat: openai: timeout"},
		{"openai", &Answer{Error: "cut", Status: 200, Body: []byte(`{}`)}, "chat: openai: cut"},
		{"openai", jsonAnswer(`{"choices":[]}`), "chat: openai: the answer is not the JSON that was expected"},
		{"openai", jsonAnswer(`<html>`), "chat: openai: the answer is not the JSON that was expected"},
		{"openai", sseAnswer(start), "chat: openai: the stream ended early"},
		{"openai", sseAnswer(start, `{"error":{"message":"server had an error"}}`), "chat: openai: in the stream: server had an error"},
		{"openai", sseAnswer(start, `{"choices":`), "chat: openai: the answer is not the JSON that was expected"},
		{"anthropic", jsonAnswer(`{"choices":[{}]}`), "chat: anthropic: the answer is not the JSON that was expected"},
		{"anthropic", sseAnswer(`{"type":"ping"}`, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`), "chat: anthropic: in the stream: Overloaded"},
		{"anthropic", sseAnswer(`{"type":"ping"}`), "chat: anthropic: the stream ended early"},
		{"gemini", jsonAnswer(`{}`), "chat: gemini: the answer is not the JSON that was expected"},
		{"gemini", sseAnswer(`{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}`), "chat: gemini: the stream ended early"},
		{"nobody", jsonAnswer(`{}`), `chat: unknown provider "nobody": openai, anthropic and gemini are known`},
	} {
		if r, err := ChatReply(c.provider, c.a); err == nil || err.Error() != c.want {
			t.Errorf("%s: %+v, %v\nwant %s", c.provider, r, err, c.want)
		}
	}
}

// What a hostile server can send must cost time in proportion to its length.
func TestChatReplyHostile(t *testing.T) {
	begin := time.Now()
	var pieces, calls strings.Builder
	for i := range 20_000 {
		pieces.WriteString(`data: {"choices":[{"index":0,"delta":{"content":"some more text that goes on"}}]}` + "\n\n")
		fmt.Fprintf(&calls, `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":%d,"function":{"arguments":"x"}}]}}]}`+"\n\n", i)
	}
	for _, body := range []string{pieces.String(), calls.String()} {
		a := sseAnswer()
		a.Body = []byte(body)
		if _, err := ChatReply("openai", a); err == nil || err.Error() != "chat: openai: the stream ended early" {
			t.Errorf("a long stream: %v", err)
		}
	}
	for provider, body := range map[string]string{
		"openai":    `{"choices":[` + strings.Repeat("{},", 1_000_001) + `{}]}`,
		"anthropic": `{"type":"message","content":[` + strings.Repeat("{},", 1_000_001) + `{}]}`,
		"gemini":    `[` + strings.Repeat("0,", 1_000_001) + `0]`,
	} {
		if _, err := ChatReply(provider, jsonAnswer(body)); err == nil || err.Error() != "chat: "+provider+": more than 1000000 values" {
			t.Errorf("%s: a wide answer: %v", provider, err)
		}
	}
	if _, err := ChatReply("openai", jsonAnswer(strings.Repeat("[", 1_000_000))); err == nil {
		t.Error("a deep answer is accepted")
	}
	if d := time.Since(begin); d > time.Minute {
		t.Errorf("it took %v", d)
	}
}

func FuzzChatReply(f *testing.F) {
	f.Add(true, []byte("data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"))
	f.Add(false, []byte(`{"type":"message","content":[{"type":"tool_use","input":{"a":1}}],"usage":{"input_tokens":1}}`))
	f.Add(false, []byte(`[{"candidates":[{"content":{"parts":[{"functionCall":{"args":null}}]},"finishReason":"STOP"}]}]`))
	f.Add(false, []byte(`{"output":[{"type":"message","content":[{"text":"x"}]}]}`))
	f.Fuzz(func(t *testing.T, stream bool, body []byte) {
		a := jsonAnswer(string(body))
		if stream {
			a.Headers[0][1] = "text/event-stream"
		}
		for _, p := range []string{"openai", "anthropic", "gemini"} {
			r, err := ChatReply(p, a)
			if (r == nil) == (err == nil) || err != nil && !strings.HasPrefix(err.Error(), "chat: "+p+": ") {
				t.Errorf("%s: %+v, %v", p, r, err)
			}
		}
		doc := &DocInfo{Method: "POST", URL: "https://h/v1/responses"}
		if l, ok := View(doc, []byte(`{"input":"x"}`), a); !ok || l.Reply == nil {
			t.Errorf("View of a responses call = %+v, %v", l, ok)
		}
	})
}

func FuzzChatRequest(f *testing.F) {
	f.Add(conversation)
	f.Add(`[{"role":"user","parts":[{"text":"x"}]},{"role":"tool","tool_call_id":"q","content":["a"]}]`)
	f.Fuzz(func(t *testing.T, messages string) {
		for _, p := range []string{"openai", "anthropic", "gemini"} {
			r, err := ChatRequest(p, Chat{Model: "m", Messages: Lit(messages), Tools: Lit(toolList)})
			if err != nil {
				continue
			}
			text := r.Body.String()
			if c, err := canon.JSON([]byte(text)); err != nil || string(c) != text {
				t.Errorf("%s: %q makes %q, not canonical: %v", p, messages, text, err)
			}
		}
	})
}
