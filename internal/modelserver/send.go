package modelserver

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
)

// A message is an answer before it is sent.
type message struct {
	status int
	kind   string // its content type
	frames [][]byte
	stream bool // the frames are sent one after the other, not as one body of known length
}

// body is the whole body.
func (m *message) body() []byte { return bytes.Join(m.frames, nil) }

// send sends a message, well or as f has it. f may be nil.
func (s *server) send(x *exchange, m *message, f *directive) {
	s.pause(x.r.Context())
	h := x.w.Header()
	h.Set("content-type", m.kind)
	if x.d != nil {
		x.d.headers(h, m.status)
	}
	if m.stream {
		h.Set("cache-control", "no-cache")
	}
	if f == nil {
		s.deliver(x, m)
		return
	}
	if coding := codingOf(x, f); coding != "" {
		h.Set("content-encoding", coding)
		h.Set("vary", "accept-encoding")
		m.frames = compress(coding, m.frames)
	}
	switch f.kind {
	case kindCut:
		s.half(x, m)
		abort()
	case kindStall:
		s.half(x, m)
		wait(x.r.Context(), s.Stall)
		abort()
	case kindBadLength:
		s.badLength(x, m, f.has("short"))
	case kindMalformed:
		s.deliver(x, m.malformed())
	case kindOverloaded:
		s.overloaded(x, m)
	default:
		s.deliver(x, m)
	}
}

// codingOf is the content coding of an answer: the one asked for, or the
// preferred one of those that the client takes.
func codingOf(x *exchange, f *directive) string {
	if f.kind == kindCoded && !f.has("coding") {
		return accepted(x.r.Header.Get("accept-encoding"))
	}
	return f.params["coding"]
}

// deliver sends a message as it is.
func (s *server) deliver(x *exchange, m *message) {
	if !m.stream {
		x.w.Header().Set("content-length", strconv.Itoa(len(m.body())))
		x.w.WriteHeader(m.status)
		x.w.Write(m.body()) // a client that has left is no concern of ours
		return
	}
	x.w.WriteHeader(m.status)
	s.flush(x, scatter(m.frames))
}

// flush sends pieces one by one, each flushed, with a pause before all but the
// first.
func (s *server) flush(x *exchange, pieces [][]byte) {
	c := http.NewResponseController(x.w)
	for i, p := range pieces {
		if i > 0 {
			s.pause(x.r.Context())
		}
		if _, err := x.w.Write(p); err != nil {
			return
		}
		if err := c.Flush(); err != nil {
			return
		}
	}
}

// scatter moves some of the borders between frames, as networks do: a frame
// may arrive with the next one, or in two pieces.
func scatter(frames [][]byte) [][]byte {
	var out [][]byte
	var held []byte
	for _, f := range frames {
		held = append(held, f...)
		switch {
		case oneIn(8) && len(held) > 1: // the rest goes with the next one
			n := between(1, len(held)-1)
			out = append(out, held[:n:n])
			held = held[n:]
		case oneIn(8):
		default:
			out = append(out, held)
			held = nil
		}
	}
	if len(held) > 0 {
		out = append(out, held)
	}
	return out
}

// half sends the first half of a message; of a stream the first half of the
// frames and half of the next one.
func (s *server) half(x *exchange, m *message) {
	if !m.stream {
		b := m.body()
		x.w.Header().Set("content-length", strconv.Itoa(len(b)))
		x.w.WriteHeader(m.status)
		s.flush(x, [][]byte{b[:len(b)/2]})
		return
	}
	x.w.WriteHeader(m.status)
	n := len(m.frames) / 2
	s.flush(x, append(scatter(m.frames[:n]), m.frames[n][:len(m.frames[n])/2]))
}

// overloaded sends half of a stream and then the provider's error event; or,
// instead of a plain answer, the provider's error.
func (s *server) overloaded(x *exchange, m *message) {
	if x.d == nil || x.a == nil || !m.stream {
		d := x.d
		if d == nil {
			d = chat{}
		}
		m = &message{status: d.overloaded(), kind: d.contentType(nil, false), frames: [][]byte{d.trouble(d.overloaded(), messageOverloaded)}}
		s.deliver(x, m)
		return
	}
	n := len(m.frames) / 2
	half := *m
	half.frames = append(m.frames[:n:n], x.d.troubleEvent(x.a, n))
	s.deliver(x, &half)
}

// malformed is a stream that is torn in an event and ends in bytes which are
// no stream, or a plain answer with half of its JSON.
func (m *message) malformed() *message {
	out := *m
	if !m.stream {
		b := m.body()
		out.frames = [][]byte{b[:len(b)/2]}
		return &out
	}
	n := len(m.frames) / 2
	torn := m.frames[n][:len(m.frames[n])/2]
	out.frames = append(m.frames[:n:n], torn, []byte("\n\nno field of any kind\ndata: \xff\xfe{]\n\n"))
	return &out
}

// badLength sends a message with a wrong Content-Length: too high, or too low.
func (s *server) badLength(x *exchange, m *message, short bool) {
	b := m.body()
	if short && rawAnswer(x, m, b, max(0, len(b)/2-1)) {
		return
	}
	x.w.Header().Set("content-length", strconv.Itoa(len(b)+64))
	x.w.WriteHeader(m.status)
	x.w.Write(b) // net/http closes the connection, as less came than was announced
}

// rawAnswer writes an answer past net/http, which would not send a length
// below the real one. It is false over HTTP/2, where there is no such thing.
func rawAnswer(x *exchange, m *message, body []byte, length int) bool {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return false
	}
	defer conn.Close()
	h := x.w.Header().Clone()
	h.Set("content-length", strconv.Itoa(length))
	h.Set("connection", "close")
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", m.status, http.StatusText(m.status))
	h.Write(&b) // a bytes.Buffer takes everything
	b.WriteString("\r\n")
	b.Write(body)
	conn.Write(b.Bytes())
	return true
}

// abort ends an answer before its end: net/http closes the connection, or
// resets the HTTP/2 stream.
func abort() { panic(http.ErrAbortHandler) }

// resetConnection ends a connection with a TCP reset. Over HTTP/2 only the
// stream is reset.
func resetConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		abort()
	}
	raw := conn
	if t, ok := conn.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok {
		t.SetLinger(0) // closing sends RST, not FIN
	}
	raw.Close()
}
