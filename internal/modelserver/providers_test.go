package modelserver

import (
	"fmt"
	"strings"
	"testing"
)

// providers are all endpoints.
var providers = []*provider{
	{
		name: "chat", path: "/v1/chat/completions", streams: "/v1/chat/completions", sse: true,
		body: chatBody, plain: chatPlain, stream: chatStream, values: eventValues,
		stop: "stop", length: "length", called: "tool_calls", wholeTools: true,
	},
	{
		name: "responses", path: "/v1/responses", streams: "/v1/responses", sse: true,
		body: responsesBody, plain: responsesPlain, stream: responsesStream, values: eventValues,
		stop: "completed", length: "incomplete", called: "completed", wholeTools: true,
	},
	{
		name: "messages", path: "/v1/messages", streams: "/v1/messages", sse: true,
		body: messagesBody, plain: messagesPlain, stream: messagesStream, values: eventValues,
		stop: "end_turn", length: "max_tokens", called: "tool_use",
	},
	{
		name: "gemini", path: "/v1beta/models/MODEL:generateContent", sse: true,
		streams: "/v1beta/models/MODEL:streamGenerateContent?alt=sse",
		body:    geminiBody, plain: geminiPlain, stream: geminiStream, values: eventValues,
		stop: "STOP", length: "MAX_TOKENS", called: "STOP", wholeTools: true,
	},
	{
		name: "gemini array", path: "/v1beta/models/MODEL:generateContent",
		streams: "/v1beta/models/MODEL:streamGenerateContent",
		body:    geminiBody, plain: geminiPlain, stream: geminiArray, values: func(t *testing.T, b []byte) []any { return parse(t, b).([]any) },
		stop: "STOP", length: "MAX_TOKENS", called: "STOP", wholeTools: true,
	},
	{
		name: "ollama chat", path: "/api/chat", streams: "/api/chat",
		body: ollamaChatBody, plain: ollamaPlain, stream: ollamaStream, values: lineValues,
		stop: "stop", length: "length", called: "stop", wholeTools: true,
	},
	{
		name: "ollama generate", path: "/api/generate", streams: "/api/generate", noTools: true,
		body: ollamaGenerateBody, plain: ollamaPlain, stream: ollamaStream, values: lineValues,
		stop: "stop", length: "length",
	},
	{
		name: "bedrock converse", path: "/model/MODEL/converse", streams: "/model/MODEL/converse-stream", noJSON: true,
		body: converseBody, plain: conversePlain, stream: converseStream, values: awsValues,
		stop: "end_turn", length: "max_tokens", called: "tool_use",
	},
	{
		name: "bedrock invoke", path: "/model/MODEL/invoke", streams: "/model/MODEL/invoke-with-response-stream", noJSON: true,
		body: invokeBody, plain: messagesPlain, stream: invokeStream, values: awsValues,
		stop: "end_turn", length: "max_tokens", called: "tool_use",
	},
}

func chatBody(o options) string {
	return tags(
		fmt.Sprintf(`"model":%q,"messages":[{"role":"user","content":%q}%s]`, o.model, question,
			when(o.result != "", `,{"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","tool_call_id":"c","content":%q}`, o.result)),
		when(o.tools, `"tools":[{"type":"function","function":{"name":"tide","parameters":%s}}]`, toolSchema),
		when(o.stream, `"stream":true,"stream_options":{"include_usage":true}`),
		when(o.limit > 0, `"max_tokens":%d`, o.limit),
		when(o.schema != "", `"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":%s}}`, o.schema),
	)
}

func chatPlain(v any) said {
	m := at(v, "choices", 0, "message")
	return said{
		id: str(v, "id"), model: str(v, "model"), text: str(m, "content"),
		tool: str(m, "tool_calls", 0, "function", "name"), args: str(m, "tool_calls", 0, "function", "arguments"),
		finish: str(v, "choices", 0, "finish_reason"),
		in:     num(v, "usage", "prompt_tokens"), out: num(v, "usage", "completion_tokens"), all: num(v, "usage", "total_tokens"),
	}
}

