package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"
)

// A Reader reads an archive whose headers were checked. The contents are
// checked as they are read.
type Reader struct {
	Files []File // in ascending order of their names
	r     io.ReaderAt
}

// Open checks the directory and every header of the archive of size bytes in
// r. What is not in the one form is an [*Error].
func Open(r io.ReaderAt, size int64) (*Reader, error) { return standard.open(r, size) }

func (z form) open(r io.ReaderAt, size int64) (*Reader, error) {
	files, start, err := z.readEnd(r, size)
	if err != nil {
		return nil, err
	}
	a := &Reader{r: r}
	if err := z.readDirectory(a, files, start, size); err != nil {
		return nil, err
	}
	return a, z.checkLocals(a, start)
}

// readEnd returns how many files there are, and where the directory begins.
func (z form) readEnd(r io.ReaderAt, size int64) (files int, start int64, err error) {
	var tail [end64Size + locator64Size + endSize]byte
	n := min(size, int64(len(tail)))
	if n < endSize {
		return 0, 0, &Error{Offset: size, What: "too short for a zip archive"}
	}
	if _, err := readAt(r, tail[:n], size-n); err != nil {
		return 0, 0, err
	}
	end := tail[n-endSize : n]
	wrong := func(what string) error { return &Error{Offset: size - endSize, What: what} }
	if binary.LittleEndian.Uint32(end) != endSig {
		return 0, 0, wrong("no end record: not a zip archive, or bytes after it")
	}
	count := uint64(binary.LittleEndian.Uint16(end[10:]))
	length := uint64(binary.LittleEndian.Uint32(end[12:]))
	at := uint64(binary.LittleEndian.Uint32(end[16:]))
	elsewhere := count == math.MaxUint16 || length == math.MaxUint32 || at == math.MaxUint32
	if elsewhere && n == int64(len(tail)) {
		count = binary.LittleEndian.Uint64(tail[32:])
		length = binary.LittleEndian.Uint64(tail[40:])
		at = binary.LittleEndian.Uint64(tail[48:])
	}
	switch {
	case count > MaxFiles:
		return 0, 0, wrong(fmt.Sprintf("end record: %d files, limit %d", count, MaxFiles))
	case at > math.MaxInt64 || length > math.MaxInt64 || at > uint64(size) || length > uint64(size)-at:
		return 0, 0, wrong("end record: a directory that is not within the archive")
	}
	want := z.end(nil, int(count), int64(length), int64(at))
	got := tail[max(0, n-int64(len(want))):n]
	if i := differs(got, want); i >= 0 || int64(at+length)+int64(len(want)) != size {
		return 0, 0, &Error{Offset: int64(at + length), What: "end record: not in its one form, or other bytes around it"}
	}
	return int(count), int64(at), nil
}

// readDirectory reads the central directory, which lies between start and the
// end record.
func (z form) readDirectory(a *Reader, files int, start, size int64) error {
	in := bufio.NewReaderSize(io.NewSectionReader(a.r, start, size-start), 256<<10)
	a.Files = make([]File, 0, min(files, 1<<12))
	at, local := start, int64(0)
	var head [centralSize]byte
	var want, rest []byte
	for range files {
		if err := readFull(in, head[:], at); err != nil {
			return err
		}
		f, rests, err := centralFile(head[:], at)
		if err != nil {
			return err
		}
		rest = slices.Grow(rest[:0], rests)[:rests]
		if err := readFull(in, rest, at+centralSize); err != nil {
			return err
		}
		if f, err = named(f, head[:], rest, at); err != nil {
			return err
		}
		want = z.central(want[:0], &f, local)
		if i := differs(append(head[:len(head):len(head)], rest...), want); i >= 0 {
			return &Error{Name: f.Name, Offset: at + int64(i), What: "directory: not in its one form"}
		}
		if n := len(a.Files); n > 0 && f.Name <= a.Files[n-1].Name {
			return &Error{Name: f.Name, Offset: at, What: "directory: twice, or out of order"}
		}
		at += int64(len(want))
		f.at = local + z.localLen(&f)
		if f.Size > start-f.at {
			return &Error{Name: f.Name, Offset: at, What: "directory: a size beyond the archive"}
		}
		local = f.at + f.Size
		a.Files = append(a.Files, f)
	}
	if at+int64(len(z.end(nil, files, at-start, start))) != size {
		return &Error{Offset: at, What: "directory: other bytes after it"}
	}
	if local != start {
		return &Error{Offset: local, What: "directory: bytes that belong to no file"}
	}
	if f, other := apart(a.Files); f != nil {
		return &Error{Name: f.Name, Offset: start, What: fmt.Sprintf("directory: one name with %q on some systems", other.Name)}
	}
	return nil
}

