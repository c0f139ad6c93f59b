//go:build linux && amd64

package box

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Where the program has no network of its own, its sockets are put at 256
// loopback addresses that nothing else of the machine's uses, and the names
// that it gives and is told are changed:
//
//	127.0.0.7:80            127.A.B.7:80
//	0.0.0.0:80              127.A.B.1:80
//	[::1]:80, [::]:80       [::ffff:127.A.B.254]:80
//	its own address         127.A.B.253
//	a server of names       127.A.B.252, where the tracer answers
//	anywhere else, by UDP   127.A.B.250, where nobody listens
//
// Nothing leaves: what would go anywhere else goes there.

// The last bytes of these addresses.
const (
	nowhere   = 250
	nameHost  = 252
	ownHost   = 253
	sixHost   = 254
	firstHost = 1
)

// An inner is that network.
type inner struct {
	net   [3]byte
	own4  netip.Addr
	names int // the port of the server of names
	// addsSix: the machine's loopback interface lacks ::1, as in most
	// containers, and the program's does not.
	addsSix bool
	ports   map[uint16]uint16         // of the program, on the machine
	back    map[uint16]uint16         // and the other way round
	bound   map[uint64]netip.AddrPort // what sockets were bound to, by inode
	asked   map[uint64]netip.AddrPort // whom sockets for packets send to
}

// namePort is where the server of names is tried: who has it has the network.
const namePort = 47053

// newInner finds a network that is free, and opens the server of names.
func newInner(own4 netip.Addr, start int) (n *inner, names int, err error) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("a network of its own: %w", err)
	}
	const most = 1 << 14
	for i := range most {
		k := (start + i) % most
		n = &inner{
			net: [3]byte{127, byte(64 + k>>8), byte(k)}, own4: own4, names: namePort,
			bound: map[uint64]netip.AddrPort{}, asked: map[uint64]netip.AddrPort{},
			ports: map[uint16]uint16{}, back: map[uint16]uint16{},
		}
		err = unix.Bind(s, &unix.SockaddrInet4{Addr: n.host(nameHost).As4(), Port: n.names})
		if err != unix.EADDRINUSE {
			break
		}
	}
	if err != nil {
		unix.Close(s)
		return nil, -1, fmt.Errorf("a network of its own: %w", err)
	}
	return n, s, nil
}

func (n *inner) host(last byte) netip.Addr {
	return netip.AddrFrom4([4]byte{n.net[0], n.net[1], n.net[2], last})
}

// last returns which of the network's addresses stands for one of the
// program's.
func (n *inner) last(a netip.Addr) byte {
	a = a.Unmap()
	switch {
	case a.Is4() && a.IsLoopback():
		b := a.As4()[3]
		if b == 0 || b >= nowhere {
			return firstHost
		}
		return b
	case a.Is4() && a.IsUnspecified():
		return firstHost
	case a == n.own4:
		return ownHost
	case a.IsLoopback(), a.IsUnspecified():
		return sixHost
	}
	return nowhere
}

// reach returns where the kernel is to send what the program sends to an
// address: who listens at all addresses listens at one here.
func (n *inner) reach(a netip.AddrPort, tcp bool) netip.AddrPort {
	if !tcp && a.Port() == 53 {
		return netip.AddrPortFrom(n.host(nameHost), uint16(n.names))
	}
	last, port := n.last(a.Addr()), n.port(a.Port())
	try := []byte{last}
	if last == ownHost || last > firstHost && last < nowhere {
		try = append(try, firstHost)
	}
	if last != nowhere && last != sixHost {
		try = append(try, sixHost)
	}
	if len(try) > 1 {
		there := n.listening(tcp)
		for _, l := range try {
			if there[n.hex(l, port)] {
				last = l
				break
			}
		}
	}
	return netip.AddrPortFrom(n.host(last), port)
}

// hex is an address as /proc/net/tcp has it.
func (n *inner) hex(last byte, port uint16) string {
	return fmt.Sprintf("%02X%02X%02X%02X:%04X", last, n.net[2], n.net[1], n.net[0], port)
}

// listening returns the addresses at which somebody listens, IPv6's without
// what comes before those of IPv4.
func (n *inner) listening(tcp bool) map[string]bool {
	there := map[string]bool{}
	names, state := []string{"tcp", "tcp6"}, "0A"
	if !tcp {
		names, state = []string{"udp", "udp6"}, "07"
	}
	for _, name := range names {
		b, err := os.ReadFile("/proc/net/" + name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) > 3 && f[3] == state {
				there[f[1][max(0, len(f[1])-len("7F000001:0050")):]] = true
			}
		}
	}
	return there
}

// seen returns what the program is told of an address of the network; false
// for any other. Six says that its socket is one of IPv6.
func (n *inner) seen(a netip.AddrPort, six bool) (netip.AddrPort, bool) {
	b := a.Addr().Unmap()
	if !b.Is4() || [3]byte(b.AsSlice()[:3]) != n.net {
		return a, false
	}
	last, port := b.As4()[3], n.seenPort(a.Port())
	to := netip.AddrFrom4([4]byte{127, 0, 0, last})
	switch {
	case last == sixHost && six:
		return netip.AddrPortFrom(netip.IPv6Loopback(), port), true
	case last == sixHost:
		to = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case last == ownHost && n.own4.IsValid():
		to = n.own4
	}
	if six {
		to = netip.AddrFrom16(to.As16())
	}
	return netip.AddrPortFrom(to, port), true
}

// seenHex changes an address of /proc/net/tcp, tcp6 and their like; false for
// one that is not of the network.
func (n *inner) seenHex(s string) (string, bool) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return s, false
	}
	flip(b)
	a, _ := netip.AddrFromSlice(b)
	if p, err := strconv.ParseUint(port, 16, 16); err == nil {
		port = fmt.Sprintf("%04X", n.seenPort(uint16(p)))
	}
	to, ok := n.seen(netip.AddrPortFrom(a, 0), len(b) == 16)
	if !ok {
		return s, a.IsUnspecified()
	}
	b = to.Addr().AsSlice()
	flip(b)
	return strings.ToUpper(hex.EncodeToString(b)) + ":" + port, true
}

// flip turns each four bytes around.
func flip(b []byte) {
	for i := 0; i+4 <= len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.LittleEndian.Uint32(b[i:]))
	}
}

// from returns what a socket that has no name yet is bound to for sending
// somewhere.
func (n *inner) from(name unix.Sockaddr, to netip.AddrPort) unix.Sockaddr {
	last := byte(firstHost)
	switch n.last(to.Addr()) {
	case nowhere:
		last = ownHost
	case sixHost:
		last = sixHost
	}
	if to.Port() == 53 {
		last = ownHost
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		if a.Port == 0 {
			a.Addr = n.host(last).As4()
		}
	case *unix.SockaddrInet6:
		if a.Port == 0 {
			a.Addr = n.host(last).As16()
		}
	}
	return name
}
