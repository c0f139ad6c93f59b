package proxy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	// caLife is how long a CA is believed from now on. A program that runs
	// longer makes no new TLS connections after that: who believes a CA
	// reads it once, so it cannot be given a longer life later.
	caLife = 24 * time.Hour
	// leafLife is how long a certificate for one host is believed, half of it
	// before now: clocks differ. It ends no later than that of the CA.
	leafLife = 24 * time.Hour
	// maxLeaves bounds the certificates kept at a time.
	maxLeaves = 1024
)

// A CA signs certificates for the hosts a program connects to. It is made for
// one run. Its key is nowhere but in the memory of this process; no method
// gives it away.
type CA struct {
	cert *x509.Certificate
	key  crypto.Signer
	now  func() time.Time
	// leafKey makes the key of a certificate, life is how long one is valid.
	leafKey func(host string) (crypto.Signer, error)
	life    time.Duration
	secret  []byte // what all of an exact CA follows from

	mu     sync.Mutex // guards leaves
	leaves map[string]*tls.Certificate
}

// NewCA makes a certificate authority. With hosts, names or addresses, it is
// constrained to them (RFC 5280, section 4.2.1.10): whoever believes it
// believes it for nothing else, but for names below those named, which such
// constraints include.
func NewCA(hosts ...string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("proxy: ca: %w", err)
	}
	ca := &CA{
		key: key, now: time.Now, leaves: map[string]*tls.Certificate{}, life: leafLife,
		leafKey: func(string) (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
	}
	return ca, ca.begin(caLife, hosts)
}

// begin signs the CA's own certificate.
func (ca *CA) begin(life time.Duration, hosts []string) error {
	pub, err := x509.MarshalPKIXPublicKey(ca.key.Public())
	if err != nil {
		return fmt.Errorf("proxy: ca: %w", err)
	}
	id := sha256.Sum256(pub)
	now := ca.now()
	template := &x509.Certificate{
		SerialNumber: serial(id[:]),
		// The name differs from that of every other run's CA, for trust
		// stores find issuers by name.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("coo run CA %x", id[:8]), Organization: []string{"coo, valid for one run on one machine"}},
		NotBefore:             now.Add(-leafLife / 2),
		NotAfter:              now.Add(life),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
		SubjectKeyId:          id[:20],
	}
	if err := constrain(template, hosts); err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ca.key.Public(), ca.key)
	if err == nil {
		ca.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		return fmt.Errorf("proxy: ca: %w", err)
	}
	return nil
}

// constrain puts hosts into the name constraints of a CA's template. A kind
// of name of which there is none is excluded whole: absent constraints would
// allow all of it.
func constrain(c *x509.Certificate, hosts []string) error {
	if len(hosts) == 0 {
		return nil
	}
	c.PermittedDNSDomainsCritical = true
	for _, host := range hosts {
		t, err := parseHost(bracketed(host))
		switch {
		case err != nil:
			return fmt.Errorf("proxy: ca: host %.80q: %w", host, err)
		case t.Addr.IsValid():
			ip := net.IP(t.Addr.AsSlice())
			c.PermittedIPRanges = append(c.PermittedIPRanges, &net.IPNet{IP: ip, Mask: net.CIDRMask(8*len(ip), 8*len(ip))})
		default:
			c.PermittedDNSDomains = append(c.PermittedDNSDomains, t.Host)
		}
	}
	if c.PermittedIPRanges == nil {
		for _, all := range []string{"0.0.0.0/0", "::/0"} {
			_, network, _ := net.ParseCIDR(all)
			c.ExcludedIPRanges = append(c.ExcludedIPRanges, network)
		}
	}
	if c.PermittedDNSDomains == nil {
		c.ExcludedDNSDomains = []string{""}
	}
	return nil
}

// PEM returns the certificate, never the key, in PEM.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// leaf returns a certificate for one host, a name or an address, with its
// key, which is as little to be had as the CA's own.
func (ca *CA) leaf(host string) (*tls.Certificate, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	now := ca.now()
	if c, ok := ca.leaves[host]; ok && (now.Add(time.Hour).Before(c.Leaf.NotAfter) || c.Leaf.NotAfter.Equal(ca.cert.NotAfter)) && now.Before(c.Leaf.NotAfter) {
		return c, nil
	}
	c, err := ca.sign(host, now)
	if err != nil {
		return nil, fmt.Errorf("proxy: certificate for %.80q: %w", host, err)
	}
	if len(ca.leaves) >= maxLeaves {
		clear(ca.leaves)
	}
	ca.leaves[host] = c
	return c, nil
}

func (ca *CA) sign(host string, now time.Time) (*tls.Certificate, error) {
	t, err := parseHost(bracketed(host))
	if err != nil {
		return nil, err
	}
	key, err := ca.leafKey(host)
	if err != nil {
		return nil, err
	}
	from := now.Add(-leafLife / 2).UTC().Truncate(time.Second)
	// One serial for one host and one time: two certificates of an issuer
	// with one serial would be refused by some clients, a serial from a
	// counter would depend on which host came first.
	sum := sha256.Sum256([]byte(host + "\n" + from.Format(time.RFC3339)))
	template := &x509.Certificate{
		SerialNumber:          serial(sum[:]),
		Subject:               pkix.Name{Organization: []string{"coo"}},
		NotBefore:             from,
		NotAfter:              from.Add(ca.life),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if t.Addr.IsValid() {
		template.IPAddresses = []net.IP{t.Addr.Unmap().AsSlice()}
	} else {
		template.DNSNames = []string{t.Host}
	}
	if !now.Before(ca.cert.NotAfter) {
		return nil, errors.New("the CA of this run has expired: it is believed for 24 hours")
	}
	if template.NotAfter.After(ca.cert.NotAfter) {
		template.NotAfter = ca.cert.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// serial makes a certificate's serial number, positive and of at most 20
// bytes, of a hash.
func serial(sum []byte) *big.Int {
	b := append([]byte{0x40 | sum[0]&0x3f}, sum[1:16]...)
	return new(big.Int).SetBytes(b)
}

// bracketed returns a host as it stands in a URL.
func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
