package sandbox

import (
	"encoding/gob"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/coo-runtime/coo/internal/box"
)

// insideName is argv[0] of the process that begins inside a box. Nobody
// starts coo by this name.
const insideName = "coo: sandbox"

// trialName is argv[0] of a program that only shows that programs run.
const trialName = "coo: trial"

// controlFD is the socket to the coo outside.
const controlFD = 3

// Init takes over when this process was started as the first of a box: it
// does not return then. It must be the first thing that main does, and
// TestMain of packages that start programs.
func Init() {
	switch os.Args[0] {
	case trialName:
		os.Exit(0)
	case insideName:
	default:
		return
	}
	// Privileges belong to a thread: the one that gives them up is the one
	// that starts the program.
	runtime.LockOSThread()
	i := &inside{
		control: os.NewFile(controlFD, "control"),
		stopped: make(chan struct{}), ordered: make(chan box.Order),
	}
	closeOthers(controlFD)
	if err := i.main(); err != nil {
		i.report(report{Step: err.step, Error: err.err.Error()})
	}
	os.Exit(0)
}

// An insideError says at which step of the preparation something went wrong.
type insideError struct {
	step string
	err  error
}

// An inside is the first process of a box.
type inside struct {
	control   *os.File
	orders    orders
	child     atomic.Int64
	mu        sync.Mutex                   // guards seen
	seen      map[syscall.Signal]time.Time // when a signal came to this process itself
	killed    atomic.Bool
	listeners []*os.File     // of the box's network, for the tracer
	views     []box.View     // what is shown where, without mounts
	lastPID   *os.File       // by which the next process gets its number; nil: it gets any
	trace     *os.File       // where the tracer writes calls; nil: nowhere
	stopped   chan struct{}  // closed when killed is set
	ordered   chan box.Order // what the coo outside orders
}

func (i *inside) main() *insideError {
	in := gob.NewDecoder(i.control)
	if err := in.Decode(&i.orders); err != nil {
		return &insideError{"orders", err}
	}
	i.watchSignals()
	if i.orders.Conducted {
		unix.Umask(0o022) // what is made for the program to see is the same for all
	}
	if i.orders.Trace != "" {
		// Now: it may be where the program sees nothing of this machine.
		f, err := os.Create(i.orders.Trace)
		if err != nil {
			return &insideError{"program", err}
		}
		i.trace = f
	}
	if err := i.prepare(); err != nil {
		return err
	}
	if i.orders.Trial {
		return nil
	}
	var first command
	if err := in.Decode(&first); err != nil || first.Do != "run" {
		return nil // the coo outside has gone, or was told to stop
	}
	if i.orders.Conducted {
		return i.conduct(in)
	}
	if i.orders.Processes {
		spareThreads()
		// Not open: the kernel has no such file. Then the number is any.
		i.lastPID, _ = os.OpenFile("/proc/sys/kernel/ns_last_pid", os.O_WRONLY, 0)
	}
	if err := i.confine(); err != nil {
		return &insideError{"privileges", err}
	}
	pid, err := i.start()
	if err != nil {
		return &insideError{"program", err}
	}
	i.child.Store(int64(pid))
	go i.obey(in)
	exit := i.reap(pid)
	i.report(report{Exit: &exit})
	return nil
}

// prepare makes the box and hands out its listeners.
func (i *inside) prepare() *insideError {
	if err := i.mounts(); err != nil {
		return err
	}
	ready := report{Ready: true}
	var fds []int
	if i.orders.Network {
		files, err := i.network()
		if err != nil {
			return &insideError{"network", err}
		}
		for _, f := range files {
			fds = append(fds, int(f.Fd()))
			if !i.orders.Conducted {
				defer f.Close()
			}
		}
		i.listeners = files
	}
	if !i.orders.Processes {
		// What loses its parent becomes a child of this process.
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return &insideError{"processes", err}
		}
	}
	// Nothing inside may look into this process or take its descriptors.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return &insideError{"processes", err}
	}
	if i.orders.Trial {
		if err := tryRedirect(i.orders.IPv6); err != nil {
			return &insideError{"network", err}
		}
	}
	ready.Listeners = len(fds)
	return i.send(ready, fds)
}

func (i *inside) send(r report, fds []int) *insideError {
	b, err := json.Marshal(r)
	if err != nil {
		panic("sandbox: internal error: " + err.Error())
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(controlFD, append(b, '\n'), rights, nil, 0); err != nil {
		return &insideError{"control", err}
	}
	return nil
}

// report tells the coo outside something. Only the thread of main does.
func (i *inside) report(r report) error {
	b, err := json.Marshal(r)
	if err != nil {
		panic("sandbox: internal error: " + err.Error())
	}
	_, err = i.control.Write(append(b, '\n'))
	return err
}

// confine takes from this thread what the program must not have.
func (i *inside) confine() error {
	if !i.orders.Network {
		return nil
	}
	if !i.orders.Root {
		// A set-uid file gives nothing in a user namespace of one user, and
		// file capabilities none that reach out of it: said here, so that
		// those programs say what is the matter.
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("no_new_privs: %w", err)
		}
	}
	if err := limitFamilies(); err != nil {
		return err
	}
	i.steadyPID()
	return dropPrivileges(i.orders.root())
}

// start starts the program, with this thread's privileges.
func (i *inside) start() (int, error) {
	o := &i.orders
	if _, err := os.Stat(o.Dir); err != nil {
		return 0, fmt.Errorf("working directory: %w", err)
	}
	attr := &syscall.ProcAttr{Dir: o.Dir, Env: o.Env, Files: []uintptr{0, 1, 2}}
	if !o.Processes {
		attr.Sys = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	}
	pid, err := syscall.ForkExec(o.Exe.Run, o.Argv, attr)
	if err != nil {
		return 0, explainExec(o.Exe.Run, err)
	}
	return pid, nil
}

// firstPID is the program's process number where coo can choose it: a
// program that prints it, or names files by it, prints the same each time.
const firstPID = 100

// steadyPID makes the next process firstPID, if the kernel lets it be said. A
// thread has a number, too: none may be made before the program is.
func (i *inside) steadyPID() {
	if i.lastPID == nil {
		return
	}
	number := fmt.Appendf(nil, "%d", firstPID-1)
	// Raw: the runtime does not take this thread for one that may block, and
	// makes no other.
	unix.RawSyscall(unix.SYS_WRITE, i.lastPID.Fd(), uintptr(unsafe.Pointer(&number[0])), uintptr(len(number))) //nolint:errcheck // see above
}

// spareThreads lets the runtime have threads that have nothing to do: it uses
// one of them before it makes another.
func spareThreads() {
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { unix.Nanosleep(&unix.Timespec{Nsec: 500_000}, nil) }) //nolint:errcheck // not to be on time
	}
	group.Wait()
}

// closeOthers keeps descriptors from the program, this process's own and those
// that coo has inherited: a socket among them would be a way out.
func closeOthers(from uint) {
	if unix.CloseRange(from, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	// Linux before 5.11.
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		var fd int
		if _, err := fmt.Sscanf(e.Name(), "%d", &fd); err == nil && uint(fd) >= from {
			unix.CloseOnExec(fd)
		}
	}
}
