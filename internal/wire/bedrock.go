package wire

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
)

// bedrock reads the requests of Amazon Bedrock's runtime, whose model is in the
// path: /model/MODEL/converse, converse-stream, and invoke and
// invoke-with-response-stream, which carry the bodies of the model's maker.
func (l *LLM) bedrock(path string, body *llmBody) reader {
	front, method, _ := cutLast(path, "/")
	before, model, ok := cutLast(front, "/")
	if !ok || !strings.HasSuffix(before, "/model") {
		return nil
	}
	l.Model, l.Stream = model, strings.HasSuffix(method, "stream")
	if name, err := url.PathUnescape(model); err == nil {
		l.Model = name
	}
	switch method {
	case "converse", "converse-stream":
		if body.Messages == nil {
			return nil
		}
		l.API = "bedrock.converse"
		l.addBedrockSystem(body.System)
		for _, raw := range body.Messages {
			l.addBedrock(raw)
		}
		return readBedrock
	case "invoke", "invoke-with-response-stream":
		l.API = "bedrock.invoke"
		l.addInvoke(body)
		return readBedrock
	}
	return nil
}

// addInvoke adds the request of whichever maker's model.
func (l *LLM) addInvoke(body *llmBody) {
	prompt := body.Prompt
	if prompt == nil {
		prompt = body.InputText
	}
	switch {
	case body.Messages == nil && prompt != nil:
		l.Messages = append(l.Messages, LLMMessage{Role: "user", Text: jsonString(prompt)})
	case strings.Contains(l.Model, "amazon.nova"):
		l.addBedrockSystem(body.System)
		for _, raw := range body.Messages {
			l.addBedrock(raw)
		}
	default:
		l.addSystem(body.System)
		l.addAll(body.Messages)
	}
}

// bedrockBlock is a part of a message.
type bedrockBlock struct {
	Text    string `json:"text"`
	ToolUse *struct {
		ID    string          `json:"toolUseId"`
		Name  string          `json:"name"`
		Input json.RawMessage `json:"input"`
	} `json:"toolUse"`
	ToolResult *struct {
		Content []struct {
			Text string          `json:"text"`
			JSON json.RawMessage `json:"json"`
		} `json:"content"`
	} `json:"toolResult"`
}

func (l *LLM) addBedrockSystem(system json.RawMessage) {
	var blocks []bedrockBlock
	if json.Unmarshal(system, &blocks) != nil {
		return
	}
	for _, b := range blocks {
		if b.Text != "" {
			l.Messages = append(l.Messages, LLMMessage{Role: "system", Text: b.Text})
		}
	}
}

func (l *LLM) addBedrock(raw json.RawMessage) {
	var m struct {
		Role    string         `json:"role"`
		Content []bedrockBlock `json:"content"`
	}
	if json.Unmarshal(raw, &m) != nil {
		return
	}
	out := LLMMessage{Role: m.Role}
	var text strings.Builder
	for _, b := range m.Content {
		text.WriteString(b.Text)
		if b.ToolUse != nil {
			out.ToolCalls = append(out.ToolCalls, ToolCall{b.ToolUse.ID, b.ToolUse.Name, compact(b.ToolUse.Input)})
		}
		if b.ToolResult == nil {
			continue
		}
		for _, c := range b.ToolResult.Content {
			text.WriteString(c.Text)
			if c.JSON != nil {
				text.WriteString(compact(c.JSON))
			}
		}
	}
	out.Text = text.String()
	l.Messages = append(l.Messages, out)
}

