// Package archive is zip in exactly one form: files stored as they are, in the
// order of their names, with fixed times and modes. Equal files give equal
// archives, and a reader accepts no other bytes than the writer makes. The form
// is written down in docs/format/pack.md.
//
//	50 4b 03 04 …  local header of "a.txt"      (APPNOTE 4.3.7)
//	…              its content
//	50 4b 01 02 …  central directory, one header a file (4.3.12)
//	50 4b 05 06 …  end record                   (4.3.16)
//
// The reader makes every header again from the name, the size and the CRC that
// the directory tells, and compares: what it does not know it refuses. It
// trusts nothing it has not compared, so that an archive of a stranger can
// neither name a file outside of a directory nor lie about lengths, overlap or
// hide bytes.
package archive

import (
	"encoding/binary"
	"fmt"
	"math"
)

// MaxFiles is the largest number of files in an archive.
const MaxFiles = 1 << 20

// A File is a file of an archive.
type File struct {
	Name string
	Size int64
	CRC  uint32 // CRC-32 of the content, IEEE polynomial
	at   int64  // where its content begins
}

// An Error says where an archive is not in its one form.
type Error struct {
	Name   string // of the file it is about; "" when it is about the end or the directory as a whole
	Offset int64  // in the archive
	What   string
}

func (e *Error) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("byte %d: %s", e.Offset, e.What)
	}
	return fmt.Sprintf("%q: byte %d: %s", e.Name, e.Offset, e.What)
}

// The fixed parts of headers.
const (
	localSig     = 0x04034b50
	centralSig   = 0x02014b50
	endSig       = 0x06054b50
	end64Sig     = 0x06064b50
	locator64Sig = 0x07064b50

	localSize     = 30
	centralSize   = 46
	endSize       = 22
	end64Size     = 56
	locator64Size = 20

	needsStore  = 10
	needsZip64  = 45
	madeBy      = 3<<8 | 20 // Unix, version 2.0
	date        = 1<<5 | 1  // 1980-01-01
	regular0644 = 0o100644 << 16
	zip64Extra  = 1
)

// A form says from which values on the zip64 fields are used. There is one;
// tests use smaller values to try them out.
type form struct {
	long uint64 // sizes and offsets
	many int    // files
}

var standard = form{long: math.MaxUint32, many: math.MaxUint16}

// local appends the local header of f.
func (z form) local(b []byte, f *File) []byte {
	size, long := uint64(f.Size), uint64(f.Size) >= z.long
	b = u32(b, localSig)
	b = common(b, f, long)
	b = u32(u32(b, clip(size, long)), clip(size, long))
	b = u16(b, len(f.Name))
	if !long {
		return append(u16(b, 0), f.Name...)
	}
	b = append(u16(b, 20), f.Name...)
	return u64(u64(u16(u16(b, zip64Extra), 16), size), size)
}

// central appends the header of f in the central directory; at is where its
// local header begins.
func (z form) central(b []byte, f *File, at int64) []byte {
	size, offset := uint64(f.Size), uint64(at)
	long, far := size >= z.long, offset >= z.long
	var extra []byte
	if long {
		extra = u64(u64(extra, size), size)
	}
	if far {
		extra = u64(extra, offset)
	}
	if extra != nil {
		extra = append(u16(u16(nil, zip64Extra), len(extra)), extra...)
	}
	b = u16(u32(b, centralSig), madeBy)
	b = common(b, f, long || far)
	b = u32(u32(b, clip(size, long)), clip(size, long))
	b = u16(u16(b, len(f.Name)), len(extra))
	b = u16(u16(u16(b, 0), 0), 0) // comment, disk, internal attributes
	b = u32(u32(b, regular0644), clip(offset, far))
	return append(append(b, f.Name...), extra...)
}

// common appends what local and central headers share, from the version needed
// to the CRC.
func common(b []byte, f *File, zip64 bool) []byte {
	needs := needsStore
	if zip64 {
		needs = needsZip64
	}
	b = u16(u16(u16(b, needs), 0), 0)       // flags, method
	return u32(u16(u16(b, 0), date), f.CRC) // time
}

// end appends what follows a central directory of size bytes that begins at at.
func (z form) end(b []byte, files int, size, at int64) []byte {
	n, length, start := uint64(files), uint64(size), uint64(at)
	many, long, far := files >= z.many, length >= z.long, start >= z.long
	if many || long || far {
		b = u64(u32(b, end64Sig), end64Size-12)
		b = u16(u16(b, madeBy), needsZip64)
		b = u32(u32(b, 0), 0) // disks
		b = u64(u64(u64(u64(b, n), n), length), start)
		b = u32(u32(b, locator64Sig), 0)
		b = u32(u64(b, start+length), 1)
	}
	b = u16(u16(u32(b, endSig), 0), 0) // disks
	short := files
	if many {
		short = math.MaxUint16
	}
	b = u16(u16(b, short), short)
	b = u32(u32(b, clip(length, long)), clip(start, far))
	return u16(b, 0) // comment
}

// clip returns v, or all ones when it stands elsewhere.
func clip(v uint64, elsewhere bool) uint32 {
	if elsewhere {
		return math.MaxUint32
	}
	return uint32(v)
}

func u16(b []byte, v int) []byte    { return binary.LittleEndian.AppendUint16(b, uint16(v)) }
func u32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }
func u64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }
