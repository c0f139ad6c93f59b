package wire

import (
	"encoding/json"
	"errors"
	"strings"
)

// buildGemini writes POST /v1beta/models/MODEL:generateContent.
func buildGemini(b *chatBody) (string, error) {
	messages, err := b.readMessages()
	if err != nil {
		return "", err
	}
	names := map[string]json.RawMessage{} // of functions, by the id of their call
	var system, contents []json.RawMessage
	for _, m := range messages {
		parts, err := m.geminiParts(names)
		if err != nil {
			return "", err
		}
		switch {
		case m.role == "system" || m.role == "developer":
			system = append(system, parts...)
		case m.object["parts"] != nil:
			contents = append(contents, m.object.encode())
		default:
			contents = append(contents, object{"role": geminiRole(m.role), "parts": list(parts)}.encode())
		}
	}
	b.geminiParams()
	b.body["contents"] = list(contents)
	if len(system) > 0 {
		if b.body["systemInstruction"] != nil {
			return "", errors.New("parameter \"systemInstruction\": there is a system message too")
		}
		b.body["systemInstruction"] = object{"parts": list(system)}.encode()
	}
	if b.tools != nil {
		b.body["tools"] = list(geminiTools(b.tools))
	}
	path := "/v1beta/models/" + percent(strings.TrimPrefix(b.model, "models/"), unreserved, upperHex, false)
	if b.stream {
		return path + ":streamGenerateContent?alt=sse", nil
	}
	return path + ":generateContent", nil
}

// geminiParams sorts parameters into the body and its generationConfig.
func (b *chatBody) geminiParams() {
	renamed := map[string]string{
		"max_tokens": "maxOutputTokens", "top_p": "topP", "top_k": "topK", "stop": "stopSequences", "n": "candidateCount",
		"presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty",
	}
	config := object{}
	for _, name := range b.paramNames() {
		v := b.params[name]
		switch name {
		case "safetySettings", "toolConfig", "cachedContent", "systemInstruction", "labels":
			b.body[name] = v
		case "generationConfig":
			_ = json.Unmarshal(v, &config) // its members; anything else has none
		case "stop":
			config["stopSequences"] = asList(v)
		default:
			if to := renamed[name]; to != "" {
				name = to
			}
			config[name] = v
		}
	}
	if len(config) > 0 {
		b.body["generationConfig"] = config.encode()
	}
}

func geminiRole(role string) json.RawMessage {
	if role == "assistant" || role == "model" {
		return quote("model")
	}
	return quote("user")
}

func geminiText(text json.RawMessage) json.RawMessage { return object{"text": text}.encode() }

// geminiParts writes the content of m as parts; names learns the functions it
// calls, because a result names its function and OpenAI's only its call.
func (m message) geminiParts(names map[string]json.RawMessage) ([]json.RawMessage, error) {
	if m.role == "tool" {
		return m.geminiResult(names), nil
	}
	parts, err := blocks(m.content, geminiText)
	if err != nil {
		return nil, err
	}
	for i, p := range parts {
		var t object
		if json.Unmarshal(p, &t) == nil && jsonString(t["type"]) == "text" && t["text"] != nil {
			parts[i] = geminiText(t["text"])
		}
	}
	for _, c := range m.calls {
		args, err := c.args()
		if err != nil {
			return nil, err
		}
		names[c.ID] = quote(c.Name)
		parts = append(parts, object{"functionCall": object{"name": quote(c.Name), "args": args}.encode()}.encode())
	}
	return parts, nil
}

func (m message) geminiResult(names map[string]json.RawMessage) []json.RawMessage {
	id := jsonString(m.object["tool_call_id"])
	name := names[id]
	if name == nil {
		name = quote(id)
	}
	if own := m.object["name"]; own != nil {
		name = own
	}
	text := contentText(m.content)
	var result object
	if json.Unmarshal([]byte(text), &result) != nil || result == nil {
		result = object{"result": quote(text)}
	}
	return []json.RawMessage{object{"functionResponse": object{"name": name, "response": json.RawMessage(compact(result.encode()))}.encode()}.encode()}
}

