//go:build linux && amd64

package box

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A fdKind says how reading and writing a descriptor behaves.
type fdKind int

const (
	badFD    fdKind = iota
	plainFD         // regular files, directories, devices that never wait
	randomFD        // /dev/random and /dev/urandom
	outputFD        // the program's stdout or stderr
	pipeFD
	socketFD
	otherFD // terminals, eventfds, inotify and whatever else may wait
)

// An fd is what is known of a descriptor for the length of a call.
type fd struct {
	n    int
	kind fdKind
	st   unix.Stat_t
	out  int // 1 or 2, of an outputFD
}

// device numbers of /dev/random and /dev/urandom, of null, zero and full.
var (
	devRandom  = unix.Mkdev(1, 8)
	devURandom = unix.Mkdev(1, 9)
	quietDevs  = map[uint64]bool{unix.Mkdev(1, 3): true, unix.Mkdev(1, 5): true, unix.Mkdev(1, 7): true}
)

// file looks at a descriptor.
func (x *tracer) file(t *thread, n int) fd {
	f := fd{n: n}
	if n < 0 || unix.Stat("/proc/"+strconv.Itoa(t.tid)+"/fd/"+strconv.Itoa(n), &f.st) != nil {
		return f
	}
	switch f.st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFBLK, unix.S_IFLNK:
		f.kind = plainFD
	case unix.S_IFIFO:
		f.kind = pipeFD
		f.out = x.outputs[[2]uint64{f.st.Dev, f.st.Ino}]
		if f.out != 0 {
			f.kind = outputFD
		}
	case unix.S_IFSOCK:
		f.kind = socketFD
	case unix.S_IFCHR:
		switch {
		case f.st.Rdev == devRandom || f.st.Rdev == devURandom:
			f.kind = randomFD
		case quietDevs[f.st.Rdev]:
			f.kind = plainFD
		default:
			f.kind = otherFD
		}
	default:
		f.kind = otherFD
	}
	return f
}

// knowOutputs notes which pipes the program's outputs are.
func (x *tracer) knowOutputs() {
	x.outputs = map[[2]uint64]int{}
	for n, f := range map[int]int{1: x.Stdout, 2: x.Stderr} {
		var st unix.Stat_t
		if unix.Fstat(f, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
			x.outputs[[2]uint64{st.Dev, st.Ino}] = n
		}
	}
}

// take returns a descriptor of the tracer's own for a file that the program
// has open. It is to be closed.
func (x *tracer) take(t *thread, n int) (int, error) {
	p := t.proc
	if p.pidfd == 0 {
		fd, err := unix.PidfdOpen(p.pid, 0)
		if err != nil {
			return -1, err
		}
		p.pidfd = fd
	}
	if !x.sendsOwn {
		own, err := unix.PidfdGetfd(p.pidfd, n, 0)
		if err != unix.EPERM && err != unix.ENOSYS {
			return own, err
		}
		x.sendsOwn = err == unix.ENOSYS || !p.mm.hidden
	}
	return x.takeSent(t, n)
}

// polled returns which of some events a descriptor has: poll(2), which does
// not wait here.
func (x *tracer) polled(t *thread, n int, events int16) int16 {
	if t.proc.lookIn {
		set := pollSet{{Fd: int32(n), Events: events}}
		x.ownPoll(t, set)
		return set[0].Revents
	}
	own, err := x.take(t, n)
	if err != nil {
		return unix.POLLNVAL
	}
	defer unix.Close(own)
	return polledOwn(own, events)
}

// polledOwn does so for a descriptor of the tracer's.
func polledOwn(own int, events int16) int16 {
	p := []unix.PollFd{{Fd: int32(own), Events: events}}
	for {
		if _, err := unix.Poll(p, 0); err != unix.EINTR {
			return p[0].Revents
		}
	}
}

// nonblocking reports whether a descriptor's file never lets a call wait that
// waits for some events: it was told not to, or is not open for that.
func (x *tracer) nonblocking(t *thread, n int, events int16) bool {
	flags, err := strconv.ParseUint(fdinfoField(t.tid, n, "flags"), 8, 64)
	if err != nil || flags&unix.O_NONBLOCK != 0 {
		return true
	}
	mode := flags & unix.O_ACCMODE
	return events == unix.POLLOUT && mode == unix.O_RDONLY || events == unix.POLLIN && mode == unix.O_WRONLY
}