func chatStream(t *testing.T, body []byte) said {
	t.Helper()
	events := events(t, body)
	if last := events[len(events)-1]; last.data != "[DONE]" {
		t.Errorf("the stream ends with %q", last.data)
	}
	var out said
	for _, e := range events[:len(events)-1] {
		v := parse(t, []byte(e.data))
		if e.name != "" || str(v, "object") != "chat.completion.chunk" || str(v, "system_fingerprint") == "" {
			t.Errorf("chunk %+v", e)
		}
		if out.id != "" && out.id != str(v, "id") {
			t.Errorf("id %q after %q", str(v, "id"), out.id)
		}
		d := at(v, "choices", 0, "delta")
		out.id, out.model = str(v, "id"), str(v, "model")
		out.text += str(d, "content")
		out.tool += str(d, "tool_calls", 0, "function", "name")
		out.args += str(d, "tool_calls", 0, "function", "arguments")
		out.finish += str(v, "choices", 0, "finish_reason")
		out.in += num(v, "usage", "prompt_tokens")
		out.out += num(v, "usage", "completion_tokens")
		out.all += num(v, "usage", "total_tokens")
	}
	return out
}

func responsesBody(o options) string {
	return tags(
		fmt.Sprintf(`"model":%q,"input":[{"role":"user","content":[{"type":"input_text","text":%q}]}%s]`, o.model, question,
			when(o.result != "", `,{"type":"function_call","call_id":"c","name":"tide","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":%q}`, o.result)),
		when(o.tools, `"tools":[{"type":"function","name":"tide","parameters":%s}]`, toolSchema),
		when(o.stream, `"stream":true`),
		when(o.limit > 0, `"max_output_tokens":%d`, o.limit),
		when(o.schema != "", `"text":{"format":{"type":"json_schema","name":"x","schema":%s}}`, o.schema),
	)
}

func responsesPlain(v any) said {
	item := at(v, "output", 0)
	return said{
		id: str(v, "id"), model: str(v, "model"), text: str(item, "content", 0, "text"),
		tool: str(item, "name"), args: str(item, "arguments"), finish: str(v, "status"),
		in: num(v, "usage", "input_tokens"), out: num(v, "usage", "output_tokens"), all: num(v, "usage", "total_tokens"),
	}
}

