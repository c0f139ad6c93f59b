package wire

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/coding"
	"github.com/coo-runtime/coo/internal/digest"
)

// credentialMark stands in a document for a credential that is not known by
// name. Its value is kept nowhere.
const credentialMark = "<credential>"

// fixedBoundary stands in a document for the boundary of a multipart body,
// which clients choose at random.
const fixedBoundary = "coo-boundary"

// ProgramRequest returns a request as a program made it, ready to be sent with
// the values of its secrets, and the document that identifies it under rules.
// used names the rules that left something out or changed something, sorted:
//
//	program/1 header user-agent, program/1 query key, user/1 /metadata/session
//
// The document says what the request means rather than how it was written:
//
//   - secrets stand by name where p finds them, other credentials as
//     "<credential>";
//   - a JSON body counts by its canonical form without the members that rules
//     name, a multipart body with a boundary of coo's own, a coded body
//     (gzip, deflate, br, zstd) by what was coded, any other by its bytes.
//
// url is absolute, as it was sent; header names are lower-case or as they were
// sent. The error is about the method, the URL or a header that cannot be sent.
func ProgramRequest(method, url string, header [][2]string, body []byte, p *Placeholders, rules *Rules) (*Request, *Doc, []string, error) {
	if !token(method) {
		return nil, nil, nil, fmt.Errorf("method %.80q: malformed", method)
	}
	if len(header) > MaxHeaders {
		return nil, nil, nil, fmt.Errorf("headers: more than %d", MaxHeaders)
	}
	q := &programCall{placeholders: p, rules: rules, req: &Request{Method: strings.ToUpper(method)}, doc: new(Doc)}
	if err := q.setURL(url); err != nil {
		return nil, nil, nil, err
	}
	// The body comes first: it decides on headers that tell about it.
	q.setBody(header, body)
	if err := q.setHeaders(header); err != nil {
		return nil, nil, nil, err
	}
	if err := q.encode(); err != nil {
		return nil, nil, nil, err
	}
	slices.Sort(q.used)
	return q.req, q.doc, slices.Compact(q.used), nil
}

// A programCall is a request on its way to its document.
type programCall struct {
	placeholders *Placeholders
	rules        *Rules
	req          *Request
	doc          *Doc
	used         []string

	url         string // as in the document
	headers     [][2]string
	contentType string // as in the document, when the body changed it
	plain       bool   // the body goes out without its coding
	bodyKind    string // "", json, bytes
}

func (q *programCall) use(r *Rules, what string) { q.used = append(q.used, r.ID+" "+what) }

// setURL takes the credentials out of the URL.
func (q *programCall) setURL(url string) error {
	url = escapeURL(url)
	sent := q.placeholders.Text([]byte(url), InURL)
	normal, err := NormalURL(sent)
	if err != nil {
		return err
	}
	q.req.URL = normal
	text := normal.String()
	head, query, ok := strings.Cut(text, "?")
	if ok {
		text = head + "?" + q.parameters(query, "query")
	}
	q.url = text
	return nil
}

// escapeURL writes what cannot stand on a request line as clients should.
func escapeURL(url string) string {
	ok := utf8.ValidString(url)
	for i := range len(url) {
		ok = ok && url[i] > ' ' && url[i] != 0x7f
	}
	if ok {
		return url
	}
	var b strings.Builder
	for i := range len(url) {
		if c := url[i]; c > ' ' && c < 0x7f {
			b.WriteByte(c)
			continue
		}
		b.WriteString(percent(url[i:i+1], "", upperHex, false))
	}
	return b.String()
}

// parameters returns a query or form with its credentials taken out.
func (q *programCall) parameters(query, where string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" || strings.Contains(value, "<secret ") || !q.rules.secretParameter(name, value) {
			continue
		}
		pairs[i] = name + "=" + credentialMark
		q.use(q.rules, where+" "+strings.ToLower(name))
		if lower := strings.ToLower(name); !strings.HasPrefix(lower, "x-") || lower == "x-amz-security-token" {
			q.credential(value) // the others are good for one request
		}
	}
	return strings.Join(pairs, "&")
}

// secretParameter reports whether a parameter of a URL or form is a credential.
func (r *Rules) secretParameter(name, value string) bool {
	name = strings.ToLower(name)
	for _, q := range r.queries {
		base, wild := strings.CutSuffix(q, "*")
		if q == name || wild && strings.HasPrefix(name, base) {
			return true
		}
	}
	return slices.Contains(r.guesses, name) && looksSecret(value)
}

