package main

import (
	be "encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/coo-runtime/coo/internal/wire"
)

// parrotProgram does what parrotMission does, as an ordinary program: it sends
// what its environment holds in each place of a request, and keeps, prints and
// writes all that comes back. It has the real values, too, from a file that is
// not its own, and sends and prints those.
const parrotProgram = `
import base64, http.client, json, os, sys, urllib.parse
sizes, keys = int(sys.argv[1]), sys.argv[2]
plain, odd = os.environ["PLAIN_CANARY_API_KEY"], os.environ["ODD_CANARY_API_KEY"]
real = open(keys, encoding="utf-8").read().split("\n")[:2]
minted = "tok" + "-minted-0123456789abcdef"
seen = []

def ask(how, mode, host="parrot.test", key=None, query=None, hops=2):
    p, o = (plain, odd) if mode < 2 else real
    key, query = key or p, query or urllib.parse.quote(o, safe="")
    headers = {"x-key": key, "authorization": "Bearer " + p, "accept-encoding": "gzip"}
    if mode == 0:
        body = json.dumps({"a": [o, "and " + p], "b": p})
        headers["content-type"] = "application/json"
    else:
        body = "one " + o + " two " + p
    c = http.client.HTTPConnection(host, timeout=60)
    try:
        c.request("POST", "/" + how + "?key=" + query, body.encode(), {k: v.encode("utf-8") for k, v in headers.items()})
        r = c.getresponse()
        data = b""
        try:
            while chunk := r.read1(65536):
                data += chunk
        except http.client.IncompleteRead as e:
            data += e.partial
        seen.append("%s %d %r %s" % (how, r.status, sorted(r.getheaders()), data.decode("utf-8", "replace")))
        if hops and r.status in (301, 302, 303, 307, 308):
            to = urllib.parse.urlsplit(urllib.parse.urljoin("http://" + host, r.getheader("location")))
            ask(to.path.lstrip("/"), mode, to.hostname, None, to.query.removeprefix("key="), hops - 1)
    except Exception as e:
        seen.append("%s %s" % (how, e))
    c.close()

ways = ["raw/", "json/", "ascii/", "query/", "path/", "hex/", "gzip/", "br/", "zstd/", "sse-gzip/", "frames/", "binary/", "header/", "name/", "trailer/", "cut/"]
ways += ["%s/%d" % (b, n) for b in ["base64", "base64url"] for n in range(3)]
ways += ["%s/%d" % (k, n) for k in ["same", "other"] for n in [301, 302, 303, 307, 308]]
ways += ["status/%d" % n for n in [400, 401, 429, 500, 503]]
for how in ways:
    for mode in range(3):
        ask(how, mode)
for kind in ["chunks", "sse"]:
    for n in range(1, sizes + 1):
        ask("%s/%d" % (kind, n), n % 3)

def basic(user):
    c = http.client.HTTPConnection("parrot.test", timeout=60)
    c.request("GET", "/raw/", headers={"authorization": "Basic " + base64.b64encode(user.encode()).decode()})
    seen.append("basic " + c.getresponse().read().decode())
basic("me:" + odd)
basic("me:" + real[1])

# A credential that nobody knows by name.
c = http.client.HTTPConnection("parrot.test", timeout=60)
c.request("GET", "/raw/?access_token=" + minted, headers={"authorization": "Bearer " + minted})
seen.append("minted " + c.getresponse().read().decode())

text = "\n".join(seen)
open("seen.txt", "w", encoding="utf-8").write(text)
sys.stdout.buffer.write((text + "\n" + real[0] + "\n" + json.dumps(real) + "\n" + base64.b64encode(real[0].encode()).decode() + "\n").encode())
sys.stdout.flush()
os.write(1, real[0][:7].encode()); os.write(1, real[0][7:].encode() + b"\n")
os.write(2, ("stderr " + real[0] + " " + real[1] + "\n").encode())
`

// A codingParrot answers as a parrot does, and in the codings and framings that
// only programs ask for.
type codingParrot struct{ parrot }

