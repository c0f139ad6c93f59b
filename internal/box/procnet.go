//go:build linux && amd64

package box

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// netFiles are the files of /proc/PID/net that tell of sockets.
var netFiles = map[string]func(x *tracer, who *thread, old string) string{
	"net/tcp":  (*tracer).inetSockets,
	"net/tcp6": (*tracer).inetSockets,
	"net/udp":  (*tracer).inetSockets,
	"net/udp6": (*tracer).inetSockets,
	"net/raw":  (*tracer).inetSockets,
	"net/raw6": (*tracer).inetSockets,
	"net/unix": (*tracer).unixSockets,
}

const timeWait = "06" // TCP_TIME_WAIT

// inetSockets tells addresses and states; of queues and timers nothing, which
// the machine's clock moves. The kernel has them in an order of its own.
func (x *tracer) inetSockets(_ *thread, old string) string {
	head, rest, _ := strings.Cut(old, "\n")
	own := ownSockets()
	var rows [][]string
	for line := range strings.Lines(rest) {
		// How long a socket is kept after its end the kernel's timer says.
		if f := strings.Fields(line); len(f) > 9 && f[3] != timeWait && !own[f[9]] && x.innerRow(f) {
			rows = append(rows, f)
		}
	}
	slices.SortFunc(rows, func(a, b []string) int { return slices.Compare(a[1:4], b[1:4]) })
	out := head + "\n"
	for i, f := range rows {
		ino, _ := strconv.ParseUint(f[9], 10, 64)
		if ino != 0 {
			ino = x.node(inode{x.devOf("socket"), ino}).number
		}
		out += fmt.Sprintf("%4d: %s %s %s 00000000:00000000 00:00000000 00000000 %5s        0 %d 1 0000000000000000 100 0 0 10 0\n",
			i, f[1], f[2], f[3], f[7], ino)
	}
	return out
}

// innerRow changes the addresses of a socket of the program's, where others
// are in the same list: false for one of those.
func (x *tracer) innerRow(f []string) bool {
	if x.inner == nil {
		return true
	}
	host, _, _ := strings.Cut(f[1], ":")
	if strings.Trim(host, "0") == "" {
		return false // a socket of somebody else's
	}
	var mine, peer bool
	f[1], mine = x.inner.seenHex(f[1])
	f[2], peer = x.inner.seenHex(f[2])
	ino, _ := strconv.ParseUint(f[9], 10, 64)
	if b, ok := x.inner.bound[ino]; ok && mine && b.Addr().IsUnspecified() {
		_, port, _ := strings.Cut(f[1], ":")
		f[1] = strings.Repeat("0", len(f[2])-len(":0000")) + ":" + port
	}
	return mine && peer
}

// ownSockets are the tracer's, which are in the program's network: by which
// names are answered.
func ownSockets() map[string]bool {
	own := map[string]bool{}
	list, _ := os.ReadDir("/proc/self/fd")
	for _, e := range list {
		link, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if ino, ok := strings.CutPrefix(link, "socket:["); ok {
			own[strings.TrimSuffix(ino, "]")] = true
		}
	}
	return own
}

// unixSockets tells of those that the program knows.
func (x *tracer) unixSockets(_ *thread, old string) string {
	head, rest, _ := strings.Cut(old, "\n")
	rows := map[uint64]string{}
	for line := range strings.Lines(rest) {
		f := strings.Fields(line)
		if len(f) < 7 {
			continue
		}
		ino, _ := strconv.ParseUint(f[6], 10, 64)
		if n := x.files.nodes[inode{x.devOf("socket"), ino}]; n != nil {
			rows[n.number] = fmt.Sprintf("0000000000000000: 00000002 %s %s %s %s %5d", f[2], f[3], f[4], f[5], n.number)
			if len(f) > 7 {
				rows[n.number] += " " + x.unixName(f[7])
			}
		}
	}
	out := head + "\n"
	numbers := make([]uint64, 0, len(rows))
	for n := range rows {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		out += rows[n] + "\n"
	}
	return out
}

// unixName is the name of a Unix socket as the program has given it.
func (x *tracer) unixName(name string) string {
	if x.inner == nil {
		return name
	}
	if rest, ok := strings.CutPrefix(name, "@"+x.tag); ok {
		return "@" + rest
	}
	return x.views.inside(name)
}
