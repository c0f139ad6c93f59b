package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Root of a container, who may make user namespaces and nothing else, is root
// inside too, without what reaches out of the box. The kernel makes addresses
// random again where a program gains something when it is executed: at level
// deterministic it must not.
func TestRootOfAContainer(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // only root can give up what it has, and stay root
	}
	cmd := exec.Command("setpriv", "--bounding-set", "-sys_admin,-net_admin,-sys_ptrace", "--inh-caps", "-all",
		os.Args[0], "-test.run", "^TestRootInside$", "-test.v")
	cmd.Env = append(os.Environ(), "COO_TEST_ROOT=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestRootInside") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestRootInside is run by TestRootOfAContainer.
func TestRootInside(t *testing.T) {
	if os.Getenv("COO_TEST_ROOT") == "" {
		return
	}
	if hasCapability(unix.CAP_SYS_ADMIN) {
		t.Fatal("it is root of the machine")
	}
	const script = `grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status; cat /proc/self/maps`
	first := guest(t, Command{Argv: []string{"sh", "-c", script}})
	if len(first.broken) > 0 {
		t.Errorf("broken: %v", first.broken)
	}
	contains(t, "maps", first.out, "[stack]\n")
	want(t, "again", guest(t, Command{Argv: []string{"sh", "-c", script}}).out, first.out)
	for level, out := range map[Level]string{Deterministic: first.out, Frozen: perform(t, sh(script)).stdout} {
		for line := range strings.Lines(out) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
			if !strings.HasPrefix(name, "Cap") {
				continue
			}
			var set uint64
			if _, err := fmt.Sscanf(value, "%x", &set); err != nil {
				t.Fatal(err)
			}
			for _, c := range denied {
				if set&(1<<c) != 0 {
					t.Errorf("level %s: root has capability %d inside: %s", level, c, line)
				}
			}
			if set&(1<<unix.CAP_DAC_OVERRIDE) == 0 {
				t.Errorf("level %s: root is root no more: %s", level, line)
			}
		}
	}
}
