package mission

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// A printer writes values as Starlark's str and repr do, within limits. (The
// interpreter's own printer takes stack for every level and has no limit.)
type printer struct {
	strings.Builder
	path []starlark.Value // lists and dicts being printed, for cycles
}

func (p *printer) text(s string) error {
	if err := checkText(p.Len() + len(s)); err != nil {
		return err
	}
	p.WriteString(s)
	return nil
}

// str writes v as str does: text as it is.
func (p *printer) str(v starlark.Value) error {
	if s, ok := v.(starlark.String); ok {
		return p.text(string(s))
	}
	return p.repr(v, 1)
}

// repr writes v in Starlark's notation.
func (p *printer) repr(v starlark.Value, depth int) error {
	if depth > maxPrint {
		return limitError("nested too deeply to be printed", maxPrint, "levels")
	}
	switch v := v.(type) {
	case *starlark.List:
		return p.items("[", "]", v, v, depth)
	case starlark.Tuple:
		closing := ")"
		if len(v) == 1 {
			closing = ",)"
		}
		return p.items("(", closing, v, nil, depth)
	case *starlark.Set:
		return p.items("set([", "])", v, nil, depth)
	case *starlark.Dict:
		return p.dict(v, depth)
	}
	return p.text(v.String())
}

// items writes the elements of a list, tuple or set. self is not nil when
// they may lead back to it.
func (p *printer) items(opening, closing string, v starlark.Iterable, self starlark.Value, depth int) error {
	if err := p.text(opening); err != nil {
		return err
	}
	if p.enter(self) {
		return p.text("..." + closing)
	}
	defer p.leave(self)
	iter := v.Iterate()
	defer iter.Done()
	var x starlark.Value
	for sep := ""; iter.Next(&x); sep = ", " {
		if err := p.text(sep); err != nil {
			return err
		}
		if err := p.repr(x, depth+1); err != nil {
			return err
		}
	}
	return p.text(closing)
}

func (p *printer) dict(d *starlark.Dict, depth int) error {
	if err := p.text("{"); err != nil {
		return err
	}
	if p.enter(d) {
		return p.text("...}")
	}
	defer p.leave(d)
	sep := ""
	for k, v := range d.Entries() {
		if err := p.text(sep); err != nil {
			return err
		}
		if err := p.repr(k, depth+1); err != nil {
			return err
		}
		if err := p.text(": "); err != nil {
			return err
		}
		if err := p.repr(v, depth+1); err != nil {
			return err
		}
		sep = ", "
	}
	return p.text("}")
}

// enter reports whether v is being printed already, and notes that it is.
func (p *printer) enter(v starlark.Value) bool {
	if v == nil {
		return false
	}
	for _, w := range p.path {
		if v == w {
			return true
		}
	}
	p.path = append(p.path, v)
	return false
}

func (p *printer) leave(v starlark.Value) {
	if v != nil {
		p.path = p.path[:len(p.path)-1]
	}
}

// repr returns v in Starlark's notation.
func repr(v starlark.Value) (string, error) {
	var p printer
	err := p.repr(v, 1)
	return p.String(), err
}

// interpolate is format % x, as the Starlark specification has it: no flags,
// widths or precisions.
func interpolate(format string, x starlark.Value) (starlark.Value, error) {
	var p printer
	index, nargs := 0, 1
	tuple, isTuple := x.(starlark.Tuple)
	if isTuple {
		nargs = len(tuple)
	}
	mapping, isMapping := x.(starlark.Mapping)
	for {
		before, rest, found := strings.Cut(format, "%")
		if err := p.text(before); err != nil {
			return nil, err
		}
		if !found {
			break
		}
		format = rest
		if strings.HasPrefix(format, "%") {
			format = format[1:]
			if err := p.text("%"); err != nil {
				return nil, err
			}
			continue
		}
		arg := x
		switch {
		case strings.HasPrefix(format, "("):
			key, after, ok := strings.Cut(format[1:], ")")
			if !ok {
				return nil, fmt.Errorf("incomplete format key")
			}
			if !isMapping {
				return nil, fmt.Errorf("format requires a mapping")
			}
			v, ok, _ := mapping.Get(starlark.String(key))
			if !ok {
				return nil, fmt.Errorf("key not found: %s", key)
			}
			arg, format = v, after
		case index >= nargs:
			return nil, fmt.Errorf("not enough arguments for format string")
		case isTuple:
			arg = tuple[index]
		}
		if format == "" {
			return nil, fmt.Errorf("incomplete format")
		}
		if err := p.verb(format[0], arg); err != nil {
			return nil, err
		}
		format = format[1:]
		index++
	}
	if index < nargs && !isMapping {
		return nil, fmt.Errorf("too many arguments for format string")
	}
	return starlark.String(p.String()), nil
}

