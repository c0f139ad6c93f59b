package modelserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStatus(t *testing.T) {
	s := start(t)
	each(t, func(t *testing.T, p *provider, stream bool) {
		for _, c := range []struct {
			kind, after string
			status      int
		}{
			{"429", "1", 429},
			{"429; retry-after=7", "7", 429},
			{"500", "", 500},
			{"503; retry-after=0", "0", 503},
			{"418", "", 418},
		} {
			a := p.ask(t, s, options{stream: stream}, "x-sample", c.kind)
			if a.status != c.status || a.header.Get("retry-after") != c.after {
				t.Errorf("%s: status %d, retry-after %q", c.kind, a.status, a.header.Get("retry-after"))
			}
			want := "The sample server was asked for status " + c.kind[:3]
			if c.after != "" {
				want += ": retry after " + c.after + " s"
			}
			if got := trouble(parse(t, a.body)); got != want {
				t.Errorf("%s: message %q", c.kind, got)
			}
		}
	})
}

func TestOnce(t *testing.T) {
	s := start(t)
	for _, p := range providers {
		for i := range 4 {
			want := []int{429, 200}[i%2]
			if a := p.ask(t, s, options{model: "sample-429-once"}); a.status != want {
				t.Errorf("%s: asking %d: status %d, want %d", p.name, i, a.status, want)
			}
		}
		// Another request is counted by itself.
		p.ask(t, s, options{stream: true, limit: 5}, "x-sample", "500-once")
		if a := p.ask(t, s, options{stream: true, limit: 6}, "x-sample", "500-once"); a.status != 500 {
			t.Errorf("%s: another request: status %d", p.name, a.status)
		}
	}
}

func TestModelNames(t *testing.T) {
	s := start(t)
	each(t, func(t *testing.T, p *provider, stream bool) {
		if a := p.ask(t, s, options{stream: stream, model: "sample-500"}); a.status != 500 {
			t.Errorf("sample-500: status %d", a.status)
		}
		if got := p.says(t, s, options{stream: stream, model: "sample-large"}); got.finish != p.stop {
			t.Errorf("sample-large: %+v", got)
		}
	})
}

func TestCut(t *testing.T) {
	s := start(t)
	each(t, func(t *testing.T, p *provider, stream bool) {
		a := p.ask(t, s, options{stream: stream}, "x-sample", "cut")
		if a.status != 200 || len(a.body) == 0 || !errors.Is(a.err, io.ErrUnexpectedEOF) {
			t.Errorf("status %d, %d bytes, error %v", a.status, len(a.body), a.err)
		}
		if stream && p.sse {
			if _, err := readSSE(a.body); err == nil {
				t.Errorf("the stream ends between two events: %q", tail(a.body))
			}
		}
	})
}

func TestBadLength(t *testing.T) {
	s := start(t)
	each(t, func(t *testing.T, p *provider, stream bool) {
		a := p.ask(t, s, options{stream: stream}, "x-sample", "badlength")
		if a.status != 200 || len(a.body) == 0 || !errors.Is(a.err, io.ErrUnexpectedEOF) {
			t.Errorf("too high: status %d, %d bytes, error %v", a.status, len(a.body), a.err)
		}
		if !stream {
			parse(t, a.body) // everything did come
		}
		a = p.ask(t, s, options{stream: stream}, "x-sample", "badlength; short")
		if a.status != 200 || len(a.body) == 0 || a.err != nil || json.Valid(a.body) {
			t.Errorf("too low: status %d, error %v, body %q", a.status, a.err, tail(a.body))
		}
	})
}

func TestMalformed(t *testing.T) {
	s := start(t)
	each(t, func(t *testing.T, p *provider, stream bool) {
		a := p.ask(t, s, options{stream: stream}, "x-sample", "malformed")
		if a.status != 200 || a.err != nil || json.Valid(a.body) {
			t.Fatalf("status %d, error %v, body %q", a.status, a.err, tail(a.body))
		}
		if !stream || !p.sse {
			return
		}
		if _, err := readSSE(a.body); err == nil {
			t.Errorf("a good stream: %q", a.body)
		}
		if !bytes.Contains(a.body, []byte("\xff\xfe")) {
			t.Errorf("all of it is UTF-8: %q", tail(a.body))
		}
	})
}

func TestOverloaded(t *testing.T) {
	s := start(t)
	each(t, func(t *testing.T, p *provider, stream bool) {
		a := p.ask(t, s, options{stream: stream}, "x-sample", "overloaded")
		if !stream {
			if got := trouble(parse(t, a.body)); a.status < 500 || got != messageOverloaded {
				t.Errorf("status %d: %s", a.status, a.body)
			}
			return
		}
		list := p.values(t, a.body)
		last := list[len(list)-1]
		if got := trouble(last); a.status != 200 || got != messageOverloaded {
			t.Errorf("status %d, last event %v", a.status, last)
		}
	})
}