func (p *codingParrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	how := strings.Trim(r.URL.Path, "/")
	var z io.WriteCloser
	switch how {
	case "br":
		z = brotli.NewWriter(w)
	case "zstd":
		z, _ = zstd.NewWriter(w) // without options there is no error
	case "sse-gzip", "frames", "binary":
	default:
		p.parrot.ServeHTTP(w, r)
		return
	}
	// What a parrot says, in another dress.
	r.URL.Path = map[string]string{"br": "/raw/", "zstd": "/json/", "sse-gzip": "/gzip/", "frames": "/raw/", "binary": "/raw/"}[how]
	h := w.Header()
	switch how {
	case "sse-gzip":
		h.Set("Content-Type", "text/event-stream")
		p.parrot.ServeHTTP(w, r)
		return
	case "frames":
		h.Set("Content-Type", "application/vnd.amazon.eventstream")
	case "binary":
		h.Set("Content-Type", "application/octet-stream")
	}
	rec := httptest.NewRecorder()
	p.parrot.ServeHTTP(rec, r)
	text := rec.Body.Bytes()
	switch {
	case z != nil:
		h.Set("Content-Encoding", how)
		z.Write(text)
		z.Close()
	case how == "frames":
		w.Write(amazonFrame(text))
	default:
		h.Set("Content-Length", strconv.Itoa(len(text)))
		w.Write(text)
	}
}

