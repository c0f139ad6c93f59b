package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/wire"
)

// dial opens a connection on which l's side is the target of the fixture.
func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// Answers without a body are followed by nothing, whatever their heads say,
// and the connection goes on.
func TestBodyless(t *testing.T) {
	f := open(t, func(x *Exchange) {
		code := 200
		fmt.Sscanf(x.URL, "http://api.example/%d", &code)
		fields := [][2]string{{"x-n", "1"}}
		if strings.HasSuffix(x.URL, "/length") {
			fields = append(fields, [2]string{"content-length", "5"})
		}
		if err := x.Head(code, fields); err != nil {
			t.Errorf("Head: %v", err)
		}
		if err := x.Write([]byte("hello")); err == nil {
			t.Errorf("%s %s: a body was taken", x.Method, x.URL)
		}
		if err := x.End([][2]string{{"x-t", "1"}}); err != nil {
			t.Errorf("End: %v", err)
		}
	}, nil)
	f.aim(Target{Host: "api.example", Port: 80})
	c := dial(t, f.transparent)
	r := bufio.NewReader(c)
	for _, req := range []struct{ method, path, want string }{
		{"HEAD", "/200/length", "HTTP/1.1 200 OK\r\nX-N: 1\r\nContent-Length: 5\r\n\r\n"},
		{"HEAD", "/200", "HTTP/1.1 200 OK\r\nX-N: 1\r\n\r\n"},
		{"GET", "/204", "HTTP/1.1 204 No Content\r\nX-N: 1\r\n\r\n"},
		{"GET", "/204/length", "HTTP/1.1 204 No Content\r\nX-N: 1\r\n\r\n"},
		{"GET", "/304", "HTTP/1.1 304 Not Modified\r\nX-N: 1\r\n\r\n"},
		{"GET", "/304/length", "HTTP/1.1 304 Not Modified\r\nX-N: 1\r\nContent-Length: 5\r\n\r\n"},
	} {
		fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: api.example\r\n\r\n", req.method, req.path)
		got := make([]byte, len(req.want))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != req.want {
			t.Errorf("%s %s: %q, %v; want %q", req.method, req.path, got, err, req.want)
		}
	}
	for _, h2 := range []bool{false, true} {
		client := f.client(h2)
		for _, req := range []struct{ method, path string }{{"HEAD", "200/length"}, {"HEAD", "200"}, {"GET", "204"}, {"GET", "304"}} {
			resp, body := do(t, client, req.method, "http://api.example/"+req.path, nil)
			if body != "" || !strings.HasPrefix(req.path, fmt.Sprint(resp.StatusCode)) {
				t.Errorf("%s %s: %s %q", req.method, req.path, resp.Status, body)
			}
		}
	}
}

// Requests sent at once are answered in their order, one after the other.
func TestPipelining(t *testing.T) {
	var running atomic.Int32
	f := open(t, func(x *Exchange) {
		if running.Add(1) > 1 {
			t.Error("two exchanges of one connection at a time")
		}
		time.Sleep(5 * time.Millisecond)
		running.Add(-1)
		x.Head(200, [][2]string{{"content-length", fmt.Sprint(len(x.URL) + len(x.Body))}})
		x.Write([]byte(x.URL + string(x.Body)))
		x.End(nil)
	}, nil)
	f.aim(Target{Host: "api.example", Port: 80})
	c := dial(t, f.transparent)
	var all string
	for i := range 5 {
		all += fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: api.example\r\nContent-Length: 2\r\n\r\n%d%d", i, i, i)
		all += fmt.Sprintf("POST /chunked/%d HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n2;ext=1\r\n%d%d\r\n0\r\n\r\n", i, i, i)
	}
	io.WriteString(c, all)
	r := bufio.NewReader(c)
	for i := range 10 {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		want := fmt.Sprintf("http://api.example/%d%d%d", i/2, i/2, i/2)
		if i%2 == 1 {
			want = strings.Replace(want, "example/", "example/chunked/", 1)
		}
		if string(b) != want || err != nil {
			t.Errorf("answer %d: %q, %v; want %q", i, b, err, want)
		}
	}
}

