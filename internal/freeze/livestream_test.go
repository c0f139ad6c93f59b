package freeze

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/coo-runtime/coo/internal/wire"
)

const (
	keyName  = "SERVICE_KEY"
	keyValue = "sk-test-4eC39HqLyjWDarjtT1zdp7dc"
)

// ofProgram makes the Call of a program's request. Header lines are "name: value".
func ofProgram(t testing.TB, method, url, body string, header ...string) Call {
	t.Helper()
	var fields [][2]string
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		fields = append(fields, [2]string{name, value})
	}
	req, doc, _, err := wire.ProgramRequest(method, url, fields, []byte(body), wire.NewPlaceholders([]string{keyName}), wire.ProgramRules())
	if err != nil {
		t.Fatal(err)
	}
	return Call{N: 1, Doc: doc, Req: req}
}

// told is what a program gets to see of an answer.
type told struct {
	status   int
	headers  [][2]string
	chunks   []string
	failure  string
	trailers [][2]string
	notes    []string
}

func (r told) body() string { return strings.Join(r.chunks, "") }

func (r told) String() string {
	s := fmt.Sprintf("%d %q", r.status, r.body())
	if r.failure != "" {
		s += " " + r.failure
	}
	return s
}

// hear reads the answer of c.
func hear(t testing.TB, a Streamer, c Call) told {
	t.Helper()
	s, err := a.Stream(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, s)
}

func listen(t testing.TB, s *Stream) told {
	t.Helper()
	var r told
	var err error
	if r.status, r.headers, err = s.Head(); err != nil {
		t.Fatal(err)
	}
	for {
		chunk, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(chunk) == 0 {
			t.Error("an empty chunk")
		}
		r.chunks = append(r.chunks, string(chunk))
	}
	r.failure, r.trailers = s.End()
	r.notes = s.Timing().Notes
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return r
}

// knowing returns a Live that knows the service key.
func knowing(t *testing.T, o LiveOptions) *Live {
	o.Secret = func(name string) (string, bool) { return keyValue, name == keyName }
	l := newLive(t, o)
	if err := l.Know(keyName); err != nil {
		t.Fatal(err)
	}
	return l
}

func pack(t rapid.TB, coding, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	case "deflate":
		w, _ = flate.NewWriter(&b, 6)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b)
	}
	io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestProgramsGetWhatWasSent(t *testing.T) {
	packed := pack(t, "gzip", "hello")
	var got *http.Request
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("X-Odd", " v ")
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.WriteHeader(201)
		w.Write(packed)
		w.Header().Set("X-Sum", "7")
	})
	for name, l := range map[string]*Live{"no secret": newLive(t, LiveOptions{}), "a secret": knowing(t, LiveOptions{})} {
		r := hear(t, l, ofProgram(t, "GET", s.URL+"/a%2fb/%7e{y}|z?x=%41", "", "accept-encoding: gzip, br", "x-a: 1"))
		if r.status != 201 || r.body() != string(packed) || r.failure != "" {
			t.Errorf("%s: %v", name, r)
		}
		if value(r.headers, "x-odd") != "v" || value(r.headers, "content-encoding") != "gzip" || value(r.headers, "keep-alive") != "" {
			t.Errorf("%s: headers %v", name, r.headers)
		}
		if value(r.trailers, "x-sum") != "7" {
			t.Errorf("%s: trailers %v", name, r.trailers)
		}
		if got.RequestURI != "/a%2fb/%7e{y}|z?x=%41" || got.Header.Get("Accept-Encoding") != "gzip, br" || got.Header["User-Agent"] != nil {
			t.Errorf("%s: sent %s %v", name, got.RequestURI, got.Header)
		}
	}
}

// TestCodedAnswersAreSearched: a coded answer without a secret keeps its
// bytes; one with a secret is handed on decoded, without it.
func TestCodedAnswersAreSearched(t *testing.T) {
	mark := wire.Placeholder(keyName)
	type server struct{ coding, kind, text string }
	var now server
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		packed := pack(t, now.coding, now.text)
		w.Header().Set("Content-Encoding", strings.Replace(now.coding, "zlib", "deflate", 1))
		w.Header().Set("Content-Type", now.kind)
		w.Header().Set("Content-Length", fmt.Sprint(len(packed)))
		w.Header().Set("Content-Md5", "x")
		w.Write(packed)
	})
	long := strings.Repeat("0123456789abcdef", 9000)
	for _, coding := range []string{"gzip", "zlib", "deflate", "br", "zstd"} {
		for _, tt := range []struct{ kind, text, want string }{
			{"text/plain", "clean", ""},
			{"application/json", `{"key":"` + keyValue + `"}`, `{"key":"` + mark + `"}`},
			{"application/json", long + keyValue + long, long + mark + long},
			{"application/x-protobuf", "\x20" + keyValue, "\x20coo" + strings.Repeat("x", len(keyValue)-3)},
			{"application/json", base64.StdEncoding.EncodeToString([]byte("a" + keyValue + "bc"))[:40], ""},
		} {
			now = server{coding, tt.kind, tt.text}
			r := hear(t, knowing(t, LiveOptions{}), ofProgram(t, "GET", s.URL, ""))
			if tt.want == "" {
				want := string(pack(t, coding, tt.text))
				if r.body() != want || value(r.headers, "content-encoding") == "" || value(r.headers, "content-md5") == "" {
					t.Errorf("%s %.20q: %v %v", coding, tt.text, r, r.headers)
				}
				continue
			}
			if r.body() != tt.want || r.failure != "" || value(r.headers, "content-encoding") != "" || value(r.headers, "content-length") != fmt.Sprint(len(tt.want)) || value(r.headers, "content-md5") != "" {
				t.Errorf("%s %.20q: %.200v %v", coding, tt.text, r, r.headers)
			}
			if fmt.Sprint(r.notes) != "[decoded "+strings.Replace(coding, "zlib", "deflate", 1)+" secrets replaced]" {
				t.Errorf("%s: notes %v", coding, r.notes)
			}
		}
	}
}

