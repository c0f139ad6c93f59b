package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
)

// An answer1 is an answer in HTTP/1. A body has the length its head tells, or
// goes in chunks; to a client of HTTP/1.0, whose protocol has none, it ends
// with the connection.
type answer1 struct {
	ctx      context.Context // done when the client has left
	p        *session
	h        *head
	bodyless bool
	chunked  bool
	last     bool // the connection ends with this answer
	cutting  bool // and too early
}

func (a *answer1) head(status int, fields [][2]string, length int64, bodyless, follows bool) error {
	w := a.p.w
	a.bodyless = bodyless
	a.chunked = !bodyless && length < 0 && a.h.minor == 1
	a.last = a.h.close || !bodyless && length < 0 && !a.chunked
	fmt.Fprintf(w, "HTTP/1.1 %03d %s\r\n", status, http.StatusText(status))
	writeFields(a.p, fields)
	if length >= 0 && status != http.StatusNoContent {
		w.WriteString("Content-Length: " + strconv.FormatInt(length, 10) + "\r\n")
	}
	if a.chunked {
		w.WriteString("Transfer-Encoding: chunked\r\n")
	}
	if a.last {
		w.WriteString("Connection: close\r\n")
	}
	w.WriteString("\r\n")
	if follows {
		return nil
	}
	return a.flush()
}

func writeFields(p *session, fields [][2]string) {
	for _, f := range fields {
		p.w.WriteString(textproto.CanonicalMIMEHeaderKey(f[0]))
		p.w.WriteString(": ")
		p.w.WriteString(f[1])
		p.w.WriteString("\r\n")
	}
}

func (a *answer1) write(chunk []byte) error {
	w := a.p.w
	if a.chunked {
		w.WriteString(strconv.FormatInt(int64(len(chunk)), 16) + "\r\n")
	}
	w.Write(chunk)
	if a.chunked {
		w.WriteString("\r\n")
	}
	return a.flush()
}

func (a *answer1) end(trailers [][2]string) error {
	if !a.chunked {
		return nil
	}
	a.p.w.WriteString("0\r\n")
	writeFields(a.p, trailers)
	a.p.w.WriteString("\r\n")
	return a.flush()
}

// flush sends what is in the buffer. An error of any write before it is in
// the buffer too.
func (a *answer1) flush() error {
	if a.p.w.Flush() != nil {
		a.last = true
		return ErrLeft
	}
	return nil
}

func (a *answer1) abort() {
	a.last = true
	if tcp, ok := a.p.c.Conn.(*net.TCPConn); ok {
		// How much of what was written arrives would else be a matter of
		// luck.
		drain(a.ctx, tcp)
	}
	a.p.c.reset()
}

func (a *answer1) cut() {
	a.last = true
	a.cutting = true
	closeWrite(a.p.rw)
}
