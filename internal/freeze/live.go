package freeze

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coo-runtime/coo/internal/wire"
)

// LiveOptions say how calls leave.
type LiveOptions struct {
	// Resolve maps "host:port", lower-case, to the "ip:port" that is
	// connected to instead; see [ParseResolve].
	Resolve map[string]string
	// RootCAs are the certificate authorities that are believed; nil means
	// the system's. See [LoadCA].
	RootCAs *x509.CertPool
	// Secret returns the real value of a secret. It is asked when a call
	// that holds the secret leaves, and may be nil when there are none.
	Secret func(name string) (string, bool)
	Limits Limits
}

// Limits bound what a call may take. A zero field means its default.
type Limits struct {
	// Body is the length in bytes of the longest body, decoded: 64 MiB,
	// which is also the most. A longer one ends with the failure "limit".
	Body int64
	// Held is how many bytes of bodies may have arrived, whole or not, and not
	// been taken: 384 MiB. More end the run, with a [*HeldError].
	Held int64
	// Concurrency is the number of calls in flight at once: 64. Others wait.
	Concurrency int
	// Timeout is how long a call without a timeout of its own waits for the
	// head of its answer, and then for each further part: 60 s.
	Timeout time.Duration
	// Total is how long one exchange may take altogether: 1 h.
	Total time.Duration
	// Idle is what Timeout is for the calls of a program, which has timeouts
	// of its own: 10 min. Nothing else bounds how long they take.
	Idle time.Duration
}

func (l Limits) withDefaults() Limits {
	if l.Body <= 0 || l.Body > wire.MaxBody {
		l.Body = wire.MaxBody
	}
	if l.Held <= 0 {
		l.Held = 384 << 20
	}
	if l.Concurrency <= 0 {
		l.Concurrency = 64
	}
	if l.Timeout <= 0 {
		l.Timeout = time.Minute
	}
	if l.Total <= 0 {
		l.Total = time.Hour
	}
	if l.Idle <= 0 {
		l.Idle = 10 * time.Minute
	}
	return l
}

const (
	// keepAlive is the time between two signs of life on a connection.
	keepAlive = 30 * time.Second
	// idleConn is how long an unused connection is kept. It is short because
	// a server that closes one at the moment a POST is sent on it makes a
	// failure that has nothing to do with the call.
	idleConn = 2 * time.Second
	// idleProgramConn is the same for a program, whose own client would keep
	// a connection for about so long.
	idleProgramConn = 5 * time.Second
	// programConns is the number of unused connections kept for each host.
	programConns = 256
	// maxHead is the length in bytes of the longest answer head.
	maxHead = 1 << 20
)

// Live sends calls out and delivers the answers in the order in which they
// arrive whole. Every byte a mission gets to see, and that is stored, has
// passed the search for secrets.
type Live struct {
	limits    Limits
	secrets   secrets
	resolve   map[string]string
	transport *http.Transport // of missions
	streams   *http.Transport // of programs
	slots     chan struct{}   // holds one value for each call in flight
	running   sync.WaitGroup
	held      atomic.Int64  // what [Limits.Held] bounds
	arrived   chan struct{} // has a value when arrivals may have one
	// closing is done when Close was called, which cancels the streams.
	closing context.Context
	close   context.CancelFunc

	mu       sync.Mutex // guards the rest
	arrivals []arrival  // finished and not taken
	waiting  int        // calls asked and not taken
	cancels  map[int64]context.CancelCauseFunc
	closed   bool
}

// An arrival is a delivery, or why there is none.
type arrival struct {
	d    *Delivery
	err  error
	held int64 // bytes of it that count as held until it is taken
}

// errClosed is why a call ends that Close cancels.
var errClosed = errors.New("freeze: closed")

// NewLive returns a Live that sends calls as o says. Proxies are taken from
// the environment, as net/http does, except for hosts in o.Resolve.
func NewLive(o LiveOptions) *Live {
	limits := o.Limits.withDefaults()
	l := &Live{
		limits:  limits,
		secrets: secrets{lookup: o.Secret},
		resolve: o.Resolve,
		slots:   make(chan struct{}, limits.Concurrency),
		arrived: make(chan struct{}, 1),
		cancels: map[int64]context.CancelCauseFunc{},
	}
	l.closing, l.close = context.WithCancel(context.Background())
	l.transport = newTransport(o, limits)
	l.streams = l.transport.Clone()
	l.streams.DialContext = dial(o, &net.Dialer{KeepAlive: keepAlive, ControlContext: reachable})
	l.streams.MaxIdleConnsPerHost = programConns
	l.streams.IdleConnTimeout = idleProgramConn
	l.streams.ReadBufferSize = streamBuffer // a chunk that came whole stays whole
	return l
}

