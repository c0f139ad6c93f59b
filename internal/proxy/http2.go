package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"sync"
	"time"

	"github.com/coo-runtime/coo/internal/wire"
)

// preface begins a connection that speaks HTTP/2 without having agreed on it
// (RFC 9113, section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// connKey finds the conn in the context of a request.
type connKey struct{}

// startHTTP2 prepares net/http's server, which gets only connections that are
// known to speak HTTP/2. It does not offer extended CONNECT (RFC 8441), so
// that clients do not try WebSockets over it.
func (s *Server) startHTTP2() {
	s.feed = &feed{conns: make(chan net.Conn), done: make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s.h2 = &http.Server{
		Handler:        http.HandlerFunc(s.stream),
		Protocols:      protocols,
		MaxHeaderBytes: maxHead,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 1000,
		},
		ErrorLog: log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			if t, ok := nc.(*tls.Conn); ok {
				nc = t.NetConn()
			}
			return context.WithValue(ctx, connKey{}, nc)
		},
		BaseContext: func(net.Listener) context.Context { return s.ctx },
	}
	s.running.Go(func() { s.h2.Serve(s.feed) })
}

// serveHTTP2 lets net/http serve rw, which is c or TLS over it, and returns
// when the connection is closed.
func (s *Server) serveHTTP2(c *conn, rw net.Conn) {
	select {
	case s.feed.conns <- rw:
		<-c.closed
	case <-s.feed.done:
	}
}

// A feed is a listener whose connections were accepted elsewhere.
type feed struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

func (f *feed) Close() error {
	f.once.Do(func() { close(f.done) })
	return nil
}

func (f *feed) Addr() net.Addr { return &net.TCPAddr{} }

// stream answers one request of an HTTP/2 connection.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*conn)
	rc := http.NewResponseController(w)
	url, body, refusal := s.read2(c, r, rc)
	if refusal != nil {
		s.refuse2(w, refusal)
		return
	}
	a := &answer2{w: w, rc: rc, over: make(chan bool, 1)}
	x := &Exchange{
		Context: r.Context(),
		Method:  r.Method,
		URL:     url,
		Header:  requestFields(wire.HeaderList(r.Header)),
		Body:    body,
		Trailer: wire.HeaderList(r.Trailer),
		Proto:   r.Proto,
		Conn:    c.n,
		out:     a,
		conn:    c,
	}
	if !s.enter(func() {}) {
		panic(http.ErrAbortHandler)
	}
	// A goroutine of its own: net/http would hide a panic of the handler.
	go func() {
		defer s.running.Done()
		s.o.Handler.Serve(x)
		x.Abort()
		a.finish(true)
	}()
	if !<-a.over {
		panic(http.ErrAbortHandler) // resets the stream
	}
}

// read2 returns what a request asks for, or why it is refused.
func (s *Server) read2(c *conn, r *http.Request, rc *http.ResponseController) (url string, body []byte, refused *refusal) {
	if r.Method == http.MethodConnect {
		return "", nil, refuse(http.StatusNotImplemented, c.scope.target.String(), "CONNECT within HTTP/2: neither tunnels nor WebSockets are recorded")
	}
	// A Host beside an :authority is a second reading of one thing.
	if host := r.Header.Get("Host"); host != "" && host != r.Host {
		return "", nil, refuse(http.StatusBadRequest, c.scope.target.String(), "Host %.80q beside :authority %.80q", host, r.Host)
	}
	url, t, refused := c.scope.url(r.RequestURI, r.Host)
	if refused == nil {
		refused = s.admit(c.scope, t, url, "")
	}
	if refused != nil {
		return "", nil, refused
	}
	body, err := readAll(&patient{r.Body, rc, s.limits.body}, r.ContentLength, s.limits.size)
	rc.SetReadDeadline(time.Time{})
	if status := badBody(err); err != nil && status != 0 {
		return "", nil, refuse(status, url, "%v", err)
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return url, body, nil
}

func (s *Server) refuse2(w http.ResponseWriter, r *refusal) {
	s.o.Refused(Refusal{r.target, r.why})
	text := "coo: " + r.why + "\n"
	w.Header()["Date"] = nil
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(r.status)
	io.WriteString(w, text)
}

// An answer2 is an answer on an HTTP/2 stream.
type answer2 struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	over chan bool // true: in order, false: to be reset
	once sync.Once
}

// finish lets the stream end, in order or not. What comes first holds.
func (a *answer2) finish(inOrder bool) {
	a.once.Do(func() { a.over <- inOrder })
}

func (a *answer2) head(status int, fields [][2]string, length int64, _, follows bool) error {
	h := a.w.Header()
	// net/http would add both.
	h["Date"], h["Content-Type"] = nil, nil
	for _, f := range fields {
		name := textproto.CanonicalMIMEHeaderKey(f[0])
		h[name] = append(h[name], f[1])
	}
	if length >= 0 && status != http.StatusNoContent {
		h.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	a.w.WriteHeader(status)
	if follows {
		return nil
	}
	return a.flush()
}

func (a *answer2) write(chunk []byte) error {
	if _, err := a.w.Write(chunk); err != nil {
		return ErrLeft
	}
	return a.flush()
}

func (a *answer2) flush() error {
	if a.rc.Flush() != nil {
		return ErrLeft
	}
	return nil
}

func (a *answer2) end(trailers [][2]string) error {
	h := a.w.Header()
	for _, f := range trailers {
		name := http.TrailerPrefix + textproto.CanonicalMIMEHeaderKey(f[0])
		h[name] = append(h[name], f[1])
	}
	a.finish(true)
	return nil
}

func (a *answer2) abort() { a.finish(false) }
func (a *answer2) cut()   { a.finish(false) }
