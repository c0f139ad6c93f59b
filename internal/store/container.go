package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/klauspost/compress/zstd"
)

// MaxBlob is the length of the largest content that is held at once, 1 GiB. A
// longer one is stored as a list of parts of that length.
const MaxBlob = 1 << 30

// A container is the stored form of a blob:
//
//	offset  length
//	     0      10  magic "coo.blob/0"
//	    10       1  method: '=' plain, 'z' zstd, 'p' pieces, 'l' long
//	    11       1  newline
//	    12       4  length of the plain content, big-endian
//	    16       4  length of the payload, big-endian
//	    20      32  SHA-256 of the 20 bytes before and the payload
//	    52          payload, and nothing after it
const (
	magic      = "coo.blob/0"
	headerSize = 20
	overhead   = headerSize + sha256.Size
)

type method byte

const (
	plain  method = '='
	packed method = 'z' // one zstd frame of at most maxSingle plain bytes
	pieces method = 'p' // 32 bytes a piece: digests of blobs that are not lists
	long   method = 'l' // 8 bytes, the length; 32 bytes a part: digests of blobs that are not long
)

// maxSingle is the longest content that is stored in one container; it
// bounds what one decompression can yield.
const maxSingle = maxPiece

// A codec compresses and decompresses; its parts are made at first use
// because they are large, and are safe for concurrent use.
type codec struct {
	enc func() *zstd.Encoder
	dec func() *zstd.Decoder
}

func newCodec() *codec {
	return &codec{
		enc: sync.OnceValue(func() *zstd.Encoder {
			e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithEncoderCRC(false),
				zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(maxSingle), zstd.WithLowerEncoderMem(true))
			if err != nil {
				panic("store: internal error: " + err.Error())
			}
			return e
		}),
		dec: sync.OnceValue(func() *zstd.Decoder {
			d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithDecoderMaxMemory(maxSingle),
				zstd.WithDecoderMaxWindow(maxSingle), zstd.IgnoreChecksum(true))
			if err != nil {
				panic("store: internal error: " + err.Error())
			}
			return d
		}),
	}
}

// encodeSingle returns the container of at most maxSingle bytes.
func (c *codec) encodeSingle(b []byte) []byte {
	// Below some 64 bytes a frame never gains.
	if len(b) > 64 {
		if z := c.enc().EncodeAll(b, nil); len(z) < len(b) {
			return seal(packed, len(b), z)
		}
	}
	return seal(plain, len(b), b)
}

// seal puts a payload in its container.
func seal(m method, size int, payload []byte) []byte {
	out := make([]byte, 0, overhead+len(payload))
	out = append(out, magic...)
	out = append(out, byte(m), '\n')
	out = binary.BigEndian.AppendUint32(out, uint32(size))
	out = binary.BigEndian.AppendUint32(out, uint32(len(payload)))
	h := sha256.New()
	h.Write(out)
	h.Write(payload)
	out = h.Sum(out)
	return append(out, payload...)
}

// A container error says at which byte a container stops being one.
type containerError struct {
	offset int64
	what   string
}

func (e *containerError) Error() string { return fmt.Sprintf("byte %d: %s", e.offset, e.what) }

func bad(offset int, format string, args ...any) error {
	return &containerError{int64(offset), fmt.Sprintf(format, args...)}
}

// unseal checks every byte of a container and returns its parts.
func unseal(b []byte) (m method, size int, payload []byte, err error) {
	if len(b) < overhead {
		return 0, 0, nil, bad(len(b), "a container of %d bytes is too short", len(b))
	}
	sum := sha256.New()
	sum.Write(b[:headerSize])
	sum.Write(b[overhead:])
	m = method(b[len(magic)])
	size = int(binary.BigEndian.Uint32(b[12:]))
	length := int(binary.BigEndian.Uint32(b[16:]))
	switch {
	case string(b[:len(magic)]) != magic:
		return 0, 0, nil, bad(0, "not a blob container")
	case m != plain && m != packed && m != pieces && m != long || b[11] != '\n':
		return 0, 0, nil, bad(len(magic), "unknown method")
	case length != len(b)-overhead:
		return 0, 0, nil, bad(min(len(b), overhead+length), "payload of %d bytes, want %d", len(b)-overhead, length)
	case !bytes.Equal(sum.Sum(nil), b[headerSize:overhead]):
		return 0, 0, nil, bad(headerSize, "checksum does not match")
	}
	return m, size, b[overhead:], nil
}

// decodeSingle returns the content of a container that is not a list.
func (c *codec) decodeSingle(m method, size int, payload []byte) ([]byte, error) {
	if m == pieces || m == long {
		return nil, bad(len(magic), "a list of pieces where a piece is expected")
	}
	if size > maxSingle {
		return nil, bad(12, "content of %d bytes, limit %d", size, maxSingle)
	}
	if m == packed {
		out, err := c.dec().DecodeAll(payload, make([]byte, 0, size))
		if err != nil {
			return nil, bad(overhead, "zstd: %v", err)
		}
		payload = out
	}
	if len(payload) != size {
		return nil, bad(12, "content of %d bytes, want %d", len(payload), size)
	}
	return payload, nil
}

// decodeLong returns the length and the parts in the payload of a long content.
// The length in the header is too short for it and is zero.
func decodeLong(header int, payload []byte) (size int64, parts []digest.Digest, err error) {
	if header != 0 {
		return 0, nil, bad(12, "a length of %d in the header of a list of parts", header)
	}
	if len(payload) < 8+2*digest.Size || len(payload)%digest.Size != 8 {
		return 0, nil, bad(16, "a list of parts of %d bytes", len(payload))
	}
	n := binary.BigEndian.Uint64(payload)
	if payload = payload[8:]; n > MaxLong || n > uint64(len(payload)/digest.Size)*MaxBlob {
		return 0, nil, bad(overhead, "content of %d bytes in %d parts", n, len(payload)/digest.Size)
	}
	for ; len(payload) > 0; payload = payload[digest.Size:] {
		parts = append(parts, digest.Digest(payload[:digest.Size]))
	}
	return int64(n), parts, nil
}

// decodeList returns the digests in the payload of a list.
func decodeList(size int, payload []byte) ([]digest.Digest, error) {
	n := len(payload) / digest.Size
	switch {
	case len(payload)%digest.Size != 0 || n < 2:
		return nil, bad(16, "a list of %d bytes", len(payload))
	case size > MaxBlob || size > n*maxPiece || size < (n-1)*minPiece:
		return nil, bad(12, "content of %d bytes in %d pieces", size, n)
	}
	ds := make([]digest.Digest, n)
	for i := range ds {
		copy(ds[i][:], payload[i*digest.Size:])
	}
	return ds, nil
}