// TestStall leaves a stalled answer after a while, and is left by one.
func TestStall(t *testing.T) {
	s := start(t)
	for _, kind := range []string{"stall", "silent"} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/v1/chat/completions", strings.NewReader(chatBody(options{model: "m", stream: true})))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-sample", kind)
		var body []byte
		resp, err := s.Client().Do(r)
		if err == nil {
			body, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) || (len(body) > 0) != (kind == "stall") {
			t.Errorf("%s: %d bytes, error %v", kind, len(body), err)
		}
	}
	short := httptest.NewServer(New(Options{MaxDelay: -1, Stall: time.Millisecond}))
	defer short.Close()
	for _, p := range providers {
		if a := p.ask(t, short, options{}, "x-sample", "stall"); len(a.body) == 0 || !errors.Is(a.err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: a stall that ends: %d bytes, error %v", p.name, len(a.body), a.err)
		}
		// An http.Client asks again after an answer that did not begin on a used connection.
		if a := p.ask(t, short, options{}, "x-sample", "silent"); a.status != 0 || a.err == nil {
			t.Errorf("%s: a silence that ends: status %d", p.name, a.status)
		}
	}
}

func TestReset(t *testing.T) {
	s := start(t)
	s.Client().Transport.(*http.Transport).DisableKeepAlives = true
	for _, p := range providers {
		a := p.ask(t, s, options{}, "x-sample", "reset")
		if !errors.Is(a.err, syscall.ECONNRESET) {
			t.Errorf("%s: status %d, error %v", p.name, a.status, a.err)
		}
	}
}

func TestHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(New(Options{MaxDelay: -1}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	p := providers[0]
	for _, kind := range []string{"cut", "badlength", "badlength; short", "reset"} {
		if a := p.ask(t, s, options{stream: true}, "x-sample", kind); a.err == nil {
			t.Errorf("%s: no error", kind)
		}
	}
	a := p.ask(t, s, options{}, "x-sample", "echo; as=text; names; trailers; chunks=5")
	if a.err != nil || !strings.HasPrefix(string(a.body), "POST /v1/chat/completions HTTP/2.0\n") {
		t.Errorf("echo: error %v: %s", a.err, a.body)
	}
	if got := a.trailer.Get("x-echo-x-sample"); !strings.HasPrefix(got, "echo") {
		t.Errorf("trailers %v", a.trailer)
	}
	if got := p.says(t, s, options{stream: true}); got.text == "" {
		t.Errorf("answer %+v", got)
	}
}

func TestRedirect(t *testing.T) {
	s, other := start(t), start(t)
	noFollow := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, c := range []struct {
		url, kind, want string
		status          int
	}{
		{"/v1/messages", "redirect", "/v1/messages?sample-hop=1", 307},
		{"/v1/messages?key=a%2Fb&z", "redirect; code=302", "/v1/messages?key=a%2Fb&z&sample-hop=1", 302},
		{"/x?sample-hop=1&a=b", "redirect; hops=2", "/x?a=b&sample-hop=2", 307},
		{"/a%20b", "redirect; to=" + other.URL, other.URL + "/a%20b?sample-hop=1", 307},
	} {
		a := post(t, noFollow, s.URL+c.url, "{}", "x-sample", c.kind)
		if got := a.header.Get("location"); a.status != c.status || got != c.want {
			t.Errorf("%s: %d %s, want %d %s", c.kind, a.status, got, c.status, c.want)
		}
	}
	each(t, func(t *testing.T, p *provider, stream bool) {
		for _, kind := range []string{"redirect", "redirect; hops=3", "redirect; to=" + other.URL} {
			a := p.ask(t, s, options{stream: stream}, "x-sample", kind)
			if a.status != 200 || a.err != nil {
				t.Errorf("%s: status %d, error %v", kind, a.status, a.err)
			}
		}
	})
	// Go drops credentials on the way to another host name only, and the method with 303.
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	a := post(t, s.Client(), s.URL+"/v1/responses", "{}", "authorization", "Bearer k", "x-sample", "redirect; to="+elsewhere+"; code=303, echo; as=text")
	if a.err != nil {
		t.Skipf("no localhost here: %v", a.err)
	}
	if text := string(a.body); !strings.HasPrefix(text, "GET /v1/responses?sample-hop=1 ") || strings.Contains(text, "Bearer") {
		t.Errorf("elsewhere: %s", text)
	}
}

func TestBigAndDeep(t *testing.T) {
	s := start(t)
	a := post(t, s.Client(), s.URL+"/any", "", "x-sample", "big; bytes=3000000")
	if got := parse(t, a.body).(string); len(got) != 3000000 {
		t.Errorf("big: %d bytes", len(got))
	}
	a = post(t, s.Client(), s.URL+"/any", "", "x-sample", "deep; depth=9000")
	v, depth := parse(t, a.body), 0
	for l, ok := v.([]any); ok; l, ok = at(l, 0).([]any) {
		depth++
	}
	if depth != 9000 {
		t.Errorf("deep: %d levels", depth)
	}
}
