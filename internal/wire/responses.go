package wire

import "encoding/json"

// responsesItem is an item of the input or the output of the responses API.
type responsesItem struct {
	Type      string          `json:"type"`
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Arguments string          `json:"arguments"`
	Output    json.RawMessage `json:"output"`
}

// addInput adds the input of a responses request: text or a list of items.
func (l *LLM) addInput(input json.RawMessage) {
	if text := jsonString(input); text != "" {
		l.Messages = append(l.Messages, LLMMessage{Role: "user", Text: text})
		return
	}
	var items []json.RawMessage
	_ = json.Unmarshal(input, &items) // neither text nor a list: nothing to show
	for _, raw := range items {
		var it responsesItem
		if json.Unmarshal(raw, &it) != nil {
			continue
		}
		switch it.Type {
		case "", "message":
			l.Messages = append(l.Messages, LLMMessage{Role: it.Role, Text: contentText(it.Content)})
		case "function_call":
			call := ToolCall{it.CallID, it.Name, it.Arguments}
			l.Messages = append(l.Messages, LLMMessage{Role: "assistant", ToolCalls: []ToolCall{call}})
		case "function_call_output":
			l.Messages = append(l.Messages, LLMMessage{Role: "tool", Text: contentText(it.Output)})
		}
	}
}

// responsesBody is a whole answer of the responses API.
type responsesBody struct {
	Model  string            `json:"model"`
	Status string            `json:"status"`
	Output []json.RawMessage `json:"output"`
	Usage  *struct {
		Input  *count `json:"input_tokens"`
		Output *count `json:"output_tokens"`
	} `json:"usage"`
}

// readResponses reads an answer of the responses API. A stream ends with the
// whole response; one that was cut has only the text of its deltas.
func readResponses(a *Answer) (*Reply, error) {
	d := newDraft()
	if streamed(a) {
		return streamResponses(a, d)
	}
	var b responsesBody
	if err := decode(a.Body, &b); err != nil {
		return d.reply(), err
	}
	if b.Output == nil {
		return d.reply(), errNotJSON
	}
	d.addResponses(&b)
	return d.reply(), nil
}

func streamResponses(a *Answer, d *draft) (*Reply, error) {
	events, err := Events(a.Header("content-type"), a.Body)
	if err != nil {
		return d.reply(), err
	}
	for _, ev := range events {
		var e struct {
			Type     string          `json:"type"`
			Delta    json.RawMessage `json:"delta"` // text, or an object
			Response responsesBody   `json:"response"`
		}
		if err := decode([]byte(ev.Data), &e); err != nil {
			return d.reply(), err
		}
		switch e.Type {
		case "error":
			return d.reply(), inStream([]byte(ev.Data))
		case "response.created":
			d.Model = e.Response.Model
		case "response.output_text.delta":
			d.text.WriteString(jsonString(e.Delta))
		case "response.completed", "response.incomplete", "response.failed":
			d = newDraft()
			d.addResponses(&e.Response)
			return d.reply(), nil
		}
	}
	return d.reply(), errEarly
}

func (d *draft) addResponses(b *responsesBody) {
	d.Model, d.Finish = b.Model, b.Status
	if b.Usage != nil {
		d.usage(b.Usage.Input, b.Usage.Output)
	}
	for _, raw := range b.Output {
		var it responsesItem
		if json.Unmarshal(raw, &it) != nil {
			continue
		}
		switch it.Type {
		case "message":
			d.text.WriteString(contentText(it.Content))
		case "function_call":
			d.call(ToolCall{it.CallID, it.Name, it.Arguments})
		}
	}
}
