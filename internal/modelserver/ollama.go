package modelserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// ollama is Ollama's POST /api/chat, /api/generate and /api/embed. Streams are
// lines of JSON, and the usual thing.
type ollama struct{ method string }

// ollamaCommon is what its requests share.
type ollamaCommon struct {
	Model   string
	Stream  *bool
	Format  json.RawMessage // "json", or a schema
	Options struct {
		NumPredict int `json:"num_predict"`
	}
}

// ask begins an ask.
func (q *ollamaCommon) ask() *ask {
	a := &ask{model: q.Model, stream: q.Stream == nil || *q.Stream, limit: max(0, q.Options.NumPredict)}
	var word string
	switch {
	case json.Unmarshal(q.Format, &word) == nil:
		a.asJSON = word == "json"
	case bytes.HasPrefix(q.Format, []byte("{")):
		a.asJSON, a.schema = true, q.Format
	}
	return a
}

func (o ollama) read(_ *http.Request, body []byte) (*ask, error) {
	switch o.method {
	case "chat":
		return o.readChat(body)
	case "generate":
		return o.readGenerate(body)
	}
	return o.readEmbed(body)
}

func (ollama) readChat(body []byte) (*ask, error) {
	var q struct {
		ollamaCommon
		Messages []struct{ Role, Content string }
		Tools    []struct{ Function openAIFunction }
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	a := q.ask()
	for _, m := range q.Messages {
		a.prompt += m.Content
		if a.answered = m.Role == "tool"; a.answered {
			a.results, a.result = a.results+1, m.Content
		}
	}
	for _, t := range q.Tools {
		a.tools = append(a.tools, tool{t.Function.Name, t.Function.Parameters})
	}
	return a, a.check(len(q.Messages))
}

func (ollama) readGenerate(body []byte) (*ask, error) {
	var q struct {
		ollamaCommon
		Prompt, System string
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	if q.Prompt == "" {
		return nil, errors.New("prompt: required")
	}
	a := q.ask()
	a.prompt = q.System + q.Prompt
	return a, a.check(1)
}

func (ollama) readEmbed(body []byte) (*ask, error) {
	var q struct {
		Model      string
		Input      json.RawMessage
		Dimensions int
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	a := &ask{model: q.Model}
	return a, a.embed(q.Input, q.Dimensions)
}

// line is one answer, or one of a stream.
func (o ollama) line(a *ask, content string, calls []any, more object) object {
	out := object{"model", a.model, "created_at", time.Now().UTC().Format(time.RFC3339Nano)}
	if o.method == "generate" {
		return append(out.with("response", content), more...)
	}
	message := object{"role", "assistant", "content", content}
	if len(calls) > 0 {
		message = message.with("tool_calls", calls)
	}
	return append(out.with("message", message), more...)
}

// done are the last members of an answer.
func (ollama) done(y *reply) object {
	reason := "stop"
	if y.cut {
		reason = "length"
	}
	return object{
		"done", true, "done_reason", reason, "total_duration", between(1e8, 9e8), "load_duration", between(1e6, 9e6),
		"prompt_eval_count", y.in, "prompt_eval_duration", between(1e6, 9e7),
		"eval_count", y.out, "eval_duration", between(1e7, 5e8),
	}
}

// calls are the calls of a reply. Their arguments are objects, not texts.
func (ollama) calls(y *reply) []any {
	var out []any
	for _, c := range y.calls {
		out = append(out, object{"function", object{"name", c.name, "arguments", json.RawMessage(c.arguments)}})
	}
	return out
}

func (o ollama) plain(a *ask, y *reply) []byte {
	if o.method != "embed" {
		return encode(o.line(a, y.text(), o.calls(y), o.done(y)))
	}
	vectors := []any{}
	for range a.inputs {
		vectors = append(vectors, a.vector())
	}
	return encode(object{
		"model", a.model, "embeddings", vectors, "total_duration", between(1e7, 9e7),
		"load_duration", between(1e6, 9e6), "prompt_eval_count", y.in,
	})
}

func (o ollama) stream(a *ask, y *reply) [][]byte {
	var out [][]byte
	emit := func(content string, calls []any, more object) {
		out = append(out, append(encode(o.line(a, content, calls, more)), '\n'))
	}
	for _, p := range y.pieces {
		emit(p, nil, object{"done", false})
	}
	for _, c := range o.calls(y) {
		emit("", []any{c}, object{"done", false})
	}
	emit("", nil, o.done(y))
	return out
}

func (ollama) trouble(_ int, message string) []byte { return encode(object{"error", message}) }

func (o ollama) troubleEvent(*ask, int) []byte {
	return append(o.trouble(0, messageOverloaded), '\n')
}

func (ollama) overloaded() int { return http.StatusServiceUnavailable }

func (ollama) contentType(_ *ask, stream bool) string {
	if stream {
		return "application/x-ndjson"
	}
	return "application/json; charset=utf-8"
}

func (ollama) headers(http.Header, int) {}
