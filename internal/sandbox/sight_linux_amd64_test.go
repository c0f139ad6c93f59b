package sandbox

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/box"
)

// python3 is an interpreter that is a program and not a script that looks for one.
func python3(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/python3", "/usr/local/bin/python3"} {
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	name, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	return name
}

// A sight is what a program printed and the calls that it made.
type sight struct{ out, trace string }

// see runs a program in the box.
func see(t *testing.T, c Command) sight {
	t.Helper()
	c.Level, c.Clock = Deterministic, 1_700_000_000e3
	c.Trace = filepath.Join(t.TempDir(), "trace")
	if c.Env == nil {
		c.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "PYTHONDONTWRITEBYTECODE=1"}
	}
	p, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	var s sight
	for g := p.Guest(); ; {
		e, err := g.Next()
		if err != nil {
			t.Fatalf("%q: %v\n%s", c.Argv, err, s.out)
		}
		switch e.Kind {
		case box.Printed:
			s.out += string(e.Data)
		case box.Broken:
			t.Errorf("%q: %s", c.Argv, e.Text)
		case box.Quiet:
			if err := g.Obey(box.Order{Kind: box.Wake}); err != nil {
				t.Fatal(err)
			}
		case box.Ended:
			exit, err := p.Wait()
			if err != nil || exit.Status != 0 {
				t.Fatalf("%q ended with %+v, %v\n%s", c.Argv, exit, err, s.out)
			}
			b, err := os.ReadFile(c.Trace)
			if err != nil {
				t.Fatal(err)
			}
			s.trace = string(b)
			return s
		}
	}
}

// same fails when two sights differ, and says where first.
func same(t *testing.T, what string, a, b sight) {
	t.Helper()
	for _, d := range []struct{ name, a, b string }{{"output", a.out, b.out}, {"calls", a.trace, b.trace}} {
		if d.a == d.b {
			continue
		}
		x, y := strings.Split(d.a, "\n"), strings.Split(d.b, "\n")
		i := 0
		for i < min(len(x), len(y))-1 && x[i] == y[i] {
			i++
		}
		t.Errorf("%s: the %s differs at line %d:\n%s\n%s", what, d.name, i+1, x[i], y[i])
		if d.name == "output" {
			return
		}
	}
}

// workspaceOf makes a directory with files that were made in some order, at
// some time.
func workspaceOf(t *testing.T, dir string, backwards bool) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	names := []string{"b/deep/er", "a", "c.txt", "b/x", "zz/1", "zz/2", "q"}
	when := time.Unix(1_600_000_000, 0)
	if backwards {
		slices.Reverse(names)
		when = time.Now().Add(-time.Hour)
		// Other numbers, and directories that were larger once.
		for i := range 300 {
			name := filepath.Join(dir, "b", strings.Repeat("x", 60)+string(rune('A'+i%26))+strings.Repeat("y", i))
			if i < 150 {
				os.MkdirAll(filepath.Dir(name), 0o755)
				os.WriteFile(name, nil, 0o644)
				defer os.Remove(name)
			}
		}
	}
	for i, name := range names {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(filepath.Base(name)), 0o644); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(name, when.Add(time.Duration(i)*time.Minute), when.Add(time.Duration(i)*time.Minute))
	}
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "zz", "hard")); err != nil {
		t.Fatal(err)
	}
}

