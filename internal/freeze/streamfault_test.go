package freeze

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/coo-runtime/coo/internal/wire"
)

// TestFaultsOfStreams: whatever the network does is an answer, with secrets to
// look for and without.
func TestFaultsOfStreams(t *testing.T) {
	stall := func(text string) string {
		return raw(t, func(c net.Conn) {
			io.WriteString(c, text)
			io.Copy(io.Discard, c) // until the client has had enough
		})
	}
	reset := func(text string) string {
		return raw(t, func(c net.Conn) {
			io.WriteString(c, text)
			time.Sleep(20 * time.Millisecond) // or the reset overtakes the text
			c.(*net.TCPConn).SetLinger(0)
		})
	}
	const sse = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
	for _, tt := range []struct{ name, addr, want string }{
		{"refused", closedPort(t), `0 "" refused`},
		{"unresolved", "no-such-host.invalid", `0 "" unresolved`},
		{"closed before a head", hangUp(t), `0 "" reset`},
		{"reset before a head", reset(""), `0 "" reset`},
		{"cut inside the head", says(t, "HTTP/1.1 200 OK\r\nContent-Le"), `0 "" reset`},
		{"no HTTP", says(t, "SSH-2.0-OpenSSH_9.6\r\n"), `0 "" reset`},
		{"a head without end", says(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", maxHead+1)+"\r\n\r\n"), `0 "" reset`},
		{"shorter than told", says(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), `200 "half" cut`},
		{"text shorter than told", says(t, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nhalf"), `200 "half" cut`},
		{"cut inside a stream", says(t, sse), `200 "half" cut`},
		{"cut inside a chunk", says(t, sse+"9\r\nmo"), `200 "halfmo" cut`},
		{"reset inside a stream", reset(sse), `200 "half" cut`},
		{"malformed chunks", says(t, sse+"zz\r\n"), `200 "half" cut`},
		{"longer than told", says(t, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhalf and more"), `200 "half"`},
		{"until the end", says(t, "HTTP/1.0 200 OK\r\n\r\nwhole"), `200 "whole"`},
		{"two lengths", says(t, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhalfx"), `0 "" reset`},
		{"silent", stall(""), `0 "" timeout`},
		{"stalls in the body", stall("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), `200 "half" timeout`},
		{"stalls in a stream", stall(sse), `200 "half" timeout`},
		{"no gzip after all", says(t, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf"), `200 "half"`},
		{"an unknown coding", says(t, "HTTP/1.1 200 OK\r\nContent-Encoding: compress\r\nContent-Length: 4\r\n\r\nhalf"), `200 "half"`},
		{"a status below 100", says(t, "HTTP/1.1 042 What\r\nContent-Length: 0\r\n\r\n"), `0 "" reset`},
		{"switches", says(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxx"), `0 "" reset`},
		{"no content", says(t, "HTTP/1.1 204 No Content\r\n\r\n"), `204 ""`},
		{"not modified", says(t, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), `304 ""`},
		{"hints first", says(t, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"), `200 "x"`},
		{"429", says(t, "HTTP/1.1 429 Slow Down\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"), `429 ""`},
	} {
		o := LiveOptions{Limits: Limits{Idle: 10 * time.Second}}
		if strings.HasSuffix(tt.want, "timeout") {
			o.Limits.Idle = 150 * time.Millisecond
		}
		for name, l := range map[string]*Live{"": newLive(t, o), ", a secret": knowing(t, o)} {
			if got := hear(t, l, ofProgram(t, "GET", "http://"+tt.addr+"/", "")); got.String() != tt.want {
				t.Errorf("%s%s: %v, want %s", tt.name, name, got, tt.want)
			}
		}
	}
}

// certified starts a TLS server with a certificate for host that ends at
// until, and returns its address and the authority that signed it.
func certified(t *testing.T, host string, until time.Time) (string, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	from := until.Add(-48 * time.Hour)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: from, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{host}, NotBefore: from, NotAfter: until}
	pool := x509.NewCertPool()
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pool.AddCert(ca)
	if der, err = x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, key); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), pool
}

func TestServersAreVerified(t *testing.T) {
	for _, tt := range []struct {
		name, host string
		until      time.Time
		unknown    bool
		want       string
	}{
		{"sound", "api.test", time.Now().Add(time.Hour), false, `200 "HTTP/2.0"`},
		{"expired", "api.test", time.Now().Add(-time.Hour), false, `0 "" tls`},
		{"of another host", "other.test", time.Now().Add(time.Hour), false, `0 "" tls`},
		{"of nobody we know", "api.test", time.Now().Add(time.Hour), true, `0 "" tls`},
	} {
		addr, pool := certified(t, tt.host, tt.until)
		o := LiveOptions{Resolve: map[string]string{"api.test:443": addr}, RootCAs: pool}
		if tt.unknown {
			o.RootCAs = x509.NewCertPool()
		}
		if got := hear(t, newLive(t, o), ofProgram(t, "GET", "https://api.test/", "")); got.String() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
	}
}

// TestStreamsOverHTTP2: chunks, trailers and a reset of an HTTP/2 server.
func TestStreamsOverHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		w.Header().Set("Content-Type", "application/grpc")
		io.WriteString(w, "one "+r.Header.Get("Te")+" ")
		w.(http.Flusher).Flush()
		if r.URL.Path == "/reset" {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "two")
		w.Header().Set("Grpc-Status", "0")
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	l := knowing(t, LiveOptions{RootCAs: pool})
	r := hear(t, l, ofProgram(t, "POST", s.URL+"/", "x", "content-type: application/grpc"))
	if r.String() != `200 "one trailers two"` || value(r.trailers, "grpc-status") != "0" {
		t.Errorf("%v %v", r, r.trailers)
	}
	if r := hear(t, l, ofProgram(t, "GET", s.URL+"/reset", "")); r.String() != `200 "one  " cut` {
		t.Errorf("reset: %v", r)
	}
}

// flusher is what codings and servers have in common.
type flusher interface {
	io.Writer
	Flush() error
}

// TestNothingIsHeldBack: each event of a stream is there before the server
// writes the next one, under every coding, with secrets to look for.
func TestNothingIsHeldBack(t *testing.T) {
	for _, coding := range []string{"", "gzip", "deflate", "br", "zstd"} {
		more := make(chan bool)
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			var z flusher
			switch coding {
			case "gzip":
				z = gzip.NewWriter(w)
			case "deflate":
				z, _ = flate.NewWriter(w, 6)
			case "br":
				z = brotli.NewWriter(w)
			case "zstd":
				z, _ = zstd.NewWriter(w)
			}
			if z != nil {
				w.Header().Set("Content-Encoding", coding)
			}
			for i := range 5 {
				text := fmt.Sprintf("data: %d\n\n", i)
				if z == nil {
					io.WriteString(w, text)
				} else {
					io.WriteString(z, text)
					z.Flush()
				}
				w.(http.Flusher).Flush()
				<-more
			}
			if z != nil {
				z.(io.Closer).Close()
			}
		})
		st, err := knowing(t, LiveOptions{}).Stream(t.Context(), ofProgram(t, "GET", s.URL, "", "accept-encoding: "+coding))
		if err != nil {
			t.Fatal(err)
		}
		_, headers, err := st.Head()
		if err != nil || value(headers, "content-encoding") != "" {
			t.Errorf("%q: headers %v, %v", coding, headers, err)
		}
		for i := range 5 {
			chunk, err := st.Next()
			if want := fmt.Sprintf("data: %d\n\n", i); string(chunk) != want || err != nil {
				t.Errorf("%q: chunk %d = %q, %v", coding, i, chunk, err)
			}
			more <- true
		}
		if chunk, err := st.Next(); err != io.EOF {
			t.Errorf("%q: after the last: %q, %v", coding, chunk, err)
		}
		st.Close()
	}
}

// TestChunksStayAsTheyCame: what a server flushed at once arrives at once.
func TestChunksStayAsTheyCame(t *testing.T) {
	sizes := []int{1, 7, 4096, 5000, 20000, 3}
	got := make(chan bool)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, n := range sizes {
			io.WriteString(w, strings.Repeat("x", n))
			w.(http.Flusher).Flush()
			<-got
		}
	})
	st, err := newLive(t, LiveOptions{}).Stream(t.Context(), ofProgram(t, "GET", s.URL, ""))
	if err != nil {
		t.Fatal(err)
	}
	st.Head()
	for i, n := range sizes {
		size := 0
		for size < n { // a segment of TCP may end inside a chunk
			chunk, err := st.Next()
			if err != nil {
				t.Fatal(err)
			}
			size += len(chunk)
		}
		if size != n {
			t.Errorf("chunk %d has %d bytes, want %d", i, size, n)
		}
		got <- true
	}
	if _, err := st.Next(); err != io.EOF {
		t.Error(err)
	}
}

// TestProgramsLeave: upstream is told, whatever the stream waits for.
func TestProgramsLeave(t *testing.T) {
	gone := make(chan string, 10)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/head" {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: 1\n\n")
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
		gone <- r.URL.Path
	})
	for _, how := range []string{"context", "close", "live"} {
		for _, path := range []string{"/head", "/body"} {
			ctx, cancel := context.WithCancel(t.Context())
			l := knowing(t, LiveOptions{})
			st, err := l.Stream(ctx, ofProgram(t, "GET", s.URL+path, ""))
			if err != nil {
				t.Fatal(err)
			}
			leave := map[string]func(){"context": cancel, "close": func() {}, "live": func() { l.Close() }}[how]
			if path == "/head" {
				if how == "close" { // nobody closes what is being used
					leave = cancel
				}
				time.AfterFunc(30*time.Millisecond, leave)
				status, _, err := st.Head()
				if status != 0 || err != nil {
					t.Errorf("%s %s: %d, %v", how, path, status, err)
				}
			} else {
				st.Head()
				st.Next()
				if how == "close" {
					st.Close()
				}
				leave()
			}
			if chunk, err := st.Next(); err != io.EOF {
				t.Errorf("%s %s: %q, %v", how, path, chunk, err)
			}
			if failure, _ := st.End(); failure != "client" {
				t.Errorf("%s %s: %q", how, path, failure)
			}
			select {
			case p := <-gone:
				if p != path {
					t.Errorf("%s: %s was left, want %s", how, p, path)
				}
			case <-time.After(10 * time.Second):
				t.Errorf("%s %s: the server was not told", how, path)
			}
			cancel()
		}
	}
	l := newLive(t, LiveOptions{})
	l.Close()
	if _, err := l.Stream(t.Context(), ofProgram(t, "GET", s.URL, "")); err == nil {
		t.Error("a closed Live sends")
	}
}

// TestLengthsAreRepaired: a secret in an answer that told its length.
func TestLengthsAreRepaired(t *testing.T) {
	mark := wire.Placeholder(keyName)
	pad := strings.Repeat(".", maxRepaired)
	covered := "coo" + strings.Repeat("x", len(keyValue)-3)
	var text, kind string
	cut := false
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		if cut {
			text = text[:len(text)-5]
		}
		io.WriteString(w, text)
	})
	for _, tt := range []struct {
		kind, text, want, length string
		cut                      bool
	}{
		{"application/json", `"` + keyValue + `"`, `"` + mark + `"`, strconv.Itoa(len(mark) + 2), false},
		{"application/json", `"` + keyValue + `" and`, `"` + mark, strconv.Itoa(len(mark) + 6), true},
		{"text/plain", pad + keyValue, pad + covered, strconv.Itoa(len(pad) + len(keyValue)), false},
		{"image/png", "\x89" + keyValue, "\x89" + covered, strconv.Itoa(1 + len(keyValue)), false},
		{"text/plain", "clean", "clean", "5", false},
	} {
		text, kind, cut = tt.text, tt.kind, tt.cut
		r := hear(t, knowing(t, LiveOptions{}), ofProgram(t, "GET", s.URL, ""))
		if r.body() != tt.want || value(r.headers, "content-length") != tt.length || (r.failure == "cut") != tt.cut {
			t.Errorf("%s %.40q: %.80v, length %s, want %.80q, %s", tt.kind, tt.text, r, value(r.headers, "content-length"), tt.want, tt.length)
		}
	}
}

// TestSecretsInHeadsAndTrailers of streams get the placeholder, so that a
// redirect that repeats a key can be followed.
func TestSecretsInHeadsAndTrailers(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "https://h/?key="+r.Header.Get("X-Key"))
		w.Header().Set("X-"+keyValue, "1")
		w.Header().Set("Trailer", "X-T")
		w.WriteHeader(302)
		w.Header().Set("X-T", keyValue+" "+r.Header.Get("X-Token"))
	})
	const token = "ya29-0123456789abcdefghij"
	c := ofProgram(t, "GET", s.URL, "", "x-key: "+wire.Placeholder(keyName), "authorization: Bearer "+token, "x-token: "+token)
	l := newLive(t, LiveOptions{Secret: func(string) (string, bool) { return keyValue, true }})
	r := hear(t, l, c)
	mark := wire.Placeholder(keyName)
	if value(r.headers, "location") != "https://h/?key="+mark || value(r.trailers, "x-t") != mark+" <credential>" {
		t.Errorf("%v %v", r.headers, r.trailers)
	}
	for _, h := range r.headers {
		if strings.Contains(strings.ToLower(h[0]), strings.ToLower(keyValue)) {
			t.Errorf("header %v", h)
		}
	}
	if slices.Contains(r.notes, keyValue) || !slices.Contains(r.notes, "secrets replaced") {
		t.Errorf("notes %v", r.notes)
	}
}
