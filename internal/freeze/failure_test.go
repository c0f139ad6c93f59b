package freeze

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/coding"
	"github.com/coo-runtime/coo/internal/wire"
	"github.com/klauspost/compress/zstd"
)

var discardLog = log.New(io.Discard, "", 0)

// TestMain silences net/http, which logs what a broken server sends.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// raw starts a server that reads a request head from each connection and
// leaves the rest to then; the connection is closed afterwards.
func raw(t *testing.T, then func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				then(c)
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

// hangUp starts a server that closes every connection at its first byte.
func hangUp(t *testing.T) string { return raw(t, func(net.Conn) {}) }

// says starts a server that answers every request with text.
func says(t *testing.T, text string) string {
	return raw(t, func(c net.Conn) { io.WriteString(c, text) })
}

func TestFailuresAreAnswers(t *testing.T) {
	stall := func(text string) string {
		return raw(t, func(c net.Conn) {
			io.WriteString(c, text)
			io.Copy(io.Discard, c) // until the client has had enough
		})
	}
	abort := raw(t, func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) })
	for _, tt := range []struct{ name, addr, want string }{
		{"refused", closedPort(t), "refused"},
		{"unresolved", "no-such-host.invalid", "unresolved"},
		{"closed before a head", hangUp(t), "reset"},
		{"reset before a head", abort, "reset"},
		{"cut inside the head", says(t, "HTTP/1.1 200 OK\r\nContent-Le"), "reset"},
		{"no HTTP", says(t, "SSH-2.0-OpenSSH_9.6\r\n"), "reset"},
		{"a head without end", says(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", maxHead+1)+"\r\n\r\n"), "reset"},
		{"shorter than told", says(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "cut 200 half"},
		{"cut inside chunks", says(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n9\r\n"), "cut 200 half"},
		{"malformed chunks", says(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n"), "cut 200 half"},
		{"longer than told", says(t, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhalf and more"), "200 half"},
		{"until the end", says(t, "HTTP/1.0 200 OK\r\n\r\nwhole"), "200 whole"},
		{"429", says(t, "HTTP/1.1 429 Slow Down\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"), "429 "},
		{"silent", stall(""), "timeout"},
		{"stalls in the body", stall("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "timeout 200 half"},
		{"unknown coding", says(t, "HTTP/1.1 200 OK\r\nContent-Encoding: compress\r\nContent-Length: 4\r\n\r\nhalf"), "encoding 200 "},
		{"too long", says(t, "HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", 101)), "limit 200 " + strings.Repeat("x", 100)},
		{"just fits", says(t, "HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", 100)), "200 " + strings.Repeat("x", 100)},
		{"a status below 100", says(t, "HTTP/1.1 042 What\r\nContent-Length: 0\r\n\r\n"), "reset"},
		{"no content", says(t, "HTTP/1.1 204 No Content\r\n\r\n"), "204 "},
		{"switches", says(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxx"), "101 "},
	} {
		l := newLive(t, LiveOptions{Limits: Limits{Body: 100}})
		req := get("http://" + tt.addr + "/")
		req.Timeout = 5000
		if strings.HasPrefix(tt.want, "timeout") {
			req.Timeout = 150
		}
		if got := show(fetch(t, l, req)); got != "1: "+tt.want {
			t.Errorf("%s: answer = %q, want %q", tt.name, got, "1: "+tt.want)
		}
	}
}

func TestTimeoutIsBetweenParts(t *testing.T) {
	addr := raw(t, func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
		for range 6 {
			time.Sleep(60 * time.Millisecond)
			io.WriteString(c, "x")
		}
	})
	req := get("http://" + addr)
	req.Timeout = 300
	if got, want := show(fetch(t, newLive(t, LiveOptions{}), req)), "1: 200 xxxxxx"; got != want {
		t.Errorf("a slow body: answer = %q, want %q", got, want)
	}
	if got := fetch(t, newLive(t, LiveOptions{Limits: Limits{Total: 40 * time.Millisecond}}), req).Answer; got.Error != "timeout" {
		t.Errorf("a body that takes too long altogether: answer = %+v, want timeout", got)
	}
}

func TestHeadHasNoBody(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		w.Header().Set("Content-Length", "1234")
	})
	req := get(s.URL)
	req.Method = "HEAD"
	a := fetch(t, newLive(t, LiveOptions{}), req).Answer
	if a.Error != "" || a.Status != 200 || value(a.Headers, "content-length") != "1234" || value(a.Headers, "content-encoding") != "br" {
		t.Errorf("answer = %+v", a)
	}
}

// encode applies one content coding.
func encode(t *testing.T, coding string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	case "bare deflate":
		w, err = flate.NewWriter(&out, 6)
	case "zstd":
		w, err = zstd.NewWriter(&out)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestCodedAnswersBecomePlain(t *testing.T) {
	text := []byte(`{"echo":"` + secretValue + `"}` + strings.Repeat(" ", 200))
	want := `{"echo":"<secret KEY>"}` + strings.Repeat(" ", 200)
	for coding, header := range map[string]string{"gzip": "GZip", "deflate": "deflate", "bare deflate": "deflate", "zstd": "zstd"} {
		body := encode(t, coding, text)
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", header)
			w.Write(body)
		})
		l := newLive(t, LiveOptions{})
		if err := l.Know("KEY"); err != nil {
			t.Fatal(err)
		}
		d := fetch(t, l, get(s.URL))
		if string(d.Answer.Body) != want || d.Answer.Error != "" {
			t.Errorf("%s: body = %q, error %q", coding, d.Answer.Body, d.Answer.Error)
		}
		if got := value(d.Answer.Headers, "content-length"); got != fmt.Sprint(len(want)) {
			t.Errorf("%s: content-length = %s, want %d", coding, got, len(want))
		}
		if got := value(d.Answer.Headers, "content-encoding"); got != "" {
			t.Errorf("%s: content-encoding = %s", coding, got)
		}
		if got := strings.Join(d.Timing.Notes, "; "); !strings.HasPrefix(got, "decoded ") || !strings.HasSuffix(got, "; secrets replaced") {
			t.Errorf("%s: notes = %q", coding, got)
		}
	}
}

func TestBrokenCodings(t *testing.T) {
	whole := encode(t, "gzip", []byte(strings.Repeat("abc", 1000)))
	broken := bytes.Clone(whole)
	broken[len(broken)-6] ^= 1 // inside the checksum
	bomb := encode(t, "gzip", make([]byte, 10_000))
	for _, tt := range []struct {
		name, coding string
		body         []byte
		want         string
	}{
		{"empty", "gzip", nil, "1: 200 "},
		{"not what it says", "gzip", []byte("plain text, no gzip"), "1: encoding 200 "},
		{"not what it says", "zstd", []byte("plain text, no zstd"), "1: encoding 200 "},
		{"wrong checksum", "gzip", broken, "1: encoding 200 abcabc"},
		{"too short", "gzip", whole[:len(whole)-4], "1: cut 200 abcabc"},
		{"bomb", "gzip", bomb, "1: limit 200 \x00"},
		{"endless nothing", "gzip", bytes.Repeat(encode(t, "gzip", nil), 300), "1: limit 200 "},
		{"twice", "gzip, gzip", encode(t, "gzip", whole), "1: 200 abcabc"},
		{"too often", "gzip, gzip, gzip, gzip", whole, "1: encoding 200 "},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", tt.coding)
			w.Write(tt.body)
		})
		got := show(fetch(t, newLive(t, LiveOptions{Limits: Limits{Body: 5000}}), get(s.URL)))
		if !strings.HasPrefix(got, tt.want) || strings.HasSuffix(tt.want, " ") && got != tt.want {
			t.Errorf("%s: answer = %.60q, want %q…", tt.name, got, tt.want)
		}
	}
}

// FuzzDecode: whatever a server sends under whatever coding, the body is
// bounded and the run goes on.
func FuzzDecode(f *testing.F) {
	f.Add("gzip", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add("deflate, zstd", []byte("\x28\xb5\x2f\xfd\x00\x58\x11\x00\x00aa"))
	f.Add("x-gzip,identity", []byte{})
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		codings, err := coding.Parse([]string{header})
		if err != nil {
			return
		}
		x := &exchange{limits: Limits{Body: 1000, Held: 1000}, all: new(atomic.Int64), dog: &watchdog{time.Hour, time.NewTimer(time.Hour)}}
		err = x.readBody(bytes.NewReader(body), codings, true)
		sum := 0
		for _, n := range x.answer.Lens {
			sum += n
		}
		if len(x.answer.Body) > 1000 || sum != len(x.answer.Body) {
			t.Errorf("%d bytes in chunks of %d, %v", len(x.answer.Body), sum, err)
		}
		if err != nil {
			x.answer.Error = bodyFailure(t.Context(), err)
		}
		x.answer.Status = 200
		if _, err := newDelivery(Call{Doc: new(wire.Doc)}, &x.answer); err != nil {
			t.Error(err)
		}
	})
}

// parts is a body that comes in parts, one for each Read.
type parts [][]byte

func (p *parts) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	*p = (*p)[1:]
	return n, nil
}

func TestStreamsKeepTheirChunks(t *testing.T) {
	plain := parts{[]byte("data: 1\n\n"), []byte("data: "), []byte("2\n\n")}
	var coded parts
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	for _, part := range plain {
		z.Write(part)
		z.Flush()
		coded = append(coded, bytes.Clone(out.Bytes()))
		out.Reset()
	}
	z.Close()
	coded = append(coded, out.Bytes())
	for name, body := range map[string]parts{"": plain, "gzip": coded} {
		codings, err := coding.Parse([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		x := &exchange{limits: Limits{Body: 1000, Held: 1000}, all: new(atomic.Int64), dog: &watchdog{time.Hour, time.NewTimer(time.Hour)}}
		if err := x.readBody(&body, codings, true); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(x.answer.Lens, string(x.answer.Body)); got != "[9 6 3]data: 1\n\ndata: 2\n\n" {
			t.Errorf("coding %q: %q", name, got)
		}
	}
}

// TestSecretsNeverComeBack lets a server give a secret back wherever it can.
func TestSecretsNeverComeBack(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("X-Key")
		h := w.Header()
		h.Set("X-Echo", "got "+key)
		h.Set("Location", "/next?key="+r.URL.Query().Get("key")+"&raw="+r.URL.RawQuery)
		h.Set("Trailer", "X-Late")
		switch r.URL.Path {
		case "/stream":
			h.Set("Content-Type", "text/event-stream")
			for i := range key {
				fmt.Fprintf(w, "data: %s", key[:i])
				w.(http.Flusher).Flush()
				fmt.Fprintf(w, "%s%s\n\n", key[i:], key)
				w.(http.Flusher).Flush()
			}
		case "/cut":
			h.Set("Content-Length", "1000")
			fmt.Fprint(w, "your key: "+key[:20])
		default:
			fmt.Fprintf(w, "key=%s url=%s", key, r.URL)
		}
		h.Set("X-Late", key)
	})
	request := func(path string) *wire.Request {
		r := post(s.URL+path, "")
		r.URL = wire.Concat(wire.Lit(s.URL+path+"?key="), wire.Secret("KEY").As(wire.InURL))
		r.Headers = append(r.Headers, wire.Field{Name: "x-key", Value: wire.Secret("KEY")})
		return r
	}
	for _, path := range []string{"/", "/stream", "/cut"} {
		d := fetch(t, newLive(t, LiveOptions{}), request(path))
		all := strings.ToLower(string(d.Doc) + string(d.Body))
		for i := 0; i+wire.MinSecret <= len(secretValue); i++ {
			if part := strings.ToLower(secretValue[i : i+wire.MinSecret]); strings.Contains(all, part) {
				t.Errorf("%s: %q of the secret came back: %s", path, part, all)
				break
			}
		}
		a := d.Answer
		if got, want := value(a.Headers, "x-echo"), "got <secret KEY>"; got != want {
			t.Errorf("%s: x-echo = %q, want %q", path, got, want)
		}
		if path == "/" {
			if got, want := value(a.Headers, "content-length"), fmt.Sprint(len(a.Body)); got != "" && got != want {
				t.Errorf("content-length = %s, want %s", got, want)
			}
			if got, want := string(a.Body), "key=<secret KEY> url=/?key=<secret KEY>"; got != want {
				t.Errorf("body = %q, want %q", got, want)
			}
			if got, want := value(a.Headers, "location"), "/next?key=<secret KEY>&raw=key=<secret KEY>"; got != want {
				t.Errorf("location = %q, want %q", got, want)
			}
		}
		if path == "/cut" && (a.Error != "cut" || string(a.Body) != "your key: ") {
			t.Errorf("cut inside a secret: answer = %q", show(d))
		}
		if path == "/stream" && strings.Count(string(a.Body), "<secret KEY>") != 2*len(secretValue) {
			t.Errorf("stream = %q", a.Body)
		}
	}
}

// TestRedactionNeverOutgrowsTheLimit: a name may be longer than its value.
func TestRedactionNeverOutgrowsTheLimit(t *testing.T) {
	addr := says(t, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"+strings.Repeat("12345678", 12))
	l := newLive(t, LiveOptions{
		Secret: func(string) (string, bool) { return "12345678", true },
		Limits: Limits{Body: 100},
	})
	if err := l.Know("A_LONG_NAME"); err != nil {
		t.Fatal(err)
	}
	a := fetch(t, l, get("http://"+addr)).Answer
	if a.Error != "limit" || len(a.Body) != 100 || !strings.HasPrefix(string(a.Body), "<secret A_LONG_NAME><secret") {
		t.Errorf("answer = %s %q", a.Error, a.Body)
	}
}

func TestSecretsInHeaderNames(t *testing.T) {
	const token = "tok-ABC-0123456789"
	addr := says(t, "HTTP/1.1 200 OK\r\nX-"+token+"-Left: 1\r\nContent-Length: 0\r\n\r\n")
	l := newLive(t, LiveOptions{Secret: func(string) (string, bool) { return token, true }})
	if err := l.Know("TOKEN"); err != nil {
		t.Fatal(err)
	}
	a := fetch(t, l, get("http://"+addr)).Answer
	if got := value(a.Headers, "x-secret-token-left"); got != "1" || len(a.Headers) != 2 {
		t.Errorf("headers = %v, want the token out of the name", a.Headers)
	}
}

// TestSecretOfAnotherCall: what a later call has sent must not come back in
// the answer of an earlier one.
func TestSecretOfAnotherCall(t *testing.T) {
	echo := make(chan string, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if key := r.Header.Get("X-Key"); key != "" {
			echo <- key
			return
		}
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		fmt.Fprint(w, <-echo)
	})
	l := newLive(t, LiveOptions{})
	ask(t, l, call(t, 1, get(s.URL)))
	req := get(s.URL)
	req.Headers = []wire.Field{{Name: "x-key", Value: wire.Secret("KEY")}}
	ask(t, l, call(t, 2, req))
	got := []string{next(t, l), next(t, l)}
	if got[0] != "1: 200 <secret KEY>" && got[1] != "1: 200 <secret KEY>" {
		t.Errorf("answers = %q", got)
	}
}
