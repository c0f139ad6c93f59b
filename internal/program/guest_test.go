package program_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/box"
	"github.com/coo-runtime/coo/internal/sandbox"
)

// A guest is a program and its tracer: threads that are functions of Go, of
// which one runs at a time, in turn, by a clock of their own.
type guest struct {
	t      *testing.T
	main   func(*thread)
	status int

	events chan box.Event
	orders chan box.Order
	over   chan struct{} // closed when it has ended
	killed chan struct{}
	kill   sync.Once

	now     int64
	ready   []*thread
	parked  []*thread // in the order in which they began to wait
	conns   map[int64]*guestConn
	last    int64
	running int // threads
	orderly []box.Order
}

func newGuest(t *testing.T, main func(*thread)) *guest {
	return &guest{
		t: t, main: main, conns: map[int64]*guestConn{},
		events: make(chan box.Event), orders: make(chan box.Order),
		over: make(chan struct{}), killed: make(chan struct{}),
	}
}

var errKilled = errors.New("killed")

// Guest implements program.Boxed, as the methods that follow.
func (g *guest) Guest() sandbox.Guest { return g }

func (g *guest) Run() error {
	go g.schedule()
	return nil
}

func (g *guest) Wait() (sandbox.Exit, error) {
	<-g.over
	return sandbox.Exit{}, nil
}

func (g *guest) Kill() { g.kill.Do(func() { close(g.killed) }) }

// Next implements [sandbox.Guest].
func (g *guest) Next() (box.Event, error) {
	select {
	case ev := <-g.events:
		return ev, nil
	case <-g.over:
		return box.Event{Kind: box.Ended, At: g.now, Status: 137, Signal: "SIGKILL"}, nil
	}
}

// Obey implements [sandbox.Guest].
func (g *guest) Obey(o box.Order) error {
	select {
	case g.orders <- o:
	case <-g.over:
	}
	return nil
}

func (g *guest) tell(ev box.Event) {
	ev.At = g.now
	select {
	case g.events <- ev:
	case <-g.killed:
	}
}

// schedule lets threads run until none is left.
func (g *guest) schedule() {
	defer close(g.over)
	g.start(g.main)
	for g.running > 0 {
		select {
		case <-g.killed:
			g.end()
			return
		default:
		}
		if len(g.ready) == 0 {
			if !g.ask() {
				g.end()
				return
			}
			continue
		}
		t := g.ready[0]
		g.ready = g.ready[1:]
		t.turn <- true
		<-t.back
	}
	for _, c := range g.open() {
		g.tell(box.Event{Kind: box.Closed, Conn: c.n})
	}
	g.tell(box.Event{Kind: box.Ended, Status: g.status})
}

func (g *guest) open() []*guestConn {
	var out []*guestConn
	for n := int64(1); n <= g.last; n++ {
		if c := g.conns[n]; c != nil {
			out = append(out, c)
		}
	}
	return out
}

// end ends the threads of a guest that is killed.
func (g *guest) end() {
	g.Kill()
	for _, t := range slices.Concat(g.ready, g.parked) {
		t.turn <- false
		<-t.back
	}
	g.running = 0
}

// ask says that every thread waits, and does what it is told.
func (g *guest) ask() bool {
	deadline := int64(-1)
	for _, t := range g.parked {
		if t.deadline >= 0 && (deadline < 0 || t.deadline < deadline) {
			deadline = t.deadline
		}
	}
	g.tell(box.Event{Kind: box.Quiet, Deadline: deadline})
	var o box.Order
	select {
	case o = <-g.orders:
	case <-g.killed:
		return false
	}
	g.orderly = append(g.orderly, o)
	switch o.Kind {
	case box.Wake:
		if deadline < 0 {
			g.t.Errorf("wake, and no thread waits for a time")
			return false
		}
		g.now = max(g.now, deadline)
		g.wake(func(t *thread) bool { return t.deadline == deadline })
		return true
	case box.Deliver:
		c := g.conns[o.Conn]
		switch {
		case c == nil:
			g.t.Errorf("%+v: no such connection", o)
			return false
		case o.At < g.now || deadline >= 0 && o.At > deadline:
			g.t.Errorf("delivered at %d, between %d and %d", o.At, g.now, deadline)
		case c.eof || c.reset:
			g.t.Errorf("%+v after the end", o)
		case len(o.Data) == 0 && o.Close == "":
			g.t.Errorf("%+v: nothing", o)
		}
		g.now = o.At
		c.in = append(c.in, o.Data...)
		c.eof, c.reset = o.Close == "eof", o.Close == "reset"
		g.wake(func(t *thread) bool { return t.on == c })
		return true
	}
	g.tell(box.Event{Kind: box.Noted, Text: fmt.Sprintf("%d threads wait", len(g.parked))})
	return false
}