// bedrockPiece is a whole answer, or a piece of one, of Bedrock's own form or of
// a maker's: Anthropic's is read by its type, Amazon's, Meta's, Mistral's and
// Cohere's by their members.
type bedrockPiece struct {
	Type   string `json:"type"` // Anthropic's
	Output struct {
		Message struct {
			Content []bedrockBlock `json:"content"`
		} `json:"message"`
	} `json:"output"`
	Index int `json:"contentBlockIndex"`
	Start struct {
		ToolUse *struct {
			ID   string `json:"toolUseId"`
			Name string `json:"name"`
		} `json:"toolUse"`
	} `json:"start"`
	Delta struct {
		Text    string `json:"text"`
		ToolUse *struct {
			Input string `json:"input"`
		} `json:"toolUse"`
	} `json:"delta"`
	Stop  string `json:"stopReason"`
	Usage struct {
		Input  *count `json:"inputTokens"`
		Output *count `json:"outputTokens"`
	} `json:"usage"`

	// Nova's pieces are Bedrock's, each in a member called by its type.
	BlockStart  json.RawMessage `json:"contentBlockStart"`
	BlockDelta  json.RawMessage `json:"contentBlockDelta"`
	MessageStop json.RawMessage `json:"messageStop"`
	Metadata    json.RawMessage `json:"metadata"`

	OutputText string         `json:"outputText"` // Titan's pieces
	Results    []bedrockPiece `json:"results"`    // and its answer
	Outputs    []struct {
		Text string `json:"text"`
	} `json:"outputs"` // Mistral's
	Generation  string          `json:"generation"`  // Llama's
	Completion  string          `json:"completion"`  // early models'
	Generations json.RawMessage `json:"generations"` // Cohere's
}

// readBedrock reads an answer of Bedrock's: JSON, or an Amazon event stream.
// With an error it returns as much of the reply as there was.
func readBedrock(a *Answer) (*Reply, error) {
	d := newDraft()
	if mediaType(a.Header("content-type")) != amazonEventStream {
		err := d.bedrock(a.Body)
		return d.reply(), err
	}
	frames, err := Frames(a.Body)
	for _, f := range frames {
		if f.Exception {
			return d.reply(), inStream(f.Payload)
		}
		payload := f.Payload
		if f.Type == "chunk" {
			var chunk struct {
				Bytes string `json:"bytes"`
			}
			if err := decode(payload, &chunk); err != nil {
				return d.reply(), err
			}
			if payload, err = base64.StdEncoding.DecodeString(chunk.Bytes); err != nil {
				return d.reply(), errNotJSON
			}
		}
		if err := d.bedrock(payload); err != nil {
			return d.reply(), err
		}
	}
	return d.reply(), err
}

// bedrock adds a whole answer or a piece of one.
func (d *draft) bedrock(raw []byte) error {
	var p bedrockPiece
	if err := decode(raw, &p); err != nil {
		return err
	}
	if p.Type != "" {
		return d.anthropicPiece(p.Type, raw)
	}
	for _, inner := range []json.RawMessage{p.BlockStart, p.BlockDelta, p.MessageStop, p.Metadata} {
		if inner == nil {
			continue
		}
		if err := d.bedrock(inner); err != nil {
			return err
		}
	}
	d.addBedrock(&p)
	return nil
}

func (d *draft) addBedrock(p *bedrockPiece) {
	for _, b := range p.Output.Message.Content {
		d.text.WriteString(b.Text)
		if b.ToolUse != nil {
			d.call(ToolCall{b.ToolUse.ID, b.ToolUse.Name, compact(b.ToolUse.Input)})
		}
	}
	if t := p.Start.ToolUse; t != nil {
		d.piece(p.Index, ToolCall{ID: t.ID, Name: t.Name})
	}
	d.text.WriteString(p.Delta.Text)
	if t := p.Delta.ToolUse; t != nil {
		d.piece(p.Index, ToolCall{Arguments: t.Input})
	}
	d.text.WriteString(p.OutputText + p.Generation + p.Completion)
	for _, o := range p.Outputs {
		d.text.WriteString(o.Text)
	}
	for i := range p.Results {
		d.addBedrock(&p.Results[i])
	}
	d.text.WriteString(contentText(p.Generations))
	if p.Stop != "" {
		d.Finish = p.Stop
	}
	d.usage(p.Usage.Input, p.Usage.Output)
}

// anthropicPiece adds a message of Anthropic's, or an event of one.
func (d *draft) anthropicPiece(kind string, raw []byte) error {
	switch kind {
	case "message":
		r, err := readAnthropic(&Answer{Body: raw})
		d.Reply = *r
		d.text.WriteString(r.Text)
		for _, c := range r.ToolCalls {
			d.call(c)
		}
		d.ToolCalls = nil
		return err
	case "error":
		return inStream(raw)
	}
	var e anthropicEvent
	if err := decode(raw, &e); err != nil {
		return err
	}
	d.addAnthropic(&e)
	return nil
}
