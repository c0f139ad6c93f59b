//go:build linux && amd64

package box

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Calls are made in a program's name where the kernel answers by who asks: a
// signalfd has what its reader has been sent. Or where the tracer may not
// take the program's descriptors.

// looksItself marks a process whose descriptors are to be looked at in its
// name, signalfd(2).
func looksItself(x *tracer, t *thread) outcome {
	t.proc.lookIn = true
	return goOn
}

// ownPoll is poll(2) without waiting, in the name of a thread.
func (x *tracer) ownPoll(t *thread, set pollSet) int {
	b := set.bytes()
	const spec = 16
	if len(b) > scratchSize-spec {
		return 0
	}
	ret := int64(0)
	x.inName(t, func(call func(nr uintptr, args ...uint64) int64) {
		t.write(scratchAddr, append(make([]byte, spec), b...))
		ret = call(unix.SYS_PPOLL, scratchAddr+spec, uint64(len(set)), scratchAddr, 0, 0)
		if ret > 0 {
			b = t.read(scratchAddr+spec, len(b))
		}
	})
	if ret <= 0 {
		return 0
	}
	for i := range set {
		set[i].Revents = int16(binary.LittleEndian.Uint16(b[i*8+6:]))
	}
	return int(ret)
}

// Requests of ptrace(2) for the signals that a thread blocks.
const (
	ptraceGetSigmask = 0x420a
	ptraceSetSigmask = 0x420b
)

func (t *thread) sigmask(request uintptr, mask *uint64) {
	unix.RawSyscall6(unix.SYS_PTRACE, request, uintptr(t.tid), 8, uintptr(unsafe.Pointer(mask)), 0, 0)
}

// inName lets do make calls in the name of a thread that stands at a call of
// its own, before or after it; it stands there again afterwards. Signals that
// come meanwhile wait.
func (x *tracer) inName(t *thread, do func(call func(nr uintptr, args ...uint64) int64)) {
	var mask uint64
	all := ^uint64(0)
	t.sigmask(ptraceGetSigmask, &mask)
	t.sigmask(ptraceSetSigmask, &all)
	defer t.sigmask(ptraceSetSigmask, &mask)
	at, after := t.regs, t.after
	before, alive := !after, true
	do(func(nr uintptr, args ...uint64) int64 {
		if !alive {
			return -int64(unix.ESRCH)
		}
		var ret int64
		if before {
			before = false
			ret, alive = x.insteadOwn(t, nr, args...)
		} else {
			r := at
			r.Rip -= uint64(len(syscallCode))
			r.Rax, r.Orig_rax = uint64(nr), ^uint64(0)
			setArgs(&r, args)
			alive = unix.PtraceSetRegs(t.tid, &r) == nil
			if alive {
				ret, alive = x.enterAndExit(t)
			}
		}
		return ret
	})
	switch {
	case !alive || before:
	case after:
		t.dirty = true
	default:
		x.standBefore(t, at)
	}
}

// enterAndExit lets a thread, which stands before an instruction "syscall",
// make that call, and stops it after that.
func (x *tracer) enterAndExit(t *thread) (ret int64, ok bool) {
	for entered := false; !entered; {
		if unix.PtraceSyscall(t.tid, 0) != nil {
			return 0, false
		}
		ws, err := waitThread(t.tid)
		if err != nil {
			return 0, false
		}
		if !ws.Stopped() {
			x.died(t.tid, ws)
			return 0, false
		}
		entered = ws.StopSignal() == unix.SIGTRAP|0x80
		if !entered {
			x.unexpected(t, ws)
		}
	}
	return x.exitStop(t)
}

// standBefore brings a thread back to the stop before its call.
func (x *tracer) standBefore(t *thread, at unix.PtraceRegs) {
	r := at
	r.Rip -= uint64(len(syscallCode))
	r.Rax, r.Orig_rax = at.Orig_rax, ^uint64(0)
	if unix.PtraceSetRegs(t.tid, &r) != nil {
		return
	}
	for {
		if unix.PtraceCont(t.tid, 0) != nil {
			return
		}
		ws, err := waitThread(t.tid)
		if err != nil {
			return
		}
		if !ws.Stopped() {
			x.died(t.tid, ws)
			return
		}
		if ws.TrapCause() == unix.PTRACE_EVENT_SECCOMP {
			t.after = false
			return
		}
		x.unexpected(t, ws)
	}
}

// takeSent has a thread send a descriptor to the tracer, where the tracer may
// not take it: a container's filter often forbids pidfd_getfd(2).
func (x *tracer) takeSent(t *thread, n int) (int, error) {
	if x.letters == 0 {
		s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return -1, err
		}
		x.letters = s
		if err := unix.Bind(s, &unix.SockaddrUnix{}); err != nil { // the kernel chooses a name
			return -1, err
		}
	}
	to, err := unix.Getsockname(x.letters)
	if err != nil {
		return -1, err
	}
	name := to.(*unix.SockaddrUnix).Name
	var e unix.Errno
	x.inName(t, func(call func(nr uintptr, args ...uint64) int64) {
		s := call(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if e = errno(s); e != 0 {
			return
		}
		t.write(letterAt, letter(name, n))
		e = errno(call(unix.SYS_SENDMSG, uint64(s), letterAt, unix.MSG_DONTWAIT))
		call(unix.SYS_CLOSE, uint64(s))
	})
	if e != 0 {
		return -1, e
	}
	b, oob := make([]byte, 8), make([]byte, unix.CmsgSpace(4))
	_, oobn, _, _, err := unix.Recvmsg(x.letters, b, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	list, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(list) == 0 {
		return -1, unix.EBADF
	}
	fds, err := unix.ParseUnixRights(&list[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

// letterAt is where that is in the scratch: what is taken may be taken while a
// call of the program's is being made ready there.
const letterAt = scratchAddr + 47<<10

// letter lays out the argument of sendmsg(2): struct msghdr,
// an address of unix(7), a byte of data, and the descriptor.
func letter(name string, fd int) []byte {
	const header, addr, vector, data, control = 0, 64, 192, 208, 216
	b := make([]byte, control)
	put := func(at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
	address := append(binary.LittleEndian.AppendUint16(nil, unix.AF_UNIX), name...)
	if name[0] == '@' {
		address[2] = 0
	}
	copy(b[addr:], address)
	rights := unix.UnixRights(fd)
	put(header, letterAt+addr)
	put(header+8, uint64(len(address)))
	put(header+16, letterAt+vector)
	put(header+24, 1)
	put(header+32, letterAt+control)
	put(header+40, uint64(len(rights)))
	put(vector, letterAt+data)
	put(vector+8, 1)
	return append(b, rights...)
}
