package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Limits on request heads, and on trailers.
const (
	maxHead   = 256 << 10 // bytes
	maxFields = 1000
)

// A head is what comes before the body of an HTTP/1 request.
type head struct {
	method string
	target string
	minor  int // of HTTP/1.x
	fields [][2]string

	length  int64 // of the body; -1: chunked
	host    string
	close   bool // the client wants the connection closed
	upgrade string
	expect  bool // the client waits for "100 Continue"
}

// errLong is that of a head beyond its limits.
var errLong = errors.New("the head of the request is too long")

// errForeign is that of bytes that do not begin an HTTP request.
var errForeign = errors.New("not HTTP")

// readLines reads up to and including the empty line that ends a head. Each
// line must end with CR LF: a reader that takes a bare LF for an end, before
// one that does not, would see other fields. begin looks at the first line as
// soon as it is there: who speaks another protocol may wait for an answer to
// it. What was read is returned with an error too.
func readLines(r *bufio.Reader, begin func(line string) error) ([]byte, error) {
	var buf []byte
	for start := 0; ; {
		part, err := r.ReadSlice('\n')
		buf = append(buf, part...)
		switch {
		case len(buf) > maxHead:
			return buf, errLong
		case err == bufio.ErrBufferFull:
			continue
		case err != nil:
			return buf, err
		}
		line := buf[start:]
		if !bytes.HasSuffix(line, []byte("\r\n")) {
			return buf, errors.New("a line of the head ends without CR LF")
		}
		if len(line) == 2 {
			return buf, nil
		}
		if start == 0 {
			if err := begin(string(line[:len(line)-2])); err != nil {
				return buf, err
			}
		}
		start = len(buf)
	}
}

// parseHead reads a head that readLines has found, in the only form that has
// one reading (RFC 9112, sections 2 to 6).
func parseHead(b []byte) (*head, error) {
	line, rest, ok := strings.Cut(string(b), "\r\n")
	if !ok {
		return nil, errForeign
	}
	h := new(head)
	if err := h.requestLine(line); err != nil {
		return nil, err
	}
	var err error
	if h.fields, err = parseFields(rest); err != nil {
		return nil, err
	}
	if err := h.framing(); err != nil {
		return nil, err
	}
	return h, h.connection()
}

func (h *head) requestLine(line string) error {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken(parts[0]) || !strings.HasPrefix(parts[2], "HTTP/") {
		return errForeign
	}
	h.method, h.target = parts[0], parts[1]
	switch parts[2] {
	case "HTTP/1.1":
		h.minor = 1
	case "HTTP/1.0":
	default:
		return fmt.Errorf("version %.20q: only HTTP/1.0, HTTP/1.1 and, over TLS, HTTP/2 are spoken here", parts[2])
	}
	for i := range len(h.target) {
		if c := h.target[i]; c <= ' ' || c == 0x7f {
			return errors.New("a control character in the request target")
		}
	}
	if h.target == "" {
		return errForeign
	}
	return nil
}

// parseFields reads field lines up to the empty one. Names become lower-case.
func parseFields(s string) ([][2]string, error) {
	var fields [][2]string
	for {
		line, rest, ok := strings.Cut(s, "\r\n")
		if !ok {
			return nil, errors.New("the head ends without an empty line")
		}
		if line == "" {
			if rest != "" {
				return nil, errors.New("bytes after the empty line")
			}
			return fields, nil
		}
		if len(fields) == maxFields {
			return nil, errLong
		}
		name, value, ok := strings.Cut(line, ":")
		// A line that begins with white space continues the one before, to
		// some; a name that ends with it is another name, to others.
		if !ok || !isToken(name) {
			return nil, fmt.Errorf("malformed field line %.40q", line)
		}
		value = strings.Trim(value, " \t")
		if !isValue(value) {
			return nil, fmt.Errorf("a control character in the field %.40q", name)
		}
		fields = append(fields, [2]string{strings.ToLower(name), value})
		s = rest
	}
}