// fdinfoField returns a line of /proc/PID/fdinfo/N without its name.
func fdinfoField(tid, n int, name string) string {
	for line := range strings.Lines(procFile(tid, "fdinfo/"+strconv.Itoa(n))) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// inputReady parks a thread until a descriptor has something to read, if it
// is one that waits for that. Its call is then made.
func (x *tracer) inputReady(t *thread, n int) outcome {
	return x.whenReady(t, n, unix.POLLIN, "reads")
}

func (x *tracer) whenReady(t *thread, n int, events int16, what string) outcome {
	x.yields = true
	if t.late {
		t.answer(-int64(unix.EAGAIN))
		return goOn
	}
	if x.polled(t, n, events) != 0 || x.nonblocking(t, n, events) {
		return goOn
	}
	return x.park(t, parked{
		why: fmt.Sprintf("%s descriptor %d", what, n), deadline: x.patience(t, n, events), restart: true,
		ready: func() bool { return x.polled(t, n, events) != 0 },
	})
}

// patience is until when a socket lets a call wait: SO_RCVTIMEO, SO_SNDTIMEO,
// socket(7).
func (x *tracer) patience(t *thread, n int, events int16) int64 {
	option := unix.SO_RCVTIMEO
	if events == unix.POLLOUT {
		option = unix.SO_SNDTIMEO
	}
	tv, ok := ofSocket(x, t, n, func(own int) (*unix.Timeval, error) {
		return unix.GetsockoptTimeval(own, unix.SOL_SOCKET, option)
	})
	if !ok || tv.Nano() == 0 {
		return -1
	}
	return x.after(tv.Nano())
}

// ofSocket asks something of a socket of the program's; false when there is
// no answer.
func ofSocket[T any](x *tracer, t *thread, n int, ask func(own int) (T, error)) (T, bool) {
	own, err := x.take(t, n)
	if err != nil {
		var none T
		return none, false
	}
	defer unix.Close(own)
	answer, err := ask(own)
	return answer, err == nil
}

// reads is the handler of read(2) and its like.
func reads(x *tracer, t *thread) outcome {
	switch f := x.file(t, t.intArg(0)); f.kind {
	case randomFD:
		return x.readRandom(t)
	case otherFD:
		if isTerminal(f.st.Rdev) {
			return x.readsTerminal(t, f)
		}
		out := x.inputReady(t, f.n)
		if out == goOn && !t.dirty && t.isInotify(f.n) {
			return x.readEvents(t)
		}
		if out == goOn && !t.dirty && x.ids != nil && t.proc.lookIn {
			t.taking = t.isOf(f.n, "anon_inode:[signalfd]")
		}
		return out
	case socketFD:
		if protocol, ok := x.ofNetlink(t, f); ok {
			return x.readsLinks(t, f, protocol, 0)
		}
		return x.inputReady(t, f.n)
	case pipeFD, outputFD:
		return x.inputReady(t, f.n)
	}
	return goOn
}

// readRandom answers a read of /dev/urandom.
func (x *tracer) readRandom(t *thread) outcome {
	total := int64(0)
	for _, v := range t.buffers() {
		n := int(min(v.n, uint64(mostRandom)-uint64(total)))
		if !t.write(v.at, t.proc.rand.bytes(n)) {
			t.answer(-int64(unix.EFAULT))
			return goOn
		}
		total += int64(n)
	}
	t.answer(total)
	return goOn
}

// A span is a part of a program's memory.
type span struct{ at, n uint64 }

// buffers returns the memory that a call reads to or writes from.
func (t *thread) buffers() []span {
	switch t.nr {
	case unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREADV, unix.SYS_PWRITEV, unix.SYS_PREADV2, unix.SYS_PWRITEV2:
		return t.vectors(t.arg(1), t.arg(2))
	case unix.SYS_SENDMSG, unix.SYS_RECVMSG:
		return t.messageBuffers(t.arg(1))
	}
	return []span{{t.arg(1), t.arg(2)}}
}

// messageBuffers returns those of a struct msghdr, recvmsg(2).
func (t *thread) messageBuffers(at uint64) []span {
	msg := t.read(at, 56)
	if len(msg) < 56 {
		return nil
	}
	return t.vectors(binary.LittleEndian.Uint64(msg[16:]), binary.LittleEndian.Uint64(msg[24:]))
}

// vectors reads an array of struct iovec, readv(2).
func (t *thread) vectors(at, n uint64) []span {
	const most = 1024 // IOV_MAX
	if n > most {
		return nil
	}
	b := t.read(at, int(n)*16)
	var out []span
	for ; len(b) >= 16; b = b[16:] {
		out = append(out, span{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])})
	}
	return out
}

// mostWritten is how much of a write is taken at once; the rest of it is the
// program's to write again, as with any that is not written whole.
const mostWritten = 1 << 20

