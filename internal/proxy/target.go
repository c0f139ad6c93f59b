package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

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

// named reports whether t is known by a name, and not by an address alone.
func (t Target) named() bool {
	_, err := netip.ParseAddr(t.Host)
	return t.Host != "" && err != nil
}

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
