package wire

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

// MaxHeaders is the largest number of headers a request may have.
const MaxHeaders = 1000

// Doc returns the document that identifies r under rules, and the canonical
// body it names. Secrets stand in both by name. A body whose text is strict
// JSON counts by its canonical form ([canon.JSON]), any other by its bytes.
//
// It is an error to send a credential header without a secret in it, and to
// ask for something that cannot be sent: a malformed method, URL or header.
func (r *Request) Doc(rules *Rules) (*Doc, error) {
	method := strings.ToUpper(r.Method)
	if !token(method) {
		return nil, fmt.Errorf("method %.80q: malformed", r.Method)
	}
	normal, err := NormalURL(r.URL)
	if err != nil {
		return nil, err
	}
	url := normal.String()
	headers, err := r.identity(rules, url)
	if err != nil {
		return nil, err
	}
	d := new(Doc)
	b := make([]byte, 0, 512)
	b = append(b, `{"body":`...)
	b = r.appendBody(b, d)
	b = append(b, `,"headers":`...)
	if b, err = appendPairs(b, headers); err != nil {
		return nil, err
	}
	b = append(b, `,"kind":"http","method":"`...)
	b = append(b, method...) // a token needs no escape
	b = append(b, `","url":`...)
	if b, err = canon.AppendString(b, url); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	d.Bytes = append(b, '}')
	d.Key = digest.Call(digest.Of(d.Bytes))
	return d, nil
}

// appendBody appends the member that names the body and keeps the body in d.
func (r *Request) appendBody(b []byte, d *Doc) []byte {
	if r.Body == nil {
		return append(b, "null"...)
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	text := r.Body.append((*buf)[:0])
	if cap(text) <= 1<<20 {
		*buf = text
	}
	kind := `{"json":"`
	var err error
	if d.Body, err = canon.JSON(text); err != nil {
		kind, d.Body = `{"bytes":"`, append([]byte{}, text...)
	}
	b = append(b, kind...)
	b = appendDigest(b, d.Body)
	return append(b, `"}`...)
}

// buffers hold a body's text while its canonical form is made.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// appendDigest appends the digest of body as it is spelled.
func appendDigest(b, body []byte) []byte {
	d := digest.Of(body)
	return hex.AppendEncode(b, d[:])
}

// identity returns the headers that count, sorted by name.
func (r *Request) identity(rules *Rules, url string) ([][2]string, error) {
	if len(r.Headers) > MaxHeaders {
		return nil, fmt.Errorf("headers: more than %d", MaxHeaders)
	}
	out := make([][2]string, 0, len(r.Headers))
	for _, f := range r.Headers {
		name := strings.ToLower(f.Name)
		if !token(name) {
			return nil, fmt.Errorf("header %.80q: malformed name", f.Name)
		}
		value := strings.Trim(f.Value.String(), " \t")
		if !fieldValue(value) {
			return nil, fmt.Errorf("header %s: a control character in its value", name)
		}
		if rules.Credential(name) && !f.Value.HasSecret() {
			return nil, fmt.Errorf("header %s: a credential in clear text: use coo.secret(NAME)", name)
		}
		if rules.Omits(name) != nil && (name != "host" || strings.EqualFold(value, authority(url))) {
			continue
		}
		out = append(out, [2]string{name, value})
	}
	slices.SortStableFunc(out, byName)
	return out, nil
}

// byName orders headers; those of one name keep their order in a stable sort.
func byName(a, b [2]string) int { return strings.Compare(a[0], b[0]) }

// fieldValue reports whether s can be a header value: RFC 9110, section 5.5.
func fieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// appendPairs appends headers as [["name","value"],…].
func appendPairs(b []byte, pairs [][2]string) ([]byte, error) {
	b = append(b, '[')
	for i, p := range pairs {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		b = append(b, '[')
		if b, err = canon.AppendString(b, p[0]); err != nil {
			return nil, fmt.Errorf("header %q: %w", p[0], err)
		}
		b = append(b, ',')
		if b, err = canon.AppendString(b, p[1]); err != nil {
			return nil, fmt.Errorf("header %s: %w", p[0], err)
		}
		b = append(b, ']')
	}
	return append(b, ']'), nil
}

// A DocInfo is a request document taken apart, for display and comparison.
type DocInfo struct {
	Method     string
	URL        string
	Headers    [][2]string
	BodyKind   string         // "" (none), "json" or "bytes"
	BodyDigest *digest.Digest // nil when there is no body
}

// Header returns the first value of the header called name, lower-case, or "".
func (d *DocInfo) Header(name string) string { return first(d.Headers, name) }

func first(pairs [][2]string, name string) string {
	for _, p := range pairs {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}

// ParseDoc takes a request document apart. It accepts only what
// [Request.Doc] can have made, whatever the rules were.
func ParseDoc(doc []byte) (*DocInfo, error) {
	s := canon.NewScanner(doc)
	d := new(DocInfo)
	s.Lit(`{"body":`)
	switch {
	case s.Try(`{"json":`):
		d.BodyKind = "json"
	case s.Try(`{"bytes":`):
		d.BodyKind = "bytes"
	default:
		s.Lit("null")
	}
	if d.BodyKind != "" {
		d.BodyDigest = scanDigest(s)
		s.Lit("}")
	}
	s.Lit(`,"headers":`)
	d.Headers = scanPairs(s)
	s.Lit(`,"kind":"http","method":`)
	if d.Method = s.String(); !token(d.Method) || d.Method != strings.ToUpper(d.Method) {
		s.Fail("a malformed method")
	}
	s.Lit(`,"url":`)
	d.URL = s.String()
	s.Lit("}")
	if s.OK() && !normalURL(d.URL) {
		s.Fail("a malformed url")
	}
	if err := s.End(); err != nil {
		return nil, fmt.Errorf("request document: %w", err)
	}
	return d, nil
}

// normalURL reports whether NormalURL leaves url as it is, secrets in it or not.
func normalURL(url string) bool {
	t, err := NormalURL(ParseText(url, Named(url)))
	return err == nil && t.String() == url
}

// Named returns the names of all secrets that stand in s by name, as
// "<secret NAME>".
func Named(s string) []string {
	var names []string
	for _, rest := range strings.Split(s, "<secret ")[1:] {
		if name, _, ok := strings.Cut(rest, ">"); ok && CheckSecretName(name) == nil {
			names = append(names, name)
		}
	}
	return names
}

func scanDigest(s *canon.Scanner) *digest.Digest {
	text := s.String()
	if !s.OK() {
		return nil
	}
	d, err := digest.Parse(text)
	if err != nil {
		s.Fail(err.Error())
	}
	return &d
}

// scanPairs reads [["name","value"],…]: names lower-case and in order.
func scanPairs(s *canon.Scanner) [][2]string {
	pairs := [][2]string{}
	s.Lit("[")
	for s.OK() && !s.Try("]") {
		if len(pairs) > 0 {
			s.Lit(",")
		}
		s.Lit("[")
		name := s.String()
		s.Lit(",")
		value := s.String()
		s.Lit("]")
		pairs = append(pairs, [2]string{name, value})
		if s.OK() && checkPair(pairs, len(pairs)-1) != nil {
			s.Fail("a malformed header or one out of order")
		}
	}
	return pairs
}
