package proxy

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// drain waits until the other end has acknowledged all that was written to c,
// at most for patience (SIOCOUTQ, tcp(7)).
func drain(c *net.TCPConn, patience time.Duration) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		left := 0
		err := raw.Control(func(fd uintptr) {
			// An error leaves nothing to wait for.
			left, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		})
		if err != nil || left == 0 {
			return
		}
	}
}
