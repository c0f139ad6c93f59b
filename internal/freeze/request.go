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

// request makes c ready to leave: with the values of its secrets in it.
func (l *Live) request(c Call) (*http.Request, error) {
	target, err := wire.NormalURL(c.Req.URL)
	if err != nil {
		return nil, &RequestError{N: c.N, What: err.Error()}
	}
	raw, err := target.Reveal(l.secrets.value)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, &RequestError{N: c.N, What: "malformed url"} // err may hold a secret
	}
	hr := &http.Request{
		Method: strings.ToUpper(c.Req.Method), URL: u, Host: u.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if hr.Header, err = l.headers(c, hr); err != nil {
		return nil, err
	}
	if c.Req.Body == nil {
		return hr, nil
	}
	body, err := c.Req.Body.Reveal(l.secrets.value)
	if err != nil {
		return nil, err
	}
	hr.ContentLength = int64(len(body))
	hr.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	hr.Body, err = hr.GetBody()
	if len(body) == 0 {
		hr.Body = http.NoBody
	}
	return hr, err
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
	if len(h.Values("Accept-Encoding")) == 0 {
		h.Set("Accept-Encoding", "identity")
	}
	if len(h.Values("User-Agent")) == 0 {
		h.Set("User-Agent", userAgent)
	}
	return h, nil
}

// sendable reports whether s can be a header value: a secret with a line
// break in it would be a header of its own.
func sendable(s string) bool {
	return bytes.IndexFunc([]byte(s), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}
