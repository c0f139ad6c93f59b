package workspace

import (
	"os"
	"testing"
)

// TestMain puts the directories of the tests in memory where it can: they sync
// tens of thousands of times, and nothing of it has to last.
func TestMain(m *testing.M) {
	const memory = "/dev/shm"
	if fi, err := os.Stat(memory); err == nil && fi.IsDir() && os.Getenv("TMPDIR") == "" {
		os.Setenv("TMPDIR", memory)
	}
	m.Run()
}