// A client that waits for leave to send gets it, and no other does.
func TestContinue(t *testing.T) {
	f := open(t, echo, nil)
	f.aim(Target{Host: "api.example", Port: 80})
	head := "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 3\r\nConnection: close\r\n"
	c := dial(t, f.transparent)
	io.WriteString(c, head+"Expect: 100-Continue\r\n\r\n")
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	io.WriteString(c, "abc")
	rest, _ := io.ReadAll(r)
	if !strings.Contains(string(rest), "\n\nabc") || strings.Contains(string(rest), "expect:") {
		t.Errorf("answer: %q", rest)
	}
	for name, answer := range map[string]string{
		"not asked for":     say(t, f.transparent, head+"\r\nabc"),
		"asked by HTTP/1.0": say(t, f.transparent, strings.Replace(head, "1.1", "1.0", 1)+"Expect: 100-continue\r\n\r\nabc"),
		"nothing to send":   say(t, f.transparent, strings.Replace(head, "3", "0", 1)+"Expect: 100-continue\r\n\r\n"),
	} {
		if strings.Contains(answer, "100 Continue") || status(answer) != 200 {
			t.Errorf("%s: %q", name, answer)
		}
	}
	for _, h2 := range []bool{false, true} {
		client := f.client(h2)
		client.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
		r, _ := http.NewRequest("POST", "https://api.example/", strings.NewReader("abc"))
		r.Header.Set("Expect", "100-continue")
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(resp.Body); !bytes.Contains(b, []byte("\n\nabc")) {
			t.Errorf("h2 %v: %q", h2, b)
		}
		resp.Body.Close()
	}
}

// Chunked requests with trailers, with both protocols.
func TestRequestTrailers(t *testing.T) {
	f := open(t, echo, nil)
	for _, h2 := range []bool{false, true} {
		r, _ := http.NewRequest("POST", "https://api.example/", io.MultiReader(strings.NewReader("ab"), strings.NewReader("c")))
		r.Trailer = http.Header{"X-Sum": {"42"}}
		resp, err := f.client(h2).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(resp.Body); !bytes.HasSuffix(b, []byte("\n\nabc\nx-sum: 42")) {
			t.Errorf("h2 %v: %q", h2, b)
		}
		resp.Body.Close()
	}
}

