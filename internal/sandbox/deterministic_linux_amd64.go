package sandbox

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/coo-runtime/coo/internal/box"
)

// A tracedGuest implements [Guest]: the tracer is the first process of the box.
type tracedGuest struct{ b *initBox }

func (g *tracedGuest) Next() (box.Event, error) {
	r, err := g.b.next()
	switch {
	case err != nil:
		return box.Event{}, fmt.Errorf("the box ended before the program: %w", err)
	case r.Event != nil:
		return *r.Event, nil
	case r.Exit != nil:
		g.b.exit = r.Exit
		return box.Event{Kind: box.Ended, Status: r.Exit.Status, Signal: r.Exit.Signal}, nil
	}
	return box.Event{}, errors.New(r.Error)
}

func (g *tracedGuest) Obey(o box.Order) error { return g.b.say(command{Do: "order", Order: &o}) }

// What OpenSSL, BoringSSL and AWS-LC, each in many a program, take the
// processor for: one without RDRAND and RDSEED, which no tracer sees. See
// OPENSSL_ia32cap(3): the upper half of the first part is ECX of CPUID's leaf
// 1, the second part begins with EBX of leaf 7.
const (
	opensslProcessor  = "OPENSSL_ia32cap"
	withoutRandomness = "~0x4000000000000000:~0x40000"
)

// startDeterministic starts a box like that of level frozen, in which a tracer
// holds the program.
func (p *Process) startDeterministic(c Command) error {
	c.Env = removeVariables(c.Env, append([]string{"TMPDIR", "TMP", "TEMP"}, proxyVariables...)...)
	// A first run would write what a second finds, and take another time.
	c.Env = setVariable(c.Env, "PYTHONDONTWRITEBYTECODE", "1")
	if variable(c.Env, opensslProcessor) == "" {
		c.Env = setVariable(c.Env, opensslProcessor, withoutRandomness)
	}
	if len(c.CA) > 0 {
		if err := p.trustInside(&c); err != nil {
			return err
		}
	}
	stdin, err := stdinFile(c.Stdin)
	if err != nil {
		return err
	}
	defer stdin.Close()
	c.Stdin = stdin
	b, err := startBest(c, false)
	if level, ok := errors.AsType[*LevelError](err); ok {
		if b, err = p.startBare(c); err == nil {
			p.bare = &level.Finding
		}
	}
	if err != nil {
		return err
	}
	b.conducted = true
	p.box, p.guest = b, &tracedGuest{b}
	p.undo = append(p.undo, func() { b.control.Close() })
	for _, f := range b.files {
		f.Close() // the tracer answers lookups, and takes connections
	}
	return nil
}

// stdinFile returns what the program reads as a file: how much a read of a
// pipe returns depends on who was faster.
func stdinFile(r io.Reader) (*os.File, error) {
	if f, ok := r.(*os.File); ok {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("stdin: %w", err)
		}
		return os.NewFile(uintptr(fd), "stdin"), nil
	}
	if r == nil {
		return os.Open(os.DevNull)
	}
	fd, err := unix.MemfdCreate("stdin", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("stdin: %w", err)
	}
	f := os.NewFile(uintptr(fd), "stdin")
	_, err = io.Copy(f, r)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("stdin: %w", err)
	}
	return f, nil
}

// conduct runs the program under the tracer, on this thread.
func (i *inside) conduct(in *gob.Decoder) *insideError {
	o := &i.orders
	outs := make([]int, 2)
	for k := range outs {
		// Nothing arrives here: what the program writes is told as it writes it.
		r, w, err := os.Pipe()
		if err != nil {
			return &insideError{"program", err}
		}
		defer r.Close()
		defer w.Close() // and it is not collected, and closed, before the end
		outs[k] = int(w.Fd())
	}
	c := box.Config{
		Argv: o.Argv, Exe: o.Exe.Run, Dir: o.Dir, Env: o.Env, Workspace: o.Workspace, Seed: o.Seed, Start: o.Start,
		Unlisted: o.Unlisted, Timed: o.Outside,
		Stdin: 0, Stdout: outs[0], Stderr: outs[1],
		Own: o.Processes, Confine: i.confine, Views: i.views, Inside: o.Bare != "", IPv6: o.IPv6,
	}
	i.outward(&c)
	if o.root() {
		c.Denied = denied
	}
	if i.trace != nil {
		defer i.trace.Close()
		c.Trace = i.trace
	}
	c.Talk = insideTalk{i}
	go i.obey(in)
	end, err := box.Run(c)
	if err != nil {
		return &insideError{"program", explainRun(o.Exe.Run, err)}
	}
	exit := Exit{Status: end.Status, Signal: end.Signal, Left: end.Left}
	if err := i.report(report{Exit: &exit}); err != nil {
		return &insideError{"control", err}
	}
	return nil
}

// outward tells the tracer what leads out of the box: everything but its own
// addresses, and of those the allowed services.
func (i *inside) outward(c *box.Config) {
	o, names := &i.orders, newNames()
	r := newResolver(names)
	r.own = append(r.own, box.HostName)
	for k, f := range i.listeners {
		if k%listenersPerFamily == 2 {
			c.Names = append(c.Names, int(f.Fd()))
		}
	}
	c.Answer, c.Host, c.Own4 = r.answer, names.name, ownAddr
	c.Outside = func(a netip.AddrPort) bool {
		if allows(o.Allow, Target{Addr: a.Addr(), Port: int(a.Port()), Host: names.name(a.Addr())}) {
			return true
		}
		return !a.Addr().IsLoopback() && !a.Addr().IsUnspecified() && a.Addr() != ownAddr && !slices.Contains(o.Own, a.Addr())
	}
}

func explainRun(exe string, err error) error {
	if e, ok := errors.AsType[*box.ExecError](err); ok {
		return explainExec(exe, e.Err)
	}
	return err
}

// An insideTalk is the coo outside for the tracer.
type insideTalk struct{ i *inside }

func (t insideTalk) Tell(e box.Event) error { return t.i.report(report{Event: &e}) }

func (t insideTalk) Ask(e box.Event) (box.Order, error) {
	if err := t.Tell(e); err != nil {
		return box.Order{}, err
	}
	select {
	case o := <-t.i.ordered:
		return o, nil
	case <-t.i.stopped:
		return box.Order{Kind: box.Stop}, nil
	}
}
