//go:build unix

package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/modelserver"
	"github.com/coo-runtime/coo/internal/proofs"
)

// mostMemory is what no mission and no server may make coo take, in bytes.
const mostMemory = 1 << 30

// hungry are missions that would take all memory, all time or the whole
// stack. Each must fail, or end the run with a clear line.
var hungry = map[string]struct{ body, want string }{
	"huge range":                        {`list(range(1 << 62))`, `range: number too large`},
	"large range":                       {`list(range(1 << 30))`, `too many elements`},
	"deep text decoded":                 {`json.decode("[" * 30000000)`, `json.decode: .*nested too deeply`},
	"deep dict encoded":                 {"x = {}\nfor i in range(200000): x = {\"a\": x}\njson.encode(x)", `json.encode: nested too deeply`},
	"deep dict sent (full length)":      {"x = {}\nfor i in range(200000): x = {\"a\": x}\ncoo.http(\"POST\", \"http://nobody.test/\", json = x)", `json: nested too deeply`},
	"deep dict returned (full length)":  {"x = {}\nfor i in range(200000): x = {\"a\": x}\nreturn x", `nested too deeply`},
	"repeated list":                     {`[0] * (1 << 29)`, `too many elements`},
	"squares":                           {"x = 3\nfor i in range(100): x = x * x", `integer too large`},
	"deep list printed":                 {"x = []\nfor i in range(200000): x = [x]\nprint(str(x))", `nested too deeply to be printed`},
	"join":                              {"x = \"ab\"\nfor i in range(22): x = x.join([x, x, x])", `text too long`},
	"deep tuple as a key (full length)": {"x = ()\nfor i in range(6000000): x = (x,)\nd = {x: 1}", `key nested too deeply|holds more than`},
	"much in little":                    {`x = [("a" * 30000000) + str(i) for i in range(1000)]`, `holds more than 384 MiB of memory`},
	"copies by slices (full length)":    {"x = [0] * 4000000\ny = [x[:] for i in range(1000)]", `holds more than 384 MiB of memory`},
	"files for ever (full length)":      {`[coo.write("f%d" % i, ("a" * 30000000) + str(i)) for i in range(1000)]`, `holds more than 384 MiB of memory`},
	"branches for ever (full length)":   {"def f():\n    return coo.parallel([f2] * 1000)\ndef f2():\n    return coo.parallel([f3] * 1000)\ndef f3():\n    return 1\ncoo.parallel([f] * 1000)", `too many branches|holds more than`},
	"too wide":                          {`coo.parallel([lambda: 1] * 1001)`, `too many branches`},
	"long name":                         {`coo.step("a" * 1000000, lambda: 1)`, `name is longer than 200 bytes`},
	"long path":                         {`coo.write("a" * 1000000, "x")`, `path is longer than|longer than`},
	"long failure":                      {`coo.fail("a" * 30000000)`, `aaaa`},
	"long sleep":                        {`coo.sleep(1e300)`, `time too long`},
	"headers of 100 MB (full length)":   {`coo.http("GET", "http://nobody.test/", headers = {"x-%d" % i: "a" * 100000 for i in range(1000)})`, `headers: too long`},
	"long url":                          {`coo.http("GET", "http://nobody.test/" + "a" * 10000000)`, `url.*(too|longer)|longer|allows`},
	"body of the largest (full length)": {"x = \"a\" * 33000000\nprint(coo.http(\"POST\", \"http://SERVER/status/404\", body = x).status)", ``},
	"answers for ever":                  {`coo.parallel([lambda: len(coo.http("GET", "http://SERVER/zeros").body)] * 64)`, `holds more than 384 MiB of memory`},
	"answers one by one (full length)":  {"n = 0\nfor i in range(8):\n    a = coo.http(\"GET\", \"http://SERVER/zeros\")\n    n += len(a.text)\n    if a.error != \"limit\": fail(a.error)\nfail(\"n = %d\" % n)", `n = |allows|too long`},
	"steps (full length)":               {"for i in range(1 << 30):\n    for j in range(1 << 30): pass", `too many steps: limits/1 allows 200000000`},
	"records for ever (full length)":    {"for i in range(20000): coo.step(\"s\", lambda: 1)\nfail(\"enough\")", `enough`},
	"self-holding value":                {"x = []\nx.append(x)\nreturn x", `holds itself`},
	"recursion":                         {"def g(f): return f(f)\ng(g)", `called recursively`},
	"recursion by default":              {"def h(n, k = None):\n    return k(n, k)\nh(1, h)", `called recursively`},
}

// fullLength ends the names of the missions that take seconds. Package
// mission has tests of most of them at any length.
const fullLength = " (full length)"

