//go:build linux && amd64

package box

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// ids are the numbers of processes and threads where the program has no
// namespace for them: those that it would have in one, and the machine's.
// The root is 1, and each that is made has the next.
type ids struct {
	last   int
	inside map[int]int // by the machine's
	kernel map[int]int // by the program's
}

func newIDs() *ids { return &ids{inside: map[int]int{}, kernel: map[int]int{}} }

// give gives a new thread its number.
func (m *ids) give(tid int) int {
	if old, ok := m.inside[tid]; ok && m.kernel[old] == tid {
		delete(m.kernel, old) // the machine has used the number again
	}
	m.last++
	m.inside[tid], m.kernel[m.last] = m.last, tid
	return m.last
}

// noID is a number that no process of the machine has.
const noID = 0x7ffffff0

// real is what the kernel calls what the program calls id. Numbers that mean
// something else, 0 and negative ones, stay; negative ones are groups.
func (m *ids) real(id int) int {
	switch {
	case id == 0 || id == -1:
		return id
	case id < 0:
		return -m.real(-id)
	}
	if n, ok := m.kernel[id]; ok {
		return n
	}
	return noID
}

// guestID returns the number by which the program knows a thread: the last of
// NSpid in its status, proc(5); 0 when it knows none.
func (x *tracer) guestID(tid int) int {
	if x.ids != nil {
		return x.ids.inside[tid]
	}
	n, err := strconv.Atoi(statusField(tid, "NSpid"))
	if err != nil {
		return tid
	}
	return n
}

// ownID answers a question of a thread's about itself.
func (x *tracer) ownID(t *thread) (id int, ok bool) {
	if x.ids == nil {
		return 0, false
	}
	switch t.nr {
	case unix.SYS_GETPID:
		return t.proc.id, true
	case unix.SYS_GETTID:
		return t.id, true
	case unix.SYS_GETPPID:
		if t.proc.parent == nil {
			return rootID, true
		}
		return t.proc.parent.id, true
	}
	return 0, false
}

// rootID is the number of the root.
const rootID = 1

// idArgs are the arguments of calls that are such numbers, or those of groups.
var idArgs = map[uint64][]int{
	unix.SYS_GETPGID: {0}, unix.SYS_GETSID: {0}, unix.SYS_SETPGID: {0, 1}, unix.SYS_GET_ROBUST_LIST: {0},
	unix.SYS_KILL: {0}, unix.SYS_TKILL: {0}, unix.SYS_TGKILL: {0, 1}, unix.SYS_RT_SIGQUEUEINFO: {0}, unix.SYS_RT_TGSIGQUEUEINFO: {0, 1},
	unix.SYS_WAIT4: {0}, unix.SYS_PIDFD_OPEN: {0},
	unix.SYS_SCHED_SETSCHEDULER: {0}, unix.SYS_SCHED_SETPARAM: {0}, unix.SYS_SCHED_SETATTR: {0},
}

// idResults are the calls whose result is one.
var idResults = map[uint64]bool{
	unix.SYS_GETPGID: true, unix.SYS_GETSID: true, unix.SYS_GETPGRP: true, unix.SYS_SETSID: true, unix.SYS_WAIT4: true, unix.SYS_SET_TID_ADDRESS: true,
}

// enterIDs changes the numbers of a call.
func (x *tracer) enterIDs(t *thread, r *unix.PtraceRegs, c *change) {
	nr := r.Orig_rax
	for _, i := range idArgs[nr] {
		a := regArg(r, i)
		if old := int(int32(*a)); old != 0 && old != -1 {
			*a, c.regs = uint64(int64(x.ids.real(old))), true
		}
	}
	if idResults[nr] {
		c.also(func(ret int64) int64 {
			if ret > 0 {
				return int64(x.ids.inside[int(ret)])
			}
			return ret
		})
	}
	switch nr {
	case unix.SYS_WAITID:
		x.enterWaitid(t, r, c)
	case unix.SYS_RT_SIGTIMEDWAIT:
		if at := r.Rsi; at != 0 {
			c.also(func(ret int64) int64 {
				if ret > 0 {
					x.idsOfInfo(t, at)
				}
				return ret
			})
		}
	case unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK:
		x.enterQueue(t, r, c)
	case unix.SYS_READ:
		x.enterSignals(t, r, c)
	case unix.SYS_FCNTL:
		x.enterFcntl(t, r, c)
	case unix.SYS_IOCTL:
		x.enterTerminal(t, r, c)
	case unix.SYS_GETSOCKOPT:
		if at := r.R10; r.Rsi == unix.SOL_SOCKET && r.Rdx == unix.SO_PEERCRED {
			c.also(func(ret int64) int64 {
				if ret == 0 {
					x.idAt(t, at)
				}
				return ret
			})
		}
	case unix.SYS_GETSOCKNAME:
		at := r.Rsi
		c.also(func(ret int64) int64 {
			if ret == 0 {
				x.portAt(t, at)
			}
			return ret
		})
	case unix.SYS_RECVMSG:
		msg := r.Rsi
		c.also(func(ret int64) int64 {
			if ret >= 0 {
				x.credentials(t, msg, x.guestID)
			}
			return ret
		})
	case unix.SYS_SENDMSG:
		if msg := r.Rsi; x.credentials(t, msg, x.ids.real) {
			c.also(func(ret int64) int64 {
				x.credentials(t, msg, x.guestID)
				return ret
			})
		}
	}
}

// idAt changes a number in the program's memory to the program's.
func (x *tracer) idAt(t *thread, at uint64) {
	if n, ok := t.word32(at); ok && int32(n) > 0 {
		t.setWord32(at, uint32(x.ids.inside[int(n)]))
	}
}

// bornTold tells a thread what it has made, and what it has made who it is,
// where the kernel has told both the machine's numbers.
func (x *tracer) bornTold(t, born *thread, flags uint64) {
	if x.ids == nil || t.nr != unix.SYS_CLONE {
		return
	}
	if flags&unix.CLONE_PARENT_SETTID != 0 {
		t.setWord32(t.arg(2), uint32(born.id))
	}
	if flags&unix.CLONE_CHILD_SETTID != 0 {
		born.setWord32(t.arg(3), uint32(born.id))
	}
}

// birthReturns changes the result of the call by which a thread has made
// another, which stands at its event.
func (x *tracer) birthReturns(t *thread) outcome {
	if x.ids == nil {
		return goOn
	}
	ret, ok := x.exitStop(t)
	if !ok {
		return x.lost(t)
	}
	if unix.PtraceGetRegs(t.tid, &t.regs) != nil {
		return x.lost(t)
	}
	if ret > 0 {
		t.regs.Rax = uint64(x.ids.inside[int(ret)])
	}
	t.dirty = true
	return goOn
}
