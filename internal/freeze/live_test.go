package freeze

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

const secretValue = "sk-canary/0123456789+abc"

func testSecret(name string) (string, bool) {
	v, ok := map[string]string{"KEY": secretValue, "SHORT": "short", "LINES": "line one\nline two"}[name]
	return v, ok
}

// serve starts a server for the length of the test.
func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// newLive returns a Live that is closed with the test.
func newLive(t *testing.T, o LiveOptions) *Live {
	t.Helper()
	if o.Secret == nil {
		o.Secret = testSecret
	}
	l := NewLive(o)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// fetch makes one live exchange.
func fetch(t *testing.T, l *Live, req *wire.Request) *Delivery {
	t.Helper()
	ask(t, l, call(t, 1, req))
	d, err := l.Next(context.Background())
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	again, err := wire.DecodeAnswer(d.Doc, func(digest.Digest) ([]byte, error) { return d.Body, nil })
	if err != nil || !reflect.DeepEqual(again, d.Answer) {
		t.Errorf("the document does not say what the mission sees: %v", err)
	}
	return d
}

// value returns the values of a header, joined.
func value(pairs [][2]string, name string) string {
	var out []string
	for _, p := range pairs {
		if p[0] == name {
			out = append(out, p[1])
		}
	}
	return strings.Join(out, "|")
}

func TestLiveSendsWhatTheMissionSaid(t *testing.T) {
	var got *http.Request
	var body []byte
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	req := post(s.URL+"/a%2Fb/c?q=%20x&y", `{"a": 1}`)
	req.Headers = append(
		req.Headers,
		wire.Field{Name: "x-two", Value: wire.Lit("1")},
		wire.Field{Name: "authorization", Value: wire.Concat(wire.Lit("Bearer "), wire.Secret("KEY"))},
		wire.Field{Name: "x-two", Value: wire.Lit("2")},
		wire.Field{Name: "connection", Value: wire.Lit("x-two")},
		wire.Field{Name: "expect", Value: wire.Lit("100-continue")},
		wire.Field{Name: "content-length", Value: wire.Lit("3")},
		wire.Field{Name: "host", Value: wire.Lit("front.test")},
	)
	d := fetch(t, newLive(t, LiveOptions{}), req)
	if d.Answer.Status != 200 || !d.Live || d.Timing.Remote == "" || d.Timing.Proto != "HTTP/1.1" || d.Timing.Done.IsZero() {
		t.Errorf("delivery = %+v", d)
	}
	if got.RequestURI != "/a%2Fb/c?q=%20x&y" || string(body) != `{"a": 1}` || got.Host != "front.test" || got.ContentLength != 8 {
		t.Errorf("got %s, host %s, %d bytes: %s", got.RequestURI, got.Host, got.ContentLength, body)
	}
	for name, want := range map[string]string{
		"X-Two": "1|2", "Authorization": "Bearer " + secretValue, "Connection": "", "Expect": "",
		"Accept-Encoding": "identity", "User-Agent": "coo", "Content-Type": "application/json",
	} {
		if v := strings.Join(got.Header.Values(name), "|"); v != want {
			t.Errorf("header %s = %q, want %q", name, v, want)
		}
	}
}

func TestLiveRefusesWhatCannotBeSent(t *testing.T) {
	header := func(name string) *wire.Request {
		r := get("http://a.test/")
		r.Headers = []wire.Field{{Name: "x-key", Value: wire.Secret(name)}}
		return r
	}
	l := newLive(t, LiveOptions{})
	err := l.Ask(context.Background(), call(t, 1, header("ABSENT")))
	if e, ok := errors.AsType[*MissingSecretError](err); !ok || e.Name != "ABSENT" {
		t.Errorf("absent secret: %v", err)
	}
	if err := l.Know("ABSENT"); err != nil {
		t.Errorf("Know of an absent secret: %v", err)
	}
	if err := l.Know("SHORT"); err == nil {
		t.Errorf("Know of a short secret: no error")
	}
	err = l.Ask(context.Background(), call(t, 1, header("SHORT")))
	if err == nil || strings.Contains(err.Error(), "short") && !strings.Contains(err.Error(), "SHORT") {
		t.Errorf("short secret: %v", err)
	}
	err = l.Ask(context.Background(), call(t, 1, header("LINES")))
	if e, ok := errors.AsType[*RequestError](err); !ok || strings.Contains(e.Error(), "line") {
		t.Errorf("secret with a line break: %v", err)
	}
}

func TestLiveLeavesOutTheConnection(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Set-Cookie"] = []string{"b=1", "a=2"}
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("X-Latin", "caf\xe9")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(302)
		fmt.Fprint(w, "moved")
	})
	a := fetch(t, newLive(t, LiveOptions{}), get(s.URL+"/")).Answer
	if a.Status != 302 || string(a.Body) != "moved" || a.Lens != nil {
		t.Errorf("answer = %+v: a redirect is an answer", a)
	}
	for name, want := range map[string]string{
		"set-cookie": "b=1|a=2", "connection": "", "x-hop": "", "keep-alive": "", "x-latin": "café",
		"location": "/elsewhere", "content-length": "5",
	} {
		if got := value(a.Headers, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if !slices.IsSortedFunc(a.Headers, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) }) {
		t.Errorf("headers are not sorted: %v", a.Headers)
	}
}

