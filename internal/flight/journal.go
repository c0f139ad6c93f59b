package flight

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"

	"github.com/coo-runtime/coo/internal/store"
)

// A journal is the file of a run in progress: a magic line, eight random
// bytes (the salt), the CRC-32C of both (big-endian), and frames.
//
//	offset  length
//	     0       1  kind: 1 record, 2 blob, 3 execution, 4 synced, 5 attachment
//	     1       4  length of the payload, big-endian
//	     5       4  CRC-32C, big-endian
//	     9          payload
//
// The checksum covers the salt, the frame's offset in the file (8 bytes,
// big-endian), kind, length and payload: a frame is good in one place of one
// journal only, so a blob that holds another journal is not taken for frames.
//
// A "synced" frame says that the file was on disk up to the offset in its
// payload. Bad bytes before such an offset are damage; bad bytes after the
// last one are what a crash leaves, and the journal ends where they begin.
const (
	journalMagic  = "coo.journal/0\n"
	saltSize      = 8
	saltEnd       = len(journalMagic) + saltSize
	journalHeader = saltEnd + 4
	frameHeader   = 9
	maxPayload    = MaxLine // blobs are shorter
)

type frameKind byte

const (
	recordFrame    frameKind = 1
	blobFrame      frameKind = 2
	executionFrame frameKind = 3
	syncedFrame    frameKind = 4
	attachFrame    frameKind = 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newHeader returns the first bytes of a new journal.
func newHeader() []byte {
	h := append(make([]byte, 0, journalHeader), journalMagic...)
	h = h[:saltEnd]
	rand.Read(h[len(journalMagic):])
	return binary.BigEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
}

// frameSum returns the checksum of the frame at offset.
func frameSum(salt []byte, offset int64, frame []byte) uint32 {
	var b [saltSize + 8]byte
	copy(b[:], salt)
	binary.BigEndian.PutUint64(b[saltSize:], uint64(offset))
	sum := crc32.Update(0, castagnoli, b[:])
	sum = crc32.Update(sum, castagnoli, frame[:5])
	return crc32.Update(sum, castagnoli, frame[frameHeader:])
}

// closeFrame fills in the header of a frame whose payload is complete.
func closeFrame(salt []byte, offset int64, kind frameKind, frame []byte) {
	frame[0] = byte(kind)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(frame)-frameHeader))
	binary.BigEndian.PutUint32(frame[5:], frameSum(salt, offset, frame))
}

// A journalReader reads frames until the first that is not good.
type journalReader struct {
	r    *bufio.Reader
	salt []byte
	off  int64 // of the next frame
	buf  []byte
}

var (
	errBadFrame   = errors.New("bad frame")
	errNotJournal = errors.New("not a journal")
)

// newJournalReader reads the header. A file that ends inside it holds
// nothing: errBadFrame.
func newJournalReader(r io.Reader) (*journalReader, error) {
	j := &journalReader{r: bufio.NewReaderSize(r, 64<<10)}
	var h [journalHeader]byte
	if _, err := io.ReadFull(j.r, h[:]); err != nil {
		return nil, shortRead(err)
	}
	if h == [journalHeader]byte{} {
		return nil, errBadFrame // never written, though what follows may be
	}
	sum := binary.BigEndian.Uint32(h[saltEnd:])
	if string(h[:len(journalMagic)]) != journalMagic || crc32.Checksum(h[:saltEnd], castagnoli) != sum {
		return nil, errNotJournal
	}
	j.salt = h[len(journalMagic):saltEnd]
	j.off = int64(journalHeader)
	return j, nil
}

// next returns the next frame's payload, which is valid until the next call.
// At the end of the file the error is io.EOF, at anything but a good frame
// errBadFrame; j.off stays where that frame begins.
func (j *journalReader) next() (frameKind, []byte, error) {
	var h [frameHeader]byte
	n, err := io.ReadFull(j.r, h[:])
	if n == 0 && err == io.EOF {
		return 0, nil, io.EOF
	}
	if err != nil {
		return 0, nil, shortRead(err)
	}
	length := binary.BigEndian.Uint32(h[1:])
	if h[0] < byte(recordFrame) || h[0] > byte(attachFrame) || length > maxPayload {
		return 0, nil, errBadFrame
	}
	j.buf = append(j.buf[:0], h[:]...)
	j.buf = append(j.buf, make([]byte, length)...)
	if _, err := io.ReadFull(j.r, j.buf[frameHeader:]); err != nil {
		return 0, nil, shortRead(err)
	}
	if frameSum(j.salt, j.off, j.buf) != binary.BigEndian.Uint32(h[5:]) {
		return 0, nil, errBadFrame
	}
	j.off += int64(len(j.buf))
	return frameKind(h[0]), j.buf[frameHeader:], nil
}

func shortRead(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errBadFrame
	}
	return err
}

// everSynced looks for a "synced" frame in a journal whose header is lost, so
// that checksums do not help: one that names its own place, which it does when
// it follows a sync.
func everSynced(f *os.File) (bool, error) {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
	if err != nil {
		return false, err
	}
	pattern := []byte{byte(syncedFrame), 0, 0, 0, 8}
	for i := 0; ; i++ {
		k := bytes.Index(b[i:], pattern)
		if k < 0 || i+k+frameHeader+8 > len(b) {
			return false, nil
		}
		i += k
		if binary.BigEndian.Uint64(b[i+frameHeader:]) == uint64(i) {
			return true, nil
		}
	}
}

// syncedBeyond looks in what follows the bad frame at offset bad for a
// "synced" frame that proves that the bad bytes were on disk once.
func syncedBeyond(f *os.File, salt []byte, bad int64) (bool, error) {
	const size = frameHeader + 8
	pattern := []byte{byte(syncedFrame), 0, 0, 0, 8}
	buf := make([]byte, 0, 1<<20)
	at := bad // offset of buf[0] in the file
	for {
		n, err := f.ReadAt(buf[len(buf):cap(buf)], at+int64(len(buf)))
		buf = buf[:len(buf)+n]
		for i := 0; ; i++ {
			k := bytes.Index(buf[min(i, len(buf)):], pattern)
			if k < 0 || i+k+size > len(buf) {
				break
			}
			i += k
			frame := buf[i : i+size]
			good := frameSum(salt, at+int64(i), frame) == binary.BigEndian.Uint32(frame[5:])
			if good && binary.BigEndian.Uint64(frame[frameHeader:]) > uint64(bad) {
				return true, nil
			}
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		keep := min(len(buf), size-1) // a frame may lie across the border
		at += int64(len(buf) - keep)
		buf = append(buf[:0], buf[len(buf)-keep:]...)
	}
}

// journalDamage names a byte of the journal in dir, a path in the store.
func journalDamage(dir string, offset int64, what string) error {
	return &store.DamageError{Path: dir + "/" + journalFile, Record: -1, Offset: offset, What: what}
}
