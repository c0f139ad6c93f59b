//go:build linux && amd64

package box

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Config says what to run and what it is to see.
type Config struct {
	Argv []string
	Exe  string // the file to execute
	Dir  string
	Env  []string

	// Workspace is the directory whose files have no times of their own, as
	// they are restored without; "" is none. Of what is in it, Timed are paths,
	// relative to it, that are not restored.
	Workspace string
	Timed     []string

	// Unlisted are files that no directory is told to hold: such as where the
	// shell keeps what coo prints, which a replay's workspace has not.
	Unlisted []Inode

	Seed  [32]byte // all its randomness follows from it
	Start int64    // what its clocks begin with, nanoseconds since 1970

	// Stdout and Stderr are the descriptors 1 and 2 that the program gets.
	// What it writes there is told as Printed and does not arrive there.
	Stdin, Stdout, Stderr int

	Talk Talk

	// Own says that the program gets a process namespace of its own, for
	// which the calling thread has the privilege. Confine is then called
	// in between, to give that up, and must do so for the thread Run is called
	// on; Privileges are the capabilities that the program loses with it.
	Own     bool
	Confine func() error
	Denied  []int // capabilities; nil and Confine set: all of them

	// Outside says whether a connection leads out; nil: none does. Host is the
	// name an address was given to. Names are sockets at which lookups of names
	// arrive, which Answer answers.
	Outside func(netip.AddrPort) bool
	Host    func(netip.Addr) string
	Names   []int
	Answer  func(query []byte) []byte
	Own4    netip.Addr // the program's own address, beside loopback

	// Views are what it sees where without a process namespace of its own,
	// and with that without mounts. Inside says that it has no network either:
	// its sockets are put where nobody else's are. IPv6 says then that the
	// machine's loopback interface has ::1.
	Views  []View
	Inside bool
	IPv6   bool

	// Trace, when not nil, gets a line for each call that stopped.
	Trace io.Writer
}

// Talk is the coo outside, as the tracer sees it.
type Talk interface {
	// Tell passes on what happened.
	Tell(Event) error
	// Ask passes on that all threads wait, and returns what is to happen.
	Ask(Event) (Order, error)
}

// An Exit is how a program ended.
type Exit struct {
	Status int    // 128 + the number of a signal
	Signal string // such as SIGKILL
	Left   []string
}

// Run runs a program to its end and that of all it started. It must be called
// on a locked thread, in a process that has no other children, and leaves that
// thread's personality changed.
func Run(c Config) (Exit, error) {
	x := newTracer(c)
	x.seat = takeSeat()
	x.watch = newWatch(x.seat)
	defer x.watch.close()
	defer x.close()
	if err := x.start(); err != nil {
		return Exit{}, err
	}
	err := x.loop()
	if err == nil {
		x.tellManifest()
	}
	x.flushTrace()
	return x.exit, err
}

// traceOptions are what the tracer wants to be told.
const traceOptions = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESECCOMP |
	unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEVFORKDONE |
	unix.PTRACE_O_TRACEEXEC

// addrNoRandomize is ADDR_NO_RANDOMIZE, personality(2).
const addrNoRandomize = 0x0040000

// start makes the program's first process and lets it stand before its first
// instruction.
//
// It is the child of another, the root, that never runs anything of its own:
// process 1 of the program's namespace, which adopts what loses its parent.
func (x *tracer) start() error {
	runtime.LockOSThread()
	ignoreStops()
	if _, _, e := unix.Syscall(unix.SYS_PERSONALITY, addrNoRandomize, 0, 0); e != 0 {
		x.random = true
	}
	dir := x.Dir
	if !x.Own {
		x.ids = newIDs()
		x.views = newViews(x.Views, x.ids)
		dir = x.views.host(dir)
		x.tag, x.queues = fmt.Sprintf("coo-%x-", os.Getpid()), map[string]bool{}
		if x.Inside {
			n, names, err := newInner(x.Own4, os.Getpid())
			if err != nil {
				return err
			}
			x.inner, x.Names = n, append(x.Names, names)
			_, err = os.Stat("/proc/net/if_inet6") // the kernel has IPv6
			n.addsSix = err == nil && !x.IPv6
		}
	}
	attr := &syscall.ProcAttr{
		Dir: dir, Env: []string{},
		Files: []uintptr{uintptr(x.Stdin), uintptr(x.Stdout), uintptr(x.Stderr)},
		Sys:   &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL},
	}
	if x.page = newClockPage(x.Start); x.page != nil {
		attr.Files = append(attr.Files, uintptr(x.page.fd))
	}
	if x.Own {
		attr.Sys.Cloneflags = unix.CLONE_NEWPID
	}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"coo: root"}, attr)
	if err != nil {
		return fmt.Errorf("first process: %w", err)
	}
	root := &thread{tid: pid}
	x.root = pid
	if x.ids != nil {
		x.ids.give(pid)
	}
	if _, err := waitThread(pid); err != nil {
		return err
	}
	if err := unix.PtraceSetOptions(pid, traceOptions); err != nil {
		return fmt.Errorf("ptrace: %w", err)
	}
	if err := unix.PtraceGetRegs(pid, &root.regs); err != nil {
		return fmt.Errorf("registers: %w", err)
	}
	if _, err := root.pokeCode(); err != nil {
		return err
	}
	if err := x.prepareRoot(root); err != nil {
		return err
	}
	if x.Confine != nil {
		if err := x.Confine(); err != nil {
			return err
		}
	}
	if _, err := root.surely("fork", unix.SYS_CLONE, uint64(unix.SIGCHLD)); err != nil {
		return err
	}
	// The kernel forgets its children from now on: nobody asks how orphans
	// have ended. The program, which was born before, asks how its own have.
	root.write(scratchAddr, binary.LittleEndian.AppendUint64(make([]byte, 0, 32), sigIgnore))
	if _, err := root.surely("orphans", unix.SYS_RT_SIGACTION, uint64(unix.SIGCHLD), scratchAddr, 0, 8); err != nil {
		return err
	}
	return x.startProgram(root)
}

