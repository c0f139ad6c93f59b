//go:build linux && amd64

package box

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Where there are no namespaces, the tracer does what they would: it changes
// the arguments of a call from what they mean to the program into what they
// mean to the kernel just before the kernel sees them, and the result back.
// Handlers, traces and the program itself only ever see the program's side.
//
//	             kill(3, SIGTERM)                      program, handlers, trace
//	entering ─────────▼──────────────────────
//	             kill(48213, SIGTERM)                  kernel
//
// Calls that pass without a stop where there are namespaces stop here for this
// alone: such a stop is quiet, which is no turn and takes no virtual time, so
// that a run is the same with namespaces and without.

// quiet are those calls, by what they are changed for.
var (
	quietIDs = []uint64{
		unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETPPID, unix.SYS_GETPGRP, unix.SYS_GETPGID, unix.SYS_GETSID,
		unix.SYS_SETPGID, unix.SYS_SETSID, unix.SYS_GET_ROBUST_LIST,
	}
	quietPaths = []uint64{
		unix.SYS_ACCESS, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_GETCWD, unix.SYS_CHDIR,
		unix.SYS_CHMOD, unix.SYS_FCHMODAT, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_FCHOWNAT,
		unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_GETXATTR, unix.SYS_LGETXATTR,
		unix.SYS_LISTXATTR, unix.SYS_LLISTXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR,
	}
)

// passing returns the calls that do not stop.
func (x *tracer) passing() []uint64 {
	var quiet []uint64
	if x.ids != nil {
		quiet = slices.Concat(quietIDs, quietPaths)
	}
	if x.random {
		quiet = append(quiet, unix.SYS_MMAP, unix.SYS_MREMAP)
	}
	return slices.DeleteFunc(slices.Clone(passes), func(nr uint64) bool { return slices.Contains(quiet, nr) })
}

// calledQuietly looks at a call that passes where there are namespaces; false
// when it is none of those.
func (x *tracer) calledQuietly(t *thread) (out outcome, quiet bool) {
	nr := t.regs.Orig_rax
	if x.ids == nil && !x.random || !slices.Contains(passes, nr) {
		return goOn, false
	}
	t.nr = nr
	if id, ok := x.ownID(t); ok {
		t.answer(int64(id))
		return goOn, true
	}
	if x.forbidden(t) {
		return goOn, true
	}
	return x.passChanged(t), true
}

// A change is what was changed of a call, to be changed back.
type change struct {
	regs  bool                    // registers
	after []func(ret int64) int64 // memory and the result, in this order
}

func (c *change) also(f func(ret int64) int64) { c.after = append(c.after, f) }

func (c *change) back(ret int64) int64 {
	for _, f := range c.after {
		ret = f(ret)
	}
	return ret
}

func (c *change) nothing() bool { return !c.regs && len(c.after) == 0 }

// entering changes the call in r, which a thread is about to make. Quiet is
// what it may not answer itself.
func (x *tracer) entering(t *thread, r *unix.PtraceRegs) *change {
	c := &change{}
	if x.ids != nil {
		x.enterIDs(t, r, c)
		x.enterPaths(t, r, c)
		x.enterSysV(t, r, c)
	}
	if x.inner != nil {
		x.enterAddrs(t, r, c)
	}
	if x.random {
		x.enterMapped(t, r, c)
	}
	return c
}

// passChanged lets the kernel answer the call that a thread stands before,
// when it has to be changed for that.
func (x *tracer) passChanged(t *thread) outcome {
	if x.ids == nil && !x.random {
		return goOn
	}
	r := t.regs
	c := x.entering(t, &r)
	if c.nothing() {
		return goOn
	}
	ret, ok := x.makeChanged(t, &r, c)
	if !ok {
		return x.lost(t)
	}
	t.regs.Rax, t.dirty = uint64(ret), true
	return goOn
}

// makeChanged makes a changed call.
func (x *tracer) makeChanged(t *thread, r *unix.PtraceRegs, c *change) (ret int64, ok bool) {
	if c.regs && unix.PtraceSetRegs(t.tid, r) != nil {
		return 0, false
	}
	ret, ok = x.exitStop(t)
	if !ok {
		return 0, false
	}
	return c.back(ret), true
}

// regArg is where a register of an argument is.
func regArg(r *unix.PtraceRegs, i int) *uint64 {
	return [...]*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9}[i]
}