func TestLiveStreamsHaveChunks(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
		}
	})
	a := fetch(t, newLive(t, LiveOptions{}), get(s.URL)).Answer
	if string(a.Body) != "data: 0\n\ndata: 1\n\ndata: 2\n\n" {
		t.Errorf("body = %q", a.Body)
	}
	sum := 0
	for _, n := range a.Lens {
		sum += n
	}
	if sum != len(a.Body) || a.Lens == nil {
		t.Errorf("lens = %v of %d bytes", a.Lens, len(a.Body))
	}
}

func TestLiveHTTP2OverTLSByAnotherAddress(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s %s", r.Proto, r.Host)
		w.Header().Set("X-Sum", "echo "+r.Header.Get("X-Key"))
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	hostport, addr, err := ParseResolve("example.com:443:" + s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	req := get("https://example.com/")
	req.Headers = []wire.Field{{Name: "x-key", Value: wire.Secret("KEY")}}
	d := fetch(t, newLive(t, LiveOptions{RootCAs: pool, Resolve: map[string]string{hostport: addr}}), req)
	if got, want := string(d.Answer.Body), "HTTP/2.0 example.com"; got != want {
		t.Errorf("body = %q, want %q", got, want)
	}
	if got, want := value(d.Answer.Trailers, "x-sum"), "echo <secret KEY>"; got != want {
		t.Errorf("trailer = %q, want %q", got, want)
	}
	if d.Timing.TLS != "TLS 1.3" || d.Timing.Proto != "HTTP/2.0" || d.Timing.Remote != addr {
		t.Errorf("timing = %+v", d.Timing)
	}
}

func TestLiveVerifiesTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = discardLog
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	resolve := map[string]string{
		"wrong-name.test:443": s.Listener.Addr().String(),
		"not-tls.test:443":    plain.Listener.Addr().String(),
		"example.com:443":     s.Listener.Addr().String(),
		"deaf.test:443":       hangUp(t),
	}
	trusting := newLive(t, LiveOptions{RootCAs: pool, Resolve: resolve})
	for _, url := range []string{"https://wrong-name.test/", "https://not-tls.test/", "https://deaf.test/"} {
		if a := fetch(t, trusting, get(url)).Answer; a.Error != "tls" || a.Status != 0 {
			t.Errorf("%s: answer = %+v, want tls", url, a)
		}
	}
	if a := fetch(t, trusting, get("https://example.com/")).Answer; a.Status != 200 {
		t.Errorf("right name, known CA: answer = %+v", a)
	}
	if a := fetch(t, newLive(t, LiveOptions{Resolve: resolve}), get("https://example.com/")).Answer; a.Error != "tls" {
		t.Errorf("unknown CA: answer = %+v, want tls", a)
	}
}

func TestLiveHasNoClientCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = discardLog
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if a := fetch(t, newLive(t, LiveOptions{RootCAs: pool}), get(s.URL)).Answer; a.Error != "tls" {
		t.Errorf("answer = %+v, want tls", a)
	}
}

func TestLiveConcurrencyIsBounded(t *testing.T) {
	var now, most atomic.Int64
	s := serve(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(10 * time.Millisecond)
		now.Add(-1)
	})
	l := newLive(t, LiveOptions{Limits: Limits{Concurrency: 2}})
	for n := range int64(8) {
		ask(t, l, call(t, n, get(s.URL)))
	}
	for range 8 {
		if d, err := l.Next(context.Background()); err != nil || d.Answer.Status != 200 {
			t.Fatalf("Next = %+v, %v", d, err)
		}
	}
	if most.Load() > 2 {
		t.Errorf("%d calls were in flight at once, want 2 at most", most.Load())
	}
}

// What is taken is the mission's; what is not, all calls together, is bounded.
func TestLiveHoldsNoMoreThanItMay(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 400)) })
	l := newLive(t, LiveOptions{Limits: Limits{Held: 1000}})
	for n := range int64(10) { // one after the other
		ask(t, l, call(t, n, get(s.URL)))
		if d, err := l.Next(t.Context()); err != nil || len(d.Answer.Body) != 400 {
			t.Fatalf("call %d: %v", n, err)
		}
	}
	for n := range int64(3) {
		ask(t, l, call(t, 10+n, get(s.URL)))
	}
	for l.finished() < 3 {
		time.Sleep(time.Millisecond)
	}
	var full []error
	for range 3 {
		if _, err := l.Next(t.Context()); err != nil {
			full = append(full, err)
		}
	}
	if len(full) != 1 || !is[*HeldError](full[0]) {
		t.Errorf("of three answers of 400 bytes that nobody takes: %v; want one *HeldError", full)
	}
	if n := l.held.Load(); n != 0 {
		t.Errorf("when all are taken %d bytes are held", n)
	}
}

func TestLiveDeliversInOrderOfArrival(t *testing.T) {
	gate := make(chan bool)
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-gate
		}
	})
	l := newLive(t, LiveOptions{})
	ask(t, l, call(t, 1, get(s.URL+"/slow")))
	ask(t, l, call(t, 2, get(s.URL+"/fast")))
	late := call(t, 3, get(s.URL+"/late"))
	late.Delay = 20 * time.Millisecond
	began := time.Now()
	ask(t, l, late)
	for _, want := range []int64{2, 3, 1} {
		d, err := l.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if d.N != want {
			t.Errorf("delivered call %d, want %d", d.N, want)
		}
		if d.N == 3 {
			if d.Timing.Sent.Sub(began) < late.Delay {
				t.Errorf("a delayed call left after %v", d.Timing.Sent.Sub(began))
			}
			close(gate)
		}
	}
}

func TestLiveCloseCancelsWhatIsInFlight(t *testing.T) {
	arrived := make(chan bool, 2)
	gone := make(chan bool, 1)
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- true
		if r.URL.Path == "/hangs" {
			<-r.Context().Done()
			gone <- true
		}
	})
	l := NewLive(LiveOptions{Secret: testSecret})
	ask(t, l, call(t, 1, get(s.URL+"/hangs")))
	ask(t, l, call(t, 2, get(s.URL+"/answers")))
	<-arrived
	<-arrived
	for l.finished() < 1 {
		time.Sleep(time.Millisecond)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	<-gone
	rest := l.Undelivered()
	if len(rest) != 1 || rest[0].N != 2 {
		t.Errorf("Undelivered = %v, want call 2 alone: a cancelled call has no answer", rest)
	}
	if err := l.Ask(context.Background(), call(t, 3, get(s.URL))); err == nil {
		t.Errorf("Ask after Close: no error")
	}
}