const statScript = `
import os, sys, tempfile
def show(p, s): print(p, s.st_ino, s.st_dev, s.st_nlink, s.st_size, s.st_blocks, s.st_blksize, s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns)
for d, dirs, files in os.walk('.'):
    print(d, dirs, files)
    for e in os.scandir(d):
        assert e.inode() == os.lstat(e.path).st_ino
        show(e.path, os.stat(e.path))
assert os.stat('a').st_ino == os.stat('zz/hard').st_ino
f = open('new', 'w'); f.write('x'); f.flush()
show('new', os.fstat(f.fileno())); show('new', os.stat('new'))
f.write('more'); f.close()
show('new', os.stat('new')); show('.', os.stat('.'))
os.utime('new', ns=(5, 7)); show('new', os.stat('new'))
os.utime('new'); show('new', os.stat('new'))
os.mkdir('newdir'); show('newdir', os.lstat('newdir'))
os.symlink('../a', 'newdir/link'); show('link', os.lstat('newdir/link')); show('link', os.stat('newdir/link'))
for i in range(100):
    with tempfile.TemporaryFile(dir='.') as t: a = os.fstat(t.fileno()).st_ino; assert a == os.fstat(t.fileno()).st_ino
    with open('gone', 'w') as g: g.write('1')
    b = os.stat('gone').st_ino; os.unlink('gone')
print(a, b)
os.rename('new', 'a'); show('a', os.stat('a'))
show('fd', os.fstat(0)); show('pipe', os.fstat(os.pipe()[0]))
try: os.stat('nothing')
except FileNotFoundError as e: print(e)
print(os.stat('/proc/self').st_dev, os.stat('/dev/stdin').st_ino == os.fstat(0).st_ino)
`

func TestSeesFiles(t *testing.T) {
	py := python3(t)
	dir := filepath.Join(t.TempDir(), "work")
	var first sight
	for i := range 3 {
		workspaceOf(t, dir, i == 1)
		s := see(t, Command{Argv: []string{py, "-I", "-S", "-c", statScript}, Dir: dir})
		if i == 0 {
			first = s
			t.Logf("\n%s", s.out)
			continue
		}
		same(t, "files", first, s)
	}
}

// seeVariable marks a process that sees a script of the shell in the box, and
// names the files for what it printed and for its calls.
const seeVariable = "COO_TEST_SEE"

// TestSeenFrom is not a test of its own: [seeFrom] runs it in other
// surroundings.
func TestSeenFrom(t *testing.T) {
	name := os.Getenv(seeVariable)
	if name == "" {
		return
	}
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, seeVariable) })
	s := see(t, Command{Argv: []string{"sh", "-c", os.Getenv(seeVariable + "_SCRIPT")}, Dir: filepath.Dir(name), Env: env})
	if err := os.WriteFile(name, []byte(s.out), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name+".trace", []byte(s.trace), 0o666); err != nil {
		t.Fatal(err)
	}
}

// seeFrom runs a script in the box from surroundings that a command of the
// shell makes, which ends with the words that start it.
func seeFrom(t *testing.T, self, dir, surroundings, script string) sight {
	t.Helper()
	name := filepath.Join(dir, "seen")
	cmd := exec.Command("sh", "-c", surroundings+` "$0" -test.run '^TestSeenFrom$'`, self)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=/", seeVariable + "=" + name, seeVariable + "_SCRIPT=" + script}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", surroundings, err, out)
	}
	var s sight
	for to, name := range map[*string]string{&s.out: name, &s.trace: name + ".trace"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		*to = string(b)
		os.Remove(name)
	}
	return s
}

const machineScript = `umask; ulimit -a; ulimit -Ha; nice; id -u
for f in self/stat self/status self/maps self/smaps self/limits self/mountinfo self/mounts self/cgroup self/io self/statm self/fdinfo/0 \
  meminfo cpuinfo stat uptime loadavg version cmdline sys/kernel/random/uuid sys/kernel/random/boot_id sys/kernel/pid_max; do
  echo "== $f"; cat /proc/$f; done
cd /proc/self && cat status ../meminfo | sum; cd /
ls -la /proc/self/fd /proc/self/ns /tmp/. /var/tmp /dev/shm; find /sys -type f | xargs cat
df / ; df -i /; nproc; getconf _NPROCESSORS_CONF; hostname; cat /etc/machine-id /etc/hosts; uname -a; mktemp -d /tmp/XXXXXX; ls /tmp
trap '' HUP; trap; times; ls /dev/tty; cat /dev/tty; ipcmk -M 10; ipcs -m; echo $TMPDIR; stat -f /
`

