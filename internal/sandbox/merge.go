package sandbox

import (
	"net"
	"sync"
)

// A merged listener accepts from several.
type merged struct {
	listeners []net.Listener
	conns     chan net.Conn
	closed    chan struct{}
	once      sync.Once
}

func merge(ls []net.Listener) net.Listener {
	m := &merged{listeners: ls, conns: make(chan net.Conn), closed: make(chan struct{})}
	for _, l := range ls {
		go m.accept(l)
	}
	return m
}

func (m *merged) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			m.Close()
			return
		}
		select {
		case m.conns <- c:
		case <-m.closed:
			c.Close()
			return
		}
	}
}

// Accept returns the next connection of any of the listeners.
func (m *merged) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Close closes all of the listeners.
func (m *merged) Close() error {
	m.once.Do(func() {
		close(m.closed)
		for _, l := range m.listeners {
			l.Close()
		}
	})
	return nil
}

// Addr is the address of the first listener.
func (m *merged) Addr() net.Addr { return m.listeners[0].Addr() }
