//go:debug cryptocustomrand=1

package proxy

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// pipes is a listener whose connections are made by hand.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// counting counts what is read, and keeps it.
type counting struct {
	net.Conn
	n     int
	bytes bytes.Buffer
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n += n
	c.bytes.Write(b[:n])
	return n, err
}

type hello struct{}

func (hello) Serve(x *Exchange) {
	x.Head(200, [][2]string{{"content-length", "5"}})
	x.Write([]byte("hello"))
	x.End(nil)
}

func TestExactCA(t *testing.T) {
	start := time.Date(2020, 2, 29, 12, 0, 0, 999, time.UTC)
	a, err := NewExactCA([]byte("secret"), start)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := NewExactCA([]byte("secret"), start)
	other, _ := NewExactCA([]byte("another"), start)
	later, _ := NewExactCA([]byte("secret"), start.Add(time.Hour))
	if !bytes.Equal(a.PEM(), b.PEM()) || bytes.Equal(a.PEM(), other.PEM()) || bytes.Equal(a.PEM(), later.PEM()) {
		t.Error("the certificate does not follow from secret and start, and from both")
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.PEM())
	for _, host := range []string{"api.example", "192.0.2.7", "::1"} {
		one, err := a.leaf(host)
		if err != nil {
			t.Fatal(err)
		}
		same, _ := b.leaf(host)
		if !bytes.Equal(one.Certificate[0], same.Certificate[0]) {
			t.Errorf("two certificates for %s", host)
		}
		for _, at := range []time.Time{start, start.Add(200 * 24 * time.Hour)} {
			if _, err := one.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: at, DNSName: bracketed(host)}); err != nil {
				t.Errorf("%s at %v: %v", host, at, err)
			}
		}
	}
}

// However often it is done, a client reads as many bytes, and the same if it
// says the same.
func TestExactSizes(t *testing.T) {
	start := time.Now()
	ca, err := NewExactCA([]byte("secret"), start)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.PEM())
	l := make(pipes)
	s := New(Options{CA: ca, Handler: hello{}, Exact: true})
	defer s.Close()
	go s.ServeTransparent(l, func(net.Conn) (Target, error) { return Target{Host: "api.example", Port: 443}, nil })
	defer close(l)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		sizes, texts := map[int]int{}, map[string]int{}
		for i := range 40 {
			near, far := net.Pipe()
			l <- far
			c := &counting{Conn: near}
			config := &tls.Config{RootCAs: pool, ServerName: "api.example", MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}}
			if same := i%2 == 0; same {
				config.Rand = &randomness{secret: []byte("client"), heard: sha256.New()}
				config.CurvePreferences = []tls.CurveID{tls.X25519}
			}
			tc := tls.Client(c, config)
			io.WriteString(tc, "GET / HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(tc), nil)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "hello" {
				t.Fatalf("%q, %v", b, err)
			}
			io.Copy(io.Discard, tc)
			if p := tc.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
				t.Errorf("protocol %q", p)
			}
			near.Close()
			sizes[c.n]++
			texts[c.bytes.String()]++
		}
		if want := 1 + 20; len(texts) != want {
			t.Errorf("%s: %d different answers, want %d", tls.VersionName(version), len(texts), want)
		}
		if len(sizes) != 1 {
			t.Errorf("%s: bytes read, and how often: %v", tls.VersionName(version), sizes)
		}
	}
}

// HTTP/2 that was not agreed on is not spoken.
func TestExactPreface(t *testing.T) {
	l := make(pipes)
	s := New(Options{CA: newCA(t), Handler: hello{}, Exact: true})
	defer s.Close()
	go s.ServeTransparent(l, func(net.Conn) (Target, error) { return Target{Host: "api.example", Port: 80}, nil })
	defer close(l)
	near, far := net.Pipe()
	l <- far
	go io.WriteString(near, preface)
	resp, err := http.ReadResponse(bufio.NewReader(near), nil)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%v, %v", resp, err)
	}
	near.Close()
}
