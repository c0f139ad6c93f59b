package wire

import (
	"encoding/json"
	"errors"

	"github.com/coo-runtime/coo/internal/canon"
)

// buildAnthropic writes POST /v1/messages.
func buildAnthropic(b *chatBody) (string, error) {
	messages, err := b.readMessages()
	if err != nil {
		return "", err
	}
	var system, rest []json.RawMessage
	for _, m := range messages {
		if m.role == "system" || m.role == "developer" {
			system = append(system, m.content)
			continue
		}
		raw, err := m.anthropic()
		if err != nil {
			return "", err
		}
		rest = append(rest, raw)
	}
	for _, name := range b.paramNames() {
		b.body[name] = b.params[name]
	}
	if len(system) > 0 {
		if b.body["system"] != nil {
			return "", errors.New("parameter \"system\": there is a system message too")
		}
		if b.body["system"], err = joinSystem(system); err != nil {
			return "", err
		}
	}
	if b.body["max_tokens"] == nil {
		b.body["max_tokens"] = json.RawMessage("1024")
	}
	if stop := b.body["stop"]; stop != nil {
		delete(b.body, "stop")
		b.body["stop_sequences"] = asList(stop)
	}
	if b.stream {
		b.body["stream"] = json.RawMessage("true")
	}
	b.body["model"] = quote(b.model)
	b.body["messages"] = list(rest)
	if b.tools != nil {
		b.body["tools"] = list(anthropicTools(b.tools))
	}
	return "/v1/messages", nil
}

// joinSystem returns the one system content, or the blocks of several.
func joinSystem(contents []json.RawMessage) (json.RawMessage, error) {
	if len(contents) == 1 && contents[0] != nil {
		return contents[0], nil
	}
	var all []json.RawMessage
	for _, c := range contents {
		bs, err := blocks(c, textBlock)
		if err != nil {
			return nil, err
		}
		all = append(all, bs...)
	}
	return list(all), nil
}

func textBlock(text json.RawMessage) json.RawMessage {
	return object{"type": quote("text"), "text": text}.encode()
}

// anthropic writes m in Anthropic's form: tool calls and their results are
// blocks of content.
func (m message) anthropic() (json.RawMessage, error) {
	switch {
	case m.role == "tool":
		result := object{"type": quote("tool_result"), "tool_use_id": m.object["tool_call_id"]}
		if result["tool_use_id"] == nil {
			return nil, errors.New("messages: a tool message has no tool_call_id")
		}
		if m.content != nil {
			result["content"] = m.content
		}
		return object{"role": quote("user"), "content": list([]json.RawMessage{result.encode()})}.encode(), nil
	case len(m.calls) == 0:
		return m.object.encode(), nil
	}
	content, err := blocks(m.content, textBlock)
	if err != nil {
		return nil, err
	}
	for _, c := range m.calls {
		args, err := c.args()
		if err != nil {
			return nil, err
		}
		content = append(content, object{"type": quote("tool_use"), "id": quote(c.ID), "name": quote(c.Name), "input": args}.encode())
	}
	return object{"role": quote("assistant"), "content": list(content)}.encode(), nil
}

// anthropicTools writes tools in OpenAI's form as Anthropic's.
func anthropicTools(tools []json.RawMessage) []json.RawMessage {
	var out []json.RawMessage
	for _, t := range tools {
		if f, ok := function(t); ok {
			schema := f["parameters"]
			if schema == nil {
				schema = json.RawMessage(`{"type":"object"}`)
			}
			o := object{"name": f["name"], "description": f["description"], "input_schema": schema}
			t = o.present().encode()
		}
		out = append(out, t)
	}
	return out
}

// anthropicBlock is a block of content, whole or starting.
type anthropicBlock struct {
	Type  string          `json:"type"`
	Text  string          `json:"text"`
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

type anthropicUsage struct {
	Input  *count `json:"input_tokens"`
	Output *count `json:"output_tokens"`
}

// anthropicMessage is a whole answer, or what message_start carries of it.
type anthropicMessage struct {
	Type    string           `json:"type"`
	Model   string           `json:"model"`
	Content []anthropicBlock `json:"content"`
	Stop    string           `json:"stop_reason"`
	Usage   anthropicUsage   `json:"usage"`
}

// readAnthropic reads an answer of the messages API. With an error it returns
// as much of the reply as there was.
func readAnthropic(a *Answer) (*Reply, error) {
	d := newDraft()
	if streamed(a) {
		err := streamAnthropic(a, d)
		return d.reply(), err
	}
	var m anthropicMessage
	if err := decode(a.Body, &m); err != nil {
		return d.reply(), err
	}
	if m.Type != "message" {
		return d.reply(), errNotJSON
	}
	d.Model, d.Finish = m.Model, m.Stop
	d.usage(m.Usage.Input, m.Usage.Output)
	for _, b := range m.Content {
		switch b.Type {
		case "text":
			d.text.WriteString(b.Text)
		case "tool_use":
			d.call(ToolCall{b.ID, b.Name, compact(b.Input)})
		}
	}
	return d.reply(), nil
}

// compact returns JSON arguments as canonical text, "{}" for none.
func compact(raw json.RawMessage) string {
	b, err := canon.JSON(raw)
	if err != nil || string(b) == "null" {
		return "{}"
	}
	return string(b)
}

// anthropicEvent is any event of a stream.
type anthropicEvent struct {
	Type    string           `json:"type"`
	Index   int              `json:"index"`
	Message anthropicMessage `json:"message"`
	Block   anthropicBlock   `json:"content_block"`
	Delta   struct {
		Type string `json:"type"`
		Text string `json:"text"`
		JSON string `json:"partial_json"`
		Stop string `json:"stop_reason"`
	} `json:"delta"`
	Usage anthropicUsage `json:"usage"`
}

func streamAnthropic(a *Answer, d *draft) error {
	events, err := Events(a.Header("content-type"), a.Body)
	if err != nil {
		return err
	}
	for _, ev := range events {
		var e anthropicEvent
		if err := decode([]byte(ev.Data), &e); err != nil {
			return err
		}
		switch e.Type {
		case "error":
			return inStream([]byte(ev.Data))
		case "message_stop":
			return nil
		}
		d.addAnthropic(&e)
	}
	return errEarly
}

// addAnthropic adds what an event says; unknown events, pings and thinking
// say nothing here.
func (d *draft) addAnthropic(e *anthropicEvent) {
	switch e.Type {
	case "message_start":
		d.Model = e.Message.Model
		d.usage(e.Message.Usage.Input, e.Message.Usage.Output)
	case "content_block_start":
		if e.Block.Type == "tool_use" {
			d.piece(e.Index, ToolCall{ID: e.Block.ID, Name: e.Block.Name})
		}
		if e.Block.Type == "text" {
			d.text.WriteString(e.Block.Text)
		}
	case "content_block_delta":
		switch e.Delta.Type {
		case "text_delta":
			d.text.WriteString(e.Delta.Text)
		case "input_json_delta":
			d.piece(e.Index, ToolCall{Arguments: e.Delta.JSON})
		}
	case "message_delta":
		if e.Delta.Stop != "" {
			d.Finish = e.Delta.Stop
		}
		d.usage(e.Usage.Input, e.Usage.Output)
	}
}
