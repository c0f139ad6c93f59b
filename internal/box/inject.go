//go:build linux && amd64

package box

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// syscallCode is the instruction "syscall", two bytes long.
var syscallCode = []byte{0x0f, 0x05}

// A scratch is memory that the tracer has in every program, at the same
// address: for arguments of calls that it makes in a program's name. It is
// mapped before the first instruction, and inherited by fork.
const (
	scratchAddr = 0x6ffff0000000
	scratchSize = 64 << 10
)

// read returns n bytes of the memory of a thread, or fewer when it ends.
func (t *thread) read(addr uint64, n int) []byte {
	if n <= 0 {
		return nil
	}
	b := make([]byte, n)
	return b[:t.readInto(addr, b)]
}

// readInto fills b and returns how much of it.
func (t *thread) readInto(addr uint64, b []byte) int {
	if len(b) == 0 {
		return 0
	}
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}
	n, err := unix.ProcessVMReadv(t.tid, local, remote, 0)
	if err == unix.EPERM {
		// It has changed who it is: only its tracer may look into it now.
		n, err = unix.PtracePeekData(t.tid, uintptr(addr), b)
	}
	if err != nil {
		return 0
	}
	return n
}

// write puts b into the memory of a thread: false when it may not be written.
func (t *thread) write(addr uint64, b []byte) bool {
	if len(b) == 0 {
		return true
	}
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}
	n, err := unix.ProcessVMWritev(t.tid, local, remote, 0)
	if err == unix.EPERM {
		n, err = unix.PtracePokeData(t.tid, uintptr(addr), b)
	}
	return err == nil && n == len(b)
}

// force puts b where the program itself may not write.
func (t *thread) force(addr uint64, b []byte) error {
	if _, err := unix.PtracePokeData(t.tid, uintptr(addr), b); err != nil {
		return fmt.Errorf("memory of the program: %w", err)
	}
	return nil
}

// text returns the string at addr, without its zero byte, of at most most
// bytes; false when there is none.
func (t *thread) text(addr uint64, most int) (string, bool) {
	var out []byte
	for len(out) < most {
		// To the end of the page: the next may not be there.
		n := min(most-len(out), 4096-int(addr%4096), 256)
		b := t.read(addr, n)
		if i := bytes.IndexByte(b, 0); i >= 0 {
			return string(append(out, b[:i]...)), true
		}
		if len(b) < n {
			return "", false
		}
		out = append(out, b...)
		addr += uint64(n)
	}
	return "", false
}

func (t *thread) word(addr uint64) (uint64, bool) {
	var b [8]byte
	ok := t.readInto(addr, b[:]) == 8
	return binary.LittleEndian.Uint64(b[:]), ok
}

func (t *thread) word32(addr uint64) (uint32, bool) {
	var b [4]byte
	ok := t.readInto(addr, b[:]) == 4
	return binary.LittleEndian.Uint32(b[:]), ok
}

func (t *thread) setWord(addr, v uint64) bool {
	return t.write(addr, binary.LittleEndian.AppendUint64(nil, v))
}

func (t *thread) setWord32(addr uint64, v uint32) bool {
	return t.write(addr, binary.LittleEndian.AppendUint32(nil, v))
}

// An early call is one that the tracer makes in a thread that runs nothing of
// its own yet: it stands at an address where there is a "syscall" for it.

// pokeCode puts that instruction where the thread is, and returns what takes
// it away again.
func (t *thread) pokeCode() (restore func() error, err error) {
	at := t.regs.Rip
	old := t.read(at, len(syscallCode))
	if len(old) != len(syscallCode) {
		return nil, fmt.Errorf("the first instruction at %#x cannot be read", at)
	}
	if err := t.force(at, syscallCode); err != nil {
		return nil, err
	}
	return func() error { return t.force(at, old) }, nil
}

