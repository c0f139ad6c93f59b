package program

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coo-runtime/coo/internal/box"
	"github.com/coo-runtime/coo/internal/proxy"
)

// sockets are the connections of a program at level deterministic, and the
// listener at which they arrive. What the program sends is read from them as
// from a network; what is written to them stays until the conductor takes it.
//
// They count the goroutines that work for them: one from when a connection is
// opened, those beside it that the proxy tells of, and none while it waits for
// bytes that have not come. When the count is 0, everything that follows from
// what the program has sent is done. Whoever wakes a goroutine counts it, so
// that the count is never 0 while there is something to do.
type sockets struct {
	mu      sync.Mutex // guards the rest, and what is in the sockets
	changed *sync.Cond // something arrived, or nobody works, or all is over
	working int
	arrived []*socket // not accepted yet
	open    []*socket // in the order in which they were opened
	byConn  map[int64]*socket
	last    int64 // number of the newest
	closed  bool
}

func newSockets() *sockets {
	s := &sockets{byConn: map[int64]*socket{}}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// apply lets all of this happen at once: no goroutine sees a part of it.
func (s *sockets) apply(events []box.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ev := range events {
		if ev.Kind == box.Opened {
			s.opened(ev)
			continue
		}
		k := s.byConn[ev.Conn]
		if k == nil || k.closed && ev.Kind != box.Closed {
			continue // nobody listens any more
		}
		switch ev.Kind {
		case box.Sent:
			k.silent = false
			k.in = append(k.in, ev.Data...)
		case box.Shut:
			k.shut = true
		case box.Closed:
			k.shut, k.gone, k.out = true, true, nil
			delete(s.byConn, ev.Conn)
		}
		k.wake()
	}
	s.open = slices.DeleteFunc(s.open, func(k *socket) bool { return k.gone && k.closed })
}

// opened takes a new connection.
func (s *sockets) opened(ev box.Event) {
	s.last++
	k := &socket{
		all: s, conn: ev.Conn, place: s.last, silent: true, since: ev.At,
		target: proxy.Target{
			Host: strings.ToLower(strings.TrimSuffix(ev.Host, ".")),
			Addr: ev.Addr.Addr().Unmap(), Port: int(ev.Addr.Port()),
		},
	}
	k.changed = sync.NewCond(&s.mu)
	k.work(1)
	s.byConn[ev.Conn] = k
	s.open = append(s.open, k)
	s.arrived = append(s.arrived, k)
	s.changed.Broadcast()
}

// rest waits until nobody works, or ctx is done.
func (s *sockets) rest(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.working > 0 && ctx.Err() == nil {
		s.changed.Wait()
	}
	return context.Cause(ctx)
}

// output takes what is to be told on the first connection on which something
// is.
func (s *sockets) output() (box.Order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.open {
		if o, ok := k.take(); ok {
			return o, true
		}
	}
	return box.Order{}, false
}

// outputOf takes what is to be told on one connection.
func (s *sockets) outputOf(place int64) (box.Order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.open {
		if k.place == place {
			return k.take()
		}
	}
	return box.Order{}, false
}

// left reports whether the program has left the connection.
func (s *sockets) left(place int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.open {
		if k.place == place {
			return k.gone
		}
	}
	return true
}

// work says that so many more goroutines work for a connection.
func (s *sockets) work(place int64, more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.open {
		if k.place == place {
			k.work(more)
		}
	}
}

// silent returns the connection on which the program has said nothing for
// longest, nil when there is none.
func (s *sockets) silent() *socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.open {
		if k.silent && !k.closed && !k.shut {
			return k
		}
	}
	return nil
}

// Accept implements [net.Listener].
func (s *sockets) Accept() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.arrived) == 0 && !s.closed {
		s.changed.Wait()
	}
	if s.closed {
		return nil, net.ErrClosed
	}
	k := s.arrived[0]
	s.arrived = s.arrived[1:]
	return k, nil
}

// Close implements [net.Listener].
func (s *sockets) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.changed.Broadcast()
	return nil
}

// Addr implements [net.Listener].
func (s *sockets) Addr() net.Addr { return &net.TCPAddr{} }

