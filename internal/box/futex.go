//go:build linux && amd64

package box

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A futexKey tells futexes apart, futex(2): by memory and address, or, in
// memory that processes share, by file and offset.
type futexKey struct {
	mm       *mm
	addr     uint64
	dev, ino uint64
}

// Operations and flags of futex(2).
const (
	futexWait       = 0
	futexWake       = 1
	futexRequeue    = 3
	futexCmpRequeue = 4
	futexWakeOp     = 5
	futexLockPI     = 6
	futexUnlockPI   = 7
	futexTrylockPI  = 8
	futexWaitBitset = 9
	futexWakeBitset = 10
	futexLockPI2    = 13
	futexPrivate    = 128
	futexClockReal  = 256
	futexAnyBits    = ^uint32(0)
	futexOpShift    = 8
)

// futex answers every futex call itself: waiters are threads of one queue.
func futex(x *tracer, t *thread) outcome {
	op := t.intArg(1)
	key := x.futexKey(t, t.arg(0), op&futexPrivate != 0)
	switch op &^ (futexPrivate | futexClockReal) {
	case futexWait:
		return x.futexWait(t, key, futexAnyBits, true)
	case futexWaitBitset:
		return x.futexWait(t, key, uint32(t.arg(5)), false)
	case futexWake:
		t.answer(x.wake(key, t.intArg(2), futexAnyBits))
	case futexWakeBitset:
		t.answer(x.wake(key, t.intArg(2), uint32(t.arg(5))))
	case futexRequeue, futexCmpRequeue:
		t.answer(x.requeue(t, key, op))
	case futexWakeOp:
		t.answer(x.wakeOp(t, key, op))
	case futexLockPI:
		return x.lockPI(t, key, false, unix.CLOCK_REALTIME)
	case futexLockPI2:
		clock := uint64(unix.CLOCK_MONOTONIC)
		if op&futexClockReal != 0 {
			clock = unix.CLOCK_REALTIME
		}
		return x.lockPI(t, key, false, clock)
	case futexTrylockPI:
		return x.lockPI(t, key, true, 0)
	case futexUnlockPI:
		t.answer(x.unlockPI(t, key))
	default:
		// Waiting for a condition, and then for a lock with priorities: no
		// library of C's does that any more.
		t.answer(-int64(unix.ENOSYS))
	}
	return goOn
}

// futexKey returns what the futex at addr is known by.
func (x *tracer) futexKey(t *thread, addr uint64, private bool) futexKey {
	if !private {
		if m, ok := mappingAt(t.tid, addr); ok && m.shared {
			return futexKey{addr: addr - m.from + m.offset, dev: m.dev, ino: m.ino}
		}
	}
	return futexKey{mm: t.proc.mm, addr: addr}
}

