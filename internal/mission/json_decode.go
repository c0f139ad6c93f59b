package mission

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// decodeJSON reads one JSON value (RFC 8259). Numbers without point and
// exponent are integers, exactly; the others are floats. A repeated name is an
// error; a surrogate without its other half becomes U+FFFD.
func decodeJSON(s string) (starlark.Value, error) {
	if err := checkText(len(s)); err != nil {
		return nil, err
	}
	if !utf8.ValidString(s) {
		return nil, errors.New("not valid UTF-8")
	}
	d := decoder{s: s}
	v, err := d.value(1)
	if err == nil {
		d.space()
		if d.i < len(s) {
			err = d.unexpected()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("at byte %d: %w", d.i, err)
	}
	return v, nil
}

type decoder struct {
	s     string
	i     int
	nodes int
}

func (d *decoder) space() {
	for d.i < len(d.s) && strings.IndexByte(" \t\r\n", d.s[d.i]) >= 0 {
		d.i++
	}
}

func (d *decoder) unexpected() error {
	if d.i >= len(d.s) {
		return errors.New("unexpected end")
	}
	r, _ := utf8.DecodeRuneInString(d.s[d.i:])
	return fmt.Errorf("unexpected character %q", r)
}

func (d *decoder) take(c byte) bool {
	if d.i < len(d.s) && d.s[d.i] == c {
		d.i++
		return true
	}
	return false
}

func (d *decoder) value(depth int) (starlark.Value, error) {
	if depth > maxJSON {
		return nil, limitError("nested too deeply", maxJSON, "levels of JSON")
	}
	if d.nodes++; d.nodes > maxElems {
		return nil, limitError("too many values", maxElems, "in one JSON text")
	}
	d.space()
	if d.i >= len(d.s) {
		return nil, d.unexpected()
	}
	switch c := d.s[d.i]; {
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.array(depth)
	case c == '"':
		s, err := d.string()
		return starlark.String(s), err
	case c == '-' || '0' <= c && c <= '9':
		return d.number()
	}
	for _, w := range []struct {
		word  string
		value starlark.Value
	}{{"null", starlark.None}, {"true", starlark.True}, {"false", starlark.False}} {
		if strings.HasPrefix(d.s[d.i:], w.word) {
			d.i += len(w.word)
			return w.value, nil
		}
	}
	return nil, d.unexpected()
}

func (d *decoder) array(depth int) (starlark.Value, error) {
	d.i++
	var elems []starlark.Value
	d.space()
	if d.take(']') {
		return starlark.NewList(nil), nil
	}
	for {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		elems = append(elems, v)
		d.space()
		if d.take(']') {
			return starlark.NewList(elems), nil
		}
		if !d.take(',') {
			return nil, d.unexpected()
		}
	}
}

func (d *decoder) object(depth int) (starlark.Value, error) {
	d.i++
	dict := new(starlark.Dict)
	d.space()
	if d.take('}') {
		return dict, nil
	}
	for {
		if err := d.member(dict, depth); err != nil {
			return nil, err
		}
		d.space()
		if d.take('}') {
			return dict, nil
		}
		if !d.take(',') {
			return nil, d.unexpected()
		}
	}
}

func (d *decoder) member(dict *starlark.Dict, depth int) error {
	d.space()
	if d.i >= len(d.s) || d.s[d.i] != '"' {
		return d.unexpected()
	}
	at := d.i
	name, err := d.string()
	if err != nil {
		return err
	}
	d.space()
	if !d.take(':') {
		return d.unexpected()
	}
	v, err := d.value(depth + 1)
	if err != nil {
		return err
	}
	before := dict.Len()
	if err := dict.SetKey(starlark.String(name), v); err != nil {
		return err
	}
	if dict.Len() == before {
		d.i = at
		return fmt.Errorf("the name %.80q is repeated", name)
	}
	return checkEntries(dict.Len())
}

func (d *decoder) string() (string, error) {
	d.i++
	start := d.i
	for d.i < len(d.s) && d.s[d.i] >= 0x20 && d.s[d.i] != '"' && d.s[d.i] != '\\' {
		d.i++
	}
	if d.take('"') {
		return d.s[start : d.i-1], nil
	}
	buf := []byte(d.s[start:d.i])
	for d.i < len(d.s) {
		c := d.s[d.i]
		switch {
		case c == '"':
			d.i++
			return string(buf), nil
		case c < 0x20:
			return "", d.unexpected()
		case c == '\\':
			r, err := d.escape()
			if err != nil {
				return "", err
			}
			buf = utf8.AppendRune(buf, r)
		default:
			buf = append(buf, c)
			d.i++
		}
	}
	return "", d.unexpected()
}

// escape reads an escape sequence, both halves of a surrogate pair.
func (d *decoder) escape() (rune, error) {
	d.i++
	if d.i >= len(d.s) {
		return 0, d.unexpected()
	}
	c := d.s[d.i]
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		d.i++
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, d.unexpected()
	}
	r, err := d.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if strings.HasPrefix(d.s[d.i:], `\u`) {
		back := d.i
		d.i++
		low, err := d.hex()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, nil
		}
		d.i = back
	}
	return utf8.RuneError, nil
}

// hex reads "uXXXX".
func (d *decoder) hex() (rune, error) {
	d.i++
	if len(d.s)-d.i < 4 {
		d.i = len(d.s)
		return 0, d.unexpected()
	}
	var r rune
	for range 4 {
		c := d.s[d.i]
		i := strings.IndexByte("0123456789abcdef", c|0x20)
		if c < '0' || i < 0 {
			return 0, d.unexpected()
		}
		r = r<<4 | rune(i)
		d.i++
	}
	return r, nil
}

func (d *decoder) digits() error {
	start := d.i
	for d.i < len(d.s) && '0' <= d.s[d.i] && d.s[d.i] <= '9' {
		d.i++
	}
	if d.i == start {
		return d.unexpected()
	}
	return nil
}

func (d *decoder) number() (starlark.Value, error) {
	start := d.i
	d.take('-')
	if !d.take('0') {
		if err := d.digits(); err != nil {
			return nil, err
		}
	}
	whole := true
	if d.take('.') {
		whole = false
		if err := d.digits(); err != nil {
			return nil, err
		}
	}
	if d.take('e') || d.take('E') {
		whole = false
		if !d.take('+') {
			d.take('-')
		}
		if err := d.digits(); err != nil {
			return nil, err
		}
	}
	lit := d.s[start:d.i]
	if len(lit) > maxDigits {
		return nil, limitError("number too long", maxDigits, "digits")
	}
	if !whole {
		f, err := strconv.ParseFloat(lit, 64)
		if err != nil || math.IsInf(f, 0) {
			return nil, errors.New("number too large for a float")
		}
		return starlark.Float(f), nil
	}
	if i, err := strconv.ParseInt(lit, 10, 64); err == nil {
		return starlark.MakeInt64(i), nil
	}
	i, ok := new(big.Int).SetString(lit, 10)
	if !ok {
		return nil, errors.New("malformed number")
	}
	v := starlark.MakeBigInt(i)
	return v, checkBits(bitLen(v))
}