// looksSecret reports whether a value is likely no word and no number: local
// servers are sent "ollama" or "not-needed", which must not be taken out of
// what they answer.
func looksSecret(v string) bool {
	digits, letters := 0, 0
	for i := range len(v) {
		switch c := v[i]; {
		case '0' <= c && c <= '9':
			digits++
		case alnum(c):
			letters++
		}
	}
	return len(v) >= 16 && digits > 0 && letters > 0
}

// credential notes a value that must not come back.
func (q *programCall) credential(v string) {
	if looksSecret(v) && len(v) <= MaxSecret && !slices.Contains(q.req.Credentials, v) {
		q.req.Credentials = append(q.req.Credentials, v)
	}
}

// setHeaders sets the headers that are sent and those that count.
func (q *programCall) setHeaders(header [][2]string) error {
	for _, h := range header {
		name, value := strings.ToLower(h[0]), strings.Trim(h[1], " \t")
		if !token(name) {
			return fmt.Errorf("header %.80q: malformed name", h[0])
		}
		if !fieldValue(value) {
			return fmt.Errorf("header %s: a control character in its value", name)
		}
		text := q.placeholders.Field(value)
		if !(q.plain && name == "content-encoding") {
			q.req.Headers = append(q.req.Headers, Field{name, text})
		}
		if om, set := q.omits(name); om != nil && (name != "host" || strings.EqualFold(value, authority(q.url))) {
			if class := om.Class; class != "transport" {
				q.use(set, "header "+name)
			}
			continue
		}
		shown := cleanValue(text.String())
		switch {
		case q.rules.Credential(name) && (!text.HasSecret() || isSignature(value)):
			shown = credentialMark
			q.use(q.rules, "header "+name)
			q.headerCredentials(name, value)
		case name == "content-type" && q.contentType != "":
			shown = q.contentType
		}
		q.headers = append(q.headers, [2]string{name, shown})
	}
	slices.SortStableFunc(q.headers, byName)
	return nil
}

// omits returns the omission that leaves a header out, and the rules it is of.
func (q *programCall) omits(name string) (*Omission, *Rules) {
	for _, set := range q.rules.Sets() {
		if om := set.omitsOn(name, q.url); om != nil {
			return om, set
		}
	}
	return nil, nil
}

// isSignature reports whether a credential is a signature of Amazon's (SigV4).
// It is another one for every request, though it holds the name of the key
// that was used.
func isSignature(value string) bool { return strings.HasPrefix(value, "AWS4-") }

// headerCredentials notes the secret parts of a credential header.
func (q *programCall) headerCredentials(name, value string) {
	scheme, rest, _ := strings.Cut(value, " ")
	switch {
	case strings.EqualFold(scheme, "basic"):
		q.credential(rest)
		if plain, err := decodeBase64(rest); err == nil {
			_, password, _ := strings.Cut(string(plain), ":")
			q.credential(password)
		}
	case isSignature(scheme): // a signature is good for one request
	case name == "cookie":
		for pair := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			if _, v, ok := strings.Cut(pair, "="); ok && len(v) >= 20 {
				q.credential(strings.Trim(v, `"`))
			}
		}
	case rest == "":
		q.credential(value)
	default:
		q.credential(strings.TrimSpace(rest))
	}
}

// setBody sets the body that is sent and the one that counts.
func (q *programCall) setBody(header [][2]string, body []byte) {
	if len(body) == 0 {
		return
	}
	plain, codings := q.decode(header, body)
	text := q.bodyText(header, plain)
	if q.req.Body = text; codings != "" {
		q.use(q.rules, "decoded "+codings)
		if q.plain = text.HasSecret(); !q.plain {
			q.req.Body = Lit(string(body))
		}
	}
	shown := text.append(nil)
	if q.json(shown) {
		return
	}
	q.bodyKind = "bytes"
	mediaType, params, err := mime.ParseMediaType(headerValue(header, "content-type"))
	switch boundary := params["boundary"]; {
	case err != nil:
	case strings.HasPrefix(mediaType, "multipart/") && boundary != "":
		shown = bytes.ReplaceAll(shown, []byte("--"+boundary), []byte("--"+fixedBoundary))
		params["boundary"] = fixedBoundary
		q.contentType = mime.FormatMediaType(mediaType, params)
		q.use(q.rules, "multipart boundary")
	case mediaType == formType && utf8.Valid(shown):
		shown = []byte(q.parameters(string(shown), "form"))
	}
	q.doc.Body = shown
}