func newTransport(o LiveOptions, limits Limits) *http.Transport {
	return &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if _, ok := o.Resolve[hostport(r.URL)]; ok {
				return nil, nil
			}
			return http.ProxyFromEnvironment(r)
		},
		DialContext: dial(o, &net.Dialer{KeepAlive: keepAlive}),
		// An own TLSClientConfig and DialContext switch HTTP/2 off unless
		// it is asked for.
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		DisableCompression:     true, // what is decoded, and how, is recorded
		MaxIdleConnsPerHost:    limits.Concurrency,
		IdleConnTimeout:        idleConn,
		MaxResponseHeaderBytes: maxHead,
	}
}

// dial returns how connections are made.
func dial(o LiveOptions, dialer *net.Dialer) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if to, ok := o.Resolve[strings.ToLower(addr)]; ok {
			addr = to
		}
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, &dialError{err}
		}
		return conn, nil
	}
}

// A reach is what may be connected to for a call; see [Call].
type reach struct {
	hostport string
	permit   func(hostport string, addr netip.Addr) error
}

// reachKey is the key of a call's *reach in the context of its request, which
// the transport hands on to who connects.
type reachKey struct{}

// reachable looks at an address before it is connected to: who gives names
// their addresses is not asked twice, and cannot answer otherwise the second
// time.
func reachable(ctx context.Context, _, address string, _ syscall.RawConn) error {
	r, ok := ctx.Value(reachKey{}).(*reach)
	if !ok {
		return nil
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	return r.permit(r.hostport, to.Addr())
}

// hostport returns host and port of u, the default port written out.
func hostport(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(net.JoinHostPort(u.Hostname(), port))
}

// Know lets the secrets called names be taken out of all answers that arrive
// from now on, whether or not a call of this Live has sent them. One without
// a value is passed over: it can neither leave nor come back. A value that
// cannot be searched for is an error.
func (l *Live) Know(names ...string) error {
	for _, name := range names {
		if _, err := l.secrets.value(name); err != nil && !is[*MissingSecretError](err) {
			return err
		}
	}
	return nil
}

// Ask implements [Answerer]. The errors are [*MissingSecretError],
// [*RequestError] and what refuses the value of a secret; none holds one.
func (l *Live) Ask(ctx context.Context, c Call) error {
	hr, err := l.missionRequest(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		cancel(errClosed)
		return errClosed
	}
	l.waiting++
	l.cancels[c.N] = cancel
	l.running.Go(func() { l.perform(ctx, c, hr) })
	return nil
}

// perform makes one exchange and puts it among the arrivals.
func (l *Live) perform(ctx context.Context, c Call, hr *http.Request) {
	x := &exchange{limits: l.limits, all: &l.held}
	d, err := l.sendInTurn(ctx, c, hr, x)
	l.mu.Lock()
	l.cancels[c.N](nil)
	delete(l.cancels, c.N)
	l.arrivals = append(l.arrivals, arrival{d, err, x.held})
	l.mu.Unlock()
	select {
	case l.arrived <- struct{}{}:
	default: // there is a value already
	}
}

// sendInTurn waits for the call's delay and for a free slot, and sends; x becomes
// the answer.
func (l *Live) sendInTurn(ctx context.Context, c Call, hr *http.Request, x *exchange) (*Delivery, error) {
	if c.Delay > 0 {
		select {
		case <-time.After(c.Delay):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-l.slots }()
	return l.send(ctx, c, hr, x)
}

// Next implements [Answerer]. A call whose context was cancelled has no
// answer: its error is returned in its place.
func (l *Live) Next(ctx context.Context) (*Delivery, error) {
	for {
		l.mu.Lock()
		if len(l.arrivals) > 0 {
			a := l.arrivals[0]
			l.arrivals = l.arrivals[1:]
			l.waiting--
			l.mu.Unlock()
			l.held.Add(-a.held)
			return a.d, a.err
		}
		idle := l.waiting == 0
		l.mu.Unlock()
		if idle {
			return nil, errNothingAsked
		}
		select {
		case <-l.arrived:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Close implements [Answerer].
func (l *Live) Close() error {
	l.mu.Lock()
	l.closed = true
	l.close()
	// order: all end for the same reason, and none is delivered
	for _, cancel := range l.cancels {
		cancel(errClosed)
	}
	l.mu.Unlock()
	l.running.Wait()
	l.transport.CloseIdleConnections()
	l.streams.CloseIdleConnections()
	return nil
}

// Undelivered returns, after Close, the answers that arrived and were never
// taken, in the order of their arrival: observations, nothing else.
func (l *Live) Undelivered() []*Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*Delivery
	for _, a := range l.arrivals {
		if a.d != nil {
			out = append(out, a.d)
		}
	}
	return out
}
