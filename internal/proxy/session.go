package proxy

import (
	"bufio"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// A session is the HTTP/1 talk on one connection, plain or within TLS.
type session struct {
	s     *Server
	c     *conn
	rw    net.Conn // c, or the TLS connection over it
	r     *bufio.Reader
	w     *bufio.Writer
	scope scope
}

func newSession(s *Server, c *conn, rw net.Conn, sc scope) *session {
	r := c.r
	if rw != net.Conn(c) {
		r = bufio.NewReader(rw)
	}
	return &session{s: s, c: c, rw: rw, r: r, w: bufio.NewWriterSize(rw, 16<<10), scope: sc}
}

// explicit serves a connection to the explicit door.
func (s *Server) explicit(c *conn) {
	if err := s.o.Peer(c.Conn); err != nil {
		s.o.Refused(Refusal{Why: err.Error()})
		c.reset()
		return
	}
	if _, err := c.first(s.limits.first); err != nil {
		return // opened and not used, as some pools do
	}
	newSession(s, c, c, scope{explicit: true}).serve()
}

// inner serves what comes on a connection for t.
func (s *Server) inner(c *conn, t Target) {
	b, err := c.first(s.limits.inner)
	switch {
	case silent(err):
		s.o.Refused(Refusal{t.String(), "the program said nothing: a protocol in which the server speaks first, or none; only HTTP and HTTPS are answered"})
		c.reset()
	case err != nil:
		// Opened and closed again: a look whether something listens.
	case b == 0x16:
		s.secure(c, t)
	default:
		s.plain(c, t)
	}
}

// plain serves a connection for t that does not begin with TLS.
func (s *Server) plain(c *conn, t Target) {
	c.scope = scope{scheme: "http", target: t}
	if !s.o.Exact && c.begins(preface, s.limits.head) {
		s.serveHTTP2(c, c)
		return
	}
	newSession(s, c, c, c.scope).serve()
}

// serve answers requests until one ends the connection.
func (p *session) serve() {
	for first := true; ; first = false {
		// How long a connection is kept between two requests is the
		// program's business.
		if _, err := p.r.Peek(1); err != nil {
			return
		}
		h, err := p.readHead(first)
		if err != nil {
			p.badHead(err, first)
			return
		}
		if !p.one(h) {
			return
		}
	}
}

// readHead reads the next head, in the time that one may take.
func (p *session) readHead(first bool) (*head, error) {
	p.rw.SetReadDeadline(time.Now().Add(p.s.limits.head))
	defer p.rw.SetReadDeadline(time.Time{})
	if !first {
		// RFC 9112, section 2.2: some clients end a body with a CR LF that
		// is not counted in.
		if b, err := p.r.Peek(2); err == nil && string(b) == "\r\n" {
			p.r.Discard(2)
		}
	}
	if begin, err := p.r.Peek(p.r.Buffered()); err == nil && !mayBegin(begin) {
		return nil, errForeign
	}
	b, err := readLines(p.r, new(head).requestLine)
	if err != nil {
		return nil, err
	}
	return parseHead(b)
}

// badHead answers a head that cannot be read, if anybody is there to hear it.
func (p *session) badHead(err error, first bool) {
	target := ""
	if !p.scope.explicit {
		target = p.scope.target.String()
	}
	switch {
	case err == errForeign && first:
		p.s.o.Refused(Refusal{target, "not HTTP: only HTTP and HTTPS are answered"})
		p.c.reset()
	case silent(err):
		p.refuse(refuse(http.StatusRequestTimeout, target, "the head of the request did not come whole within %v", p.s.limits.head))
	case err == io.EOF, isGone(err):
		// The client is gone.
	default:
		p.refuse(refuse(badHead(err), target, "%v", err))
	}
}

// one answers the request that h begins, and reports whether another may
// follow on the connection.
func (p *session) one(h *head) bool {
	if p.scope.explicit {
		if r := p.authorise(h); r != nil {
			return p.refuse(r)
		}
	}
	if h.method == http.MethodConnect {
		return p.connect(h)
	}
	url, t, r := p.scope.url(h.target, h.host)
	if r == nil {
		r = p.s.admit(p.scope, t, url, h.upgrade)
	}
	if r != nil {
		return p.refuse(r)
	}
	body, trailers, err := p.readBody(h)
	if err != nil {
		if status := badBody(err); status != 0 {
			p.refuse(refuse(status, url, "%v", err))
		}
		return false
	}
	return p.exchange(h, url, body, trailers)
}

// admit says why a request for url, which leads to t, is not answered.
func (s *Server) admit(sc scope, t Target, url, upgrade string) *refusal {
	if hasElement(upgrade, "websocket") {
		// 426 is what makes clients that also speak plain HTTP turn to it at
		// once, without trying again first.
		return refuse(http.StatusUpgradeRequired, url, "WebSockets are not recorded: use HTTP")
	}
	if !sc.explicit {
		// A name in the request does not change where its connection leads.
		t.Allowed = sc.target.Allowed
		if sc.target.Addr.IsValid() {
			t.Addr = sc.target.Addr
		}
	}
	if err := s.o.Permit(t); err != nil {
		return refuse(http.StatusForbidden, url, "%v", err)
	}
	return nil
}

// authorise holds a request to the token.
func (p *session) authorise(h *head) *refusal {
	if p.s.o.Token == "" {
		return nil
	}
	for _, v := range h.values("proxy-authorization") {
		if subtle.ConstantTimeCompare([]byte(password(v)), []byte(p.s.o.Token)) == 1 {
			return nil
		}
	}
	r := refuse(http.StatusProxyAuthRequired, h.target, "no token, or a wrong one: only the run's own processes are answered")
	r.header = [][2]string{{"Proxy-Authenticate", `Basic realm="coo"`}}
	return r
}

// password returns the token in a Proxy-Authorization field.
func password(v string) string {
	scheme, rest, _ := strings.Cut(v, " ")
	switch strings.ToLower(scheme) {
	case "bearer":
		return strings.Trim(rest, " ")
	case "basic":
		b, err := base64.StdEncoding.DecodeString(strings.Trim(rest, " "))
		if err != nil {
			return ""
		}
		_, pass, _ := strings.Cut(string(b), ":")
		return pass
	}
	return ""
}

// connect answers CONNECT and serves what comes through the tunnel.
func (p *session) connect(h *head) bool {
	if !p.scope.explicit {
		return p.refuse(refuse(http.StatusMethodNotAllowed, p.scope.target.String(), "CONNECT %.80q within a connection", h.target))
	}
	t, err := parseAuthority(h.target)
	if err != nil || t.Port == 0 || h.length != 0 {
		return p.refuse(refuse(http.StatusBadRequest, h.target, "CONNECT %.80q: not a host and a port alone", h.target))
	}
	if err := p.s.o.Permit(t); err != nil {
		return p.refuse(refuse(http.StatusForbidden, t.String(), "%v", err))
	}
	if _, err := io.WriteString(p.rw, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return false
	}
	p.s.inner(p.c, t)
	return false
}

// refuse sends r, tells of it, and ends the connection: what else the client
// sent may not be what it seems.
func (p *session) refuse(r *refusal) bool {
	p.s.o.Refused(Refusal{r.target, r.why})
	text := "coo: " + r.why + "\n"
	fmt.Fprintf(p.w, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n",
		r.status, http.StatusText(r.status), len(text))
	for _, f := range r.header {
		fmt.Fprintf(p.w, "%s: %s\r\n", f[0], f[1])
	}
	p.w.WriteString("\r\n" + text)
	p.rw.SetWriteDeadline(time.Now().Add(p.s.limits.linger))
	if p.w.Flush() == nil {
		closeWrite(p.rw)
		linger(p.c, p.s.limits.linger)
	}
	return false
}

// exchange lets the handler answer, and reports whether the connection can
// go on.
func (p *session) exchange(h *head, url string, body []byte, trailers [][2]string) bool {
	ctx, leave := context.WithCancel(p.s.ctx)
	defer leave()
	a := &answer1{ctx: ctx, p: p, h: h}
	x := &Exchange{
		Context: ctx,
		Method:  h.method,
		URL:     url,
		Header:  requestFields(h.fields),
		Body:    body,
		Trailer: trailers,
		Proto:   fmt.Sprintf("HTTP/1.%d", h.minor),
		Conn:    p.c.n,
		out:     a,
		conn:    p.c,
	}
	watched := make(chan struct{})
	p.c.work(1)
	go func() {
		defer close(watched)
		defer p.c.work(-1)
		p.watch(leave)
	}()
	p.s.o.Handler.Serve(x)
	x.Abort()
	if a.cutting {
		linger(p.c, p.s.limits.linger)
	}
	// Wake the watcher: the next request is read here.
	p.rw.SetReadDeadline(time.Unix(1, 0))
	<-watched
	p.rw.SetReadDeadline(time.Time{})
	return !a.last
}

// watch calls leave when the client leaves. Requests that it sends meanwhile
// stay in the buffer; when that is full, nothing more is read, and only a
// write can tell.
func (p *session) watch(leave func()) {
	for p.r.Buffered() < p.r.Size() {
		_, err := p.r.Peek(p.r.Buffered() + 1)
		if silent(err) {
			return
		}
		if err != nil {
			leave()
			return
		}
	}
}

// requestFields are those that the Exchange shows. Host is in its URL.
func requestFields(fields [][2]string) [][2]string {
	out := endToEnd(fields)
	kept := out[:0]
	for _, f := range out {
		if f[0] != "host" {
			kept = append(kept, f)
		}
	}
	return kept
}
