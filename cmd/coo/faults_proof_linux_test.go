package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"io"
	"maps"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/proofs"
)

// The proofs that what goes wrong on the network is recorded as what it was
// and happens again in a replay, to real clients.

// A fault is what the server does at a path, what every client gets to see of
// it, and how coo says that it ended.
type fault struct {
	url, body string
	whole     bool
	how       string
}

// faults are in the order in which the clients ask. The hosts are those of
// [faultServer]. A client asks at most two seconds where the server stalls.
var faults = []fault{
	{"http://fault.test/sound", "whole", true, "eof"},
	{"http://fault.test/dies", "data: 1\n\ndata: 2\n\n", false, "cut"},
	{"http://fault.test/dies-in-a-chunk", "data: 1\n\nda", false, "cut"},
	{"http://fault.test/resets", "data: 1\n\n", false, "cut"},
	{"http://fault.test/short", "half", false, "cut"},
	{"http://fault.test/long", "half", true, "eof"},
	{"http://fault.test/bad-chunk", "data: 1\n\n", false, "cut"},
	{"http://fault.test/reset-at-once", "", false, "reset"},
	{"http://fault.test/says-nothing", "", false, "reset"},
	{"http://fault.test/no-http", "", false, "reset"},
	{"http://fault.test/stalls", "data: 1\n\n", false, "client"},
	{"http://fault.test/stalls-at-once", "", false, "client"},
	{"https://sound.test/", "inside", true, "eof"},
	{"https://sound.test/dies", "data: 1\n\n", false, "cut"},
	{"https://expired.test/", "", false, "tls"},
	{"https://early.test/", "", false, "tls"},
	{"https://other.test/", "", false, "tls"},
	{"https://self-signed.test/", "", false, "tls"},
	{"https://unknown.test/", "", false, "tls"},
	{"https://no-tls.test/", "", false, "tls"},
	{"http://closed.test/", "", false, "refused"},
}

// faultClients ask for each URL among their arguments, and print of each what
// came and whether it was whole. What more they say differs from one client,
// and from one version of it, to the next.
var faultClients = map[string][]string{
	"curl": {"sh", "-c", `for u; do
	limit=60
	case $u in *stalls*) limit=2 ;; esac
	body=$(curl -s -N -m $limit "$u" && echo whole || echo failed)
	printf '%s\n%s\n.\n' "$u" "$body"
done`, "curl.sh"},
	"python": {"python3", "-c", `
import http.client, sys, urllib.request
for u in sys.argv[1:]:
    data, how = b"", "whole"
    try:
        r = urllib.request.urlopen(u, timeout=2 if "stalls" in u else 60)
        while b := r.read1(65536):
            data += b
        if r.getheader("content-length", str(len(data))) != str(len(data)):
            how = "failed"
    except (OSError, http.client.HTTPException) as e:
        how = "failed"
    print(u + "\n" + data.decode() + how + "\n.")
`},
	"node": {"node", "-e", `
(async () => {
  for (const u of process.argv.slice(1)) {
    let text = "", how = "whole";
    const leave = new AbortController();
    const timer = setTimeout(() => leave.abort(), u.includes("stalls") ? 2000 : 60000);
    try {
      const r = await fetch(u, { signal: leave.signal });
      const d = new TextDecoder();
      for await (const b of r.body) text += d.decode(b, { stream: true });
    } catch (e) { how = "failed"; }
    clearTimeout(timer);
    console.log(u + "\n" + text + how + "\n.");
  }
})();
`},
}

// seen is what each client prints of the faults.
func seen() string {
	var b strings.Builder
	for _, f := range faults {
		fmt.Fprintf(&b, "%s\n%s%s\n.\n", f.url, f.body, map[bool]string{true: "whole", false: "failed"}[f.whole])
	}
	return b.String()
}

// A faultServer goes wrong in the way that a URL says.
type faultServer struct {
	plain, secure, noTLS, closed string // addresses
	ca                           []byte // PEM, of the authority that signed what can be believed
	left                         chan string
	stop                         func()
}

// newFaultServer starts one.
func newFaultServer(t *testing.T) *faultServer {
	t.Helper()
	s := &faultServer{left: make(chan string, 100)}
	var running sync.WaitGroup
	var listeners []net.Listener
	serve := func(l net.Listener) string {
		listeners = append(listeners, l)
		running.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				running.Go(func() {
					defer c.Close()
					c.SetDeadline(time.Now().Add(time.Minute))
					s.answer(c)
				})
			}
		})
		return l.Addr().String()
	}
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	certificates, ca := faultCertificates(t)
	s.ca = ca
	s.plain = serve(listen())
	s.noTLS = s.plain
	s.secure = serve(tls.NewListener(listen(), &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return certificates[h.ServerName], nil
	}}))
	gone := listen()
	s.closed = gone.Addr().String()
	gone.Close()
	s.stop = sync.OnceFunc(func() {
		for _, l := range listeners {
			l.Close()
		}
		running.Wait()
	})
	t.Cleanup(s.stop)
	return s
}

