package wire

import (
	"encoding/json"
	"strings"
)

// An LLM is a call to a model as people read it: a view, not the record.
// What it does not understand it leaves out.
type LLM struct {
	// API is openai.chat, openai.responses, openai.embeddings,
	// anthropic.messages, gemini.generate, ollama.chat, ollama.generate,
	// ollama.embed, bedrock.converse or bedrock.invoke.
	API      string
	Model    string
	Stream   bool
	Messages []LLMMessage
	Reply    *Reply // nil: there is no answer, or it is no 2xx
}

// An LLMMessage is one message of the prompt. System text is a message too.
type LLMMessage struct {
	Role      string
	Text      string
	ToolCalls []ToolCall
}

// View reads a call as a question to a model and its answer, plain or
// streamed, coded (gzip, deflate, br, zstd) or not. It goes by the end of the
// URL's path and the shape of the body, whatever the host, and reports whether
// it knew them. The reply is as much as the answer holds, a stream that was cut
// included; a may be nil.
func View(doc *DocInfo, reqBody []byte, a *Answer) (*LLM, bool) {
	path, _, _ := strings.Cut(doc.URL, "?")
	var body llmBody
	if doc.Method != "POST" || decode(reqBody, &body) != nil {
		return nil, false
	}
	l := &LLM{Model: body.Model, Stream: body.Stream != nil && *body.Stream}
	read := l.question(path, &body)
	if read == nil {
		return nil, false
	}
	if a != nil && a.Status >= 200 && a.Status <= 299 {
		a, _ = Plain(a)      // what can be decoded is what is shown,
		l.Reply, _ = read(a) // and what there was before an error
	}
	return l, true
}

// A reader reads an answer. With an error it returns as much of the reply as
// there was.
type reader func(*Answer) (*Reply, error)

// question reads a request and returns the reader of its answer, nil when it
// is of no known API.
func (l *LLM) question(path string, body *llmBody) reader {
	switch {
	case strings.HasSuffix(path, "/chat/completions") && body.Messages != nil:
		l.API = "openai.chat"
		l.azureModel(path)
		l.addAll(body.Messages)
		return readOpenAI
	case strings.HasSuffix(path, "/responses") && body.Input != nil:
		l.API = "openai.responses"
		l.addSystem(body.Instructions)
		l.addInput(body.Input)
		return readResponses
	case strings.HasSuffix(path, "/embeddings") && body.Input != nil:
		l.API = "openai.embeddings"
		l.azureModel(path)
		l.addTexts(body.Input)
		return readEmbeddings
	case (strings.HasSuffix(path, "/v1/messages") || vertexPath(path, l)) && body.Messages != nil:
		l.API = "anthropic.messages"
		l.addSystem(body.System)
		l.addAll(body.Messages)
		return readAnthropic
	case geminiPath(path, l) && body.Contents != nil:
		l.API = "gemini.generate"
		l.addGemini("system", body.SystemInstruction)
		for _, c := range body.Contents {
			l.addGemini("user", c)
		}
		return readGemini
	}
	if read := l.ollama(path, body); read != nil {
		return read
	}
	return l.bedrock(path, body)
}

// azureModel takes the model from a path that names a deployment.
func (l *LLM) azureModel(path string) {
	if _, after, ok := strings.Cut(path, "/deployments/"); ok && l.Model == "" {
		l.Model, _, _ = strings.Cut(after, "/")
	}
}

// vertexPath reads the model of a call to Anthropic's API by way of Vertex AI.
func vertexPath(path string, l *LLM) bool {
	front, verb, ok := cutLast(path, ":")
	if !ok || verb != "rawPredict" && verb != "streamRawPredict" {
		return false
	}
	_, l.Model, _ = cutLast(front, "/")
	return true
}

// addTexts adds what is to be embedded: a text or a list of texts.
func (l *LLM) addTexts(input json.RawMessage) {
	texts := []string{jsonString(input)}
	if len(input) > 0 && input[0] == '[' && json.Unmarshal(input, &texts) != nil {
		return // numbers of tokens
	}
	for _, t := range texts {
		l.Messages = append(l.Messages, LLMMessage{Role: "input", Text: t})
	}
}

// llmBody is the request of any of the known APIs.
type llmBody struct {
	Model             string            `json:"model"`
	Stream            *bool             `json:"stream"`
	Messages          []json.RawMessage `json:"messages"`
	System            json.RawMessage   `json:"system"`
	Input             json.RawMessage   `json:"input"`
	Instructions      json.RawMessage   `json:"instructions"`
	Contents          []json.RawMessage `json:"contents"`
	SystemInstruction json.RawMessage   `json:"systemInstruction"`
	Prompt            json.RawMessage   `json:"prompt"`
	InputText         json.RawMessage   `json:"inputText"`
}

// geminiPath reads the model, which stands in the path.
func geminiPath(path string, l *LLM) bool {
	front, verb, ok := cutLast(path, ":")
	if !ok || verb != "generateContent" && verb != "streamGenerateContent" {
		return false
	}
	_, l.Model, _ = cutLast(front, "/")
	l.Stream = verb == "streamGenerateContent"
	return true
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func (l *LLM) addSystem(content json.RawMessage) {
	if text := contentText(content); text != "" {
		l.Messages = append(l.Messages, LLMMessage{Role: "system", Text: text})
	}
}

// addAll adds messages as OpenAI and Anthropic write them.
func (l *LLM) addAll(messages []json.RawMessage) {
	for _, raw := range messages {
		var m struct {
			Role      string          `json:"role"`
			Content   json.RawMessage `json:"content"`
			ToolCalls []openAICall    `json:"tool_calls"`
		}
		if json.Unmarshal(raw, &m) != nil {
			continue
		}
		out := LLMMessage{Role: m.Role, Text: contentText(m.Content)}
		for _, c := range m.ToolCalls {
			out.ToolCalls = append(out.ToolCalls, ToolCall{c.ID, c.Function.Name, c.Function.Arguments})
		}
		var blocks []anthropicBlock
		if json.Unmarshal(m.Content, &blocks) == nil {
			for _, b := range blocks {
				if b.Type == "tool_use" {
					out.ToolCalls = append(out.ToolCalls, ToolCall{b.ID, b.Name, compact(b.Input)})
				}
			}
		}
		l.Messages = append(l.Messages, out)
	}
}

// addGemini adds one content of a Gemini request; role is for one without.
func (l *LLM) addGemini(role string, raw json.RawMessage) {
	var c struct {
		Role  string       `json:"role"`
		Parts []geminiPart `json:"parts"`
	}
	if json.Unmarshal(raw, &c) != nil {
		return
	}
	if c.Role != "" {
		role = c.Role
	}
	m := LLMMessage{Role: role}
	var text strings.Builder
	for _, p := range c.Parts {
		text.WriteString(p.Text)
		if p.Call != nil {
			m.ToolCalls = append(m.ToolCalls, ToolCall{p.Call.ID, p.Call.Name, compact(p.Call.Args)})
		}
		if p.Result != nil {
			text.WriteString(compact(p.Result.Response))
		}
	}
	m.Text = text.String()
	l.Messages = append(l.Messages, m)
}