// gather returns what a call writes, at most most bytes of it.
func (t *thread) gather(most int) ([]byte, bool) {
	var out []byte
	for _, v := range t.buffers() {
		n := int(min(v.n, uint64(most-len(out))))
		b := t.read(v.at, n)
		out = append(out, b...)
		if len(b) < n {
			return out, len(out) > 0
		}
	}
	return out, true
}

// writes is the handler of write(2) and its like.
func writes(x *tracer, t *thread) outcome {
	f := x.file(t, t.intArg(0))
	switch f.kind {
	case outputFD:
		b, ok := t.gather(mostWritten)
		if !ok {
			t.answer(-int64(unix.EFAULT))
			return goOn
		}
		if len(b) > 0 {
			x.tell(Event{Kind: Printed, FD: f.out, Data: b})
		}
		t.answer(int64(len(b)))
		return goOn
	case socketFD:
		if c := x.lookUp(f); c != nil {
			return x.send(t, c)
		}
		x.inet = true
		return x.writeSome(t, f)
	case pipeFD, otherFD:
		out := x.writeSome(t, f)
		if out == goOn && f.kind == otherFD && f.st.Rdev == devPTMX {
			x.types(t, f)
		}
		return out
	case plainFD:
		if f.st.Mode&unix.S_IFMT == unix.S_IFREG {
			x.touch(keyOf(&f.st))
		}
	}
	return goOn
}

// wholeWrite is up to how many bytes a write to a pipe is whole or not at all:
// PIPE_BUF, pipe(7).
const wholeWrite = 4096

// writeSome lets a write happen that does not wait, parks one that would, and
// writes what is longer than a pipe takes piece by piece.
func (x *tracer) writeSome(t *thread, f fd) outcome {
	x.yields = true
	total := uint64(0)
	for _, v := range t.buffers() {
		total += v.n
	}
	ready := x.polled(t, f.n, unix.POLLOUT)
	switch {
	case ready&(unix.POLLERR|unix.POLLNVAL) != 0, x.nonblocking(t, f.n, unix.POLLOUT):
		return goOn // what the kernel says, it says at once
	case total <= wholeWrite || f.kind == otherFD:
		if ready != 0 {
			return goOn
		}
	default:
		return x.writeLong(t, f)
	}
	return x.whenReady(t, f.n, unix.POLLOUT, "writes to")
}