// frame makes one message of an Amazon event stream.
func frame(headers, payload string) string {
	n := framePrelude + len(headers) + len(payload) + frameCRC
	b := binary.BigEndian.AppendUint32(nil, uint32(n))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, headers...), payload...)
	return string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
}

func TestAmazonEventStreamsKeepTheirFraming(t *testing.T) {
	header := "\x0b:event-type\x07\x00\x05chunk"
	stream := frame(header, `{"a":1}`) + frame(header, "") + frame(header, `{"key":"`+keyValue+`"}`) + frame("", strings.Repeat("x", 100000))
	masked := "coo" + strings.Repeat("x", len(keyValue)-3)
	want := frame(header, `{"a":1}`) + frame(header, "") + frame(header, `{"key":"`+masked+`"}`) + frame("", strings.Repeat("x", 100000))
	for _, tt := range []struct{ name, sent, want, failure string }{
		{"sound", stream, want, ""},
		{"no framing after all", "x" + stream, "x" + strings.ReplaceAll(stream, keyValue, masked), ""},
		{"broken later", stream + "y" + keyValue + strings.Repeat("z", 20), want + "y" + masked + strings.Repeat("z", 20), ""},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", awsEventStream)
			for i := range len(tt.sent) {
				if i%4099 == 0 {
					io.WriteString(w, tt.sent[i:min(i+4099, len(tt.sent))])
					w.(http.Flusher).Flush()
				}
			}
		})
		r := hear(t, knowing(t, LiveOptions{}), ofProgram(t, "GET", s.URL, ""))
		if r.body() != tt.want || r.failure != tt.failure {
			t.Errorf("%s:\n got %.500v\nwant %.500q", tt.name, r, tt.want)
		}
	}
}

// TestNamesAreNoWayAround: what may not be reached is not reached by a name
// that leads there, and what a name leads to is asked about before anything
// is connected to.
func TestNamesAreNoWayAround(t *testing.T) {
	var came atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "inside") })}
	s.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			came.Add(1)
		}
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	var asked []string
	no := func(hostport string, addr netip.Addr) error {
		asked = append(asked, hostport+" "+addr.String())
		return errors.New("not there")
	}
	for _, tt := range []struct {
		name, url string
		o         LiveOptions
		reach     func(string, netip.Addr) error
		want      string
		asked     int
	}{
		{"refused", "http://localhost:" + port + "/", LiveOptions{}, no, `0 "" refused`, 1},
		{"permitted", "http://localhost:" + port + "/", LiveOptions{}, func(string, netip.Addr) error { return nil }, `200 "inside"`, 0},
		{"anything will do", "http://localhost:" + port + "/", LiveOptions{}, nil, `200 "inside"`, 0},
		{"an address is no name", "http://127.0.0.1:" + port + "/", LiveOptions{}, no, `200 "inside"`, 0},
		{"the user said where", "http://api.test/", LiveOptions{Resolve: map[string]string{"api.test:80": l.Addr().String()}}, no, `200 "inside"`, 0},
	} {
		came.Store(0)
		asked = nil
		c := ofProgram(t, "GET", tt.url, "")
		c.Reach = tt.reach
		got := hear(t, newLive(t, tt.o), c)
		if refused := strings.HasSuffix(tt.want, "refused"); got.String() != tt.want || (came.Load() == 0) != refused || (len(asked) > 0) != (tt.asked > 0) {
			t.Errorf("%s: %v, want %s; %d connections; asked %q", tt.name, got, tt.want, came.Load(), asked)
		}
		for _, a := range asked {
			if !strings.HasPrefix(a, "localhost:"+port+" ") {
				t.Errorf("%s: asked %q", tt.name, a)
			}
		}
	}
}
