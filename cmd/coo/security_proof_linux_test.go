package main

import (
	"bufio"
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	be "encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The proofs that coo answers nobody but the run's own programs, and these
// only for what they may ask. They attack the binary itself; what one part of
// it refuses is tried in more kinds by the tests of that part.

// A held run is coo with a program that waits, while the test looks at both
// from the outside.
type held struct {
	p      *place
	cmd    *exec.Cmd
	output bytes.Buffer
	ca     *x509.Certificate
	door   *url.URL // the proxy, at the level proxied
	ended  chan error
}

// hold starts coo run with the flags and waits until its program runs.
func (p *place) hold(flags ...string) *held {
	p.t.Helper()
	p.write("wait.sh", `cp "$NODE_EXTRA_CA_CERTS" ca.pem && printf '%s' "$HTTPS_PROXY" >door.tmp && mv door.tmp door
while [ ! -e go ]; do sleep 0.05; done
`)
	h := &held{p: p, cmd: p.command(append(append([]string{"run", "--calls=live"}, flags...), "--", "sh", "wait.sh")...), ended: make(chan error, 1)}
	h.cmd.Stdout, h.cmd.Stderr = &h.output, &h.output
	if err := h.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { h.ended <- h.cmd.Wait() }()
	p.t.Cleanup(func() { h.cmd.Process.Kill() })
	var door []byte
	for i := 0; ; i++ {
		var err error
		if door, err = os.ReadFile(filepath.Join(p.dir, "door")); err == nil {
			break
		}
		if i == 1000 {
			h.cmd.Process.Kill()
			<-h.ended
			p.t.Fatalf("the program does not run: %s", h.output.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
	b, err := os.ReadFile(filepath.Join(p.dir, "ca.pem"))
	if err != nil {
		p.t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	if h.ca, err = x509.ParseCertificate(block.Bytes); err != nil {
		p.t.Fatal(err)
	}
	if len(door) > 0 {
		if h.door, err = url.Parse(string(door)); err != nil {
			p.t.Fatal(err)
		}
	}
	return h
}

// release lets the program end and returns all that coo said.
func (h *held) release() string {
	h.p.t.Helper()
	h.p.write("go", "")
	if err := <-h.ended; err != nil {
		h.p.t.Fatalf("coo: %v\n%s", err, h.output.String())
	}
	return h.output.String()
}

// A victim is a server that must not be reached.
type victim struct {
	*httptest.Server
	reached atomic.Int64
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	v := &victim{}
	v.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the victim's "+r.URL.Path) }))
	v.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			v.reached.Add(1)
		}
	}
	v.Start()
	t.Cleanup(v.Close)
	return v
}

// TestNobodyElseIsAnswered attacks the proxy of a run at the level proxied,
// whose address anybody on the machine can find: as another user, from
// another network, without its token, and with requests that two servers
// might read differently. Nothing of it reaches the server behind.
func TestNobodyElseIsAnswered(t *testing.T) {
	v := newVictim(t)
	p := newPlace(t)
	addr := v.Listener.Addr().String()
	h := p.hold("--isolation=proxied", "--resolve", "victim.test:80:"+addr, "--resolve", "victim.test:443:"+addr,
		"--resolve", "front.test:443:"+addr, "--resolve", "front.test:80:"+addr)
	password, _ := h.door.User.Password()
	token := "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("coo:"+password)) + "\r\n"
	wrong := "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("coo:"+strings.ToLower(password))) + "\r\n"

	refused := 0
	// Raw requests by the right user. An answer begins with one of the
	// statuses; 0 is none.
	for _, a := range []struct {
		name, request string
		statuses      []int
	}{
		{"without the token", "GET http://victim.test/ HTTP/1.1\r\nHost: victim.test\r\n\r\n", []int{407}},
		{"a tunnel without the token", "CONNECT victim.test:80 HTTP/1.1\r\nHost: victim.test:80\r\n\r\n", []int{407}},
		{"a wrong token", "GET http://victim.test/ HTTP/1.1\r\nHost: victim.test\r\n" + wrong + "\r\n", []int{407}},
		{"an empty token", "GET http://victim.test/ HTTP/1.1\r\nHost: victim.test\r\nProxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("coo:")) + "\r\n\r\n", []int{407}},
		{"the token for the server", "GET http://victim.test/ HTTP/1.1\r\nHost: victim.test\r\n" + strings.TrimPrefix(token, "Proxy-") + "\r\n", []int{407}},
		{"a page whose name was rebound to the proxy", "GET /secrets HTTP/1.1\r\nHost: rebound.test\r\n\r\n", []int{407}},
		{"the same with the token", "GET /secrets HTTP/1.1\r\nHost: rebound.test\r\n" + token + "\r\n", []int{400}},
		{"another host than the URL's", "GET http://victim.test/ HTTP/1.1\r\nHost: rebound.test\r\n" + token + "\r\n", []int{421}},
		{"another host within a tunnel", "CONNECT victim.test:80 HTTP/1.1\r\nHost: victim.test:80\r\n" + token + "\r\nGET / HTTP/1.1\r\nHost: front.test\r\n\r\n", []int{421}},
		{"a tunnel within a tunnel", "CONNECT victim.test:80 HTTP/1.1\r\nHost: victim.test:80\r\n" + token + "\r\nCONNECT front.test:80 HTTP/1.1\r\nHost: front.test:80\r\n\r\n", []int{405}},
		{"metadata", "GET http://169.254.169.254/latest/meta-data/ HTTP/1.1\r\nHost: 169.254.169.254\r\n" + token + "\r\n", []int{403}},
		{"metadata, in a tunnel", "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n" + token + "\r\n", []int{403}},
		{"metadata, in an IPv6 address", "GET http://[::ffff:169.254.169.254]/ HTTP/1.1\r\nHost: [::ffff:169.254.169.254]\r\n" + token + "\r\n", []int{403}},
		{"metadata, as one number", "GET http://2852039166/ HTTP/1.1\r\nHost: 2852039166\r\n" + token + "\r\n", []int{400}},
		{"metadata, by name", "GET http://metadata.google.internal/ HTTP/1.1\r\nHost: metadata.google.internal\r\n" + token + "\r\n", []int{403}},
		{"CL.TE", "POST http://victim.test/ HTTP/1.1\r\nHost: victim.test\r\n" + token + "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET http://victim.test/smuggled HTTP/1.1\r\n\r\n", []int{400}},
		{"TE.CL", "POST http://victim.test/ HTTP/1.1\r\nHost: victim.test\r\n" + token + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2c\r\nGET http://victim.test/smuggled HTTP/1.1\r\n\r\n\r\n0\r\n\r\n", []int{400}},
		{"TE.TE", "POST http://victim.test/ HTTP/1.1\r\nHost: victim.test\r\n" + token + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", []int{400}},
		{"two lengths", "POST http://victim.test/ HTTP/1.1\r\nHost: victim.test\r\n" + token + "Content-Length: 0\r\nContent-Length: 44\r\n\r\nGET http://victim.test/smuggled HTTP/1.1\r\n\r\n", []int{400}},
		{"a bare line feed", "POST http://victim.test/ HTTP/1.1\r\nHost: victim.test\r\n" + token + "X: y\nContent-Length: 3\r\n\r\nabc", []int{400}},
		{"SOCKS", "\x05\x01\x00", []int{0}},
		{"mail", "EHLO evil\r\nMAIL FROM:<a@b>\r\n", []int{0}},
	} {
		refused++
		answer := h.say(t, a.request)
		answer = strings.TrimPrefix(answer, "HTTP/1.1 200 Connection established\r\n\r\n")
		var status int
		fmt.Sscanf(answer, "HTTP/1.1 %d", &status)
		if !slices.Contains(a.statuses, status) || strings.Count(answer, "HTTP/1.1 ") > 1 || strings.Contains(answer, "the victim's") {
			t.Errorf("%s: %q, want %v", a.name, answer, a.statuses)
		}
	}

	// Domain fronting: three names, and each two of them.
	for _, a := range [][3]string{
		{"front.test", "victim.test", "victim.test"},
		{"victim.test", "front.test", "victim.test"},
		{"victim.test", "victim.test", "front.test"},
		{"front.test", "rebound.test", "victim.test"},
	} {
		refused++
		if answer := h.within(t, token, a[0], a[1], a[2]); !strings.HasPrefix(answer, "HTTP/1.1 421 ") {
			t.Errorf("a tunnel to %s, a handshake with %s, a request for %s: %q", a[0], a[1], a[2], answer)
		}
	}

	// Others on the machine, who know the token.
	refused += h.strangers(t)

	if n := v.reached.Load(); n != 0 {
		t.Errorf("the victim was reached %d times", n)
	}
	// The control: asked as the run's own programs ask, it is.
	answer := h.say(t, "GET http://victim.test/own HTTP/1.1\r\nHost: victim.test\r\nConnection: close\r\n"+token+"\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 200 OK") || !strings.Contains(answer, "the victim's /own") || v.reached.Load() != 1 {
		t.Errorf("the run's own request: %q, the victim was reached %d times", answer, v.reached.Load())
	}

	said := h.release()
	told := strings.Count(said, "coo: refused: ")
	m := regexp.MustCompile(`coo: (\d+) connections refused`).FindStringSubmatch(said)
	if told < refused || m == nil || m[1] != strconv.Itoa(told) || !strings.Contains(said, ": 1 call (1 sent, 0 frozen)") {
		t.Errorf("%d attacks, %d are told of:\n%s", refused, told, said)
	}
	// With the run its door is gone.
	if c, err := net.Dial("tcp", h.door.Host); err == nil {
		c.Close()
		t.Error("after the run its proxy still listens")
	}
	proved(t, "open relay: %d attacks on a run's proxy refused and told, the server behind reached by none", refused)
}

// say sends raw bytes to the run's proxy and returns all that comes back.
func (h *held) say(t *testing.T, what string) string {
	t.Helper()
	c, err := net.Dial("tcp", h.door.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(c, what)
	b, err := io.ReadAll(c)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Errorf("%.60q: the connection stays open after %q", what, b)
	}
	return string(b)
}

// within asks for host by HTTP/1.1 after a handshake for sni in a tunnel to
// target, and returns the head of the answer.
func (h *held) within(t *testing.T, token, target, sni, host string) string {
	t.Helper()
	c, err := net.Dial("tcp", h.door.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(c, "CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n%s\r\n", target, target, token)
	if _, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(h.ca)
	tc := tls.Client(c, &tls.Config{ServerName: sni, RootCAs: roots})
	fmt.Fprintf(tc, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
	line, err := bufio.NewReader(tc).ReadString('\n')
	if err != nil {
		t.Fatalf("%s, %s, %s: %v", target, sni, host, err)
	}
	return line
}

// strangers asks as another user and from another network, and returns how
// many of them came as far as coo.
func (h *held) strangers(t *testing.T) (came int) {
	t.Helper()
	curl := "curl -sS -m 20 -x " + h.door.String() + " http://victim.test/"
	outside := []string{"unshare", "-rn"}
	if os.Geteuid() == 0 {
		outside = []string{"unshare", "-n"}
	}
	for name, command := range map[string][]string{
		"a network of its own":             append(outside, "sh", "-c", curl),
		"a network with a loopback":        append(outside, "sh", "-c", "ip link set lo up && exec "+curl),
		"the machine's other address, too": {"sh", "-c", strings.ReplaceAll(curl, "127.0.0.1", otherAddr(t))},
	} {
		out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		if err == nil || !says(string(out), `(?i)unreachable|refused|Couldn't connect|Could not connect|Failed to connect`) {
			t.Errorf("from %s: %v, %s", name, err, out)
		}
	}
	if os.Geteuid() != 0 {
		t.Log("not root: another user is tried where this runs as root")
		return 0
	}
	cmd := exec.Command("sh", "-c", curl)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "victim's") {
		t.Errorf("user 65534 was answered: %s", out)
	}
	return 1
}

// otherAddr returns an address of this machine that is not the loopback's
// usual one.
func otherAddr(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if ip := a.(*net.IPNet).IP.To4(); ip != nil && !ip.IsLoopback() {
			return ip.String()
		}
	}
	return "127.0.0.2" // the listener is at 127.0.0.1 alone
}

// inmate is a program that is shut in and tries what it may not reach: by
// address, by a name that leads there, and with three names at once.
const inmate = `
import http.client, socket, ssl, sys
def get(to, host=None, port=80):
    try:
        c = http.client.HTTPConnection(to, port, timeout=20)
        c.putrequest("GET", "/", skip_host=True)
        c.putheader("Host", host or to)
        c.endheaders()
        r = c.getresponse()
        return str(r.status) + " " + r.read().decode().strip()
    except ConnectionResetError: # what it is called depends on when it comes
        return "reset"
    except OSError as e:
        return type(e).__name__
def raw(to, text):
    s = socket.create_connection((to, 80), timeout=20)
    s.sendall(text.encode())
    data = b""
    while b := s.recv(65536):
        data += b
    return data.decode().split("\r\n")[0]
def tls(to, sni, host):
    s = ssl.create_default_context().wrap_socket(socket.create_connection((to, 443), timeout=20), server_hostname=sni)
    s.sendall(("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n").encode())
    return s.recv(65536).decode().split("\r\n")[0]
port = int(sys.argv[1])
for what in ["127.0.0.1", "::1", "localhost"]:
    print(what, get(what, port=port))
for what in ["10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "::ffff:169.254.169.254", "metadata.google.internal",
             "rebound-metadata.test", "rebound-lan.test"]:
    print(what, get(what, "[" + what + "]" if ":" in what else what))
print("rebinding", get("victim.test", "rebound.test"))
print("smuggling", raw("victim.test", "POST / HTTP/1.1\r\nHost: victim.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
print("fronting", tls("front.test", "front.test", "victim.test"))
print("fronting", tls("front.test", "victim.test", "victim.test"))
print("control", get("victim.test"))
`

// TestNothingNearIsReached lets a program that is shut in, and one that is
// not, try this machine, its network, and metadata services, by address and
// by names that lead there.
func TestNothingNearIsReached(t *testing.T) {
	v, control := newVictim(t), newVictim(t)
	p := newPlace(t)
	p.write("inmate.py", inmate)
	p.write("hosts", "127.0.0.1 localhost\n169.254.169.254 rebound-metadata.test\n10.255.255.1 rebound-lan.test\n")
	_, port, _ := net.SplitHostPort(v.Listener.Addr().String())
	flags := []string{"--calls=live"}
	for _, host := range []string{"victim.test", "front.test", "rebound.test"} {
		for _, n := range []string{"80", "443"} {
			flags = append(flags, "--resolve", host+":"+n+":"+control.Listener.Addr().String())
		}
	}
	// What names lead to is said by a hosts file that only this coo sees.
	outside := []string{"unshare", "-rm"}
	if os.Geteuid() == 0 {
		outside = []string{"unshare", "-m"}
	}
	argv := append(outside, "sh", "-c", `mount --bind hosts /etc/hosts && exec "$0" "$@"`, p.bin, "run")
	r := p.finish(p.outside(append(append(argv, flags...), "--isolation=frozen", "--", "python3", "inmate.py", port)))
	if r.status != exitOK {
		t.Fatalf("exit %d: %s%s", r.status, r.stdout, r.stderr)
	}
	want := `127.0.0.1 ConnectionRefusedError
::1 ConnectionRefusedError
localhost ConnectionRefusedError
10.0.0.1 403 coo: 10.0.0.1:80 is on this machine or its network: reached only with --allow 10.0.0.1:80
192.168.1.1 403 coo: 192.168.1.1:80 is on this machine or its network: reached only with --allow 192.168.1.1:80
172.16.0.1 403 coo: 172.16.0.1:80 is on this machine or its network: reached only with --allow 172.16.0.1:80
169.254.169.254 403 coo: 169.254.169.254:80 is a cloud's metadata service or a link-local address: reached only with --allow 169.254.169.254:80
::ffff:169.254.169.254 403 coo: [::ffff:169.254.169.254]:80 is a cloud's metadata service or a link-local address: reached only with --allow [::ffff:169.254.169.254]:80
metadata.google.internal 403 coo: metadata.google.internal:80 is a cloud's metadata service or a link-local address: reached only with --allow metadata.google.internal:80
rebound-metadata.test reset
rebound-lan.test reset
rebinding 421 coo: the request is for host "rebound.test", its connection for "victim.test:80"
smuggling HTTP/1.1 400 Bad Request
fronting HTTP/1.1 421 Misdirected Request
fronting HTTP/1.1 421 Misdirected Request
control 200 the victim's /
`
	if r.stdout != want {
		t.Errorf("shut in:\n%s\nwant\n%s\n%s", r.stdout, want, r.stderr)
	}
	for _, told := range []string{
		"coo: refused: rebound-metadata.test:80: it has the address 169.254.169.254, a cloud's metadata service or a link-local address: reached only with --allow rebound-metadata.test:80",
		"coo: refused: rebound-lan.test:80: it has the address 10.255.255.1, on this machine or its network: reached only with --allow rebound-lan.test:80",
	} {
		if !strings.Contains(r.stderr, told) {
			t.Errorf("it is not told: %s\n%s", told, r.stderr)
		}
	}
	if v.reached.Load() != 0 || control.reached.Load() != 1 {
		t.Errorf("the victim was reached %d times, the control %d", v.reached.Load(), control.reached.Load())
	}
	// What a name led to is part of the record: its replay asks nobody.
	if again := p.ends(exitOK, "replay", "@last"); again.stdout != r.stdout {
		t.Errorf("the replay prints\n%s", again.stdout)
	}

	// Not shut in, a program can do without coo; coo asks no metadata service for it.
	p.write("ask.sh", `curl -s -m 20 http://rebound-metadata.test/ || echo nothing came`)
	r = p.finish(p.outside(append(append(argv, flags...), "--isolation=proxied", "--", "sh", "ask.sh")))
	if r.status != exitOK || r.stdout != "nothing came\n" || !strings.Contains(r.stderr, "refused: rebound-metadata.test:80: it has the address 169.254.169.254") {
		t.Errorf("proxied: exit %d, %s%s", r.status, r.stdout, r.stderr)
	}
}

func (p *place) outside(argv []string) *exec.Cmd {
	p.t.Helper()
	tool, err := exec.LookPath(argv[0])
	if err != nil {
		p.t.Fatalf("this proof needs %s: %v", argv[0], err)
	}
	return &exec.Cmd{Path: tool, Args: argv, Dir: p.dir, Env: p.env}
}

// TestTheKeyStaysInside finds the key of a run's CA in coo's own memory, and
// looks for it everywhere else: in the files that the run wrote or mapped, in
// the environment, the arguments and the memory of every other process.
func TestTheKeyStaysInside(t *testing.T) {
	v := newVictim(t)
	for _, level := range []string{"proxied", "frozen"} {
		began := time.Now().Add(-time.Second)
		p := newPlace(t)
		tmp := t.TempDir()
		p.env = append(p.without("TMPDIR", "HOME").env, "TMPDIR="+tmp, "HOME="+tmp)
		h := p.hold("--isolation="+level, "--resolve", "victim.test:443:"+v.Listener.Addr().String())

		pub := h.ca.PublicKey.(*ecdsa.PublicKey)
		point, err := pub.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		key := keyOf(t, h.cmd.Process.Pid, point)
		if key == nil {
			t.Fatalf("%s: the key is not found in coo's memory: the search proves nothing", level)
		}
		forms := keyForms(key)
		look := func(where string, b []byte) {
			if form := holdsKey(b, key, forms); form != "" {
				t.Errorf("%s: %s holds the key as %s", level, where, form)
			}
		}
		files := 0
		for _, dir := range []string{p.dir, tmp, os.TempDir(), "/dev/shm", "/var/tmp", "/run"} {
			filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
				if err != nil {
					return nil // what others have there and close
				}
				fi, err := d.Info()
				if err != nil || !fi.Mode().IsRegular() || fi.ModTime().Before(began) || fi.Size() > 1<<20 {
					return nil
				}
				if b, err := os.ReadFile(name); err == nil {
					files++
					look(name, b)
				}
				return nil
			})
		}
		own, others := processes(t, h.cmd.Process.Pid)
		for _, pid := range append(own, others...) {
			for _, name := range []string{"environ", "cmdline"} {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
				if err == nil {
					look(fmt.Sprintf("/proc/%d/%s", pid, name), b)
				}
			}
		}
		// Of the run's processes, whatever they hold open and have in memory;
		// of coo itself, what it holds open.
		for _, pid := range append(own, h.cmd.Process.Pid) {
			for _, name := range openFiles(pid) {
				if b, err := readHead(name, 1<<20); err == nil {
					look(name, b)
				}
			}
		}
		for _, pid := range own {
			memory(t, pid, func(at uint64, b []byte) { look(fmt.Sprintf("the memory of process %d", pid), b) })
		}
		if files < 3 || len(own) < 1 {
			t.Errorf("%s: looked into only %d files, %d processes of the run", level, files, len(own))
		}

		if life := time.Until(h.ca.NotAfter); life > 24*time.Hour || !h.ca.MaxPathLenZero || !h.ca.IsCA {
			t.Errorf("%s: the CA is believed for %v, path length %d", level, life, h.ca.MaxPathLen)
		}
		if level == "frozen" {
			listening(t, h.cmd.Process.Pid)
		}
		h.release()
		if found := leaks(t, p.dir, string(forms["raw"])); len(found) > 0 {
			t.Errorf("%s: %s", level, strings.Join(found, "\n"))
		}
		proved(t, "CA key, %s: in coo's memory; not in %d files, %d processes of the run, %d others", level, files, len(own), len(others))
	}
}

// keyOf looks in the memory of a process for the private key that belongs to
// a public one: every aligned run of 32 bytes is tried, as it stands and as
// math/big keeps numbers.
func keyOf(t *testing.T, pid int, public []byte) []byte {
	t.Helper()
	var found []byte
	try := func(b []byte) {
		k, err := ecdh.P256().NewPrivateKey(b)
		if err == nil && bytes.Equal(k.PublicKey().Bytes(), public) {
			found = slices.Clone(b)
		}
	}
	swapped := make([]byte, 32)
	memory(t, pid, func(_ uint64, b []byte) {
		for i := 0; i+32 <= len(b) && found == nil; i += 32 {
			w := b[i : i+32]
			if !random(w) {
				continue
			}
			try(w)
			for j, c := range w {
				swapped[31-j] = c
			}
			try(swapped)
		}
	})
	return found
}

// random reports whether 32 bytes may be a key: many different ones.
func random(b []byte) bool {
	var seen [256]bool
	n := 0
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n >= 24
}

// keyForms are the spellings of a key that are looked for.
func keyForms(key []byte) map[string][]byte {
	swapped := slices.Clone(key)
	slices.Reverse(swapped)
	forms := map[string][]byte{
		"raw": key, "swapped": swapped,
		"hex": []byte(hex.EncodeToString(key)), "HEX": []byte(strings.ToUpper(hex.EncodeToString(key))),
	}
	for before := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, before), key...))
		forms[fmt.Sprintf("base64 at %d", before)] = []byte(text[[]int{0, 2, 3}[before] : (before+len(key))*8/6])
	}
	return forms
}

