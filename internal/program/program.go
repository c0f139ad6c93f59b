// Package program performs one program, unmodified, in any language: it
// starts it in a sandbox, answers its traffic, and records what came and went.
//
//	sandbox   starts the process and catches its connections
//	proxy     makes exchanges of them: one request, one answer
//	program   gives every exchange its place in the record (a [host])
//	freeze    answers it: live, or from what was recorded
//
// # What is recorded, and where
//
// An exchange is three records: call and head when the head of its answer is
// released to the program, tail when its end is. A failure before there was a
// head is call and tail. Nothing of a program is recorded when it happens to
// arrive: its scheduler decides that, and decides it anew every time.
//
//	{"kind":"http","p":1,"req":"1787…","t":"call"}
//	{"call":2,"head":"0d46…","p":1,"t":"head"}
//	{"ans":"9975…","call":2,"how":"eof","p":1,"t":"tail"}
//
// Frozen answers are released in recorded order (see gate.go), so a program
// that is run again asks and is told the same, and its record is the same
// bytes. Between head and end chunks flow freely; the last chunk of a frozen
// answer goes with its end, because for many programs it is the end.
//
// At level deterministic there is more order, and more records: see conductor.go.
//
// # Shown means stored
//
// A chunk is in a file of the run before the program gets it: a kill loses
// nothing shown. It is synced at the end of its answer, and before anything
// later leaves.
package program

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coo-runtime/coo/internal/box"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/proxy"
	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/wire"
)

// A Recorder takes the records of a program in their order; see run.Recorder.
// Its methods are called by one goroutine at a time.
type Recorder interface {
	Append(flight.Record) (n int64, err error)
	Blob(b []byte) (digest.Digest, error)
	Push() error
	Flush() error
	Observe(v any) error
	Spool(name string) (flight.Spool, error)
}

// A Config says what to perform.
type Config struct {
	Call    int64           // number of the exec call's record
	Branch  string          // of the mission
	Command sandbox.Command // Stdout, Stderr, CA and ProxyToken are set here

	Recorder     Recorder
	Answers      freeze.Streamer
	Positions    func(rank int, p int64) []int64 // of the frozen answers; nil when all are live
	Patience     time.Duration                   // with the order of frozen answers
	Rules        *wire.Rules
	Placeholders *wire.Placeholders
	Secrets      *wire.Secrets // taken out of what the program prints; nil when none are known

	// At level deterministic: what the program's randomness follows from, where
	// its clock starts, in milliseconds since 1970, what identifies its start,
	// and whether it is ended when it cannot be held to the same each time.
	Seed   string
	Clock  int64
	Req    digest.Call
	Strict bool
	// Boxed starts a program at that level; nil: [sandbox.Start].
	Boxed func(context.Context, sandbox.Command) (Boxed, error)

	Timeout        time.Duration // after which the program is ended; 0: none
	Stdout, Stderr io.Writer
	Note           func(text string) // something the user should know, one line
}

// A Boxed is a program that was started at level deterministic.
type Boxed interface {
	// Guest returns what the program does.
	Guest() sandbox.Guest
	Run() error
	Wait() (sandbox.Exit, error)
	Kill()
}

// A Result is how a program ended.
type Result struct {
	Status         int    // of the exit
	Signal         string // SIGKILL, …: what ended it, when that was a signal
	TimedOut       bool   // it was ended because its time was over
	Stdout, Stderr digest.Digest
	// Used are the files that it has read, executed or mapped, at level
	// deterministic: those of the workspace, too.
	Used []box.File
	Counts
}

// Counts is what became of a program's attempts to reach something.
type Counts struct {
	Calls   int // recorded
	Sent    int // of these, answered from outside
	Refused int // connections that could not be served
}

// Patience with the recorded order: of a replay, in which a way out of the
// order is a divergence, and of a run.
const (
	ReplayPatience = time.Minute
	RunPatience    = 2 * time.Second
)