// finished returns how many answers wait to be taken.
func (l *Live) finished() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.arrivals)
}

func TestLiveInterruptIsNoAnswer(t *testing.T) {
	started := make(chan bool)
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
	})
	l := newLive(t, LiveOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	if err := l.Ask(ctx, call(t, 1, get(s.URL))); err != nil {
		t.Fatal(err)
	}
	<-started
	cancel()
	if d, err := l.Next(context.Background()); !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %+v, %v, want context.Canceled", d, err)
	}
	if err := l.Ask(context.Background(), call(t, 2, get("http://"+closedPort(t)))); err != nil {
		t.Fatal(err)
	}
	if d, err := l.Next(ctx); err == nil && d.N != 2 || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %+v, %v", d, err)
	}
}

// closedPort returns an address nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestParseResolve(t *testing.T) {
	for _, tt := range []struct{ in, hostport, addr string }{
		{"model.coo.invalid:80:127.0.0.1", "model.coo.invalid:80", "127.0.0.1:80"},
		{"Model.Coo.Invalid:80:127.0.0.1:40123", "model.coo.invalid:80", "127.0.0.1:40123"},
		{"a.test:443:[::1]", "a.test:443", "[::1]:443"},
		{"a.test:443:::1", "a.test:443", "[::1]:443"},
		{"a.test:443:[::1]:8443", "a.test:443", "[::1]:8443"},
	} {
		hostport, addr, err := ParseResolve(tt.in)
		if err != nil || hostport != tt.hostport || addr != tt.addr {
			t.Errorf("ParseResolve(%q) = %q, %q, %v, want %q, %q", tt.in, hostport, addr, err, tt.hostport, tt.addr)
		}
	}
	for _, in := range []string{"", "a", "a:80", "a:80:", ":80:127.0.0.1", "a:0:127.0.0.1", "a:080:127.0.0.1", "a:65536:127.0.0.1", "a:http:127.0.0.1", "a:80:b.test", "a:80:127.0.0.1:0"} {
		if hostport, addr, err := ParseResolve(in); err == nil {
			t.Errorf("ParseResolve(%q) = %q, %q, want an error", in, hostport, addr)
		}
	}
}

func FuzzParseResolve(f *testing.F) {
	f.Add("model.coo.invalid:80:127.0.0.1:40123")
	f.Add("a.test:443:[fe80::1%eth0]:8443")
	f.Fuzz(func(t *testing.T, s string) {
		hostport, addr, err := ParseResolve(s)
		if err != nil {
			return
		}
		hostport2, addr2, err := ParseResolve(hostport + ":" + addr)
		if err != nil || hostport2 != hostport || addr2 != addr {
			t.Errorf("%q parsed again is %q, %q, %v, want %q, %q", s, hostport2, addr2, err, hostport, addr)
		}
	})
}

// TestResolvedHostsUseNoProxy runs in a process of its own: net/http reads
// the environment once.
func TestResolvedHostsUseNoProxy(t *testing.T) {
	if direct := os.Getenv("COO_TEST_DIRECT"); direct != "" {
		l := newLive(t, LiveOptions{Resolve: map[string]string{"direct.test:80": direct}})
		for url, want := range map[string]string{"http://direct.test/": "direct", "http://other.test/": "by proxy"} {
			if got := string(fetch(t, l, get(url)).Answer.Body); got != want {
				t.Errorf("%s: answered %q, want %q", url, got, want)
			}
		}
		return
	}
	answer := func(text string) *httptest.Server {
		return serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestResolvedHostsUseNoProxy$")
	cmd.Env = append(
		os.Environ(), "HTTP_PROXY="+answer("by proxy").URL, "NO_PROXY=", "no_proxy=",
		"COO_TEST_DIRECT="+answer("direct").Listener.Addr().String(),
	)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestLoadCA(t *testing.T) {
	if _, err := LoadCA([]byte("nothing")); err == nil {
		t.Errorf("LoadCA of no certificate: no error")
	}
}
