package proxy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"time"
)

// exactLife is how long the certificates of an exact CA are valid by the
// program's clock, which may be moved ahead by a long sleep.
const exactLife = 300 * 24 * time.Hour

// NewExactCA makes the certificate authority of a program to which the same is
// done each time: equal secrets and starts make equal certificates, byte for
// byte, for the program reads them. They are valid around start, the time at
// which the program's clock starts.
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
