package report

import (
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/wire"
)

func TestCallText(t *testing.T) {
	tests := []struct{ name, method, url, body, want string }{
		{"a question to a model", "POST", chatURL, chatBody("sample", "Summarise\nthe tides"), "[system]\nBe brief.\n\n[user]\nSummarise\nthe tides\n"},
		{
			"a tool call in the history", "POST", chatURL,
			`{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"look","arguments":"{\"q\":1}"}}]}]}`,
			"[assistant]\n[tool call] look {\"q\":1}\n",
		},
		{"other JSON, numbers as sent", "POST", "http://a.invalid/x", `{"b":1.50,"a":[1,{}]}`, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": 1.50\n}\n"},
		{"a form", "POST", "http://a.invalid/x", "a=1&b=2", "a=1&b=2\n"},
		{"no body", "GET", "http://a.invalid/x", "", ""},
		{"bytes", "PUT", "http://a.invalid/x", "\xff\x00\x01", "3 B, sha256 942e1e2a66a4\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newTape(t)
			req, err := p.docs().Request(p.request(tt.method, tt.url, tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := CallText(req); got != tt.want {
				t.Errorf("CallText = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAnswerText(t *testing.T) {
	p := newTape(t)
	question, err := p.docs().Request(p.chat("Hello"))
	if err != nil {
		t.Fatal(err)
	}
	jsonHeader := [][2]string{{"content-type", "application/json"}}
	stream := "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\n\ndata: [DONE]\n\n"
	tests := []struct {
		name string
		req  *Request
		a    wire.Answer
		want string
	}{
		{"a reply", question, wire.Answer{Status: 200, Headers: jsonHeader, Body: []byte(`{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi."}}]}`)}, "Hi.\n"},
		{
			"a tool call", question,
			wire.Answer{Status: 200, Headers: jsonHeader, Body: []byte(`{"choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"look","arguments":"{}"}}]}}]}`)},
			"[tool call] look {}\n",
		},
		{"a streamed reply", question, wire.Answer{Status: 200, Headers: [][2]string{{"content-type", "text/event-stream"}}, Body: []byte(stream), Lens: []int{len(stream)}}, "Hello\n"},
		{"an error of the provider", question, wire.Answer{Status: 429, Headers: jsonHeader, Body: []byte(`{"error":{"message":"slow down"}}`)}, "{\n  \"error\": {\n    \"message\": \"slow down\"\n  }\n}\n"},
		{"JSON to an unknown question", nil, wire.Answer{Status: 200, Body: []byte(`[1]`)}, "[\n  1\n]\n"},
		{"text", nil, wire.Answer{Status: 200, Body: []byte("hello\n")}, "hello\n"},
		{"nothing", nil, wire.Answer{Error: "refused"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := AnswerText(tt.req, &Answer{Answer: tt.a, Size: int64(len(tt.a.Body))}); got != tt.want {
				t.Errorf("AnswerText = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPrettyJSONIsBounded(t *testing.T) {
	deep := strings.Repeat("[", 500) + strings.Repeat("]", 500)
	if got := bodyText([]byte(deep)); got != deep+"\n" {
		t.Errorf("500 levels are shown in %d bytes", len(got))
	}
}
