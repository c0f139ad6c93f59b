package sandbox

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// network makes the box's network and returns its listeners.
func (i *inside) network() ([]*os.File, error) {
	o := &i.orders
	if o.Conducted {
		// There is IPv6 inside wherever the kernel has it.
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("0"), 0)
		if err := talk(unix.NETLINK_ROUTE, []request{setUp()}); err != nil {
			return nil, fmt.Errorf("loopback interface: %w", err)
		}
		o.IPv6 = hasIPv6()
	}
	v6 := o.IPv6
	if !v6 {
		// A machine without IPv6 is one inside as well.
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0)
	}
	if o.FirstPort != "" {
		_ = os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte(o.FirstPort), 0)
	}
	rs := []request{setUp(), addAddr(ownAddr), routeAll(ownAddr)}
	if v6 {
		rs = append(rs, routeAll(netip.IPv6Loopback()))
	}
	if err := talk(unix.NETLINK_ROUTE, rs); err != nil {
		return nil, fmt.Errorf("loopback interface: %w", err)
	}
	if err := o.filter(unix.NFPROTO_IPV4, "nf_tables"); err != nil {
		return nil, err
	}
	hosts := []string{"127.0.0.1"}
	if v6 {
		if err := o.filter(unix.NFPROTO_IPV6, "nf_tables for IPv6"); err != nil {
			return nil, err
		}
		hosts = append(hosts, "::1")
	}
	var files []*os.File
	for _, host := range hosts {
		f, err := listen(host)
		if err != nil {
			return nil, err
		}
		files = append(files, f...)
	}
	return files, nil
}

// tryRedirect connects to addresses of documentation: inside a box that works
// they arrive at its listeners.
func tryRedirect(v6 bool) error {
	addrs := []string{"192.0.2.1:7"}
	if v6 {
		addrs = append(addrs, "[2001:db8::1]:7")
	}
	for _, a := range addrs {
		c, err := net.DialTimeout("tcp", a, 2*time.Second)
		if err != nil {
			return fmt.Errorf("a connection was not redirected: %w", err)
		}
		c.Close()
	}
	return nil
}

// filter installs the rules of one family.
func (o *orders) filter(fam byte, what string) error {
	v6 := fam == unix.NFPROTO_IPV6
	s := ruleset{family: fam, allowed: allowedPorts(o.Allow, v6, o.Own)}
	if !v6 {
		s.own = append(s.own, ownAddr)
	}
	for _, a := range o.Own {
		if a.Is6() == v6 {
			s.own = append(s.own, a)
		}
	}
	if err := talk(unix.NETLINK_NETFILTER, s.requests()); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// allowedPorts returns the ports of this machine that are reached outside.
func allowedPorts(allow []Endpoint, v6 bool, own []netip.Addr) []allowedPort {
	var ports []allowedPort
	for _, e := range allow {
		if e.loopback() {
			ports = append(ports, allowedPort{port: uint16(e.Port)})
			continue
		}
		a, ok := e.addr()
		for _, mine := range own {
			if ok && a == mine && a.Is6() == v6 {
				ports = append(ports, allowedPort{addr: a, port: uint16(e.Port)})
			}
		}
	}
	return ports
}

// listen opens the listeners of one loopback address.
func listen(host string) ([]*os.File, error) {
	all, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(transparentPort)))
	if err != nil {
		return nil, err
	}
	defer all.Close()
	names, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(dnsPort)))
	if err != nil {
		return nil, err
	}
	defer names.Close()
	packets, err := net.ListenPacket("udp", net.JoinHostPort(host, fmt.Sprint(dnsPort)))
	if err != nil {
		return nil, err
	}
	defer packets.Close()
	var files []*os.File
	for _, s := range []interface{ File() (*os.File, error) }{all.(*net.TCPListener), names.(*net.TCPListener), packets.(*net.UDPConn)} {
		f, err := s.File()
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// ownAddrs returns the addresses of this machine, without loopback and those
// that mean something on one link only.
func ownAddrs() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		ip := p.Addr().Unmap()
		if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip == ownAddr || len(own) == 64 {
			continue
		}
		own = append(own, ip)
	}
	return own
}

// hasIPv6 reports whether the loopback interface has ::1.
func hasIPv6() bool {
	f, err := os.Open("/proc/net/if_inet6")
	if err != nil {
		return false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasPrefix(s.Text(), "00000000000000000000000000000001 ") {
			return true
		}
	}
	return false
}

// originalTarget returns what a redirected connection was meant for.
func originalTarget(c *net.TCPConn) (netip.AddrPort, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	local, ok := c.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("no local address")
	}
	var target netip.AddrPort
	var optErr error
	err = raw.Control(func(fd uintptr) {
		if local.IP.To4() != nil {
			target, optErr = originalTarget4(int(fd))
		} else {
			target, optErr = originalTarget6(int(fd))
		}
	})
	if err == nil {
		err = optErr
	}
	return target, err
}

// originalTarget4 reads a sockaddr_in: family, port, address.
func originalTarget4(fd int) (netip.AddrPort, error) {
	// A getter for sixteen bytes that x/sys has under another name.
	m, err := unix.GetsockoptIPv6Mreq(fd, unix.SOL_IP, unix.SO_ORIGINAL_DST)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("original target: %w", err)
	}
	b := m.Multiaddr
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:])), nil
}

// originalTarget6 reads a sockaddr_in6: family, port, flow, address.
func originalTarget6(fd int) (netip.AddrPort, error) {
	// As above, for thirty-two bytes of which the first twenty-eight count.
	m, err := unix.GetsockoptIPv6MTUInfo(fd, unix.SOL_IPV6, unix.SO_ORIGINAL_DST)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("original target: %w", err)
	}
	// The port stands in the order of the network.
	port := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, m.Addr.Port))
	return netip.AddrPortFrom(netip.AddrFrom16(m.Addr.Addr), port), nil
}
