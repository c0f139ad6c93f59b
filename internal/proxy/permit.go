package proxy

import (
	"fmt"
	"net/netip"
	"slices"
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
	literal, _ := netip.ParseAddr(t.Host)
	if slices.Contains(metadataNames, t.Host) || MetadataAddr(literal) || MetadataAddr(t.Addr) {
		return fmt.Errorf("%s is a cloud's metadata service or a link-local address: reached only with --allow %s", t, t)
	}
	return nil
}

// Outside refuses this machine and its network, and metadata services, for
// programs that are shut in. A name that resolves to a local address can be
// told only by who resolves it: [LocalAddr].
func Outside(t Target) error {
	if err := NotMetadata(t); err != nil {
		return err
	}
	addr := t.Addr
	if t.Host != "" {
		addr, _ = netip.ParseAddr(t.Host)
	}
	if LocalAddr(addr) || Localhost(t.Host) {
		return fmt.Errorf("%s is on this machine or its network: reached only with --allow %s", t, t)
	}
	return nil
}

// Localhost reports whether name means this machine (RFC 6761, section 6.3).
func Localhost(name string) bool {
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// LocalAddr reports whether a, as it is or wrapped as [MetadataAddr] says, is
// an address of this machine or its network, or of no machine at all.
func LocalAddr(a netip.Addr) bool {
	a = unwrap(a.WithZone(""))
	return a.IsValid() && (a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified())
}

// MetadataAddr reports whether a is link-local or known as the address of a
// cloud's metadata service, as it is or wrapped: mapped (::ffff:0:0/96),
// compatible (::/96), NAT64 (64:ff9b::/96) or 6to4 (2002::/16).
func MetadataAddr(a netip.Addr) bool {
	a = unwrap(a.WithZone(""))
	if a.IsLinkLocalUnicast() {
		return true
	}
	return slices.Contains(metadata, a)
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
