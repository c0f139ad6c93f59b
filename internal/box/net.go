//go:build linux && amd64

package box

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A conn is a connection of the program to the outside. In the program it is
// one end of a pair of Unix sockets, put where its TCP socket was when it
// connected; the other end is the tracer's. What the program writes the
// tracer takes at the call, and what it gets is there before it goes on: how
// full a buffer is it never sees.
type conn struct {
	n    int64
	ino  uint64 // of the program's end
	own  int    // the other; -1 once closed
	peer netip.AddrPort
	six  bool // its socket was one of IPv6

	sent    []byte // by the program, not told yet
	coming  []byte // delivered, no room for it yet
	closing string // what follows that: "", eof, reset
	closed  bool   // nothing comes any more
	shut    bool   // the program sends no more
	asked   bool   // the program has asked a second time whether it is connected
}

// lookUp returns the connection that a socket is, nil for others.
func (x *tracer) lookUp(f fd) *conn {
	if f.kind != socketFD || len(x.conns) == 0 {
		return nil
	}
	return x.conns[f.st.Ino]
}

// connects is the handler of connect(2).
func connects(x *tracer, t *thread) outcome {
	f := x.file(t, t.intArg(0))
	if f.kind != socketFD {
		return goOn
	}
	if c := x.lookUp(f); c != nil {
		if c.asked {
			t.answer(-int64(unix.EISCONN))
		} else {
			t.answer(0)
		}
		c.asked = true
		return goOn
	}
	to, six, ok := t.sockaddr(t.arg(1), t.arg(2))
	if !ok {
		return x.connectsUnix(t, f.n)
	}
	own, err := x.take(t, f.n)
	if err != nil {
		return goOn
	}
	defer unix.Close(own)
	typ, err := unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || typ != unix.SOCK_STREAM {
		x.givePort(own, to)
		return goOn
	}
	if x.Outside == nil || !x.Outside(to) {
		x.inet = true
		x.givePort(own, to)
		// Inside, the kernel's own timers must not be waited for.
		unix.SetsockoptInt(own, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) //nolint:errcheck // then it is no TCP
		return goOn
	}
	flags, err := unix.FcntlInt(uintptr(own), unix.F_GETFL, 0)
	if err != nil {
		return goOn
	}
	return x.open(t, f, to, six, flags)
}

// sockaddr reads an address of IPv4 or IPv6.
func (t *thread) sockaddr(at, n uint64) (a netip.AddrPort, six, ok bool) {
	b := t.read(at, int(min(n, 28)))
	if len(b) < 16 {
		return a, false, false
	}
	port := binary.BigEndian.Uint16(b[2:])
	switch family := binary.LittleEndian.Uint16(b); {
	case family == unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port), false, true
	case family == unix.AF_INET6 && len(b) >= 28:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), port), true, true
	}
	return a, false, false
}

// open puts a connection to the outside where the program's socket is. The
// calls are made in the program's name.
func (x *tracer) open(t *thread, f fd, to netip.AddrPort, six bool, flags int) outcome {
	cloexec := uint64(0)
	if n, _ := strconv.ParseUint(fdinfoField(t.tid, f.n, "flags"), 8, 64); n&unix.O_CLOEXEC != 0 {
		cloexec = unix.O_CLOEXEC
	}
	watched := x.watchers(t, f.n)
	ret, ok := x.instead(t, unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, scratchAddr)
	if !ok {
		return x.lost(t)
	}
	if errno(ret) != 0 {
		t.answer(ret)
		return goOn
	}
	theirs, _ := t.word32(scratchAddr)
	ours, _ := t.word32(scratchAddr + 4)
	own, err := x.take(t, int(ours))
	if err != nil {
		x.broken("a connection of process %d cannot be taken over: %v", t.proc.id, err)
		t.answer(-int64(unix.ENETUNREACH))
		return goOn
	}
	x.further(t, unix.SYS_DUP3, uint64(theirs), uint64(f.n), cloexec)
	x.further(t, unix.SYS_CLOSE, uint64(theirs))
	x.further(t, unix.SYS_CLOSE, uint64(ours))
	for _, w := range watched {
		t.write(scratchAddr, w.event)
		x.further(t, unix.SYS_EPOLL_CTL, w.epoll, unix.EPOLL_CTL_ADD, uint64(f.n), scratchAddr)
	}
	if end, err := x.take(t, f.n); err == nil {
		unix.FcntlInt(uintptr(end), unix.F_SETFL, flags) //nolint:errcheck // O_NONBLOCK can be set on any socket
		unix.Close(end)
	}
	unix.SetNonblock(own, true) //nolint:errcheck // as above
	x.connected++
	c := &conn{n: x.connected, ino: x.file(t, f.n).st.Ino, own: own, peer: to, six: six}
	x.conns[c.ino] = c
	host := ""
	if x.Host != nil {
		host = x.Host(to.Addr())
	}
	x.tell(Event{Kind: Opened, Conn: c.n, Addr: to, Host: host})
	if flags&unix.O_NONBLOCK != 0 {
		t.answer(-int64(unix.EINPROGRESS))
	} else {
		c.asked = true
		t.answer(0)
	}
	return goOn
}

