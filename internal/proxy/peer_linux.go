package proxy

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// peerUser returns the user to whom the other end of c belongs, from the
// kernel's tables (proc_pid_net(5)).
func peerUser(c net.Conn) (int, error) {
	theirs, ours := addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())
	// The table is not one snapshot: a row can be missed while others come
	// and go.
	for range 3 {
		for _, file := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
			uid, ok, err := findUser(file, theirs, ours)
			if ok || err != nil && !os.IsNotExist(err) {
				return uid, err
			}
		}
	}
	return 0, errors.New("no such connection is known to the system")
}

func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// findUser looks for the row of the socket that is bound to local and
// connected to remote.
func findUser(file string, local, remote netip.AddrPort) (uid int, ok bool, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	rows := bufio.NewScanner(f)
	for rows.Scan() {
		fields := strings.Fields(rows.Text())
		if len(fields) < 8 || parseSocket(fields[1]) != local || parseSocket(fields[2]) != remote {
			continue
		}
		uid, err := strconv.Atoi(fields[7])
		return uid, err == nil, err
	}
	return 0, false, rows.Err()
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