// flags let the hosts of faults lead to the server.
func (s *faultServer) flags(p *place) []string {
	p.write("ca.pem", string(s.ca))
	f := []string{
		"--upstream-ca", "ca.pem", "--resolve", "fault.test:80:" + s.plain,
		"--resolve", "no-tls.test:443:" + s.noTLS, "--resolve", "closed.test:80:" + s.closed,
	}
	for _, host := range []string{"sound", "expired", "early", "other", "self-signed", "unknown"} {
		f = append(f, "--resolve", host+".test:443:"+s.secure)
	}
	return f
}

// faultCertificates makes a certificate for each host, some of which are not
// to be believed, and the authority that signs the others.
func faultCertificates(t *testing.T) (map[string]*tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	n := int64(0)
	make := func(c, parent *x509.Certificate) *x509.Certificate {
		n++
		c.SerialNumber = big.NewInt(n)
		if c.NotBefore.IsZero() {
			c.NotBefore = now.Add(-48 * time.Hour)
		}
		if c.NotAfter.IsZero() {
			c.NotAfter = now.Add(48 * time.Hour)
		}
		if parent == nil {
			parent = c
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	authority := func(name string) *x509.Certificate {
		return make(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	}
	known, unknown := authority("known"), authority("unknown")
	out := map[string]*tls.Certificate{}
	for host, c := range map[string]*x509.Certificate{
		"sound.test":       make(&x509.Certificate{DNSNames: []string{"sound.test"}}, known),
		"expired.test":     make(&x509.Certificate{DNSNames: []string{"expired.test"}, NotAfter: now.Add(-time.Hour)}, known),
		"early.test":       make(&x509.Certificate{DNSNames: []string{"early.test"}, NotBefore: now.Add(time.Hour)}, known),
		"other.test":       make(&x509.Certificate{DNSNames: []string{"sound.test"}}, known),
		"self-signed.test": make(&x509.Certificate{DNSNames: []string{"self-signed.test"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil),
		"unknown.test":     make(&x509.Certificate{DNSNames: []string{"unknown.test"}}, unknown),
	} {
		out[host] = &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
	}
	return out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: known.Raw})
}

// answer reads one request and does what its path says.
func (s *faultServer) answer(c net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	const sse = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	const one, two = "9\r\ndata: 1\n\n\r\n", "9\r\ndata: 2\n\n\r\n"
	reset := func() {
		time.Sleep(50 * time.Millisecond) // or it overtakes what was sent
		if t, ok := c.(*net.TCPConn); ok {
			t.SetLinger(0)
		}
	}
	switch strings.TrimPrefix(r.URL.Path, "/") {
	case "":
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\ninside")
	case "sound":
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwhole")
	case "dies":
		io.WriteString(c, sse+one)
		if _, secure := c.(*tls.Conn); !secure {
			io.WriteString(c, two)
		}
	case "dies-in-a-chunk":
		io.WriteString(c, sse+one+"9\r\nda")
	case "resets":
		io.WriteString(c, sse+one)
		reset()
	case "short":
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
	case "long":
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhalf and more")
	case "bad-chunk":
		io.WriteString(c, sse+one+"zz\r\n")
	case "reset-at-once":
		reset()
	case "says-nothing":
	case "no-http":
		io.WriteString(c, "SSH-2.0-OpenSSH_9.6\r\n")
	case "stalls", "stalls-at-once":
		if r.URL.Path == "/stalls" {
			io.WriteString(c, sse+one)
		}
		io.Copy(io.Discard, c) // until the client has had enough
		s.left <- r.URL.Path
	}
}

// tails returns how the calls of the newest run ended, by their URLs.
func (p *place) tails() map[string]string {
	p.t.Helper()
	urls, out := map[int64]string{}, map[string]string{}
	for line := range strings.Lines(p.ends(exitOK, "logs", "@last").stdout) {
		if f := strings.Fields(line); len(f) > 4 && f[2] == "call" && f[3] == "GET" {
			n, err := strconv.ParseInt(f[0], 10, 64)
			if err != nil {
				p.t.Fatalf("%q: %v", line, err)
			}
			urls[n] = f[4]
		}
	}
	for line := range strings.Lines(p.ends(exitOK, "logs", "@last", "--json").stdout) {
		var r struct {
			T    string
			Call int64
			How  string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			p.t.Fatalf("%q: %v", line, err)
		}
		if r.T == "tail" {
			out[urls[r.Call]] = r.How
		}
	}
	return out
}

// TestFaultsReachRealClients: curl, Python and Node see through coo what the
// server does wrong; coo records what it was, and without the server each
// sees it again.
func TestFaultsReachRealClients(t *testing.T) {
	proofs.Needed(t)
	replays := 1
	if full() {
		replays = 20
	}
	want := map[string]string{}
	var urls []string
	for _, f := range faults {
		want[f.url] = f.how
		urls = append(urls, f.url)
	}
	var n atomic.Int64
	t.Run("clients", func(t *testing.T) {
		for client, argv := range faultClients {
			for _, level := range []string{"frozen", "proxied"} {
				if client == "node" && level == "proxied" {
					continue // not every version of it listens to variables: proof/clients
				}
				t.Run(client+" "+level, func(t *testing.T) {
					t.Parallel()
					s := newFaultServer(t)
					p := newPlace(t)
					r := p.ends(exitOK, slices.Concat([]string{"run", "--isolation=" + level}, s.flags(p), []string{"--"}, argv, urls)...)
					if r.stdout != seen() {
						t.Errorf("it sees\n%s\nwant\n%s\n%s", r.stdout, seen(), r.stderr)
					}
					if got := p.tails(); !maps.Equal(got, want) {
						t.Errorf("recorded as\n%q\nwant\n%q", got, want)
					}
					for range 2 { // each of the two that stall
						select {
						case <-s.left:
						case <-time.After(20 * time.Second):
							t.Errorf("a server was not told that its client left")
						}
					}
					s.stop()
					for range replays {
						n.Add(1)
						again := p.ends(exitOK, "replay", "@last")
						if again.stdout != r.stdout || !strings.Contains(again.stderr, fmt.Sprintf("network: %d calls answered from the freeze, 0 refused, 0 sent", len(faults))) {
							t.Errorf("the replay: %s%s", again.stdout, again.stderr)
						}
					}
				})
			}
		}
	})
	proved(t, "faults: %d kinds, each seen by curl, Python and Node as it was, %d replays identical without the server", len(faults), n.Load())
}

// TestClientsThatLeave: a client that leaves an endless stream early stops
// the server, and leaves as early in a replay.
func TestClientsThatLeave(t *testing.T) {
	proofs.Needed(t)
	stopped := make(chan int, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; ; i++ {
			if i < 3 {
				fmt.Fprintf(w, "data: %d\n\n", i)
			} else {
				io.WriteString(w, ": waiting\n\n")
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				stopped <- i
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}))
	t.Cleanup(srv.Close)
	for name, argv := range map[string][]string{
		"curl":   {"sh", "-c", `curl -sN http://endless.test/ | head -n 3`},
		"python": {"python3", "-c", "import urllib.request\nr = urllib.request.urlopen('http://endless.test/')\nprint(r.readline(), r.readline(), r.readline())\nr.close()"},
		"node":   {"node", "-e", `fetch("http://endless.test/").then(async (r) => { const { value } = await r.body.getReader().read(); console.log(value.length > 8); process.exit(0) })`},
	} {
		p := newPlace(t)
		r := p.ends(exitOK, slices.Concat([]string{"run", "--isolation=frozen", "--resolve", "endless.test:80:" + srv.Listener.Addr().String(), "--"}, argv)...)
		if got := p.tails(); !maps.Equal(got, map[string]string{"http://endless.test/": "client"}) {
			t.Errorf("%s: recorded as %q", name, got)
		}
		select {
		case <-stopped:
		case <-time.After(20 * time.Second):
			t.Errorf("%s: the server goes on", name)
		}
		if again := p.ends(exitOK, "replay", "@last"); again.stdout != r.stdout {
			t.Errorf("%s: replayed: %s, recorded: %s", name, again.stdout, r.stdout)
		}
	}
}

// crowd asks for everything at once and prints all answers, in the order of
// the questions.
const crowd = `
import asyncio, sys
async def ask(i):
    r, w = await asyncio.open_connection("crowd.test", 80)
    body = b"question %d" % i
    w.write(b"POST /%d HTTP/1.1\r\nHost: crowd.test\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (i, len(body)) + body)
    head, _, text = (await r.read()).partition(b"\r\n\r\n")
    w.close()
    return head.split()[1] + b" " + text
async def main(n):
    for said in await asyncio.gather(*(ask(i) for i in range(n))):
        print(said.decode())
asyncio.run(main(int(sys.argv[1])))
`

// TestCrowd: 500 calls at the same time, none of which is answered before all
// have come.
func TestCrowd(t *testing.T) {
	proofs.Needed(t)
	const n = 500
	var waiting atomic.Int64
	all := make(chan bool)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if waiting.Add(1) == n {
			close(all)
		}
		select {
		case <-all:
		case <-time.After(2 * time.Minute):
			w.WriteHeader(http.StatusGatewayTimeout)
		}
		fmt.Fprintf(w, "answer to %s", body)
	}))
	t.Cleanup(srv.Close)
	p := newPlace(t)
	p.write("crowd.py", crowd)
	began := time.Now()
	r := p.ends(exitOK, "run", "--isolation=frozen", "--resolve", "crowd.test:80:"+srv.Listener.Addr().String(), "--", "python3", "crowd.py", strconv.Itoa(n))
	recorded := time.Since(began)
	var want strings.Builder
	for i := range n {
		fmt.Fprintf(&want, "200 answer to question %d\n", i)
	}
	if r.stdout != want.String() {
		t.Fatalf("the program got %.2000s\n%s", r.stdout, r.stderr)
	}
	if !strings.Contains(r.stderr, fmt.Sprintf("%d calls (%d sent, 0 frozen)", n, n)) {
		t.Errorf("stderr = %s", r.stderr)
	}
	srv.Close()
	replays := 1
	if full() {
		replays = 20
	}
	began = time.Now()
	for range replays {
		if again := p.ends(exitOK, "replay", "@last"); again.stdout != r.stdout {
			t.Errorf("the replay prints %.2000s", again.stdout)
		}
	}
	proved(t, "%d calls at once: recorded in %v, replayed %d times in %v each", n, recorded.Round(time.Millisecond), replays, (time.Since(began) / time.Duration(replays)).Round(time.Millisecond))
}

