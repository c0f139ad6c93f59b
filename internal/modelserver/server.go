package modelserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options are the settings of a server. The zero Options are good ones.
type Options struct {
	// MinDelay and MaxDelay bound the random delays before an answer and
	// between the pieces of a stream. Both zero mean 1 ms and 8 ms; a
	// negative MaxDelay means no delays.
	MinDelay, MaxDelay time.Duration
	// Stall is how long a stalled answer lasts before its connection is
	// closed, when the client does not leave earlier. Zero means 5 minutes.
	Stall time.Duration
	// RetryAfter is what a client is told to wait that is sent away with 429,
	// 503 or 529. Zero means a second.
	RetryAfter time.Duration
	// Key, when not empty, is the API key without which a request is
	// answered with 401. It may come in any provider's way: authorization,
	// x-api-key, api-key, x-goog-api-key or the query parameter key.
	Key string
}

// maxBody is the longest body of a request, in bytes.
const maxBody = 64 << 20

type server struct {
	Options
	sampler *sampler

	mu   sync.Mutex
	once map[[sha256.Size]byte]bool // requests that were misbehaved to, and not yet answered
}

// New returns a sample model server. It is safe for concurrent use, and can be
// a handler of [net/http/httptest] too.
func New(o Options) http.Handler {
	if o.MinDelay == 0 && o.MaxDelay == 0 {
		o.MinDelay, o.MaxDelay = time.Millisecond, 8*time.Millisecond
	}
	if o.Stall == 0 {
		o.Stall = 5 * time.Minute
	}
	if o.RetryAfter == 0 {
		o.RetryAfter = time.Second
	}
	return &server{Options: o, sampler: newSampler(corpus), once: map[[sha256.Size]byte]bool{}}
}

// An exchange is one request and what is known about its answer.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	body []byte
	d    dialect // nil at a path without one
	a    *ask    // nil when there is nothing to answer
}

// ServeHTTP implements [http.Handler].
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{w: w, r: r, d: route(r.URL.Path)}
	var err error
	if x.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		s.refuse(x, http.StatusRequestEntityTooLarge, "body: "+err.Error())
		return
	}
	if !s.allows(r) {
		s.refuse(x, http.StatusUnauthorized, "Incorrect API key provided")
		return
	}
	var askErr error
	if x.d != nil && r.Method == http.MethodPost {
		x.a, askErr = x.d.read(r, x.body)
	}
	f, err := s.fault(x)
	switch {
	case err != nil:
		s.refuse(x, http.StatusBadRequest, err.Error())
	case f != nil && f.standsAlone():
		s.standAlone(x, f)
	case r.Method == http.MethodGet && isModelList(r.URL.Path):
		s.send(x, &message{status: http.StatusOK, kind: "application/json", frames: [][]byte{listModels(r)}}, f)
	case isUpload(r):
		s.uploaded(x, f)
	case x.d == nil:
		s.refuse(x, http.StatusNotFound, "no such endpoint: "+r.URL.Path)
	case r.Method != http.MethodPost:
		w.Header().Set("allow", http.MethodPost)
		s.refuse(x, http.StatusMethodNotAllowed, "the method is POST")
	case askErr != nil:
		s.refuse(x, http.StatusBadRequest, askErr.Error())
	default:
		s.answer(x, f)
	}
}

// isModelList tells whether a path is that of a list of models.
func isModelList(path string) bool {
	return path == "/v1/models" || path == "/models" || path == "/v1beta/models" || path == "/api/tags"
}

// allows tells whether a request carries the key.
func (s *server) allows(r *http.Request) bool {
	if s.Key == "" {
		return true
	}
	h := r.Header
	bearer, _ := strings.CutPrefix(h.Get("authorization"), "Bearer ")
	for _, got := range []string{bearer, h.Get("x-api-key"), h.Get("api-key"), h.Get("x-goog-api-key"), r.URL.Query().Get("key")} {
		if subtle.ConstantTimeCompare([]byte(got), []byte(s.Key)) == 1 {
			return true
		}
	}
	return false
}

// usualLoop is how many results of tools end a loop.
const usualLoop = 6

// answer answers an ask in its dialect, well or badly.
func (s *server) answer(x *exchange, f *directive) {
	said := ""
	if f != nil && f.kind == kindEcho {
		said = strings.ToValidUTF8(string(dump(x)), "\uFFFD")
	}
	if f != nil && f.kind == kindLoop {
		x.a.loop = f.checked("results", usualLoop)
	}
	y := s.sampler.compose(x.a, said)
	m := &message{status: http.StatusOK, kind: x.d.contentType(x.a, x.a.stream), stream: x.a.stream}
	if m.stream {
		m.frames = x.d.stream(x.a, y)
	} else {
		m.frames = [][]byte{x.d.plain(x.a, y)}
	}
	s.send(x, m, f)
}

// refuse answers with an error in the shape of the endpoint.
func (s *server) refuse(x *exchange, status int, text string) {
	d := x.d
	if d == nil {
		d = chat{}
	}
	s.send(x, &message{status: status, kind: d.contentType(nil, false), frames: [][]byte{d.trouble(status, text)}}, nil)
}

// pause waits for a random time. It ends early when the client leaves.
func (s *server) pause(ctx context.Context) {
	if s.MaxDelay <= 0 {
		return
	}
	d := s.MinDelay
	if span := s.MaxDelay - s.MinDelay; span > 0 {
		d += time.Duration(intn(int(span) + 1))
	}
	wait(ctx, d)
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
