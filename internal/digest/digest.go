// Package digest names bytes by their SHA-256.
//
// A digest has exactly one spelling, 64 lower-case hexadecimal digits, so
// that equal digests are equal strings wherever they are stored, and a
// stored digest that is spelled differently is a damaged one.
//
// The digest of a call (the question) and the digest of an answer are types
// of their own, [Call] and [Answer]: the compiler keeps them apart.
package digest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Size is the length of a digest in bytes.
const Size = sha256.Size

// A Digest is the SHA-256 of some bytes. The zero Digest names nothing.
type Digest [Size]byte

// A Call is the digest of a request document: the key by which a call finds
// its frozen answer.
type Call Digest

// An Answer is the digest of an answer document.
type Answer Digest

// Of returns the digest of b.
func Of(b []byte) Digest { return sha256.Sum256(b) }

// Parse is the inverse of [Digest.String]. It accepts exactly one spelling
// of each digest, so that equal digests are equal strings.
func Parse(s string) (Digest, error) {
	var d Digest
	if len(s) != 2*Size {
		return Digest{}, fmt.Errorf("malformed digest %.80q", s)
	}
	for i := range d {
		hi, ok1 := nibble(s[2*i])
		lo, ok2 := nibble(s[2*i+1])
		if !ok1 || !ok2 {
			return Digest{}, fmt.Errorf("malformed digest %q", s)
		}
		d[i] = hi<<4 | lo
	}
	return d, nil
}

func nibble(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// String returns the 64 lower-case hexadecimal digits of d.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Short returns the first 12 digits of d, enough for people to tell the runs
// of a store apart; it is never stored.
func (d Digest) Short() string { return d.String()[:12] }

// IsZero reports whether d names nothing.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText implements [encoding.TextMarshaler].
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] with the strictness of
// [Parse]; d is unchanged when the text is refused.
func (d *Digest) UnmarshalText(b []byte) error {
	p, err := Parse(string(b))
	if err != nil {
		return err
	}
	*d = p
	return nil
}

// String returns the digits of d as [Digest.String] does.
func (d Call) String() string { return Digest(d).String() }

// MarshalText implements [encoding.TextMarshaler].
func (d Call) MarshalText() ([]byte, error) { return Digest(d).MarshalText() }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Call) UnmarshalText(b []byte) error { return (*Digest)(d).UnmarshalText(b) }

// String returns the digits of d as [Digest.String] does.
func (d Answer) String() string { return Digest(d).String() }

// MarshalText implements [encoding.TextMarshaler].
func (d Answer) MarshalText() ([]byte, error) { return Digest(d).MarshalText() }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Answer) UnmarshalText(b []byte) error { return (*Digest)(d).UnmarshalText(b) }
