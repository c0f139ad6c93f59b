//go:build linux && amd64

package box

import (
	"os"
	"strconv"
	"strings"
)

// A port that a server of the machine's has at all addresses is taken at those
// of the program's network as well. Where the program uses it, it has another
// on the machine.

// Ports that stand for taken ones: none that is given (ports.go).
const (
	firstSpare = lastPort + 1
	lastSpare  = 65535
)

// port returns which port of the machine's is one of the program's. It stays
// the same from the first time on.
func (n *inner) port(p uint16) uint16 {
	if to, ok := n.ports[p]; ok || p == 0 {
		return to
	}
	taken, to := takenPorts(), p
	if taken[p] || n.back[p] != 0 {
		for s := firstSpare; s <= lastSpare; s++ {
			if q := uint16(s); !taken[q] && n.back[q] == 0 {
				to = q
				break
			}
		}
	}
	n.ports[p], n.back[to] = to, p
	return to
}

// seenPort is what the program calls a port of the machine's.
func (n *inner) seenPort(p uint16) uint16 {
	if to, ok := n.back[p]; ok {
		return to
	}
	return p
}

// takenPorts returns the ports that somebody has at all addresses.
func takenPorts() map[uint16]bool {
	taken := map[uint16]bool{}
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6"} {
		b, err := os.ReadFile("/proc/net/" + name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 4 {
				continue
			}
			host, port, _ := strings.Cut(f[1], ":")
			if p, err := strconv.ParseUint(port, 16, 16); err == nil && strings.Trim(host, "0") == "" {
				taken[uint16(p)] = true
			}
		}
	}
	return taken
}
