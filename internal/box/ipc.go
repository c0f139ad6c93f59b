//go:build linux && amd64

package box

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// ipcNoWait is IPC_NOWAIT, semop(2), msgop(2).
const ipcNoWait = 0x800

// semaphores tries what semop(2) asks for, and parks the thread when that
// waits. struct sembuf: number 2 bytes, operation 2, flags 2.
func semaphores(x *tracer, t *thread) outcome {
	const size, most = 6, 500 // SEMOPM
	n := t.arg(2)
	b := t.read(t.arg(1), int(min(n, most))*size)
	if n == 0 || n > most || len(b) < int(n)*size {
		return goOn // the kernel says what is wrong
	}
	waits := true
	for i := 4; i < len(b); i += size {
		flags := binary.LittleEndian.Uint16(b[i:])
		waits = waits && flags&ipcNoWait == 0
		binary.LittleEndian.PutUint16(b[i:], flags|ipcNoWait)
	}
	if !waits {
		return goOn
	}
	p := parked{why: fmt.Sprintf("waits for semaphores %d", t.intArg(0)), deadline: -1}
	if at := t.arg(3); t.nr == unix.SYS_SEMTIMEDOP && at != 0 {
		d, e := t.validTimespec(at)
		if e != 0 {
			t.answer(-int64(e))
			return goOn
		}
		p.deadline = x.after(d)
	}
	t.write(scratchAddr, b)
	return x.try(t, unix.EAGAIN, p, unix.SYS_SEMOP, t.arg(0), scratchAddr, n)
}

// messages does the same for msgsnd and msgrcv, whose flags are the last
// argument.
func messages(x *tracer, t *thread) outcome {
	args := []uint64{t.arg(0), t.arg(1), t.arg(2), t.arg(3)}
	full, what := unix.EAGAIN, "room in"
	if t.nr == unix.SYS_MSGRCV {
		args = append(args, t.arg(4))
		full, what = unix.ENOMSG, "a message of"
	}
	flags := &args[len(args)-1]
	if *flags&ipcNoWait != 0 {
		return goOn
	}
	*flags |= ipcNoWait
	p := parked{why: fmt.Sprintf("waits for %s queue %d", what, t.intArg(0)), deadline: -1}
	return x.try(t, full, p, uintptr(t.nr), args...)
}

// try makes a call that does not wait, and parks the thread when it fails
// with busy, until somebody has done something.
func (x *tracer) try(t *thread, busy unix.Errno, p parked, nr uintptr, args ...uint64) outcome {
	late := t.late
	ret, ok := x.instead(t, nr, args...)
	if !ok {
		return x.lost(t)
	}
	t.answer(ret)
	if errno(ret) != busy || late {
		return goOn
	}
	p.ready = x.changed()
	return x.park(t, p)
}

// queues is the handler of the calls of mq_overview(7) that may wait. The
// last argument is a time of the real clock.
func queues(x *tracer, t *thread) outcome {
	n, events, why := t.intArg(0), int16(unix.POLLIN), "reads"
	if t.nr == unix.SYS_MQ_TIMEDSEND {
		events, why = unix.POLLOUT, "writes to"
	}
	if x.polled(t, n, events) == 0 && !x.nonblocking(t, n, events) {
		if t.late {
			t.answer(-int64(unix.ETIMEDOUT))
			return goOn
		}
		p := parked{
			why: fmt.Sprintf("%s message queue %d", why, n), deadline: -1, restart: true,
			ready: func() bool { return x.polled(t, n, events) != 0 },
		}
		if at := t.arg(4); at != 0 {
			d, e := t.validTimespec(at)
			if e != 0 {
				t.answer(-int64(e))
				return goOn
			}
			p.deadline = x.until(unix.CLOCK_REALTIME, d)
		}
		return x.park(t, p)
	}
	_, out := x.passStopped(t)
	if out == goOn {
		x.interruptAll() // mq_notify(3): a signal, when the first message comes
	}
	return out
}

// interruptAll ends the waits of all threads that have signals.
func (x *tracer) interruptAll() {
	for _, p := range append([]*process{}, x.processes...) {
		x.interrupt(p)
	}
}

// ipcTimes are where the structures of msgctl, semctl and shmctl have times,
// of the real clock, after their 48 bytes of owner and rights.
var ipcTimes = map[uint64][]uint64{
	unix.SYS_MSGCTL: {48, 56, 64}, unix.SYS_SEMCTL: {48, 64}, unix.SYS_SHMCTL: {56, 64, 72},
}

// ipcControl passes what tells about something shared, and replaces its times
// by that of the program's start.
func ipcControl(x *tracer, t *thread) outcome {
	const stat = 2 // IPC_STAT
	cmd, at := t.intArg(1), t.arg(2)
	if t.nr == unix.SYS_SEMCTL {
		cmd, at = t.intArg(2), t.arg(3)
	}
	if cmd != stat {
		return goOn
	}
	ret, out := x.passStopped(t)
	if out != goOn || errno(ret) != 0 {
		return out
	}
	for _, offset := range ipcTimes[t.nr] {
		if v, ok := t.word(at + offset); ok && v != 0 {
			t.setWord(at+offset, uint64(x.Start/second))
		}
	}
	return goOn
}
