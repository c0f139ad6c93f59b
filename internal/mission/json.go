package mission

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
)

// jsonModule is the predeclared value json. Starlark's own module recurses
// without limit.
var jsonModule = newObject("json", map[string]starlark.Value{
	"encode": starlark.NewBuiltin("json.encode", jsonEncode),
	"decode": starlark.NewBuiltin("json.decode", jsonDecode),
	"indent": starlark.NewBuiltin("json.indent", jsonIndent),
})

func jsonEncode(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x starlark.Value
	if err := starlark.UnpackPositionalArgs(fn.Name(), args, kwargs, 1, &x); err != nil {
		return nil, err
	}
	text, err := encodeJSON(x)
	if err == nil && text.HasSecret() {
		err = errors.New("a secret: use the json argument of coo.http")
	}
	if err != nil {
		return nil, fmt.Errorf("json.encode: %w", err)
	}
	return starlark.String(text.String()), nil
}

func jsonDecode(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x, fallback starlark.Value
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "x", &x, "default?", &fallback); err != nil {
		return nil, err
	}
	text, err := jsonText(x)
	if err != nil {
		return nil, fmt.Errorf("json.decode: %w", err)
	}
	v, err := decodeJSON(text)
	if err != nil && fallback != nil {
		return fallback, nil
	}
	if err != nil {
		return nil, fmt.Errorf("json.decode: %w", err)
	}
	return v, nil
}

func jsonText(x starlark.Value) (string, error) {
	switch x := x.(type) {
	case starlark.String:
		return string(x), nil
	case starlark.Bytes:
		return string(x), nil
	}
	return "", fmt.Errorf("got %s, want string or bytes", x.Type())
}

// jsonIndent lays JSON text out, one member or element a line.
func jsonIndent(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var text string
	prefix, indent := "", "\t"
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "s", &text, "prefix?", &prefix, "indent?", &indent); err != nil {
		return nil, err
	}
	if _, err := decodeJSON(text); err != nil {
		return nil, fmt.Errorf("json.indent: %w", err)
	}
	out, err := layout(text, prefix, indent)
	if err != nil {
		return nil, fmt.Errorf("json.indent: %w", err)
	}
	return starlark.String(out), nil
}

// layout indents JSON text that is known to be well-formed.
func layout(text, prefix, indent string) (string, error) {
	var p printer
	depth := 0
	line := func() error {
		n := product(depth, len(indent))
		if n < 0 || n > maxText {
			return checkText(-1)
		}
		if err := checkText(p.Len() + 1 + len(prefix) + n); err != nil {
			return err
		}
		p.WriteString("\n" + prefix + strings.Repeat(indent, depth))
		return nil
	}
	for i := 0; i < len(text); {
		c := text[i]
		end := i + 1
		var err error
		switch c {
		case ' ', '\t', '\r', '\n':
		case '"':
			end = i + stringEnd(text[i:])
			err = p.text(text[i:end])
		case '{', '[':
			next := i + 1 + len(text[i+1:]) - len(strings.TrimLeft(text[i+1:], " \t\r\n"))
			if text[next] == c+2 { // empty: "{}" or "[]"
				end = next + 1
				err = p.text(string(c) + string(c+2))
				break
			}
			depth++
			if err = p.text(string(c)); err == nil {
				err = line()
			}
		case '}', ']':
			depth--
			if err = line(); err == nil {
				err = p.text(string(c))
			}
		case ',':
			if err = p.text(","); err == nil {
				err = line()
			}
		case ':':
			err = p.text(": ")
		default:
			err = p.text(text[i:end])
		}
		if err != nil {
			return "", err
		}
		i = end
	}
	return p.String(), nil
}

// stringEnd returns the length of the JSON string that s begins with.
func stringEnd(s string) int {
	for i := 1; ; i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}
