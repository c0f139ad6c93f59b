package sandbox

import (
	"strings"
	"testing"
)

func TestLookups(t *testing.T) {
	t.Parallel()
	script := `
import socket, struct
def names(*a, **k):
    try: return sorted({x[4][0] for x in socket.getaddrinfo(*a, **k)})
    except socket.gaierror as e: return e.args[0] == socket.EAI_NONAME and "none" or str(e)
first = socket.getaddrinfo("api.example.com", 443)[0][4][0]
print("first", first)
print("again", first == socket.gethostbyname("API.example.com."))
print("families", len(names("api.example.com", 1, socket.AF_INET)), len(names("api.example.com", 1, socket.AF_INET6)))
print("addrconfig", names("api.example.com", 1, socket.AF_INET, flags=socket.AI_ADDRCONFIG) == [first])
print("back", socket.gethostbyaddr(first)[0])
print("dotless", names("redis", 1, socket.AF_INET)[0][:4])
print("localhost", names("localhost", 1, socket.AF_INET), names("x.localhost", 1, socket.AF_INET))
print("invalid", names("x.invalid", 1))
def query(name, kind, address, stream=False, more=b"", extra=0):
    q = struct.pack(">6H", 7, 0x100, 1, 0, 0, extra) + b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0" + struct.pack(">2H", kind, 1) + more
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM); s.settimeout(3); s.connect((address, 53))
    s.send(struct.pack(">H", len(q)) + q if stream else q)
    a = s.recv(4096)
    if stream: a = a[2:]
    h = struct.unpack(">6H", a[:12])
    return "%04x %d %d %d" % (h[1], h[3], h[5], len(a))
opt = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0)
for kind in (1, 28, 65, 64, 16, 15, 33, 12): print("type", kind, query("api.example.com", kind, "8.8.8.8"))
print("tcp", query("api.example.com", 1, "1.1.1.1", True))
print("edns", query("api.example.com", 1, "127.0.0.53", more=opt, extra=1))
print("resolv", open("/etc/resolv.conf").read().split()[:2])
print("hosts", [l.split() for l in open("/etc/nsswitch.conf") if l.startswith("hosts")])
`
	first := perform(t, python(script))
	contains(t, "stdout", first.stdout, "first 198.", "again True\n", "families 1 1\n", "addrconfig True\n", "back api.example.com\n", "dotless 198.\n",
		"localhost ['127.0.0.1'] ['127.0.0.1']\n", "invalid none\n",
		"type 1 8580 1 0 49\n", "type 28 8580 1 0 61\n", "type 65 8580 0 0 33\n", "type 64 8580 0 0 33\n", "type 16 8580 0 0 33\n", "type 15 8580 0 0 33\n", "type 33 8580 0 0 33\n", "type 12 8580 0 0 33\n",
		"tcp 8580 1 0 49\n", "edns 8580 1 1 60\n", "resolv ['nameserver', '198.18.0.2']\n", "hosts [['hosts:', 'files', 'dns']]\n")
	if first.exit.Status != 0 {
		t.Errorf("status %d: %s", first.exit.Status, first.stderr)
	}
	if second := perform(t, python(script)); second.stdout != first.stdout {
		t.Errorf("two runs print %q and %q", first.stdout, second.stdout)
	}
}

func TestHostsFile(t *testing.T) {
	o := orders{Own: ownAddrs(), Allow: []Endpoint{{Host: "dev.test", Port: 80}, {Host: "localhost", Port: 81}}}
	got := string(o.hosts([]byte("# comment\n127.0.0.1 localhost dev.test api.test\n::1 localhost ip6-localhost # x\n192.0.2.7 nas nas.lan\n127.0.1.1\tbox.lan box\n127.0.0.1 dev.test\nrubbish\n")))
	want(t, "hosts", got, "127.0.0.1 localhost api.test\n::1 localhost ip6-localhost\n127.0.1.1 box.lan box\n")
}

func TestNsswitch(t *testing.T) {
	got := string(nsswitchConf([]byte("passwd: files sss\nhosts:  files mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] dns myhostname\n# hosts: x\nnetworks: files\n")))
	want(t, "nsswitch.conf", got, "passwd: files sss\nhosts: files dns\n# hosts: x\nnetworks: files\n")
	if strings.Contains(string(resolvConf()), "search") {
		t.Error("search domains")
	}
}
