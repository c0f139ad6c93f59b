//go:build linux && amd64

package box

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of the word of a lock that the kernel knows the owner of, futex(2).
const (
	ownerMask = 0x3fffffff
	ownerDied = 0x40000000
	hasWaiter = 0x80000000
)

// lockPI takes a lock whose owner would inherit priorities: where one thread
// runs at a time, there are none to inherit. It goes from one that leaves it
// to the first that waits.
func (x *tracer) lockPI(t *thread, key futexKey, try bool, clock uint64) outcome {
	v, ok := t.word32(t.arg(0))
	switch owner := int(v & ownerMask); {
	case !ok:
		t.answer(-int64(unix.EFAULT))
	case owner == 0:
		t.setWord32(t.arg(0), v&(ownerDied|hasWaiter)|uint32(t.id))
		t.answer(0)
	case owner == t.id:
		t.answer(-int64(unix.EDEADLK))
	case try:
		t.answer(-int64(unix.EAGAIN))
	case t.late:
		t.answer(-int64(unix.ETIMEDOUT))
	default:
		p := parked{why: "a lock", deadline: -1, futex: &key, bits: futexAnyBits, restart: true, pi: t.arg(0)}
		if at := t.arg(3); at != 0 {
			d, e := t.validTimespec(at)
			if e != 0 {
				t.answer(-int64(e))
				return goOn
			}
			p.deadline = x.until(clock, d)
		}
		t.setWord32(t.arg(0), v|hasWaiter)
		return x.park(t, p)
	}
	return goOn
}

// unlockPI leaves such a lock.
func (x *tracer) unlockPI(t *thread, key futexKey) int64 {
	v, ok := t.word32(t.arg(0))
	switch {
	case !ok:
		return -int64(unix.EFAULT)
	case int(v&ownerMask) != t.id:
		return -int64(unix.EPERM)
	}
	if !x.pass(key, 0) {
		t.setWord32(t.arg(0), 0)
	}
	return 0
}

// pass gives a lock to the first that waits for it; false when none does.
func (x *tracer) pass(key futexKey, flags uint32) bool {
	var first *thread
	for _, w := range x.waits {
		switch p := w.parked; {
		case p.pi == 0 || *p.futex != key:
		case first == nil:
			first = w
		default:
			flags |= hasWaiter
		}
	}
	if first == nil {
		return false
	}
	first.setWord32(first.parked.pi, flags|uint32(first.id))
	x.finish(first, 0)
	return true
}

// mostOwned is how many locks of a thread are looked at, as by the kernel:
// ROBUST_LIST_LIMIT.
const mostOwned = 2048

// An owned is a lock that a thread has when it ends.
type owned struct {
	key futexKey
	pi  bool
}

// leave notes which locks a thread has that is about to end: the kernel says
// in their words that their owner has died, and it is the tracer that knows
// who waits for them. struct robust_list_head: the first of the list, the
// offset of words from its members, and one that is being taken.
func (x *tracer) leave(t *thread) {
	t.owned = nil
	var head, size uint64
	_, _, e := unix.RawSyscall(unix.SYS_GET_ROBUST_LIST, uintptr(t.tid), uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&size)))
	if e != 0 || head == 0 {
		return
	}
	next, _ := t.word(head)
	offset, _ := t.word(head + 8)
	pending, _ := t.word(head + 16)
	list := []uint64{}
	for ; next != 0 && next&^1 != head && len(list) < mostOwned; next, _ = t.word(next &^ 1) {
		list = append(list, next)
	}
	if pending != 0 {
		list = append(list, pending)
	}
	for _, entry := range list {
		at := entry&^1 + offset
		v, ok := t.word32(at)
		if !ok || int(v&ownerMask) != t.id {
			continue
		}
		if x.ids != nil {
			// To the kernel it is the lock of another.
			t.setWord32(at, v&hasWaiter|ownerDied)
		}
		if v&hasWaiter != 0 {
			t.owned = append(t.owned, owned{x.futexKey(t, at, false), entry&1 != 0})
		}
	}
}

// leaveAll does the same for all threads of a process.
func (x *tracer) leaveAll(p *process) {
	for _, t := range p.threads {
		x.leave(t)
	}
}

// bequeath lets those go on that wait for what a thread had that is no more.
func (x *tracer) bequeath(t *thread) {
	for _, o := range t.owned {
		if !o.pi {
			x.wake(o.key, 1, futexAnyBits)
		} else {
			x.pass(o.key, ownerDied)
		}
	}
	t.owned = nil
}
