package wire

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A spelling is one form of a secret's value.
type spelling struct{ text, form string }

// spellings returns the forms in which the value v is searched for, each once:
//
//   - raw;
//   - json: as RFC 8785 escapes it; with "/" escaped; with what HTML minds, all
//     that is not ASCII, all but letters and digits, or everything as \uXXXX,
//     in lower and upper case;
//   - percent: with only what must be encoded so, by the rules of a path, of
//     encodeURI, of encodeURIComponent, of RFC 3986 (all but unreserved) and
//     everything; in lower and upper case, a space as %20 and as "+";
//   - hex, lower and upper case;
//   - base64 and base64url at each of the three alignments: the characters that
//     depend on v alone.
//
// Each form is applied to the whole value in one way; a text that mixes them,
// nests them or breaks the value in two is not found.
func spellings(v string) []spelling {
	out := []spelling{{v, "raw"}}
	for _, digits := range []string{lowerHex, upperHex} {
		for _, escaped := range jsonStyles {
			out = append(out, spelling{jsonSpelling(v, digits, escaped), "json"})
		}
		for _, keep := range percentStyles {
			out = append(out, spelling{percent(v, keep, digits, false), "percent"})
			out = append(out, spelling{percent(v, keep, digits, true), "percent"})
		}
	}
	out = append(out, spelling{percentAll(v, lowerHex), "percent"}, spelling{percentAll(v, upperHex), "percent"})
	h := hex.EncodeToString([]byte(v))
	out = append(out, spelling{h, "hex"}, spelling{strings.ToUpper(h), "hex"})
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			out = append(out, spelling{base64Inside(enc, v, before), "base64"})
		}
	}
	return dropRepeated(out)
}

func dropRepeated(all []spelling) []spelling {
	var out []spelling
	for _, s := range all {
		if !slices.ContainsFunc(out, func(o spelling) bool { return o.text == s.text }) {
			out = append(out, s)
		}
	}
	return out
}

// jsonStyles say which characters, beside those that must be, are escaped.
var jsonStyles = []func(r rune) bool{
	func(rune) bool { return false },
	func(r rune) bool { return r == '/' },
	func(r rune) bool { return r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029' }, // Go
	func(r rune) bool { return r >= utf8.RuneSelf },                                                 // Python
	func(r rune) bool { return r == '/' || r >= utf8.RuneSelf },                                     // PHP
	func(r rune) bool { return strings.ContainsRune(`<>&'"+`+"`", r) || r >= utf8.RuneSelf },        // .NET
	func(r rune) bool { return r >= utf8.RuneSelf || !alnum(byte(r)) },
	func(rune) bool { return true },
}

// jsonSpelling writes v as in a JSON string. Slashes that a style escapes
// become "\/" unless it escapes all that is not a letter or digit.
func jsonSpelling(v, digits string, escaped func(rune) bool) string {
	short := !escaped('-')
	var b []byte
	for _, r := range v {
		i := strings.IndexRune("\"\\\b\f\n\r\t", r)
		switch {
		case i >= 0 && short && !escaped(r):
			b = append(b, '\\', `"\bfnrt`[i])
		case r == '/' && short && escaped(r):
			b = append(b, '\\', '/')
		case i >= 0 || r < ' ' || escaped(r):
			for _, u := range utf16.AppendRune(nil, r) {
				b = append(b, '\\', 'u', digits[u>>12], digits[u>>8&15], digits[u>>4&15], digits[u&15])
			}
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}

// percentStyles are the bytes that, beside letters and digits, stay as they are.
var percentStyles = []string{
	unreserved,
	unreserved + "*",                         // form bodies
	unreserved + "!*'()",                     // encodeURIComponent
	unreserved + "!*'();,/?:@&=+$#",          // encodeURI
	unreserved + "$&+=:@",                    // one segment of a path, Go
	unreserved + "!$&'()*+,;=:@",             // one segment of a path, RFC 3986
	unreserved + "!$&'()*+,;=:@/",            // a path
	unreserved + "!$&'()*+,;=:@/?[]|^`{}\\#", // only what must be
}

func percentAll(v, digits string) string {
	b := make([]byte, 0, 3*len(v))
	for i := range len(v) {
		b = append(b, '%', digits[v[i]>>4], digits[v[i]&15])
	}
	return string(b)
}

// base64Inside returns the characters of an encoded text that depend on v
// alone when a multiple of three bytes and before more come first.
func base64Inside(enc *base64.Encoding, v string, before int) string {
	text := enc.EncodeToString(append(make([]byte, before), v...))
	from := (before*8 + 5) / 6
	to := (before + len(v)) * 8 / 6
	return text[from:to]
}