// HTTP/1.0, whose answers end with the connection, CONNECT included.
func TestHTTP10(t *testing.T) {
	f := open(t, echo, nil)
	answer := say(t, f.explicit, "CONNECT api.example:80 HTTP/1.0\r\nProxy-Authorization: Bearer "+testToken+"\r\n\r\nGET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	head, body, _ := strings.Cut(strings.TrimPrefix(answer, "HTTP/1.1 200 Connection established\r\n\r\n"), "\r\n\r\n")
	if status(head) != 200 || strings.Contains(head, "Transfer-Encoding") || !strings.HasPrefix(body, "GET http://api.example/a\n") {
		t.Errorf("answer: %q", answer)
	}
}

// What a recording says cannot break out of its place in an answer.
func TestHeaderInjection(t *testing.T) {
	bad := []struct {
		status   int
		fields   [][2]string
		trailers [][2]string
	}{
		{200, [][2]string{{"x", "y\r\nset-cookie: a"}}, nil},
		{200, [][2]string{{"x", "y\nset-cookie: a"}}, nil},
		{200, [][2]string{{"x", "y\r"}}, nil},
		{200, [][2]string{{"x", "y\x00"}}, nil},
		{200, [][2]string{{"x: y\r\nz", "y"}}, nil},
		{200, [][2]string{{"x y", "y"}}, nil},
		{200, [][2]string{{"", "y"}}, nil},
		{200, [][2]string{{":status", "500"}}, nil},
		{200, [][2]string{{"content-length", "-1"}}, nil},
		{200, [][2]string{{"content-length", "+1"}}, nil},
		{200, [][2]string{{"content-length", "1"}, {"content-length", "2"}}, nil},
		{200, [][2]string{{"content-length", "1, 1"}}, nil},
		{101, nil, nil},
		{100, nil, nil},
		{0, nil, nil},
		{1000, nil, nil},
		{200, nil, [][2]string{{"x", "y\r\n\r\nHTTP/1.1 200 OK"}}},
	}
	f := open(t, func(x *Exchange) {
		n := 0
		fmt.Sscanf(x.URL, "https://api.example/%d", &n)
		err := x.Head(bad[n].status, bad[n].fields)
		if bad[n].trailers != nil {
			err = x.End(bad[n].trailers)
		}
		if err == nil {
			t.Errorf("%+v was taken", bad[n])
		}
	}, nil)
	for _, h2 := range []bool{false, true} {
		client := f.client(h2)
		for n := range bad {
			resp, err := client.Post(fmt.Sprintf("https://api.example/%d", n), "text/plain", strings.NewReader("x"))
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if err == nil {
				t.Errorf("h2 %v: %+v: an answer came: %v", h2, bad[n], resp.Header)
			}
		}
	}
}

// Fields that would change how an answer is framed are not sent.
func TestFramingIsOurs(t *testing.T) {
	f := open(t, func(x *Exchange) {
		x.Head(200, [][2]string{
			{"Connection", "close, X-Hop"},
			{"x-hop", "1"},
			{"Transfer-Encoding", "gzip"},
			{"keep-alive", "1"},
			{"trailer", "x"},
			{"upgrade", "h3"},
			{"content-length", "2"},
			{"content-length", "2"},
			{"x-kept", "1"},
			{"x-kept", "2"},
		})
		x.Write([]byte("ok"))
		x.End([][2]string{{"content-length", "7"}, {"x-end", "1"}})
	}, nil)
	f.aim(Target{Host: "api.example", Port: 80})
	answer := say(t, f.transparent, "GET / HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n")
	want := "HTTP/1.1 200 OK\r\nX-Kept: 1\r\nX-Kept: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
	if answer != want {
		t.Errorf("answer: %q, want %q", answer, want)
	}
	resp, body := do(t, f.client(true), "GET", "https://api.example/", nil)
	if body != "ok" || resp.ContentLength != 2 || !slices.Equal(resp.Header["X-Kept"], []string{"1", "2"}) || len(resp.Header) != 2 {
		t.Errorf("HTTP/2: %q, %v", body, resp.Header)
	}
}

// A body must be as long as its head says; one that is not is not taken for
// whole.
func TestWrongLengths(t *testing.T) {
	f := open(t, func(x *Exchange) {
		x.Head(200, [][2]string{{"content-length", "5"}})
		if strings.HasSuffix(x.URL, "/long") {
			if err := x.Write([]byte("123456")); err == nil {
				t.Error("a body too long was taken")
			}
			return
		}
		x.Write([]byte("123"))
		if err := x.End(nil); err == nil {
			t.Error("a body too short was taken")
		}
	}, nil)
	for _, h2 := range []bool{false, true} {
		for path, want := range map[string]string{"long": "", "short": "123"} {
			resp, err := f.client(h2).Get("https://api.example/" + path)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err == nil || string(b) != want {
				t.Errorf("h2 %v, %s: %q, %v", h2, path, b, err)
			}
		}
	}
}

// Methods called out of order are errors and send nothing.
func TestOrderOfMethods(t *testing.T) {
	f := open(t, func(x *Exchange) {
		if x.Write([]byte("a")) == nil || x.End(nil) == nil {
			t.Error("a body before the head was taken")
		}
		x.Head(200, nil)
		if x.Head(200, nil) == nil {
			t.Error("a second head was taken")
		}
		x.Write(nil)
		x.Write([]byte("ok"))
		x.End(nil)
		if x.End(nil) == nil || x.Write([]byte("a")) == nil || x.Head(200, nil) == nil {
			t.Error("something was taken after the end")
		}
		x.Abort()
		x.Cut()
	}, nil)
	for _, h2 := range []bool{false, true} {
		if _, body := do(t, f.client(h2), "GET", "https://api.example/", nil); body != "ok" {
			t.Errorf("h2 %v: %q", h2, body)
		}
	}
}

// Coded bodies and forms with random boundaries pass as the bytes they are.
func TestWireBytes(t *testing.T) {
	var form, packed bytes.Buffer
	w := multipart.NewWriter(&form)
	part, _ := w.CreateFormFile("file", "a.bin")
	part.Write(bytes.Repeat([]byte{0, 255, '\r', '\n'}, 1000))
	w.Close()
	z := gzip.NewWriter(&packed)
	z.Write(form.Bytes())
	z.Close()
	f := open(t, func(x *Exchange) {
		x.Head(200, [][2]string{{"content-encoding", "gzip"}})
		x.Write(x.Body)
		x.End(nil)
	}, nil)
	for _, h2 := range []bool{false, true} {
		for _, sent := range [][]byte{form.Bytes(), packed.Bytes()} {
			r, _ := http.NewRequest("POST", "https://api.example/", bytes.NewReader(sent))
			r.Header.Set("Content-Type", w.FormDataContentType())
			r.Header.Set("Accept-Encoding", "gzip")
			resp, err := f.client(h2).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if !bytes.Equal(got, sent) || resp.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("h2 %v: %d bytes came back of %d, %v", h2, len(got), len(sent), resp.Header)
			}
		}
	}
}

