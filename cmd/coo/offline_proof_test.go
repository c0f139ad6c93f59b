//go:build unix

package main

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/modelserver"
)

// TestReplayIsOffline traces the system calls of what must work without a
// network, and does it again where there is none. The same trace of a live
// run is the control. It needs strace and unshare.
func TestReplayIsOffline(t *testing.T) {
	srv := httptest.NewServer(modelserver.New(modelserver.Options{MaxDelay: -1}))
	t.Cleanup(srv.Close)
	p := newPlace(t)
	p.write("m.star", questions(5, asTheyAre))

	live := p.traced("run", "m.star", "--resolve", "model.test:80:"+srv.Listener.Addr().String())
	if !strings.Contains(live, "socket(AF_INET") {
		t.Fatalf("the trace of a live run shows no socket: it proves nothing\n%s", live)
	}
	offline := [][]string{
		{"replay", "@last"},
		{"run", "m.star"},
		{"run", "m.star", "--calls=frozen"},
		{"run", "demo"},
		{"replay", "@last"},
		{"verify", "@last"},
	}
	for _, args := range offline {
		for line := range strings.Lines(p.traced(args...)) {
			if strings.Contains(line, "AF_INET") || strings.Contains(line, "connect(") {
				t.Errorf("coo %s: %s", strings.Join(args, " "), line)
			}
		}
	}

	// And where there is no network at all.
	unshare := []string{"unshare", "-rn"}
	if os.Geteuid() == 0 {
		unshare = []string{"unshare", "-n"}
	}
	for _, args := range offline {
		p.wrapped(unshare, args...)
	}
	// The control: in there, nothing is reached.
	p.write("reach.star", "def main(coo):\n    return coo.http(\"GET\", \""+srv.URL+"/v1/models\").error\n")
	if r := p.wrapped(unshare, "run", "reach.star"); strings.TrimSpace(r.stdout) == "null" {
		t.Errorf("the server was reached from where there is no network: %s", r.stdout)
	}
	proved(t, "offline: %d commands without a network system call, and without a network", len(offline))
}

// wrapped runs coo under another command, which must be there.
func (p *place) wrapped(by []string, args ...string) process {
	p.t.Helper()
	tool, err := exec.LookPath(by[0])
	if err != nil {
		p.t.Fatalf("this proof needs %s: %v", by[0], err)
	}
	cmd := &exec.Cmd{Path: tool, Args: append(append(by, p.bin), args...), Dir: p.dir, Env: p.env}
	r := p.finish(cmd)
	if r.status != 0 {
		p.t.Fatalf("%s: exit %d\n%s%s", strings.Join(cmd.Args, " "), r.status, r.stdout, r.stderr)
	}
	return r
}

// traced runs coo and returns its network system calls.
func (p *place) traced(args ...string) string {
	p.t.Helper()
	out := filepath.Join(p.t.TempDir(), "trace")
	p.wrapped([]string{"strace", "-f", "-e", "trace=network", "-o", out}, args...)
	b, err := os.ReadFile(out)
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.Contains(string(b), "exited with 0") {
		p.t.Fatalf("strace saw no process end:\n%s", b)
	}
	return string(b)
}
