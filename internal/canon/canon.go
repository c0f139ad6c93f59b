// Package canon encodes coo's own records and documents: RFC 8785 (JSON
// Canonicalization Scheme) restricted to strings, integers within ±(2^53-1),
// booleans, null, arrays and objects. There are no floating-point numbers in
// it; a number that needs one is a string.
//
//	{"b":"3.1","kind":"http","n":5,"t":"call"}
//
// One value has one encoding, and [Unmarshal] accepts no other: it decodes,
// encodes again and compares. Unknown, missing, repeated or misspelled
// members, white space, other escapes and trailing bytes are all refused by
// that one comparison.
//
// [JSON] is another thing: the canonical form of somebody else's JSON, in
// which number literals stay as they were written.
package canon

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// MaxInt is the largest integer a record may hold, 2^53-1; the smallest is
// its negative. Every JSON reader represents these exactly.
const MaxInt = 1<<53 - 1

// Marshal returns the canonical encoding of v: a struct with json tags, a
// map with string keys, a slice, string, integer, bool, nil, pointer to one
// of these, or an [encoding.TextMarshaler]. The tag options omitempty and
// omitzero are honoured; embedded structs are flattened.
func Marshal(v any) ([]byte, error) { return Append(nil, v) }

// Append appends the canonical encoding of v to dst.
func Append(dst []byte, v any) ([]byte, error) {
	return appendValue(dst, reflect.ValueOf(v))
}

// Unmarshal decodes data into v and refuses everything that is not exactly
// the canonical encoding of what it decoded. On an error v's value is
// unspecified.
func Unmarshal(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return describe(err)
	}
	again, err := Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, data) {
		i := 0
		for i < len(again) && i < len(data) && again[i] == data[i] {
			i++
		}
		return fmt.Errorf("not in canonical form at byte %d", i)
	}
	return nil
}

// describe makes an error of encoding/json independent of Go's type names.
func describe(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("member %q: a %s is not allowed there", e.Field, e.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

func appendValue(dst []byte, v reflect.Value) ([]byte, error) {
	if !v.IsValid() {
		return append(dst, "null"...), nil
	}
	if k := v.Kind(); (k == reflect.Pointer || k == reflect.Interface) && v.IsNil() {
		return append(dst, "null"...), nil
	}
	if v.Type().Implements(textMarshaler) {
		b, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return nil, err
		}
		return AppendString(dst, string(b))
	}
	switch v.Kind() {
	case reflect.String:
		return AppendString(dst, v.String())
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := v.Int(); n > MaxInt || n < -MaxInt {
			return nil, fmt.Errorf("integer %d is outside ±(2^53-1)", n)
		}
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return strconv.AppendUint(dst, v.Uint(), 10), nil
	case reflect.Pointer, reflect.Interface:
		return appendValue(dst, v.Elem())
	case reflect.Slice, reflect.Array:
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendValue(dst, v.Index(i)); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case reflect.Map:
		return appendMap(dst, v)
	case reflect.Struct:
		return appendStruct(dst, v)
	}
	return nil, fmt.Errorf("a %s has no canonical form", v.Type())
}

func appendMap(dst []byte, v reflect.Value) ([]byte, error) {
	keys := make([]string, 0, v.Len())
	// order: sorted below
	for _, k := range v.MapKeys() {
		keys = append(keys, k.String())
	}
	slices.SortFunc(keys, CompareKeys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = AppendString(dst, k); err != nil {
			return nil, err
		}
		dst = append(dst, ':')
		if dst, err = appendValue(dst, v.MapIndex(reflect.ValueOf(k).Convert(v.Type().Key()))); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendStruct(dst []byte, v reflect.Value) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	for _, f := range fieldsOf(v.Type()) {
		fv := v.FieldByIndex(f.index)
		if f.omit && (fv.IsZero() || (fv.Kind() == reflect.Slice || fv.Kind() == reflect.Map) && fv.Len() == 0) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, f.key...)
		var err error
		// A nil slice or map that is not omitted is an empty one: null
		// would be a second spelling of the same record.
		switch {
		case fv.Kind() == reflect.Slice && fv.IsNil():
			dst = append(dst, "[]"...)
		case fv.Kind() == reflect.Map && fv.IsNil():
			dst = append(dst, "{}"...)
		default:
			if dst, err = appendValue(dst, fv); err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}
	return append(dst, '}'), nil
}

type field struct {
	name  string
	key   string // encoded name and colon
	index []int
	omit  bool
}

var fieldCache sync.Map // reflect.Type to []field, sorted by name

func fieldsOf(t reflect.Type) []field {
	if c, ok := fieldCache.Load(t); ok {
		return c.([]field)
	}
	var fields []field
	for _, sf := range reflect.VisibleFields(t) {
		tag := sf.Tag.Get("json")
		if sf.Anonymous && tag == "" || !sf.IsExported() || tag == "-" {
			continue
		}
		name, opts, _ := strings.Cut(tag, ",")
		if name == "" {
			panic("canon: internal error: field " + t.String() + "." + sf.Name + " has no json name")
		}
		key, err := AppendString(nil, name)
		if err != nil {
			panic("canon: internal error: " + err.Error())
		}
		fields = append(fields, field{name, string(key) + ":", sf.Index, strings.HasPrefix(opts, "omit")})
	}
	slices.SortFunc(fields, func(a, b field) int { return CompareKeys(a.name, b.name) })
	fieldCache.Store(t, fields)
	return fields
}

// CompareKeys orders member names, valid UTF-8, as RFC 8785, section 3.2.3,
// demands: by their UTF-16 code units. That is the order of their bytes but
// for one thing: a character above U+FFFF (first byte F0 or more) comes before
// U+E000 to U+FFFF (EE or EF), as its surrogates do.
func CompareKeys(a, b string) int { return compareKeys(a, b) }

func compareKeys[T string | []byte](a, b T) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	if i == n {
		return len(a) - len(b)
	}
	x, y := a[i], b[i]
	if x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) {
		x, y = y, x
	}
	return int(x) - int(y)
}

// AppendString appends s as a JSON string with the escapes of RFC 8785,
// section 3.2.2.2. Text that is not valid UTF-8 is an error: it would not
// come back as it went in.
func AppendString(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, errors.New("a string is not valid UTF-8")
	}
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		dst = appendEscape(dst, c)
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"'), nil
}

// appendEscape appends the escape of a control character, quote or backslash.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\t':
		return append(dst, '\\', 't')
	case '\n':
		return append(dst, '\\', 'n')
	case '\f':
		return append(dst, '\\', 'f')
	case '\r':
		return append(dst, '\\', 'r')
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