// responsesStream checks that the whole response at the end is the sum of
// what came before it.
func responsesStream(t *testing.T, body []byte) said {
	t.Helper()
	var names []string
	var text, args string
	var last any
	for i, e := range events(t, body) {
		v := parse(t, []byte(e.data))
		if str(v, "type") != e.name || num(v, "sequence_number") != i {
			t.Errorf("event %d: %+v", i, e)
		}
		name := strings.TrimPrefix(e.name, "response.")
		switch name {
		case "output_text.delta":
			text += str(v, "delta")
		case "function_call_arguments.delta":
			args += str(v, "delta")
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
		last = at(v, "response")
	}
	out := responsesPlain(last)
	if out.text != text || out.args != args {
		t.Errorf("deltas %q and %q, response %+v", text, args, out)
	}
	want := "created in_progress output_item.added content_part.added output_text.delta output_text.done content_part.done output_item.done " + out.finish
	if out.tool != "" {
		want = "created in_progress output_item.added function_call_arguments.delta function_call_arguments.done output_item.done completed"
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("events %s, want %s", got, want)
	}
	return out
}

func messagesBody(o options) string {
	return tags(
		fmt.Sprintf(`"model":%q,"system":"Be brief.","messages":[{"role":"user","content":%q}%s]`, o.model, question,
			when(o.result != "", `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":%q}]}`, o.result)),
		when(o.tools, `"tools":[{"name":"tide","input_schema":%s}]`, toolSchema),
		when(o.stream, `"stream":true`),
		when(o.limit > 0, `"max_tokens":%d`, o.limit), when(o.limit == 0, `"max_tokens":1024`),
	)
}

func messagesPlain(v any) said {
	out := said{
		id: str(v, "id"), model: str(v, "model"), text: str(v, "content", 0, "text"), finish: str(v, "stop_reason"),
		in: num(v, "usage", "input_tokens"), out: num(v, "usage", "output_tokens"),
	}
	out.all = out.in + out.out
	if use := at(v, "content", 1); use != nil {
		out.tool, out.args = str(use, "name"), string(encode(at(use, "input")))
	}
	return out
}

func messagesStream(t *testing.T, body []byte) said {
	t.Helper()
	var values []any
	pings := 0
	for i, e := range events(t, body) {
		v := parse(t, []byte(e.data))
		if str(v, "type") != e.name {
			t.Errorf("event %d: %+v", i, e)
		}
		if e.name == "ping" {
			pings++
		}
		values = append(values, v)
	}
	if pings == 0 {
		t.Error("no pings")
	}
	return messagesBlocks(t, values)
}

// messagesBlocks checks that blocks begin, go on and end in order.
func messagesBlocks(t *testing.T, values []any) said {
	t.Helper()
	var out said
	open, next := -1, 0
	var last string
	for i, v := range values {
		last = str(v, "type")
		if (i == 0) != (last == "message_start") {
			t.Errorf("event %d: %v", i, v)
		}
		switch last {
		case "message_start":
			out.id, out.model = str(v, "message", "id"), str(v, "message", "model")
			out.in = num(v, "message", "usage", "input_tokens")
		case "content_block_start":
			if open != -1 || num(v, "index") != next {
				t.Errorf("event %d: block %d begins, %d is open", i, num(v, "index"), open)
			}
			open = next
			next++
			out.tool += str(v, "content_block", "name")
		case "content_block_delta":
			if num(v, "index") != open {
				t.Errorf("event %d: a delta of block %d, %d is open", i, num(v, "index"), open)
			}
			out.text += str(v, "delta", "text")
			out.args += str(v, "delta", "partial_json")
		case "content_block_stop":
			open = -1
		case "message_delta":
			out.finish, out.out = str(v, "delta", "stop_reason"), num(v, "usage", "output_tokens")
		}
	}
	if last != "message_stop" || open != -1 {
		t.Errorf("ends with %s, block %d open", last, open)
	}
	out.all = out.in + out.out
	return out
}

func geminiBody(o options) string {
	return tags(
		fmt.Sprintf(`"contents":[{"role":"user","parts":[{"text":%q}]}%s]`, question,
			when(o.result != "", `,{"role":"user","parts":[{"functionResponse":{"name":"tide","response":{"r":%q}}}]}`, o.result)),
		when(o.tools, `"tools":[{"functionDeclarations":[{"name":"tide","parameters":%s}]}]`, toolSchema),
		when(o.limit > 0, `"generationConfig":{"maxOutputTokens":%d}`, o.limit),
		when(o.schema != "", `"generationConfig":{"responseMimeType":"application/json","responseSchema":%s}`, o.schema),
	)
}

func geminiPlain(v any) said {
	part := at(v, "candidates", 0, "content", "parts", 0)
	out := said{
		id: str(v, "responseId"), model: str(v, "modelVersion"), text: str(part, "text"),
		finish: str(v, "candidates", 0, "finishReason"), tool: str(part, "functionCall", "name"),
		in: num(v, "usageMetadata", "promptTokenCount"), out: num(v, "usageMetadata", "candidatesTokenCount"),
		all: num(v, "usageMetadata", "totalTokenCount"),
	}
	if out.tool != "" {
		out.args = string(encode(at(part, "functionCall", "args")))
	}
	return out
}

// geminiAll adds the answers of a stream up. The last one's counts are those of all.
func geminiAll(list []any) said {
	var out said
	for _, v := range list {
		part := geminiPlain(v)
		part.text, part.finish = out.text+part.text, out.finish+part.finish
		out = part
	}
	return out
}

func geminiStream(t *testing.T, body []byte) said {
	t.Helper()
	var list []any
	for _, e := range events(t, body) {
		if e.name != "" {
			t.Errorf("event %+v", e)
		}
		list = append(list, parse(t, []byte(e.data)))
	}
	return geminiAll(list)
}

func geminiArray(t *testing.T, body []byte) said {
	t.Helper()
	list, _ := parse(t, body).([]any)
	return geminiAll(list)
}

// eventValues are the data of events, without the end mark.
func eventValues(t *testing.T, body []byte) []any {
	t.Helper()
	var out []any
	for _, e := range events(t, body) {
		if e.data != "[DONE]" {
			out = append(out, parse(t, []byte(e.data)))
		}
	}
	return out
}

// events reads a stream that has to be a good one.
func events(t *testing.T, body []byte) []sse {
	t.Helper()
	list, err := readSSE(body)
	if err != nil {
		t.Fatalf("stream: %v", err)
	}
	return list
}
