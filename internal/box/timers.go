//go:build linux && amd64

package box

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// A timer expires at virtual times: setitimer(2), timer_create(2),
// timerfd_create(2).
type timer struct {
	proc     *process
	clock    uint64
	at       int64 // when it expires next; -1: it is not armed
	interval int64
	expire   func(times uint64)
	seq      int64 // of its arming

	id      int         // of timer_create
	overrun int64       // expirations beyond the one that was told
	dead    func() bool // of a timerfd: nobody has it open any more
	event   string      // of a timerfd: the eventfd that stands for it
}

// timers are all of a program's.
type timers struct {
	all  []*timer
	last int64
}

func (ts *timers) earliest() int64 {
	first := int64(-1)
	for _, m := range ts.all {
		if m.at >= 0 && (first < 0 || m.at < first) && (m.dead == nil || !m.dead()) {
			first = m.at
		}
	}
	return first
}

// fire lets expire what is due, in order of time and then of arming.
func (ts *timers) fire(x *tracer) {
	if len(ts.all) == 0 {
		return
	}
	var due []*timer
	for _, m := range ts.all {
		if m.at >= 0 && m.at <= x.now {
			due = append(due, m)
		}
	}
	slices.SortFunc(due, func(a, b *timer) int {
		if a.at != b.at {
			return int(min(max(a.at-b.at, -1), 1))
		}
		return int(min(max(a.seq-b.seq, -1), 1))
	})
	for _, m := range due {
		times := uint64(1)
		if m.interval > 0 {
			times += uint64((x.now - m.at) / m.interval)
			m.at += int64(times) * m.interval
		} else {
			m.at = -1
		}
		m.expire(times)
	}
}

// arm sets a timer as settime says: 16 bytes of interval, 16 of the first
// expiry, in units of unit nanoseconds below the second.
func (x *tracer) arm(m *timer, spec []byte, unit int64, absolute bool) unix.Errno {
	read := func(b []byte) (int64, bool) {
		sec, sub := int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
		if sec < 0 || sub < 0 || sub*unit >= second {
			return 0, false
		}
		return min(sec, 1<<32)*second + sub*unit, true
	}
	interval, ok := read(spec)
	first, ok2 := read(spec[16:])
	if !ok || !ok2 {
		return unix.EINVAL
	}
	x.timers.last++
	m.interval, m.seq, m.overrun = interval, x.timers.last, 0
	switch {
	case first == 0:
		m.at = -1
	case absolute:
		m.at = x.until(m.clock, first)
	default:
		m.at = x.now + first
	}
	return 0
}

// remaining is what gettime tells.
func (x *tracer) remaining(m *timer, unit int64) []byte {
	left := int64(0)
	if m.at >= 0 {
		left = max(m.at-x.now, 1)
	}
	var b []byte
	for _, d := range []int64{m.interval, left} {
		b = binary.LittleEndian.AppendUint64(b, uint64(d/second))
		b = binary.LittleEndian.AppendUint64(b, uint64((d%second+unit-1)/unit))
	}
	return b
}

// drop takes away the timers of a process that is no more, or that executes
// another program: timerfds stay then.
func (ts *timers) drop(p *process) {
	ts.all = slices.DeleteFunc(ts.all, func(m *timer) bool { return m.proc == p && m.dead == nil })
}

// signal makes a timer's expiry a signal.
func (x *tracer) signalOf(m *timer, sig, tid int, value uint64, code int32) func(uint64) {
	return func(times uint64) {
		if len(m.proc.threads) == 0 {
			m.at = -1
			return
		}
		m.overrun += int64(times) - 1
		queueSignal(m.proc, tid, sig, code, value, [2]int32{int32(m.id), int32(m.overrun)})
		m.overrun = 0
		m.proc.poked = true
		x.interrupt(m.proc)
		m.proc.poked = true // the thread whose turn it is may be about to wait
	}
}

// itimer returns the process's interval timer, getitimer(2). Only real time
// is counted: the others count the same here.
func (x *tracer) itimer(p *process, which int) *timer {
	for _, m := range x.timers.all {
		if m.proc == p && m.id == -1-which {
			return m
		}
	}
	m := &timer{proc: p, clock: unix.CLOCK_MONOTONIC, at: -1, id: -1 - which}
	sig := [...]unix.Signal{unix.SIGALRM, unix.SIGVTALRM, unix.SIGPROF}[which]
	m.expire = func(uint64) {
		unix.Kill(p.pid, sig) //nolint:errcheck // a process that is no more needs none
		p.poked = true
		x.interrupt(p)
		p.poked = true
	}
	x.timers.all = append(x.timers.all, m)
	return m
}

