package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A HandlerFunc answers by a function.
type handlerFunc func(x *Exchange)

func (f handlerFunc) Serve(x *Exchange) { f(x) }

const testToken = "d3c0ffee"

// A fixture is a server with both doors open on loopback.
type fixture struct {
	t           *testing.T
	s           *Server
	ca          *CA
	explicit    net.Listener
	transparent net.Listener

	mu       sync.Mutex // guards the rest
	target   Target     // of transparent connections
	refusals []Refusal
}

// open starts a server. change may alter its options and its limits.
func open(t *testing.T, h handlerFunc, change func(o *Options, l *limits)) *fixture {
	t.Helper()
	ca, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, ca: ca, target: Target{Host: "api.example", Port: 443}}
	o := Options{CA: ca, Handler: h, Token: testToken, Refused: func(r Refusal) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.refusals = append(f.refusals, r)
	}}
	l := defaultLimits
	if change != nil {
		change(&o, &l)
	}
	f.s = New(o)
	f.s.limits = l
	f.explicit, f.transparent = listen(t), listen(t)
	go f.s.ServeProxy(f.explicit)
	go f.s.ServeTransparent(f.transparent, func(net.Conn) (Target, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.target, nil
	})
	t.Cleanup(func() {
		if err := f.s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return f
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// aim says what redirected connections are meant for, from now on.
func (f *fixture) aim(t Target) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.target = t
}

// forget empties the list of refusals.
func (f *fixture) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusals = nil
}

// refused waits for a refusal whose reason holds part, and returns it.
func (f *fixture) refused(part string) Refusal {
	f.t.Helper()
	for range 500 {
		f.mu.Lock()
		i := slices.IndexFunc(f.refusals, func(r Refusal) bool { return strings.Contains(r.Why, part) })
		var r Refusal
		if i >= 0 {
			r = f.refusals[i]
		}
		f.mu.Unlock()
		if i >= 0 {
			return r
		}
		time.Sleep(10 * time.Millisecond)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.t.Errorf("no refusal says %q: %q", part, f.refusals)
	return Refusal{}
}

// roots returns a pool that believes the fixture's CA alone.
func (f *fixture) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(f.ca.PEM())
	return pool
}

// proxyURL is what HTTPS_PROXY holds.
func (f *fixture) proxyURL() *url.URL {
	return &url.URL{Scheme: "http", User: url.UserPassword("coo", testToken), Host: f.explicit.Addr().String()}
}

// client returns a client that goes through the explicit door.
func (f *fixture) client(h2 bool) *http.Client {
	tr := &http.Transport{
		Proxy:             http.ProxyURL(f.proxyURL()),
		TLSClientConfig:   &tls.Config{RootCAs: f.roots()},
		ForceAttemptHTTP2: h2,
	}
	f.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// direct returns a client all of whose connections are redirected to the
// transparent door.
func (f *fixture) direct(h2 bool) *http.Client {
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", f.transparent.Addr().String())
		},
		TLSClientConfig:   &tls.Config{RootCAs: f.roots()},
		ForceAttemptHTTP2: h2,
	}
	f.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// echo answers with what was asked.
func echo(x *Exchange) {
	text := fmt.Sprintf("%s %s\n", x.Method, x.URL)
	for _, h := range x.Header {
		text += h[0] + ": " + h[1] + "\n"
	}
	text += "\n" + string(x.Body)
	for _, h := range x.Trailer {
		text += "\n" + h[0] + ": " + h[1]
	}
	x.Head(200, [][2]string{{"content-type", "text/plain"}, {"x-proto", x.Proto}})
	x.Write([]byte(text))
	x.End([][2]string{{"x-end", "yes"}})
}

// do performs a request and returns the answer with its body.
func do(t *testing.T, c *http.Client, method, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%s %s: body: %v", method, url, err)
	}
	return resp, string(b)
}