const formType = "application/x-www-form-urlencoded"

// bodyText finds the secrets of a body, and how their values are escaped.
func (q *programCall) bodyText(header [][2]string, body []byte) Text {
	escape := Raw
	contentType := strings.ToLower(headerValue(header, "content-type"))
	first := bytes.TrimLeft(body, " \t\r\n")
	switch {
	case strings.HasPrefix(contentType, formType):
		escape = InURL
	case strings.Contains(contentType, "json"), len(first) > 0 && (first[0] == '{' || first[0] == '['):
		escape = InJSON
	}
	return q.placeholders.Text(body, escape)
}

// json takes body as JSON and reports whether it is.
func (q *programCall) json(body []byte) bool {
	canonical, err := canon.JSON(body)
	if err != nil {
		return false
	}
	q.bodyKind = "json"
	for _, set := range q.rules.Sets() {
		canonical = q.cutAll(set, canonical)
	}
	q.doc.Body = canonical
	return true
}

// cutAll returns body, canonical JSON, without what the pointers of set name.
func (q *programCall) cutAll(set *Rules, body []byte) []byte {
	var rules []*PointerRule
	for i := range set.Pointers {
		if hostIs(q.url, set.Pointers[i].Host) {
			rules = append(rules, &set.Pointers[i])
		}
	}
	return cutPointers(body, rules, func(r *PointerRule, value []byte) bool { return q.cut(set, r, value) })
}

// cut decides whether value, which r names, goes.
func (q *programCall) cut(set *Rules, r *PointerRule, value []byte) bool {
	switch {
	case set == q.rules.user:
		if holdsProtected(value) {
			return false
		}
	case r.Class == "credential":
		// What has a name counts by it, and a word is no credential.
		if value[0] != '"' || bytes.Contains(value, []byte("<secret ")) || !looksSecret(memberName(value)) {
			return false
		}
		q.credential(memberName(value))
	}
	q.use(set, r.Pointer)
	return true
}

// decode undoes the content coding of a body, and returns body itself when it
// has none, or one that is unknown, broken or too long.
func (q *programCall) decode(header [][2]string, body []byte) (plain []byte, codings string) {
	var values []string
	for _, h := range header {
		if strings.EqualFold(h[0], "content-encoding") {
			values = append(values, h[1])
		}
	}
	names, err := coding.Parse(values)
	if err != nil || len(names) == 0 {
		return body, ""
	}
	r, done, err := coding.Decode(bytes.NewReader(body), names)
	if err != nil {
		return body, ""
	}
	defer done()
	plain, err = io.ReadAll(io.LimitReader(r, MaxBody+1))
	if err != nil || len(plain) > MaxBody {
		return body, ""
	}
	return plain, strings.Join(names, ", ")
}

// headerValue returns the first value of the header called name, lower-case.
func headerValue(header [][2]string, name string) string {
	for _, h := range header {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// encode writes the document.
func (q *programCall) encode() error {
	for _, v := range q.req.Credentials { // one may stand elsewhere too
		q.url = strings.ReplaceAll(q.url, v, credentialMark)
		if bytes.Contains(q.doc.Body, []byte(v)) {
			q.doc.Body = bytes.ReplaceAll(q.doc.Body, []byte(v), []byte(credentialMark))
		}
		for i := range q.headers {
			q.headers[i][1] = strings.ReplaceAll(q.headers[i][1], v, credentialMark)
		}
	}
	b := append(make([]byte, 0, 512), `{"body":`...)
	if q.bodyKind == "" {
		b = append(b, "null"...)
	} else {
		b = append(append(b, `{"`+q.bodyKind+`":"`...), digest.Of(q.doc.Body).String()...)
		b = append(b, `"}`...)
	}
	b = append(b, `,"headers":`...)
	b, err := appendPairs(b, q.headers)
	if err != nil {
		return err
	}
	b = append(append(b, `,"kind":"http","method":"`...), q.req.Method...)
	b = append(b, `","url":`...)
	if b, err = canon.AppendString(b, q.url); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	q.doc.Bytes = append(b, '}')
	q.doc.Key = digest.Call(digest.Of(q.doc.Bytes))
	return nil
}