func (g *guest) wake(which func(*thread) bool) {
	for _, t := range slices.Clone(g.parked) {
		if which(t) {
			g.parked = slices.DeleteFunc(g.parked, func(o *thread) bool { return o == t })
			g.ready = append(g.ready, t)
		}
	}
}

// A thread is one of a guest. Its methods are called while it runs.
type thread struct {
	g        *guest
	turn     chan bool // false: it is killed
	back     chan struct{}
	deadline int64 // -1: none
	on       *guestConn
}

func (g *guest) start(f func(*thread)) {
	t := &thread{g: g, turn: make(chan bool), back: make(chan struct{}), deadline: -1}
	g.running++
	g.ready = append(g.ready, t)
	go func() {
		defer close(t.back)
		defer func() {
			if r := recover(); r != nil && r != errKilled {
				g.t.Errorf("the guest: %v\n%s", r, debug.Stack())
			}
			g.running--
			g.wake(func(o *thread) bool { return o.on == nil && o.deadline < 0 }) // joins
		}()
		if <-t.turn {
			f(t)
		}
	}()
}

// start starts another thread.
func (t *thread) start(f func(*thread)) { t.syscall(); t.g.start(f) }

func (t *thread) syscall() { t.g.now += 1000 }

// park waits for a delivery on c, or until deadline.
func (t *thread) park(c *guestConn, deadline int64) {
	t.on, t.deadline = c, deadline
	t.g.parked = append(t.g.parked, t)
	t.back <- struct{}{}
	if !<-t.turn {
		panic(errKilled)
	}
	t.on, t.deadline = nil, -1
}

// join waits until all other threads have ended.
func (t *thread) join() {
	for t.g.running > 1 {
		t.park(nil, -1)
	}
}

func (t *thread) sleep(d time.Duration) {
	t.syscall()
	t.park(nil, t.g.now+int64(d))
}

// unix tells what the time is inside.
func (t *thread) unix() time.Duration { t.syscall(); return time.Duration(t.g.now) }

func (t *thread) print(format string, args ...any) { t.write(1, fmt.Sprintf(format, args...)) }

func (t *thread) write(fd int, s string) {
	t.syscall()
	t.g.tell(box.Event{Kind: box.Printed, FD: fd, Data: []byte(s)})
}

// dial opens a connection.
func (t *thread) dial(host string, port uint16) *guestConn {
	t.syscall()
	t.g.last++
	c := &guestConn{t: t, n: t.g.last, wait: -1}
	t.g.conns[c.n] = c
	t.g.tell(box.Event{
		Kind: box.Opened, Conn: c.n, Host: host,
		Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, 0, byte(len(host))}), port),
	})
	return c
}

// A guestConn is the guest's end of a connection, used by one thread.
type guestConn struct {
	t          *thread
	n          int64
	in         []byte
	eof, reset bool
	wait       time.Duration // for each read; -1: for ever
	read       int           // bytes
}

func (c *guestConn) Read(b []byte) (int, error) {
	c.t.syscall()
	until := int64(-1)
	if c.wait >= 0 {
		until = c.t.g.now + int64(c.wait)
	}
	for {
		switch {
		case len(c.in) > 0:
			n := copy(b, c.in)
			c.in = c.in[n:]
			c.read += n
			return n, nil
		case c.reset:
			return 0, syscall.ECONNRESET
		case c.eof:
			return 0, io.EOF
		case until >= 0 && c.t.g.now >= until:
			return 0, os.ErrDeadlineExceeded
		}
		c.t.park(c, until)
	}
}

func (c *guestConn) Write(b []byte) (int, error) {
	c.t.syscall()
	c.t.g.tell(box.Event{Kind: box.Sent, Conn: c.n, Data: bytes.Clone(b)})
	return len(b), nil
}

func (c *guestConn) Close() error {
	c.t.syscall()
	if c.t.g.conns[c.n] == c {
		delete(c.t.g.conns, c.n)
		c.t.g.tell(box.Event{Kind: box.Closed, Conn: c.n})
	}
	return nil
}

func (c *guestConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *guestConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *guestConn) SetDeadline(time.Time) error      { return nil }
func (c *guestConn) SetReadDeadline(time.Time) error  { return nil }
func (c *guestConn) SetWriteDeadline(time.Time) error { return nil }
