package workspace

import (
	"bytes"
	"io"
	"os"
)

// hole is the shortest run of zeros that is left out of a file, in bytes, and the
// grid on which it lies: file systems keep holes by blocks.
const hole = 64 << 10

var zeros [hole]byte

// WriteSparse writes what r holds to an empty file from its start on, and leaves
// long runs of zeros out where the file system can. It returns the length.
func WriteSparse(f *os.File, r io.Reader) (int64, error) {
	buf := make([]byte, hole)
	var at int64
	for skipped := false; ; {
		n, err := io.ReadFull(r, buf)
		if n == hole && bytes.Equal(buf, zeros[:]) {
			skipped = true
		} else if n > 0 {
			if _, err := f.WriteAt(buf[:n], at); err != nil {
				return at, err
			}
			skipped = false
		}
		at += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			if skipped {
				return at, f.Truncate(at)
			}
			return at, nil
		}
		if err != nil {
			return at, err
		}
	}
}
