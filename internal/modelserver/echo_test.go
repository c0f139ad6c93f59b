package modelserver

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const secret = "sk-Canary_1234567890"

// echoed asks for an echo of a request that has the secret in its URL, in a
// header and in its body.
func echoed(t *testing.T, how string) *answer {
	t.Helper()
	s := start(t)
	a := post(t, s.Client(), s.URL+"/any/path?key="+secret, `{"note":"`+secret+"\n\"}", "authorization", "Bearer "+secret, "x-sample", how)
	if a.status != 200 || a.err != nil {
		t.Fatalf("%s: status %d, %v: %s", how, a.status, a.err, a.body)
	}
	return a
}

func TestEchoBody(t *testing.T) {
	undo := map[string]func(b []byte) ([]byte, error){
		"json":      func(b []byte) ([]byte, error) { return b, nil },
		"text":      func(b []byte) ([]byte, error) { return b, nil },
		"sse":       func(b []byte) ([]byte, error) { _, err := readSSE(b); return b, err },
		"hex":       func(b []byte) ([]byte, error) { return hex.DecodeString(string(b)) },
		"base64":    func(b []byte) ([]byte, error) { return base64.StdEncoding.DecodeString(string(b)) },
		"base64url": func(b []byte) ([]byte, error) { return base64.RawURLEncoding.DecodeString(string(b)) },
		"percent": func(b []byte) ([]byte, error) {
			text, err := url.PathUnescape(string(b))
			return []byte(text), err
		},
	}
	for as, f := range undo {
		b, err := f(echoed(t, "echo; as="+as).body)
		if n := bytes.Count(b, []byte(secret)); err != nil || n != 3 {
			t.Errorf("%s: %d times, want in URL, header and body: %v: %s", as, n, err, b)
		}
		plain := as == "json" || as == "text" || as == "sse"
		if raw := bytes.Contains(echoed(t, "echo; as="+as).body, []byte(secret)); raw != plain && as != "percent" {
			t.Errorf("%s: the secret is there as it is: %v", as, raw)
		}
	}
	if b := echoed(t, "echo; as=text; pad=2").body; !bytes.HasPrefix(b, []byte("..POST /any/path")) {
		t.Errorf("pad: %s", b)
	}
}

func TestEchoHeaders(t *testing.T) {
	a := echoed(t, "echo; names; trailers")
	for name, want := range map[string]string{
		"x-echo-authorization": "Bearer " + secret,
		"x-echo-request":       "POST /any/path?key=" + secret + " HTTP/1.1",
		"x-echo-body":          `{"note":"` + secret + `%0A"}`,
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := a.header.Get("x-echo-name-bearer-" + secret); got != "1" {
		t.Errorf("no header named after the secret: %v", a.header)
	}
	if got := a.trailer.Get("x-echo-authorization"); got != "Bearer "+secret {
		t.Errorf("trailers %v", a.trailer)
	}
}

func TestEchoCoding(t *testing.T) {
	for coding, open := range map[string]func(io.Reader) (io.Reader, error){
		"gzip":    func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"deflate": func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
		"x-odd":   func(r io.Reader) (io.Reader, error) { return r, nil },
	} {
		s := start(t)
		// A coding asked for by hand is not undone by net/http.
		a := post(t, s.Client(), s.URL+"/", secret, "accept-encoding", coding, "x-sample", "echo; as=text; chunks=7; coding="+coding)
		r, err := open(bytes.NewReader(a.body))
		if err != nil {
			t.Fatalf("%s: %v", coding, err)
		}
		if b, err := io.ReadAll(r); err != nil || !bytes.HasSuffix(b, []byte(secret)) || a.header.Get("content-encoding") != coding {
			t.Errorf("%s: %v: %s", coding, err, b)
		}
	}
}

// TestEchoChunks looks at the wire: every flushed piece is a chunk.
func TestEchoChunks(t *testing.T) {
	s := start(t)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Sample: echo; as=text; chunks=1+20+9\r\nContent-Length: 4\r\n\r\nbody")
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	text, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body)))
	if err != nil || !bytes.HasSuffix(text, []byte("\n\nbody")) {
		t.Fatalf("%v: %s", err, body)
	}
	var sizes []int
	for len(body) > 0 {
		var n int
		if _, err := fmt.Sscanf(string(body), "%x\r\n", &n); err != nil {
			t.Fatalf("%v: %q", err, body)
		}
		_, rest, _ := bytes.Cut(body, []byte("\r\n"))
		body = rest[n+2:]
		sizes = append(sizes, n)
	}
	want := []int{1, 20}
	for left := len(text) - 21; left > 0; left -= 9 {
		want = append(want, min(9, left))
	}
	if want = append(want, 0); !slices.Equal(sizes, want) {
		t.Errorf("chunks of %v bytes, want %v", sizes, want)
	}
}

func TestEchoReply(t *testing.T) {
	s := start(t)
	each(t, func(t *testing.T, p *provider, stream bool) {
		got := p.says(t, s, options{stream: stream, model: "sample-echo"})
		if !strings.HasPrefix(got.text, "POST /") || !strings.HasSuffix(got.text, p.body(options{stream: stream, model: "sample-echo"})) {
			t.Errorf("text %q", got.text)
		}
		if got.finish != p.stop || got.out != len(tokens(got.text)) {
			t.Errorf("answer %+v", got)
		}
	})
}