// geminiTools puts all functions in OpenAI's form into one tool.
func geminiTools(tools []json.RawMessage) []json.RawMessage {
	var out, functions []json.RawMessage
	for _, t := range tools {
		if f, ok := function(t); ok {
			o := object{"name": f["name"], "description": f["description"], "parameters": f["parameters"]}
			functions = append(functions, o.present().encode())
			continue
		}
		out = append(out, t)
	}
	if functions != nil {
		out = append(out, object{"functionDeclarations": list(functions)}.encode())
	}
	return out
}

// geminiChunk is a whole answer or a chunk of one.
type geminiChunk struct {
	Model      string          `json:"modelVersion"`
	Error      json.RawMessage `json:"error"`
	Candidates []struct {
		Index   int `json:"index"`
		Content struct {
			Parts []geminiPart `json:"parts"`
		} `json:"content"`
		Finish string `json:"finishReason"`
	} `json:"candidates"`
	Feedback *struct {
		Block string `json:"blockReason"`
	} `json:"promptFeedback"`
	Usage *struct {
		Input  *count `json:"promptTokenCount"`
		Output *count `json:"candidatesTokenCount"`
	} `json:"usageMetadata"`
}

type geminiPart struct {
	Text    string `json:"text"`
	Thought bool   `json:"thought"`
	Call    *struct {
		ID   string          `json:"id"`
		Name string          `json:"name"`
		Args json.RawMessage `json:"args"`
	} `json:"functionCall"`
	Result *struct {
		Response json.RawMessage `json:"response"`
	} `json:"functionResponse"`
}

// readGemini reads an answer of generateContent or streamGenerateContent, as
// events or as one array. With an error it returns as much of the reply as
// there was.
func readGemini(a *Answer) (*Reply, error) {
	d := newDraft()
	chunks, err := geminiChunks(a)
	if err != nil {
		return d.reply(), err
	}
	for _, raw := range chunks {
		var c geminiChunk
		if err := decode(raw, &c); err != nil {
			return d.reply(), err
		}
		if len(c.Error) > 0 && string(c.Error) != "null" {
			return d.reply(), inStream(raw)
		}
		d.addGemini(&c)
	}
	switch {
	case d.Finish != "":
		return d.reply(), nil
	case len(chunks) == 1 && !streamed(a):
		return d.reply(), errNotJSON
	}
	return d.reply(), errEarly
}

func geminiChunks(a *Answer) ([]json.RawMessage, error) {
	var chunks []json.RawMessage
	if streamed(a) {
		events, err := Events(a.Header("content-type"), a.Body)
		for _, e := range events {
			chunks = append(chunks, json.RawMessage(e.Data))
		}
		return chunks, err
	}
	if err := checkCount(a.Body); err != nil {
		return nil, err
	}
	if json.Unmarshal(a.Body, &chunks) == nil {
		return chunks, nil
	}
	return []json.RawMessage{a.Body}, nil
}

func (d *draft) addGemini(c *geminiChunk) {
	if c.Model != "" {
		d.Model = c.Model
	}
	if c.Usage != nil {
		d.usage(c.Usage.Input, c.Usage.Output)
	}
	if c.Feedback != nil && c.Feedback.Block != "" {
		d.Finish = c.Feedback.Block
	}
	for _, cand := range c.Candidates {
		if cand.Index != 0 {
			continue
		}
		if cand.Finish != "" {
			d.Finish = cand.Finish
		}
		for _, p := range cand.Content.Parts {
			if !p.Thought {
				d.text.WriteString(p.Text)
			}
			if p.Call != nil {
				d.call(ToolCall{p.Call.ID, p.Call.Name, compact(p.Call.Args)})
			}
		}
	}
}
