package sandbox

import (
	"encoding/gob"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// insideName is argv[0] of the process that begins inside a box. Nobody
// starts coo by this name.
const insideName = "coo: sandbox"

// controlFD is the socket to the coo outside.
const controlFD = 3

// Init takes over when this process was started as the first of a box: it
// does not return then. It must be the first thing that main does, and
// TestMain of packages that start programs.
func Init() {
	if os.Args[0] != insideName {
		return
	}
	// Privileges belong to a thread: the one that gives them up is the one
	// that starts the program.
	runtime.LockOSThread()
	i := &inside{control: os.NewFile(controlFD, "control")}
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
	control *os.File
	orders  orders
	child   atomic.Int64
	mu      sync.Mutex // guards seen
	seen    map[syscall.Signal]int
	killed  atomic.Bool
}

func (i *inside) main() *insideError {
	in := gob.NewDecoder(i.control)
	if err := in.Decode(&i.orders); err != nil {
		return &insideError{"orders", err}
	}
	i.watchSignals()
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
	if i.orders.Processes {
		steadyPID()
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
			defer f.Close()
		}
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

func (i *inside) report(r report) { i.send(r, nil) }

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
	return dropPrivileges(i.orders.Root)
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

// steadyPID makes the next process firstPID, if the kernel lets it be said.
func steadyPID() {
	_ = os.WriteFile("/proc/sys/kernel/ns_last_pid", fmt.Appendf(nil, "%d", firstPID-1), 0)
}

// obey does what the coo outside says, and ends everything when it has gone.
func (i *inside) obey(in *gob.Decoder) {
	for {
		var c command
		if in.Decode(&c) != nil {
			i.killAll()
			os.Exit(0)
		}
		switch c.Do {
		case "signal":
			go i.forward(syscall.Signal(c.Signal))
		case "kill":
			i.killed.Store(true)
			go i.killAll()
		}
	}
}

// watchSignals keeps signals of the terminal, which reach every process of
// its foreground group, from ending this one, and counts them.
func (i *inside) watchSignals() {
	i.seen = map[syscall.Signal]int{}
	var watched []os.Signal
	for _, s := range relayedSignals {
		if !signal.Ignored(s) {
			watched = append(watched, s)
		}
	}
	if len(watched) == 0 {
		return
	}
	c := make(chan os.Signal, 16)
	signal.Notify(c, watched...)
	go func() {
		for s := range c {
			i.mu.Lock()
			i.seen[s.(syscall.Signal)]++
			i.mu.Unlock()
		}
	}()
}

// forward gives a signal that coo has received to everything inside, unless
// this process has it too: then the terminal has given it to the whole group.
func (i *inside) forward(s syscall.Signal) {
	for range 10 {
		i.mu.Lock()
		had := i.seen[s] > 0
		if had {
			i.seen[s]--
		}
		i.mu.Unlock()
		if had {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	for _, p := range descendants() {
		syscall.Kill(p.pid, s)
	}
}

// killAll ends what is inside until nothing is left: a process may start
// others while it is being ended.
func (i *inside) killAll() {
	for range 200 {
		all := descendants()
		if len(all) == 0 {
			return
		}
		for _, p := range all {
			syscall.Kill(p.pid, syscall.SIGKILL)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// reap waits for every process inside, whoever started it, and returns how
// the program ended once nothing is left.
func (i *inside) reap(child int) Exit {
	var exit Exit
	var left chan []string
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil { // ECHILD: nothing is left
			break
		}
		if pid != child {
			continue
		}
		exit = exitOf(ws)
		left = make(chan []string, 1)
		go func() { left <- i.windDown() }()
	}
	if left != nil {
		exit.Left = <-left
	}
	return exit
}

// windDown ends what the program has left running: most of it, such as the
// helpers of a language's runtime, ends by itself at once.
func (i *inside) windDown() []string {
	if i.killed.Load() {
		i.killAll()
		return nil
	}
	if waitNone(grace) {
		return nil
	}
	var names []string
	for _, p := range descendants() {
		if name := p.commandLine(); name != "" {
			names = append(names, name)
		}
		syscall.Kill(p.pid, syscall.SIGTERM)
		syscall.Kill(p.pid, syscall.SIGCONT)
	}
	if !waitNone(lastGrace) {
		i.killAll()
	}
	slices.Sort(names)
	return names
}

func waitNone(limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if len(descendants()) == 0 {
			return true
		}
	}
	return false
}

func exitOf(ws syscall.WaitStatus) Exit {
	if ws.Signaled() {
		return Exit{Status: 128 + int(ws.Signal()), Signal: unix.SignalName(ws.Signal())}
	}
	return Exit{Status: ws.ExitStatus()}
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
