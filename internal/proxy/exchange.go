package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An Exchange is one request of a program and the answer it is given. Its
// methods are called by one goroutine, in this order: Head, any number of
// Writes, End; or Abort or Cut at any moment instead of what is left. A
// program that leaves makes them return an error that is [ErrLeft].
type Exchange struct {
	Context context.Context // done when the client left, or the server is closed
	Method  string
	URL     string      // absolute, as sent; default port and fragment dropped
	Header  [][2]string // names lower-case; in order of arrival with HTTP/1, else sorted; hop-by-hop fields left out
	Body    []byte      // whole, at most [wire.MaxBody] bytes
	Trailer [][2]string // of the request
	Proto   string      // HTTP/1.0, HTTP/1.1 or HTTP/2.0
	Conn    int64       // number of the connection, from 1

	out   answer
	conn  *conn
	state state
	left  int64 // bytes of the body still owed; -1: not announced
}

// An answer puts what an Exchange is given on a connection.
type answer interface {
	// head sends it with the body when that is said to follow at once.
	head(status int, headers [][2]string, length int64, bodyless, follows bool) error
	write(chunk []byte) error
	end(trailers [][2]string) error
	abort() // the connection or stream is reset
	cut()   // it ends too early, in order
}

type state uint8

const (
	fresh state = iota
	headed
	ended
	aborted
)

// ErrLeft is that of an answer whose client has left.
var ErrLeft = errors.New("the program left before the end of its answer")

// Head begins the answer; it is sent at once. status is from 200 to 999. The
// names of headers may be in any case; fields for one connection only are
// left out. A status or field that no answer can have, a line break in a
// value among them, is an error, and nothing is sent.
//
// With a content-length in headers, the body must have that many bytes.
func (x *Exchange) Head(status int, headers [][2]string) error {
	return x.head(status, headers, false)
}

// Short sends a whole answer at once.
func (x *Exchange) Short(status int, headers [][2]string, body []byte, trailers [][2]string) error {
	if err := x.head(status, headers, len(body) > 0); err != nil {
		return err
	}
	if err := x.Write(body); err != nil {
		return err
	}
	return x.End(trailers)
}

func (x *Exchange) head(status int, headers [][2]string, follows bool) error {
	if x.state != fresh {
		return errors.New("proxy: the answer has a head already, or is over")
	}
	if status < 200 || status > 999 {
		return fmt.Errorf("proxy: an answer cannot have status %d", status)
	}
	fields, err := cleanFields(headers)
	if err != nil {
		return err
	}
	length, fields, err := takeLength(fields)
	if err != nil {
		return err
	}
	bodyless := x.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
	x.left = length
	if bodyless {
		x.left = 0
	}
	x.state = headed
	return x.out.head(status, fields, length, bodyless, follows)
}

// Write sends a part of the body at once, and blocks while the client does
// not take it. An empty chunk is nothing.
func (x *Exchange) Write(chunk []byte) error {
	switch {
	case x.state != headed:
		return errors.New("proxy: a body goes between head and end")
	case len(chunk) == 0:
		return nil
	case x.left >= 0 && int64(len(chunk)) > x.left:
		return fmt.Errorf("proxy: the body is %d bytes longer than its content-length", int64(len(chunk))-x.left)
	case x.left >= 0:
		x.left -= int64(len(chunk))
	}
	if x.Context.Err() != nil {
		return ErrLeft
	}
	return x.out.write(chunk)
}

// End ends the answer in order. Trailers are sent where the protocol has a
// place for them: with HTTP/2, and with HTTP/1.1 when the head has no
// content-length. When the body is shorter than its content-length the
// answer is cut instead, and that is the error.
func (x *Exchange) End(trailers [][2]string) error {
	if x.state != headed {
		return errors.New("proxy: an answer ends once, after its head")
	}
	fields, err := cleanFields(trailers)
	if err != nil {
		return err
	}
	if x.left > 0 {
		left := x.left
		x.Cut()
		return fmt.Errorf("proxy: the body is %d bytes shorter than its content-length", left)
	}
	x.state = ended
	return x.out.end(fields)
}

// Abort makes the client see its connection reset, also before a head, after
// it has got what was written. With HTTP/2 it is the stream that is reset.
func (x *Exchange) Abort() {
	if x.state < ended {
		x.state = aborted
		x.out.abort()
	}
}

// Cut makes the client see its connection closed too early, as by a server
// that died. With HTTP/2 it is the same as Abort.
func (x *Exchange) Cut() {
	if x.state < ended {
		x.state = aborted
		x.out.cut()
	}
}

// Delivered waits until the program's side of the connection has what was
// written, or limit has passed. It has been woken then, if it waited for it.
func (x *Exchange) Delivered(limit time.Duration) {
	if x.conn == nil {
		return
	}
	if tcp, ok := x.conn.Conn.(*net.TCPConn); ok {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		drain(ctx, tcp)
	}
}

// cleanFields returns the fields of an answer as they may be sent: answers
// come from recordings, and those from anywhere.
func cleanFields(fields [][2]string) ([][2]string, error) {
	out := make([][2]string, 0, len(fields))
	for _, f := range fields {
		if !isToken(f[0]) || !isValue(f[1]) {
			return nil, fmt.Errorf("proxy: header %.80q: malformed", f[0])
		}
		out = append(out, [2]string{strings.ToLower(f[0]), f[1]})
	}
	return endToEnd(out), nil
}

// takeLength takes content-length out of fields. Several that agree are one.
func takeLength(fields [][2]string) (int64, [][2]string, error) {
	length, rest := int64(-1), fields[:0]
	for _, f := range fields {
		if f[0] != "content-length" {
			rest = append(rest, f)
			continue
		}
		n, err := strconv.ParseInt(f[1], 10, 63)
		if err != nil || !digits(f[1]) || length >= 0 && n != length {
			return 0, nil, fmt.Errorf("proxy: content-length %.40q: malformed", f[1])
		}
		length = n
	}
	return length, rest, nil
}
