package sandbox

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestEverythingIsRedirected(t *testing.T) {
	t.Parallel()
	r := perform(t, sh(`curl -s --noproxy '*' http://api.example.com/x; curl -s http://93.184.216.34:8080/; curl -s 'http://[2001:db8::1]:81/'
		curl -s 'http://[::ffff:203.0.113.9]:82/'; curl -s -6 http://api.example.com/; curl -s http://169.254.169.254/latest; exit 7`))
	if r.exit.Status != 7 {
		t.Errorf("status %d", r.exit.Status)
	}
	contains(t, "stdout", r.stdout, "api.example.com|198.1", "|80 api.example.com\n", "|93.184.216.34|8080 93.184.216.34:8080\n",
		"|2001:db8::1|81 ", "|203.0.113.9|82", "api.example.com|fd63:6f6f::", "|169.254.169.254|80 ")
}

// A program that tries every way out that it has finds none.
func TestNothingElseLeaves(t *testing.T) {
	t.Parallel()
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	abstract := fmt.Sprintf("@coo-test-%d", os.Getpid())
	unixOutside, err := net.Listen("unix", abstract)
	if err != nil {
		t.Fatal(err)
	}
	defer unixOutside.Close()
	reached := make(chan string, 8)
	for _, l := range []net.Listener{outside, unixOutside} {
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				reached <- l.Addr().String()
				c.Close()
			}
		}()
	}
	r := perform(t, python(fmt.Sprintf(`
import errno, socket, struct
def attempt(name, f):
    try: print(name, f() or "ok")
    except OSError as e: print(name, errno.errorcode.get(e.errno, e))
def udp(family, address):
    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(2); s.connect(address); s.send(b"x"); return s.recv(1)
def stay(address):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.2); s.bind(("0.0.0.0", 5353)); s.sendto(b"x", address)
    try: return s.recv(1)
    except TimeoutError: return "nothing came"
def tcp(family, address):
    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(2); s.connect(address)
def echo():
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); s.settimeout(0.3)
    s.sendto(b"\x08\x00\xf7\xff\x00\x00\x00\x00", ("192.0.2.1", 0))
    while True:
        b = s.recv(100)
        if b[12:16] == bytes([192, 0, 2, 1]) and b[20] == 0: return "answered"
def packet():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    for i in socket.if_nameindex(): s.bind((i[1], 3))
    return repr(socket.if_nameindex())
attempt("quic", lambda: udp(socket.AF_INET, ("192.0.2.1", 443)))
attempt("quic6", lambda: udp(socket.AF_INET6, ("2001:db8::1", 443)))
attempt("multicast", lambda: stay(("224.0.0.251", 5353)))
attempt("self", lambda: stay(("192.0.2.1", 5353)))
attempt("loopback", lambda: tcp(socket.AF_INET, ("127.0.0.1", %d)))
attempt("abstract", lambda: tcp(socket.AF_UNIX, "\0%s"))
attempt("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) and None)
attempt("ping", echo)
attempt("packet", packet)
print("interfaces", [l.split(":")[0].strip() for l in open("/proc/net/dev") if ":" in l])
print("routes", len(open("/proc/net/route").readlines()) - 1)
`, outside.Addr().(*net.TCPAddr).Port, abstract[1:])))
	for line := range strings.Lines(r.stdout) {
		what, got, _ := strings.Cut(strings.TrimSpace(line), " ")
		wanted := map[string][]string{
			"quic": {"ECONNREFUSED"}, "quic6": {"ECONNREFUSED"}, "multicast": {"ENETUNREACH", "nothing came"}, "self": {"nothing came"},
			"loopback": {"ECONNREFUSED"}, "abstract": {"ECONNREFUSED"}, "vsock": {"EAFNOSUPPORT"},
			"ping": {"EPERM", "ECONNREFUSED", "timed out"}, "packet": {"EPERM", "[(1, 'lo')]"}, "interfaces": {"['lo']"}, "routes": {"0"},
		}[what]
		if !slices.Contains(wanted, got) {
			t.Errorf("%s: %s, want one of %q", what, got, wanted)
		}
	}
	if n := strings.Count(r.stdout, "\n"); n != 11 {
		t.Errorf("%d attempts of 11; stderr %q", n, r.stderr)
	}
	if len(r.targets) != 0 {
		t.Errorf("connections %q", r.targets)
	}
	select {
	case who := <-reached:
		t.Errorf("%s was reached", who)
	default:
	}
}

