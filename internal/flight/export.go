package flight

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/coo-runtime/coo/internal/store"
)

// Export writes a sealed run to dir, which must be empty or not exist, in the
// form that needs nothing of coo to read: flight.jsonl, and the content of
// each blob as blobs/<digest>. vectors/verify.py checks it.
func (run *Run) Export(dir string) error {
	if run.Seal == nil {
		return fmt.Errorf("export: the run is not sealed")
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("export: %q is not empty", dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, "blobs"), 0o755); err != nil {
		return err
	}
	err := run.eachBlob(func(n int64, r Ref, first bool) ([]byte, error) {
		if !first {
			doc, _, err := run.read(n, r, io.Discard, nil)
			return doc, err
		}
		f, err := os.OpenFile(filepath.Join(dir, "blobs", r.Digest.String()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return nil, err
		}
		doc, _, err := run.read(n, r, f, nil)
		return doc, cmp.Or(err, f.Close())
	})
	if err != nil {
		return err
	}
	lines := append(bytes.Join(run.Lines, []byte{'\n'}), '\n')
	return os.WriteFile(filepath.Join(dir, store.FlightFile), lines, 0o644)
}
