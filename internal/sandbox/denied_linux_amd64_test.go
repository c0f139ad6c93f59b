package sandbox

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/coo-runtime/coo/internal/proofs"
)

// denyVariable names system calls that a process is to be without: it denies
// them to itself before anything else, and begins anew.
const denyVariable = "COO_TEST_DENY"

func init() {
	if names := os.Getenv(denyVariable); names != "" {
		deny(names)
	}
}

// deniable are the calls that a container's filter denies: Docker's, as far
// as they matter here.
var deniable = map[string]uint32{
	"personality": unix.SYS_PERSONALITY, "pidfd_getfd": unix.SYS_PIDFD_GETFD, "ptrace": unix.SYS_PTRACE,
	"unshare": unix.SYS_UNSHARE, "mount": unix.SYS_MOUNT, "perf_event_open": unix.SYS_PERF_EVENT_OPEN, "io_uring_setup": unix.SYS_IO_URING_SETUP,
}

// deny makes this process fail with EPERM at calls, as in a container, and
// starts it again.
func deny(names string) {
	os.Unsetenv(denyVariable)
	runtime.LockOSThread()
	prog := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}}
	for name := range strings.SplitSeq(names, ",") {
		if name == "set_mm" { // of prctl(2), by which moved addresses are told; to be named last
			const arg0 = 16
			prog = append(prog,
				unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PRCTL, Jf: 3},
				unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: arg0},
				unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.PR_SET_MM, Jf: 1},
				unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
			continue
		}
		prog = append(prog,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: deniable[name], Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
	}
	prog = append(prog, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	f := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err == nil {
		err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&f)), 0, 0)
	}
	if err == nil {
		err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	panic(err)
}

// without runs a test of this binary where some calls are denied.
func without(t *testing.T, calls, test string) string {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run", "^"+test+"$", "-test.v")
	c.Env = append(os.Environ(), denyVariable+"="+calls, withoutVariable+"="+calls)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("without %s: %v\n%s", calls, err, out)
	}
	return string(out)
}

// withoutVariable says to a test which calls are denied.
const withoutVariable = "COO_TEST_WITHOUT"

// TestWithout holds that where a container denies what the tracer likes to
// use, a program runs all the same, or that it is said why not.
func TestWithout(t *testing.T) {
	proofs.Needed(t)
	t.Parallel()
	out := without(t, "pidfd_getfd,perf_event_open,io_uring_setup", "TestInside")
	contains(t, "output", out, "found: OK", "broken: []")
	out = without(t, "personality", "TestInside")
	contains(t, "output", out, "found: OK", "broken: []")
	out = without(t, "personality,set_mm", "TestInside")
	contains(t, "output", out, "found: OK", "broken: [addresses are random here, because personality(2) is forbidden", "seccomp=unconfined")
	out = without(t, "ptrace", "TestInside")
	contains(t, "output", out, " forbids ptrace: first process: operation not permitted; start ")
	out = without(t, "unshare,mount", "TestInside")
	contains(t, "output", out, "found: OK; without namespaces", " forbids namespaces: ", "broken: []")
}

// TestInside is run by TestWithout.
func TestInside(t *testing.T) {
	if os.Getenv(withoutVariable) == "" {
		return
	}
	os.Unsetenv(withoutVariable)
	f := probeDeterministic()
	if !f.OK {
		t.Logf("found: %s; %s", f.Why, f.Remedy)
		return
	}
	t.Log("found: OK; " + f.Note)
	const script = `
import os, select, signal, socket, subprocess, threading, time
r, w = os.pipe()
a, b = socket.socketpair()
threading.Thread(target=lambda: (time.sleep(1), os.write(w, b"x"), b.sendall(b"y" * 300000))).start()
print(r in select.select([r, a], [], [], 100)[0], os.read(r, 9))
p = select.epoll(); p.register(a)
print(len(p.poll()), sum(len(a.recv(100000, socket.MSG_WAITALL)) for _ in range(3)))
print(subprocess.run("sleep 1; seq 100000 | tail -1", shell=True, capture_output=True).stdout)
print(time.time())
`
	run := func() string {
		r := guest(t, Command{Argv: []string{"/usr/bin/python3", "-c", script}})
		t.Logf("broken: %v", r.broken)
		return r.out
	}
	first := run()
	contains(t, "output", first, "True b'x'\n1 300000\nb'100000\\n'\n1700000002.")
	want(t, "again", run(), first)
}
