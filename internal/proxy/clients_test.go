package proxy

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// route answers by the path of the URL.
func route(x *Exchange) {
	switch path := x.URL[strings.LastIndexByte(x.URL, '/'):]; path {
	case "/stream":
		x.Head(200, [][2]string{{"content-type", "application/x-ndjson"}})
		for i := range 3 {
			x.Write(fmt.Appendf(nil, "{\"n\":%d}\n", i))
			time.Sleep(10 * time.Millisecond)
		}
		x.End([][2]string{{"x-sum", "3"}})
	case "/429":
		x.Head(429, [][2]string{{"content-length", "4"}, {"retry-after", "1"}})
		x.Write([]byte("slow"))
		x.End(nil)
	case "/204":
		x.Head(204, nil)
		x.End(nil)
	case "/cut":
		x.Head(200, [][2]string{{"content-type", "text/event-stream"}})
		x.Write([]byte("data: one\n\n"))
		x.Cut()
	case "/reset":
		x.Abort()
	default:
		echo(x)
	}
}

// program runs a real client and returns what it printed. args may hold
// {ca}, {explicit}, {transparent}, {port} and {proxy}.
func (f *fixture) program(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%v: tools/deps.sh installs it", err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, f.ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(f.transparent.Addr().String(), ":")
	_, proxyPort, _ := strings.Cut(f.explicit.Addr().String(), ":")
	r := strings.NewReplacer("{ca}", ca, "{proxy}", f.proxyURL().String(), "{port}", port, "{proxyport}", proxyPort, "{token}", testToken)
	for i := range args {
		args[i] = r.Replace(args[i])
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		fmt.Fprintf(&out, "[%v]", err)
	}
	return out.String()
}

func TestCurl(t *testing.T) {
	f := open(t, route, nil)
	explicit := []string{"-sS", "--cacert", "{ca}", "-x", "{proxy}"}
	transparent := []string{"-sS", "--cacert", "{ca}", "--noproxy", "*", "--connect-to", "::127.0.0.1:{port}"}
	for _, c := range []struct {
		name string
		door []string
		args string
		want []string
	}{
		{"HTTP/1.1", explicit, "--http1.1 -w %{http_version} -d {} https://api.example/a", []string{"POST https://api.example/a\n", "\n\n{}1.1"}},
		{"HTTP/2", explicit, "--http2 -w %{http_version} -d {} https://api.example/a", []string{"POST https://api.example/a\n", "\n\n{}2"}},
		{"plain", explicit, "-w %{http_version} -d {} http://api.example/a", []string{"POST http://api.example/a\n", "\n\n{}1.1"}},
		{"plain in a tunnel", explicit, "-p -d {} http://api.example/a", []string{"POST http://api.example/a\n", "\n\n{}"}},
		{"HTTP/2 without TLS in a tunnel", explicit, "-p --http2-prior-knowledge -w %{http_version} -d {} http://api.example/a", []string{"POST http://api.example/a\n", "\n\n{}2"}},
		{"HTTP/1.0", explicit, "-0 -d {} http://api.example/a", []string{"POST http://api.example/a\n", "\n\n{}"}},
		{"address", explicit, "https://192.0.2.7/a", []string{"GET https://192.0.2.7/a\n"}},
		{"IPv6 address", explicit, "-g https://[2001:db8::7]/a", []string{"GET https://[2001:db8::7]/a\n"}},
		{"transparent, HTTP/1.1", transparent, "--http1.1 https://api.example/a", []string{"GET https://api.example/a\n"}},
		{"transparent, HTTP/2", transparent, "-w %{http_version} https://api.example/a", []string{"GET https://api.example/a\n", "2"}},
		{"chunked upload", explicit, "--http1.1 -H Transfer-Encoding:chunked -H Expect:100-continue --expect100-timeout 30 -F a=b https://api.example/a", []string{"\n\n--------", "name=\"a\"\r\n\r\nb\r\n"}},
		{"upload that waits", explicit, "--http1.1 -H Expect:100-continue --expect100-timeout 30 -d {} https://api.example/a", []string{"\n\n{}"}},
		{"stream", explicit, "--http1.1 -N -D - https://api.example/stream", []string{"Transfer-Encoding: chunked", "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n", "X-Sum: 3"}},
		{"stream, HTTP/2", explicit, "-N -D - https://api.example/stream", []string{"HTTP/2 200", "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n", "x-sum: 3"}},
		{"429", explicit, "-i --http1.1 https://api.example/429", []string{"HTTP/1.1 429 Too Many Requests", "Retry-After: 1", "slow"}},
		{"204", explicit, "-i --http1.1 https://api.example/204", []string{"HTTP/1.1 204 No Content\r\n\r\n"}},
		{"HEAD", explicit, "-I --http1.1 https://api.example/429", []string{"HTTP/1.1 429 Too Many Requests", "Content-Length: 4"}},
		{"one connection", explicit, "--http1.1 -w %{num_connects} https://api.example/429 https://api.example/204 https://api.example/429", []string{"slow10slow0"}},
		{"cut", explicit, "--http1.1 https://api.example/cut", []string{"data: one\n\n", "exit status 18"}},
		{"cut, HTTP/2", explicit, "https://api.example/cut", []string{"data: one\n\n", "exit status 92"}},
		{"reset", explicit, "--http1.1 https://api.example/reset", []string{"exit status 56"}},
		{"reset, HTTP/2", explicit, "https://api.example/reset", []string{"exit status 92"}},
		{"WebSocket", explicit, "--http1.1 -i -H Connection:Upgrade -H Upgrade:websocket -H Sec-WebSocket-Version:13 -H Sec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ== https://api.example/a", []string{"HTTP/1.1 426 Upgrade Required", "WebSockets are not recorded: use HTTP"}},
		{"no token", []string{"-sS", "--cacert", "{ca}", "-x", "http://127.0.0.1:{proxyport}"}, "https://api.example/a", []string{"407"}},
		{"no belief", []string{"-sS", "-x", "{proxy}"}, "https://api.example/a", []string{"exit status 60"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := f.program(t, "curl", append(c.door[:len(c.door):len(c.door)], strings.Split(c.args, " ")...)...)
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("curl %s printed %q, want %q in it", c.args, out, want)
				}
			}
		})
	}
	f.refused("may not believe it")
	f.refused("no token")
	f.refused("WebSocket")
}

