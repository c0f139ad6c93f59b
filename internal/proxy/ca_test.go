package proxy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newCA(t *testing.T, hosts ...string) *CA {
	t.Helper()
	ca, err := NewCA(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestLeaf(t *testing.T) {
	ca := newCA(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	now := time.Now()
	for _, host := range []string{"api.example", "a_b.example", "192.0.2.7", "2001:db8::7", "::ffff:192.0.2.9", "localhost"} {
		c, err := ca.leaf(host)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		leaf := c.Leaf
		if n := len(leaf.DNSNames) + len(leaf.IPAddresses); n != 1 {
			t.Errorf("%s: %d names", host, n)
		}
		if err := leaf.VerifyHostname(strings.TrimPrefix(host, "::ffff:")); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if leaf.VerifyHostname("other.example") == nil {
			t.Errorf("%s: good for another name too", host)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
			t.Errorf("%s: key %T", host, leaf.PublicKey)
		}
		if life := leaf.NotAfter.Sub(leaf.NotBefore); life != 24*time.Hour || now.Sub(leaf.NotBefore).Round(time.Minute) != 12*time.Hour {
			t.Errorf("%s: from %v, for %v", host, leaf.NotBefore, life)
		}
		if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature || !bytes.Equal(leaf.AuthorityKeyId, ca.cert.SubjectKeyId) {
			t.Errorf("%s: CA %v, usage %v, authority %x", host, leaf.IsCA, leaf.KeyUsage, leaf.AuthorityKeyId)
		}
		if leaf.SerialNumber.Sign() <= 0 || leaf.SerialNumber.BitLen() > 20*8-1 {
			t.Errorf("%s: serial %v (RFC 5280, section 4.1.2.2)", host, leaf.SerialNumber)
		}
	}
	for _, host := range []string{"", "*.example", "a b", "a\x00.example", "exa\nmple", "-", ".", "0x7f000001", "2130706433", strings.Repeat("a", 64), strings.Repeat("a.", 128)} {
		if c, err := ca.leaf(host); err == nil && host != "-" {
			t.Errorf("%q: got a certificate for %q", host, c.Leaf.DNSNames)
		}
	}
}

// A certificate is made once, and again before it expires; then its serial
// number is another.
func TestLeafIsKept(t *testing.T) {
	ca := newCA(t)
	now := time.Now()
	ca.now = func() time.Time { return now }
	first, err := ca.leaf("api.example")
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(10 * time.Hour)
	if again, _ := ca.leaf("api.example"); again != first {
		t.Error("made anew after 10 hours")
	}
	now = now.Add(90 * time.Minute)
	again, err := ca.leaf("api.example")
	if err != nil || again == first || again.Leaf.SerialNumber.Cmp(first.Leaf.SerialNumber) == 0 {
		t.Errorf("after 11.5 hours: the same certificate or serial, %v", err)
	}
	// In its last hours a CA signs for what is left, and then no more.
	now = now.Add(11*time.Hour + 15*time.Minute)
	last, err := ca.leaf("api.example")
	if err != nil || last == again || !last.Leaf.NotAfter.Equal(ca.cert.NotAfter) {
		t.Fatalf("after 22.75 hours: %v", err)
	}
	if kept, _ := ca.leaf("api.example"); kept != last {
		t.Error("in its last hour the CA makes two certificates with one serial")
	}
	now = now.Add(2 * time.Hour)
	if _, err := ca.leaf("api.example"); err == nil {
		t.Error("the CA signs for a time after its own")
	}
	for i := range 3 * maxLeaves {
		ca.leaves[fmt.Sprint(i)] = first
		if len(ca.leaves) > maxLeaves {
			break
		}
	}
	now = now.Add(-12 * time.Hour)
	if _, err := ca.leaf("other.example"); err != nil || len(ca.leaves) > maxLeaves {
		t.Errorf("%d certificates are kept, %v", len(ca.leaves), err)
	}
}

// Serial numbers follow from host and time, whatever was asked for before.
func TestSerialIsFixed(t *testing.T) {
	now := time.Now()
	serials := func(hosts ...string) map[string]string {
		ca := newCA(t)
		ca.now = func() time.Time { return now }
		m := map[string]string{}
		for _, h := range hosts {
			c, err := ca.leaf(h)
			if err != nil {
				t.Fatal(err)
			}
			m[h] = c.Leaf.SerialNumber.String()
		}
		return m
	}
	a, b := serials("one.example", "two.example"), serials("two.example", "one.example")
	if a["one.example"] != b["one.example"] || a["two.example"] != b["two.example"] || a["one.example"] == a["two.example"] {
		t.Errorf("serials %v and %v", a, b)
	}
}

func TestCA(t *testing.T) {
	a, b := newCA(t).cert, newCA(t).cert
	if !a.IsCA || !a.MaxPathLenZero || a.KeyUsage != x509.KeyUsageCertSign || len(a.SubjectKeyId) == 0 {
		t.Errorf("CA %v, path length %d, usage %v", a.IsCA, a.MaxPathLen, a.KeyUsage)
	}
	if a.Subject.String() == b.Subject.String() || a.SerialNumber.Cmp(b.SerialNumber) == 0 || bytes.Equal(a.SubjectKeyId, b.SubjectKeyId) {
		t.Error("two runs' CAs look the same")
	}
	if life := time.Until(a.NotAfter); life > 24*time.Hour {
		t.Errorf("believed for %v", life)
	}
}

// A CA for known hosts is believed for no other, by Go and by OpenSSL.
func TestNameConstraints(t *testing.T) {
	for _, c := range []struct{ hosts, good, bad []string }{
		{[]string{"api.example", "192.0.2.7"}, []string{"api.example", "x.api.example", "192.0.2.7"}, []string{"evil.example", "xapi.example", "192.0.2.8", "2001:db8::7"}},
		{[]string{"api.example"}, []string{"api.example"}, []string{"evil.example", "192.0.2.7", "::1"}},
		{[]string{"2001:db8::7"}, []string{"2001:db8::7"}, []string{"api.example", "2001:db8::8", "192.0.2.7"}},
	} {
		ca := newCA(t, c.hosts...)
		pool := x509.NewCertPool()
		pool.AddCert(ca.cert)
		verify := func(host string) (error, error) {
			leaf, err := ca.leaf(host)
			if err != nil {
				t.Fatal(err)
			}
			_, err = leaf.Leaf.Verify(x509.VerifyOptions{Roots: pool})
			return err, openssl(t, ca.PEM(), leaf.Certificate[0])
		}
		for _, host := range c.good {
			if goErr, sslErr := verify(host); goErr != nil || sslErr != nil {
				t.Errorf("constrained to %q: %s: Go: %v; OpenSSL: %v", c.hosts, host, goErr, sslErr)
			}
		}
		for _, host := range c.bad {
			if goErr, sslErr := verify(host); goErr == nil || sslErr == nil {
				t.Errorf("constrained to %q: %s is believed: Go: %v; OpenSSL: %v", c.hosts, host, goErr, sslErr)
			}
		}
	}
	if _, err := NewCA("*.example"); err == nil {
		t.Error("a pattern was taken for a host")
	}
}

// openssl verifies a certificate as strictly as OpenSSL can.
func openssl(t *testing.T, ca, leaf []byte) error {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	out, err := exec.Command("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", write("ca.pem", ca),
		write("leaf.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}))).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// The CA's key is in no file, and not in the environment, nor is a leaf's.
func TestKeyStaysInMemory(t *testing.T) {
	home := t.TempDir()
	t.Chdir(home)
	for _, name := range []string{"HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, home)
	}
	f := open(t, echo, nil)
	do(t, f.client(true), "GET", "https://api.example/", nil)
	leaf, err := f.ca.leaf("api.example")
	if err != nil {
		t.Fatal(err)
	}
	var spellings [][]byte
	for _, key := range []*ecdsa.PrivateKey{f.ca.key.(*ecdsa.PrivateKey), leaf.PrivateKey.(*ecdsa.PrivateKey)} {
		raw, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		spellings = append(spellings, raw, []byte(hex.EncodeToString(raw)), []byte(base64.StdEncoding.EncodeToString(raw)), []byte("PRIVATE KEY"))
	}
	holds := func(b []byte) bool {
		for _, s := range spellings {
			if bytes.Contains(b, s) {
				return true
			}
		}
		return false
	}
	if holds([]byte(strings.Join(os.Environ(), "\n"))) {
		t.Error("a key is in the environment")
	}
	if holds(f.ca.PEM()) || holds(fmt.Appendf(nil, "%v %+v %#v", f.ca, f.ca, *leaf.Leaf)) {
		t.Error("a key is in what a CA shows of itself")
	}
	filepath.WalkDir(home, func(name string, d fs.DirEntry, err error) error {
		if name != home {
			t.Errorf("%s was written", name)
		}
		return err
	})
	block, rest := pem.Decode(f.ca.PEM())
	if block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 {
		t.Errorf("PEM: %q", f.ca.PEM())
	}
}
