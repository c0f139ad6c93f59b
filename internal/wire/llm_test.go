package wire

import (
	"reflect"
	"testing"
)

func TestView(t *testing.T) {
	look := []ToolCall{{"c1", "look", `{"n":1.0}`}}
	noID := []ToolCall{{"", "look", `{"n":1.0}`}}
	for _, c := range []struct {
		provider string
		want     *LLM
	}{
		{"openai", &LLM{API: "openai.chat", Model: "m-1", Messages: []LLMMessage{{"system", "Be brief.", nil}, {"user", "Tides?", nil}, {"assistant", "", look}, {"tool", `{"high":"noon"}`, nil}, {"user", "And now?", nil}}}},
		{"anthropic", &LLM{API: "anthropic.messages", Model: "m-1", Messages: []LLMMessage{{"system", "Be brief.", nil}, {"user", "Tides?", nil}, {"assistant", "", look}, {"user", `{"high":"noon"}`, nil}, {"user", "And now?", nil}}}},
		{"gemini", &LLM{API: "gemini.generate", Model: "m-1", Messages: []LLMMessage{{"system", "Be brief.", nil}, {"user", "Tides?", nil}, {"model", "", noID}, {"user", `{"high":"noon"}`, nil}, {"user", "And now?", nil}}}},
	} {
		for _, stream := range []bool{false, true} {
			chat := testChat()
			chat.Stream = stream
			r, err := ChatRequest(c.provider, chat)
			if err != nil {
				t.Fatal(err)
			}
			d := mustDoc(t, r)
			info, err := ParseDoc(d.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			want := *c.want
			want.Stream = stream
			if got, ok := View(info, d.Body, nil); !ok || !reflect.DeepEqual(got, &want) {
				t.Errorf("%s: View = %+v, %v\nwant %+v", c.provider, got, ok, &want)
			}
		}
	}
}

func TestViewOfResponses(t *testing.T) {
	doc := &DocInfo{Method: "POST", URL: "https://api.openai.com/v1/responses"}
	body := `{"model":"m-1","instructions":"Be brief.","input":[{"role":"user","content":[{"type":"input_text","text":"Tides?"}]},{"type":"function_call","call_id":"c1","name":"look","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"noon"}]}`
	whole := `{"model":"m-1","status":"completed","output":[{"type":"reasoning"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"High."}]},{"type":"function_call","call_id":"c2","name":"look","arguments":"{}"}],"usage":{"input_tokens":4,"output_tokens":2}}`
	want := &Reply{Text: "High.", ToolCalls: []ToolCall{{"c2", "look", "{}"}}, InputTokens: 4, OutputTokens: 2, Model: "m-1", Finish: "completed"}
	for what, a := range map[string]*Answer{
		"plain":    jsonAnswer(whole),
		"streamed": sseAnswer(`{"type":"response.created","response":{"model":"m-1"}}`, `{"type":"response.output_text.delta","delta":"Hi"}`, `{"type":"response.other","delta":{"x":1}}`, `{"type":"response.completed","response":`+whole+`}`),
	} {
		l, ok := View(doc, []byte(body), a)
		if !ok || l.API != "openai.responses" || !reflect.DeepEqual(l.Reply, want) {
			t.Errorf("%s: %+v, reply %+v", what, l, l.Reply)
		}
		messages := []LLMMessage{{"system", "Be brief.", nil}, {"user", "Tides?", nil}, {"assistant", "", []ToolCall{{"c1", "look", "{}"}}}, {"tool", "noon", nil}}
		if !reflect.DeepEqual(l.Messages, messages) {
			t.Errorf("%s: messages %+v", what, l.Messages)
		}
	}
	cut := sseAnswer(`{"type":"response.created","response":{"model":"m-1"}}`, `{"type":"response.output_text.delta","delta":"Hi"}`)
	cut.Error = "cut"
	if l, ok := View(doc, []byte(`{"input":"Tides?"}`), cut); !ok || l.Reply.Text != "Hi" || l.Reply.Model != "m-1" || l.Messages[0].Text != "Tides?" {
		t.Errorf("a cut stream: %+v", l)
	}
}

func TestViewKnowsWhatIsNoLLMCall(t *testing.T) {
	for _, c := range []struct{ method, url, body string }{
		{"GET", "https://h/v1/chat/completions", `{"messages":[]}`},
		{"POST", "https://h/v1/chat/completions", `{"prompt":"x"}`},
		{"POST", "https://h/v1/chat/completions", `not json`},
		{"POST", "https://h/v1/embeddings", `{"prompt":"x"}`},
		{"POST", "https://h/model/m/converse", `{"prompt":"x"}`},
		{"POST", "https://h/model/m/delete", `{"messages":[]}`},
		{"POST", "https://h/api/chat", `{"prompt":"x"}`},
		{"POST", "https://h/messages", `{"messages":[]}`},
		{"POST", "https://h/v1beta/models/m:embedContent", `{"contents":[]}`},
		{"POST", "https://h/?/chat/completions", `{"messages":[]}`},
	} {
		if l, ok := View(&DocInfo{Method: c.method, URL: c.url}, []byte(c.body), nil); ok {
			t.Errorf("%s %s %s is taken for %s", c.method, c.url, c.body, l.API)
		}
	}
	failed := &Answer{Status: 429, Body: []byte(`{}`)}
	if l, ok := View(&DocInfo{Method: "POST", URL: "https://h/chat/completions?x"}, []byte(`{"messages":[]}`), failed); !ok || l.Reply != nil {
		t.Errorf("a 429: %+v, %v", l, ok)
	}
}
