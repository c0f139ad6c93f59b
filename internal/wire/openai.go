package wire

import (
	"encoding/json"
	"strings"
)

// buildOpenAI writes POST /chat/completions.
func buildOpenAI(b *chatBody) (string, error) {
	if b.stream {
		b.body["stream"] = json.RawMessage("true")
		b.body["stream_options"] = b.take("stream_options", `{"include_usage":true}`)
	}
	for _, name := range b.paramNames() {
		b.body[name] = b.params[name]
	}
	b.body["model"] = quote(b.model)
	b.body["messages"] = list(b.messages)
	if b.tools != nil {
		b.body["tools"] = list(b.tools)
	}
	return "/chat/completions", nil
}

// openAICall is a tool call as a message, an answer or a chunk has it.
type openAICall struct {
	Index    int    `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// openAIChunk is a whole answer or a chunk of one.
type openAIChunk struct {
	Model   string          `json:"model"`
	Error   json.RawMessage `json:"error"`
	Choices []struct {
		Index   int        `json:"index"`
		Message openAIText `json:"message"`
		Delta   openAIText `json:"delta"`
		Finish  string     `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Input  *count `json:"prompt_tokens"`
		Output *count `json:"completion_tokens"`
	} `json:"usage"`
}

type openAIText struct {
	Content   json.RawMessage `json:"content"`
	ToolCalls []openAICall    `json:"tool_calls"`
}

// readOpenAI reads an answer of chat completions, of several choices the
// first. With an error it returns as much of the reply as there was.
func readOpenAI(a *Answer) (*Reply, error) {
	d := newDraft()
	if streamed(a) {
		err := streamOpenAI(a, d)
		return d.reply(), err
	}
	var c openAIChunk
	if err := decode(a.Body, &c); err != nil {
		return d.reply(), err
	}
	if len(c.Choices) == 0 {
		return d.reply(), errNotJSON
	}
	d.addOpenAI(&c)
	return d.reply(), nil
}

func streamOpenAI(a *Answer, d *draft) error {
	events, err := Events(a.Header("content-type"), a.Body)
	if err != nil {
		return err
	}
	for _, e := range events {
		if e.Data == "[DONE]" {
			return nil
		}
		var c openAIChunk
		if err := decode([]byte(e.Data), &c); err != nil {
			return err
		}
		if len(c.Error) > 0 && string(c.Error) != "null" {
			return inStream([]byte(e.Data))
		}
		d.addOpenAI(&c)
	}
	if d.Finish == "" {
		return errEarly
	}
	return nil
}

// addOpenAI adds what an answer or a chunk says.
func (d *draft) addOpenAI(c *openAIChunk) {
	if c.Model != "" {
		d.Model = c.Model
	}
	if c.Usage != nil {
		d.usage(c.Usage.Input, c.Usage.Output)
	}
	for _, ch := range c.Choices {
		if ch.Index != 0 {
			continue
		}
		d.text.WriteString(contentText(ch.Message.Content))
		d.text.WriteString(contentText(ch.Delta.Content))
		if ch.Finish != "" {
			d.Finish = ch.Finish
		}
		for _, call := range ch.Message.ToolCalls {
			d.call(ToolCall{call.ID, call.Function.Name, call.Function.Arguments})
		}
		for _, call := range ch.Delta.ToolCalls {
			d.piece(call.Index, ToolCall{call.ID, call.Function.Name, call.Function.Arguments})
		}
	}
}

// contentText returns the text of a message's content: a string, or the text
// of the parts of a list; what has no text is left out.
func contentText(content json.RawMessage) string {
	if len(content) == 0 || content[0] != '[' {
		return jsonString(content)
	}
	var parts []struct {
		Text    string          `json:"text"`
		Content json.RawMessage `json:"content"`
	}
	if json.Unmarshal(content, &parts) != nil {
		return ""
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
		b.WriteString(jsonString(p.Content))
	}
	return b.String()
}
