//go:build linux && amd64

package box

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// A pollSet are the descriptors of a call that waits for several.
type pollSet []unix.PollFd

// look fills in which of them have what is waited for, and counts them.
func (x *tracer) pollSet(t *thread, set pollSet) int {
	if t.proc.lookIn {
		return x.ownPoll(t, set)
	}
	own := make([]unix.PollFd, len(set))
	n := 0
	for i, f := range set {
		set[i].Revents = 0
		own[i] = unix.PollFd{Fd: -1, Events: f.Events}
		if f.Fd < 0 {
			continue
		}
		fd, err := x.take(t, int(f.Fd))
		if err != nil {
			set[i].Revents = unix.POLLNVAL
			n++
			continue
		}
		own[i].Fd = int32(fd)
		defer unix.Close(fd)
	}
	if _, err := unix.Poll(own, 0); err != nil {
		return n
	}
	for i := range own {
		if own[i].Fd >= 0 && own[i].Revents != 0 {
			set[i].Revents = own[i].Revents
			n++
		}
	}
	return n
}

// mostPolled is how many descriptors one call may wait for.
const mostPolled = 1 << 16

// polls is the handler of poll(2) and ppoll(2).
func polls(x *tracer, t *thread) outcome {
	x.yields = true
	n := t.arg(1)
	if n > mostPolled {
		return goOn // the kernel refuses it
	}
	set := t.pollFDs(t.arg(0), int(n))
	if set == nil && n > 0 {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	wait := int64(int32(t.arg(2))) * 1e6
	var mask *uint64
	if t.nr == unix.SYS_PPOLL {
		wait = -1
		if at := t.arg(2); at != 0 {
			d, e := t.validTimespec(at)
			if e != 0 {
				t.answer(-int64(e))
				return goOn
			}
			wait = d
		}
		mask = t.mask(t.arg(3))
	}
	if t.takeInterrupt() {
		return x.withoutWaiting(t, 2, t.nr == unix.SYS_PPOLL)
	}
	if found := x.pollSet(t, set); found > 0 || wait == 0 || t.late {
		if !t.write(t.arg(0), set.bytes()) {
			t.answer(-int64(unix.EFAULT))
			return goOn
		}
		t.answer(int64(found))
		return goOn
	}
	return x.park(t, parked{
		why: fmt.Sprintf("polls %d descriptors", n), deadline: x.after(wait), mask: mask,
		ready: func() bool { return x.pollSet(t, set) > 0 },
	})
}

func (t *thread) pollFDs(at uint64, n int) pollSet {
	b := t.read(at, n*8)
	if len(b) < n*8 {
		return nil
	}
	set := make(pollSet, n)
	for i := range set {
		set[i].Fd = int32(binary.LittleEndian.Uint32(b[i*8:]))
		set[i].Events = int16(binary.LittleEndian.Uint16(b[i*8+4:]))
	}
	return set
}

func (s pollSet) bytes() []byte {
	var b []byte
	for _, f := range s {
		b = binary.LittleEndian.AppendUint32(b, uint32(f.Fd))
		b = binary.LittleEndian.AppendUint16(b, uint16(f.Events))
		b = binary.LittleEndian.AppendUint16(b, uint16(f.Revents))
	}
	return b
}

// mask reads a signal mask; nil when there is none.
func (t *thread) mask(at uint64) *uint64 {
	if at == 0 {
		return nil
	}
	m, ok := t.word(at)
	if !ok {
		return nil
	}
	return &m
}

// withoutWaiting lets the kernel make a call with the timeout 0: the argument
// of that number, a pointer to a struct timespec or a number of milliseconds.
func (x *tracer) withoutWaiting(t *thread, arg int, pointer bool) outcome {
	args := []uint64{t.arg(0), t.arg(1), t.arg(2), t.arg(3), t.arg(4), t.arg(5)}
	args[arg] = 0
	if pointer {
		args[arg] = scratchAddr
		t.write(scratchAddr, make([]byte, 16))
	}
	ret, ok := x.instead(t, uintptr(t.nr), args...)
	if !ok {
		return x.lost(t)
	}
	t.answer(ret)
	return goOn
}

// selects is the handler of select(2) and pselect6(2).
func selects(x *tracer, t *thread) outcome {
	x.yields = true
	n := t.intArg(0)
	if n < 0 || n > mostPolled {
		return goOn
	}
	wait := int64(-1)
	var mask *uint64
	pointer := t.nr == unix.SYS_PSELECT6
	if at := t.arg(4); at != 0 {
		d, ok := t.timespec(at)
		if !ok {
			t.answer(-int64(unix.EFAULT))
			return goOn
		}
		if wait = d; !pointer {
			usec, _ := t.word(at + 8)
			wait = d - int64(usec) + int64(usec)*1000
		}
		if wait < 0 {
			t.answer(-int64(unix.EINVAL))
			return goOn
		}
	}
	if at := t.arg(5); pointer && at != 0 {
		if ptr, ok := t.word(at); ok {
			mask = t.mask(ptr)
		}
	}
	set := t.selected(n)
	if t.takeInterrupt() || wait == 0 || t.late || x.pollSet(t, set) > 0 {
		return x.withoutWaiting(t, 4, true)
	}
	return x.park(t, parked{
		why: fmt.Sprintf("selects among %d descriptors", len(set)), deadline: x.after(wait), mask: mask,
		ready: func() bool { return x.pollSet(t, set) > 0 },
	})
}

// selected returns the descriptors of the three sets.
func (t *thread) selected(n int) pollSet {
	events := make([]int16, n)
	for i, ev := range []int16{unix.POLLIN, unix.POLLOUT, unix.POLLPRI} {
		at := t.arg(1 + i)
		if at == 0 {
			continue
		}
		b := t.read(at, (n+63)/64*8)
		for f := range min(n, len(b)*8) {
			if b[f/8]&(1<<(f%8)) != 0 {
				events[f] |= ev
			}
		}
	}
	var set pollSet
	for f, ev := range events {
		if ev != 0 {
			set = append(set, unix.PollFd{Fd: int32(f), Events: ev})
		}
	}
	return set
}

// epolls is the handler of epoll_wait(2) and its like.
func epolls(x *tracer, t *thread) outcome {
	x.yields = true
	wait, pointer := int64(int32(t.arg(3)))*1e6, false
	var mask *uint64
	switch t.nr {
	case unix.SYS_EPOLL_PWAIT:
		mask = t.mask(t.arg(4))
	case unix.SYS_EPOLL_PWAIT2:
		pointer, wait = true, -1
		if at := t.arg(3); at != 0 {
			d, e := t.validTimespec(at)
			if e != 0 {
				t.answer(-int64(e))
				return goOn
			}
			wait = d
		}
		mask = t.mask(t.arg(4))
	}
	n := t.intArg(0)
	if t.takeInterrupt() || wait == 0 || t.late || x.polled(t, n, unix.POLLIN) != 0 {
		return x.withoutWaiting(t, 3, pointer)
	}
	return x.park(t, parked{
		why: fmt.Sprintf("waits at epoll %d", n), deadline: x.after(wait), mask: mask,
		ready: func() bool { return x.polled(t, n, unix.POLLIN) != 0 },
	})
}
