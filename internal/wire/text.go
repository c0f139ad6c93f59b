package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
)

// Lit returns s as a Text without secrets. Lit("") is an empty text, not nil.
func Lit(s string) Text { return Text{{Lit: s}} }

// Secret returns the place of the secret called name. The name must satisfy
// [CheckSecretName].
func Secret(name string) Text { return Text{{Secret: name}} }

// CheckSecretName refuses a name that is not an identifier: ASCII letters,
// digits and underscores, 1 to 128 of them, no digit first. Such a name can
// stand in any text without an escape.
func CheckSecretName(name string) error {
	ok := name != "" && len(name) <= 128 && (name[0] < '0' || name[0] > '9')
	for i := range len(name) {
		c := name[i]
		ok = ok && (c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
	}
	if !ok {
		return fmt.Errorf("secret %.140q: a name is made of letters, digits and underscores", name)
	}
	return nil
}

// A TextBuilder puts a Text together from pieces in linear time. The zero
// TextBuilder is empty.
type TextBuilder struct {
	parts Text
	lit   strings.Builder // literal text not yet in parts
	some  bool            // something was written, be it ""
}

// Lit appends literal text.
func (b *TextBuilder) Lit(s string) {
	b.lit.WriteString(s)
	b.some = true
}

// Secret appends the place of a secret.
func (b *TextBuilder) Secret(name string, e Escape) {
	b.part(Part{Secret: name, Escape: e})
}

// part appends p, whatever it is, as a part of its own.
func (b *TextBuilder) part(p Part) {
	b.flush()
	b.parts = append(b.parts, p)
}

// Add appends t.
func (b *TextBuilder) Add(t Text) {
	for _, p := range t {
		if p.Secret == "" && p.Escape != InBasic {
			b.Lit(p.Lit)
			continue
		}
		b.part(p)
	}
}

func (b *TextBuilder) flush() {
	if b.lit.Len() > 0 {
		b.parts = append(b.parts, Part{Lit: b.lit.String()})
		b.lit.Reset()
	}
}

// Text returns what was written: nil when nothing was, and no two literals
// side by side.
func (b *TextBuilder) Text() Text {
	b.flush()
	if b.parts == nil && b.some {
		return Lit("")
	}
	return b.parts
}

// Concat joins texts. It is nil only when all of them are.
func Concat(ts ...Text) Text {
	var b TextBuilder
	for _, t := range ts {
		b.Add(t)
	}
	return b.Text()
}

// ParseText is the inverse of [Text.String] for the secrets named in names:
// each "<secret NAME>" of s becomes the place of that secret, every other one
// stays literal.
func ParseText(s string, names []string) Text {
	var b TextBuilder
	for {
		before, rest, found := strings.Cut(s, "<secret ")
		name, after, closed := strings.Cut(rest, ">")
		if !found || !closed {
			b.Lit(s)
			return b.Text()
		}
		b.Lit(before)
		if slices.Contains(names, name) {
			b.Secret(name, Raw)
			s = after
			continue
		}
		b.Lit("<secret ")
		s = rest
	}
}

// String returns t with "<secret NAME>" in the place of each secret: the form
// that is recorded, compared and shown.
func (t Text) String() string {
	if len(t) == 1 && t[0].Secret == "" {
		return t[0].Lit
	}
	return string(t.append(nil))
}

// append appends what String returns.
func (t Text) append(b []byte) []byte {
	for _, p := range t {
		if p.Secret == "" {
			b = append(b, p.Lit...)
			continue
		}
		b = append(append(append(b, "<secret "...), p.Secret...), '>')
	}
	return b
}

// Reveal returns t with the values of its secrets, each escaped for where it
// stands. It is called at the moment a live call leaves and nowhere else;
// what it returns must not be stored. An error of value is returned as it is.
func (t Text) Reveal(value func(name string) (string, error)) (string, error) {
	if len(t) == 1 && t[0].Secret == "" {
		return t[0].Lit, nil
	}
	var b, basic strings.Builder
	for _, p := range t {
		v, err := p.reveal(value)
		if err != nil {
			return "", err
		}
		if p.Escape == InBasic {
			basic.WriteString(v)
			continue
		}
		writeBasic(&b, &basic)
		b.WriteString(v)
	}
	writeBasic(&b, &basic)
	return b.String(), nil
}

// writeBasic writes what a run of [InBasic] parts says.
func writeBasic(b, run *strings.Builder) {
	b.WriteString(base64.StdEncoding.EncodeToString([]byte(run.String())))
	run.Reset()
}

func (p Part) reveal(value func(name string) (string, error)) (string, error) {
	if p.Lit != "" || p.Secret == "" {
		return p.Lit, nil
	}
	v, err := value(p.Secret)
	if err != nil {
		return "", err
	}
	if v, err = escape(v, p.Escape); err != nil {
		return "", fmt.Errorf("secret %s: %w", p.Secret, err)
	}
	return v, nil
}

func escape(v string, e Escape) (string, error) {
	switch e {
	case InJSON:
		q, err := canon.AppendString(nil, v)
		if err != nil {
			return "", errors.New("the value is not valid UTF-8 and cannot stand in JSON")
		}
		return string(q[1 : len(q)-1]), nil
	case InURL:
		return percent(v, unreserved, upperHex, false), nil
	}
	return v, nil
}

// As returns t with the escape of its secrets set to e; literals stay as they
// are.
func (t Text) As(e Escape) Text {
	out := slices.Clone(t)
	for i := range out {
		if out[i].Secret != "" {
			out[i].Escape = e
		}
	}
	return out
}

// JSON returns t as a JSON string with its quotes: literals get the escapes of
// RFC 8785, secrets get [InJSON]. Text that is not valid UTF-8 is an error.
func (t Text) JSON() (Text, error) {
	var b TextBuilder
	b.Lit(`"`)
	for _, p := range t {
		if p.Secret != "" {
			b.Secret(p.Secret, InJSON)
			continue
		}
		q, err := canon.AppendString(nil, p.Lit)
		if err != nil {
			return nil, err
		}
		b.Lit(string(q[1 : len(q)-1]))
	}
	b.Lit(`"`)
	return b.Text(), nil
}

// Secrets returns the names of the secrets in t, sorted, each once.
func (t Text) Secrets() []string {
	var names []string
	for _, p := range t {
		if p.Secret != "" {
			names = append(names, p.Secret)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// HasSecret reports whether t has the place of a secret in it.
func (t Text) HasSecret() bool {
	return slices.ContainsFunc(t, func(p Part) bool { return p.Secret != "" })
}

const (
	unreserved = "-._~" // beside letters and digits: RFC 3986, section 2.3
	upperHex   = "0123456789ABCDEF"
	lowerHex   = "0123456789abcdef"
)

// percent encodes every byte of v but letters, digits and the bytes of keep;
// plus writes a space as "+".
func percent(v, keep, hex string, plus bool) string {
	b := make([]byte, 0, len(v)+8)
	for i := range len(v) {
		c := v[i]
		switch {
		case alnum(c) || strings.IndexByte(keep, c) >= 0:
			b = append(b, c)
		case c == ' ' && plus:
			b = append(b, '+')
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

func alnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