// Servers that the program starts work, by every name it has for itself.
func TestOwnServers(t *testing.T) {
	t.Parallel()
	r := perform(t, python(`
import http.server, socket, threading, urllib.request
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b"own")
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("0.0.0.0", 8123), H)
threading.Thread(target=s.serve_forever, daemon=True).start()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(("8.8.8.8", 80)); me = u.getsockname()[0]
print(me)
for host in ["127.0.0.1", "localhost", "127.9.9.9", socket.gethostname(), me, "a.localhost"]:
    print(urllib.request.urlopen("http://%s:8123/" % host, timeout=5).read().decode())
`))
	want(t, "stdout", r.stdout, "198.18.0.1\n"+strings.Repeat("own\n", 6))
	if len(r.targets) != 0 {
		t.Errorf("connections %q left", r.targets)
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	c := sh(`curl -s http://127.0.0.1:11434/; curl -s http://localhost:11434/; curl -s http://192.168.7.7:8000/; curl -s http://ollama.lan:81/
		curl -s http://192.168.7.7:8001/; curl -sS http://localhost:11435/ 2>&1; true`)
	for _, s := range []string{"localhost:11434", "192.168.7.7:8000", "Ollama.LAN:81"} {
		e, err := ParseEndpoint(s)
		if err != nil {
			t.Fatal(err)
		}
		c.Allow = append(c.Allow, e)
	}
	r := perform(t, c)
	contains(t, "stdout", r.stdout, "|127.0.0.1|11434|allowed 127.0.0.1:11434\n", "1|11434|allowed localhost:11434\n", "|192.168.7.7|8000|allowed ",
		"ollama.lan|198.", "|81|allowed ollama.lan:81\n", "|192.168.7.7|8001 ", "port 11435")
}

// The program is who it would be, with less than it would have.
func TestWhoItIs(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r := perform(t, sh(`id -u; id -g; uname -n; ls /proc/self/fd | wc -l; echo $$; grep -E '^(CapEff|CapAmb|NoNewPrivs)' /proc/self/status; grep -c . /proc/1/environ 2>&1; cat /proc/1/comm`))
		lines := strings.Split(r.stdout, "\n")
		// ls itself has the directory open.
		want(t, "id, host, descriptors, pid", strings.Join(lines[:5], " "), fmt.Sprintf("%d %d %s 4 %d", os.Getuid(), os.Getgid(), host, firstPID))
		if os.Getuid() != 0 {
			contains(t, "status", r.stdout, "CapEff:\t0000000000000000\n", "CapAmb:\t0000000000000000\n", "NoNewPrivs:\t1\n")
			continue
		}
		var eff uint64
		fmt.Sscanf(lines[5], "CapEff:\t%x", &eff)
		for _, c := range denied {
			if eff&(1<<c) != 0 {
				t.Errorf("root has capability %d inside", c)
			}
		}
	}
}

// Root cannot leave by joining another network.
func TestRootCannotLeave(t *testing.T) {
	r := perform(t, sh(`for n in 1 self; do nsenter --net=/proc/$n/ns/net true 2>&1; done; ip link add x type dummy 2>&1; mount -t tmpfs x /mnt 2>&1; ls /proc | grep -c '^[0-9]'; cat /proc/1/mem 2>&1 | head -c 100`))
	if n := strings.Count(r.stdout, "not permitted") + strings.Count(r.stdout, "ermission denied") + strings.Count(r.stdout, "must be superuser"); n < 4 {
		t.Errorf("stdout %q", r.stdout)
	}
}