// holdsKey returns the form in which b holds a key, "" for none: one of forms,
// or PEM, which breaks base64 into lines.
func holdsKey(b, key []byte, forms map[string][]byte) string {
	for form, text := range forms {
		if bytes.Contains(b, text) {
			return form
		}
	}
	for {
		at := bytes.Index(b, []byte("-----BEGIN "))
		if at < 0 {
			return ""
		}
		b = b[at:]
		if block, _ := pem.Decode(b); block != nil && bytes.Contains(block.Bytes, key) {
			return "PEM"
		}
		b = b[1:]
	}
}

// memory calls look with each writable part of a process's memory.
func memory(t *testing.T, pid int, look func(at uint64, b []byte)) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return // it has ended
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	read := 0
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n != 3 || !strings.HasPrefix(mode, "rw") || to-from > 256<<20 {
			continue
		}
		// Pages that were never touched cannot be read, or are zeros.
		for at := from; at < to; at += 1 << 20 {
			b := make([]byte, min(1<<20, to-at))
			n, _ := mem.ReadAt(b, int64(at))
			read += n
			look(at, b[:n])
		}
	}
	if read == 0 {
		t.Errorf("nothing of the memory of process %d can be read", pid)
	}
}

// processes returns the descendants of a process, and all other processes.
func processes(t *testing.T, root int) (own, others []int) {
	t.Helper()
	parent := map[int]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
		var state string
		var ppid int
		fmt.Sscan(rest, &state, &ppid)
		parent[pid] = ppid
	}
	for pid := range parent {
		up := pid
		for up > 1 && up != root {
			up = parent[up]
		}
		switch {
		case pid == root:
		case up == root:
			own = append(own, pid)
		default:
			others = append(others, pid)
		}
	}
	return own, others
}

