//go:build linux && amd64

package box

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A limit is one of getrlimit(2).
type limit struct{ soft, hard uint64 }

// limits are those of a process, by number.
type limits [16]limit

const noLimit = ^uint64(0)

// startLimits are those that every program begins with, whatever its user has.
var startLimits = limits{
	unix.RLIMIT_CPU:    {noLimit, noLimit},
	unix.RLIMIT_FSIZE:  {noLimit, noLimit},
	unix.RLIMIT_DATA:   {noLimit, noLimit},
	unix.RLIMIT_STACK:  {8 << 20, noLimit},
	unix.RLIMIT_CORE:   {0, noLimit},
	unix.RLIMIT_RSS:    {noLimit, noLimit},
	unix.RLIMIT_NPROC:  {mostPending, mostPending},
	unix.RLIMIT_NOFILE: {1024, hardFiles},
	8:                  {8 << 20, 8 << 20}, // RLIMIT_MEMLOCK
	unix.RLIMIT_AS:     {noLimit, noLimit},
	10:                 {noLimit, noLimit},         // RLIMIT_LOCKS
	11:                 {mostPending, mostPending}, // RLIMIT_SIGPENDING
	12:                 {819200, 819200},           // RLIMIT_MSGQUEUE
	15:                 {noLimit, noLimit},         // RLIMIT_RTTIME
}

const (
	hardFiles   = 4096
	mostPending = 15000
)

// kept are the limits that the kernel keeps as the program sets them: those
// that do not count what the machine's user does elsewhere.
var kept = []int{unix.RLIMIT_FSIZE, unix.RLIMIT_DATA, unix.RLIMIT_STACK, unix.RLIMIT_CORE, unix.RLIMIT_NOFILE, unix.RLIMIT_AS}

// limitRoot gives the root, and so the program, the limits that it is told of.
// An ordinary user's hard limits may be lower, and cannot be raised: then a
// program that comes up to one fails there and not elsewhere.
func (x *tracer) limitRoot(pid int) {
	for _, n := range kept {
		l := startLimits[n]
		if unix.Prlimit(pid, n, &unix.Rlimit{Cur: l.soft, Max: l.hard}, nil) == nil {
			continue
		}
		x.setKept(pid, n, l.soft)
		var now unix.Rlimit
		if unix.Prlimit(pid, n, nil, &now) == nil && now.Cur < l.soft {
			x.noted("the limit %q is %d here, and should be %d", limitNames[n].name, now.Cur, l.soft)
		}
	}
}

// setKept lets the kernel keep a soft limit.
func (x *tracer) setKept(pid, n int, soft uint64) {
	var old unix.Rlimit
	if unix.Prlimit(pid, n, nil, &old) == nil {
		unix.Prlimit(pid, n, &unix.Rlimit{Cur: min(soft, old.Max), Max: old.Max}, nil) //nolint:errcheck // it may always be lower
	}
}

// rlimits is the handler of getrlimit, setrlimit and prlimit64.
func rlimits(x *tracer, t *thread) outcome {
	p, n, set, get := t.proc, t.intArg(0), uint64(0), uint64(0)
	switch t.nr {
	case unix.SYS_GETRLIMIT:
		get = t.arg(1)
	case unix.SYS_SETRLIMIT:
		set = t.arg(1)
	default:
		p, n, set, get = x.processOf(t, t.intArg(0)), t.intArg(1), t.arg(2), t.arg(3)
	}
	switch {
	case p == nil:
		t.answer(-int64(unix.ESRCH))
		return goOn
	case n < 0 || n >= len(p.limits):
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	old := p.limits[n]
	if set != 0 {
		if e := x.setLimit(t, p, n, set); e != 0 {
			t.answer(-int64(e))
			return goOn
		}
	}
	b := binary.LittleEndian.AppendUint64(nil, old.soft)
	return t.written(get == 0 || t.write(get, binary.LittleEndian.AppendUint64(b, old.hard)))
}

// processOf returns the process that a call means by a number, 0 its own.
func (x *tracer) processOf(t *thread, id int) *process {
	if id == 0 {
		return t.proc
	}
	for _, p := range x.processes {
		for _, o := range p.threads {
			if o.id == id {
				return p
			}
		}
	}
	return nil
}

func (x *tracer) setLimit(t *thread, p *process, n int, at uint64) unix.Errno {
	soft, ok := t.word(at)
	hard, ok2 := t.word(at + 8)
	switch {
	case !ok || !ok2:
		return unix.EFAULT
	case soft > hard:
		return unix.EINVAL
	case hard > p.limits[n].hard:
		return unix.EPERM
	}
	p.limits[n] = limit{soft, hard}
	for _, k := range kept {
		if k == n {
			x.setKept(p.pid, n, soft)
		}
	}
	return 0
}

var limitNames = [16]struct{ name, unit string }{
	{"Max cpu time", "seconds"},
	{"Max file size", "bytes"},
	{"Max data size", "bytes"},
	{"Max stack size", "bytes"},
	{"Max core file size", "bytes"},
	{"Max resident set", "bytes"},
	{"Max processes", "processes"},
	{"Max open files", "files"},
	{"Max locked memory", "bytes"},
	{"Max address space", "bytes"},
	{"Max file locks", "locks"},
	{"Max pending signals", "signals"},
	{"Max msgqueue size", "bytes"},
	{"Max nice priority", ""},
	{"Max realtime priority", ""},
	{"Max realtime timeout", "us"},
}

// text is the file limits of proc(5).
func (l *limits) text() string {
	var b strings.Builder
	value := func(v uint64) string {
		if v == noLimit {
			return "unlimited"
		}
		return fmt.Sprint(v)
	}
	fmt.Fprintf(&b, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units")
	for n, name := range limitNames {
		fmt.Fprintf(&b, "%-25s %-20s %-20s %-10s\n", name.name, value(l[n].soft), value(l[n].hard), name.unit)
	}
	return b.String()
}

// getPriority answers getpriority(2), which tells 20 less than how nice it is.
func getPriority(x *tracer, t *thread) outcome {
	p := t.proc
	if t.intArg(0) == unix.PRIO_PROCESS {
		p = x.processOf(t, t.intArg(1))
	}
	if p == nil {
		t.answer(-int64(unix.ESRCH))
		return goOn
	}
	t.answer(int64(20 - p.nice))
	return goOn
}

// setPriority notes how nice a process is, and lets none be less than it was.
func setPriority(x *tracer, t *thread) outcome {
	p := x.processOf(t, t.intArg(1))
	nice := max(-20, min(19, t.intArg(2)))
	switch {
	case t.intArg(0) != unix.PRIO_PROCESS:
		t.answer(0)
	case p == nil:
		t.answer(-int64(unix.ESRCH))
	case nice < p.nice:
		t.answer(-int64(unix.EACCES))
	default:
		p.nice = nice
		t.answer(0)
	}
	return goOn
}

// schedParam answers sched_getparam(2): no priority.
func schedParam(_ *tracer, t *thread) outcome {
	return t.written(t.setWord32(t.arg(1), 0))
}

// schedInterval answers sched_rr_get_interval(2).
func schedInterval(_ *tracer, t *thread) outcome {
	return t.written(t.setTime(t.arg(1), 0, 1))
}
