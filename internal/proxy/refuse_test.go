package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// say opens a connection to l, sends what, and returns all that comes back.
func say(t *testing.T, l net.Listener, what string) string {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, what)
	b, err := io.ReadAll(c)
	if silent(err) {
		t.Errorf("%.60q: the connection stays open after %q", what, b)
	}
	return string(b)
}

// status returns the status of the answer that s begins with, 0: none.
func status(s string) int {
	var n int
	fmt.Sscanf(s, "HTTP/1.1 %d", &n)
	return n
}

// never is a handler that no refused request may reach.
func never(t *testing.T) handlerFunc {
	return func(x *Exchange) { t.Errorf("this was passed on: %s %s %q %q", x.Method, x.URL, x.Header, x.Body) }
}

// Requests that two parsers could read differently. Each has a second request
// where one of the readings puts it; neither is answered.
var smuggled = []struct{ name, request, why string }{
	{"CL.TE", "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nSMUGGLED", "both Content-Length"},
	{"TE.CL", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n", "both Content-Length"},
	{"TE.TE", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", "more than one Transfer-Encoding"},
	{"chunked twice", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "more than one Transfer-Encoding"},
	{"list of codings", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "only chunked"},
	{"chunked, identity", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "only chunked"},
	{"xchunked", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "only chunked"},
	{"quoted", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "only chunked"},
	{"chunked with a parameter", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", "only chunked"},
	{"vertical tab", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding:\vchunked\r\n\r\n0\r\n\r\n", "control character"},
	{"NUL in a value", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n", "control character"},
	{"empty coding", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding:\r\nContent-Length: 3\r\n\r\nabc", "both Content-Length"},
	{"space before the colon", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding : chunked\r\nContent-Length: 3\r\n\r\nabc", "malformed field line"},
	{"tab before the colon", "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length\t: 3\r\n\r\nabc", "malformed field line"},
	{"folded", "POST / HTTP/1.1\r\nHost: api.example\r\nX: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", "malformed field line"},
	{"folded first", "POST / HTTP/1.1\r\n Host: api.example\r\n\r\n", "malformed field line"},
	{"folded coding", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "malformed field line"},
	{"no colon", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding\r\n\r\n", "malformed field line"},
	{"empty name", "POST / HTTP/1.1\r\nHost: api.example\r\n: x\r\n\r\n", "malformed field line"},
	{"non-ASCII name", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encodïng: chunked\r\n\r\n", "malformed field line"},
	{"bare LF", "POST / HTTP/1.1\nHost: api.example\nContent-Length: 0\n\n", "without CR LF"},
	{"bare LF between fields", "POST / HTTP/1.1\r\nHost: api.example\r\nX: y\nContent-Length: 3\r\n\r\nabc", "without CR LF"},
	{"bare CR between fields", "POST / HTTP/1.1\r\nHost: api.example\r\nX: y\rContent-Length: 3\r\n\r\nabc", "control character"},
	{"LF ends the head", "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 3\r\n\nabc", "without CR LF"},
	{"two lengths", "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 3\r\nContent-Length: 8\r\n\r\nabcdefgh", "more than one Content-Length"},
	{"one length twice", "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "more than one Content-Length"},
	{"list of lengths", "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 3, 3\r\n\r\nabc", "malformed Content-Length"},
	{"signed length", "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: +3\r\n\r\nabc", "malformed Content-Length"},
	{"negative length", "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: -1\r\n\r\nabc", "malformed Content-Length"},
	{"hexadecimal length", "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 0x3\r\n\r\nabc", "malformed Content-Length"},
	{"length with an underscore", "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 1_0\r\n\r\nabc", "malformed Content-Length"},
	{"huge length", "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: 99999999999999999999\r\n\r\nabc", "malformed Content-Length"},
	{"empty length", "POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length:\r\n\r\nabc", "malformed Content-Length"},
	{"coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "in HTTP/1.0"},
	{"two hosts", "GET / HTTP/1.1\r\nHost: api.example\r\nHost: evil.example\r\n\r\n", "2 Host fields"},
	{"no host", "GET / HTTP/1.1\r\n\r\n", "0 Host fields"},
	{"host with a space", "GET / HTTP/1.1\r\nHost: api.example evil.example\r\n\r\n", "malformed"},
	{"host with user information", "GET / HTTP/1.1\r\nHost: api.example@evil.example\r\n\r\n", "malformed"},
	{"control character in the target", "GET /\x01 HTTP/1.1\r\nHost: api.example\r\n\r\n", "not HTTP"},
	{"HTTP/2 in HTTP/1", "GET / HTTP/2.0\r\nHost: api.example\r\n\r\n", "version"},
	{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: api.example\r\n\r\n", "version"},
	{"lower-case version", "GET / http/1.1\r\nHost: api.example\r\n\r\n", "not HTTP"},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: api.example\r\n\r\n", "not HTTP"},
	{"a target with a space", "GET /a b HTTP/1.1\r\nHost: api.example\r\n\r\n", "not HTTP"},
	{"HTTP/0.9", "GET /\r\n\r\n", "not HTTP"},
	{"tab for a space", "GET\t/\tHTTP/1.1\r\nHost: api.example\r\n\r\n", "not HTTP"},
	{"signed chunk", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", "chunk"},
	{"prefixed chunk", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", "chunk"},
	{"overflowing chunk", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n", "chunk"},
	{"short chunk", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", "chunk"},
	{"bare LF after a chunk's length", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", "chunk"},
	{"bare LF in a chunk extension", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n3;x\nyy\r\nabc\r\n0\r\n\r\n", "chunk"},
	{"bare LF after a chunk", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n", "chunk"},
	{"length among the trailers", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n", "among the trailers"},
	{"coding among the trailers", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", "among the trailers"},
	{"bare LF in a trailer", "POST / HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n\r\n", "without CR LF"},
	{"Expect of something else", "POST / HTTP/1.1\r\nHost: api.example\r\nExpect: 200-ok\r\nContent-Length: 3\r\n\r\nabc", "expect"},
}

func TestSmuggling(t *testing.T) {
	f := open(t, never(t), nil)
	f.aim(Target{Host: "api.example", Port: 80})
	for _, c := range smuggled {
		t.Run(c.name, func(t *testing.T) {
			f.t = t
			answer := say(t, f.transparent, c.request+"GET /smuggled HTTP/1.1\r\nHost: api.example\r\n\r\n")
			if got := status(answer); got != 400 && !(got == 0 && c.why == "not HTTP") || strings.Contains(answer, "\nHTTP/1.1 ") {
				t.Errorf("answer: %q", answer)
			}
			f.refused(c.why)
			f.forget()
		})
	}
}

// What the explicit door refuses before anything else is looked at.
func TestTokenRequired(t *testing.T) {
	f := open(t, never(t), nil)
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, field := range []string{
		"", "Proxy-Authorization: " + basic("coo:wrong"), "Proxy-Authorization: " + basic("coo:"),
		"Proxy-Authorization: " + basic(testToken), "Proxy-Authorization: " + basic(testToken+":"),
		"Proxy-Authorization: Basic !", "Proxy-Authorization: Bearer", "Proxy-Authorization: Bearer " + testToken[1:],
		"Proxy-Authorization: Digest " + testToken, "Authorization: " + basic("coo:"+testToken),
	} {
		for _, line := range []string{"GET http://api.example/ HTTP/1.1", "CONNECT api.example:443 HTTP/1.1", "GET / HTTP/1.1"} {
			request := line + "\r\nHost: api.example\r\n"
			if field != "" {
				request += field + "\r\n"
			}
			answer := say(t, f.explicit, request+"\r\n")
			if status(answer) != 407 || !strings.Contains(answer, `Proxy-Authenticate: Basic realm="coo"`) {
				t.Errorf("%s, %s: %q", line, field, answer)
			}
		}
	}
	f.refused("no token")
}

// The token opens the door in both forms, and the request that comes through
// does not show it.
func TestTokenTaken(t *testing.T) {
	f := open(t, echo, nil)
	for _, field := range []string{"Basic " + base64.StdEncoding.EncodeToString([]byte("any:"+testToken)), "bearer " + testToken} {
		answer := say(t, f.explicit, "GET http://api.example/ HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\nProxy-Authorization: "+field+"\r\n\r\n")
		if status(answer) != 200 || strings.Contains(answer, "proxy-authorization") {
			t.Errorf("%s: %q", field, answer)
		}
	}
}

// Requests whose Host, URL and connection do not agree, as a rebound name
// makes them.
func TestRebinding(t *testing.T) {
	auth := "Proxy-Authorization: Bearer " + testToken + "\r\n"
	connect := "CONNECT api.example:80 HTTP/1.1\r\nHost: api.example:80\r\n" + auth + "\r\n"
	f := open(t, never(t), nil)
	named := Target{Host: "api.example", Port: 80}
	address := Target{Port: 8080, Addr: netip.MustParseAddr("192.0.2.7")}
	for _, c := range []struct {
		name     string
		target   Target // zero: the explicit door
		request  string
		status   int
		why, tgt string
	}{
		{"origin form", Target{}, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + auth + "\r\n", 400, "the proxy itself", "127.0.0.1"},
		{"origin form, rebound", Target{}, "GET /secrets HTTP/1.1\r\nHost: evil.example\r\n" + auth + "\r\n", 400, "the proxy itself", "evil.example"},
		{"asterisk form", Target{}, "OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n" + auth + "\r\n", 400, "the proxy itself", "evil.example"},
		{"another Host than the URL's", Target{}, "GET http://api.example/ HTTP/1.1\r\nHost: evil.example\r\n" + auth + "\r\n", 421, "evil.example", "api.example:80"},
		{"another port than the URL's", Target{}, "GET http://api.example/ HTTP/1.1\r\nHost: api.example:81\r\n" + auth + "\r\n", 421, "api.example:81", "api.example:80"},
		{"another scheme", Target{}, "GET ftp://api.example/ HTTP/1.1\r\nHost: api.example\r\n" + auth + "\r\n", 400, "the proxy itself", "api.example"},
		{"user information", Target{}, "GET http://api.example@evil.example/ HTTP/1.1\r\nHost: evil.example\r\n" + auth + "\r\n", 400, "malformed", ""},
		{"CONNECT without a port", Target{}, "CONNECT api.example HTTP/1.1\r\nHost: api.example\r\n" + auth + "\r\n", 400, "not a host and a port", ""},
		{"CONNECT with a URL", Target{}, "CONNECT http://api.example:80/ HTTP/1.1\r\nHost: api.example\r\n" + auth + "\r\n", 400, "not a host and a port", ""},
		{"CONNECT with a body", Target{}, "CONNECT api.example:80 HTTP/1.1\r\nHost: api.example\r\nContent-Length: 3\r\n" + auth + "\r\nabc", 400, "not a host and a port", ""},
		{"in a tunnel", Target{}, connect + "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "evil.example", "api.example:80"},
		{"CONNECT in a tunnel", Target{}, connect + connect, 405, "within a connection", "api.example:80"},
		{"absolute form in a tunnel", Target{}, connect + "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "evil.example", "api.example:80"},
		{"absolute form in a tunnel, two hosts", Target{}, connect + "GET http://evil.example/ HTTP/1.1\r\nHost: api.example\r\n\r\n", 421, "api.example", "api.example:80"},
		{"https in a plain tunnel", Target{}, connect + "GET https://api.example/ HTTP/1.1\r\nHost: api.example\r\n\r\n", 400, "an https URL", "api.example:80"},
		{"redirected", named, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "evil.example", "api.example:80"},
		{"redirected, another port", named, "GET / HTTP/1.1\r\nHost: api.example:81\r\n\r\n", 421, "api.example:81", "api.example:80"},
		{"redirected, below", named, "GET / HTTP/1.1\r\nHost: x.api.example\r\n\r\n", 421, "x.api.example", "api.example:80"},
		{"redirected, localhost", named, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 421, "localhost", "api.example:80"},
		{"redirected to an address", address, "GET / HTTP/1.1\r\nHost: evil.example:8080\r\n\r\n", 421, "evil.example", "192.0.2.7:8080"},
		{"redirected to an address, localhost", address, "GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n", 421, "localhost", "192.0.2.7:8080"},
		{"redirected to an address, another", address, "GET / HTTP/1.1\r\nHost: 192.0.2.8:8080\r\n\r\n", 421, "192.0.2.8", "192.0.2.7:8080"},
		{"redirected, CONNECT", named, "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", 405, "within a connection", "api.example:80"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.t = t
			f.forget()
			l := f.explicit
			if c.target != (Target{}) {
				f.aim(c.target)
				l = f.transparent
			}
			answer := strings.TrimPrefix(say(t, l, c.request), "HTTP/1.1 200 Connection established\r\n\r\n")
			if status(answer) != c.status {
				t.Errorf("answer: %q, want %d", answer, c.status)
			}
			if r := f.refused(c.why); c.tgt != "" && r.Target != c.tgt {
				t.Errorf("target of the refusal: %q, want %q", r.Target, c.tgt)
			}
		})
	}
}

// The name by which a program asked for its connection, that of the TLS
// handshake and that of the request are one: domain fronting shows whoever
// watches another name than that which is asked.
func TestFronting(t *testing.T) {
	f := open(t, echo, nil)
	named := Target{Host: "api.example", Port: 443, Addr: netip.MustParseAddr("198.18.0.9")}
	address := Target{Host: "192.0.2.7", Port: 443, Addr: netip.MustParseAddr("192.0.2.7")}
	for _, c := range []struct {
		target    Target
		sni, host string
		ok        bool
	}{
		{named, "api.example", "api.example", true},
		{named, "", "api.example", true},
		{named, "front.example", "api.example", false},
		{named, "api.example", "front.example", false},
		{named, "front.example", "front.example", false},
		{named, "front.example", "third.example", false},
		{named, "x.api.example", "x.api.example", false},
		{address, "api.example", "api.example", true},
		{address, "api.example", "front.example", false},
		{address, "", "192.0.2.7", true},
		{address, "", "api.example", false},
	} {
		for _, door := range []string{"redirected", "tunnel"} {
			for _, proto := range []string{"http/1.1", "h2"} {
				f.forget()
				f.aim(c.target)
				l := f.transparent
				if door == "tunnel" {
					l = f.explicit
				}
				conn := dial(t, l)
				if door == "tunnel" {
					fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nProxy-Authorization: Bearer %s\r\n\r\n", c.target, c.target, testToken)
					if resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil); err != nil || resp.StatusCode != 200 {
						t.Fatalf("CONNECT %s: %v", c.target, err)
					}
				}
				// The certificate is not what this is about.
				tc := tls.Client(conn, &tls.Config{ServerName: c.sni, InsecureSkipVerify: true, NextProtos: []string{proto}})
				rt := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return tc, tc.Handshake() }, ForceAttemptHTTP2: true}
				req, err := http.NewRequest("GET", "https://"+c.host+"/a", nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := rt.RoundTrip(req)
				if err != nil {
					t.Fatalf("%s %s, %v: %v", door, proto, c, err)
				}
				resp.Body.Close()
				if want := map[bool]int{true: 200, false: 421}[c.ok]; resp.StatusCode != want {
					t.Errorf("%s, %s: connection for %s, handshake for %q, request for %s: %s, want %d", door, proto, c.target, c.sni, c.host, resp.Status, want)
				}
				if !c.ok {
					f.refused("the request is for host")
				}
				rt.CloseIdleConnections()
			}
		}
	}
}

// What is not refused, though it looks a little like the above.
func TestHostsThatAgree(t *testing.T) {
	f := open(t, echo, nil)
	loopback := Target{Port: 11434, Addr: netip.MustParseAddr("127.0.0.1")}
	named := Target{Host: "api.example", Port: 80, Addr: netip.MustParseAddr("198.18.0.9")}
	for _, c := range []struct {
		target        Target
		request, want string
	}{
		{loopback, "GET /api HTTP/1.1\r\nHost: localhost:11434\r\n", "http://localhost:11434/api"},
		{loopback, "GET /api HTTP/1.1\r\nHost: 127.0.0.1:11434\r\n", "http://127.0.0.1:11434/api"},
		{loopback, "GET /api HTTP/1.1\r\nHost: 127.0.0.1\r\n", "http://127.0.0.1:11434/api"},
		{loopback, "GET /api HTTP/1.0\r\n", "http://127.0.0.1:11434/api"},
		{named, "GET /a HTTP/1.1\r\nHost: API.Example\r\n", "http://api.example/a"},
		{named, "GET /a HTTP/1.1\r\nHost: api.example.:80\r\n", "http://api.example/a"},
		{named, "GET http://api.example/a HTTP/1.1\r\nHost: api.example\r\n", "http://api.example/a"},
		{named, "GET /a?q=%C3%A9\u00e9#there HTTP/1.1\r\nHost: api.example\r\n", "http://api.example/a?q=%C3%A9%C3%A9"},
	} {
		f.aim(c.target)
		answer := say(t, f.transparent, c.request+"Connection: close\r\n\r\n")
		if status(answer) != 200 || !strings.Contains(answer, "GET "+c.want+"\n") {
			t.Errorf("%q to %v: %q, want %s", c.request, c.target, answer, c.want)
		}
	}
}

// Metadata services are out of reach in every spelling of their addresses.
func TestMetadata(t *testing.T) {
	f := open(t, never(t), nil)
	auth := "Proxy-Authorization: Bearer " + testToken + "\r\n"
	for _, host := range []string{
		"169.254.169.254", "169.254.169.254:80", "169.254.170.2", "[fd00:ec2::254]", "[fd00:ec2:0::254]", "[fe80::a9fe:a9fe]",
		"[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::169.254.169.254]", "[2002:a9fe:a9fe::]", "[::169.254.169.254]",
		"100.100.100.200", "metadata.google.internal", "METADATA.google.internal.", "metadata",
	} {
		answer := say(t, f.explicit, "GET http://"+host+"/latest/meta-data/ HTTP/1.1\r\nHost: "+host+"\r\n"+auth+"\r\n")
		if status(answer) != 403 {
			t.Errorf("GET http://%s/: %q, want 403", host, answer)
		}
		if !strings.HasSuffix(host, ":80") {
			host += ":80"
		}
		answer = say(t, f.explicit, "CONNECT "+host+" HTTP/1.1\r\nHost: "+host+"\r\n"+auth+"\r\n")
		if status(answer) != 403 {
			t.Errorf("CONNECT %s: %q, want 403", host, answer)
		}
		f.refused("metadata service")
	}
	// Spellings that only some resolvers take are no addresses here.
	for _, host := range []string{
		"2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376", "169.254.43518", "169.16689662",
		"0169.254.169.254", "169.254.169.0xfe", "[fe80::1%25eth0]", "[fe80::1%eth0]",
	} {
		answer := say(t, f.explicit, "GET http://"+host+"/ HTTP/1.1\r\nHost: "+host+"\r\n"+auth+"\r\n")
		if status(answer) != 400 {
			t.Errorf("GET http://%s/: %q, want 400", host, answer)
		}
	}
	f.aim(Target{Addr: netip.MustParseAddr("169.254.169.254"), Port: 80})
	for _, host := range []string{"169.254.169.254", "169.254.169.254:80"} {
		if answer := say(t, f.transparent, "PUT /latest/api/token HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 0\r\n\r\n"); status(answer) != 403 {
			t.Errorf("redirected, Host %s: %q, want 403", host, answer)
		}
	}
}

func TestPermit(t *testing.T) {
	var asked atomic.Value
	f := open(t, echo, func(o *Options, _ *limits) {
		o.Permit = func(t Target) error {
			asked.Store(t.String())
			if t.Port == 81 {
				return errors.New("not this port")
			}
			return nil
		}
	})
	c := f.client(false)
	if resp, _ := do(t, c, "GET", "http://169.254.169.254/", nil); resp.StatusCode != 200 {
		t.Errorf("permitted: %s", resp.Status)
	}
	if got := asked.Load(); got != "169.254.169.254:80" {
		t.Errorf("asked for %v", got)
	}
	if resp, body := do(t, c, "GET", "http://api.example:81/", nil); resp.StatusCode != 403 || body != "coo: not this port\n" {
		t.Errorf("not permitted: %s %q", resp.Status, body)
	}
	if _, err := c.Get("https://api.example:81/"); err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("CONNECT: %v", err)
	}
}

func TestOutside(t *testing.T) {
	for host, ok := range map[string]bool{
		"api.example": true, "192.0.2.7": true, "198.18.3.4": true, "2001:db8::1": true, "localhost.example": true,
		"127.0.0.1": false, "127.0.0.2": false, "localhost": false, "a.localhost": false, "0.0.0.0": false, "::": false, "::1": false,
		"::ffff:127.0.0.1": false, "64:ff9b::10.0.0.1": false, "10.1.2.3": false, "192.168.0.1": false, "172.16.0.1": false,
		"fd00::1": false, "ff02::1": false, "fd00:ec2::254": false, "metadata.google.internal": false,
	} {
		target := Target{Host: host, Port: 443}
		if err := Outside(target); (err == nil) != ok {
			t.Errorf("%v: %v, want permitted %v", target, err, ok)
		}
		addr, err := netip.ParseAddr(host)
		if err != nil {
			continue
		}
		if err := Outside(Target{Addr: addr, Port: 443}); (err == nil) != ok {
			t.Errorf("%v without a name: %v, want permitted %v", addr, err, ok)
		}
	}
	// A name that was looked up has an address inside the box, which is any.
	if err := Outside(Target{Host: "api.example", Addr: netip.MustParseAddr("fd63:6f6f::1"), Port: 443}); err != nil {
		t.Error(err)
	}
}

// upgrade is a WebSocket handshake as clients send it.
const upgrade = "GET /v1/responses HTTP/1.1\r\nHost: api.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// A WebSocket is refused in a way that makes clients turn to HTTP.
func TestWebSocketRefused(t *testing.T) {
	f := open(t, never(t), nil)
	f.aim(Target{Host: "api.example", Port: 80})
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(say(t, f.transparent, upgrade))), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusUpgradeRequired || !resp.Close {
		t.Errorf("answer: %s, close %v; want 426 and close", resp.Status, resp.Close)
	}
	if r := f.refused("WebSocket"); r.Target != "http://api.example/v1/responses" {
		t.Errorf("refusal: %+v", r)
	}
}

// An offer to go on in HTTP/2, as Java makes it with each plain request, is
// passed over.
func TestUpgradeToHTTP2IgnoredInPlain(t *testing.T) {
	f := open(t, echo, nil)
	f.aim(Target{Host: "api.example", Port: 80})
	answer := say(t, f.transparent, "GET / HTTP/1.1\r\nHost: api.example\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nX-Kept: 1\r\n\r\n")
	if status(answer) != 200 || strings.Contains(answer, "http2-settings") || !strings.Contains(answer, "x-kept: 1") {
		t.Errorf("answer: %q", answer)
	}
}

// Protocols that are not HTTP, by their first bytes.
func TestNotHTTP(t *testing.T) {
	f := open(t, never(t), func(_ *Options, l *limits) { l.head = time.Hour })
	f.aim(Target{Host: "db.example", Port: 5432})
	for name, first := range map[string]string{
		"PostgreSQL": "\x00\x00\x00\x08\x04\xd2\x16\x2f",
		"Redis":      "*1\r\n$4\r\nPING\r\n",
		"Memcached":  "get x\r\n",
		"AMQP":       "AMQP\x00\x00\x09\x01",
		"MQTT":       "\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id",
		"SSH":        "SSH-2.0-OpenSSH_9.2\r\n",
		"Kafka":      "\x00\x00\x00\x1a\x00\x12\x00\x03",
		"SOCKS5":     "\x05\x01\x00",
		"SOCKS4":     "\x04\x01\x01\xbb\xc0\x00\x02\x07\x00",
		"line feeds": "\r\n\r\n",
		"long":       strings.Repeat("x", 100),
	} {
		f.forget()
		if answer := say(t, f.transparent, first); answer != "" {
			t.Errorf("%s: answered %q", name, answer)
		}
		if r := f.refused("not HTTP"); r.Target != "db.example:5432" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A program that waits for the server to speak first is not left waiting.
func TestSilence(t *testing.T) {
	f := open(t, never(t), func(_ *Options, l *limits) { l.inner = 50 * time.Millisecond })
	f.aim(Target{Host: "db.example", Port: 3306})
	if answer := say(t, f.transparent, ""); answer != "" {
		t.Errorf("redirected: %q", answer)
	}
	if r := f.refused("said nothing"); r.Target != "db.example:3306" {
		t.Errorf("%+v", r)
	}
	f.forget()
	answer := say(t, f.explicit, "CONNECT mail.example:25 HTTP/1.1\r\nHost: mail.example:25\r\nProxy-Authorization: Bearer "+testToken+"\r\n\r\n")
	if !strings.HasSuffix(answer, "established\r\n\r\n") {
		t.Errorf("CONNECT: %q", answer)
	}
	if r := f.refused("said nothing"); r.Target != "mail.example:25" {
		t.Errorf("%+v", r)
	}
}

// Heads are bounded in size, in number of fields, and in time.
func TestHeadLimits(t *testing.T) {
	f := open(t, never(t), func(_ *Options, l *limits) { l.head = 100 * time.Millisecond })
	f.aim(Target{Host: "api.example", Port: 80})
	start := "GET / HTTP/1.1\r\nHost: api.example\r\n"
	for name, head := range map[string]string{
		"one field":   start + "X: " + strings.Repeat("x", maxHead),
		"many fields": start + strings.Repeat("x: y\r\n", maxFields) + "\r\n",
		"long line":   "GET /" + strings.Repeat("x", maxHead),
	} {
		if answer := say(t, f.transparent, head); status(answer) != 431 {
			t.Errorf("%s: %q, want 431", name, answer)
		}
	}
	for _, head := range []string{"G", "GET / HTTP/1.1\r", start, start + "X: y"} {
		began := time.Now()
		if answer := say(t, f.transparent, head); status(answer) != 408 {
			t.Errorf("%q: %q, want 408", head, answer)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%q: refused after %v", head, took)
		}
	}
	f.refused("did not come whole")
}

// A slow head does not last longer for coming in drips.
func TestDrippingHead(t *testing.T) {
	f := open(t, never(t), func(_ *Options, l *limits) { l.head = 200 * time.Millisecond })
	f.aim(Target{Host: "api.example", Port: 80})
	c, err := net.Dial("tcp", f.transparent.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	for _, b := range []byte("GET / HTTP/1.1\r\nHost: api.example\r\n" + strings.Repeat("X: y\r\n", 100)) {
		if _, err := c.Write([]byte{b}); err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("refused after %v", took)
	}
	f.refused("did not come whole")
}