// openFiles returns the ways to the regular files, those without a name among
// them, that a process holds open or has mapped.
func openFiles(pid int) []string {
	var out []string
	for _, dir := range []string{"fd", "map_files"} {
		names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/%s/*", pid, dir))
		for _, name := range names {
			if fi, err := os.Stat(name); err == nil && fi.Mode().IsRegular() {
				out = append(out, name)
			}
		}
	}
	return out
}

func readHead(name string, n int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, n))
}

// listening fails if a process listens where others on the machine can come.
func listening(t *testing.T, pid int) {
	t.Helper()
	held := map[string]bool{}
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(names) < 3 {
		t.Fatalf("descriptors of coo: %d, %v", len(names), err)
	}
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, "socket:[") {
			held[strings.Trim(to, "socket:[]")] = true
		}
	}
	if len(held) == 0 {
		t.Error("coo has no sockets at all: it is looked for in the wrong place")
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		b, err := os.ReadFile("/proc/self/net/" + table)
		if err != nil {
			continue // no such family here
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) > 9 && held[f[9]] && (f[3] == "0A" || strings.HasPrefix(table, "udp")) {
				t.Errorf("coo listens on the machine's network: %s", line)
			}
		}
	}
}

// runaway asks what it asked when it was recorded and then, if there is a
// file that says so, a second place, in the way that is written there.
const runaway = `
import os, socket, urllib.request
print(urllib.request.urlopen("http://victim.test/").read().decode())
how, addr = open("how").read().split() if os.path.exists("how") else ("", "")
host, port = addr.rsplit(":", 1) if addr else ("", 0)
if how == "http":
    print(urllib.request.urlopen("http://" + addr + "/").read())
if how == "name":
    print(urllib.request.urlopen("http://elsewhere.test/").read())
if how == "same":
    print(urllib.request.urlopen("http://victim.test/more").read())
if how == "direct":
    s = socket.create_connection((host, int(port)))
    s.sendall(b"GET / HTTP/1.1\r\nHost: " + addr.encode() + b"\r\n\r\n")
    print(s.recv(100))
if how == "bytes":
    s = socket.create_connection((host, int(port)))
    s.sendall(b"\x00\x01 a protocol of its own")
    print(s.recv(100))
`

// TestFrozenReachesNothing: under --calls=frozen a program that now calls
// elsewhere reaches nothing, whatever flags say where that would be, and the
// run ends with 6; so does a replay against what the program is now.
func TestFrozenReachesNothing(t *testing.T) {
	for _, level := range []string{"frozen", "proxied"} {
		v, elsewhere := newVictim(t), newVictim(t)
		p := newPlace(t)
		p.write("agent.py", runaway)
		addr := elsewhere.Listener.Addr().String()
		flags := []string{
			"--isolation=" + level, "--resolve", "victim.test:80:" + v.Listener.Addr().String(),
			"--resolve", "elsewhere.test:80:" + addr, "--allow", addr,
		}
		p.ends(exitOK, slices.Concat([]string{"run"}, flags, []string{"--", "python3", "agent.py"})...)
		if v.reached.Load() != 1 {
			t.Fatalf("%s: recorded with %d connections", level, v.reached.Load())
		}
		v.reached.Store(0)
		for _, how := range []string{"http", "name", "same"} {
			p.write("how", how+" "+addr)
			r := p.ends(exitNotFrozen, slices.Concat([]string{"run", "--calls=frozen"}, flags, []string{"--", "python3", "agent.py"})...)
			if !strings.Contains(r.stderr, "nearest: call 2") {
				t.Errorf("%s, %s: %s", level, how, r.stderr)
			}
			if strings.Contains(r.stdout, "b'") {
				t.Errorf("%s, %s: it was answered: %s", level, how, r.stdout)
			}
		}
		if level == "frozen" { // not shut in, a program may go past coo
			p.write("how", "direct "+addr)
			p.ends(exitNotFrozen, slices.Concat([]string{"run", "--calls=frozen"}, flags, []string{"--", "python3", "agent.py"})...)
			p.write("how", "bytes "+addr)
			r := p.coo(slices.Concat([]string{"run", "--calls=frozen"}, flags, []string{"--", "python3", "agent.py"})...)
			if !strings.Contains(r.stderr, "not HTTP") {
				t.Errorf("%s, bytes: exit %d, %s", level, r.status, r.stderr)
			}
		}
		p.write("how", "name "+addr)
		p.ends(exitNotFrozen, "replay", "@last", "--against", ".")
		if a, b := v.reached.Load(), elsewhere.reached.Load(); a != 0 || b != 0 {
			t.Errorf("%s: frozen, the first server was reached %d times, the other %d", level, a, b)
		}
	}
}

// Numbers of which the key's search is made are what they are taken for.
func TestKeyFormsAreFound(t *testing.T) {
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i*37 + 11)
	}
	if !random(key) || random(bytes.Repeat([]byte("abcd"), 8)) {
		t.Error("what is random is not told from what is not")
	}
	words := make([]byte, 0, 32)
	for i := 24; i >= 0; i -= 8 { // as math/big keeps a number on this machine
		words = be.LittleEndian.AppendUint64(words, be.BigEndian.Uint64(key[i:]))
	}
	forms := keyForms(key)
	for name, text := range map[string][]byte{
		"raw": key, "swapped": words, "hex": []byte(hex.EncodeToString(key)),
		"base64 at 1": []byte(base64.StdEncoding.EncodeToString(append([]byte("."), key...))),
		"base64 at 2": []byte(base64.StdEncoding.EncodeToString(append([]byte(".."), key...))),
	} {
		if !bytes.Contains(text, forms[name]) {
			t.Errorf("%s: %q is not in %q", name, forms[name], text)
		}
	}
	other := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: bytes.Repeat([]byte{7}, 121)})
	own := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: append(make([]byte, 30), key...)})
	if form := holdsKey(slices.Concat([]byte("x "), other, []byte("y "), own, []byte(" z")), key, forms); form != "PEM" {
		t.Errorf("a key in PEM is found as %q", form)
	}
	if form := holdsKey(slices.Concat([]byte("x "), other, []byte("PRIVATE KEY-----")), key, forms); form != "" {
		t.Errorf("another key is found as %q", form)
	}
}
