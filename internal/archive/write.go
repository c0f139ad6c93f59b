package archive

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"io"
)

// Write writes the archive of files, which come in ascending order of their
// names, each with the size and CRC of its content. content writes that of
// files[i]: what is not as files[i] says is an error, and so is a name that no
// archive may hold.
func Write(w io.Writer, files []File, content func(i int, w io.Writer) error) error {
	return standard.write(w, files, content)
}

func (z form) write(w io.Writer, files []File, content func(i int, w io.Writer) error) error {
	if len(files) > MaxFiles {
		return fmt.Errorf("archive: %d files, limit %d", len(files), MaxFiles)
	}
	if err := checkNames(files); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	out := &counter{w: bufio.NewWriterSize(w, 256<<10)}
	starts := make([]int64, len(files))
	var header []byte
	for i := range files {
		starts[i] = out.n
		header = z.local(header[:0], &files[i])
		if _, err := out.Write(header); err != nil {
			return err
		}
		if err := writeContent(out, &files[i], func(w io.Writer) error { return content(i, w) }); err != nil {
			return err
		}
	}
	directory := out.n
	for i := range files {
		header = z.central(header[:0], &files[i], starts[i])
		if _, err := out.Write(header); err != nil {
			return err
		}
	}
	if _, err := out.Write(z.end(nil, len(files), out.n-directory, directory)); err != nil {
		return err
	}
	return out.w.Flush()
}

func writeContent(out *counter, f *File, content func(io.Writer) error) error {
	sum := crc32.NewIEEE()
	before := out.n
	if err := content(io.MultiWriter(out, sum)); err != nil {
		return fmt.Errorf("%q: %w", f.Name, err)
	}
	if size := out.n - before; size != f.Size || sum.Sum32() != f.CRC {
		return fmt.Errorf("%q: changed while it was read", f.Name)
	}
	return nil
}

// checkNames holds the names of files to what a reader accepts.
func checkNames(files []File) error {
	for i := range files {
		if err := CheckName(files[i].Name); err != nil {
			return fmt.Errorf("%q: %w", files[i].Name, err)
		}
		if i > 0 && files[i].Name <= files[i-1].Name {
			return fmt.Errorf("%q: after %q", files[i].Name, files[i-1].Name)
		}
	}
	if f, other := apart(files); f != nil {
		return fmt.Errorf("%q: and %q: one name on some systems", f.Name, other.Name)
	}
	return nil
}

type counter struct {
	w *bufio.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