// A socket is coo's end of one connection.
type socket struct {
	all     *sockets
	conn    int64 // as the program numbers it
	place   int64 // as the proxy does: in the order in which they were opened
	target  proxy.Target
	since   int64 // when it was opened, by the program's clock
	changed *sync.Cond

	working int    // goroutines, of those counted in all
	waiting int    // goroutines in Read
	in      []byte // sent by the program, and not read
	shut    bool   // it sends no more
	gone    bool   // and does not read any more
	silent  bool   // it has sent nothing yet
	late    bool   // the time to read is over
	closed  bool   // by the proxy
	out     []byte // written, and not taken
	end     string // what comes after out: "", eof, reset
	ended   bool   // that was taken
}

// work counts goroutines; what is done for a closed connection is of no
// consequence.
func (k *socket) work(more int) {
	if k.closed {
		return
	}
	k.working += more
	if k.all.working += more; k.all.working == 0 {
		k.all.changed.Broadcast()
	}
}

// wake lets the goroutines that wait look again.
func (k *socket) wake() {
	k.work(k.waiting)
	k.waiting = 0
	k.changed.Broadcast()
}

// take returns the order that tells the program what was written.
func (k *socket) take() (box.Order, bool) {
	if k.gone || k.ended || len(k.out) == 0 && k.end == "" {
		return box.Order{}, false
	}
	o := box.Order{Kind: box.Deliver, Conn: k.conn, Data: k.out, Close: k.end}
	k.out, k.ended = nil, k.end != ""
	return o, true
}

// Work is [proxy.Options.Exact]'s.
func (k *socket) Work(more int) {
	k.all.mu.Lock()
	defer k.all.mu.Unlock()
	k.work(more)
}

// Read implements [net.Conn].
func (k *socket) Read(b []byte) (int, error) {
	k.all.mu.Lock()
	defer k.all.mu.Unlock()
	for {
		switch {
		case k.closed:
			return 0, net.ErrClosed
		case k.late:
			return 0, os.ErrDeadlineExceeded
		case len(k.in) > 0:
			n := copy(b, k.in)
			k.in = k.in[n:]
			return n, nil
		case k.shut:
			return 0, io.EOF
		}
		k.waiting++
		k.work(-1)
		k.changed.Wait()
	}
}

// Write implements [net.Conn]. It never blocks.
func (k *socket) Write(b []byte) (int, error) {
	k.all.mu.Lock()
	defer k.all.mu.Unlock()
	switch {
	case k.closed:
		return 0, net.ErrClosed
	case k.gone || k.end != "":
		return 0, syscall.EPIPE
	}
	k.out = append(k.out, b...)
	return len(b), nil
}

// CloseWrite ends what is written, in order.
func (k *socket) CloseWrite() error {
	k.all.mu.Lock()
	defer k.all.mu.Unlock()
	if k.end == "" {
		k.end = "eof"
	}
	return nil
}

// SetLinger makes Close a reset: that is all it is asked for.
func (k *socket) SetLinger(int) error {
	k.all.mu.Lock()
	defer k.all.mu.Unlock()
	if !k.ended {
		k.end = "reset"
	}
	return nil
}

// Close implements [net.Conn]. What was written before is still taken.
func (k *socket) Close() error {
	k.all.mu.Lock()
	defer k.all.mu.Unlock()
	if k.end == "" {
		k.end = "eof"
	}
	k.work(-k.working)
	k.closed = true
	k.waiting = 0
	k.changed.Broadcast()
	return nil
}

// SetReadDeadline implements [net.Conn] as far as it is a way to wake who
// reads: how long is waited, the program's clock says, and nobody else's.
func (k *socket) SetReadDeadline(t time.Time) error {
	k.all.mu.Lock()
	defer k.all.mu.Unlock()
	if k.late = !t.IsZero() && t.Before(time.Now()); k.late {
		k.wake()
	}
	return nil
}

// SetDeadline implements [net.Conn].
func (k *socket) SetDeadline(t time.Time) error { return k.SetReadDeadline(t) }

// SetWriteDeadline implements [net.Conn]: a write does not wait.
func (k *socket) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr implements [net.Conn].
func (k *socket) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr implements [net.Conn].
func (k *socket) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(k.target.Addr, uint16(k.target.Port)))
}
