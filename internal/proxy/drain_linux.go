package proxy

import (
	"context"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// drain waits until the other end has acknowledged all that was written to c,
// or ctx is done (SIOCOUTQ, tcp(7)).
func drain(ctx context.Context, c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	for wait := 100 * time.Microsecond; ctx.Err() == nil; wait = min(2*wait, 10*time.Millisecond) {
		left := 0
		err := raw.Control(func(fd uintptr) {
			// An error leaves nothing to wait for.
			left, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		})
		if err != nil || left == 0 {
			return
		}
		time.Sleep(wait)
	}
}