func TestBodyTooLong(t *testing.T) {
	f := open(t, never(t), func(_ *Options, l *limits) {
		if l.size != wire.MaxBody {
			t.Errorf("bodies of at most %d bytes are taken, want %d", l.size, wire.MaxBody)
		}
		l.size = 1 << 20
	})
	f.aim(Target{Host: "api.example", Port: 80})
	answer := say(t, f.transparent, fmt.Sprintf("POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: %d\r\n\r\n", f.s.limits.size+1))
	if status(answer) != 413 {
		t.Errorf("by its length: %q", answer)
	}
	for name, client := range map[string]*http.Client{"HTTP/2": f.client(true), "in chunks": f.client(false)} {
		f.forget()
		resp, err := client.Post("https://api.example/", "", io.LimitReader(zeros{}, f.s.limits.size+1))
		// The client may be told, or may find that nobody listens any more.
		if err == nil && resp.StatusCode != 413 {
			t.Errorf("%s: %s", name, resp.Status)
		}
		if r := f.refused("too long"); r.Target != "https://api.example/" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A client that leaves is noticed at once, with nothing to be written, also
// when it has sent more before, and while a body is on its way.
func TestClientLeaves(t *testing.T) {
	started, left := make(chan bool), make(chan time.Time)
	f := open(t, func(x *Exchange) {
		if strings.HasSuffix(x.URL, "/streaming") {
			x.Head(200, nil)
			x.Write([]byte("one"))
		}
		started <- true
		<-x.Context.Done()
		left <- time.Now()
		if x.Head(200, nil); x.Write([]byte("two")) == nil {
			t.Error("writing to nobody is no error")
		}
	}, nil)
	check := func(name string, leave func()) {
		t.Helper()
		<-started
		began := time.Now()
		leave()
		select {
		case at := <-left:
			if took := at.Sub(began); took > time.Second {
				t.Errorf("%s: noticed after %v", name, took)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: not noticed", name)
		}
	}
	f.aim(Target{Host: "api.example", Port: 80})
	request := "GET / HTTP/1.1\r\nHost: api.example\r\n\r\n"
	c := dial(t, f.transparent)
	io.WriteString(c, request)
	check("plain", func() { c.Close() })
	c = dial(t, f.transparent)
	io.WriteString(c, request+request+"GET ")
	check("plain, more sent", func() { c.Close() })
	tc := tls.Client(dial(t, f.transparent), &tls.Config{RootCAs: f.roots(), ServerName: "api.example"})
	io.WriteString(tc, request[:len(request)-4]+":80\r\n\r\n")
	check("TLS", func() { tc.NetConn().Close() })
	for _, h2 := range []bool{false, true} {
		for _, path := range []string{"", "streaming"} {
			ctx, cancel := context.WithCancel(context.Background())
			r, _ := http.NewRequestWithContext(ctx, "GET", "https://api.example/"+path, nil)
			go func() {
				if resp, err := f.client(h2).Do(r); err == nil {
					io.ReadAll(resp.Body)
				}
			}()
			check(fmt.Sprintf("h2 %v %s", h2, path), cancel)
		}
	}
}

// Close ends what is under way, tells handlers, and waits for them.
func TestClose(t *testing.T) {
	var over atomic.Int32
	started := make(chan bool)
	h := handlerFunc(func(x *Exchange) {
		started <- true
		<-x.Context.Done()
		time.Sleep(20 * time.Millisecond)
		over.Add(1)
	})
	before := runtime.NumGoroutine()
	f := open(t, h, nil)
	results := make(chan error)
	for i := range 4 {
		go func() {
			_, err := f.client(i%2 == 0).Get("https://api.example/")
			results <- err
		}()
	}
	idle := dial(t, f.explicit)
	for range 4 {
		<-started
	}
	if err := f.s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if n := over.Load(); n != 4 {
		t.Errorf("%d of 4 exchanges were over after Close", n)
	}
	for range 4 {
		if err := <-results; err == nil {
			t.Error("an answer came")
		}
	}
	if _, err := idle.Read(make([]byte, 1)); err == nil || silent(err) {
		t.Errorf("an idle connection: %v", err)
	}
	if _, err := net.Dial("tcp", f.explicit.Addr().String()); err == nil {
		t.Error("the door is still open")
	}
	idle.Close()
	for range 200 {
		if runtime.NumGoroutine() <= before+2 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// proof reports whether the full proofs were asked for.
func proof() bool { return os.Getenv("COO_PROOF") == "full" }

// Five hundred at a time, half of them on connections of their own.
func TestConcurrent(t *testing.T) {
	const n = 500
	var all sync.WaitGroup
	gate := make(chan bool)
	var inside atomic.Int32
	f := open(t, func(x *Exchange) {
		if inside.Add(1) == n {
			close(gate)
		}
		select {
		case <-gate:
		case <-x.Context.Done():
			t.Error("left before all were there")
		}
		echo(x)
	}, nil)
	h1, h2 := f.client(false), f.client(true)
	h1.Timeout, h2.Timeout = time.Minute, time.Minute
	failed := make(chan error, n)
	for i := range n {
		client := h1
		if i%2 == 0 {
			client = h2
		}
		all.Go(func() {
			url := fmt.Sprintf("https://api.example/%d", i)
			resp, err := client.Post(url, "text/plain", strings.NewReader(fmt.Sprint(i)))
			if err != nil {
				failed <- err
				return
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil || !strings.HasPrefix(string(b), "POST "+url+"\n") || !strings.HasSuffix(string(b), fmt.Sprintf("\n\n%d", i)) {
				failed <- fmt.Errorf("%s: %q, %v", url, b, err)
			}
		})
	}
	all.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
}

// A long answer takes no memory: what is written waits for the client.
func TestLongAnswer(t *testing.T) {
	size := int64(64 << 20)
	if proof() {
		size = 1 << 30
	}
	chunk := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	var written atomic.Int64
	f := open(t, func(x *Exchange) {
		x.Head(200, nil)
		for written.Store(0); written.Load() < size; written.Add(int64(len(chunk))) {
			if x.Write(chunk) != nil {
				return
			}
		}
		x.End(nil)
	}, nil)
	for _, h2 := range []bool{false, true} {
		resp, err := f.client(h2).Get("https://api.example/")
		if err != nil {
			t.Fatal(err)
		}
		// A client that does not read is waited for.
		time.Sleep(200 * time.Millisecond)
		if n := written.Load(); n > 24<<20 {
			t.Errorf("h2 %v: %d bytes were written to a client that read none", h2, n)
		}
		runtime.GC() // what other tests left
		var peak, stats runtime.MemStats
		var got int64
		buf := make([]byte, 1<<20)
		for i := 0; ; i++ {
			n, err := resp.Body.Read(buf)
			got += int64(n)
			if i%500 == 0 {
				runtime.ReadMemStats(&stats)
				peak.HeapInuse = max(peak.HeapInuse, stats.HeapInuse)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		resp.Body.Close()
		if got != size {
			t.Errorf("h2 %v: %d bytes of %d", h2, got, size)
		}
		if peak.HeapInuse > 64<<20 {
			t.Errorf("h2 %v: %d bytes of heap in use", h2, peak.HeapInuse)
		}
	}
}

// The bytes before a reset arrive all, however late the client reads them.
func TestResetAfterAllArrived(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 50_000)
	f := open(t, func(x *Exchange) {
		x.Head(200, [][2]string{{"content-length", "1000000"}})
		x.Write(body)
		x.Abort()
	}, nil)
	f.aim(Target{Host: "api.example", Port: 80})
	c := dial(t, f.transparent)
	// A small window: most of the body waits in the proxy's own system.
	c.(*net.TCPConn).SetReadBuffer(64 << 10)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: api.example\r\n\r\n")
	time.Sleep(300 * time.Millisecond)
	var got []byte
	buf := make([]byte, 32<<10)
	for {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			if errors.Is(err, io.EOF) {
				t.Error("the connection ended in order")
			}
			break
		}
	}
	if _, b, _ := bytes.Cut(got, []byte("\r\n\r\n")); !bytes.Equal(b, body) {
		t.Errorf("%d bytes of the body came, %d were written", len(b), len(body))
	}
}