// TestSeesMachine compares what programs see of the machine and of what they
// inherit from whoever started them.
func TestSeesMachine(t *testing.T) {
	dir, self := openTemp(t), selfFor(t)
	var first sight
	for i, surroundings := range []string{
		"",
		"umask 077; ulimit -S -n 256; ulimit -S -s 1024; ulimit -c unlimited; trap '' HUP PIPE INT; TMPDIR=/var/tmp nice -n 5 taskset -c 0",
		"umask 002; ulimit -n 65536; ulimit -S -s unlimited; touch /dev/shm/left.$$ /tmp/left.$$; setsid",
	} {
		s := seeFrom(t, self, dir, surroundings, machineScript)
		if i == 0 {
			first = s
			t.Logf("\n%s", s.out)
		}
		same(t, surroundings, first, s)
	}
}

// addressScript prints where things are: objects, and the stack.
const addressScript = `print(hash("x"), id(object()), [l.split()[0] for l in open("/proc/self/maps") if "stack" in l], list({object() for _ in range(9)}).__len__())
import ctypes
b = ctypes.create_string_buffer(8); print(ctypes.addressof(b))`

// TestSeesStack compares addresses under environments of other sizes.
func TestSeesStack(t *testing.T) {
	py, dir := python3(t), t.TempDir()
	var first sight
	for i, n := range []int{0, 1, 300, 5000, 60000} {
		env := []string{"PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"}
		for range n / 50 {
			env = append(env, "X"+strings.Repeat("y", 48)+"=")
		}
		env = append(env, "Z="+strings.Repeat("z", n%50))
		s := see(t, Command{Argv: []string{py, "-I", "-S", "-c", addressScript}, Dir: dir, Env: env})
		s.trace = ""
		if i == 0 {
			first = s
			t.Logf("\n%s", s.out)
		}
		same(t, "environment", first, s)
	}
}

const portsScript = `
import socket, threading
def show(f): print(f, open(f).read())
for family, addr in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    l = socket.create_server((addr, 0), family=family); print(l.getsockname())
    c = [socket.create_connection(l.getsockname()[:2]) for _ in range(3)]
    a = [l.accept() for _ in c]
    print([s.getsockname() for s in c], [p for _, p in a])
    u, v = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
    u.bind((addr, 0)); v.sendto(b"x", u.getsockname()); print(u.recvfrom(9), v.getsockname())
s, t = socket.socketpair()
import os; os.fstat(s.fileno())
for f in "tcp", "tcp6", "udp", "udp6", "unix", "dev", "route": show("/proc/net/" + f)
`

// TestSeesPorts compares the ports that are given.
func TestSeesPorts(t *testing.T) {
	py, dir := python3(t), t.TempDir()
	var first sight
	for i := range 3 {
		s := see(t, Command{Argv: []string{py, "-I", "-S", "-c", portsScript}, Dir: dir})
		if i == 0 {
			first = s
			t.Logf("\n%s", s.out)
		}
		same(t, "ports", first, s)
	}
}

const clockScript = `
import time
clocks = [time.CLOCK_REALTIME, time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC_RAW, time.CLOCK_TAI, 5, 6, time.CLOCK_PROCESS_CPUTIME_ID, time.CLOCK_THREAD_CPUTIME_ID]
print([time.clock_gettime_ns(c) for c in clocks], [time.clock_getres(c) for c in clocks])
last = 0
for _ in range(10000):
    now = time.monotonic_ns(); assert now > last; last = now
assert abs(time.time() - time.clock_gettime(time.CLOCK_MONOTONIC) - (1700000000 - 1000)) < 0.001
print(last, time.time_ns(), time.localtime())
`

// TestSeesClocks compares clocks, which are mostly read without a call.
func TestSeesClocks(t *testing.T) {
	py, dir := python3(t), t.TempDir()
	var first sight
	for i := range 3 {
		s := see(t, Command{Argv: []string{py, "-I", "-S", "-c", clockScript}, Dir: dir})
		if i == 0 {
			first = s
			t.Logf("\n%s", s.out)
		}
		same(t, "clocks", first, s)
		if n := strings.Count(s.trace, "clock_gettime("); n > 10000/32 {
			t.Errorf("of 10,000 readings of a clock %d were calls", n)
		}
	}
}
