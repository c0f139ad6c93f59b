//go:build linux && amd64

package box

import (
	"hash/fnv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Messages, semaphores and shared memory of System V, and the message queues
// of POSIX, are the machine's where there is no namespace for them. The program
// gets numbers and names of its own, and what it leaves goes with it.

// A sysvKind is one of the three that have numbers.
type sysvKind int

const (
	sysvMessages sysvKind = iota
	sysvSemaphores
	sysvMemory
	sysvKinds
)

// sysv are the numbers of one kind, from 0 on, and the machine's.
type sysv struct {
	real   []int
	inside map[int]int
}

// controls are the calls that take one away, by IPC_RMID, which is 0.
var controls = [sysvKinds]uintptr{unix.SYS_MSGCTL, unix.SYS_SEMCTL, unix.SYS_SHMCTL}

// sysvGets are the calls that make one or find it, and sysvUses those that use
// one, by its number.
var (
	sysvGets = map[uint64]sysvKind{unix.SYS_MSGGET: sysvMessages, unix.SYS_SEMGET: sysvSemaphores, unix.SYS_SHMGET: sysvMemory}
	sysvUses = map[uint64]sysvKind{
		unix.SYS_MSGSND: sysvMessages, unix.SYS_MSGRCV: sysvMessages, unix.SYS_MSGCTL: sysvMessages,
		unix.SYS_SEMOP: sysvSemaphores, unix.SYS_SEMTIMEDOP: sysvSemaphores, unix.SYS_SEMCTL: sysvSemaphores,
		unix.SYS_SHMAT: sysvMemory, unix.SYS_SHMCTL: sysvMemory,
	}
)

// enterSysV changes numbers and keys.
func (x *tracer) enterSysV(t *thread, r *unix.PtraceRegs, c *change) {
	if kind, ok := sysvGets[r.Orig_rax]; ok {
		if key := uint32(r.Rdi); key != 0 { // IPC_PRIVATE
			r.Rdi, c.regs = uint64(x.keyOf(key)), true
		}
		c.also(func(ret int64) int64 {
			if ret < 0 {
				return ret
			}
			return int64(x.sysv[kind].number(int(ret)))
		})
		return
	}
	kind, ok := sysvUses[r.Orig_rax]
	if !ok {
		return
	}
	s := &x.sysv[kind]
	id := int(int32(r.Rdi))
	r.Rdi, c.regs = uint64(0xffffffff), true // none has that
	if id >= 0 && id < len(s.real) {
		r.Rdi = uint64(s.real[id])
	}
	x.tellsSysV(t, r, c)
}

// number is what the program calls the machine's.
func (s *sysv) number(real int) int {
	if s.inside == nil {
		s.inside = map[int]int{}
	}
	id, ok := s.inside[real]
	if !ok {
		id = len(s.real)
		s.real = append(s.real, real)
		s.inside[real] = id
	}
	return id
}

// keyOf is a key that other programs of the machine do not use by chance.
func (x *tracer) keyOf(key uint32) uint32 {
	h := fnv.New32a()
	h.Write([]byte(x.tag)) //nolint:errcheck // it never fails
	return (key ^ h.Sum32()) | 1
}

// tellsSysV changes who has used one last: struct msqid_ds and shmid_ds have
// two numbers of processes.
func (x *tracer) tellsSysV(t *thread, r *unix.PtraceRegs, c *change) {
	const stat, getPID = 2, 11 // IPC_STAT, GETPID
	at := r.Rdx
	var told [2]uint64
	switch {
	case r.Orig_rax == unix.SYS_MSGCTL && r.Rsi&0xff == stat:
		told = [2]uint64{96, 100}
	case r.Orig_rax == unix.SYS_SHMCTL && r.Rsi&0xff == stat:
		told = [2]uint64{80, 84}
	case r.Orig_rax == unix.SYS_SEMCTL && r.Rdx&0xff == getPID:
		c.also(func(ret int64) int64 {
			if ret > 0 {
				return int64(x.ids.inside[int(ret)])
			}
			return ret
		})
		return
	default:
		return
	}
	c.also(func(ret int64) int64 {
		if ret == 0 {
			x.idAt(t, at+told[0])
			x.idAt(t, at+told[1])
		}
		return ret
	})
}

// enterQueue changes the name of a message queue of POSIX's.
func (x *tracer) enterQueue(t *thread, r *unix.PtraceRegs, c *change) {
	name, ok := t.text(r.Rdi, unix.PathMax)
	if !ok || name == "" {
		return
	}
	real := x.tag + name
	t.write(pathsAt, append([]byte(real), 0))
	r.Rdi, c.regs = pathsAt, true
	opens := r.Orig_rax == unix.SYS_MQ_OPEN
	c.also(func(ret int64) int64 {
		if ret >= 0 && opens {
			x.queues[real] = true
		}
		return ret
	})
}

// removeSysV takes away what the program has left.
func (x *tracer) removeSysV() {
	for kind, s := range x.sysv {
		for _, real := range s.real {
			unix.Syscall(controls[kind], uintptr(real), 0, 0) //nolint:errcheck // the program may have done it
		}
	}
	for name := range x.queues {
		if p, err := unix.BytePtrFromString(name); err == nil {
			unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(p)), 0, 0) //nolint:errcheck // as above
		}
	}
}
