package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
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

// upgrade is a WebSocket handshake as clients send it.
const upgrade = "GET /v1/responses HTTP/1.1\r\nHost: api.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// A WebSocket is refused in a way that makes clients turn to HTTP.
func TestWebSocketRefused(t *testing.T) {
	f := open(t, echo, nil)
	f.target = Target{Host: "api.example", Port: 80}
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
