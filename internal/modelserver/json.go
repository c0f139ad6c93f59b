package modelserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// An object is a JSON object with its members in the order given: name, value,
// name, value, and so on.
type object []any

// MarshalJSON implements [json.Marshaler].
func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i := 0; i < len(o); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, encode(o[i])...)
		b = append(b, ':')
		b = append(b, encode(o[i+1])...)
	}
	return append(b, '}'), nil
}

// with returns o and more members.
func (o object) with(more ...any) object { return append(o[:len(o):len(o)], more...) }

// encode returns the JSON text of v, which is one of our own values.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // as the providers do
	if err := e.Encode(v); err != nil {
		panic("modelserver: internal error: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// indent is encode on several lines, the way Gemini answers.
func indent(v any) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, encode(v), "", "  "); err != nil {
		panic("modelserver: internal error: " + err.Error())
	}
	return b.Bytes()
}

// decode reads the body of a request. Its error does not show our types.
func decode(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("body: %s: a %s is not expected here", strings.ToLower(wrong.Field), wrong.Value)
	}
	if err != nil {
		return errors.New("body: not JSON")
	}
	return nil
}

// textOf returns all text in a message's content, which is a string, a part
// or a list of parts. A part has its text in text, content or output.
func textOf(content json.RawMessage) string {
	var s string
	if json.Unmarshal(content, &s) == nil {
		return s
	}
	var parts []json.RawMessage
	if json.Unmarshal(content, &parts) == nil {
		var b strings.Builder
		for _, p := range parts {
			b.WriteString(textOf(p))
		}
		return b.String()
	}
	var part struct {
		Text            string
		Content, Output json.RawMessage
	}
	if json.Unmarshal(content, &part) != nil {
		return ""
	}
	return part.Text + textOf(part.Content) + textOf(part.Output)
}
