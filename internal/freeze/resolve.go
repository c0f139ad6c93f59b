package freeze

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ParseResolve parses HOST:PORT:ADDR, the form of curl's --resolve: calls to
// HOST at PORT go to ADDR, while everything else about them, the verified name
// of the server included, stays as it is. ADDR is an IP address, in brackets
// for IPv6, and may be followed by a port of its own, which curl's may not.
//
//	model.coo.invalid:80:127.0.0.1:40123
func ParseResolve(s string) (hostport, addr string, err error) {
	host, rest, ok1 := strings.Cut(s, ":")
	port, addr, ok2 := strings.Cut(rest, ":")
	if !ok1 || !ok2 || host == "" || addr == "" {
		return "", "", fmt.Errorf("%q: not of the form HOST:PORT:ADDR", s)
	}
	if !validPort(port) {
		return "", "", fmt.Errorf("%q: %q is not a port", s, port)
	}
	addr, err = completeAddr(addr, port)
	if err != nil {
		return "", "", fmt.Errorf("%q: %w", s, err)
	}
	return net.JoinHostPort(strings.ToLower(host), port), addr, nil
}

// completeAddr returns addr as IP:PORT, with port where it has none.
func completeAddr(addr, port string) (string, error) {
	if ap, err := netip.ParseAddrPort(addr); err == nil && ap.Port() != 0 {
		return ap.String(), nil
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]"))
	if err != nil {
		return "", fmt.Errorf("%q is not an IP address", addr)
	}
	return net.JoinHostPort(ip.String(), port), nil
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

// LoadCA returns the system's certificate authorities and those in pem, for
// a server or gateway of one's own. Verification stays on.
func LoadCA(pem []byte) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without a store trusts only pem
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in PEM form")
	}
	return pool, nil
}
