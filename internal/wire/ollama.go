package wire

import (
	"encoding/json"
	"strings"
)

// ollama reads the requests of Ollama's own API.
func (l *LLM) ollama(path string, body *llmBody) reader {
	l.Stream = body.Stream == nil || *body.Stream
	switch {
	case strings.HasSuffix(path, "/api/chat") && body.Messages != nil:
		l.API = "ollama.chat"
		for _, raw := range body.Messages {
			l.addOllama(raw)
		}
		return readOllama
	case strings.HasSuffix(path, "/api/generate") && body.Prompt != nil:
		l.API = "ollama.generate"
		l.addSystem(body.System)
		l.Messages = append(l.Messages, LLMMessage{Role: "user", Text: jsonString(body.Prompt)})
		return readOllama
	case strings.HasSuffix(path, "/api/embed") && body.Input != nil:
		l.API, l.Stream = "ollama.embed", false
		l.addTexts(body.Input)
		return readOllama
	case strings.HasSuffix(path, "/api/embeddings") && body.Prompt != nil:
		l.API, l.Stream = "ollama.embed", false
		l.addTexts(body.Prompt)
		return readOllama
	}
	l.Stream = body.Stream != nil && *body.Stream
	return nil
}

// ollamaMessage is a message of a request or an answer. Arguments are objects,
// not texts.
type ollamaMessage struct {
	Role      string `json:"role"`
	Content   string `json:"content"`
	ToolCalls []struct {
		Function struct {
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

func (m *ollamaMessage) calls() []ToolCall {
	var out []ToolCall
	for _, c := range m.ToolCalls {
		out = append(out, ToolCall{Name: c.Function.Name, Arguments: compact(c.Function.Arguments)})
	}
	return out
}

func (l *LLM) addOllama(raw json.RawMessage) {
	var m ollamaMessage
	if json.Unmarshal(raw, &m) == nil {
		l.Messages = append(l.Messages, LLMMessage{Role: m.Role, Text: m.Content, ToolCalls: m.calls()})
	}
}

// ollamaChunk is a whole answer or a line of one.
type ollamaChunk struct {
	Model      string            `json:"model"`
	Message    ollamaMessage     `json:"message"`
	Response   string            `json:"response"`
	Embedding  json.RawMessage   `json:"embedding"`
	Embeddings []json.RawMessage `json:"embeddings"`
	Done       bool              `json:"done"`
	Reason     string            `json:"done_reason"`
	Error      string            `json:"error"`
	Input      *count            `json:"prompt_eval_count"`
	Output     *count            `json:"eval_count"`
}

// readOllama reads an answer of Ollama's, one object or a line each for its
// pieces. With an error it returns as much of the reply as there was.
func readOllama(a *Answer) (*Reply, error) {
	d := newDraft()
	events, err := lines(a.Body)
	if err != nil {
		return d.reply(), err
	}
	for _, e := range events {
		var c ollamaChunk
		if err := decode([]byte(e.Data), &c); err != nil {
			return d.reply(), err
		}
		if c.Error != "" {
			return d.reply(), inStream([]byte(e.Data))
		}
		d.addOllama(&c)
	}
	if d.Finish == "" && len(events) != 1 {
		return d.reply(), errEarly
	}
	return d.reply(), nil
}

func (d *draft) addOllama(c *ollamaChunk) {
	if c.Model != "" {
		d.Model = c.Model
	}
	d.text.WriteString(c.Message.Content)
	d.text.WriteString(c.Response)
	for _, call := range c.Message.calls() {
		d.call(call)
	}
	if c.Embedding != nil {
		c.Embeddings = append(c.Embeddings, c.Embedding)
	}
	d.vectors(c.Embeddings)
	if c.Done {
		d.Finish = c.Reason
		if d.Finish == "" {
			d.Finish = "stop"
		}
	}
	d.usage(c.Input, c.Output)
}
