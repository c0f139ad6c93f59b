package sandbox

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An initBox is a program held by an [inside], seen from the coo outside.
type initBox struct {
	cmd     *exec.Cmd
	control *net.UnixConn
	orders  *gob.Encoder // not JSON: arguments and variables are any bytes
	lines   *bufio.Reader
	files   []*os.File // the listeners
	stdio   []*os.File // ends of pipes that belong to the program
	mu      sync.Mutex // guards orders
	done    chan error // of cmd.Wait
	killed  sync.Once
	shared  error // why it has no process namespace of its own
	known   []int // the processes of the program, as Settle saw them last

	conducted bool  // it tells what the program does: level deterministic
	exit      *Exit // once it is told
}

// A prepareError is what went wrong inside, before the program.
type prepareError struct{ step, msg string }

func (e *prepareError) Error() string { return e.step + ": " + e.msg }

// refused reports whether it may be that something forbade the step. Of files
// the kernel says so; anything else about them is about these files.
func (e *prepareError) refused() bool {
	return e.step != "files" || strings.HasSuffix(e.msg, syscall.EPERM.Error()) || strings.HasSuffix(e.msg, syscall.EACCES.Error())
}

// startBox starts the first process of a box and waits until it is prepared.
func startBox(c Command, o orders) (*initBox, error) {
	ours, theirs, err := controlPair()
	if err != nil {
		return nil, err
	}
	b := &initBox{control: ours, orders: gob.NewEncoder(ours), done: make(chan error, 1)}
	b.cmd = &exec.Cmd{Path: "/proc/self/exe", Args: []string{insideName}, Env: []string{}, Dir: "/"}
	b.cmd.Stdout, b.cmd.Stderr = c.Stdout, c.Stderr
	b.cmd.ExtraFiles = []*os.File{theirs}
	b.cmd.SysProcAttr = o.attributes()
	err = b.stdin(c)
	if err == nil {
		err = b.start()
	}
	theirs.Close()
	for _, f := range b.stdio {
		f.Close()
	}
	if err != nil {
		ours.Close()
		return nil, err
	}
	if err := b.order(o); err != nil {
		b.cmd.Process.Kill()
		ours.Close()
		<-b.done
		return nil, err
	}
	return b, nil
}

func (o *orders) attributes() *syscall.SysProcAttr {
	a := new(syscall.SysProcAttr)
	if !o.Network {
		return a
	}
	a.Cloneflags = unix.CLONE_NEWNET | unix.CLONE_NEWNS
	if o.Processes {
		a.Cloneflags |= unix.CLONE_NEWPID
		// The kernel ends the whole namespace with its first process. Without
		// one, that process must live to end the others itself, and knows by
		// the control socket when this one has gone.
		a.Pdeathsig = syscall.SIGKILL
	}
	if o.Root {
		return a
	}
	a.Cloneflags |= unix.CLONE_NEWUSER
	// Only this user and this group exist inside, as themselves.
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	a.AmbientCaps = needed
	return a
}

// controlPair returns the two ends of a socket.
func controlPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("control socket: %w", err)
	}
	f := os.NewFile(uintptr(fds[0]), "control")
	defer f.Close()
	theirs := os.NewFile(uintptr(fds[1]), "control")
	c, err := net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("control socket: %w", err)
	}
	return c.(*net.UnixConn), theirs, nil
}

// stdin gives the program a file as it is. Anything else is copied through a
// pipe by a goroutine that nobody waits for: it may be blocked in a read that
// outlives the program.
func (b *initBox) stdin(c Command) error {
	if f, ok := c.Stdin.(*os.File); ok || c.Stdin == nil {
		if ok {
			b.cmd.Stdin = f
		}
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("stdin: %w", err)
	}
	b.cmd.Stdin = r
	b.stdio = append(b.stdio, r)
	go copyStdin(w, c.Stdin)
	return nil
}

// start starts the process on a thread that lives as long as it does: with a
// process namespace, the kernel kills it when the thread that started it ends.
func (b *initBox) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := b.cmd.Start()
		started <- err
		if err == nil {
			b.done <- b.cmd.Wait()
			close(b.done)
		}
	}()
	return <-started
}

// order tells the process what to prepare, and takes the listeners.
func (b *initBox) order(o orders) error {
	if err := b.say(o); err != nil {
		return &prepareError{"control", err.Error()}
	}
	r, err := b.first()
	if err != nil {
		return &prepareError{"control", err.Error()}
	}
	if !r.Ready {
		return &prepareError{r.Step, r.Error}
	}
	if len(b.files) != r.Listeners {
		return &prepareError{"control", fmt.Sprintf("%d listeners of %d", len(b.files), r.Listeners)}
	}
	return nil
}

func (b *initBox) say(v any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.orders.Encode(v)
}

// first reads the first report and the descriptors that come with it.
func (b *initBox) first() (report, error) {
	var r report
	buf, oob := make([]byte, 4096), make([]byte, 1024)
	n, oobn, _, _, err := b.control.ReadMsgUnix(buf, oob)
	if err != nil {
		return r, err
	}
	if n == 0 {
		return r, errors.New("the process in the box ended at once")
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return r, err
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return r, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			b.files = append(b.files, os.NewFile(uintptr(fd), "listener"))
		}
	}
	line, rest, ok := bytes.Cut(buf[:n], []byte{'\n'})
	if !ok {
		return r, errors.New("the process in the box said half a line")
	}
	b.lines = bufio.NewReader(&joined{rest: rest, conn: b.control})
	return r, json.Unmarshal(line, &r)
}

// joined reads what is left of a buffer, then the connection.
type joined struct {
	rest []byte
	conn *net.UnixConn
}

func (j *joined) Read(p []byte) (int, error) {
	if len(j.rest) > 0 {
		n := copy(p, j.rest)
		j.rest = j.rest[n:]
		return n, nil
	}
	return j.conn.Read(p)
}

func (b *initBox) run() error { return b.say(command{Do: "run"}) }

func (b *initBox) signal(s os.Signal) {
	if n, ok := s.(syscall.Signal); ok {
		b.say(command{Do: "signal", Signal: int(n)}) //nolint:errcheck // one that has ended needs no signal
	}
}

// kill asks the process in the box to end everything, and ends the box
// itself when that takes too long.
func (b *initBox) kill() {
	b.killed.Do(func() {
		b.say(command{Do: "kill"}) //nolint:errcheck // as above
		time.AfterFunc(5*time.Second, func() { b.cmd.Process.Kill() })
	})
}

// next reads the next report.
func (b *initBox) next() (report, error) {
	var r report
	line, err := b.lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	return r, err
}

func (b *initBox) wait() (Exit, error) {
	r, err := report{Exit: b.exit}, error(nil)
	for r.Exit == nil && r.Step == "" && err == nil {
		r, err = b.next()
	}
	ended := <-b.done // and with it the output
	switch {
	case err == nil && r.Exit != nil:
		return *r.Exit, outputError(ended)
	case err == nil:
		return Exit{}, fmt.Errorf("%s: %s", r.Step, r.Error)
	default:
		return Exit{}, fmt.Errorf("the box ended before the program: %w", cmp.Or(ended, err))
	}
}

// outputError returns what went wrong while output was copied.
func outputError(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}
