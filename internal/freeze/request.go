package freeze

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/coo-runtime/coo/internal/wire"
)

// userAgent is sent when the mission sends none.
const userAgent = "coo"

// ofConnection are the request headers that belong to one connection and are
// coo's own business: RFC 9110, section 7.6.1, and the framing of the body.
var ofConnection = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-connection": true, "te": true, "trailer": true,
	"transfer-encoding": true, "upgrade": true, "http2-settings": true, "expect": true, "content-length": true,
}

// missionRequest makes the call of a mission ready to leave.
func (l *Live) missionRequest(c Call) (*http.Request, error) {
	hr, _, err := l.request(c, url.Parse)
	if err == nil {
		complete(hr.Header)
	}
	return hr, err
}

// programRequest makes the call of a program ready to leave.
func (l *Live) programRequest(c Call) (*http.Request, error) {
	hr, raw, err := l.request(c, parseOdd)
	if err == nil {
		asSent(hr, raw)
	}
	return hr, err
}

// request makes c ready to leave, with the values of its secrets in it, and
// returns its URL as text.
func (l *Live) request(c Call, parse func(string) (*url.URL, error)) (hr *http.Request, raw string, err error) {
	target, err := wire.NormalURL(c.Req.URL)
	if err != nil {
		return nil, "", &RequestError{N: c.N, What: err.Error()}
	}
	raw, err = target.Reveal(l.secrets.value)
	if err != nil {
		return nil, "", err
	}
	u, err := parse(raw)
	if err != nil || u.Host == "" {
		return nil, "", &RequestError{N: c.N, What: "malformed url"} // err may hold a secret
	}
	hr = &http.Request{
		Method: strings.ToUpper(c.Req.Method), URL: u, Host: u.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if hr.Header, err = l.headers(c, hr); err != nil {
		return nil, "", err
	}
	if c.Req.Body == nil {
		return hr, raw, nil
	}
	body, err := c.Req.Body.Reveal(l.secrets.value)
	if err != nil {
		return nil, "", err
	}
	hr.ContentLength = int64(len(body))
	hr.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	hr.Body, err = hr.GetBody()
	if len(body) == 0 {
		hr.Body = http.NoBody
	}
	return hr, raw, err
}

// parseOdd parses raw. Of one with a malformed escape in it, which some
// programs send and some servers understand, it returns scheme and host.
func parseOdd(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err == nil {
		return u, nil
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	i := strings.IndexAny(rest, "/?")
	if !ok || i < 0 || strings.HasPrefix(rest[i:], "//") {
		return nil, err
	}
	return url.Parse(scheme + "://" + rest[:i] + "/")
}

// headers returns the headers of c, and sets the host of hr when c has one.
func (l *Live) headers(c Call, hr *http.Request) (http.Header, error) {
	h := http.Header{}
	for _, f := range c.Req.Headers {
		value, err := f.Value.Reveal(l.secrets.value)
		if err != nil {
			return nil, err
		}
		value = strings.Trim(value, " \t")
		if !sendable(value) {
			return nil, &RequestError{N: c.N, What: "a control character in header " + f.Name}
		}
		name := strings.ToLower(f.Name)
		switch {
		case ofConnection[name]:
		case name == "host":
			hr.Host = value
		default:
			h.Add(name, value)
		}
	}
	return h, nil
}

// complete adds what a mission need not say.
func complete(h http.Header) {
	if len(h.Values("Accept-Encoding")) == 0 {
		h.Set("Accept-Encoding", "identity")
	}
	if len(h.Values("User-Agent")) == 0 {
		h.Set("User-Agent", userAgent)
	}
}

// asSent makes hr what the program sent: nothing added, the path as it was
// written, and the one header of the connection that gRPC asks for.
func asSent(hr *http.Request, raw string) {
	if len(hr.Header.Values("User-Agent")) == 0 {
		hr.Header["User-Agent"] = []string{""} // or net/http adds its own
	}
	if strings.HasPrefix(hr.Header.Get("Content-Type"), "application/grpc") {
		hr.Header.Set("Te", "trailers")
	}
	_, rest, _ := strings.Cut(raw, "://")
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		rest = rest[i:]
	} else {
		rest = ""
	}
	if rest == "" || rest[0] == '?' {
		rest = "/" + rest
	}
	// An opaque path goes out byte for byte. Only the odd ones get it: a
	// proxy further up would not be told the host of an opaque http URL.
	if hr.URL.RequestURI() != rest && !strings.HasPrefix(rest, "//") {
		hr.URL.Opaque, hr.URL.RawQuery = rest, ""
	}
}

// sendable reports whether s can be a header value: a secret with a line
// break in it would be a header of its own.
func sendable(s string) bool {
	return bytes.IndexFunc([]byte(s), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}