func TestDoors(t *testing.T) {
	f := open(t, echo, nil)
	for _, c := range []struct {
		name   string
		client *http.Client
		url    string
		port   int
		proto  string
	}{
		{"absolute form", f.client(false), "http://api.example/a?b=c", 0, "HTTP/1.1"},
		{"absolute form, port", f.client(false), "http://api.example:8080/a", 0, "HTTP/1.1"},
		{"CONNECT", f.client(false), "https://api.example/a?b=c", 0, "HTTP/1.1"},
		{"CONNECT, HTTP/2", f.client(true), "https://api.example/a?b=c", 0, "HTTP/2.0"},
		{"CONNECT, port", f.client(true), "https://api.example:8443/a", 0, "HTTP/2.0"},
		{"CONNECT, address", f.client(true), "https://192.0.2.7/a", 0, "HTTP/2.0"},
		{"CONNECT, IPv6", f.client(true), "https://[2001:db8::7]/a", 0, "HTTP/2.0"},
		{"transparent", f.direct(false), "https://api.example/a", 443, "HTTP/1.1"},
		{"transparent, HTTP/2", f.direct(true), "https://api.example/a", 443, "HTTP/2.0"},
		{"transparent, plain", f.direct(false), "http://api.example/a", 80, "HTTP/1.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.aim(Target{Host: "api.example", Port: c.port})
			resp, body := do(t, c.client, "POST", c.url, strings.NewReader(`{"model":"m"}`))
			if resp.StatusCode != 200 || resp.Proto != c.proto || resp.Header.Get("X-Proto") != c.proto {
				t.Errorf("answer: %s %s, X-Proto %s, want 200 over %s", resp.Proto, resp.Status, resp.Header.Get("X-Proto"), c.proto)
			}
			if !strings.HasPrefix(body, "POST "+c.url+"\n") || !strings.Contains(body, "\n\n"+`{"model":"m"}`) {
				t.Errorf("body: %q", body)
			}
			if strings.Contains(body, "proxy-") || strings.Contains(body, "host:") {
				t.Errorf("a field for the proxy went through: %q", body)
			}
			if got := resp.Trailer.Get("X-End"); got != "yes" {
				t.Errorf("trailer X-End: %q", got)
			}
			for _, name := range []string{"Date", "Server"} {
				if v, ok := resp.Header[name]; ok {
					t.Errorf("header %s: %q was added", name, v)
				}
			}
		})
	}
	if len(f.refusals) > 0 {
		t.Errorf("refused: %q", f.refusals)
	}
}

// Chunks arrive when they are written, and not when the next one is.
func TestChunksAsTheyCome(t *testing.T) {
	step := make(chan bool)
	f := open(t, func(x *Exchange) {
		x.Head(200, [][2]string{{"content-type", "text/event-stream"}})
		for range 3 {
			<-step
			x.Write([]byte("data: x\n\n"))
		}
		<-step
		x.End(nil)
	}, nil)
	for _, h2 := range []bool{false, true} {
		resp, err := f.client(h2).Get("https://api.example/stream")
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		for range 3 {
			step <- true
			n, err := resp.Body.Read(buf)
			if string(buf[:n]) != "data: x\n\n" || err != nil {
				t.Fatalf("chunk: %q, %v", buf[:n], err)
			}
		}
		step <- true
		if n, err := resp.Body.Read(buf); n != 0 || err != io.EOF {
			t.Errorf("end: %d bytes, %v", n, err)
		}
		resp.Body.Close()
	}
}

// What a reset before a head, after a head, and in a body looks like.
func TestAbort(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 10_000)
	f := open(t, func(x *Exchange) {
		_, how, _ := strings.Cut(x.URL, "?")
		if how != "before" {
			x.Head(200, nil)
		}
		if how == "body" || how == "cut" {
			x.Write(body)
		}
		if how == "cut" {
			x.Cut()
			return
		}
		x.Abort()
	}, nil)
	for _, h2 := range []bool{false, true} {
		for _, how := range []string{"before", "head", "body", "cut"} {
			resp, err := f.client(h2).Post("https://api.example/?"+how, "text/plain", strings.NewReader("x"))
			if how == "before" {
				if err == nil {
					t.Errorf("h2 %v, %s: %s", h2, how, resp.Status)
				}
				continue
			}
			if err != nil {
				t.Errorf("h2 %v, %s: %v", h2, how, err)
				continue
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			want := 0
			if how == "body" || how == "cut" {
				want = len(body)
			}
			if err == nil || len(got) != want {
				t.Errorf("h2 %v, %s: %d bytes, error %v; want %d and an error", h2, how, len(got), err, want)
			}
		}
	}
}