// further makes another call in the thread's name, which stands behind one.
func (x *tracer) further(t *thread, nr uintptr, args ...uint64) int64 {
	saved := t.regs
	t.regs.Rip -= uint64(len(syscallCode))
	ret, err := t.early(nr, args...)
	t.regs = saved
	if err != nil {
		return -int64(unix.EIO)
	}
	return ret
}

// furtherChanged makes another call of the program's.
func (x *tracer) furtherChanged(t *thread, nr uintptr, args ...uint64) int64 {
	r := t.regs
	r.Orig_rax = uint64(nr)
	setArgs(&r, args)
	c := x.entering(t, &r)
	return c.back(x.further(t, nr, r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9))
}

// A watcher is an epoll descriptor that had a socket in it.
type watcher struct {
	epoll uint64
	event []byte // struct epoll_event, 12 bytes
}

// watchers returns what a descriptor is watched by: the kernel forgets it when
// another file takes its place. proc(5), fdinfo.
func (x *tracer) watchers(t *thread, n int) []watcher {
	dir := "/proc/" + strconv.Itoa(t.tid) + "/fd"
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []watcher
	for _, e := range list {
		if link, _ := os.Readlink(dir + "/" + e.Name()); link != "anon_inode:[eventpoll]" {
			continue
		}
		epoll, _ := strconv.ParseUint(e.Name(), 10, 32)
		for line := range strings.Lines(procFile(t.tid, "fdinfo/"+e.Name())) {
			var fd int
			var events uint32
			var data uint64
			if _, err := fmt.Sscanf(line, "tfd: %d events: %x data: %x", &fd, &events, &data); err != nil || fd != n {
				continue
			}
			b := binary.LittleEndian.AppendUint32(nil, events)
			out = append(out, watcher{epoll, binary.LittleEndian.AppendUint64(b, data)})
		}
	}
	return out
}

// send takes what the program writes on a connection.
func (x *tracer) send(t *thread, c *conn) outcome {
	if c.closed || c.shut {
		return goOn // the kernel says so, and sends SIGPIPE
	}
	b, ok := t.gather(mostWritten)
	if !ok {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	c.sent = append(c.sent, b...)
	if len(c.sent) >= mostWritten {
		x.tellSent(c)
	}
	t.answer(int64(len(b)))
	return goOn
}

func (x *tracer) tellSent(c *conn) {
	if len(c.sent) > 0 {
		x.tell(Event{Kind: Sent, Conn: c.n, Data: c.sent})
		c.sent = nil
	}
}

// inOrder returns the connections by their numbers.
func (x *tracer) inOrder() []*conn {
	out := make([]*conn, 0, len(x.conns))
	for _, c := range x.conns {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *conn) int { return int(a.n - b.n) })
	return out
}

// tellConns tells what the program has done with its connections.
func (x *tracer) tellConns() {
	for _, c := range x.inOrder() {
		left := x.takeRest(c)
		x.tellSent(c)
		if left {
			x.tell(Event{Kind: Closed, Conn: c.n})
			x.dropConn(c)
		}
	}
}

