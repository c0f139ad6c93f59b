// Package proxy is the way in for the traffic of programs. It ends their
// connections, TLS included, and turns each request into one [Exchange],
// which a [Handler] answers. It never connects to anything itself.
//
// A program comes in on one of two doors. The explicit one is a proxy as
// HTTPS_PROXY names it; the transparent one takes connections that the kernel
// redirected here:
//
//	explicit      GET http://api.example/v1 HTTP/1.1      one exchange
//	              CONNECT api.example:443 HTTP/1.1        then as transparent
//	transparent   16 03 01 …                              TLS: certificate by SNI
//	              GET /v1 HTTP/1.1                        plain HTTP, by Host
//	              anything else, or silence               refused
//
// What it promises:
//
//   - It answers the run's own processes only: at the explicit door those with
//     the token, on loopback, of the same user.
//   - A request has one reading. What two parsers might read differently (a
//     length beside a transfer coding, a folded line, a bare line feed, a
//     second Host) is refused, and never passed on.
//   - Each chunk of an answer leaves when it is written, and a writer waits
//     for a slow client: nothing is gathered in memory.
//   - Whatever is refused is told to [Options.Refused], with the reason.
//   - The key of the CA stays in this process's memory.
package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/coo-runtime/coo/internal/wire"
)

// A Handler answers exchanges. Serve is called in a goroutine of its own for
// each and returns when the exchange is over; one that it has not ended then
// is aborted.
type Handler interface {
	Serve(x *Exchange)
}

// Options say what a [Server] does. CA and Handler are required.
type Options struct {
	CA      *CA
	Handler Handler
	// Refused is told what was refused. It is called from many goroutines
	// and should return quickly. It may be nil.
	Refused func(Refusal)
	// Token is the password that the explicit door asks for in
	// Proxy-Authorization, with any user name (Basic), or alone (Bearer).
	// Without one the door asks for none.
	Token string
	// Peer says why the other end of a connection to the explicit door is
	// not answered. Nil means [SameUser].
	Peer func(net.Conn) error
	// Permit says why a target may not be reached. Nil means [NotMetadata].
	Permit func(Target) error
	// Exact is for programs to which the same is done at the same moment each
	// time: what a client is sent has the same number of bytes, whatever is
	// random in it, HTTP/1.1 is all that is spoken, and no wait is ended by
	// the time of this machine. A connection that has a method Work(more int)
	// is told of each goroutine beside its first that reads from it.
	Exact bool
}

// A Target is what a program connects to.
type Target struct {
	Host    string     // name in lower case, or address; "" when only Addr is known
	Addr    netip.Addr // zero when only Host is known
	Port    int
	Allowed bool // who redirected the connection knows that it may be reached
}

// String returns "host:port".
func (t Target) String() string {
	host := t.Host
	if host == "" && t.Addr.IsValid() {
		host = t.Addr.String()
	}
	return net.JoinHostPort(host, fmt.Sprint(t.Port))
}

// A Refusal is something a program wanted and did not get.
type Refusal struct {
	Target string // "host:port", or the URL; "" when it is not known
	Why    string
}

// limits are how long a connection may be silent, and how long a body. They
// are fields so that tests can be short.
type limits struct {
	first  time.Duration // before its first byte at the explicit door
	inner  time.Duration // before the first byte to a target: servers that speak first
	head   time.Duration // for the whole of a request's head, once begun
	tls    time.Duration // for a handshake
	body   time.Duration // between two parts of a request's body
	size   int64         // bytes of the longest body of a request
	linger time.Duration // for a client to read the last of what it is told
}

// inner is what a program that waits for a server's greeting
// loses. It is not shorter because a busy program that has opened hundreds of
// connections takes seconds to come to the last.
var defaultLimits = limits{
	first:  time.Minute,
	inner:  10 * time.Second,
	head:   10 * time.Second,
	tls:    30 * time.Second,
	body:   5 * time.Minute,
	linger: time.Second,
	size:   wire.MaxBody,
}

// exactLimits leave it to the program how long it waits.
var exactLimits = limits{
	first: forever, inner: forever, head: forever, tls: forever, body: forever, linger: forever,
	size: wire.MaxBody,
}

const forever = 10 * 365 * 24 * time.Hour

// A Server takes connections on any number of listeners.
type Server struct {
	o       Options
	limits  limits
	tls     *tls.Config
	h2      *http.Server
	feed    *feed
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup // connections, exchanges and the HTTP/2 server

	mu        sync.Mutex // guards the rest
	last      int64      // number of the newest connection
	conns     map[*conn]bool
	listeners map[net.Listener]bool
	closed    bool
}

// New returns a server that serves nothing yet. It is to be closed.
func New(o Options) *Server {
	if o.Refused == nil {
		o.Refused = func(Refusal) {}
	}
	if o.Peer == nil {
		o.Peer = SameUser
	}
	if o.Permit == nil {
		o.Permit = NotMetadata
	}
	s := &Server{
		o:         o,
		limits:    defaultLimits,
		conns:     map[*conn]bool{},
		listeners: map[net.Listener]bool{},
	}
	if o.Exact {
		s.limits = exactLimits
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.tls = s.tlsConfig()
	s.startHTTP2()
	return s
}

// ServeProxy answers the connections of l as an explicit proxy. It returns
// nil after Close, and otherwise why l accepts no more.
func (s *Server) ServeProxy(l net.Listener) error {
	return s.accept(l, s.explicit)
}

// ServeTransparent answers the connections of l as if it were what they were
// meant for; dst says what that is. It returns nil after Close, and otherwise
// why l accepts no more.
func (s *Server) ServeTransparent(l net.Listener, dst func(net.Conn) (Target, error)) error {
	return s.accept(l, func(c *conn) {
		t, err := dst(c.Conn)
		if err != nil {
			s.o.Refused(Refusal{Why: fmt.Sprintf("a connection to an unknown target: %v", err)})
			c.reset()
			return
		}
		s.inner(c, t)
	})
}

// accept hands each connection of l to serve, in a goroutine of its own.
func (s *Server) accept(l net.Listener, serve func(*conn)) error {
	if !s.enter(func() { s.listeners[l] = true }) {
		l.Close()
		return nil
	}
	defer s.running.Done()
	defer l.Close()
	for {
		nc, err := l.Accept()
		if err != nil {
			if s.ctx.Err() != nil {
				return nil
			}
			if !passing(err) {
				return fmt.Errorf("proxy: %w", err)
			}
			// Out of descriptors: connections that end give some back.
			time.Sleep(10 * time.Millisecond)
			continue
		}
		c := newConn(nc)
		if !s.enter(func() { s.last++; c.n = s.last; s.conns[c] = true }) {
			c.Close()
			return nil
		}
		go func() {
			defer s.running.Done()
			serve(c)
			c.Close()
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.conns, c)
		}()
	}
}

// enter adds to what Close waits for, and calls do, unless s is closed.
func (s *Server) enter(do func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	do()
	return true
}

// Close closes all listeners and connections, and waits until every exchange
// is over. Handlers learn of it by their exchange's Context.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.cancel()
	// order: each is closed on its own, and nobody sees which was first
	for l := range s.listeners {
		l.Close()
	}
	// order: likewise
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.feed.Close()
	err := s.h2.Close()
	s.running.Wait()
	return err
}

// passing reports whether accepting may go on after err.
func passing(err error) bool {
	e, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && e.Temporary()
}
