package modelserver

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// messages is Anthropic's POST /v1/messages.
type messages struct{}

func (m messages) read(r *http.Request, body []byte) (*ask, error) {
	if r.Header.Get("anthropic-version") == "" {
		return nil, errors.New("anthropic-version: header is required")
	}
	return m.readBody(body, "")
}

// readBody reads a request. The model is in it, unless it is told.
func (messages) readBody(body []byte, model string) (*ask, error) {
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
		Thinking   struct{ Type string }
		Stream     bool
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	if q.MaxTokens == nil || *q.MaxTokens < 1 {
		return nil, errors.New("max_tokens: Field required")
	}
	a := &ask{
		model: cmp.Or(model, q.Model), prompt: textOf(q.System), stream: q.Stream, limit: *q.MaxTokens,
		choice: choiceOf(q.ToolChoice), preamble: true,
		thinks: q.Thinking.Type == "enabled" || q.Thinking.Type == "adaptive",
	}
	for i, m := range q.Messages {
		text := textOf(m.Content)
		a.prompt += text
		n, err := blocksOf(m.Content)
		if err != nil {
			return nil, errors.New("messages." + strconv.Itoa(i) + "." + err.Error())
		}
		if a.answered = n > 0; a.answered {
			a.results, a.result = a.results+n, text
		}
	}
	for _, t := range q.Tools {
		a.tools = append(a.tools, tool{t.Name, t.InputSchema})
	}
	return a, a.check(len(q.Messages))
}

// blocksOf counts the results of tools in a message's content, and refuses
// thoughts that are not as they were sent.
func blocksOf(content json.RawMessage) (results int, err error) {
	var blocks []struct{ Type, Thinking, Signature string }
	if json.Unmarshal(content, &blocks) != nil {
		return 0, nil // a text
	}
	for i, b := range blocks {
		switch {
		case b.Type == "tool_result":
			results++
		case b.Type == "thinking" && !signed(b.Thinking, b.Signature):
			return 0, errors.New("content." + strconv.Itoa(i) + ": Invalid `signature` in `thinking` block")
		}
	}
	return results, nil
}

// sign makes the signature of a thought, which a client has to send back with
// it, byte for byte. No two are alike.
func sign(thought string) string { return signature(randomText(40), thought) }

func signature(salt, thought string) string {
	h := sha256.Sum256([]byte(salt + thought))
	return base64.StdEncoding.EncodeToString(append(h[:], salt...))
}

// signed tells whether a signature is one that was made for a thought.
func signed(thought, text string) bool {
	b, err := base64.StdEncoding.DecodeString(text)
	return err == nil && len(b) > sha256.Size && signature(string(b[sha256.Size:]), thought) == text
}

// stopReason returns why a reply ended.
func (messages) stopReason(y *reply) string {
	switch {
	case len(y.calls) > 0:
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
	if len(y.thought) > 0 {
		thought := strings.Join(y.thought, "")
		content = append(content, object{"type", "thinking", "thinking", thought, "signature", sign(thought)})
	}
	if len(y.pieces) > 0 {
		content = append(content, object{"type", "text", "text", y.text()})
	}
	for _, c := range y.calls {
		content = append(content, object{
			"type", "tool_use", "id", "toolu_01" + randomText(22),
			"name", c.name, "input", json.RawMessage(c.arguments),
		})
	}
	return encode(m.message(a, y, content, m.stopReason(y), y.out))
}

func (m messages) stream(a *ask, y *reply) [][]byte {
	var out [][]byte
	for _, e := range m.events(a, y) {
		out = append(out, event(e[1].(string), e))
	}
	return out
}

// events are the events of a stream, the member type first.
func (m messages) events(a *ask, y *reply) []object {
	var out []object
	emit := func(name string, members ...any) {
		out = append(out, object{"type", name}.with(members...))
	}
	index := 0
	block := func(start object, deltas []object) {
		emit("content_block_start", "index", index, "content_block", start)
		if index == 0 {
			emit("ping")
		}
		for _, d := range deltas {
			emit("content_block_delta", "index", index, "delta", d)
			if oneIn(12) {
				emit("ping")
			}
		}
		emit("content_block_stop", "index", index)
		index++
	}
	emit("message_start", "message", m.message(a, y, []any{}, nil, 1))
	if len(y.thought) > 0 {
		deltas := append(deltasOf("thinking_delta", "thinking", y.thought),
			object{"type", "signature_delta", "signature", sign(strings.Join(y.thought, ""))})
		block(object{"type", "thinking", "thinking", "", "signature", ""}, deltas)
	}
	if len(y.pieces) > 0 {
		block(object{"type", "text", "text", ""}, deltasOf("text_delta", "text", y.pieces))
	}
	for _, c := range y.calls {
		start := object{"type", "tool_use", "id", "toolu_01" + randomText(22), "name", c.name, "input", object{}}
		// The first piece is empty, as it is with the provider.
		block(start, deltasOf("input_json_delta", "partial_json", append([]string{""}, tokens(c.arguments)...)))
	}
	emit("message_delta", "delta", object{"stop_reason", m.stopReason(y), "stop_sequence", nil},
		"usage", object{"output_tokens", y.out})
	emit("message_stop")
	return out
}

// deltasOf are the deltas of a block, one for each piece.
func deltasOf(kind, field string, pieces []string) []object {
	out := make([]object, len(pieces))
	for i, p := range pieces {
		out[i] = object{"type", kind, field, p}
	}
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

func (messages) headers(h http.Header, _ int) {
	h.Set("request-id", "req_011C"+randomText(20))
	h.Set("anthropic-organization-id", "sample")
	rateHeaders(h, "anthropic-ratelimit-")
}