// writeLong writes with a descriptor of the tracer's own, which takes what
// there is room for.
func (x *tracer) writeLong(t *thread, f fd) outcome {
	b, ok := t.gather(1 << 30)
	if !ok {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	own, err := x.take(t, f.n)
	if err != nil {
		return goOn
	}
	defer unix.Close(own)
	for t.wrote < len(b) {
		n, err := writeNow(own, f.kind, b[t.wrote:])
		if err == unix.EAGAIN {
			return x.park(t, parked{
				why: fmt.Sprintf("writes to descriptor %d", f.n), deadline: -1, restart: t.wrote == 0,
				ready: func() bool { return x.polled(t, f.n, unix.POLLOUT) != 0 },
			})
		}
		if err != nil {
			break
		}
		t.wrote += n
	}
	done := t.wrote
	t.wrote = 0
	if done == 0 {
		return goOn // the kernel says what is wrong, and sends SIGPIPE
	}
	t.answer(int64(done))
	return goOn
}

// writeNow writes without waiting.
func writeNow(own int, kind fdKind, b []byte) (int, error) {
	if kind == socketFD {
		return unix.SendmsgN(own, b, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	}
	const nowait = 8 // RWF_NOWAIT, pwritev2(2)
	n, err := unix.Pwritev2(own, [][]byte{b}, -1, nowait)
	return n, err
}

// splices is the handler of calls that move bytes between descriptors inside
// the kernel. Between files it does not wait. Where it might, it is not to be
// had, and programs read and write instead.
func splices(fds ...int) handler {
	return func(x *tracer, t *thread) outcome {
		for _, i := range fds {
			if x.file(t, t.intArg(i)).kind != plainFD {
				t.answer(-int64(unix.EINVAL))
				return goOn
			}
		}
		x.wroteTo(t, t.intArg(fds[len(fds)-1]))
		return goOn
	}
}

// locks is the handler of flock(2), and of fcntl(2), which may lock.
func locks(x *tracer, t *thread) outcome {
	try := t.arg(1)
	switch {
	case t.nr == unix.SYS_FLOCK:
		if try&unix.LOCK_NB != 0 {
			return goOn
		}
		try |= unix.LOCK_NB
	case try == unix.F_SETLKW:
		try = unix.F_SETLK
	case try == unix.F_OFD_SETLKW:
		try = unix.F_OFD_SETLK
	default:
		return goOn
	}
	ret, ok := x.instead(t, uintptr(t.nr), t.arg(0), try, t.arg(2))
	if !ok {
		return x.lost(t)
	}
	t.answer(ret)
	if e := errno(ret); e != unix.EAGAIN && e != unix.EACCES {
		return goOn
	}
	return x.park(t, parked{
		why: fmt.Sprintf("locks descriptor %d", t.intArg(0)), deadline: -1, restart: true,
		ready: x.changed(),
	})
}

// changed returns what reports whether anything has been done since it was
// made: a call that only tries again, and waits again, has done nothing.
func (x *tracer) changed() func() bool {
	then := x.progress
	return func() bool { return x.progress > then }
}

// resolve returns a path of the program's as the tracer reaches it.
func (x *tracer) resolve(t *thread, at int, path string) string {
	if x.views != nil {
		if host, ok := x.hostPath(t, at, path, true); ok {
			return host
		}
	}
	base := "/proc/" + strconv.Itoa(t.tid)
	switch {
	case strings.HasPrefix(path, "/"):
		return base + "/root" + path
	case at == unix.AT_FDCWD:
		return base + "/cwd/" + path
	}
	return base + "/fd/" + strconv.Itoa(at) + "/" + path
}

// openFIFO lets a thread open a FIFO when somebody has, or waits to have, its
// other end.
func (x *tracer) openFIFO(t *thread, st unix.Stat_t, flags uint64) outcome {
	key := [2]uint64{st.Dev, st.Ino}
	writing := flags&unix.O_ACCMODE == unix.O_WRONLY
	other := func() bool {
		if x.hasFIFO(key, !writing) {
			return true
		}
		for _, w := range x.waits {
			if f := w.parked.fifo; f != nil && f.key == key && f.writing != writing {
				return true
			}
		}
		return false
	}
	if other() {
		// The kernel would wait for the other end, which stands still: it is
		// opened for both directions for a moment, in the tracer.
		own, err := os.OpenFile(x.resolve(t, unix.AT_FDCWD, x.fifoPath(t)), os.O_RDWR|unix.O_NONBLOCK, 0)
		if err != nil {
			return goOn
		}
		defer own.Close()
		// Those who wait for this end open theirs first: what is written
		// before they would is lost when the writer has closed it again.
		for _, w := range slices.Clone(x.waits) {
			if f := w.parked.fifo; f != nil && f.key == key && f.writing != writing {
				x.openStopped(w)
			}
		}
		ret, out := x.passStopped(t)
		if out == goOn {
			t.answer(ret)
		}
		return out
	}
	return x.park(t, parked{
		why: "opens a FIFO", deadline: -1, restart: true, ready: other, fifo: &fifo{key, writing},
	})
}

// openStopped lets a parked thread open its end of a FIFO, which does not wait
// now, and go on when it is its turn.
func (x *tracer) openStopped(w *thread) {
	x.unwait(w)
	if ret, out := x.passStopped(w); out == goOn {
		w.answer(ret)
		x.ready(w)
	}
}

// A fifo is an end of one that a thread waits to open.
type fifo struct {
	key     [2]uint64
	writing bool
}

// fifoPath returns the path that an open names, absolute.
func (x *tracer) fifoPath(t *thread) string {
	at, i := unix.AT_FDCWD, 0
	if t.nr == unix.SYS_OPENAT {
		at, i = t.intArg(0), 1
	}
	path, _ := t.text(t.arg(i), 4096)
	if strings.HasPrefix(path, "/") {
		return path
	}
	link := "/cwd"
	if at != unix.AT_FDCWD {
		link = "/fd/" + strconv.Itoa(at)
	}
	dir, _ := os.Readlink("/proc/" + strconv.Itoa(t.tid) + link)
	if x.views != nil {
		dir = x.views.inside(dir)
	}
	return dir + "/" + path
}

// hasFIFO reports whether any process has an end of a FIFO open.
func (x *tracer) hasFIFO(key [2]uint64, writing bool) bool {
	for _, p := range x.processes {
		if len(p.threads) == 0 {
			continue
		}
		t := p.threads[0]
		list, _ := os.ReadDir("/proc/" + strconv.Itoa(t.tid) + "/fd")
		for _, e := range list {
			n, _ := strconv.Atoi(e.Name())
			f := x.file(t, n)
			if f.kind != pipeFD || [2]uint64{f.st.Dev, f.st.Ino} != key {
				continue
			}
			flags, _ := strconv.ParseUint(fdinfoField(t.tid, n, "flags"), 8, 64)
			if mode := flags & unix.O_ACCMODE; mode == unix.O_RDWR || (mode == unix.O_WRONLY) == writing {
				return true
			}
		}
	}
	return false
}