func (x *tracer) futexWait(t *thread, key futexKey, bits uint32, relative bool) outcome {
	if t.late {
		t.answer(-int64(unix.ETIMEDOUT))
		return goOn
	}
	v, ok := t.word32(t.arg(0))
	switch {
	case !ok:
		t.answer(-int64(unix.EFAULT))
		return goOn
	case v != uint32(t.arg(2)):
		t.answer(-int64(unix.EAGAIN))
		return goOn
	case bits == 0:
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	p := parked{why: fmt.Sprintf("futex %#x", t.arg(0)), deadline: -1, futex: &key, bits: bits, restart: true}
	if at := t.arg(3); at != 0 {
		d, ok := t.timespec(at)
		if !ok {
			t.answer(-int64(unix.EFAULT))
			return goOn
		}
		p.restart = false
		p.deadline = x.after(d)
		if !relative {
			clock := uint64(unix.CLOCK_MONOTONIC)
			if t.intArg(1)&futexClockReal != 0 {
				clock = unix.CLOCK_REALTIME
			}
			p.deadline = x.until(clock, d)
		}
	}
	return x.park(t, p)
}

// wake ends the waits of up to n threads, the first that came first.
func (x *tracer) wake(key futexKey, n int, bits uint32) int64 {
	woken := int64(0)
	for i := 0; i < len(x.waits) && woken < int64(n); {
		t := x.waits[i]
		if p := t.parked; p.futex == nil || p.pi != 0 || *p.futex != key || p.bits&bits == 0 {
			i++
			continue
		}
		x.finish(t, 0)
		woken++
	}
	return woken
}

// requeue wakes some waiters and lets others wait for another futex.
func (x *tracer) requeue(t *thread, key futexKey, op int) int64 {
	if op&^(futexPrivate|futexClockReal) == futexCmpRequeue {
		if v, ok := t.word32(t.arg(0)); !ok {
			return -int64(unix.EFAULT)
		} else if v != uint32(t.arg(5)) {
			return -int64(unix.EAGAIN)
		}
	}
	done := x.wake(key, t.intArg(2), futexAnyBits)
	to := x.futexKey(t, t.arg(4), op&futexPrivate != 0)
	moved := 0
	for _, w := range x.waits {
		if moved >= t.intArg(3) {
			break
		}
		if w.parked.futex != nil && *w.parked.futex == key {
			w.parked.futex = &to
			moved++
		}
	}
	return done + int64(moved)
}

// wakeOp changes a second futex and wakes waiters of both.
func (x *tracer) wakeOp(t *thread, key futexKey, op int) int64 {
	second := t.arg(4)
	code := uint32(t.arg(5))
	old, ok := t.word32(second)
	if !ok {
		return -int64(unix.EFAULT)
	}
	arg := uint32(int32(code<<futexOpShift) >> 20)
	cmp := uint32(int32(code<<20) >> 20)
	if code>>28&8 != 0 {
		arg = 1 << (arg & 31)
	}
	v := old
	switch code >> 28 & 7 {
	case 0:
		v = arg
	case 1:
		v = old + arg
	case 2:
		v = old | arg
	case 3:
		v = old &^ arg
	case 4:
		v = old ^ arg
	default:
		return -int64(unix.ENOSYS)
	}
	if !t.setWord32(second, v) {
		return -int64(unix.EFAULT)
	}
	done := x.wake(key, t.intArg(2), futexAnyBits)
	a, b := int32(old), int32(cmp)
	if [...]bool{a == b, a != b, a < b, a <= b, a > b, a >= b, false, false}[code>>24&7] {
		done += x.wake(x.futexKey(t, second, op&futexPrivate != 0), t.intArg(3), futexAnyBits)
	}
	return done
}

// A mapping is a line of /proc/PID/maps, proc(5).
type mapping struct {
	from, to, offset uint64
	dev, ino         uint64
	shared           bool
	perms, path      string
}

// mappingAt returns the mapping that holds addr.
func mappingAt(tid int, addr uint64) (mapping, bool) {
	for _, m := range mappings(tid) {
		if addr >= m.from && addr < m.to {
			return m, true
		}
	}
	return mapping{}, false
}

func mappings(tid int) []mapping {
	var out []mapping
	for line := range strings.Lines(procFile(tid, "maps")) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		var m mapping
		from, to, _ := strings.Cut(f[0], "-")
		m.from, _ = strconv.ParseUint(from, 16, 64)
		m.to, _ = strconv.ParseUint(to, 16, 64)
		m.perms = f[1]
		m.shared = strings.HasSuffix(f[1], "s")
		m.offset, _ = strconv.ParseUint(f[2], 16, 64)
		major, minor, _ := strings.Cut(f[3], ":")
		hi, _ := strconv.ParseUint(major, 16, 32)
		lo, _ := strconv.ParseUint(minor, 16, 32)
		m.dev = unix.Mkdev(uint32(hi), uint32(lo))
		m.ino, _ = strconv.ParseUint(f[4], 10, 64)
		if len(f) > 5 {
			m.path = f[5]
		}
		out = append(out, m)
	}
	return out
}
