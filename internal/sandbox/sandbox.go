// Package sandbox runs a program so that its network traffic goes through
// coo.
//
// At level "frozen" (Linux) the program gets a network of its own whose every
// address is coo: nothing it sends can go anywhere else, whether or not it
// knows of proxies, and no privilege is needed. At "proxied" (everywhere) it is
// asked, by environment variables, to use a proxy; what does not listen to them
// is not seen. At "deterministic" it runs one thread at a time under a tracer,
// which shows it as a [Guest]: what it is told, and when, is the caller's to say.
//
//	the program ── connect 93.184.215.14:443 ──┐            frozen
//	   own network: every address is local,    │ redirected (nft)
//	   only a loopback interface               ▼
//	pid 1 of the box: coo itself        127.0.0.1:1 ── descriptor handed out ──▶ coo
//
// A process that coo starts this way begins in [Init], which main calls first.
// It prepares the box, gives its listeners to the coo outside, drops what
// privileges it has, starts the program, and reaps whatever the program
// leaves behind:
//
//	p, err := sandbox.Start(ctx, sandbox.Command{
//		Level: sandbox.Frozen, Argv: []string{"python", "agent.py"}, Dir: dir, Env: env, CA: pem,
//	})
//	go serve(p.Transparent(), p.Target) // answers before the program runs
//	p.Run()
//	exit, err := p.Wait()
package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// A Level says how surely a program's traffic goes through coo.
type Level string

// The levels of this package, the surest first.
const (
	Deterministic Level = "deterministic" // linux/amd64
	Frozen        Level = "frozen"        // Linux
	Proxied       Level = "proxied"
)

// A Finding says whether this machine can run programs at a level.
type Finding struct {
	Level  Level
	OK     bool
	Why    string // what is missing, or restricted, when not OK
	Remedy string // what a person can do about it
	Note   string // what is less than it could be, when OK
}

// A LevelError is returned by [Start] when the machine has not what the level
// asks for.
type LevelError struct{ Finding Finding }

func (e *LevelError) Error() string {
	msg := fmt.Sprintf("isolation %s: %s", e.Finding.Level, e.Finding.Why)
	if e.Finding.Remedy != "" {
		msg += "; " + e.Finding.Remedy
	}
	return msg
}

// A Command is a program and how to run it.
type Command struct {
	Level Level
	Argv  []string
	Exe   string   // the file to execute; "" is what Argv[0] means, see [Resolve]
	Dir   string   // the working directory, absolute
	Env   []string // as [Environ] gives it; Start adds proxy and CA variables

	// Stdin may be nil, which is an empty file. A file is given to the
	// program as it is, so that a terminal stays one.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Workspace is the directory that Over is shown instead of; "" is Dir.
	// Keep are directories and files of the real workspace, relative to it,
	// that are shown read-only inside Over. Not at level proxied.
	Workspace string
	Over      string
	Keep      []string
	// Fresh are directories of the workspace, relative to it, that are shown
	// empty, and are as they were after that. Only at level deterministic.
	Fresh []string
	// Outside are files and directories of the workspace, relative to it, whose
	// files have times, as what is restored has not. Only at level
	// deterministic.
	Outside []string
	// Unlisted are files that no directory is seen to hold. Only at level
	// deterministic.
	Unlisted []fs.FileInfo
	// Given are files of the workspace that are shown with another content,
	// read-only. Level proxied shows nothing, and refuses any.
	Given []Given

	CA         []byte     // PEM of the run's CA; nil: no bundle is made
	Allow      []Endpoint // services of this machine that may be reached
	ProxyToken string     // what the proxy asks for; "" makes one up

	// At level deterministic: what the program's randomness follows from, where
	// its clock starts, in milliseconds since 1970, and a file to write its
	// system calls to, "" for none.
	Seed  string
	Clock int64
	Trace string

	exe Executable
}

func (c *Command) workspace() string {
	if c.Workspace != "" {
		return c.Workspace
	}
	return c.Dir
}

// A Given is a file that a program is shown.
type Given struct {
	Path    string // in the workspace, with "/" between names
	Content []byte
}

// An Exit is how a program ended.
type Exit struct {
	Status int      // of the program itself; 128 + the signal's number when a signal ended it
	Signal string   // such as "SIGKILL"; "" when it ended by itself
	Left   []string // command lines of processes it left running, which were ended
}

// A Target is what a program wanted to connect to.
type Target struct {
	Host    string // the name that was looked up to get Addr; "" when none was
	Addr    netip.Addr
	Port    int
	Allowed bool // named by [Command.Allow]
}

