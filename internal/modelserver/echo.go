package modelserver

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// echoReply is the form of an echo in the shape of the endpoint's answers.
const echoReply = "reply"

// echoForms are the forms of an echo, the first being the usual one.
var echoForms = []string{"json", "text", "sse", echoReply, "hex", "base64", "base64url", "percent"}

// maxEchoHeader is how much of the body goes into a header.
const maxEchoHeader = 4096

// fields returns the header fields of a request: names in lower case and
// sorted, values of one name in their order.
func fields(r *http.Request) [][2]string {
	out := [][2]string{{"host", r.Host}}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, v := range r.Header[name] {
			out = append(out, [2]string{strings.ToLower(name), v})
		}
	}
	slices.SortStableFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return out
}

// dump is the request as on the wire.
func dump(x *exchange) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\n", x.r.Method, x.r.RequestURI, x.r.Proto)
	for _, f := range fields(x.r) {
		fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
	}
	b.WriteByte('\n')
	b.Write(x.body)
	return b.Bytes()
}

// echo answers with the request.
func (s *server) echo(x *exchange, f *directive) {
	s.pause(x.r.Context())
	body, kind := echoBody(x, f)
	h := x.w.Header()
	h.Set("content-type", kind)
	if coding := f.params["coding"]; coding != "" {
		h.Set("content-encoding", coding)
		body = bytes.Join(compress(coding, [][]byte{body}), nil)
	}
	repeatHeaders(x, f)
	sizes, _ := f.chunks() // checked when it was parsed
	if sizes == nil && f.has("trailers") {
		sizes = []int{len(body)} // flushed, or net/http gives it a length and drops the trailers
	}
	if sizes == nil {
		h.Set("content-length", strconv.Itoa(len(body)))
	}
	x.w.WriteHeader(http.StatusOK)
	if sizes == nil {
		x.w.Write(body) // a client that has left is no concern of ours
	} else {
		s.flush(x, cutAt(body, sizes))
	}
	if f.has("trailers") {
		repeatTrailers(x)
	}
}

// echoBody is the body of an echo, and its content type.
func echoBody(x *exchange, f *directive) (body []byte, kind string) {
	pad := strings.Repeat(".", f.checked("pad", 0))
	text := append([]byte(pad), dump(x)...)
	const plain = "text/plain; charset=utf-8"
	switch f.params["as"] {
	case "text":
		return text, plain
	case "sse":
		return echoEvents(text), "text/event-stream"
	case "hex":
		return []byte(hex.EncodeToString(text)), plain
	case "base64":
		return []byte(base64.StdEncoding.EncodeToString(text)), plain
	case "base64url":
		return []byte(base64.RawURLEncoding.EncodeToString(text)), plain
	case "percent":
		return percent(text, isUnreserved), plain
	}
	o := object{"method", x.r.Method, "url", x.r.RequestURI, "proto", x.r.Proto, "headers", fields(x.r)}
	if pad != "" {
		o = o.with("pad", pad)
	}
	if utf8.Valid(x.body) {
		o = o.with("body", string(x.body))
	} else {
		o = o.with("body_base64", base64.StdEncoding.EncodeToString(x.body))
	}
	return encode(o), "application/json"
}

// echoEvents is a text as a stream: an event for each line.
func echoEvents(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		out = append(out, event("echo", strings.ToValidUTF8(string(line), "\uFFFD"))...)
	}
	return append(out, event("end", object{})...)
}

// repeatHeaders repeats a request in the headers of its answer.
func repeatHeaders(x *exchange, f *directive) {
	h := x.w.Header()
	h.Set("x-echo-request", headerValue(x.r.Method+" "+x.r.RequestURI+" "+x.r.Proto))
	h.Set("x-echo-body", headerValue(string(x.body[:min(len(x.body), maxEchoHeader)])))
	for _, f := range fields(x.r) {
		h.Add("x-echo-"+f[0], headerValue(f[1]))
	}
	if !f.has("names") {
		return
	}
	for _, f := range fields(x.r) {
		h["X-Echo-Name-"+headerName(f[1])] = []string{"1"} // not in canonical case: the value as it is
	}
}

// repeatTrailers repeats the request's headers after the body.
func repeatTrailers(x *exchange) {
	for _, f := range fields(x.r) {
		x.w.Header().Add(http.TrailerPrefix+"x-echo-"+f[0], headerValue(f[1]))
	}
}

// headerValue makes a header's value of any text.
func headerValue(text string) string {
	return string(percent([]byte(text), func(c byte) bool { return c >= ' ' && c < 0x7f }))
}

// headerName makes a header's name of any text.
func headerName(text string) string {
	b := []byte(text)
	for i, c := range b {
		if !isTokenByte(c) {
			b[i] = '-'
		}
	}
	return string(b)
}

// percent writes all but some bytes as %XX.
func percent(text []byte, keep func(byte) bool) []byte {
	var b []byte
	for _, c := range text {
		if keep(c) {
			b = append(b, c)
		} else {
			b = fmt.Appendf(b, "%%%02X", c)
		}
	}
	return b
}

// isUnreserved is RFC 3986 section 2.3.
func isUnreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		strings.IndexByte("-._~", c) >= 0
}

// cutAt cuts a body at the sizes given, the last of which is repeated.
func cutAt(body []byte, sizes []int) [][]byte {
	var out [][]byte
	for i := 0; len(body) > 0; i++ {
		n := min(sizes[min(i, len(sizes)-1)], len(body))
		out = append(out, body[:n])
		body = body[n:]
	}
	return out
}
