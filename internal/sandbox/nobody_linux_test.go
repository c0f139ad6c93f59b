package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/coo-runtime/coo/internal/proofs"
)

// nobodyVariable marks the process in which tests run as an ordinary user.
const nobodyVariable = "COO_TEST_NOBODY"

// openTemp makes a directory that every user may write to.
func openTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// selfFor returns a copy of this test program that every user may execute.
func selfFor(t *testing.T) string {
	t.Helper()
	self := filepath.Join(openTemp(t), "sandbox.test")
	b, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(self, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// TestAsNobody runs the tests of this package once more as an ordinary user,
// when they run as root.
func TestAsNobody(t *testing.T) {
	proofs.Needed(t)
	t.Parallel()
	if os.Getenv(nobodyVariable) != "" || os.Geteuid() != 0 {
		return
	}
	dir := openTemp(t)
	cmd := exec.Command(selfFor(t), "-test.count=1", "-test.v", "-test.skip=Names|Resolve|Answers|Queries|Environ|Endpoints|Hash|Keystore|Changed|Owners|Stops|Spins")
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + dir, "TMPDIR=" + dir, nobodyVariable + "=1", "COO_PROOF=small"}
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