// verb writes one argument of format % args.
func (p *printer) verb(c byte, arg starlark.Value) error {
	if _, ok := arg.(*secret); ok {
		return errUsePlus
	}
	switch c {
	case 's':
		return p.str(arg)
	case 'r':
		return p.repr(arg, 1)
	case 'd', 'i', 'o', 'x', 'X':
		i, err := starlark.NumberToInt(arg)
		if err != nil {
			return fmt.Errorf("%%%c format requires integer: %v", c, err)
		}
		if c == 'i' {
			c = 'd'
		}
		return p.text(fmt.Sprintf("%"+string(rune(c)), i))
	case 'e', 'f', 'g', 'E', 'F', 'G':
		f, ok := starlark.AsFloat(arg)
		if !ok {
			return fmt.Errorf("%%%c format requires float, not %s", c, arg.Type())
		}
		return p.text(formatFloat(f, c))
	case 'c':
		return p.char(arg)
	}
	return fmt.Errorf("unknown conversion %%%s", string(rune(c)))
}

func (p *printer) char(arg starlark.Value) error {
	switch arg := arg.(type) {
	case starlark.Int:
		r, err := starlark.AsInt32(arg)
		if err != nil || r < 0 || r > unicode.MaxRune {
			return fmt.Errorf("%%c format requires a valid Unicode code point, got %s", arg)
		}
		return p.text(string(rune(r)))
	case starlark.String:
		_, n := utf8.DecodeRuneInString(string(arg))
		if n != len(arg) || n == 0 {
			return fmt.Errorf("%%c format requires a single-character string")
		}
		return p.text(string(arg))
	}
	return fmt.Errorf("%%c format requires int or single-character string, not %s", arg.Type())
}

// formatFloat writes a float as Starlark does: %g in its shortest form, always
// with a point or an exponent, the others with six digits.
func formatFloat(f float64, verb byte) string {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0) || verb == 'g':
		return starlark.Float(f).String()
	case verb == 'G':
		return strings.ToUpper(starlark.Float(f).String())
	}
	return strconv.FormatFloat(f, verb, 6, 64)
}

// formatString is the method string.format: {}, {0}, {name}, with !s or !r.
func formatString(format string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	f := formatter{args: args, kwargs: kwargs}
	for format != "" {
		i := strings.IndexAny(format, "{}")
		if i < 0 {
			i = len(format)
		}
		if err := f.text(format[:i]); err != nil {
			return nil, err
		}
		if format = format[i:]; format == "" {
			break
		}
		if strings.HasPrefix(format[1:], format[:1]) { // {{ or }}
			if err := f.text(format[:1]); err != nil {
				return nil, err
			}
			format = format[2:]
			continue
		}
		if format[0] == '}' {
			return nil, fmt.Errorf("format: single '}' in format")
		}
		field, rest, ok := strings.Cut(format[1:], "}")
		if !ok {
			return nil, fmt.Errorf("format: unmatched '{' in format")
		}
		if err := f.field(field); err != nil {
			return nil, err
		}
		format = rest
	}
	return starlark.String(f.String()), nil
}

type formatter struct {
	printer
	args         starlark.Tuple
	kwargs       []starlark.Tuple
	auto, manual bool // kinds of numbering met
	next         int
}

func (f *formatter) field(field string) error {
	name, spec, _ := strings.Cut(field, ":")
	name, conv, ok := strings.Cut(name, "!")
	if !ok {
		conv = "s"
	}
	arg, err := f.arg(name)
	if err != nil {
		return err
	}
	if spec != "" {
		return fmt.Errorf("format spec features not supported in replacement fields: %s", spec)
	}
	if _, ok := arg.(*secret); ok {
		return fmt.Errorf("format: %w", errUsePlus)
	}
	switch conv {
	case "s":
		return f.str(arg)
	case "r":
		return f.repr(arg, 1)
	}
	return fmt.Errorf("format: unknown conversion %q", conv)
}

func (f *formatter) arg(name string) (starlark.Value, error) {
	if name == "" {
		if f.manual {
			return nil, fmt.Errorf("format: cannot switch from manual field specification to automatic field numbering")
		}
		f.auto = true
		f.next++
		return f.positional(f.next - 1)
	}
	if n, ok := decimal(name); ok {
		if f.auto {
			return nil, fmt.Errorf("format: cannot switch from automatic field numbering to manual field specification")
		}
		f.manual = true
		return f.positional(n)
	}
	for _, kv := range f.kwargs {
		if string(kv[0].(starlark.String)) == name {
			return kv[1], nil
		}
	}
	if strings.ContainsAny(name, ".[{") {
		return nil, fmt.Errorf("format: only names and numbers are supported in replacement fields: %s", name)
	}
	return nil, fmt.Errorf("format: keyword %s not found", name)
}

func (f *formatter) positional(i int) (starlark.Value, error) {
	if i >= len(f.args) {
		return nil, fmt.Errorf("format: tuple index out of range")
	}
	return f.args[i], nil
}

// decimal reads a short run of digits.
func decimal(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || i > 8 {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
