package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// An authority is a CA such as the proxy makes.
type authority struct {
	pem  []byte
	leaf tls.Certificate
}

func newAuthority(t *testing.T, hosts ...string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "coo run CA  Test", Organization: []string{"coo"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{
		pem:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		leaf: tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key},
	}
}

// serve answers TLS on a redirected connection.
func (a *authority) serve(c net.Conn, target string) {
	answerHTTP(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{a.leaf}}), target)
}

// A program that is told nothing trusts the run's CA.
func TestTrustWithoutVariables(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "api.example.com")
	for name, c := range map[string]Command{
		"curl":   sh(`env -i curl -sS https://api.example.com/`),
		"urllib": python(`import os, urllib.request; os.environ.clear(); print(urllib.request.urlopen("https://api.example.com/").read().decode(), end="")`),
	} {
		c.CA = a.pem
		r := performWith(t, c, a.serve)
		if r.exit.Status != 0 {
			t.Errorf("%s: status %d: %s", name, r.exit.Status, r.stderr)
		}
		contains(t, name, r.stdout, "api.example.com|198.1", "|443 api.example.com\n")
	}
}
