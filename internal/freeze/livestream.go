package freeze

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coo-runtime/coo/internal/coding"
	"github.com/coo-runtime/coo/internal/wire"
)

const (
	// streamBuffer is the most that is read at once of an answer to a
	// program, in bytes: the length of the longest chunk.
	streamBuffer = 32 << 10
	// maxWhole is the length in bytes, as it comes, of the longest coded
	// answer that is held back to be searched.
	maxWhole = 8 << 20
	// maxRepaired is the length in bytes of the longest answer whose length
	// may still change because a secret is in it.
	maxRepaired = 1 << 20
	// maxSearched is how much of a coded answer, decoded, is searched: the
	// rest of a longer one is not believed, and not handed on.
	maxSearched = 1 << 30
)

// errLeft is why a stream ends that its program has left.
var errLeft = errors.New("client")

// Stream implements [Streamer]: the call goes out when Head is called. The
// errors are those of Ask.
//
// Not more is held back of an answer than what may begin a secret, with these
// exceptions, when there are secrets to look for at all: a coded answer up to
// 8 MiB that is no event stream is read whole and searched decoded, to be
// handed on as it came if it is clean; one up to 1 MiB that tells its length
// is read whole, to repair the length. Coded event streams and longer coded
// answers are handed on decoded. In longer answers, and in binary ones, a
// secret is covered without changing the length.
func (l *Live) Stream(ctx context.Context, c Call) (*Stream, error) {
	hr, err := l.programRequest(c)
	if err != nil {
		return nil, err
	}
	r, err := l.secrets.programRedactor(c.Req.Credentials)
	if err != nil {
		return nil, err
	}
	if c.Reach != nil && l.looksUp(hr) {
		ctx = context.WithValue(ctx, reachKey{}, &reach{hostport(hr.URL), c.Reach})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		cancel(errClosed)
		return nil, errClosed
	}
	s := &liveStream{
		live: l, ctx: ctx, cancel: cancel, request: hr, redactor: r, delay: c.Delay,
		x: &exchange{limits: l.limits},
	}
	forget := context.AfterFunc(l.closing, func() { cancel(errClosed) })
	s.stop = append(s.stop, func() { forget() })
	return &Stream{Live: true, Place: Place{Rank: -1}, from: s}, nil
}

// looksUp reports whether the host of hr is a name that is looked up here, and
// neither by a proxy nor in what the user said about it.
func (l *Live) looksUp(hr *http.Request) bool {
	if _, ok := l.resolve[hostport(hr.URL)]; ok {
		return false
	}
	_, err := netip.ParseAddr(hr.URL.Hostname())
	proxy, _ := l.streams.Proxy(hr) // an error of it comes again when it is sent
	return err != nil && proxy == nil
}

// A liveStream is the answer to a call of a program on its way.
type liveStream struct {
	live     *Live
	ctx      context.Context
	cancel   context.CancelCauseFunc
	request  *http.Request
	delay    time.Duration
	redactor *redactor
	x        *exchange // its timing, and what is known about the connection
	stop     []func()  // in reverse order, when the stream ends

	resp    *http.Response
	body    body // nil: there is none, or it has ended
	failure string
	// trailers are known after the end.
	trailers [][2]string
	ended    bool
}

// A body hands on the body of an answer without secrets.
type body interface {
	// next returns a chunk, never an empty one, and io.EOF after the last.
	next() ([]byte, error)
}

func (s *liveStream) head() (int, [][2]string, error) {
	if err := s.send(); err != nil {
		s.fail(s.x.failure(s.ctx, err))
		return 0, nil, nil
	}
	s.x.dog.pat()
	t := &s.x.timing
	t.Head, t.Proto, t.TLS = time.Now(), s.resp.Proto, tlsName(s.resp)
	s.x.mu.Lock()
	t.Remote = s.x.remote
	s.x.mu.Unlock()
	if s.resp.StatusCode <= 101 {
		s.fail("reset") // no HTTP, or an upgrade that nobody asked for
		return 0, nil, nil
	}
	header := endToEnd(s.resp.Header)
	if !bodyless(s.request.Method, s.resp.StatusCode) {
		s.body = s.open(header)
	}
	return s.resp.StatusCode, wire.HeaderList(s.redactor.fields(header)), nil
}

