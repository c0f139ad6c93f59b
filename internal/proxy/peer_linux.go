package proxy

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// peerUser returns the user to whom the other end of c belongs. The kernel is
// asked for that one connection; where it does not answer (sock_diag(7) is a
// module), its whole table is read, which takes milliseconds.
func peerUser(c net.Conn) (int, error) {
	theirs, ours := addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())
	if uid, err := askUser(theirs, ours); err == nil {
		return uid, nil
	}
	return tableUser(theirs, ours)
}

func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// Sizes in bytes and places of what is said over netlink(7): struct nlmsghdr,
// inet_diag_req_v2 and inet_diag_msg.
const (
	sizeHeader  = 16
	sizeRequest = 56
	sizeMessage = 72
	placeUser   = sizeHeader + 64
)

// askUser asks for the socket that is bound to local and connected to remote.
func askUser(local, remote netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	patience := unix.NsecToTimeval(int64(time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		return 0, err
	}
	if err := unix.Sendto(fd, diagRequest(local, remote), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, err
	}
	b := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, b, 0)
	if err != nil {
		return 0, err
	}
	if n < sizeHeader+sizeMessage || binary.NativeEndian.Uint16(b[4:]) != unix.SOCK_DIAG_BY_FAMILY {
		return 0, errors.New("no such connection is known to the system")
	}
	return int(binary.NativeEndian.Uint32(b[placeUser:])), nil
}

// diagRequest is the question for one socket: no dump, any state, any cookie.
func diagRequest(local, remote netip.AddrPort) []byte {
	b := make([]byte, 0, sizeHeader+sizeRequest)
	b = binary.NativeEndian.AppendUint32(b, sizeHeader+sizeRequest)
	b = binary.NativeEndian.AppendUint16(b, unix.SOCK_DIAG_BY_FAMILY)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...) // sequence number and port: one question, one answer
	family := byte(unix.AF_INET)
	if local.Addr().Is6() {
		family = unix.AF_INET6
	}
	b = append(b, family, unix.IPPROTO_TCP, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, ^uint32(0))
	b = binary.BigEndian.AppendUint16(b, local.Port())
	b = binary.BigEndian.AppendUint16(b, remote.Port())
	for _, a := range []netip.Addr{local.Addr(), remote.Addr()} {
		var field [16]byte
		copy(field[:], a.AsSlice())
		b = append(b, field[:]...)
	}
	b = binary.NativeEndian.AppendUint32(b, 0) // any interface
	return binary.NativeEndian.AppendUint64(b, ^uint64(0))
}

// tableUser looks for the same socket in the kernel's tables (proc_net(5)).
func tableUser(local, remote netip.AddrPort) (int, error) {
	// A table is not one snapshot: a row can be missed while others come
	// and go.
	for range 3 {
		for _, file := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
			uid, err := findUser(file, local, remote)
			if err == nil || !errors.Is(err, os.ErrNotExist) {
				return uid, err
			}
		}
	}
	return 0, errors.New("no such connection is known to the system")
}

// findUser looks in one table; [os.ErrNotExist] when the socket, or the
// table, is not there.
func findUser(file string, local, remote netip.AddrPort) (int, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	rows := bufio.NewScanner(f)
	for rows.Scan() {
		fields := strings.Fields(rows.Text())
		if len(fields) >= 8 && parseSocket(fields[1]) == local && parseSocket(fields[2]) == remote {
			return strconv.Atoi(fields[7])
		}
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("%s: %w", file, os.ErrNotExist)
}

// parseSocket reads "0100007F:1F90": the address in words of the machine's
// byte order, the port as a number.
func parseSocket(s string) netip.AddrPort {
	addr, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(addr)
	p, perr := strconv.ParseUint(port, 16, 16)
	if err != nil || perr != nil || len(b)%4 != 0 {
		return netip.AddrPort{}
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(p))
}
