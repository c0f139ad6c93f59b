package sandbox

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A request is one netlink message: a header, a fixed part, attributes.
//
//	| length u32 | type u16 | flags u16 | sequence u32 | port u32 | fixed … | attributes … |
type request struct {
	typ, flags uint16
	body       []byte
}

// attr appends an attribute: its length and type, the value, padding to four
// bytes.
func attr(b []byte, typ uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func nested(b []byte, typ uint16, value []byte) []byte {
	return attr(b, typ|unix.NLA_F_NESTED, value)
}

func attrString(b []byte, typ uint16, s string) []byte {
	return attr(b, typ, append([]byte(s), 0))
}

// attrBE appends a number in the byte order of the network, which nftables uses.
func attrBE(b []byte, typ uint16, n uint32) []byte {
	return attr(b, typ, binary.BigEndian.AppendUint32(nil, n))
}

// talk sends requests to a netlink family and waits until each that asked
// for an acknowledgement has it.
func talk(family int, rs []request) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, family)
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	defer unix.Close(fd)
	var out []byte
	acks := 0
	for i, r := range rs {
		if r.flags&unix.NLM_F_ACK != 0 {
			acks++
		}
		out = binary.NativeEndian.AppendUint32(out, uint32(unix.NLMSG_HDRLEN+len(r.body)))
		out = binary.NativeEndian.AppendUint16(out, r.typ)
		out = binary.NativeEndian.AppendUint16(out, r.flags|unix.NLM_F_REQUEST)
		out = binary.NativeEndian.AppendUint32(out, uint32(i+1))
		out = binary.NativeEndian.AppendUint32(out, 0)
		out = append(out, r.body...)
	}
	if err := unix.Sendto(fd, out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	buf := make([]byte, 64<<10)
	for acks > 0 {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return fmt.Errorf("netlink: %w", err)
		}
		got, err := readAcks(buf[:n])
		if err != nil {
			return err
		}
		acks -= got
	}
	return nil
}

// readAcks counts the acknowledgements of a datagram.
func readAcks(b []byte) (acks int, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			break
		}
		if binary.NativeEndian.Uint16(b[4:]) == unix.NLMSG_ERROR && size >= unix.NLMSG_HDRLEN+4 {
			if code := int32(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN:])); code != 0 {
				return acks, fmt.Errorf("netlink request %d: %w", binary.NativeEndian.Uint32(b[8:]), unix.Errno(-code))
			}
			acks++
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return acks, nil
}

// loopback is the index of the loopback interface: the first of every network.
const loopback = 1

// setUp brings the loopback interface up.
func setUp() request {
	b := []byte{unix.AF_UNSPEC, 0, 0, 0}
	b = binary.NativeEndian.AppendUint32(b, loopback)
	b = binary.NativeEndian.AppendUint32(b, unix.IFF_UP) // flags
	b = binary.NativeEndian.AppendUint32(b, unix.IFF_UP) // which of them change
	return request{typ: unix.RTM_NEWLINK, flags: unix.NLM_F_ACK, body: b}
}

// addAddr gives the loopback interface an address.
func addAddr(a netip.Addr) request {
	b := []byte{family(a), byte(a.BitLen()), unix.IFA_F_PERMANENT, unix.RT_SCOPE_UNIVERSE}
	b = binary.NativeEndian.AppendUint32(b, loopback)
	b = attr(b, unix.IFA_LOCAL, a.AsSlice())
	b = attr(b, unix.IFA_ADDRESS, a.AsSlice())
	return request{typ: unix.RTM_NEWADDR, flags: unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL, body: b}
}

// routeAll makes every address of a family local, with src for what is sent
// to it: "ip route add local 0.0.0.0/0 dev lo src SRC".
func routeAll(src netip.Addr) request {
	b := []byte{family(src), 0, 0, 0, unix.RT_TABLE_LOCAL, unix.RTPROT_BOOT, unix.RT_SCOPE_HOST, unix.RTN_LOCAL, 0, 0, 0, 0}
	b = attr(b, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, loopback))
	b = attr(b, unix.RTA_PREFSRC, src.AsSlice())
	return request{typ: unix.RTM_NEWROUTE, flags: unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL, body: b}
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