// sigIgnore is SIG_IGN, the handler of a struct sigaction.
const sigIgnore = 1

// ignoreStops keeps the kernel from sending SIGCHLD at each stop, which the Go
// runtime has a handler for. They are waited for, and nobody asks for the
// signal. Its default is to do nothing, which is not the same as being ignored.
func ignoreStops() {
	var byDefault [32]byte // struct sigaction of the kernel's
	const setSize = 8
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), uintptr(unsafe.Pointer(&byDefault)), 0, setSize, 0, 0)
}

// prepareRoot gives the program its own view of processes, and takes from it
// what it must not have.
func (x *tracer) prepareRoot(root *thread) error {
	if _, err := root.surely("memory", unix.SYS_MMAP, scratchAddr, scratchSize,
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uint64(0), 0); err != nil {
		return err
	}
	if err := x.settle(root); err != nil {
		return err
	}
	if x.Own {
		if err := root.ownProc(); err != nil {
			return err
		}
	} else if _, err := root.surely("orphans", unix.SYS_PRCTL, unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err // what loses its parent becomes a child of the root
	}
	if x.Confine == nil {
		return nil
	}
	return root.confine(x.Denied)
}

// ownProc mounts a /proc that shows the processes of the program alone, and
// gives it its own memory, messages and semaphores to share.
func (t *thread) ownProc() error {
	if _, err := t.surely("own messages and semaphores", unix.SYS_UNSHARE, unix.CLONE_NEWIPC); err != nil {
		return err
	}
	if _, err := t.surely("own mounts", unix.SYS_UNSHARE, unix.CLONE_NEWNS); err != nil {
		return err
	}
	at := uint64(scratchAddr)
	t.write(at, []byte("/proc\x00proc\x00"))
	if _, err := t.surely("/proc", unix.SYS_MOUNT, at+6, at, at+6, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, 0); err != nil {
		return err
	}
	// Shared memory by name is the program's own, too. Where there is no such
	// directory, there is none of that.
	t.write(at, []byte("/dev/shm\x00tmpfs\x00mode=1777\x00"))
	_, err := t.early(unix.SYS_MOUNT, at+9, at, at+9, unix.MS_NOSUID|unix.MS_NODEV, at+15)
	return err
}

// startProgram lets the child of the root become the program.
func (x *tracer) startProgram(root *thread) error {
	tid := root.born
	if _, err := waitThread(tid); err != nil {
		return err
	}
	p := &process{pid: tid, mm: x.newMM(), handlers: newHandlers(), rand: x.stream("1"), limits: startLimits}
	t := x.addThread(tid, p)
	t.regs = root.regs
	p.id = t.id
	x.first = p
	x.processes = append(x.processes, p)
	if err := x.execFirst(t); err != nil {
		return err
	}
	x.ready(t)
	return nil
}

// close ends everything that is left.
func (x *tracer) close() {
	if x.letters != 0 {
		unix.Close(x.letters)
	}
	for _, p := range x.processes {
		if p.pidfd > 0 {
			unix.Close(p.pidfd)
		}
	}
	if x.ids != nil {
		x.removeSysV()
	}
	if x.root == 0 {
		return
	}
	for tid := range x.threads {
		unix.Kill(tid, unix.SIGKILL) //nolint:errcheck // it may have ended
	}
	unix.Kill(x.root, unix.SIGKILL) //nolint:errcheck // as above
	for {
		// Everything that is left is a child of this thread's tracing.
		if _, err := unix.Wait4(-1, nil, unix.WALL, nil); err != nil && err != unix.EINTR {
			return
		}
	}
}