// send waits for the delay, sends the request and waits for the head.
func (s *liveStream) send() error {
	if s.delay > 0 {
		select {
		case <-time.After(s.delay):
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	idle := s.live.limits.Idle
	s.x.dog = &watchdog{patience: idle, timer: time.AfterFunc(idle, func() { s.cancel(errTimeout) })}
	s.stop = append(s.stop, func() { s.x.dog.timer.Stop() })
	s.x.timing.Sent = time.Now()
	var err error
	s.resp, err = s.live.streams.RoundTrip(s.request.WithContext(httptrace.WithClientTrace(s.ctx, s.x.trace())))
	if err == nil {
		s.stop = append(s.stop, func() { s.resp.Body.Close() })
	}
	return err
}

// open decides how the body is handed on, and changes header accordingly.
func (s *liveStream) open(header http.Header) body {
	raw := &rawBody{r: s.resp.Body, left: wire.MaxStream, dog: s.x.dog}
	plain := &plainBody{r: raw, buf: make([]byte, streamBuffer)}
	if s.redactor.none {
		return plain
	}
	contentType := header.Get("Content-Type")
	codings, err := coding.Parse(header.Values("Content-Encoding"))
	switch {
	case err != nil:
		s.note("not decoded: unknown coding")
		codings = nil
	case len(codings) > 0:
		return s.openCoded(header, plain, codings)
	}
	partial := s.resp.StatusCode == http.StatusPartialContent
	length := s.resp.ContentLength
	switch {
	case !readable(contentType), partial, err != nil, length > maxRepaired:
		return s.covered(plain, contentType)
	case length >= 0 && !wire.IsEventStream(contentType):
		return s.openWhole(header, plain)
	case length >= 0: // an event stream that tells its length, of all things
		header.Del("Content-Length")
	}
	return &redactedBody{from: plain, text: s.redactor.exact.Stream(), redactor: s.redactor}
}

// covered covers secrets in a body without changing its length.
func (s *liveStream) covered(from body, contentType string) body {
	if contentType == awsEventStream {
		return newFrames(from, s.redactor)
	}
	return &redactedBody{from: from, text: s.redactor.exact.Cover(), redactor: s.redactor}
}

// openWhole reads a body that tells its length, to repair the length if a
// secret is in it.
func (s *liveStream) openWhole(header http.Header, plain *plainBody) body {
	w := s.read(plain, maxRepaired)
	all := slices.Concat(w.chunks...)
	clean, lens := s.redactor.body(all, w.lens(), w.err == io.EOF)
	if s.redactor.replaced {
		told := int(s.resp.ContentLength) + len(clean) - len(all)
		if w.err != io.EOF {
			told = max(told, len(clean)+1) // what broke off must not look whole
		}
		changed(header, told)
	}
	w.setBytes(clean, lens)
	return w
}

// openCoded opens a body under codings.
func (s *liveStream) openCoded(header http.Header, plain *plainBody, codings []string) body {
	contentType := header.Get("Content-Type")
	if !wire.IsEventStream(contentType) && s.resp.ContentLength <= maxWhole {
		w := s.read(plain, maxWhole)
		if w.err != nil {
			return s.search(header, w, codings)
		}
		// It is longer: what was read so far comes first.
		return s.decoded(header, w, codings)
	}
	return s.decoded(header, plain, codings)
}

// decoded hands a coded body on decoded, as it comes.
func (s *liveStream) decoded(header http.Header, coded body, codings []string) body {
	contentType := header.Get("Content-Type")
	s.noteDecoded(codings)
	header.Del("Content-Encoding")
	header.Del("Content-Length")
	dropDigests(header)
	from := &decodedBody{coded: &bodyReader{from: coded}, codings: codings, left: wire.MaxStream}
	s.stop = append(s.stop, from.done)
	if !readable(contentType) {
		return s.covered(from, contentType)
	}
	return &redactedBody{from: from, text: s.redactor.exact.Stream(), redactor: s.redactor}
}

// search looks for secrets in a coded body that is here whole, or as far as it
// came, and hands it on as it came if there is none.
func (s *liveStream) search(header http.Header, w *wholeBody, codings []string) body {
	for _, b := range []body{w.again(), s.undone(w, codings, maxSearched)} {
		err := drain(&redactedBody{from: b, text: s.redactor.exact.Stream(), redactor: s.redactor}, nil)
		s.redactor.replaced = s.redactor.replaced || errors.Is(err, errLimit)
	}
	if !s.redactor.replaced {
		return w
	}
	text := s.redactor.exact.Stream()
	if !readable(header.Get("Content-Type")) {
		text = s.redactor.exact.Cover()
	}
	var out []byte
	err := drain(&redactedBody{from: s.undone(w, codings, wire.MaxBody), text: text, redactor: s.redactor}, &out)
	s.noteDecoded(codings)
	header.Del("Content-Encoding")
	changed(header, len(out))
	w.setBytes(out, nil)
	if w.err == io.EOF {
		w.err = err
	}
	if w.err != io.EOF {
		header.Del("Content-Length") // what broke off must not look whole
	}
	return w
}

// undone returns a body that hands on what w holds, decoded.
func (s *liveStream) undone(w *wholeBody, codings []string, limit int64) body {
	b := &decodedBody{coded: &bodyReader{from: w.again()}, codings: codings, left: limit}
	s.stop = append(s.stop, b.done)
	return b
}

// changed repairs what a header tells about a body that was changed.
func changed(header http.Header, size int) {
	if header["Content-Length"] != nil {
		header.Set("Content-Length", strconv.Itoa(size))
	}
	dropDigests(header)
}

// dropDigests drops what a header tells about the bytes of a body.
func dropDigests(header http.Header) {
	for _, name := range []string{"Content-Md5", "Digest", "Content-Digest", "Repr-Digest"} {
		header.Del(name)
	}
	// order: all go
	for name := range header {
		if strings.HasPrefix(name, "X-Amz-Checksum-") || name == "X-Goog-Hash" {
			header.Del(name)
		}
	}
}

func (s *liveStream) note(what string) { s.x.timing.Notes = append(s.x.timing.Notes, what) }

func (s *liveStream) noteDecoded(codings []string) {
	s.note("decoded " + strings.Join(codings, ", "))
}

// read reads from plain until it ends or has more than limit bytes, which
// leaves the rest to be read; see [wholeBody].
func (s *liveStream) read(plain *plainBody, limit int) *wholeBody {
	w := &wholeBody{rest: plain}
	size := 0
	for size <= limit {
		chunk, err := plain.next()
		if err != nil {
			w.err = err
			return w
		}
		w.chunks = append(w.chunks, slices.Clone(chunk))
		size += len(chunk)
	}
	return w
}

func (s *liveStream) next() ([]byte, error) {
	if s.ended {
		return nil, io.EOF
	}
	if s.body == nil {
		s.finish()
		return nil, io.EOF
	}
	chunk, err := s.body.next()
	switch {
	case err == nil:
		return chunk, nil
	case err == io.EOF:
		s.finish()
	default:
		s.fail(bodyFailure(s.ctx, err))
	}
	return nil, io.EOF
}

// finish ends a stream that came whole.
func (s *liveStream) finish() {
	if s.ended {
		return
	}
	s.trailers = wire.HeaderList(s.redactor.fields(endToEnd(s.resp.Trailer)))
	s.over()
}

// fail ends a stream that did not.
func (s *liveStream) fail(failure string) {
	if s.ended {
		return
	}
	s.failure = failure
	if s.ctx.Err() != nil && context.Cause(s.ctx) != errTimeout {
		s.failure = "client"
	}
	s.over()
}

func (s *liveStream) over() {
	s.ended = true
	s.body = nil
	s.x.timing.Done = time.Now()
	if s.redactor.replaced {
		s.note("secrets replaced")
	}
	for _, stop := range slices.Backward(s.stop) {
		stop()
	}
	s.cancel(nil)
}

func (s *liveStream) end() (string, [][2]string) { return s.failure, s.trailers }
func (s *liveStream) timing() Timing             { return s.x.timing }

func (s *liveStream) close() error {
	if !s.ended {
		s.cancel(errLeft)
		s.fail("client")
	}
	return nil
}
