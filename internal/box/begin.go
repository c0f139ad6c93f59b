//go:build linux && amd64

package box

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// What a program inherits from whoever started it is the same for all: the
// root is given it, and every process has it from the root.

// startMask is what the files that it makes are not allowed, umask(2).
const startMask = 0o022

// settle gives the root what every program begins with.
func (x *tracer) settle(root *thread) error {
	if _, err := root.surely("umask", unix.SYS_UMASK, startMask); err != nil {
		return err
	}
	// A session of its own has no terminal to open at /dev/tty, and no group
	// that others are in as well. It fails for one that has a session.
	if _, err := root.early(unix.SYS_SETSID); err != nil {
		return err
	}
	const setMask, setSize = 2, 8 // SIG_SETMASK, sizeof(sigset_t)
	root.write(scratchAddr, make([]byte, 64))
	if _, err := root.surely("signals", unix.SYS_RT_SIGPROCMASK, setMask, scratchAddr, 0, setSize); err != nil {
		return err
	}
	ignored := signalsOf(root.tid).ignored
	for sig := 1; sig <= 64; sig++ {
		if ignored&bit(sig) == 0 {
			continue
		}
		if _, err := root.early(unix.SYS_RT_SIGACTION, uint64(sig), scratchAddr, 0, setSize); err != nil {
			return err
		}
	}
	x.limitRoot(root.tid)
	if x.page == nil {
		return nil
	}
	// The root keeps the page open, for each program to map.
	const pageFD = 3
	seenAs := root.tid
	if x.ids == nil {
		seenAs = x.guestID(root.tid)
	}
	x.pageFile = fmt.Sprintf("/proc/%d/fd/%d", seenAs, pageFD)
	_, err := root.surely("clock", unix.SYS_FCNTL, pageFD, unix.F_SETFD, unix.FD_CLOEXEC)
	return err
}

// Where the stack of a new program is: the kernel puts the strings of
// arguments and variables at the top, and everything else below, so that a
// longer variable moves it all.
const (
	stackTop = 0x7ffffffff000
	// stackBase is what the stack begins at, vectors first.
	stackBase = stackTop - 1<<20
	// stringsAt is where the arguments are moved to.
	stringsAt = stackTop - 1<<19
	// stackRoom is mapped below the stack: as much as the kernel does.
	stackRoom = 128 << 10
)

// placeStack moves the vectors of arguments, variables and auxiliary values,
// the arguments, and the strings that auxiliary values point to. Only the
// variables stay, and what is too long.
//
// The thread stands where it can make early calls.
func (t *thread) placeStack() {
	v, ok := t.vectorsAt(t.regs.Rsp)
	if !ok || t.regs.Rsp < stringsAt+uint64(len(v.strings)) || len(v.words)*8 > stringsAt-stackBase {
		return
	}
	// What the kernel writes makes the stack grow; this is eight bytes of 0.
	const block, setSize = 0, 8 // SIG_BLOCK, sizeof(sigset_t)
	if ret, err := t.early(unix.SYS_RT_SIGPROCMASK, block, 0, stackBase-stackRoom, setSize); err != nil || ret != 0 {
		return
	}
	var b []byte
	for _, w := range v.words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	if t.write(stringsAt, v.strings) && t.write(stackBase, b) {
		t.regs.Rsp = stackBase
	}
}

// vectors are what the kernel puts on the stack of a new program.
type vectors struct {
	words   []uint64 // argc, argv, 0, envp, 0, pairs of auxv
	strings []byte   // those that are moved to stringsAt
}

// vectorsAt reads them, and changes what points to strings that move.
func (t *thread) vectorsAt(at uint64) (v vectors, ok bool) {
	next := func() uint64 {
		w, there := t.word(at)
		ok = there
		at += 8
		v.words = append(v.words, w)
		return w
	}
	move := func(b []byte) {
		v.words[len(v.words)-1] = stringsAt + uint64(len(v.strings))
		v.strings = append(v.strings, b...)
	}
	for range next() {
		s, there := t.text(next(), 1<<18)
		if !ok || !there {
			return v, false
		}
		move(append([]byte(t.proc.ran.named(s)), 0))
	}
	next() // the end of argv
	for ok && next() != 0 {
	}
	for ok {
		kind := next()
		switch value := next(); kind {
		case auxNull:
			return v, ok
		case auxRandom:
			move(t.read(value, 16))
			t.write(value, make([]byte, 16)) // a collector may take what is left there for pointers
		case auxPlatform:
			s, _ := t.text(value, 64)
			move(append([]byte(s), 0))
		case auxExecName:
			if s, ok := t.text(value, unix.PathMax); ok && t.proc.ran.named(s) != s {
				move(append([]byte(t.proc.ran.name), 0))
			}
		}
	}
	return v, false
}

// named returns the name that the program has given to what was executed.
func (r *renamed) named(s string) string {
	if r.host != "" && s == r.host {
		return r.name
	}
	return s
}
