//go:build linux && amd64

package box

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// execFirst lets the first process, which is a copy of the root, execute the
// program.
func (x *tracer) execFirst(t *thread) error {
	size := uint64(len(x.Exe) + 1 + 64)
	for _, s := range append(append([]string{}, x.Argv...), x.Env...) {
		size += uint64(len(s)) + 1 + 8
	}
	at, err := t.surely("memory", unix.SYS_MMAP, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uint64(0), 0)
	if err != nil {
		return err
	}
	exe := x.Exe
	if x.views != nil {
		exe = x.views.host(exe)
	}
	if exe != x.Exe {
		t.executes = renamed{x.Exe, exe}
	}
	b, argv, envp := execArgs(uint64(at), exe, x.Argv, x.Env)
	if !t.write(uint64(at), b) {
		return fmt.Errorf("arguments: the memory for them is not there")
	}
	if _, err := t.surely("no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	ret, err := t.early(unix.SYS_EXECVE, uint64(at), argv, envp)
	if err != nil {
		return err
	}
	if e := errno(ret); e != 0 {
		return &ExecError{x.Exe, e}
	}
	x.knowOutputs()
	if err := x.firstInstruction(t); err != nil {
		return err
	}
	// Here, and not before: the calls until now are the tracer's.
	return x.filterCalls(t)
}

// An ExecError says why the program could not be executed.
type ExecError struct {
	Exe string
	Err unix.Errno
}

func (e *ExecError) Error() string { return fmt.Sprintf("%s: %v", e.Exe, e.Err) }

func (e *ExecError) Unwrap() error { return e.Err }

// execArgs lays out the arguments of execve(2) at an address.
func execArgs(at uint64, exe string, argv, env []string) (b []byte, argvAt, envAt uint64) {
	b = append([]byte(exe), 0)
	var pointers [2][]uint64
	for i, list := range [][]string{argv, env} {
		for _, s := range list {
			pointers[i] = append(pointers[i], at+uint64(len(b)))
			b = append(append(b, s...), 0)
		}
	}
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	var where [2]uint64
	for i, list := range pointers {
		where[i] = at + uint64(len(b))
		for _, p := range append(list, 0) {
			b = binary.LittleEndian.AppendUint64(b, p)
		}
	}
	return b, where[0], where[1]
}

// filterCalls lets the program's calls stop from now on.
func (x *tracer) filterCalls(t *thread) error {
	restore, err := t.pokeCode()
	if err != nil {
		return err
	}
	b := filterBytes(scratchAddr, x.passing())
	if !t.write(scratchAddr, b) {
		return fmt.Errorf("filter: the memory for it is not there")
	}
	const mode, specAllow = 1, 4 // SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW
	if _, err := t.surely("seccomp", unix.SYS_SECCOMP, mode, specAllow, scratchAddr); err != nil {
		return err
	}
	t.write(scratchAddr, make([]byte, len(b)))
	if err := restore(); err != nil {
		return err
	}
	t.dirty = true
	return nil
}

// Entries of the auxiliary vector, getauxval(3).
const (
	auxNull     = 0
	auxIgnore   = 1
	auxPlatform = 15
	auxRandom   = 25
	auxExecName = 31
	auxVDSO     = 33
)

// firstInstruction makes ready what has just been executed. The thread stands
// before its first instruction, with the kernel's arguments on its stack.
func (x *tracer) firstInstruction(t *thread) error {
	if err := unix.PtraceGetRegs(t.tid, &t.regs); err != nil {
		return fmt.Errorf("registers: %w", err)
	}
	if x.random {
		if err := x.place(t); err != nil {
			x.broken("addresses are random here, because personality(2) is forbidden, and they could not be changed (%v): "+
				"docker run --security-opt seccomp=unconfined, or a profile that allows personality with 262144, ADDR_NO_RANDOMIZE", err)
		}
	}
	restore, err := t.pokeCode()
	if err != nil {
		return err
	}
	if _, err := t.surely("memory", unix.SYS_MMAP, scratchAddr, scratchSize,
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uint64(0), 0); err != nil {
		return err
	}
	const prSetTSC, tscFaults = 26, 2 // PR_SET_TSC, PR_TSC_SIGSEGV
	if _, err := t.surely("time stamp counter", unix.SYS_PRCTL, prSetTSC, tscFaults, 0, 0, 0); err != nil {
		return err
	}
	t.proc.ran = t.executes
	t.placeStack()
	if err := x.auxiliary(t); err != nil {
		return err
	}
	if err := restore(); err != nil {
		return err
	}
	t.dirty = true
	x.manifest.executed(t)
	return nil
}

// auxiliary changes what the kernel tells a program beside its arguments: the
// functions that read clocks without a call are ours, or there are none, and
// bytes of our randomness.
func (x *tracer) auxiliary(t *thread) error {
	at := t.regs.Rsp
	argc, ok := t.word(at)
	if !ok {
		return fmt.Errorf("the stack at %#x cannot be read", at)
	}
	at += 8 * (argc + 2)
	for { // variables
		v, ok := t.word(at)
		at += 8
		if !ok || v == 0 {
			break
		}
	}
	for first := at; ; at += 16 {
		kind, ok := t.word(at)
		if !ok || kind == auxNull {
			t.proc.auxv = t.read(first, int(at+16-first))
			return nil
		}
		switch kind {
		case auxVDSO:
			if where, _ := t.word(at + 8); !x.mapPage(t, where) {
				t.setWord(at, auxIgnore)
			}
		case auxRandom:
			if where, ok := t.word(at + 8); ok {
				t.write(where, t.proc.rand.bytes(16))
			}
		}
	}
}

// execve lets a program execute another.
func execve(x *tracer, t *thread) outcome {
	if x.foreign(t) {
		t.answer(-int64(unix.ENOEXEC))
		return goOn
	}
	p := t.proc
	if !x.enterExec(t) || unix.PtraceSyscall(t.tid, 0) != nil {
		return x.lost(t)
	}
	executed := false
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return x.lost(t)
		case !ws.Stopped():
			// The other threads end when one of them executes something.
			if tid == t.tid || tid == p.pid && len(p.threads) == 1 {
				x.died(tid, ws)
				return gone
			}
			x.threadReplaced(tid)
			continue
		case tid != t.tid && tid != p.pid:
			x.stray(tid, ws)
			continue
		case ws.TrapCause() == unix.PTRACE_EVENT_EXEC:
			executed = true
			x.becomes(t, tid)
		case ws.StopSignal() == unix.SIGTRAP|0x80:
			t.after = true
			if !executed {
				return x.notExecuted(t)
			}
			return x.executed(t)
		default:
			x.unexpected(t, ws)
		}
		if unix.PtraceSyscall(t.tid, 0) != nil {
			return x.lost(t)
		}
	}
}

// threadReplaced forgets a thread that ended because another executed a
// program.
func (x *tracer) threadReplaced(tid int) {
	if t := x.threads[tid]; t != nil {
		delete(x.threads, tid)
		x.forget(t)
		t.proc.drop(t)
	}
}

// becomes makes t the only thread of its process, whose number it takes.
func (x *tracer) becomes(t *thread, tid int) {
	p := t.proc
	for _, o := range append([]*thread{}, p.threads...) {
		if o != t {
			x.threadReplaced(o.tid)
		}
	}
	delete(x.threads, t.tid)
	t.tid, t.id = tid, p.id
	x.threads[tid] = t
	t.clearTID = 0
	p.mm = x.newMM()
	p.handlers = newHandlers()
	p.timers = 0
	x.timers.drop(p)
	if p.pidfd > 0 {
		unix.Close(p.pidfd)
		p.pidfd = 0
	}
}

// executed makes the new program ready, and lets the parent of a vfork go on.
func (x *tracer) executed(t *thread) outcome {
	if err := x.firstInstruction(t); err != nil {
		x.broken("process %d: %v", t.proc.id, err)
	}
	if t.proc.forked != nil {
		x.release(t.proc)
	}
	return goOn
}