// farewell is how long a program has to end after an interrupt.
const farewell = 5 * time.Second

// Perform runs a program to its end. An error means that it did not come to
// one: it was ended, because of ctx, or of a call without an answer.
func Perform(ctx context.Context, c Config) (*Result, error) {
	// An interrupt reaches the program too; it has a while to end by itself.
	interrupted := ctx
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(interrupted, func() {
		time.AfterFunc(farewell, func() { cancel(context.Cause(interrupted)) })
	})()
	p := &performance{Config: c, ctx: ctx, stop: cancel, interrupted: interrupted}
	out, err := p.output("stdout", c.Stdout)
	if err != nil {
		return nil, err
	}
	errs, err := p.output("stderr", c.Stderr)
	if err != nil {
		return nil, err
	}
	exit, err := newHost(p).host(c.Command, out, errs)
	if err == nil {
		err = context.Cause(interrupted)
	}
	if err != nil {
		return nil, err
	}
	r := &Result{Status: exit.Status, Signal: exit.Signal, TimedOut: p.timedOut.Load(), Used: p.used, Counts: p.counts}
	if r.Stdout, err = out.finish(); err != nil {
		return nil, err
	}
	if r.Stderr, err = errs.finish(); err != nil {
		return nil, err
	}
	return r, nil
}

// A host starts a program, serves it, and waits until it and everything of it
// has ended: what is outside of it for the program.
type host interface {
	host(cmd sandbox.Command, out, errs *output) (sandbox.Exit, error)
}

func newHost(p *performance) host {
	if p.Command.Level == sandbox.Deterministic {
		return &conductor{p: p}
	}
	return network{p}
}

func (c *Config) positions(rank int, p int64) []int64 {
	if c.Positions == nil {
		return nil
	}
	return c.Positions(rank, p)
}

// A performance is a program that runs.
type performance struct {
	Config
	ctx         context.Context
	stop        context.CancelCauseFunc
	interrupted context.Context // by the user; ctx ends a while later
	gate        *gate
	turn        *turnstile

	underWay atomic.Int64 // exchanges
	timedOut atomic.Bool
	shown    atomic.Bool // something live that is not durable yet

	mu     sync.Mutex // guards the recorder and the rest
	counts Counts
	used   []box.File // of the conductor alone
	asked  int64      // exchanges so far
	failed error      // why the program was ended
}

// A network is what a program has outside at every level but deterministic: its
// connections, answered as they come, in the recorded order where there is one.
type network struct{ *performance }

func (p network) host(cmd sandbox.Command, out, errs *output) (sandbox.Exit, error) {
	var none sandbox.Exit
	p.gate = newGate(p.Patience, p.positions)
	defer p.gate.close()
	ca, err := proxy.NewCA()
	if err != nil {
		return none, err
	}
	cmd.CA, cmd.ProxyToken, cmd.Stdout, cmd.Stderr = ca.PEM(), rand.Text(), out, errs
	proc, err := sandbox.Start(p.ctx, cmd)
	if err != nil {
		return none, err
	}
	defer proc.Kill()
	server := proxy.New(proxy.Options{
		CA: ca, Handler: handler{p.performance}, Token: cmd.ProxyToken,
		Refused: p.refused, Permit: p.permit,
	})
	p.turn = newTurnstile(proc.Settle)
	if proc.Watchable() {
		p.gate.watch(p.turn.quiet)
	}
	served := p.serve(server, proc)
	if p.Timeout > 0 {
		defer time.AfterFunc(p.Timeout, func() {
			p.timedOut.Store(true)
			proc.Kill()
		}).Stop()
	}
	if err := proc.Run(); err != nil {
		return none, err
	}
	exit, err := proc.Wait()
	// What was still asked has lost its asker.
	server.Close()
	served.Wait()
	switch {
	case p.failed != nil:
		return none, p.failed
	case context.Cause(p.ctx) != nil:
		return none, context.Cause(p.ctx)
	case err != nil:
		return none, err
	}
	p.leftBehind(exit)
	return exit, nil
}

