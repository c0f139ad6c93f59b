//go:build linux && amd64

package box

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// sinceBoot is what the clocks that count from the machine's start say when
// the program begins.
const sinceBoot = 1000 * 1e9

func isClock(nr uint64) bool {
	return nr == unix.SYS_CLOCK_GETTIME || nr == unix.SYS_GETTIMEOFDAY || nr == unix.SYS_TIME
}

// clock returns what a clock says, in nanoseconds; false for none.
func (x *tracer) clock(t *thread, id uint64) (int64, bool) {
	switch int32(id) {
	case unix.CLOCK_REALTIME, unix.CLOCK_REALTIME_COARSE, unix.CLOCK_TAI, unix.CLOCK_REALTIME_ALARM:
		return x.Start + x.now, true
	case unix.CLOCK_MONOTONIC, unix.CLOCK_MONOTONIC_RAW, unix.CLOCK_MONOTONIC_COARSE, unix.CLOCK_BOOTTIME, unix.CLOCK_BOOTTIME_ALARM:
		return sinceBoot + x.now, true
	case unix.CLOCK_PROCESS_CPUTIME_ID:
		return t.proc.cpu, true
	case unix.CLOCK_THREAD_CPUTIME_ID:
		return t.cpu, true
	}
	if int32(id) < 0 {
		return x.cpuClock(t, int32(id))
	}
	return 0, false
}

// cpuClock is the clock of a process or thread by its number:
// clock_getcpuclockid(3), pthread_getcpuclockid(3).
func (x *tracer) cpuClock(t *thread, id int32) (int64, bool) {
	n := int(^(id >> 3))
	ofThread := id&4 != 0
	for _, o := range x.threads {
		switch {
		case ofThread && (o.id == n || n == 0 && o == t):
			return o.cpu, true
		case !ofThread && (o.proc.id == n || n == 0 && o == t):
			return o.proc.cpu, true
		}
	}
	return 0, false
}

// after is the deadline of a wait that lasts d, -1 when it has none.
func (x *tracer) after(d int64) int64 {
	if d < 0 {
		return -1
	}
	if d > 1<<62 {
		d = 1 << 62
	}
	return x.now + d
}

// until is the deadline that a clock says at.
func (x *tracer) until(id uint64, at int64) int64 {
	switch int32(id) {
	case unix.CLOCK_REALTIME, unix.CLOCK_TAI, unix.CLOCK_REALTIME_ALARM:
		return max(0, at-x.Start)
	}
	return max(0, at-sinceBoot)
}

const second = int64(1e9)

// timespec reads one: nanoseconds, false when there is none or it is wrong.
func (t *thread) timespec(addr uint64) (int64, bool) {
	var b [16]byte
	if t.readInto(addr, b[:]) != len(b) {
		return 0, false
	}
	sec := int64(binary.LittleEndian.Uint64(b[:]))
	nsec := int64(binary.LittleEndian.Uint64(b[8:]))
	if sec > 1<<33-1 {
		return 1<<62 - 1, true
	}
	return sec*second + nsec, true
}

// validTimespec says what is wrong with one that is to be slept by.
func (t *thread) validTimespec(addr uint64) (int64, unix.Errno) {
	nsec, ok := t.word(addr + 8)
	d, ok2 := t.timespec(addr)
	switch {
	case !ok || !ok2:
		return 0, unix.EFAULT
	case nsec >= uint64(second) || d < 0:
		return 0, unix.EINVAL
	}
	return d, 0
}

// setTime writes a timespec, or with unit 1000 a timeval.
func (t *thread) setTime(addr uint64, ns, unit int64) bool {
	b := binary.LittleEndian.AppendUint64(nil, uint64(ns/second))
	b = binary.LittleEndian.AppendUint64(b, uint64(ns%second/unit))
	return t.write(addr, b)
}

// written answers with 0, or that the memory is not there.
func (t *thread) written(ok bool) outcome {
	if ok {
		t.answer(0)
	} else {
		t.answer(-int64(unix.EFAULT))
	}
	return goOn
}

func clockGettime(x *tracer, t *thread) outcome {
	ns, ok := x.clock(t, t.arg(0))
	if !ok {
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	return t.written(t.setTime(t.arg(1), ns, 1))
}

func clockGetres(x *tracer, t *thread) outcome {
	if _, ok := x.clock(t, t.arg(0)); !ok {
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	return t.written(t.arg(1) == 0 || t.setTime(t.arg(1), 1, 1))
}

func gettimeofday(x *tracer, t *thread) outcome {
	ok := t.arg(0) == 0 || t.setTime(t.arg(0), x.Start+x.now, 1000)
	if tz := t.arg(1); tz != 0 {
		ok = ok && t.setWord(tz, 0)
	}
	return t.written(ok)
}

func timeOfDay(x *tracer, t *thread) outcome {
	now := (x.Start + x.now) / second
	if at := t.arg(0); at != 0 && !t.setWord(at, uint64(now)) {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	t.answer(now)
	return goOn
}

// cpuTimes answers times(2): hundredths of a second.
func cpuTimes(x *tracer, t *thread) outcome {
	const tick = second / 100
	if at := t.arg(0); at != 0 {
		b := binary.LittleEndian.AppendUint64(nil, uint64(t.proc.cpu/tick))
		if !t.write(at, append(b, make([]byte, 24)...)) {
			t.answer(-int64(unix.EFAULT))
			return goOn
		}
	}
	t.answer((sinceBoot + x.now) / tick)
	return goOn
}

// rusageSize is that of struct rusage, getrusage(2).
const rusageSize = 144

func (t *thread) rusage(ns int64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(ns/second))
	b = binary.LittleEndian.AppendUint64(b, uint64(ns%second/1000))
	b = append(b, make([]byte, rusageSize-len(b))...)
	binary.LittleEndian.PutUint64(b[32:], residentKB)
	return b
}

// residentKB is the memory that programs are told they use at most.
const residentKB = 64 << 10

func getrusage(x *tracer, t *thread) outcome {
	ns := int64(0)
	switch t.intArg(0) {
	case unix.RUSAGE_SELF:
		ns = t.proc.cpu
	case unix.RUSAGE_THREAD:
		ns = t.cpu
	case unix.RUSAGE_CHILDREN:
	default:
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	return t.written(t.write(t.arg(1), t.rusage(ns)))
}

func nanosleep(x *tracer, t *thread) outcome {
	return x.sleep(t, t.arg(0), unix.CLOCK_MONOTONIC, false)
}

func clockNanosleep(x *tracer, t *thread) outcome {
	const absolute = 1 // TIMER_ABSTIME
	if _, ok := x.clock(t, t.arg(0)); !ok {
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	return x.sleep(t, t.arg(2), t.arg(0), t.arg(1)&absolute != 0)
}

func (x *tracer) sleep(t *thread, addr, clock uint64, absolute bool) outcome {
	if t.late {
		t.answer(0)
		return goOn
	}
	d, e := t.validTimespec(addr)
	if e != 0 {
		t.answer(-int64(e))
		return goOn
	}
	p := parked{why: "sleeps", deadline: x.after(d)}
	switch {
	case absolute:
		p.deadline = x.until(clock, d)
	case t.nr == unix.SYS_NANOSLEEP:
		p.remain = t.arg(1)
	default:
		p.remain = t.arg(3)
	}
	return x.park(t, p)
}

func schedYield(x *tracer, t *thread) outcome {
	t.answer(0)
	x.yields = true
	return goOn
}
