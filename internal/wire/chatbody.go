package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
)

// An object is a JSON object whose values are canonical JSON text.
type object map[string]json.RawMessage

// encode writes o with its members in order.
func (o object) encode() json.RawMessage {
	b := []byte{'{'}
	for i, k := range slices.SortedFunc(maps.Keys(o), canon.CompareKeys) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, quote(k)...), ':'), o[k]...)
	}
	return append(b, '}')
}

// present returns o without the members that have no value.
func (o object) present() object {
	maps.DeleteFunc(o, func(_ string, v json.RawMessage) bool { return v == nil })
	return o
}

// asList returns v, or a list of v when it is no list.
func asList(v json.RawMessage) json.RawMessage {
	if v[0] == '[' {
		return v
	}
	return list([]json.RawMessage{v})
}

// list writes a JSON array.
func list(values []json.RawMessage) json.RawMessage {
	b := []byte{'['}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, v...)
	}
	return append(b, ']')
}

// quote writes a JSON string. What is not UTF-8 cannot come here: names and
// texts were read from JSON or checked before.
func quote(s string) json.RawMessage {
	b, err := canon.AppendString(nil, s)
	if err != nil {
		panic("wire: internal error: " + err.Error())
	}
	return b
}

// A chatBody is a chat request on its way to JSON. Secrets stand in it as
// marks, plain words that no text of the chat contains, so that JSON can be
// taken apart and put together around them.
type chatBody struct {
	model    string
	stream   bool
	messages []json.RawMessage
	tools    []json.RawMessage // nil: none
	params   object
	body     object // what the provider gets
	mark     string
	secrets  []string // names, by the number of their mark
}

func newChatBody(c Chat) (*chatBody, error) {
	b := &chatBody{model: c.Model, stream: c.Stream, params: object{}, body: object{}}
	if _, err := canon.AppendString(nil, c.Model); err != nil || c.Model == "" {
		return nil, fmt.Errorf("model %.80q: empty or not valid UTF-8", c.Model)
	}
	b.chooseMark(c)
	var err error
	if b.messages, err = b.array("messages", c.Messages); err != nil {
		return nil, err
	}
	if c.Tools != nil {
		if b.tools, err = b.array("tools", c.Tools); err != nil {
			return nil, err
		}
	}
	for _, p := range c.Params {
		switch p.Name {
		case "model", "messages", "contents", "tools", "stream":
			return nil, fmt.Errorf("parameter %q is set by an argument of its own", p.Name)
		}
		if _, err := canon.AppendString(nil, p.Name); err != nil || b.params[p.Name] != nil {
			return nil, fmt.Errorf("parameter %.80q: given twice or not valid UTF-8", p.Name)
		}
		if b.params[p.Name], err = b.marked(p.Name, p.Value); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// chooseMark finds a word that is in no text of c. It ends in a letter that
// is nowhere else in it, so that it is found only where it was put.
func (b *chatBody) chooseMark(c Chat) {
	texts := []string{c.Messages.String(), c.Tools.String(), c.Model}
	for _, p := range c.Params {
		texts = append(texts, p.Name, p.Value.String())
	}
	for i := 0; ; i++ {
		b.mark = "coo-secret-" + strconv.Itoa(i) + "x"
		if !slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, b.mark) }) {
			return
		}
	}
}

// marked returns the canonical form of t, JSON text, with marks for secrets.
func (b *chatBody) marked(what string, t Text) (json.RawMessage, error) {
	var s strings.Builder
	for _, p := range t {
		s.WriteString(p.Lit)
		if p.Secret != "" {
			s.WriteString(b.mark + strconv.Itoa(len(b.secrets)) + ";")
			b.secrets = append(b.secrets, p.Secret)
		}
	}
	raw, err := canon.JSON([]byte(s.String()))
	if err == nil {
		err = checkCount(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return raw, nil
}

func (b *chatBody) array(what string, t Text) ([]json.RawMessage, error) {
	raw, err := b.marked(what, t)
	if err != nil {
		return nil, err
	}
	out := []json.RawMessage{}
	if raw[0] != '[' || json.Unmarshal(raw, &out) != nil {
		return nil, fmt.Errorf("%s: not a list", what)
	}
	return out, nil
}

// take removes a parameter and returns it, or def when it was not given.
func (b *chatBody) take(name, def string) json.RawMessage {
	v, ok := b.params[name]
	if !ok {
		return json.RawMessage(def)
	}
	delete(b.params, name)
	return v
}

// paramNames returns the names of the parameters not yet taken, sorted.
func (b *chatBody) paramNames() []string { return slices.Sorted(maps.Keys(b.params)) }

// text returns the body, canonical JSON, with secrets in the place of marks.
func (b *chatBody) text() Text {
	pieces := strings.Split(string(b.body.encode()), b.mark)
	var t TextBuilder
	t.Lit(pieces[0])
	for _, piece := range pieces[1:] {
		index, after, _ := strings.Cut(piece, ";")
		i, err := strconv.Atoi(index)
		if err != nil || i >= len(b.secrets) {
			panic("wire: internal error: a broken mark")
		}
		t.Secret(b.secrets[i], InJSON)
		t.Lit(after)
	}
	return t.Text()
}

// A message is one of c.Messages, taken apart.
type message struct {
	object
	role    string
	content json.RawMessage // nil: none or null
	calls   []ToolCall
}

// readMessages takes the messages apart, OpenAI's tool calls with them.
func (b *chatBody) readMessages() ([]message, error) {
	var out []message
	for i, raw := range b.messages {
		m := message{}
		if json.Unmarshal(raw, &m.object) != nil || m.object == nil {
			return nil, fmt.Errorf("messages: %d: not a dict", i)
		}
		m.role = jsonString(m.object["role"])
		if c := m.object["content"]; string(c) != "null" {
			m.content = c
		}
		var calls []openAICall
		if tc := m.object["tool_calls"]; tc != nil && json.Unmarshal(tc, &calls) != nil {
			return nil, fmt.Errorf("messages: %d: malformed tool_calls", i)
		}
		for _, c := range calls {
			m.calls = append(m.calls, ToolCall{c.ID, c.Function.Name, c.Function.Arguments})
		}
		out = append(out, m)
	}
	return out, nil
}

// blocks returns content as a list: text becomes one block.
func blocks(content json.RawMessage, wrap func(text json.RawMessage) json.RawMessage) ([]json.RawMessage, error) {
	if content == nil {
		return nil, nil
	}
	if content[0] == '"' {
		return []json.RawMessage{wrap(content)}, nil
	}
	var parts []json.RawMessage
	if json.Unmarshal(content, &parts) != nil {
		return nil, fmt.Errorf("messages: content is neither text nor a list")
	}
	return parts, nil
}

// args returns the arguments of a tool call as a JSON object.
func (c ToolCall) args() (json.RawMessage, error) {
	if c.Arguments == "" {
		return json.RawMessage("{}"), nil
	}
	raw, err := canon.JSON([]byte(c.Arguments))
	if err != nil || raw[0] != '{' {
		return nil, fmt.Errorf("messages: the arguments of tool call %.80q are not a JSON object", c.Name)
	}
	return raw, nil
}

// function returns the function that a tool in OpenAI's form describes.
func function(tool json.RawMessage) (object, bool) {
	var t struct {
		Type     string `json:"type"`
		Function object `json:"function"`
	}
	if json.Unmarshal(tool, &t) != nil || t.Type != "function" || t.Function == nil {
		return nil, false
	}
	return t.Function, true
}
