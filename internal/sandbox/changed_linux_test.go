package sandbox

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// changed runs a program in a box on a machine that a script has changed:
// what the script does is seen by this test only.
func changed(t *testing.T, change string, argv ...string) string {
	t.Helper()
	script := change + `
		exec setpriv --bounding-set -all,+setfcap --inh-caps -all "$@"`
	cmd := exec.Command("unshare", append([]string{"-Urmn", "sh", "-c", script, "sh", selfFor(t)}, argv...)...)
	cmd.Env = append(os.Environ(), holdVariable+"="+string(Frozen))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%q: %v", argv, err)
	}
	return string(out)
}

// Where /proc cannot be mounted, a program is closed in all the same, and
// ended surely.
func TestChangedProc(t *testing.T) {
	t.Parallel()
	arg := sleeper(40)
	out := changed(t, `ip link set lo up; mount -t tmpfs x /proc/tty`, "sh", "-c",
		`curl -s http://api.example.com/ --max-time 1 >/dev/null; echo $?; [ $$ != 100 ] && (setsid sleep `+arg+` &)`)
	// Connected (else 7), and not answered by anyone here.
	want(t, "output", out, "28\nended {0  [sleep "+arg+"]} <nil>\n")
	if running(t, arg) {
		t.Error("still running")
	}
}

// A machine without IPv6 is one inside as well.
func TestChangedIPv6(t *testing.T) {
	t.Parallel()
	out := changed(t, `echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up`, "/usr/bin/python3", "-c", `
import socket
print(socket.getaddrinfo("api.example.com", 80, type=socket.SOCK_STREAM)[0][0].name)
for address in ("::1", "2001:db8::1"):
    s = socket.socket(socket.AF_INET6)
    try: s.connect((address, 80)); print("connected")
    except OSError as e: print(e.strerror)
socket.create_connection(("api.example.com", 80)); print("connected")
`)
	want(t, "output", out, "AF_INET\nCannot assign requested address\nCannot assign requested address\nconnected\nended {0  []} <nil>\n")
}

// Services at paths that would work for the program from outside are hidden;
// others are there.
func TestChangedSockets(t *testing.T) {
	t.Parallel()
	out := changed(t, `mount -t tmpfs x /run; mkdir /run/nscd
		for s in /run/docker.sock /run/nscd/socket /run/other.sock; do
			python3 -c 'import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); open(sys.argv[1] + ".up", "w"); time.sleep(60)' $s >/dev/null 2>&1 &
			until [ -e $s.up ]; do sleep 0.05; done
		done`, "/usr/bin/python3", "-c", `
import socket
for path in ("/run/docker.sock", "/var/run/docker.sock", "/run/nscd/socket", "/run/other.sock"):
    s = socket.socket(socket.AF_UNIX)
    try: s.connect(path); print("connected")
    except OSError as e: print(e.strerror)
`)
	want(t, "output", out, strings.Repeat("Connection refused\n", 3)+"connected\nended {0  []} <nil>\n")
}

// A machine without roots of trust, or even a place for them, has the run's
// CA inside.
func TestChangedRoots(t *testing.T) {
	t.Parallel()
	ca := writeFile(t, openTemp(t)+"/ca.pem", string(newAuthority(t).pem), 0o644)
	script := `echo $NODE_EXTRA_CA_CERTS | sed 's|.*/coo-[0-9][0-9]*|N|'; for f in $NODE_EXTRA_CA_CERTS $SSL_CERT_FILE; do cmp $f ` + ca + ` && echo same; done`
	for change, want := range map[string]string{
		`mount -t tmpfs x /etc/ssl`:                       "N/coo-ca.pem\nsame\nsame\n",
		`mount -t tmpfs x /etc/ssl; mkdir /etc/ssl/certs`: "/etc/ssl/certs/coo-ca.pem\nsame\nsame\n",
	} {
		out := changed(t, `ip link set lo up; export COO_TEST_CA=`+ca+`; `+change, "sh", "-c", script)
		if out != want+"ended {0  []} <nil>\n" {
			t.Errorf("%s: %q, want %q", change, out, want)
		}
	}
}
