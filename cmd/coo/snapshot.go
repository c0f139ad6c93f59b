package main

import (
	"io/fs"
	"os"
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
func snapshotOptions(secrets *credentials) snapshot.Options {
	if secrets.known == nil {
		return snapshot.Options{Omit: ownOutputs()}
	}
	return snapshot.Options{
		Omit:   ownOutputs(),
		Scan:   func() snapshot.Scanner { return &secretScanner{stream: secrets.known.Stream()} },
		ScanID: digest.Of([]byte(strings.Join(secrets.names, "\n"))).String(),
	}
}

// ownOutputs are the files that coo's standard output and error go to: where
// the shell has put them into the workspace, they are coo's and not what is
// run's.
func ownOutputs() []fs.FileInfo {
	var out []fs.FileInfo
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() {
			out = append(out, fi)
		}
	}
	return out
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
