//go:build linux && amd64

package box

import (
	"crypto/sha256"
	"math/rand/v2"

	"golang.org/x/sys/unix"
)

// A stream is the randomness of one process: ChaCha8, keyed with the run's
// seed and the process's place in the family, so that what one process draws
// does not change what another gets.
type stream struct {
	name string // 1 for the first, 1.2 for its second child, …
	c    *rand.ChaCha8
}

func (x *tracer) stream(name string) *stream {
	key := sha256.Sum256(append(append([]byte("coo box randomness\x00"), x.Seed[:]...), name...))
	return &stream{name: name, c: rand.NewChaCha8(key)}
}

func (s *stream) bytes(n int) []byte {
	b := make([]byte, n)
	s.c.Read(b) //nolint:errcheck // it never fails
	return b
}

// readsAt is the handler of reads at a place of a file: of randomness, there
// is none.
func readsAt(x *tracer, t *thread) outcome {
	if x.file(t, t.intArg(0)).kind == randomFD {
		return x.readRandom(t)
	}
	return goOn
}

// mostRandom is how much one call gives: as the kernel's, for /dev/urandom.
const mostRandom = 32<<20 - 1

func getrandom(_ *tracer, t *thread) outcome {
	n := int(min(t.arg(1), mostRandom))
	if !t.write(t.arg(0), t.proc.rand.bytes(n)) {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	t.answer(int64(n))
	return goOn
}
