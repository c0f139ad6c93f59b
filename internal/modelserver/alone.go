package modelserver

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// standsAlone tells whether a directive is answered without looking at what
// the endpoint would say.
func (d *directive) standsAlone() bool {
	switch d.kind {
	case kindStatus, kindSilent, kindReset, kindRedirect, kindBig, kindDeep:
		return true
	case kindEcho:
		return d.params["as"] != echoReply
	}
	return false
}

// standAlone does what such a directive asks for.
func (s *server) standAlone(x *exchange, f *directive) {
	switch f.kind {
	case kindStatus:
		s.status(x, f)
	case kindSilent:
		wait(x.r.Context(), s.Stall)
		abort()
	case kindReset:
		resetConnection(x.w)
	case kindRedirect:
		s.redirect(x, f)
	case kindBig:
		s.big(x, f.checked("bytes", 1<<20))
	case kindDeep:
		n := f.checked("depth", 100_000)
		b := append(bytes.Repeat([]byte("["), n), bytes.Repeat([]byte("]"), n)...)
		s.send(x, &message{status: http.StatusOK, kind: "application/json", frames: [][]byte{b}}, nil)
	case kindEcho:
		s.echo(x, f)
	}
}

// status answers with an error status.
func (s *server) status(x *exchange, f *directive) {
	text := fmt.Sprintf("The sample server was asked for status %d", f.status)
	switch f.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, statusOverloaded:
		seconds, ms := f.retryAfter(s.RetryAfter)
		x.w.Header().Set("retry-after", strconv.Itoa(seconds))
		x.w.Header().Set("retry-after-ms", strconv.Itoa(ms))
		x.w.Header().Set("x-should-retry", "true")
		text += fmt.Sprintf(": retry after %d s", seconds)
	}
	s.refuse(x, f.status, text)
}

// retryAfter is how long a client is to wait before it asks again, in whole
// seconds and in milliseconds: as the directive says, or otherwise.
func (d *directive) retryAfter(otherwise time.Duration) (seconds, ms int) {
	seconds, ms = int(otherwise/time.Second), int(otherwise/time.Millisecond)
	if d.has("retry-after") {
		seconds = d.checked("retry-after", 0)
		ms = seconds * 1000
	}
	if d.has("retry-after-ms") {
		ms = d.checked("retry-after-ms", 0)
		if !d.has("retry-after") {
			seconds = ms / 1000
		}
	}
	return seconds, ms
}

// hopParam is the query parameter that counts the redirects followed.
const hopParam = "sample-hop"

// hop returns how many redirects were followed to come to u.
func hop(u *url.URL) int {
	n, err := strconv.Atoi(u.Query().Get(hopParam))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// redirect sends the client to the same path, here or at another server.
func (s *server) redirect(x *exchange, f *directive) {
	// The query is kept as it came, so that a secret in it is found again.
	var query []string
	n := hop(x.r.URL)
	for one := range strings.SplitSeq(x.r.URL.RawQuery, "&") {
		if one != "" && !strings.HasPrefix(one, hopParam+"=") {
			query = append(query, one)
		}
	}
	query = append(query, hopParam+"="+strconv.Itoa(n+1))
	code := f.checked("code", http.StatusTemporaryRedirect)
	x.w.Header().Set("location", f.params["to"]+x.r.URL.EscapedPath()+"?"+strings.Join(query, "&"))
	b := encode(object{"redirected", n + 1})
	s.send(x, &message{status: code, kind: "application/json", frames: [][]byte{b}}, nil)
}

// big answers with one JSON string of n bytes between the quotes. Its length
// is not announced.
func (s *server) big(x *exchange, n int) {
	x.w.Header().Set("content-type", "application/json")
	x.w.WriteHeader(http.StatusOK)
	block := bytes.Repeat([]byte("sample "), 1<<13)
	x.w.Write([]byte{'"'})
	for n > 0 {
		part := block[:min(n, len(block))]
		if _, err := x.w.Write(part); err != nil {
			return
		}
		n -= len(part)
	}
	x.w.Write([]byte{'"'})
}
