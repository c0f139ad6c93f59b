package main

import (
	"errors"
	"io"
	"strings"
	"testing"
)

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// A result that could not be written is no success.
func TestStdoutThatFails(t *testing.T) {
	var stderr strings.Builder
	if status := execute(t.Context(), []string{"version"}, brokenWriter{}, &stderr); status != exitFailed {
		t.Errorf("status %d, want %d", status, exitFailed)
	}
	if got, want := stderr.String(), "coo: stdout: no space left on device\n"; got != want {
		t.Errorf("stderr %q, want %q", got, want)
	}
	if status := execute(t.Context(), []string{"version"}, io.Discard, &stderr); status != exitOK {
		t.Errorf("status %d, want %d", status, exitOK)
	}
}
