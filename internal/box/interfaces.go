//go:build linux && amd64

package box

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// Where the program has no network of its own, what netlink tells of the
// machine's is changed, rtnetlink(7): there is the loopback interface, with its
// addresses and the program's own, and there are no routes.

// loopback is its number.
const loopback = 1

// A netMessage is one of netlink: length 4, type 2, flags 2, sequence 4, port
// 4, then what the type says.
type netMessage []byte

func (m netMessage) kind() uint16 { return binary.LittleEndian.Uint16(m[4:]) }

// netMessages splits what has been received; nil when it is something else.
func netMessages(b []byte) (out []netMessage) {
	for len(b) >= unix.NLMSG_HDRLEN {
		n := int(binary.LittleEndian.Uint32(b))
		if n < unix.NLMSG_HDRLEN || n > len(b) {
			return nil
		}
		out = append(out, slices.Clone(b[:n]))
		b = b[min((n+3)&^3, len(b)):]
	}
	return out
}

// tellLinks changes messages at an address where there is room for as many
// bytes, and returns how many they are then. When nothing is left of them, the
// call, whose registers are r, is made again.
func (x *tracer) tellLinks(t *thread, r *unix.PtraceRegs, at uint64, n, room int) int64 {
	for {
		if n > room {
			return int64(n) // only its length was asked for
		}
		all := netMessages(t.read(at, n))
		out := x.ownLinks(all)
		if len(out) == 0 && len(all) > 0 {
			ret := x.further(t, uintptr(r.Orig_rax), r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9)
			if ret <= 0 {
				return ret
			}
			n = int(ret)
			continue
		}
		if len(out) > room || !t.write(at, out) {
			return int64(n)
		}
		return int64(len(out))
	}
}

// ownLinks returns what the program is told of messages.
func (x *tracer) ownLinks(all []netMessage) (out []byte) {
	for _, m := range all {
		port := int(binary.LittleEndian.Uint32(m[12:]))
		if id := x.ids.inside[port]; id != 0 {
			binary.LittleEndian.PutUint32(m[12:], uint32(id))
		}
		index := uint32(0)
		if len(m) >= 24 { // of struct ifinfomsg and struct ifaddrmsg
			index = binary.LittleEndian.Uint32(m[20:])
		}
		switch m.kind() {
		case unix.RTM_NEWLINK, unix.RTM_NEWADDR:
			if index != loopback {
				continue
			}
		case unix.RTM_NEWROUTE, unix.RTM_NEWNEIGH, unix.RTM_NEWRULE:
			continue
		}
		out = append(out, m...)
		if m.kind() == unix.RTM_NEWADDR && m[16] == unix.AF_INET && x.inner.own4.IsValid() {
			out = append(out, x.inner.ownAddress(m)...)
		}
	}
	return out
}

// ownAddress makes, of the message about 127.0.0.1, one about the program's
// own address. struct ifaddrmsg: family, length of the prefix, flags, scope,
// index 4; then attributes of length 2, type 2 and a value.
func (n *inner) ownAddress(of netMessage) netMessage {
	m := slices.Clone(of)
	m[17], m[19] = 32, unix.RT_SCOPE_UNIVERSE
	as4 := n.own4.As4()
	for at := 24; at+8 <= len(m); {
		size := int(binary.LittleEndian.Uint16(m[at:]))
		if size < 4 {
			break
		}
		if kind := binary.LittleEndian.Uint16(m[at+2:]); size == 8 && (kind == unix.IFA_ADDRESS || kind == unix.IFA_LOCAL) {
			copy(m[at+4:], as4[:])
		}
		at += (size + 3) &^ 3
	}
	return m
}

// fromKernel reports whether a name is that of the kernel's end of netlink.
func (t *thread) fromKernel(at uint64) bool {
	b := t.read(at, 8)
	return len(b) == 8 && binary.LittleEndian.Uint16(b) == unix.AF_NETLINK && binary.LittleEndian.Uint32(b[4:]) == 0
}