// leftBehind tells of processes that had to be ended.
func (p *performance) leftBehind(exit sandbox.Exit) {
	for _, left := range exit.Left {
		p.Note(fmt.Sprintf("the program left a process behind, which was ended: %s", left))
	}
}

// boxed starts a program at level deterministic.
func (p *performance) boxed(cmd sandbox.Command) (Boxed, error) {
	if p.Boxed != nil {
		return p.Boxed(p.ctx, cmd)
	}
	return sandbox.Start(p.ctx, cmd)
}

// secret returns what the keys of the program's CA follow from: they are the
// same whenever the program is the same.
func (p *performance) secret() []byte {
	return fmt.Appendf(nil, "%s %d %q", p.Req, p.Clock, p.Seed)
}

// record calls f, which records, unless the run has failed.
func (p *performance) record(f func(Recorder) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return p.failed
	}
	return f(p.Recorder)
}

// failure returns why the program is to end, nil when it is not.
func (p *performance) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// serve takes the program's connections, by both ways there are.
func (p *performance) serve(server *proxy.Server, proc *sandbox.Process) *sync.WaitGroup {
	var serving sync.WaitGroup
	if l := proc.Transparent(); l != nil {
		serving.Go(func() { p.check(server.ServeTransparent(l, target(proc))) })
	}
	if l := proc.Proxy(); l != nil {
		serving.Go(func() { p.check(server.ServeProxy(l)) })
	}
	return &serving
}

// permit says why a program may not reach a target. One that is shut in
// reaches nothing near this machine that was not allowed; any other can do
// without coo, which only keeps it from asking metadata services through it.
func (p *performance) permit(t proxy.Target) error {
	named := func(e sandbox.Endpoint) bool { return e.String() == t.String() }
	switch {
	case t.Allowed, slices.ContainsFunc(p.Command.Allow, named):
		return nil
	case p.Command.Level != sandbox.Proxied:
		return proxy.Outside(t)
	}
	return proxy.NotMetadata(t)
}

// reach is permit for an address that a name was looked up to have: a name is
// no way around it. That the name itself may be asked for, permit has said.
func (p *performance) reach(hostport string, addr netip.Addr) error {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return err
	}
	named := func(e sandbox.Endpoint) bool {
		return e.String() == hostport || e.String() == net.JoinHostPort(addr.Unmap().String(), port)
	}
	if proxy.Localhost(host) || slices.ContainsFunc(p.Command.Allow, named) {
		return nil
	}
	what := ""
	switch {
	case proxy.MetadataAddr(addr):
		what = "a cloud's metadata service or a link-local address"
	case p.Command.Level != sandbox.Proxied && proxy.LocalAddr(addr):
		what = "on this machine or its network"
	default:
		return nil
	}
	why := fmt.Sprintf("it has the address %s, %s: reached only with --allow %s", addr, what, hostport)
	p.refused(proxy.Refusal{Target: hostport, Why: why})
	return errors.New(why)
}

// target tells the proxy what a connection was meant for.
func target(proc *sandbox.Process) func(net.Conn) (proxy.Target, error) {
	return func(c net.Conn) (proxy.Target, error) {
		t, err := proc.Target(c)
		return proxy.Target{Host: t.Host, Port: t.Port, Addr: t.Addr, Allowed: t.Allowed}, err
	}
}

// check ends the program when a listener is lost before the program ended.
func (p *performance) check(err error) {
	if err != nil && !errors.Is(err, net.ErrClosed) {
		p.fail(err)
	}
}

// fail ends the program; the first reason is kept.
func (p *performance) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = err
		p.stop(err)
	}
}

// refused counts and tells of what could not be served.
func (p *performance) refused(r proxy.Refusal) {
	p.mu.Lock()
	p.counts.Refused++
	p.mu.Unlock()
	p.Note(fmt.Sprintf("refused: %s: %s", r.Target, r.Why))
}
