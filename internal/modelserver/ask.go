package modelserver

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// An ask is a request for an answer, without its provider's shape.
type ask struct {
	model    string
	prompt   string // every text of the request, to be counted
	tools    []tool
	choice   string // "" (the model decides), "none", or the name of the tool to call
	answered bool   // the last message is a tool's result
	result   string // that result
	preamble bool   // the provider's models say something before they call a tool
	asJSON   bool   // the text is to be JSON
	schema   json.RawMessage
	limit    int // the most tokens; 0: no limit
	stream   bool

	usage   bool // OpenAI: the stream ends with the token counts
	padding bool // OpenAI: events are padded
	array   bool // Gemini: the stream is a JSON array
	fields  map[string]json.RawMessage
}

// A tool is a function that the model may call.
type tool struct {
	name   string
	schema json.RawMessage
}

// A reply is an answer, without its provider's shape.
type reply struct {
	pieces []string // the text, token by token
	call   *toolCall
	cut    bool // the text was ended by the ask's limit
	in     int  // tokens
	out    int
}

// A toolCall is a call of a tool. Arguments is JSON.
type toolCall struct{ name, arguments string }

// text returns the whole text.
func (y *reply) text() string { return strings.Join(y.pieces, "") }

// check returns why an ask cannot be answered, in words.
func (a *ask) check(messages int) error {
	switch {
	case a.model == "":
		return errors.New("model: required")
	case messages == 0:
		return errors.New("messages: at least one is required")
	case a.limit < 0:
		return errors.New("max tokens: less than 0")
	}
	for _, t := range a.tools {
		if t.name == "" {
			return errors.New("tools: a function without a name")
		}
	}
	if a.choice == "" || a.choice == "none" || a.tool(a.choice) != nil {
		return nil
	}
	return errors.New("tool choice: no such function: " + a.choice)
}

func (a *ask) tool(name string) *tool {
	for i := range a.tools {
		if a.tools[i].name == name {
			return &a.tools[i]
		}
	}
	return nil
}

// compose answers an ask. said is the text to answer with, if there is one.
func (s *sampler) compose(a *ask, said string) *reply {
	y := &reply{in: max(1, len(tokens(a.prompt)))}
	for _, t := range a.tools {
		y.in += len(tokens(t.name)) + len(tokens(string(t.schema)))
	}
	text := said
	switch {
	case said != "":
	case len(a.tools) > 0 && !a.answered && a.choice != "none":
		t := a.tool(a.choice)
		if t == nil {
			t = &a.tools[intn(len(a.tools))]
		}
		y.call = &toolCall{t.name, string(encode(s.arguments(t)))}
		y.out = len(tokens(t.name)) + len(tokens(y.call.arguments))
		if a.preamble {
			text = s.sentence()
		}
	case a.asJSON:
		text = string(encode(s.value(a.schema)))
	case a.answered:
		text = "The tool answered " + shorten(a.result, 200) + ". " + s.paragraph()
	default:
		text = s.paragraph()
	}
	y.pieces = tokens(text)
	if a.limit > 0 && len(y.pieces) > a.limit {
		y.pieces, y.cut = y.pieces[:a.limit], y.call == nil
	}
	y.out += len(y.pieces)
	return y
}

// arguments makes up the arguments of a call. They are always an object.
func (s *sampler) arguments(t *tool) any {
	if len(t.schema) == 0 || string(t.schema) == "null" {
		return object{}
	}
	if o, ok := s.value(t.schema).(object); ok {
		return o
	}
	return object{}
}

// shorten returns at most n bytes of text, without a torn rune.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