func setitimer(x *tracer, t *thread) outcome {
	which := t.intArg(0)
	if which < 0 || which > 2 {
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	m := x.itimer(t.proc, which)
	old := x.remaining(m, 1000)
	spec := make([]byte, 32)
	if at := t.arg(1); at != 0 && t.readInto(at, spec) != len(spec) {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	if e := x.arm(m, spec, 1000, false); e != 0 {
		t.answer(-int64(e))
		return goOn
	}
	return t.written(t.arg(2) == 0 || t.write(t.arg(2), old))
}

func getitimer(x *tracer, t *thread) outcome {
	which := t.intArg(0)
	if which < 0 || which > 2 {
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	return t.written(t.write(t.arg(1), x.remaining(x.itimer(t.proc, which), 1000)))
}

func alarm(x *tracer, t *thread) outcome {
	m := x.itimer(t.proc, 0)
	left := int64(0)
	if m.at >= 0 {
		left = max(1, (m.at-x.now+second/2)/second)
	}
	spec := make([]byte, 32)
	binary.LittleEndian.PutUint64(spec[16:], uint64(uint32(t.arg(0))))
	x.arm(m, spec, 1000, false)
	t.answer(left)
	return goOn
}

// timerCreate makes a timer of timer_create(2). struct sigevent: value 8
// bytes, signo 4, notify 4, tid 4.
func timerCreate(x *tracer, t *thread) outcome {
	const byThread = 4 // SIGEV_THREAD_ID
	if _, ok := x.clock(t, t.arg(0)); !ok {
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	p := t.proc
	m := &timer{proc: p, clock: t.arg(0), at: -1, id: p.timers}
	sig, notify, tid, value := int(unix.SIGALRM), uint32(0), 0, uint64(m.id)
	if at := t.arg(1); at != 0 {
		b := t.read(at, 20)
		if len(b) < 20 {
			t.answer(-int64(unix.EFAULT))
			return goOn
		}
		value = binary.LittleEndian.Uint64(b)
		sig = int(binary.LittleEndian.Uint32(b[8:]))
		notify = binary.LittleEndian.Uint32(b[12:])
		if notify == byThread {
			id := int(binary.LittleEndian.Uint32(b[16:]))
			i := slices.IndexFunc(p.threads, func(o *thread) bool { return o.id == id })
			if i < 0 {
				t.answer(-int64(unix.EINVAL))
				return goOn
			}
			tid = p.threads[i].tid
		}
	}
	m.expire = func(uint64) {}
	if notify != 1 { // SIGEV_NONE
		const siTimer = -2
		m.expire = x.signalOf(m, sig, tid, value, siTimer)
	}
	if !t.setWord32(t.arg(2), uint32(m.id)) {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	p.timers++
	x.timers.all = append(x.timers.all, m)
	t.answer(0)
	return goOn
}

func (x *tracer) posixTimer(t *thread) *timer {
	for _, m := range x.timers.all {
		if m.proc == t.proc && m.id == t.intArg(0) && m.id >= 0 && m.dead == nil {
			return m
		}
	}
	return nil
}

func timerCall(x *tracer, t *thread) outcome {
	m := x.posixTimer(t)
	if m == nil {
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	switch t.nr {
	case unix.SYS_TIMER_SETTIME:
		return x.settime(t, m)
	case unix.SYS_TIMER_GETTIME:
		return t.written(t.write(t.arg(1), x.remaining(m, 1)))
	case unix.SYS_TIMER_GETOVERRUN:
		t.answer(m.overrun)
	case unix.SYS_TIMER_DELETE:
		x.timers.all = slices.DeleteFunc(x.timers.all, func(o *timer) bool { return o == m })
		t.answer(0)
	}
	return goOn
}

// settime answers timer_settime and timerfd_settime, whose arguments are
// alike.
func (x *tracer) settime(t *thread, m *timer) outcome {
	old := x.remaining(m, 1)
	spec := t.read(t.arg(2), 32)
	if len(spec) < 32 {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	if e := x.arm(m, spec, 1, t.arg(1)&1 != 0); e != 0 {
		t.answer(-int64(e))
		return goOn
	}
	return t.written(t.arg(3) == 0 || t.write(t.arg(3), old))
}

// timerfdCreate makes an eventfd instead, which the tracer counts up: reading
// it says the same as reading a timerfd, and poll(2) too.
func timerfdCreate(x *tracer, t *thread) outcome {
	if _, ok := x.clock(t, t.arg(0)); !ok {
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	ret, ok := x.instead(t, unix.SYS_EVENTFD2, 0, t.arg(1)&(unix.TFD_CLOEXEC|unix.TFD_NONBLOCK))
	if !ok {
		return x.lost(t)
	}
	t.answer(ret)
	if errno(ret) != 0 {
		return goOn
	}
	own, err := x.take(t, int(ret))
	if err != nil {
		return goOn
	}
	name := fdinfoField(t.tid, int(ret), "eventfd-id")
	m := &timer{proc: t.proc, clock: t.arg(0), at: -1, id: -10}
	m.expire = func(times uint64) {
		unix.Write(own, binary.LittleEndian.AppendUint64(nil, times)) //nolint:errcheck // it counts to 2^64
	}
	checked, gone := int64(-1), false
	m.dead = func() bool {
		if !gone && checked != x.now {
			checked = x.now
			gone = !x.holdsEvent(name)
			if gone {
				unix.Close(own)
				m.at, m.expire = -1, func(uint64) {}
			}
		}
		return gone
	}
	m.event = name
	x.timers.all = append(x.timers.all, m)
	return goOn
}

// holdsEvent reports whether any process has an eventfd open.
func (x *tracer) holdsEvent(name string) bool {
	for _, p := range x.processes {
		for n := range 256 {
			if len(p.threads) > 0 && fdinfoField(p.threads[0].tid, n, "eventfd-id") == name {
				return true
			}
		}
	}
	return false
}

func timerfdCall(x *tracer, t *thread) outcome {
	name := fdinfoField(t.tid, t.intArg(0), "eventfd-id")
	i := slices.IndexFunc(x.timers.all, func(m *timer) bool { return m.event != "" && m.event == name })
	if i < 0 {
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	m := x.timers.all[i]
	if t.nr == unix.SYS_TIMERFD_GETTIME {
		return t.written(t.write(t.arg(1), x.remaining(m, 1)))
	}
	if own, err := x.take(t, t.intArg(0)); err == nil {
		if x.polled(t, t.intArg(0), unix.POLLIN) != 0 {
			unix.Read(own, make([]byte, 8)) //nolint:errcheck // expirations before are not told any more
		}
		unix.Close(own)
	}
	return x.settime(t, m)
}
