package proxy

import (
	"bufio"
	"crypto/tls"
	"errors"
	"hash"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A conn is one connection of a program. What is read of it passes through r,
// so that a byte can be looked at before it is known who is to read it.
type conn struct {
	net.Conn
	r *bufio.Reader
	n int64

	heard hash.Hash // of what is read in a handshake that is to be repeated; nil: in none

	scope scope // of what comes through it, set before the first request
	shown bool  // its client has been shown a certificate

	once   sync.Once
	closed chan struct{}
}

func newConn(nc net.Conn) *conn {
	return &conn{Conn: nc, r: bufio.NewReader(nc), closed: make(chan struct{})}
}

// Read implements [net.Conn].
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.heard != nil {
		c.heard.Write(p[:n])
	}
	return n, err
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		err = c.Conn.Close()
		close(c.closed)
	})
	return err
}

// first waits for the first byte and returns it without taking it.
func (c *conn) first(patience time.Duration) (byte, error) {
	c.SetReadDeadline(time.Now().Add(patience))
	b, err := c.r.Peek(1)
	c.SetReadDeadline(time.Time{})
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// begins reports whether the connection begins with want. It waits only for
// bytes that could still make it so.
func (c *conn) begins(want string, patience time.Duration) bool {
	c.SetReadDeadline(time.Now().Add(patience))
	defer c.SetReadDeadline(time.Time{})
	for n := 1; n <= len(want); n++ {
		b, err := c.r.Peek(n)
		if err != nil || b[n-1] != want[n-1] {
			return false
		}
	}
	return true
}

// reset closes the connection so that the other end sees it reset.
func (c *conn) reset() {
	if l, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		l.SetLinger(0)
	}
	c.Close()
}

// work says that so many goroutines more work for the connection, to one that
// keeps count (see [Options.Exact]).
func (c *conn) work(more int) {
	if w, ok := c.Conn.(interface{ Work(more int) }); ok {
		w.Work(more)
	}
}

// closeWrite tells the other end that nothing more comes: within TLS, if rw
// is that, and of the connection itself.
func closeWrite(rw net.Conn) {
	if w, ok := rw.(interface{ CloseWrite() error }); ok {
		w.CloseWrite()
	}
	if t, ok := rw.(*tls.Conn); ok {
		rw = t.NetConn()
	}
	if c, ok := rw.(*conn); ok {
		if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
			w.CloseWrite()
		}
	}
}

// linger closes the connection after closeWrite in a way that lets the other
// end read what was written last, although it may still be sending: to close
// with unread bytes would reset it, and could take the answer away.
func linger(c *conn, patience time.Duration) {
	c.SetDeadline(time.Now().Add(patience))
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		// Past c's own buffer, which another goroutine may be looking at.
		io.CopyN(io.Discard, tcp, 1<<20)
	}
	c.Close()
}

// silent reports whether err says that nothing came in time.
func silent(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
