//go:build linux && amd64

package box

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What is written to one end of a pseudoterminal, pty(7), a worker of the
// kernel's brings to the other a moment later. So how much a read finds, what
// is echoed, and when a control character becomes a signal, would be any
// time's.
//
// A read, then, takes all that there is room for: when there is nothing more,
// poll(2) waits for the worker. And whoever types goes on when what was typed
// has arrived: where nothing was there before, poll(2) waits for that as well.
// Where there was, the worker is seen at its work by what changes, and its lock
// is waited for.

// devPTMX is the device of the ends that are typed at; the others have these
// majors: Documentation/admin-guide/devices.txt.
var devPTMX = unix.Mkdev(5, 2)

const firstSlaves, lastSlaves = 136, 143

func isTerminal(rdev uint64) bool {
	major := unix.Major(rdev)
	return rdev == devPTMX || rdev == unix.Mkdev(5, 0) || major >= firstSlaves && major <= lastSlaves
}

// readsTerminal lets a thread read from a terminal.
func (x *tracer) readsTerminal(t *thread, f fd) outcome {
	if out := x.inputReady(t, f.n); out != goOn || t.dirty || t.proc.lookIn || x.isStdin(f) {
		return out
	}
	own, err := x.take(t, f.n)
	if err != nil {
		return goOn
	}
	defer unix.Close(own)
	ret, out := x.passStopped(t)
	if out == goOn && ret > 0 && isStream(own, f.st.Rdev == devPTMX) {
		t.answer(ret + t.readOn(own, uint64(ret)))
	}
	return out
}

// isStdin reports whether a terminal is the one that coo was started at: what
// a person types there is nobody's to say again.
func (x *tracer) isStdin(f fd) bool {
	var st unix.Stat_t
	return unix.Fstat(x.Stdin, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == f.st.Rdev
}

// isStream reports whether what is read is bytes without bounds, and not lines
// or packets.
func isStream(own int, master bool) bool {
	if master {
		packets, err := unix.IoctlGetInt(own, unix.TIOCGPKT)
		return err == nil && packets == 0
	}
	s, err := unix.IoctlGetTermios(own, unix.TCGETS)
	return err == nil && s.Lflag&unix.ICANON == 0
}

// readOn reads what more there is into what a call has left of its buffers,
// and returns how much that was.
func (t *thread) readOn(own int, done uint64) (more int64) {
	for _, v := range t.buffers() {
		skip := min(done, v.n)
		done -= skip
		for v = (span{v.at + skip, v.n - skip}); v.n > 0; {
			if polledOwn(own, unix.POLLIN)&unix.POLLIN == 0 {
				return more
			}
			b := make([]byte, min(v.n, 1<<16))
			n, err := unix.Read(own, b)
			if err != nil || n == 0 || !t.write(v.at, b[:n]) {
				return more // the next call is told
			}
			v = span{v.at + uint64(n), v.n - uint64(n)}
			more += int64(n)
		}
	}
	return more
}

// A typing is a write to a master that is about to be made, or was made last.
type typing struct {
	master, slave int // descriptors of the tracer's own
	shows         int // which of them it can be seen at; -1: neither
	was           int // how much there was to be read
}

// shownAt returns at which end it can be seen first that bytes are typed: at
// the one that they are typed for, or, where they are a part of a line, by
// their echo.
func (w *typing) shownAt(b []byte) int {
	const ends = "\n\r\x03\x04\x1a\x1c" // a line, or all that was typed
	s, err := unix.IoctlGetTermios(w.slave, unix.TCGETS)
	switch {
	case err != nil:
		return -1
	case s.Lflag&unix.ICANON == 0 || bytes.ContainsAny(b, ends):
		return w.slave
	case s.Lflag&unix.ECHO != 0:
		return w.master
	}
	return -1
}

func (w *typing) shown() int {
	n, _ := unix.IoctlGetInt(w.shows, unix.TIOCINQ)
	return n
}

// close may be called of none.
func (w *typing) close() {
	if w != nil {
		unix.Close(w.master)
		unix.Close(w.slave)
	}
}

// getPeer is TIOCGPTPEER, ioctl_tty(2).
const getPeer = 0x5441

// types notes what there is at a terminal at which a thread is about to type.
// One whose other end nobody has opened is left alone: the first to close it
// would end it.
func (x *tracer) types(t *thread, f fd) {
	t.typing.close()
	t.typing = nil
	if t.proc.lookIn {
		return
	}
	m, err := x.take(t, f.n)
	if err != nil {
		return
	}
	n, err := ptyNumber(m)
	if err == nil && x.slaves[n] && polledOwn(m, unix.POLLIN)&unix.POLLHUP == 0 {
		const flags = unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC | unix.O_NONBLOCK
		if s, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(m), getPeer, flags); e == 0 {
			w := &typing{master: m, slave: int(s)}
			b, _ := t.gather(4096)
			w.shows = w.shownAt(b)
			w.was = w.shown()
			t.typing = w
			return
		}
	}
	unix.Close(m)
}

