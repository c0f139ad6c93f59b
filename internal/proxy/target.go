package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// metadata are the addresses at which clouds hand out credentials to whoever
// asks from inside, beside all link-local ones.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd00:ec2::23"),    // AWS EKS
	netip.MustParseAddr("fd20:ce::254"),    // Google
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("192.0.0.192"),     // Oracle
}

// metadataNames resolve to them inside those clouds.
var metadataNames = []string{"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}

// NotMetadata refuses the metadata services of clouds, by name and by
// address, also where the address is wrapped in an IPv6 one. A name that
// resolves to one of these addresses can be told only by who resolves it:
// [MetadataAddr].
func NotMetadata(t Target) error {
	host := strings.TrimSuffix(t.Host, ".")
	for _, name := range metadataNames {
		if host == name {
			return fmt.Errorf("%s is a cloud's metadata service: it is reached only when allowed by name", t)
		}
	}
	addr := t.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		addr = a
	}
	if MetadataAddr(addr) || MetadataAddr(t.Addr) {
		return fmt.Errorf("%s is a metadata or link-local address: it is reached only when allowed by name", t)
	}
	return nil
}

// MetadataAddr reports whether a is link-local or known as the address of a
// cloud's metadata service, as it is or wrapped: mapped (::ffff:0:0/96),
// compatible (::/96), NAT64 (64:ff9b::/96) or 6to4 (2002::/16).
func MetadataAddr(a netip.Addr) bool {
	a = unwrap(a.WithZone(""))
	if a.IsLinkLocalUnicast() {
		return true
	}
	for _, m := range metadata {
		if a == m {
			return true
		}
	}
	return false
}

// unwrap returns the IPv4 address that a stands for, or a.
func unwrap(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case strings.HasPrefix(string(b[:]), "\x00\x64\xff\x9b\x00\x00\x00\x00\x00\x00\x00\x00"),
		strings.HasPrefix(string(b[:]), "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00") && b[12] != 0:
		return netip.AddrFrom4([4]byte(b[12:]))
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

// parseAuthority reads "host", "host:port" or "[address]:port". The port is
// 0 when there is none.
func parseAuthority(s string) (Target, error) {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
		if !digits(port) || len(port) > 5 {
			return Target{}, fmt.Errorf("authority %.80q: malformed port", s)
		}
	}
	t, err := parseHost(host)
	if err != nil {
		return Target{}, fmt.Errorf("authority %.80q: %w", s, err)
	}
	if port != "" {
		t.Port, _ = strconv.Atoi(port)
		if t.Port == 0 || t.Port > 65535 {
			return Target{}, fmt.Errorf("authority %.80q: no such port", s)
		}
	}
	return t, nil
}

// parseHost reads a name or an address, an IPv6 one in brackets.
func parseHost(host string) (Target, error) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		if !ok || err != nil || !a.Is6() || a.Zone() != "" {
			return Target{}, errors.New("malformed IPv6 address")
		}
		return Target{Host: a.String(), Addr: a}, nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if err := checkName(name); err != nil {
		return Target{}, err
	}
	// A last label that is a number makes it an address (WHATWG URL,
	// section 3.5), and of the many spellings that C libraries take,
	// "0xa9fea9fe" among them, only the plain one has one meaning.
	last := name[strings.LastIndexByte(name, '.')+1:]
	if digits(last) || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "" {
		a, err := netip.ParseAddr(name)
		if err != nil {
			return Target{}, errors.New("malformed IPv4 address")
		}
		return Target{Host: name, Addr: a}, nil
	}
	return Target{Host: name}, nil
}

// checkName holds a host name to letters, digits, hyphens and underscores in
// labels (RFC 1123, section 2.1, and what is in use).
func checkName(name string) error {
	if name == "" || len(name) > 253 {
		return errors.New("malformed host name")
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return errors.New("malformed host name")
		}
	}
	return nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// name returns what t is called in a URL without a port.
func (t Target) name() string {
	host := t.Host
	if host == "" {
		host = t.Addr.String()
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// origin returns scheme, host and port of t as a URL begins, the default port
// left out.
func (t Target) origin(scheme string) string {
	if t.Port == defaultPort(scheme) {
		return scheme + "://" + t.name()
	}
	return scheme + "://" + t.name() + ":" + strconv.Itoa(t.Port)
}

func defaultPort(scheme string) int {
	if scheme == "https" {
		return 443
	}
	return 80
}

// isLoopback reports whether the address of c's other end is one of this
// machine's loopback ones.
func isLoopback(c net.Conn) bool {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}