// early makes such a call. When it forks, t.born is the child.
func (t *thread) early(nr uintptr, args ...uint64) (int64, error) {
	r := t.regs
	r.Rax, r.Orig_rax = uint64(nr), ^uint64(0)
	setArgs(&r, args)
	if err := unix.PtraceSetRegs(t.tid, &r); err != nil {
		return 0, fmt.Errorf("registers: %w", err)
	}
	for entered := false; ; {
		if err := unix.PtraceSyscall(t.tid, 0); err != nil {
			return 0, fmt.Errorf("call %d: %w", nr, err)
		}
		ws, err := waitThread(t.tid)
		if err != nil {
			return 0, err
		}
		switch {
		case !ws.Stopped():
			return 0, fmt.Errorf("call %d ended the program", nr)
		case ws.StopSignal() == unix.SIGTRAP|0x80:
			if entered = !entered; entered {
				continue
			}
			var now unix.PtraceRegs
			if err := unix.PtraceGetRegs(t.tid, &now); err != nil {
				return 0, fmt.Errorf("registers: %w", err)
			}
			return int64(now.Rax), nil
		case ws.TrapCause() == unix.PTRACE_EVENT_FORK, ws.TrapCause() == unix.PTRACE_EVENT_CLONE:
			child, err := unix.PtraceGetEventMsg(t.tid)
			if err != nil {
				return 0, fmt.Errorf("call %d: %w", nr, err)
			}
			t.born = int(child)
		}
	}
}

// surely is [thread.early] for a call that has no reason to fail.
func (t *thread) surely(what string, nr uintptr, args ...uint64) (int64, error) {
	ret, err := t.early(nr, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	if e := errno(ret); e != 0 {
		return 0, fmt.Errorf("%s: %w", what, e)
	}
	return ret, nil
}

// waitThread waits for the next stop or the end of one thread.
func waitThread(tid int) (unix.WaitStatus, error) {
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(tid, &ws, unix.WALL, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return ws, fmt.Errorf("thread %d: %w", tid, err)
		}
		return ws, nil
	}
}

func setArgs(r *unix.PtraceRegs, args []uint64) {
	to := [...]*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9}
	for i, a := range args {
		*to[i] = a
	}
}

// instead makes another call of the program's in place of the one that the
// thread stands before, and returns its result. The thread is then after that call: answer,
// or again, says how it goes on. ok is false when the thread is no more.
func (x *tracer) instead(t *thread, nr uintptr, args ...uint64) (ret int64, ok bool) {
	r := t.regs
	r.Orig_rax, r.Rax = uint64(nr), ^uint64(unix.ENOSYS)+1
	setArgs(&r, args)
	c := x.entering(t, &r)
	c.regs = true
	return x.makeChanged(t, &r, c)
}

// insteadOwn does the same with a call of the tracer's own.
func (x *tracer) insteadOwn(t *thread, nr uintptr, args ...uint64) (ret int64, ok bool) {
	r := t.regs
	r.Orig_rax, r.Rax = uint64(nr), ^uint64(unix.ENOSYS)+1
	setArgs(&r, args)
	return x.makeChanged(t, &r, &change{regs: true})
}

// exitStop lets the thread make the call that it stands before, which does
// not wait, and stops it again after that.
func (x *tracer) exitStop(t *thread) (ret int64, ok bool) {
	if unix.PtraceSyscall(t.tid, 0) != nil {
		return 0, false
	}
	for {
		ws, err := waitThread(t.tid)
		if err != nil {
			return 0, false
		}
		if !ws.Stopped() {
			x.died(t.tid, ws)
			return 0, false
		}
		if ws.StopSignal() == unix.SIGTRAP|0x80 {
			break
		}
		x.unexpected(t, ws)
		if unix.PtraceSyscall(t.tid, 0) != nil {
			return 0, false
		}
	}
	var now unix.PtraceRegs
	if unix.PtraceGetRegs(t.tid, &now) != nil {
		return 0, false
	}
	t.after = true
	return int64(now.Rax), true
}

// errno returns the error that the result of a call means, 0 for none.
func errno(ret int64) unix.Errno {
	if ret < 0 && ret > -4096 {
		return unix.Errno(-ret)
	}
	return 0
}
