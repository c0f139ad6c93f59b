package modelserver

import (
	"crypto/rand"
	"encoding/hex"
	"math/big"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// intn returns a random number in [0, n). n is at least 1.
func intn(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic("modelserver: internal error: crypto/rand never fails: " + err.Error())
	}
	return int(i.Int64())
}

// between returns a random number in [lo, hi].
func between(lo, hi int) int { return lo + intn(hi-lo+1) }

// oneIn is true once in n times.
func oneIn(n int) bool { return intn(n) == 0 }

// pick returns one of some things.
func pick[T any](from []T) T { return from[intn(len(from))] }

// randomText returns n random letters and digits.
func randomText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = base62[intn(len(base62))]
	}
	return string(b)
}

// randomHex returns n random hex digits. n is even.
func randomHex(n int) string {
	b := make([]byte, n/2)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// padding is what OpenAI adds to an event so that its length does not give
// the text away.
func padding() string { return randomText(between(1, 16)) }
