// Package proofs is for tests that take long: they prove something at a length
// that the environment variable COO_PROOF says, "small" or "full".
package proofs

import (
	"os"
	"testing"
)

// Needed skips a test that takes long unless its length is said. "make test"
// says small, and fails if any test is skipped.
func Needed(t testing.TB) {
	t.Helper()
	if os.Getenv("COO_PROOF") == "" {
		t.Skip("takes long: it runs with COO_PROOF=small, as in make test")
	}
}