// TestSecretsOfProgramsNeverReachTheDisk lets a program send canaries, as
// placeholders and as they are, to a server that answers with them in each
// place of an answer, in each spelling and coding, cut at each length; and
// lets it print them. Then the store, an exported directory, a pack and the
// terminal are searched.
func TestSecretsOfProgramsNeverReachTheDisk(t *testing.T) {
	far := &codingParrot{}
	farServer := httptest.NewServer(far)
	t.Cleanup(farServer.Close)
	near := &codingParrot{parrot{other: "http://far.test"}}
	nearServer := httptest.NewServer(near)
	t.Cleanup(nearServer.Close)
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte(plainCanary+"\n"+oddCanary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const minted = "tok-minted-0123456789abcdef"

	p := newPlace(t)
	p.env = append(p.env, "PLAIN_CANARY_API_KEY="+plainCanary, "ODD_CANARY_API_KEY="+oddCanary)
	p.write("parrot.py", parrotProgram)
	clean := func(what string, r process) {
		t.Helper()
		if found := leaks(t, p.dir, plainCanary, oddCanary, minted); len(found) > 0 {
			t.Fatalf("%s: %d leaks:\n%s", what, len(found), strings.Join(found, "\n"))
		}
		for _, v := range []string{plainCanary, oddCanary, minted} {
			for form, text := range traces(v) {
				if i := strings.Index(r.stdout+r.stderr, text); i >= 0 {
					t.Fatalf("%s: the terminal shows it as %s: …%s…", what, form, (r.stdout + r.stderr)[max(0, i-100):i+len(text)])
				}
			}
		}
	}
	hosts := []string{
		"--resolve", "parrot.test:80:" + nearServer.Listener.Addr().String(),
		"--resolve", "far.test:80:" + farServer.Listener.Addr().String(),
	}
	command := []string{"--", "python3", "parrot.py", strconv.Itoa(len(plainCanary)), keys}
	first := p.ends(exitOK, append(append([]string{"run"}, hosts...), command...)...)
	clean("sealed", first)
	for _, v := range []string{plainCanary, oddCanary, minted} {
		if !strings.Contains(near.everything(), v) {
			t.Fatalf("the server never heard %q: nothing is proved", v)
		}
	}
	for _, name := range []string{"PLAIN_CANARY_API_KEY", "ODD_CANARY_API_KEY"} {
		if n := strings.Count(first.stdout, wire.Placeholder(name)); n < 100 {
			t.Errorf("%s came back only %d times", name, n)
		}
	}
	if !strings.Contains(first.stderr, "stderr <secret PLAIN_CANARY_API_KEY> <secret ODD_CANARY_API_KEY>") {
		t.Errorf("stderr = %s", first.stderr)
	}

	// Replayed, and run again, without keys and servers: the same.
	nearServer.Close()
	farServer.Close()
	bare := p.without("PLAIN_CANARY_API_KEY", "ODD_CANARY_API_KEY")
	if r := p.ends(exitOK, "replay", "@last"); r.stdout != first.stdout {
		t.Errorf("the replay differs")
	}
	for _, view := range [][]string{
		{"logs", "@last"},
		{"logs", "@last", "--json"},
		{"verify", "@last"},
		{"freeze", "export", "@last", "frozen"},
		{"pack", "@last", "--yes", "-o", "run.zip"},
		{"unpack", "run.zip", "unpacked"},
	} {
		clean(view[0], bare.ends(exitOK, view...))
	}
}

// tellerProgram sends canaries in the places that parrotProgram leaves out:
// cookies, a coded body, the parts of a form, a path. It prints what comes
// back, and fails with it in its last words.
const tellerProgram = `
import gzip, http.client, json, os, sys
real = open(sys.argv[1], encoding="utf-8").read().split("\n")[:2]
plain, odd = os.environ["PLAIN_CANARY_API_KEY"], os.environ["ODD_CANARY_API_KEY"]
more = sys.argv[2]

def ask(path, body, headers):
    c = http.client.HTTPConnection("parrot.test", timeout=60)
    c.request("POST", path, body, {k: v.encode("utf-8") for k, v in headers.items()})
    r = c.getresponse()
    print(path.split("/")[1], r.status, r.read().decode("utf-8", "replace"))
    c.close()

for p, o in [(plain, odd), real]:
    ask("/raw/", json.dumps({"key": o, "more": more}), {"cookie": "session=" + p + "; other=x", "content-type": "application/json", "x-key": p})
    ask("/raw/", gzip.compress(json.dumps({"key": p, "odd": o}).encode(), mtime=0), {"content-encoding": "gzip", "content-type": "application/json", "x-key": p})
    form = "".join("--b\r\nContent-Disposition: form-data; name=\"%d\"\r\n\r\n%s\r\n" % (i, v) for i, v in enumerate([p, o])) + "--b--\r\n"
    ask("/raw/", form.encode(), {"content-type": "multipart/form-data; boundary=b", "x-key": p})
    ask("/raw/" + p + "/x", "{}", {"content-type": "application/json", "x-key": p})
    ask("/v1/chat/completions", json.dumps({"model": "m", "messages": [{"role": "user", "content": "my key is " + p}]}),
        {"content-type": "application/json", "authorization": "Bearer " + p, "x-key": p})
open("report.txt", "w", encoding="utf-8").write(plain + " " + odd)
raise SystemExit("it failed with " + real[0] + " and " + real[1])
`

// TestSecretsOfProgramsAreNeverShown: whatever command shows a run, or says
// why another is not the same, and whatever it leaves behind, nothing of it
// holds a canary: not after the keys have been exchanged, either.
func TestSecretsOfProgramsAreNeverShown(t *testing.T) {
	near := &codingParrot{}
	srv := httptest.NewServer(near)
	t.Cleanup(srv.Close)
	p := newPlace(t)
	keys := filepath.Join(t.TempDir(), "keys")
	const newCanary = "sk-canary-0aB1cD2eF3gH4iJ5"
	values := []string{plainCanary, oddCanary, newCanary}
	shown := 0
	clean := func(what []string, r process) {
		t.Helper()
		shown++
		for _, v := range values {
			for form, text := range traces(v) {
				if i := strings.Index(r.stdout+r.stderr, text); i >= 0 {
					t.Errorf("coo %s shows it as %s: …%s…", strings.Join(what, " "), form, (r.stdout + r.stderr)[max(0, i-100):i+len(text)])
				}
			}
		}
		if found := leaks(t, p.dir, values...); len(found) > 0 {
			t.Fatalf("coo %s: %d leaks:\n%s", strings.Join(what, " "), len(found), strings.Join(found, "\n"))
		}
	}
	see := func(status int, args ...string) process {
		t.Helper()
		r := p.ends(status, args...)
		clean(args, r)
		return r
	}
	set := func(plain, odd string) {
		p.env = append(p.without("PLAIN_CANARY_API_KEY", "ODD_CANARY_API_KEY").env, "PLAIN_CANARY_API_KEY="+plain, "ODD_CANARY_API_KEY="+odd)
		if err := os.WriteFile(keys, []byte(plain+"\n"+odd+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(more string, flags ...string) []string {
		args := append([]string{"run", "--name", "teller"}, flags...)
		return append(args, "--", "python3", "teller.py", keys, more)
	}
	live := []string{"--calls=live", "--resolve", "parrot.test:80:" + srv.Listener.Addr().String()}
	p.write("teller.py", tellerProgram)

	set(plainCanary, oddCanary)
	first := see(exitFailed, run("a", append(live, "--json=first.json")...)...)
	heard := near.everything()
	for _, v := range []string{plainCanary, oddCanary} {
		if !strings.Contains(heard, v) {
			t.Fatalf("the server never heard %q: nothing is proved", v)
		}
	}
	if n := strings.Count(first.stdout, wire.Placeholder("PLAIN_CANARY_API_KEY")); n < 16 {
		t.Errorf("the placeholder came back only %d times: %s", n, first.stdout)
	}
	set(newCanary, oddCanary)
	second := see(exitFailed, run("a", live...)...)
	if second.stdout != first.stdout {
		t.Errorf("with another key it prints\n%s\nbefore\n%s", second.stdout, first.stdout)
	}
	see(exitFailed, run("b", live...)...)

	for _, view := range [][]string{
		{"inspect", "#1"},
		{"inspect", "#1", "--json"},
		{"inspect", "#1", "--graph"},
		{"inspect", "#1", "--lineage", "report.txt"},
		{"logs", "#1", "--times"},
		{"logs", "#1", "--json"},
		{"explain", "#1"},
		{"fsck"},
		{"replay", "#1"},
		{"freeze", "export", "#1", "frozen"},
		{"pack", "#1", "--yes", "-o", "run.zip"},
		{"inspect", "run.zip"},
		{"unpack", "run.zip", "unpacked"},
	} {
		status := exitOK
		if view[0] == "replay" {
			status = exitFailed
		}
		r := p.coo(view...)
		if r.status != status && r.status != exitOK {
			t.Errorf("coo %s: exit %d\n%s%s", strings.Join(view, " "), r.status, r.stdout, r.stderr)
		}
		clean(view, r)
	}
	// Each record, as question and answer where it is a call.
	for n := range 40 {
		view := []string{"inspect", "#1", "--call", strconv.Itoa(n)}
		clean(view, p.coo(view...))
	}
	see(exitDiverged, "diff", "#1", "#3")
	// A call that is not frozen: the nearest one, and the difference to it.
	miss := see(exitNotFrozen, run("c", "--calls=frozen", "--from", "frozen")...)
	if !strings.Contains(miss.stderr, "nearest: ") || !strings.Contains(miss.stderr, "/more: ") {
		t.Errorf("the miss says %s", miss.stderr)
	}
	see(exitOK, "explain", "#1")
	p.write("teller.py", strings.Replace(tellerProgram, "my key is ", "my new key is ", 1))
	see(exitDiverged, "replay", "#1", "--against", ".")
	see(exitOK, "explain", "#1")
	proved(t, "canaries of programs: 0 in what %d commands show and leave behind", shown)
}

// A program that writes the real value into its workspace is told on, and
// what it wrote is not kept.
func TestProgramsThatWriteSecrets(t *testing.T) {
	p := newPlace(t)
	p.env = append(p.env, "PLAIN_CANARY_API_KEY="+plainCanary)
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte(plainCanary), 0o600); err != nil {
		t.Fatal(err)
	}
	r := p.ends(exitOK, "run", "--", "cp", keys, "leak.txt")
	if !strings.Contains(r.stderr, `coo: "leak.txt" holds a secret: it is not recorded`) {
		t.Errorf("it is not told: %s", r.stderr)
	}
	if strings.Contains(r.stdout+r.stderr, plainCanary) {
		t.Errorf("the terminal shows it: %s%s", r.stdout, r.stderr)
	}
	if found := leaks(t, filepath.Join(p.dir, ".coo"), plainCanary); len(found) > 0 {
		t.Errorf("leaks:\n%s", strings.Join(found, "\n"))
	}
}

// amazonFrame makes one message of an Amazon event stream.
func amazonFrame(payload []byte) []byte {
	b := be.BigEndian.AppendUint32(nil, uint32(len(payload)+16))
	b = be.BigEndian.AppendUint32(b, 0)
	b = be.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(b, payload...)
	return be.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}