// centralFile reads the fixed part of a header in the directory, and returns
// how many bytes follow it.
func centralFile(head []byte, at int64) (File, int, error) {
	if binary.LittleEndian.Uint32(head) != centralSig {
		return File{}, 0, &Error{Offset: at, What: "directory: no header where one belongs"}
	}
	name, extra := int(binary.LittleEndian.Uint16(head[28:])), int(binary.LittleEndian.Uint16(head[30:]))
	if name > maxName || extra > 28 {
		return File{}, 0, &Error{Offset: at, What: "directory: a name or an extra field that is too long"}
	}
	f := File{CRC: binary.LittleEndian.Uint32(head[16:]), Size: int64(binary.LittleEndian.Uint32(head[24:]))}
	return f, name + extra, nil
}

// named completes f with its name and, where there is one, its long size. That
// the rest is as it should be is compared afterwards.
func named(f File, head, rest []byte, at int64) (File, error) {
	n := int(binary.LittleEndian.Uint16(head[28:]))
	f.Name = string(rest[:n])
	if err := CheckName(f.Name); err != nil {
		return f, &Error{Name: f.Name, Offset: at + centralSize, What: "directory: " + err.Error()}
	}
	if extra := rest[n:]; len(extra) >= 20 {
		size := binary.LittleEndian.Uint64(extra[4:])
		if size > math.MaxInt64 {
			return f, &Error{Name: f.Name, Offset: at, What: "directory: a size beyond the archive"}
		}
		f.Size = int64(size)
	}
	return f, nil
}

func (z form) localLen(f *File) int64 {
	n := int64(localSize + len(f.Name))
	if uint64(f.Size) >= z.long {
		n += 20
	}
	return n
}

// checkLocals compares every local header with the directory.
func (z form) checkLocals(a *Reader, start int64) error {
	var want, got []byte
	for i := range a.Files {
		f := &a.Files[i]
		want = z.local(want[:0], f)
		at := f.at - int64(len(want))
		if len(want) > cap(got) {
			got = make([]byte, 2*len(want))
		}
		got = got[:len(want)]
		if _, err := readAt(a.r, got, at); err != nil {
			return err
		}
		if j := differs(got, want); j >= 0 {
			return &Error{Name: f.Name, Offset: at + int64(j), What: "local header: not what the directory says"}
		}
	}
	return nil
}

// differs returns the place of the first byte in which two texts differ, -1
// when they are equal.
func differs(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func readAt(r io.ReaderAt, b []byte, at int64) (int, error) {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		return n, &Error{Offset: at + int64(n), What: "ends too early"}
	}
	return n, err
}

func readFull(r io.Reader, b []byte, at int64) error {
	n, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &Error{Offset: at + int64(n), What: "directory: ends too early"}
	}
	return err
}

// Find returns the place of a file in [Reader.Files], and whether it is there.
func (a *Reader) Find(name string) (int, bool) {
	return slices.BinarySearchFunc(a.Files, name, func(f File, name string) int { return strings.Compare(f.Name, name) })
}

// CopyTo writes the content of file i to w, through buf, and checks its CRC:
// an [*Error] comes after the last byte, so what was written is not to be
// trusted before CopyTo has returned.
func (a *Reader) CopyTo(w io.Writer, i int, buf []byte) error {
	f := &a.Files[i]
	sum := uint32(0)
	for at := int64(0); at < f.Size; {
		n := min(int64(len(buf)), f.Size-at)
		if _, err := readAt(a.r, buf[:n], f.at+at); err != nil {
			return err
		}
		sum = crc32.Update(sum, crc32.IEEETable, buf[:n])
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		at += n
	}
	if sum != f.CRC {
		return &Error{Name: f.Name, Offset: f.at, What: fmt.Sprintf("content: CRC-32 is %08x, want %08x", sum, f.CRC)}
	}
	return nil
}

// Read returns the content of file i, whose CRC is checked.
func (a *Reader) Read(i int) ([]byte, error) {
	f := &a.Files[i]
	b := make([]byte, f.Size)
	if _, err := readAt(a.r, b, f.at); err != nil {
		return nil, err
	}
	if sum := crc32.ChecksumIEEE(b); sum != f.CRC {
		return nil, &Error{Name: f.Name, Offset: f.at, What: fmt.Sprintf("content: CRC-32 is %08x, want %08x", sum, f.CRC)}
	}
	return b, nil
}

// Section reads the content of file i, which it does not check.
func (a *Reader) Section(i int) *io.SectionReader {
	return io.NewSectionReader(a.r, a.Files[i].at, a.Files[i].Size)
}
