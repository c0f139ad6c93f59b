package store

import (
	"crypto/sha256"
	"encoding/binary"
)

// The lengths of pieces, in bytes: of all but the last of a blob at least
// minPiece, of each at most maxPiece, most of them near normalPiece. Blobs up
// to wholeBlob are not cut.
const (
	minPiece    = 1 << 10
	normalPiece = 4 << 10
	maxPiece    = 16 << 10
	wholeBlob   = 8 << 10
)

// A cut falls where these bits of the gear hash are all zero: more of them
// before normalPiece, fewer after, which keeps lengths near it (FastCDC, Xia
// et al., USENIX ATC 2016). They are high bits: bit k depends on the last k+1
// bytes only, and a cut should depend on many.
const (
	maskShort = (1<<13 - 1) << 48
	maskLong  = (1<<11 - 1) << 48
)

// gear gives each byte a random number that never changes: the first eight
// bytes, big-endian, of SHA-256("coo.pieces/0" and the byte).
var gear = func() (t [256]uint64) {
	for i := range t {
		sum := sha256.Sum256(append([]byte("coo.pieces/0"), byte(i)))
		t[i] = binary.BigEndian.Uint64(sum[:])
	}
	return t
}()

// cut returns the length of the first piece of b. It depends on the bytes of
// that piece only, so equal texts meet in equal pieces again after a change.
func cut(b []byte) int {
	if len(b) <= minPiece {
		return len(b)
	}
	var h uint64
	for i := minPiece; i < min(len(b), normalPiece); i++ {
		if h = h<<1 + gear[b[i]]; h&maskShort == 0 {
			return i + 1
		}
	}
	for i := normalPiece; i < min(len(b), maxPiece); i++ {
		if h = h<<1 + gear[b[i]]; h&maskLong == 0 {
			return i + 1
		}
	}
	return min(len(b), maxPiece)
}

// split cuts b into pieces.
func split(b []byte) [][]byte {
	var out [][]byte
	for len(b) > 0 {
		n := cut(b)
		out = append(out, b[:n])
		b = b[n:]
	}
	return out
}