// framing finds how long the body is. What leaves that open is refused:
// Content-Length beside Transfer-Encoding, either of them twice, a coding
// other than chunked, a length in another form than digits (RFC 9112,
// section 6.3, without its allowances).
func (h *head) framing() error {
	lengths, codings := h.values("content-length"), h.values("transfer-encoding")
	switch {
	case len(lengths) > 0 && len(codings) > 0:
		return errors.New("both Content-Length and Transfer-Encoding")
	case len(lengths) > 1:
		return errors.New("more than one Content-Length")
	case len(codings) > 1:
		return errors.New("more than one Transfer-Encoding")
	case len(codings) == 1 && h.minor == 0:
		return errors.New("a transfer-encoding in HTTP/1.0")
	case len(codings) == 1 && !strings.EqualFold(codings[0], "chunked"):
		return fmt.Errorf("transfer-encoding %.40q: only chunked is known", codings[0])
	case len(codings) == 1:
		h.length = -1
	case len(lengths) == 1:
		n, err := strconv.ParseInt(lengths[0], 10, 63)
		if err != nil || !digits(lengths[0]) {
			return fmt.Errorf("malformed Content-Length %.40q", lengths[0])
		}
		h.length = n
	}
	return nil
}

// connection reads the fields that are for this proxy.
func (h *head) connection() error {
	hosts := h.values("host")
	if len(hosts) > 1 || h.minor == 1 && len(hosts) == 0 {
		return fmt.Errorf("%d Host fields", len(hosts))
	}
	if len(hosts) == 1 {
		h.host = hosts[0]
	}
	options := strings.ToLower(strings.Join(append(h.values("connection"), h.values("proxy-connection")...), ","))
	h.close = h.minor == 0 || hasElement(options, "close")
	if hasElement(options, "upgrade") {
		h.upgrade = strings.ToLower(strings.Join(h.values("upgrade"), ","))
	}
	for _, v := range h.values("expect") {
		if !strings.EqualFold(v, "100-continue") {
			return fmt.Errorf("expect %.40q: only 100-continue is known", v)
		}
		h.expect = h.minor == 1
	}
	return nil
}

// values returns the values of the fields called name.
func (h *head) values(name string) []string {
	var vs []string
	for _, f := range h.fields {
		if f[0] == name {
			vs = append(vs, f[1])
		}
	}
	return vs
}

// hop are the fields that are for this connection and go no further (RFC
// 9110, section 7.6.1), beside those that Connection names.
var hop = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-connection": true, "proxy-authorization": true,
	"proxy-authenticate": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
	"http2-settings": true, "expect": true,
}

// endToEnd returns the fields that are not for one connection only.
func endToEnd(fields [][2]string) [][2]string {
	named := ""
	for _, f := range fields {
		if f[0] == "connection" {
			named += "," + strings.ToLower(f[1])
		}
	}
	out := make([][2]string, 0, len(fields))
	for _, f := range fields {
		if !hop[f[0]] && !hasElement(named, f[0]) {
			out = append(out, f)
		}
	}
	return out
}

// hasElement reports whether list, comma-separated, holds want.
func hasElement(list, want string) bool {
	for e := range strings.SplitSeq(list, ",") {
		if strings.Trim(e, " \t") == want {
			return true
		}
	}
	return false
}

// isToken and isValue are the grammars of RFC 9110, sections 5.6.2 and 5.5.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// mayBegin reports whether b, the first bytes of a connection, could begin a
// request, as far as they go.
func mayBegin(b []byte) bool {
	line := string(b)
	if end := strings.IndexAny(line, "\r\n"); end >= 0 {
		line = line[:end]
	}
	method, rest, _ := strings.Cut(line, " ")
	return len(method) < 40 && isToken(method) && isValue(rest)
}

// badHead returns how a head that cannot be read is answered.
func badHead(err error) int {
	if errors.Is(err, errLong) {
		return http.StatusRequestHeaderFieldsTooLarge
	}
	return http.StatusBadRequest
}
