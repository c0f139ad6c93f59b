package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// SameUser refuses the other end of a connection unless it is on this
// machine's loopback and, on Linux, belongs to the user this process runs as.
// Elsewhere the user cannot be told, and the token alone keeps others out.
//
// It looks at this process's network namespace: for a listener in another it
// is of no use.
func SameUser(c net.Conn) error {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok || !a.IP.IsLoopback() {
		return fmt.Errorf("a connection from %v: only this machine's loopback is answered", c.RemoteAddr())
	}
	uid, err := peerUser(c)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("a connection from %v: its user: %w", c.RemoteAddr(), err)
	}
	if uid != os.Getuid() {
		return fmt.Errorf("a connection from %v: it belongs to user %d, the run to %d", c.RemoteAddr(), uid, os.Getuid())
	}
	return nil
}
