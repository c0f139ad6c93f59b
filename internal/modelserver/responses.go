package modelserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// responses is OpenAI's POST /v1/responses.
type responses struct{ openAI }

// A responsesItem is one item of a request's input.
type responsesItem struct {
	Type, Role      string
	Content, Output json.RawMessage
}

func (responses) read(_ *http.Request, body []byte) (*ask, error) {
	var q struct {
		Model        string
		Instructions string
		Input        json.RawMessage
		Tools        []struct {
			Type string
			openAIFunction
		}
		ToolChoice    json.RawMessage `json:"tool_choice"`
		Stream        bool
		StreamOptions struct {
			IncludeObfuscation *bool `json:"include_obfuscation"`
		} `json:"stream_options"`
		MaxOutputTokens int `json:"max_output_tokens"`
		Text            struct {
			Format struct {
				Type   string
				Schema json.RawMessage
			}
		}
	}
	a := &ask{}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	if err := decode(body, &a.fields); err != nil {
		return nil, err
	}
	items, err := responsesInput(q.Input)
	if err != nil {
		return nil, err
	}
	a.model, a.prompt = q.Model, q.Instructions
	a.stream, a.limit, a.choice = q.Stream, q.MaxOutputTokens, choiceOf(q.ToolChoice)
	a.padding = q.StreamOptions.IncludeObfuscation == nil || *q.StreamOptions.IncludeObfuscation
	a.asJSON, a.schema = isJSONFormat(q.Text.Format.Type), q.Text.Format.Schema
	for _, it := range items {
		text := textOf(it.Content) + textOf(it.Output)
		a.prompt += text
		if a.answered = it.Type == "function_call_output"; a.answered {
			a.results, a.result = a.results+1, text
		}
	}
	for _, t := range q.Tools {
		if t.Type == "function" { // the provider's own tools are never used
			a.tools = append(a.tools, tool{t.Name, t.Parameters})
		}
	}
	return a, a.check(len(items))
}

// responsesInput reads the input, which is a text or a list of items.
func responsesInput(raw json.RawMessage) ([]responsesItem, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		return []responsesItem{{Role: "user", Content: raw}}, nil
	}
	var items []responsesItem
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, errors.New("input: required: a text or a list of items")
	}
	return items, nil
}

// field returns a member of the request, or what stands for it.
func (a *ask) field(name string, otherwise any) any {
	if v, ok := a.fields[name]; ok {
		return v
	}
	return otherwise
}

// A responsesAnswer is an answer on its way: its id and its items, which are
// one message or some calls.
type responsesAnswer struct {
	a       *ask
	y       *reply
	id      string
	created int64
	items   []responsesOutput
}

// A responsesOutput is one item of output. It is a message without a call.
type responsesOutput struct {
	id, callID string
	call       *toolCall
}

func newResponsesAnswer(a *ask, y *reply) *responsesAnswer {
	n := &responsesAnswer{a: a, y: y, id: "resp_" + randomHex(48), created: time.Now().Unix()}
	for i := range y.calls {
		n.items = append(n.items, responsesOutput{"fc_" + randomHex(48), "call_" + randomText(24), &y.calls[i]})
	}
	if len(n.items) == 0 {
		n.items = []responsesOutput{{id: "msg_" + randomHex(48)}}
	}
	return n
}

// part is the content of a message.
func (n *responsesAnswer) part(text string) object {
	return object{"type", "output_text", "annotations", []any{}, "logprobs", []any{}, "text", text}
}

// item is an item of output, whole or just begun.
func (n *responsesAnswer) item(it responsesOutput, done bool) object {
	status, arguments, content := "in_progress", "", []any{}
	if done {
		status, content = n.status(), []any{n.part(n.y.text())}
	}
	if it.call == nil {
		return object{"id", it.id, "type", "message", "status", status, "content", content, "role", "assistant"}
	}
	if done {
		arguments = it.call.arguments
	}
	return object{
		"id", it.id, "type", "function_call", "status", status,
		"arguments", arguments, "call_id", it.callID, "name", it.call.name,
	}
}

