package proxy

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Both ways of asking know who is at the other end.
func TestPeerUser(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c := dial(t, l)
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		theirs, ours := addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())
		for name, ask := range map[string]func(a, b netip.AddrPort) (int, error){"sock_diag": askUser, "table": tableUser} {
			if uid, err := ask(theirs, ours); uid != os.Getuid() || err != nil {
				t.Errorf("%s, %s: user %d, %v; want %d", address, name, uid, err, os.Getuid())
			}
			if uid, err := ask(netip.AddrPortFrom(theirs.Addr(), 1), ours); err == nil {
				t.Errorf("%s, %s: a socket that is not there belongs to %d", address, name, uid)
			}
		}
		if err := SameUser(s); err != nil {
			t.Error(err)
		}
		s.Close()
		l.Close()
	}
}

// A process of another user, or in another network namespace, is not
// answered, not even with the token. The test runs itself again as that
// process, which takes root.
func TestIntruders(t *testing.T) {
	if address := os.Getenv("PROXY_TEST_INTRUDER"); address != "" {
		c, err := net.Dial("tcp", address)
		if err != nil {
			fmt.Println("intruder:", err)
			return
		}
		c.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(c, "GET http://api.example/ HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\nProxy-Authorization: Bearer %s\r\n\r\n", testToken)
		b, err := io.ReadAll(c)
		fmt.Printf("intruder: user %d was told %q, %v\n", os.Getuid(), b, err)
		return
	}
	f := open(t, echo, nil)
	run := func(attr *syscall.SysProcAttr) string {
		t.Helper()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		if attr != nil {
			// Where the other user can run it.
			self = copyFor(t, self)
		}
		cmd := exec.Command(self, "-test.run=^TestIntruders$", "-test.v")
		cmd.Env = append(os.Environ(), "PROXY_TEST_INTRUDER="+f.explicit.Addr().String())
		cmd.Dir = "/"
		cmd.SysProcAttr = attr
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if out := run(nil); !strings.Contains(out, "HTTP/1.1 200 OK") {
		t.Errorf("the same user: %s", out)
	}
	if os.Getuid() != 0 {
		t.Log("not root: whether another user is refused is tested where this runs as root")
		return
	}
	if out := run(&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}); !strings.Contains(out, "unreachable") && !strings.Contains(out, "refused") {
		t.Errorf("another network namespace: %s", out)
	}
	out := run(&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
	if !strings.Contains(out, `user 65534 was told ""`) && !strings.Contains(out, "intruder: dial") {
		t.Errorf("another user: %s", out)
	}
	f.refused("belongs to user 65534, the run to 0")
}

// copyFor copies a program to where everybody may run it.
func copyFor(t *testing.T, program string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "intruder")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	name := dir + "/intruder"
	if err := os.WriteFile(name, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// Who comes from another machine, or to an address that is not loopback's, is
// not answered.
func TestOnlyLoopback(t *testing.T) {
	for _, a := range outsideAddrs(t) {
		l, err := net.Listen("tcp", net.JoinHostPort(a, "0"))
		if err != nil {
			t.Fatal(err)
		}
		dial(t, l)
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := SameUser(c); err == nil || !strings.Contains(err.Error(), "only this machine's loopback") {
			t.Errorf("from %v: %v", c.RemoteAddr(), err)
		}
		c.Close()
		l.Close()
	}
	if err := SameUser(stranger{}); err == nil {
		t.Error("a connection from 192.0.2.1 is answered")
	}
}

// outsideAddrs are this machine's IPv4 addresses that are not loopback's.
func outsideAddrs(t *testing.T) []string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range addrs {
		if ip := a.(*net.IPNet).IP.To4(); ip != nil && !ip.IsLoopback() {
			out = append(out, ip.String())
		}
	}
	return out
}

// A stranger is a connection from another machine.
type stranger struct{ net.Conn }

func (stranger) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5} }

func BenchmarkPeerUser(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	theirs, ours := addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())
	for name, ask := range map[string]func(a, b netip.AddrPort) (int, error){"sock_diag": askUser, "table": tableUser} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := ask(theirs, ours); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
