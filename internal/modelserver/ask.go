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
	results  int    // how many results the request holds
	loop     int    // tools are called until there are so many results, or fewer; 0: until there is one
	preamble bool   // the provider's models say something before they call a tool
	thinks   bool   // the provider's models say what they think
	asJSON   bool   // the text is to be JSON
	schema   json.RawMessage
	limit    int // the most tokens; 0: no limit
	stream   bool

	usage   bool // OpenAI: the stream ends with the token counts
	padding bool // OpenAI: events are padded
	array   bool // Gemini: the stream is a JSON array
	packed  bool // OpenAI: vectors are base64

	inputs     int // texts to make vectors of
	dimensions int // of a vector

	fields map[string]json.RawMessage
}

// A tool is a function that the model may call.
type tool struct {
	name   string
	schema json.RawMessage
}

// A reply is an answer, without its provider's shape.
type reply struct {
	thought []string // what was thought before, token by token
	pieces  []string // the text, token by token
	calls   []toolCall
	cut     bool // the text was ended by the ask's limit
	in      int  // tokens
	out     int
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
	case a.callsTools():
		for range a.callsAtOnce() {
			t := a.tool(a.choice)
			if t == nil {
				t = &a.tools[intn(len(a.tools))]
			}
			c := toolCall{t.name, string(encode(s.arguments(t)))}
			y.calls = append(y.calls, c)
			y.out += len(tokens(c.name)) + len(tokens(c.arguments))
		}
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
		y.pieces, y.cut = y.pieces[:a.limit], len(y.calls) == 0
	}
	if a.thinks {
		y.thought = tokens(s.sentence())
	}
	y.out += len(y.pieces) + len(y.thought)
	return y
}

// callsTools tells whether the answer is to be calls of tools. A loop goes on
// half of the time, until there are enough results.
func (a *ask) callsTools() bool {
	if len(a.tools) == 0 || a.choice == "none" {
		return false
	}
	return !a.answered || a.results < a.loop && oneIn(2)
}

// callsAtOnce is how many tools one answer calls.
func (a *ask) callsAtOnce() int {
	if a.loop == 0 || a.choice != "" {
		return 1
	}
	return between(1, min(maxCallsAtOnce, max(1, a.loop-a.results)))
}

const maxCallsAtOnce = 3

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