// most is what coo may take of memory whatever an answer's length, in bytes.
const mostForAnAnswer = 128 << 20

// TestLongAnswers: an answer of 1 GiB (64 MiB in short proofs) that does not
// compress is recorded and replayed in little memory.
func TestLongAnswers(t *testing.T) {
	proofs.Needed(t)
	size := int64(64 << 20)
	if full() {
		size = 1 << 30
	}
	sums := map[string]hash.Hash{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		sums[r.URL.Path] = sum
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		io.CopyN(io.MultiWriter(w, sum), mathrand.NewChaCha8([32]byte{byte(len(r.URL.Path))}), size)
	}))
	t.Cleanup(srv.Close)
	for _, how := range []string{"length", "chunked"} {
		p := newPlace(t)
		// With a secret to look for: without one nothing would be searched.
		p.env = append(p.env, "SERVICE_API_KEY="+plainCanary)
		recorded, r := p.watched("run", "--isolation=frozen", "--resolve", "long.test:80:"+srv.Listener.Addr().String(),
			"--", "sh", "-c", "curl -sS http://long.test/"+how+" | sha256sum")
		if want := fmt.Sprintf("%x  -\n", sums["/"+how].Sum(nil)); r.status != exitOK || r.stdout != want {
			t.Fatalf("%s: exit %d: the program got %s, sent was %s\n%s", how, r.status, r.stdout, want, r.stderr)
		}
		replayed, again := p.watched("replay", "@last")
		if again.status != exitOK || again.stdout != r.stdout {
			t.Errorf("%s: replay: exit %d, %s%s", how, again.status, again.stdout, again.stderr)
		}
		verified, v := p.watched("verify", "@last")
		if v.status != exitOK {
			t.Errorf("%s: verify: exit %d, %s%s", how, v.status, v.stdout, v.stderr)
		}
		for what, took := range map[string]int64{"recording": recorded, "replaying": replayed, "verifying": verified} {
			if took > mostForAnAnswer || took < 1<<20 {
				t.Errorf("%s: %s took %d MiB", how, what, took>>20)
			}
		}
		proved(t, "an answer of %d MiB, %s: recorded in %d MiB of memory, replayed in %d, verified in %d", size>>20, how, recorded>>20, replayed>>20, verified>>20)
		os.RemoveAll(p.dir)
	}
}

// watched runs coo and returns the most memory that one of its processes
// took: coo's own, and those that it made of itself for the program.
func (p *place) watched(args ...string) (int64, process) {
	p.t.Helper()
	cmd := p.command(args...)
	done := make(chan process, 1)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		cmd.Wait() // how it ended is in its state
		done <- process{cmd.ProcessState.ExitCode(), out.String(), errs.String(), cmd.ProcessState}
	}()
	var most int64
	for {
		select {
		case r := <-done:
			return most, r
		case <-time.After(20 * time.Millisecond):
			own, _ := processes(p.t, cmd.Process.Pid)
			for _, pid := range append(own, cmd.Process.Pid) {
				most = max(most, highWater(pid))
			}
		}
	}
}

// highWater is the most memory that a process has had, in bytes, if it is
// coo; 0 if not.
func highWater(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil || !strings.HasPrefix(string(status), "Name:\tcoo\n") {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kB int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kB); n == 1 {
			return kB << 10
		}
	}
	return 0
}