// A Process is a program that was started.
type Process struct {
	guest       Guest
	bare        *Finding // why there are no namespaces, at level deterministic; nil: there are
	level       Level
	transparent net.Listener
	proxy       net.Listener
	names       *names
	allow       []Endpoint
	box         holder
	undo        []func() // after the end, in reverse order
	ctx         context.Context
	interrupts  atomic.Int32
	ended       chan struct{}
	endOnce     sync.Once
}

// A holder is a running program, however that is done.
type holder interface {
	run() error
	signal(os.Signal)
	kill()
	wait() (Exit, error)
}

// Start prepares a program; it runs after [Process.Run]. What can be known
// to go wrong is an error here, before anything runs: a program that is not
// found, a level that this machine does not have (*[LevelError]).
//
// When ctx is done the program is killed. A context that an interrupt ends
// would take from the program the chance to end by itself: Process passes
// interrupts on.
func Start(ctx context.Context, c Command) (*Process, error) {
	if len(c.Argv) == 0 {
		return nil, fmt.Errorf("program: none is named")
	}
	if !filepath.IsAbs(c.Dir) {
		return nil, fmt.Errorf("program %q: working directory %q is not absolute", c.Argv[0], c.Dir)
	}
	var err error
	if c.Over == "" { // else what these are is seen inside
		if _, err := os.Stat(c.Dir); err != nil {
			return nil, fmt.Errorf("program %q: working directory: %w", c.Argv[0], err)
		}
		if c.exe, err = Resolve(cmp.Or(c.Exe, c.Argv[0]), c.Dir, c.Env); err != nil {
			return nil, err
		}
	}
	if c.ProxyToken == "" {
		c.ProxyToken = rand.Text()
	}
	p := &Process{level: c.Level, allow: c.Allow, ctx: ctx, names: newNames(), ended: make(chan struct{})}
	if c.Level != Deterministic { // there, a longer name would move what comes after it
		c.Env = setVariable(c.Env, "PWD", c.Dir)
	}
	switch c.Level {
	case Deterministic:
		err = p.startDeterministic(c)
	case Frozen:
		err = p.startFrozen(c)
	case Proxied:
		err = p.startProxied(c)
	default:
		err = fmt.Errorf("isolation %q: not a level a program runs at", c.Level)
	}
	if err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

// Transparent returns the listener at which connections of the program
// arrive whatever they were meant for; nil unless the level is frozen.
func (p *Process) Transparent() net.Listener { return p.transparent }

// Proxy returns the listener at which the program's explicit proxy
// connections arrive; nil at level frozen, where none are made.
func (p *Process) Proxy() net.Listener { return p.proxy }

// Run lets the program begin, and passes interrupts on to it from now on.
func (p *Process) Run() error {
	p.relay()
	go func() {
		select {
		case <-p.ctx.Done():
			p.Kill()
		case <-p.ended:
		}
	}()
	return p.box.run()
}

// Wait returns when the program and everything it started has ended, and its
// output has been written.
func (p *Process) Wait() (Exit, error) {
	exit, err := p.box.wait()
	p.end()
	return exit, err
}

// Kill ends the program and everything it started.
func (p *Process) Kill() { p.box.kill() }

// Signal gives a signal to the program as its terminal would; a second
// interrupt or termination kills it.
func (p *Process) Signal(s os.Signal) {
	if isInterrupt(s) && p.interrupts.Add(1) > 1 {
		p.Kill()
		return
	}
	p.box.signal(s)
}

func (p *Process) end() {
	p.endOnce.Do(func() {
		close(p.ended)
		for i := len(p.undo) - 1; i >= 0; i-- {
			p.undo[i]()
		}
	})
}

// relay passes on to the program what coo is told to do.
func (p *Process) relay() {
	var relayed []os.Signal
	for _, s := range relayedSignals {
		// Ignored from the start, as under nohup: the program inherits that.
		if !signal.Ignored(s) {
			relayed = append(relayed, s)
		}
	}
	if len(relayed) == 0 {
		return
	}
	c := make(chan os.Signal, 4)
	signal.Notify(c, relayed...)
	go func() {
		defer signal.Stop(c)
		for {
			select {
			case s := <-c:
				p.Signal(s)
			case <-p.ended:
				return
			}
		}
	}()
}

// How long what a program leaves running may take to end by itself, and then
// once it is told to.
const (
	grace     = 2 * time.Second
	lastGrace = time.Second
)
