//go:build linux && amd64

package box

import "golang.org/x/sys/unix"

// prctl passes prctl(2), but for what would take from the tracer what it
// needs: it is answered as if it had been done.
func prctl(_ *tracer, t *thread) outcome {
	p := t.proc
	switch t.intArg(0) {
	case unix.PR_SET_DUMPABLE:
		// Nobody could look into the process any more.
		if t.arg(1) > 1 {
			t.answer(-int64(unix.EINVAL))
			break
		}
		p.mm.hidden = t.arg(1) == 0
		t.answer(0)
	case unix.PR_GET_DUMPABLE:
		t.answer(1)
		if p.mm.hidden {
			t.answer(0)
		}
	case unix.PR_SET_TSC: // its readers are answered by the tracer
		t.answer(0)
	case unix.PR_GET_TSC:
		return t.written(t.setWord32(t.arg(1), unix.PR_TSC_ENABLE))
	case unix.PR_SET_PTRACER, unix.PR_TASK_PERF_EVENTS_DISABLE, unix.PR_TASK_PERF_EVENTS_ENABLE:
		t.answer(0)
	case unix.PR_SET_SYSCALL_USER_DISPATCH, unix.PR_SCHED_CORE:
		t.answer(-int64(unix.EINVAL))
	case unix.PR_SET_MM:
		t.answer(-int64(unix.EPERM))
	case unix.PR_SET_PDEATHSIG:
		p.mourns = t.arg(1) != 0
	case unix.PR_SET_CHILD_SUBREAPER:
		p.adopts = t.arg(1) != 0
	}
	return goOn
}

// seccomp passes seccomp(2): the strictest of all filters counts, and what
// the program's own deny, never stops. One that has another process decide
// would hold a thread where nobody sees it.
func seccomp(x *tracer, t *thread) outcome {
	const setFilter, newListener = 1, 8 // SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER
	if t.intArg(0) == setFilter && t.arg(1)&newListener != 0 {
		x.noted("%s asked for a filter of system calls that another process decides about, and was told that there is none", t.proc.name())
		t.answer(-int64(unix.EINVAL))
	}
	return goOn
}

// personality keeps addresses the same, whatever else a program asks for.
func personality(_ *tracer, t *thread) outcome {
	const query = 0xffffffff
	if t.arg(0) != query {
		t.regs.Rdi |= addrNoRandomize
		t.dirty = true
	}
	return goOn
}

// setScheduler refuses the scheduling classes that would let a program keep
// the tracer from running.
func setScheduler(_ *tracer, t *thread) outcome {
	var policy uint32
	switch t.nr {
	case unix.SYS_SCHED_SETSCHEDULER:
		policy = uint32(t.arg(1)) &^ unix.SCHED_RESET_ON_FORK
	case unix.SYS_SCHED_SETATTR:
		policy, _ = t.word32(t.arg(1) + 4) // struct sched_attr: size, policy
	}
	switch policy {
	case unix.SCHED_FIFO, unix.SCHED_RR, unix.SCHED_DEADLINE:
		t.answer(-int64(unix.EPERM))
	}
	return goOn
}

// mincore says that all pages are in memory: which are, the machine decides.
func mincore(x *tracer, t *thread) outcome {
	const page, most = 4096, 1 << 20
	ret, out := x.passStopped(t)
	if n := (t.arg(1) + page - 1) / page; out == goOn && ret == 0 && n <= most {
		all := make([]byte, n)
		for i := range all {
			all[i] = 1
		}
		t.write(t.arg(2), all)
	}
	return out
}
