package modelserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// chat is OpenAI's POST /v1/chat/completions.
type chat struct{ openAI }

// An openAIFunction is the part of a tool that is the same in both of
// OpenAI's interfaces.
type openAIFunction struct {
	Name       string
	Parameters json.RawMessage
}

func (chat) read(_ *http.Request, body []byte) (*ask, error) {
	var q struct {
		Model    string
		Messages []struct {
			Role    string
			Content json.RawMessage
		}
		Tools []struct {
			Type     string
			Function openAIFunction
		}
		ToolChoice    json.RawMessage `json:"tool_choice"`
		Stream        bool
		StreamOptions struct {
			IncludeUsage       bool  `json:"include_usage"`
			IncludeObfuscation *bool `json:"include_obfuscation"`
		} `json:"stream_options"`
		MaxTokens           int `json:"max_tokens"`
		MaxCompletionTokens int `json:"max_completion_tokens"`
		N                   int
		ResponseFormat      struct {
			Type       string
			JSONSchema struct{ Schema json.RawMessage } `json:"json_schema"`
		} `json:"response_format"`
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	if q.N > 1 {
		return nil, fmt.Errorf("n: %d: the sample server gives one choice", q.N)
	}
	a := &ask{
		model:   q.Model,
		choice:  choiceOf(q.ToolChoice),
		stream:  q.Stream,
		usage:   q.StreamOptions.IncludeUsage,
		padding: q.StreamOptions.IncludeObfuscation == nil || *q.StreamOptions.IncludeObfuscation,
		limit:   max(q.MaxTokens, q.MaxCompletionTokens),
		asJSON:  isJSONFormat(q.ResponseFormat.Type),
		schema:  q.ResponseFormat.JSONSchema.Schema,
	}
	for _, m := range q.Messages {
		text := textOf(m.Content)
		a.prompt += text
		if a.answered = m.Role == "tool" || m.Role == "function"; a.answered {
			a.results, a.result = a.results+1, text
		}
	}
	for _, t := range q.Tools {
		a.tools = append(a.tools, tool{t.Function.Name, t.Function.Parameters})
	}
	return a, a.check(len(q.Messages))
}

// finish returns why a reply ended.
func (chat) finish(y *reply) string {
	switch {
	case len(y.calls) > 0:
		return "tool_calls"
	case y.cut:
		return "length"
	}
	return "stop"
}

// usageOf counts the tokens of a reply.
func (chat) usageOf(y *reply) object {
	return object{
		"prompt_tokens", y.in, "completion_tokens", y.out, "total_tokens", y.in + y.out,
		"prompt_tokens_details",
		object{"cached_tokens", 0, "audio_tokens", 0},
		"completion_tokens_details",
		object{
			"reasoning_tokens", 0, "audio_tokens", 0,
			"accepted_prediction_tokens", 0, "rejected_prediction_tokens", 0,
		},
	}
}

func (c chat) plain(a *ask, y *reply) []byte {
	message := object{"role", "assistant", "content", y.text(), "refusal", nil, "annotations", []any{}}
	if len(y.calls) > 0 {
		calls := []any{}
		for _, c := range y.calls {
			calls = append(calls, object{
				"id", "call_" + randomText(24), "type", "function",
				"function",
				object{"name", c.name, "arguments", c.arguments},
			})
		}
		message = object{"role", "assistant", "content", nil, "tool_calls", calls, "refusal", nil, "annotations", []any{}}
	}
	return encode(object{
		"id", "chatcmpl-" + randomText(29), "object", "chat.completion",
		"created", time.Now().Unix(), "model", a.model,
		"choices",
		[]any{object{
			"index", 0, "message", message, "logprobs", nil, "finish_reason", c.finish(y),
		}},
		"usage", c.usageOf(y), "service_tier", "default", "system_fingerprint", fingerprint(),
	})
}

func (c chat) stream(a *ask, y *reply) [][]byte {
	head := object{
		"id", "chatcmpl-" + randomText(29), "object", "chat.completion.chunk",
		"created", time.Now().Unix(), "model", a.model,
		"service_tier", "default", "system_fingerprint", fingerprint(),
	}
	chunk := func(choices []any, usage any) []byte {
		o := head.with("choices", choices)
		if a.usage {
			o = o.with("usage", usage)
		}
		if a.padding {
			o = o.with("obfuscation", padding())
		}
		return event("", o)
	}
	delta := func(d object, finish any) []byte {
		return chunk([]any{object{"index", 0, "delta", d, "logprobs", nil, "finish_reason", finish}}, nil)
	}
	var out [][]byte
	if len(y.calls) == 0 {
		out = append(out, delta(object{"role", "assistant", "content", "", "refusal", nil}, nil))
		for _, p := range y.pieces {
			out = append(out, delta(object{"content", p}, nil))
		}
	}
	for i, c := range y.calls {
		d := object{"tool_calls", []any{object{
			"index", i, "id", "call_" + randomText(24), "type", "function",
			"function",
			object{"name", c.name, "arguments", ""},
		}}}
		if i == 0 {
			d = append(object{"role", "assistant", "content", nil}, d.with("refusal", nil)...)
		}
		out = append(out, delta(d, nil))
		for _, p := range tokens(c.arguments) {
			out = append(out, delta(object{"tool_calls", []any{object{
				"index", i, "function", object{"arguments", p},
			}}}, nil))
		}
	}
	out = append(out, delta(object{}, c.finish(y)))
	if a.usage {
		out = append(out, chunk([]any{}, c.usageOf(y)))
	}
	return append(out, []byte("data: [DONE]\n\n"))
}

func (c chat) troubleEvent(*ask, int) []byte {
	return []byte("data: " + string(c.trouble(http.StatusServiceUnavailable, messageOverloaded)) + "\n\n")
}

// openAI is what OpenAI's interfaces share.
type openAI struct{}

func (openAI) trouble(status int, message string) []byte {
	kind, code := "invalid_request_error", any(nil)
	switch {
	case status == http.StatusUnauthorized:
		code = "invalid_api_key"
	case status == http.StatusTooManyRequests:
		kind, code = "requests", "rate_limit_exceeded"
	case status >= 500:
		kind = "server_error"
	}
	return encode(object{"error", object{"message", message, "type", kind, "param", nil, "code", code}})
}

func (openAI) contentType(_ *ask, stream bool) string {
	if stream {
		return "text/event-stream; charset=utf-8"
	}
	return "application/json"
}

func (openAI) overloaded() int { return http.StatusServiceUnavailable }

func (openAI) headers(h http.Header, _ int) {
	h.Set("openai-organization", "sample")
	h.Set("openai-processing-ms", strconv.Itoa(between(100, 900)))
	h.Set("openai-version", "2020-10-01")
	h.Set("x-request-id", "req_"+randomHex(32))
	rateHeaders(h, "x-ratelimit-")
}

// fingerprint names the machine that answered: one of many.
func fingerprint() string { return "fp_" + randomHex(10) }

// isJSONFormat tells whether a response format asks for JSON.
func isJSONFormat(kind string) bool { return kind == "json_object" || kind == "json_schema" }

// choiceOf reads a tool choice, which is a word or names a function, in
// OpenAI's two ways or in Anthropic's.
func choiceOf(raw json.RawMessage) string {
	var word string
	var named struct {
		Type, Name string
		Function   struct{ Name string }
	}
	if json.Unmarshal(raw, &word) != nil {
		if json.Unmarshal(raw, &named) != nil {
			return ""
		}
		word = named.Type
	}
	switch {
	case word == "none":
		return word
	case named.Name != "":
		return named.Name
	}
	return named.Function.Name
}
