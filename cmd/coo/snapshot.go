package main

import (
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/wire"
)

// snapshotOptions keeps files that hold a known secret out of snapshots.
//
// What the stat cache remembers was scanned under the same names. When the
// value of one has changed since, a file that was not is not scanned again:
// its content is in the store already.
func snapshotOptions(names []string, known *wire.Secrets) snapshot.Options {
	if known == nil {
		return snapshot.Options{}
	}
	return snapshot.Options{
		Scan:   func() snapshot.Scanner { return &secretScanner{stream: known.Stream()} },
		ScanID: digest.Of([]byte(strings.Join(names, "\n"))).String(),
	}
}

// A secretScanner looks for known secrets in one file.
type secretScanner struct{ stream *wire.Redactor }

func (s *secretScanner) Write(p []byte) (int, error) {
	s.stream.Write(p)
	return len(p), nil
}

// Found reports whether a secret was in what was written.
func (s *secretScanner) Found() bool {
	s.stream.Close()
	return s.stream.Hits() > 0
}
