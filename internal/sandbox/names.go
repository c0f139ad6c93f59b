package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"sync"
)

// Addresses inside the box. 198.18.0.0/15 is set apart for benchmarks
// (RFC 2544): no service lives there. Its first 256 addresses are not given to
// names. fd63:6f6f::/64 is a unique local prefix (RFC 4193).
var (
	ownAddr    = netip.MustParseAddr("198.18.0.1") // the program's own, beside 127.0.0.1
	serverAddr = netip.MustParseAddr("198.18.0.2") // what resolv.conf names
	fakePrefix = netip.MustParsePrefix("198.18.0.0/15")
	fakeULA    = netip.MustParsePrefix("fd63:6f6f::/64")
)

const (
	firstFake = 256
	allFakes  = 1 << 17
	maxNames  = 1 << 16 // names one program may look up
)

// names gives each name an address of its own. The address follows from the
// name, so that a program that shows it shows the same one each time; of two
// names that would share one, the later takes the next that is free.
type names struct {
	mu     sync.Mutex // lookups come from many sockets
	byName map[string][2]netip.Addr
	byAddr map[netip.Addr]string
}

func newNames() *names {
	return &names{byName: map[string][2]netip.Addr{}, byAddr: map[netip.Addr]string{}}
}

// addrs returns the IPv4 and the IPv6 address of a name, which is in lower
// case without a final dot; false when there are too many names.
func (n *names) addrs(name string) (v4, v6 netip.Addr, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a, ok := n.byName[name]; ok {
		return a[0], a[1], true
	}
	if len(n.byName) >= maxNames {
		return v4, v6, false
	}
	sum := sha256.Sum256([]byte(name))
	i := binary.BigEndian.Uint32(sum[:]) % (allFakes - firstFake)
	for v4 = fake4(i); n.byAddr[v4] != ""; v4 = fake4(i) {
		i = (i + 1) % (allFakes - firstFake)
	}
	low := binary.BigEndian.Uint64(sum[8:])
	for v6 = fake6(low); n.byAddr[v6] != ""; v6 = fake6(low) {
		low++
	}
	n.byName[name] = [2]netip.Addr{v4, v6}
	n.byAddr[v4], n.byAddr[v6] = name, name
	return v4, v6, true
}

// name returns the name an address was given to, or "".
func (n *names) name(a netip.Addr) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.byAddr[a.Unmap()]
}

func fake4(i uint32) netip.Addr {
	base := fakePrefix.Addr().As4()
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(base[:])+firstFake+i)
	return netip.AddrFrom4(b)
}

func fake6(low uint64) netip.Addr {
	b := fakeULA.Addr().As16()
	binary.BigEndian.PutUint64(b[8:], low)
	return netip.AddrFrom16(b)
}