// TestHungryMissions runs each as a user would, and reads from the kernel what
// coo took.
func TestHungryMissions(t *testing.T) {
	proofs.Needed(t)
	srv := httptest.NewServer(hostile{})
	t.Cleanup(srv.Close)
	var most peak
	names := slices.Sorted(maps.Keys(hungry))
	if !full() {
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, fullLength) })
	}
	t.Run("all", func(t *testing.T) {
		for _, name := range names {
			c := hungry[name]
			t.Run(name, func(t *testing.T) {
				p := newPlace(t)
				body := strings.ReplaceAll(strings.ReplaceAll(c.body, "SERVER", srv.Listener.Addr().String()), "\n", "\n    ")
				p.write("m.star", "def main(coo):\n    "+body+"\n")
				r := p.coo("run", "m.star")
				most.take(t, r)
				if c.want == "" {
					if r.status != exitOK {
						t.Errorf("exit %d: %.500s", r.status, r.stderr)
					}
					return
				}
				if r.status != exitFailed || !says(r.stderr, c.want) {
					t.Errorf("exit %d, want 1 and %q: %.1000s", r.status, c.want, r.stderr)
				}
				if strings.Contains(r.stderr, "goroutine ") || strings.Contains(r.stderr, "internal error") || len(r.stderr) > 64<<10 {
					t.Errorf("stderr, %d bytes: %.1000s", len(r.stderr), r.stderr)
				}
				p.ends(exitOK, "logs")
			})
		}
	})
	proved(t, "hungry missions: %d, none took more than %d MiB", len(names), most.bytes>>20)
}

// A hostile server answers without end or without sense, as the path says.
type hostile struct{}

func (hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch parts[0] {
	case "zeros": // more than any limit
		pour(w, strings.Repeat("0", 1<<20), 1<<10)
	case "bomb":
		h.Set("Content-Encoding", "gzip")
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level exists
		pour(z, strings.Repeat("\x00", 1<<20), 1<<10)
	case "matryoshka":
		h.Set("Content-Encoding", "gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip")
		io.WriteString(w, "not even one")
	case "deep":
		io.WriteString(w, strings.Repeat("[", 10_000_000))
	case "deepobjects":
		pour(w, strings.Repeat(`{"a":`, 1000), 2000)
	case "wide":
		io.WriteString(w, "["+strings.Repeat("0,", 20_000_000)+"0]")
	case "digits":
		io.WriteString(w, strings.Repeat("9", 10_000_000))
	case "events":
		h.Set("Content-Type", "text/event-stream")
		pour(w, strings.Repeat("data:\n\n", 1000), 3000)
	case "line":
		h.Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: ")
		pour(w, strings.Repeat("x", 1<<20), 60)
	case "binary":
		h.Set("Content-Type", "text/event-stream")
		pour(w, "data: \xff\xfe\x00\r\ndata\n: \n\n\x00event:\r\r", 1000)
	case "chunks":
		h.Set("Content-Type", "text/event-stream")
		for range 20000 {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
		}
	case "fields":
		for i := range 5000 {
			h.Set("X-"+strconv.Itoa(i), strings.Repeat("v", 150))
		}
	case "status":
		io.Copy(io.Discard, r.Body)
		n, _ := strconv.Atoi(parts[1])
		w.WriteHeader(n)
	}
}

// pour writes a text n times, or until nobody listens.
func pour(w io.Writer, text string, n int) {
	for range n {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
	}
}

// endless listens and answers with a head that never ends.
func endless(t *testing.T, head, line string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { ln.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(30 * time.Second))
				conn.Read(make([]byte, 4096))
				io.WriteString(conn, head)
				pour(conn, strings.Repeat(line, 1000), 100_000)
			})
		}
	})
	return ln.Addr().String()
}

// prober does with an answer what a mission may do, and says how it fared.
const prober = `
def main(coo, url, sample = ""):
    headers = {"x-sample": sample} if sample else {}
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    a = coo.http("POST", url, headers = headers, json = body, timeout = 1 if sample in ["stall", "silent"] else 30)
    out = ["status %d, error %s" % (a.status, a.error)]
    for f in [lambda: len(a.body), lambda: len(a.text), lambda: len(a.headers), lambda: type(a.json()), lambda: len(a.events())]:
        r = coo.attempt(f)
        out.append(str(r.value) if r.ok else r.error)
    coo.attempt(lambda: coo.write("body", a.body))
    return "; ".join(out)
`

