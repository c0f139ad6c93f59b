package freeze

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coo-runtime/coo/internal/coding"
	"github.com/coo-runtime/coo/internal/wire"
)

// chunkSize is the most that is read from a body at once, in bytes.
const chunkSize = 64 << 10

// send sends hr and waits for its whole answer, in x. The error is that of a
// cancelled ctx, or a [*HeldError]; whatever else goes wrong is an answer.
func (l *Live) send(ctx context.Context, c Call, hr *http.Request, x *exchange) (*Delivery, error) {
	idle := time.Duration(c.Req.Timeout) * time.Millisecond
	if idle <= 0 {
		idle = l.limits.Timeout
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, stop := context.WithTimeoutCause(ctx, l.limits.Total, errTimeout)
	defer stop()
	dog := &watchdog{patience: idle, timer: time.AfterFunc(idle, func() { cancel(errTimeout) })}
	defer dog.timer.Stop()

	x.dog, x.timing.Sent = dog, time.Now()
	resp, err := l.transport.RoundTrip(hr.WithContext(httptrace.WithClientTrace(ctx, x.trace())))
	if err == nil {
		x.receive(ctx, resp, hr.Method)
		resp.Body.Close() // an error of closing changes nothing of what was read
	} else {
		x.answer.Error = x.failure(ctx, err)
	}
	if err := cmp.Or(cancelled(ctx), x.full); err != nil {
		return nil, err
	}
	x.redact(l.secrets.redactor())
	d, err := newDelivery(c, &x.answer)
	if err != nil {
		return nil, err
	}
	x.timing.Done = time.Now()
	d.Live, d.Timing = true, x.timing
	return d, nil
}

// A watchdog ends an exchange in which nothing comes for too long.
type watchdog struct {
	patience time.Duration
	timer    *time.Timer
}

// pat says that something came.
func (w *watchdog) pat() { w.timer.Reset(w.patience) }

// An exchange is one answer in the making.
type exchange struct {
	limits  Limits
	dog     *watchdog
	timing  Timing
	answer  wire.Answer
	header  http.Header
	trailer http.Header
	decoded bool
	held    int64         // bytes of the body, as they came
	all     *atomic.Int64 // held of all exchanges that nobody has taken
	full    error         // they were too many

	mu     sync.Mutex // guards the rest: the transport dials in goroutines of its own
	tlsErr error
	remote string
}

// trace notes what the transport alone knows.
func (x *exchange) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.remote = info.Conn.RemoteAddr().String()
		},
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.tlsErr = err
		},
	}
}

// receive reads the answer that resp begins.
func (x *exchange) receive(ctx context.Context, resp *http.Response, method string) {
	x.dog.pat()
	x.timing.Head = time.Now()
	x.timing.Proto = resp.Proto
	x.timing.TLS = tlsName(resp)
	x.mu.Lock()
	x.timing.Remote = x.remote
	x.mu.Unlock()
	if resp.StatusCode < 100 {
		x.answer.Error = "reset" // three digits, yet no HTTP
		return
	}
	x.answer.Status = resp.StatusCode
	x.header = resp.Header
	stream := wire.IsEventStream(resp.Header.Get("Content-Type"))
	if stream {
		x.answer.Lens = []int{}
	}
	if bodyless(method, resp.StatusCode) {
		return
	}
	codings, err := coding.Parse(resp.Header.Values("Content-Encoding"))
	if err != nil {
		x.answer.Error = "encoding"
		return
	}
	if err := x.readBody(resp.Body, codings, stream); err != nil {
		x.answer.Error = bodyFailure(ctx, err)
	}
	if len(codings) > 0 {
		x.decoded = true
		x.timing.Notes = append(x.timing.Notes, "decoded "+strings.Join(codings, ", "))
	}
	x.trailer = resp.Trailer
}

// tlsName returns the version of TLS that resp came over, "" for none.
func tlsName(resp *http.Response) string {
	if resp.TLS == nil {
		return ""
	}
	return tls.VersionName(resp.TLS.Version)
}

// bodyless reports whether an answer has no body whatever its headers say
// (RFC 9112, section 6.3).
func bodyless(method string, status int) bool {
	return method == http.MethodHead || status < 200 || status == http.StatusNoContent || status == http.StatusNotModified
}

// readBody reads what body holds under codings, up to the limit.
func (x *exchange) readBody(body io.Reader, codings []string, stream bool) error {
	raw := &rawBody{r: body, left: x.limits.Body, dog: x.dog}
	r, done, err := coding.Decode(raw, codings)
	if err != nil {
		return err
	}
	defer done()
	a := &x.answer
	buf := make([]byte, chunkSize)
	for {
		n, err := r.Read(buf)
		fits := min(int64(n), x.limits.Body-int64(len(a.Body)))
		x.held += fits
		if x.all.Add(fits) > x.limits.Held {
			x.full = &HeldError{Limit: x.limits.Held}
			return x.full
		}
		if stream {
			a.Body, a.Lens = appendChunk(a.Body, a.Lens, buf[:fits])
		} else {
			a.Body = append(a.Body, buf[:fits]...)
		}
		switch {
		case fits < int64(n):
			return errLimit
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// A rawBody reads a body as it comes over the connection: it bounds it, for a
// coding may turn endless bytes into none, and shows that something comes.
type rawBody struct {
	r    io.Reader
	left int64
	dog  *watchdog
}

func (b *rawBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if n > 0 {
		b.dog.pat()
	}
	b.left -= int64(n)
	switch {
	case b.left < 0:
		// One byte too many has been read; that it is one too many is all
		// that matters about it.
		return n + int(b.left), errLimit
	}
	return n, err
}

// redact takes the secrets out of the answer and puts its headers in order.
func (x *exchange) redact(r *redactor) {
	a := &x.answer
	if a.Status == 0 {
		return
	}
	header := endToEnd(x.header)
	a.Body, a.Lens = r.body(a.Body, a.Lens, a.Error == "")
	// The name of a secret may be longer than its value.
	if int64(len(a.Body)) > x.limits.Body {
		a.Body, a.Lens = shorten(a.Body, a.Lens, int(x.limits.Body))
		a.Error = "limit"
	}
	bodyChanged := r.replaced || x.decoded
	if x.decoded {
		delete(header, "Content-Encoding")
	}
	if bodyChanged && header["Content-Length"] != nil {
		header["Content-Length"] = []string{strconv.Itoa(len(a.Body))}
	}
	a.Headers = wire.HeaderList(r.fields(header))
	a.Trailers = wire.HeaderList(r.fields(endToEnd(x.trailer)))
	if r.replaced {
		x.timing.Notes = append(x.timing.Notes, "secrets replaced")
	}
}

// shorten cuts a body, and its chunks if it has some, to n bytes.
func shorten(body []byte, lens []int, n int) ([]byte, []int) {
	left := n
	for i, size := range lens {
		if size >= left {
			lens = append(lens[:i:i], left)
			break
		}
		left -= size
	}
	return body[:n], lens
}

// endToEnd returns a copy of h without the fields that belong to the
// connection: RFC 9110, section 7.6.1.
func endToEnd(h http.Header) http.Header {
	out := make(http.Header, len(h))
	named := strings.ToLower(strings.Join(h.Values("Connection"), ","))
	var dropped []string
	for name := range strings.SplitSeq(named, ",") {
		dropped = append(dropped, strings.TrimSpace(name))
	}
	for name, values := range h {
		lower := strings.ToLower(name)
		if lower != "content-length" && ofConnection[lower] || slices.Contains(dropped, lower) || values == nil {
			continue
		}
		out[name] = values
	}
	return out
}