// takeRest reads what came by ways other than a write, and what the program's
// end says: that it sends no more, or, left, that nobody has it any more.
func (x *tracer) takeRest(c *conn) (left bool) {
	if c.own < 0 {
		return !x.heldConn(c)
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(c.own, buf)
		if n > 0 {
			c.sent = append(c.sent, buf[:n]...)
			continue
		}
		if err == nil && !c.shut { // the end
			c.shut = true
			x.tellSent(c)
			x.tell(Event{Kind: Shut, Conn: c.n})
		}
		break
	}
	list := []unix.PollFd{{Fd: int32(c.own)}}
	unix.Poll(list, 0) //nolint:errcheck // what is not known now is known at the next time
	return list[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}

// heldConn reports whether anybody in the program still has a connection
// whose other end is closed.
func (x *tracer) heldConn(c *conn) bool {
	_, ok := x.holder(c)
	return ok
}

// holder returns a descriptor of the tracer's own for the program's end.
func (x *tracer) holder(c *conn) (int, bool) {
	for _, p := range x.processes {
		if len(p.threads) == 0 {
			continue
		}
		t := p.threads[0]
		list, _ := os.ReadDir("/proc/" + strconv.Itoa(t.tid) + "/fd")
		for _, e := range list {
			n, _ := strconv.Atoi(e.Name())
			if f := x.file(t, n); f.kind == socketFD && f.st.Ino == c.ino {
				own, err := x.take(t, n)
				return own, err == nil
			}
		}
	}
	return -1, false
}

func (x *tracer) dropConn(c *conn) {
	if c.own >= 0 {
		unix.Close(c.own)
		c.own = -1
	}
	delete(x.conns, c.ino)
}

// deliver gives the program what an order says.
func (x *tracer) deliver(o Order) {
	for _, c := range x.conns { // order: there is one of that number
		if c.n == o.Conn && c.own >= 0 {
			c.coming = append(c.coming, o.Data...)
			c.closing = o.Close
			x.fill(c)
		}
	}
}

// fill puts into the program's end what there is room for.
func (x *tracer) fill(c *conn) {
	for len(c.coming) > 0 {
		n, err := unix.Write(c.own, c.coming)
		if err != nil {
			if err != unix.EAGAIN && err != unix.EINTR {
				c.coming = nil // the program has left
			}
			return
		}
		c.coming = c.coming[n:]
	}
	switch c.closing {
	case "eof":
		unix.Shutdown(c.own, unix.SHUT_WR) //nolint:errcheck // the program may have left
	case "reset":
		x.reset(c)
	}
	c.closing = ""
}

// reset makes the program's end one whose peer is gone: a Unix socket says
// ECONNRESET when its peer closes with something unread.
func (x *tracer) reset(c *conn) {
	if end, ok := x.holder(c); ok {
		unix.Write(end, []byte{0}) //nolint:errcheck // a full queue does as well
		unix.Close(end)
	}
	unix.Close(c.own)
	c.own, c.closed = -1, true
}

// fillAll puts more of what was delivered where there is room now.
func (x *tracer) fillAll() {
	for _, c := range x.conns { // order: each has room of its own
		if c.own >= 0 && len(c.coming) > 0 {
			x.fill(c)
		}
	}
}

// answerNames answers the lookups that have come.
func (x *tracer) answerNames() {
	buf := make([]byte, 4096)
	for _, s := range x.Names {
		for {
			n, from, err := unix.Recvfrom(s, buf, unix.MSG_DONTWAIT)
			if err != nil {
				break
			}
			if a := x.Answer(buf[:n]); a != nil {
				unix.Sendto(s, a, unix.MSG_DONTWAIT, from) //nolint:errcheck // an asker that has gone asks no more
			}
		}
	}
}

// settled waits until nothing is under way between sockets inside: the kernel
// hands packets over at once, or, when it is busy, a moment later.
// proc_net_softnet: the twelfth column is what waits.
func settled() {
	for range 200 {
		b, err := os.ReadFile("/proc/net/softnet_stat")
		if err != nil {
			return
		}
		waiting := false
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			waiting = waiting || len(f) > 11 && strings.Trim(f[11], "0") != ""
		}
		if !waiting {
			return
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 100_000}, nil) //nolint:errcheck // looked at again anyway
	}
}

// Options of sockets that are TCP's.
func setsockopt(x *tracer, t *thread) outcome {
	if x.lookUp(x.file(t, t.intArg(0))) != nil && t.intArg(1) != unix.SOL_SOCKET {
		t.answer(0)
	}
	return goOn
}

func getsockopt(x *tracer, t *thread) outcome {
	c := x.lookUp(x.file(t, t.intArg(0)))
	if c == nil {
		return goOn
	}
	value := uint32(0)
	switch level, option := t.intArg(1), t.intArg(2); {
	case level == unix.SOL_SOCKET && option == unix.SO_DOMAIN:
		value = uint32(c.family())
	case level == unix.SOL_SOCKET && option == unix.SO_PROTOCOL:
		value = unix.IPPROTO_TCP
	case level == unix.SOL_SOCKET:
		return goOn
	case level == unix.IPPROTO_TCP && (option == unix.TCP_NODELAY || option == unix.TCP_INFO):
		value = 1 // of TCP_INFO the first byte: established
	}
	n, ok := t.word32(t.arg(4))
	if !ok {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	b := make([]byte, min(n, 256))
	copy(b, binary.LittleEndian.AppendUint32(nil, value))
	return t.written(t.write(t.arg(3), b) && t.setWord32(t.arg(4), uint32(len(b))))
}

func (c *conn) family() uint16 {
	if c.six {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// localPort is that of the program's end of the first connection.
const localPort = 40000

// sockname is the handler of getsockname and getpeername.
func sockname(x *tracer, t *thread) outcome {
	c := x.lookUp(x.file(t, t.intArg(0)))
	if c == nil {
		return goOn
	}
	a := c.peer
	if t.nr == unix.SYS_GETSOCKNAME {
		a = netip.AddrPortFrom(x.localAddr(c.peer.Addr()), uint16(localPort+c.n%20000))
	}
	b := binary.LittleEndian.AppendUint16(nil, c.family())
	b = binary.BigEndian.AppendUint16(b, a.Port())
	if c.six {
		as16 := a.Addr().As16()
		b = append(append(append(b, 0, 0, 0, 0), as16[:]...), 0, 0, 0, 0)
	} else {
		as4 := a.Addr().As4()
		b = append(append(b, as4[:]...), make([]byte, 8)...)
	}
	n, ok := t.word32(t.arg(2))
	if !ok {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	return t.written(t.write(t.arg(1), b[:min(int(n), len(b))]) && t.setWord32(t.arg(2), uint32(len(b))))
}

// localAddr is the program's own address for a peer.
func (x *tracer) localAddr(peer netip.Addr) netip.Addr {
	switch {
	case peer.IsLoopback():
		return peer
	case peer.Is4() && x.Own4.IsValid():
		return x.Own4
	case peer.Is4():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}