// TestHostileServers sends a mission to servers that answer without end or
// without sense: each comes to an answer, an error of it, or a failure; its
// replay is identical; and coo's memory is bounded.
func TestHostileServers(t *testing.T) {
	proofs.Needed(t)
	srv := httptest.NewServer(hostile{})
	t.Cleanup(srv.Close)
	sample := httptest.NewServer(modelserver.New(modelserver.Options{MaxDelay: -1}))
	t.Cleanup(sample.Close)
	chat := sample.URL + "/v1/chat/completions"
	cases := []struct{ name, url, sample, want string }{
		{"1 GiB", srv.URL + "/zeros", "", `status 200, error limit; answer: body: text too long: limits/1 allows 33554432 bytes`},
		{"gzip bomb" + fullLength, srv.URL + "/bomb", "", `status 200, error limit; answer: body: text too long: limits/1 allows 33554432 bytes`},
		{"many codings", srv.URL + "/matryoshka", "", `error encoding`},
		{"deep arrays", srv.URL + "/deep", "", `error None; 10000000; .*nested too deeply`},
		{"deep objects" + fullLength, srv.URL + "/deepobjects", "", `error None; 10000000; .*nested too deeply`},
		{"wide array" + fullLength, srv.URL + "/wide", "", `too many values|too long|allows`},
		{"long number", srv.URL + "/digits", "", `number too long`},
		{"many events", srv.URL + "/events", "", `events: .*(too many|allows|more than)`},
		{"long line" + fullLength, srv.URL + "/line", "", `events: .*(too long|longer|allows)`},
		{"binary events", srv.URL + "/binary", "", `status 200, error None`},
		{"small chunks", srv.URL + "/chunks", "", `status 200, error None; 20000;`},
		{"many fields", srv.URL + "/fields", "", `status 200, error None|error reset|error limit`},
		{"endless head", "http://" + endless(t, "HTTP/1.1 200 OK\r\n", "X-More: "+strings.Repeat("a", 100)+"\r\n"), "", `status 0, error (limit|reset)`},
		{"endless status", "http://" + endless(t, "HTTP/1.1 200 ", strings.Repeat("a", 100)), "", `status 0, error (limit|reset)`},
		{"endless informational", "http://" + endless(t, "", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"), "", `status 0, error (limit|reset)`},
		{"endless chunk line", "http://" + endless(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", strings.Repeat("0", 100)), "", `error (cut|limit|reset)`},
		{"endless trailers", "http://" + endless(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-More: a\r\n"), "", `error (cut|limit|reset)`},
		{"no HTTP", "http://" + endless(t, "SSH-2.0-x\r\n", "\r\n"), "", `status 0, error reset`},
		{"big" + fullLength, chat, "big; bytes=70000000", `error limit`},
		{"deep" + fullLength, chat, "deep; depth=10000000", `nested too deeply`},
		{"malformed", chat, "malformed", `status 200`},
		{"overloaded", chat, "overloaded", `status 200`},
		{"wrong length", chat, "badlength", `error cut`},
		{"short length", chat, "badlength; short", `status 200`},
		{"cut", chat, "cut", `error cut`},
		{"reset", chat, "reset", `error (reset|cut)`},
		{"stall" + fullLength, chat, "stall", `error timeout`},
		{"silent", chat, "silent", `error timeout`},
	}
	var most peak
	answers := 0
	t.Run("all", func(t *testing.T) {
		for _, c := range cases {
			if strings.HasSuffix(c.name, fullLength) && !full() {
				continue
			}
			answers++
			t.Run(c.name, func(t *testing.T) {
				p := newPlace(t)
				p.write("m.star", prober)
				r := p.coo("run", "m.star", "--arg", "url="+c.url, "--arg", "sample="+c.sample)
				most.take(t, r)
				if r.status != exitOK || !says(r.stdout, c.want) {
					t.Fatalf("exit %d, want 0 and %q: %.600s%.600s", r.status, c.want, r.stdout, r.stderr)
				}
				again := p.coo("replay", "@last")
				most.take(t, again)
				if again.status != exitOK || !strings.Contains(again.stdout, "\nidentical: ") {
					t.Errorf("replay: exit %d: %.600s%.600s", again.status, again.stdout, again.stderr)
				}
				if !full() {
					return
				}
				for _, args := range [][]string{{"verify", "@last"}, {"inspect", "@last"}, {"explain", "@last"}, {"inspect", "@last", "--call", "1"}} {
					most.take(t, p.ends(exitOK, args...))
				}
			})
		}
	})
	proved(t, "hostile servers: %d answers recorded and replayed, in at most %d MiB", answers, most.bytes>>20)
}

// A peak is the most memory that any process took.
type peak struct {
	mu    sync.Mutex
	bytes int64
}

func (k *peak) take(t *testing.T, r process) {
	t.Helper()
	took := residentBytes(r.state)
	if took > mostMemory {
		t.Errorf("it took %d MiB", took>>20)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bytes = max(k.bytes, took)
	t.Logf("exit %d, %d MiB, %v", r.status, took>>20, fmt.Sprint(r.state.UserTime()+r.state.SystemTime()))
}
