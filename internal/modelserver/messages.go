package modelserver

import (
	"encoding/json"
	"errors"
	"net/http"
)

// messages is Anthropic's POST /v1/messages.
type messages struct{}

func (messages) read(r *http.Request, body []byte) (*ask, error) {
	if r.Header.Get("anthropic-version") == "" {
		return nil, errors.New("anthropic-version: header is required")
	}
	var q struct {
		Model     string
		System    json.RawMessage
		MaxTokens *int `json:"max_tokens"`
		Messages  []struct {
			Role    string
			Content json.RawMessage
		}
		Tools []struct {
			Name        string
			InputSchema json.RawMessage `json:"input_schema"`
		}
		ToolChoice json.RawMessage `json:"tool_choice"`
		Stream     bool
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	if q.MaxTokens == nil || *q.MaxTokens < 1 {
		return nil, errors.New("max_tokens: Field required")
	}
	a := &ask{
		model: q.Model, prompt: textOf(q.System), stream: q.Stream, limit: *q.MaxTokens,
		choice: choiceOf(q.ToolChoice), preamble: true,
	}
	for _, m := range q.Messages {
		text := textOf(m.Content)
		a.prompt += text
		a.answered, a.result = hasToolResult(m.Content), text
	}
	for _, t := range q.Tools {
		a.tools = append(a.tools, tool{t.Name, t.InputSchema})
	}
	return a, a.check(len(q.Messages))
}

// hasToolResult tells whether a message's content holds a tool's result.
func hasToolResult(content json.RawMessage) bool {
	var blocks []struct{ Type string }
	if json.Unmarshal(content, &blocks) != nil {
		return false
	}
	for _, b := range blocks {
		if b.Type == "tool_result" {
			return true
		}
	}
	return false
}

// stopReason returns why a reply ended.
func (messages) stopReason(y *reply) string {
	switch {
	case y.call != nil:
		return "tool_use"
	case y.cut:
		return "max_tokens"
	}
	return "end_turn"
}

// message is the message object.
func (messages) message(a *ask, y *reply, content []any, stop any, out int) object {
	return object{
		"model", a.model, "id", "msg_01" + randomText(22), "type", "message", "role", "assistant",
		"content", content, "stop_reason", stop, "stop_sequence", nil,
		"usage",
		object{
			"input_tokens", y.in, "cache_creation_input_tokens", 0, "cache_read_input_tokens", 0,
			"output_tokens", out, "service_tier", "standard",
		},
	}
}

func (m messages) plain(a *ask, y *reply) []byte {
	content := []any{}
	if len(y.pieces) > 0 {
		content = append(content, object{"type", "text", "text", y.text()})
	}
	if y.call != nil {
		content = append(content, object{
			"type", "tool_use", "id", "toolu_01" + randomText(22),
			"name", y.call.name, "input", json.RawMessage(y.call.arguments),
		})
	}
	return encode(m.message(a, y, content, m.stopReason(y), y.out))
}

func (m messages) stream(a *ask, y *reply) [][]byte {
	var out [][]byte
	emit := func(name string, members ...any) {
		out = append(out, event(name, object{"type", name}.with(members...)))
	}
	block := func(index int, start object, kind, field string, pieces []string) {
		emit("content_block_start", "index", index, "content_block", start)
		if index == 0 {
			emit("ping")
		}
		for _, p := range pieces {
			emit("content_block_delta", "index", index, "delta", object{"type", kind, field, p})
			if oneIn(12) {
				emit("ping")
			}
		}
		emit("content_block_stop", "index", index)
	}
	emit("message_start", "message", m.message(a, y, []any{}, nil, 1))
	index := 0
	if len(y.pieces) > 0 {
		block(index, object{"type", "text", "text", ""}, "text_delta", "text", y.pieces)
		index++
	}
	if y.call != nil {
		start := object{"type", "tool_use", "id", "toolu_01" + randomText(22), "name", y.call.name, "input", object{}}
		// The first piece is empty, as it is with the provider.
		block(index, start, "input_json_delta", "partial_json", append([]string{""}, tokens(y.call.arguments)...))
	}
	emit("message_delta", "delta", object{"stop_reason", m.stopReason(y), "stop_sequence", nil},
		"usage", object{"output_tokens", y.out})
	emit("message_stop")
	return out
}

func (messages) trouble(status int, message string) []byte {
	kind := "invalid_request_error"
	switch {
	case status == http.StatusUnauthorized:
		kind = "authentication_error"
	case status == http.StatusForbidden:
		kind = "permission_error"
	case status == http.StatusNotFound:
		kind = "not_found_error"
	case status == http.StatusRequestEntityTooLarge:
		kind = "request_too_large"
	case status == http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case status == statusOverloaded:
		kind = "overloaded_error"
	case status >= 500:
		kind = "api_error"
	}
	return encode(object{
		"type", "error", "error",
		object{"type", kind, "message", message},
		"request_id", "req_011C" + randomText(20),
	})
}

// statusOverloaded is Anthropic's own status.
const statusOverloaded = 529

func (messages) contentType(_ *ask, stream bool) string {
	return openAI{}.contentType(nil, stream)
}

func (messages) overloaded() int { return statusOverloaded }

func (messages) troubleEvent(*ask, int) []byte {
	return event("error", object{
		"type", "error", "error", object{"type", "overloaded_error", "message", messageOverloaded},
	})
}

func (messages) headers(h http.Header) {
	h.Set("request-id", "req_011C"+randomText(20))
	h.Set("anthropic-organization-id", "sample")
	rateHeaders(h, "anthropic-ratelimit-")
}
