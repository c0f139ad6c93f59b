//go:build linux && amd64

package box

import (
	"golang.org/x/sys/unix"
)

// wait4 asks the kernel, which does not wait, and parks the thread when there
// is no child yet that has ended.
func wait4(x *tracer, t *thread) outcome {
	options := t.arg(2)
	x.yields = true
	ret, ok := x.instead(t, unix.SYS_WAIT4, t.arg(0), t.arg(1), options|unix.WNOHANG, t.arg(3))
	if !ok {
		return x.lost(t)
	}
	if p, status := x.changedChild(t, options, x.waitsFor(t, t.intArg(0))); ret == 0 && p != nil {
		ret = int64(p.id)
		if t.arg(1) != 0 {
			t.setWord32(t.arg(1), status)
		}
	}
	t.answer(ret)
	if ret == 0 && options&unix.WNOHANG == 0 {
		return x.park(t, parked{why: "waits for a child", deadline: -1, child: true, restart: true})
	}
	if ret > 0 && t.arg(3) != 0 {
		t.write(t.arg(3), t.rusage(0))
	}
	return goOn
}

// waitid does the same for waitid(2), which tells by a siginfo_t.
func waitid(x *tracer, t *thread) outcome {
	options, info := t.arg(3), t.arg(2)
	at := info
	if at == 0 {
		at = scratchAddr
	}
	x.yields = true
	ret, ok := x.instead(t, unix.SYS_WAITID, t.arg(0), t.arg(1), at, options|unix.WNOHANG, t.arg(4))
	if !ok {
		return x.lost(t)
	}
	t.answer(ret)
	pid, _ := t.word32(at + 16) // si_pid
	if p, status := x.changedChild(t, options, x.waitsForID(t, t.intArg(0), t.intArg(1))); ret == 0 && pid == 0 && p != nil {
		pid = uint32(p.id)
		t.write(at, p.childStatus(status))
	}
	if ret == 0 && pid == 0 && options&unix.WNOHANG == 0 {
		return x.park(t, parked{why: "waits for a child", deadline: -1, child: true, restart: true})
	}
	if ret == 0 && pid != 0 {
		t.write(at+32, make([]byte, 16)) // times
		if t.arg(4) != 0 {
			t.write(t.arg(4), t.rusage(0))
		}
	}
	return goOn
}

// childEnded tells a process's threads that a child has ended.
func (x *tracer) childEnded(p *process) {
	for i := 0; i < len(x.waits); {
		t := x.waits[i]
		if t.proc == p && t.parked.child {
			x.unpark(t)
			continue
		}
		i++
	}
	x.interrupt(p)
}