// arrive waits until what a thread has typed has arrived.
func (t *thread) arrive() {
	w := t.typing
	t.typing = nil
	defer w.close()
	if polledOwn(w.slave, unix.POLLIN)&unix.POLLIN == 0 {
		return // polling has waited
	}
	const patience = 2000 // times 25 µs: there may be no room for it
	for n := 0; n < patience && w.shows >= 0 && w.shown() == w.was; n++ {
		unix.Nanosleep(&unix.Timespec{Nsec: 25_000}, nil) //nolint:errcheck // it is looked at again
	}
	// What one end is set to, is the other's settings: for that the kernel
	// waits until nothing is being received.
	if s, err := unix.IoctlGetTermios(w.master, unix.TCGETS); err == nil {
		unix.IoctlSetTermios(w.master, unix.TCSETS, s) //nolint:errcheck // it is set to what it is
	}
}

func ptyNumber(master int) (uint32, error) { return unix.IoctlGetUint32(master, unix.TIOCGPTN) }

// opensTerminal notes the name of a terminal that is opened.
func (x *tracer) opensTerminal(name string) {
	if x.views != nil && isSlave(name) {
		name = x.views.host(name)
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(name, slavesDir), 10, 32); err == nil && isSlave(name) {
		x.slaves[uint32(n)] = true
	}
}

// slavesDir is where those ends are that have names.
const slavesDir = "/dev/pts/"

func isSlave(name string) bool {
	n, ok := strings.CutPrefix(name, slavesDir)
	_, err := strconv.Atoi(n)
	return ok && err == nil
}

// numberTerminal returns the number that a terminal of the machine's has
// inside, where it has been told to a program: the lowest that none has.
func (x *tracer) numberTerminal(machine uint32) uint32 {
	v := x.views
	name := slavesDir + strconv.Itoa(int(machine))
	if v.from[name] != "" {
		return v.terminal(machine)
	}
	n := uint32(0)
	for ; ; n++ {
		w, taken := v.at[slavesDir+strconv.Itoa(int(n))]
		if !taken {
			break
		}
		if unix.Access(w.From, unix.F_OK) != nil {
			delete(v.from, w.From)
			break
		}
	}
	at := slavesDir + strconv.Itoa(int(n))
	v.at[at], v.from[name] = View{At: at, From: name}, at
	return n
}

// terminal returns the number that a terminal has inside, or the machine's
// when it has none.
func (v *views) terminal(machine uint32) uint32 {
	at := v.from[slavesDir+strconv.Itoa(int(machine))]
	if n, err := strconv.ParseUint(strings.TrimPrefix(at, slavesDir), 10, 32); err == nil {
		return uint32(n)
	}
	return machine
}

// ownTerminals leaves, of the entries of their directory, the program's, by
// the names that it knows them by.
func (x *tracer) ownTerminals(entries []dirEntry) []dirEntry {
	out := entries[:0]
	for _, e := range entries {
		if _, err := strconv.Atoi(e.name); err == nil {
			at := x.views.from[slavesDir+e.name]
			if at == "" {
				continue
			}
			e.name = strings.TrimPrefix(at, slavesDir)
		}
		out = append(out, e)
	}
	return out
}