func TestPython(t *testing.T) {
	f := open(t, route, nil)
	out := f.program(t, "python3", "-c", `
import http.client, json, socket, ssl, urllib.request, urllib.error, base64
ctx = ssl.create_default_context(cafile="{ca}")
ctx.verify_flags |= ssl.VERIFY_X509_STRICT

def say(name, got): print(name + ":", got)
auth = {"Proxy-Authorization": "Basic " + base64.b64encode(b"coo:{token}").decode()}

c = http.client.HTTPSConnection("127.0.0.1", {proxyport}, context=ctx, timeout=30)
c.set_tunnel("api.example", 443, auth)
for i in range(2):
    c.request("POST", "/a", body=iter([b"one", b"two"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    r = c.getresponse(); b = r.read().decode()
    say("tunnel", (r.status, b.split("\n")[0], b.split("\n\n")[1]))
c.request("GET", "/stream"); r = c.getresponse()
say("stream", [json.loads(l)["n"] for l in r])
c.request("HEAD", "/429"); r = c.getresponse(); say("head", (r.status, r.read()))
c.request("GET", "/cut"); r = c.getresponse()
try: r.read()
except http.client.IncompleteRead as e: say("cut", e.partial)
c = http.client.HTTPSConnection("127.0.0.1", {proxyport}, context=ctx, timeout=30)
c.set_tunnel("api.example", 443, auth)
c.request("GET", "/reset")
try: c.getresponse()
except ConnectionResetError as e: say("reset over TLS", True)
c = http.client.HTTPConnection("127.0.0.1", {proxyport}, timeout=30)
c.request("GET", "http://api.example/reset", headers={"Host": "api.example", **auth})
try: c.getresponse()
except ConnectionResetError as e: say("reset", e.errno)

o = urllib.request.build_opener(urllib.request.ProxyHandler({"http": "{proxy}", "https": "{proxy}"}), urllib.request.HTTPSHandler(context=ctx))
for scheme in ("http", "https"):
    say("urllib", o.open(scheme + "://api.example/a", data=b"{}", timeout=30).read().decode().split("\n")[0])
try: o.open("https://api.example/429", timeout=30)
except urllib.error.HTTPError as e: say("urllib", (e.code, e.headers["retry-after"]))

def direct(name, check=True):
    x = ssl.create_default_context(cafile="{ca}")
    x.check_hostname = check
    return x.wrap_socket(socket.create_connection(("127.0.0.1", {port}), timeout=30), server_hostname=name)
s = direct("api.example")
s.sendall(b"GET /a HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n")
say("ssl", s.version() + " " + s.makefile("rb").read().split(b"\r\n")[0].decode())
say("by name", s.getpeercert()["subjectAltName"])
say("no name", direct(None, False).getpeercert()["subjectAltName"])
say("another name", direct("other.example").getpeercert()["subjectAltName"])
`)
	for _, want := range []string{
		"tunnel: (200, 'POST https://api.example/a', 'onetwo')\ntunnel: (200,",
		"stream: [0, 1, 2]\n",
		"head: (429, b'')\n",
		`cut: b'data: one\n\n'` + "\n",
		"reset: 104\n",
		// Some versions see every end within TLS as one end of file, a
		// RemoteDisconnected, which is one of these too.
		"reset over TLS: True\n",
		"urllib: POST http://api.example/a\nurllib: POST https://api.example/a\nurllib: (429, '1')\n",
		"ssl: TLSv1.3 HTTP/1.1 200 OK\n",
		"by name: (('DNS', 'api.example'),)\n",
		"no name: (('DNS', 'api.example'),)\n",
		"another name: (('DNS', 'other.example'),)\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("not printed: %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

func TestNode(t *testing.T) {
	f := open(t, route, nil)
	out := f.program(t, "node", "-e", `
const http = require("http"), https = require("https"), fs = require("fs");
const ca = fs.readFileSync("{ca}");
const auth = { "Proxy-Authorization": "Basic " + Buffer.from("coo:{token}").toString("base64") };
const tunnel = (path) => new Promise((done) => http.request({ host: "127.0.0.1", port: {proxyport}, method: "CONNECT", path, headers: auth })
  .on("connect", (r, socket) => done(socket)).end());
const ask = (mod, options, body) => new Promise((done) => {
  const r = mod.request(options, (res) => {
    let b = ""; res.setEncoding("utf8");
    res.on("data", (d) => b += d);
    res.on("end", () => done([res.statusCode, b, JSON.stringify(res.trailers)]));
    res.on("error", (e) => done([res.statusCode, b, e.code]));
  });
  r.on("error", (e) => done([e.code]));
  r.end(body);
});
(async () => {
  let socket = await tunnel("api.example:443");
  let agent = new https.Agent({ keepAlive: true, socket });
  const tls = async (path, method = "GET", body) => ask(https, { socket: await tunnel("api.example:443"), agent: false, host: "api.example", servername: "api.example", ca, path, method }, body);
  console.log("https:", (await tls("/a", "POST", "{}"))[1].split("\n")[0]);
  console.log("stream:", ...(await tls("/stream")).map(String));
  console.log("429:", ...(await tls("/429")));
  console.log("cut:", ...(await tls("/cut")));
  console.log("reset:", ...(await tls("/reset")));
  console.log("plain in a tunnel:", (await ask(http, { createConnection: () => socket, host: "api.example", port: 443, path: "/a" }))[1].split("\n")[0]);
  console.log("absolute:", (await ask(http, { host: "127.0.0.1", port: {proxyport}, path: "http://api.example/a", headers: { ...auth, host: "api.example" } }))[1].split("\n")[0]);
  console.log("redirected:", (await ask(https, { host: "127.0.0.1", port: {port}, servername: "api.example", ca, path: "/a", headers: { host: "api.example" } }))[1].split("\n")[0]);
  const ws = http.request({ host: "127.0.0.1", port: {proxyport}, path: "http://api.example/ws", headers: { ...auth, host: "api.example", connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" } });
  ws.on("response", (r) => { console.log("ws:", r.statusCode); r.resume(); process.exitCode = 0; }).on("upgrade", () => console.log("ws: upgraded")).on("error", (e) => console.log("ws:", e.code)).end();
})();
`)
	for _, want := range []string{
		"https: POST https://api.example/a\n",
		"stream: 200 {\"n\":0}\n{\"n\":1}\n{\"n\":2}\n {\"x-sum\":\"3\"}\n",
		"429: 429 slow {}\n",
		"cut: 200 data: one\n\n ECONNRESET\n",
		"reset: ECONNRESET\n",
		"plain in a tunnel: GET http://api.example:443/a\n",
		"absolute: GET http://api.example/a\n",
		"redirected: GET https://api.example/a\n",
		"ws: 426\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("not printed: %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