// status is that of the finished answer.
func (n *responsesAnswer) status() string {
	if n.y.cut {
		return "incomplete"
	}
	return "completed"
}

// response is the response object, whole or just begun.
func (n *responsesAnswer) response(done bool) object {
	status, output, usage, incomplete := "in_progress", []any{}, any(nil), any(nil)
	if done {
		status = n.status()
		for _, it := range n.items {
			output = append(output, n.item(it, true))
		}
		usage = object{
			"input_tokens", n.y.in, "input_tokens_details",
			object{"cached_tokens", 0},
			"output_tokens", n.y.out, "output_tokens_details",
			object{"reasoning_tokens", 0},
			"total_tokens", n.y.in + n.y.out,
		}
		if n.y.cut {
			incomplete = object{"reason", "max_output_tokens"}
		}
	}
	f := n.a.field
	return object{
		"id", n.id, "object", "response", "created_at", n.created, "status", status,
		"background", false, "error", nil, "incomplete_details", incomplete,
		"instructions", f("instructions", nil), "max_output_tokens", f("max_output_tokens", nil),
		"model", n.a.model, "output", output,
		"parallel_tool_calls", f("parallel_tool_calls", true),
		"previous_response_id", f("previous_response_id", nil),
		"reasoning", f("reasoning", object{"effort", nil, "summary", nil}),
		"service_tier", "default", "store", f("store", true), "temperature", f("temperature", 1.0),
		"text", f("text", object{"format", object{"type", "text"}}),
		"tool_choice", f("tool_choice", "auto"), "tools", f("tools", []any{}), "top_p", f("top_p", 1.0),
		"truncation", "disabled", "usage", usage, "user", nil, "metadata", f("metadata", object{}),
	}
}

func (responses) plain(a *ask, y *reply) []byte {
	return encode(newResponsesAnswer(a, y).response(true))
}

func (responses) stream(a *ask, y *reply) [][]byte {
	n := newResponsesAnswer(a, y)
	var out [][]byte
	emit := func(name string, members ...any) {
		o := object{"type", "response." + name, "sequence_number", len(out)}
		out = append(out, event("response."+name, o.with(members...)))
	}
	emit("created", "response", n.response(false))
	emit("in_progress", "response", n.response(false))
	for i, it := range n.items {
		emit("output_item.added", "output_index", i, "item", n.item(it, false))
		n.events(i, it, emit)
		emit("output_item.done", "output_index", i, "item", n.item(it, true))
	}
	emit(n.status(), "response", n.response(true))
	return out
}

// events emits the events between the beginning and the end of an item.
func (n *responsesAnswer) events(index int, it responsesOutput, emit func(name string, members ...any)) {
	at := []any{"item_id", it.id, "output_index", index}
	if it.call != nil {
		for _, p := range tokens(it.call.arguments) {
			emit("function_call_arguments.delta", n.padded(object(at).with("delta", p))...)
		}
		emit("function_call_arguments.done", object(at).with("name", it.call.name, "arguments", it.call.arguments)...)
		return
	}
	at = append(at, "content_index", 0)
	emit("content_part.added", object(at).with("part", n.part(""))...)
	for _, p := range n.y.pieces {
		emit("output_text.delta", n.padded(object(at).with("delta", p, "logprobs", []any{}))...)
	}
	emit("output_text.done", object(at).with("text", n.y.text(), "logprobs", []any{})...)
	emit("content_part.done", object(at).with("part", n.part(n.y.text()))...)
}

// padded adds padding to an event, unless the client does without.
func (n *responsesAnswer) padded(o object) object {
	if !n.a.padding {
		return o
	}
	return o.with("obfuscation", padding())
}

func (responses) troubleEvent(_ *ask, n int) []byte {
	return event("error", object{
		"type", "error", "code", "server_error", "message", messageOverloaded,
		"param", nil, "sequence_number", n,
	})
}
