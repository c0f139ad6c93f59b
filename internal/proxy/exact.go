package proxy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// exactLife is how long the certificates of an exact CA are valid by the
// program's clock, which may be moved ahead by a long sleep.
const exactLife = 300 * 24 * time.Hour

// NewExactCA makes the certificate authority of a program to which the same is
// done each time: equal secrets and starts make equal certificates, byte for
// byte, for the program reads them, and to equal words of a client equal
// answers, if the main package sets cryptocustomrand (go help godebug).
// They are valid around start, the time at which the program's clock starts.
//
// Who knows the secret knows the key. So it is for a program that reaches
// nothing but coo, and that alone believes it.
func NewExactCA(secret []byte, start time.Time) (*CA, error) {
	start = start.UTC().Truncate(time.Second)
	key, err := derivedKey(secret, "ca")
	if err != nil {
		return nil, fmt.Errorf("proxy: ca: %w", err)
	}
	ca := &CA{
		key: repeatingKey{key}, now: func() time.Time { return start }, leaves: map[string]*tls.Certificate{}, life: exactLife,
		leafKey: func(host string) (crypto.Signer, error) {
			key, err := derivedKey(secret, "leaf "+host)
			return steadyKey{key}, err
		},
		secret: secret,
	}
	return ca, ca.begin(2*exactLife, nil)
}

// derivedKey makes a key of a secret and what it is for.
func derivedKey(secret []byte, purpose string) (*ecdsa.PrivateKey, error) {
	for n := 0; ; n++ {
		h := sha256.New()
		fmt.Fprintf(h, "coo exact %d %x %s\n", n, secret, purpose)
		// All but one in 2^32 are keys of the curve.
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), h.Sum(nil))
		if err == nil || n == 100 {
			return key, err
		}
	}
}

// A repeatingKey makes the same signature for the same message (RFC 6979).
type repeatingKey struct{ *ecdsa.PrivateKey }

// Sign implements [crypto.Signer].
func (k repeatingKey) Sign(_ io.Reader, sum []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.PrivateKey.Sign(nil, sum, opts)
}

// A steadyKey makes signatures of one length: every handshake signs another
// message, and a program is to read the same number of bytes each time.
type steadyKey struct{ *ecdsa.PrivateKey }

// steadyLength is that of a signature in DER of one number of 32 bytes and one
// of 33. Half of all signatures have it.
const steadyLength = 71

// Sign implements [crypto.Signer].
func (k steadyKey) Sign(rand io.Reader, sum []byte, opts crypto.SignerOpts) ([]byte, error) {
	for {
		sig, err := k.PrivateKey.Sign(rand, sum, opts)
		if err != nil || len(sig) == steadyLength {
			return sig, err
		}
	}
}

// A randomness is that of one handshake: it follows from the CA's secret and
// from what the client has said first. What a client reads is in its memory,
// where it may decide something, such as what a collector takes for a pointer.
type randomness struct {
	secret []byte
	heard  hash.Hash // what the client has said so far

	mu sync.Mutex // guards c
	c  *rand.ChaCha8
}

// repeats returns the configuration of a connection whose answers are the same
// bytes whenever what its client says is.
func (ca *CA) repeats(config *tls.Config, c *conn) *tls.Config {
	c.heard = sha256.New()
	config = config.Clone()
	config.Rand = &randomness{secret: ca.secret, heard: c.heard}
	return config
}

// Read implements [io.Reader].
func (r *randomness) Read(b []byte) (int, error) {
	if len(b) == 1 {
		// Packages of crypto read a byte, or do not, so that nobody counts
		// on what they make of the rest.
		return 1, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.c == nil {
		h := sha256.New()
		fmt.Fprintf(h, "coo exact randomness %x %x\n", r.secret, r.heard.Sum(nil))
		r.c = rand.NewChaCha8([32]byte(h.Sum(nil)))
	}
	return r.c.Read(b)
}
