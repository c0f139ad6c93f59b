package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"time"
)

// errBig is that of a body longer than [Server] takes.
var errBig = errors.New("the body of the request is too long: at most 64 MiB are recorded")

// readBody reads the body that h announces, and its trailers.
func (s *session) readBody(h *head) (body []byte, trailers [][2]string, err error) {
	if h.length == 0 {
		return nil, nil, nil
	}
	if h.length > s.s.limits.size {
		return nil, nil, errBig
	}
	if h.expect && s.r.Buffered() == 0 {
		if _, err := io.WriteString(s.rw, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return nil, nil, err
		}
	}
	defer s.rw.SetReadDeadline(time.Time{})
	if h.length > 0 {
		body, err = readAll(&patient{io.LimitReader(s.r, h.length), s.rw, s.s.limits.body}, h.length, s.s.limits.size)
		if err == nil && int64(len(body)) < h.length {
			err = io.ErrUnexpectedEOF
		}
		return body, nil, err
	}
	// The chunked reader reads from a bufio.Reader no more than its own.
	if body, err = readAll(&patient{httputil.NewChunkedReader(s.r), s.rw, s.s.limits.body}, 0, s.s.limits.size); err != nil {
		return nil, nil, err
	}
	trailers, err = readTrailers(s.r)
	return body, trailers, err
}

// readTrailers reads what follows the last chunk. A field that would have
// said how to read the body, or where it goes, is too late.
func readTrailers(r *bufio.Reader) ([][2]string, error) {
	b, err := readLines(r, func(string) error { return nil })
	if err != nil {
		return nil, err
	}
	fields, err := parseFields(string(b))
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		if hop[f[0]] || f[0] == "content-length" || f[0] == "host" {
			return nil, fmt.Errorf("the field %q among the trailers", f[0])
		}
	}
	return fields, nil
}

// A patient reader waits for each part only so long.
type patient struct {
	r io.Reader
	c interface {
		SetReadDeadline(t time.Time) error
	}
	patience time.Duration
}

func (p *patient) Read(b []byte) (int, error) {
	p.c.SetReadDeadline(time.Now().Add(p.patience))
	return p.r.Read(b)
}

// readAll reads r to its end, which must come within limit. size is a hint.
func readAll(r io.Reader, size, limit int64) ([]byte, error) {
	var b bytes.Buffer
	// What is announced need not come.
	b.Grow(int(min(size, 1<<20)) + bytes.MinRead)
	n, err := b.ReadFrom(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, errBig
	}
	return b.Bytes(), nil
}

// badBody returns how a body that could not be read is answered, 0: not at
// all, for the client is gone.
func badBody(err error) int {
	switch {
	case errors.Is(err, errBig):
		return http.StatusRequestEntityTooLarge
	case silent(err):
		return http.StatusRequestTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), isGone(err):
		return 0
	}
	return http.StatusBadRequest
}

// isGone reports whether err is that of a connection, not of what came.
func isGone(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	return ok
}
