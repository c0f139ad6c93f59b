package sandbox

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// An Endpoint is a service that a program may reach although it is on this
// machine or its local network.
type Endpoint struct {
	Host string // a name in lower case, or an address
	Port int
}

// ParseEndpoint reads HOST:PORT: "localhost:11434", "[::1]:8000".
func ParseEndpoint(s string) (Endpoint, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return Endpoint{}, fmt.Errorf("%q: want HOST:PORT, such as localhost:11434", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Endpoint{}, fmt.Errorf("%q: the port is a number from 1 to 65535", s)
	}
	return Endpoint{Host: strings.TrimSuffix(strings.ToLower(host), "."), Port: int(n)}, nil
}

func (e Endpoint) String() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// addr returns the address that e names by itself.
func (e Endpoint) addr() (netip.Addr, bool) {
	a, err := netip.ParseAddr(e.Host)
	return a.Unmap(), err == nil
}

// loopback reports whether e is this machine itself, by address or by the
// one name that always means it.
func (e Endpoint) loopback() bool {
	if isLocalhost(e.Host) {
		return true
	}
	a, ok := e.addr()
	return ok && a.IsLoopback()
}

// allows reports whether an endpoint of the list names the target.
func allows(list []Endpoint, t Target) bool {
	for _, e := range list {
		if e.Port != t.Port {
			continue
		}
		if e.Host == t.Host && t.Host != "" {
			return true
		}
		if a, ok := e.addr(); ok && a == t.Addr.Unmap() {
			return true
		}
		if isLocalhost(e.Host) && t.Addr.IsLoopback() {
			return true
		}
	}
	return false
}

func isLocalhost(name string) bool {
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
