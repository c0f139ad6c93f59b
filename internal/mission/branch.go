package mission

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.starlark.net/starlark"

	"github.com/coo-runtime/coo/internal/wire"
)

// An execution is one run of a program.
//
// One token goes from branch to branch; who holds it may touch the execution,
// the World and the values of the mission, and nobody else may. A branch
// holds it from the moment it is woken until it waits for an answer or for
// its own branches, or ends. Then the next one is taken: first come first
// served among those that can run, and when none can, the one whose answer
// [World.Deliver] brings. So the order of everything follows from the order of
// deliveries.
type execution struct {
	prog    *Program
	world   World
	opts    Options
	globals map[string]starlark.StringDict // by module path; nil while it runs

	ready   []*branch         // can run, oldest first
	waiting map[int64]*branch // by the number of the call
	live    int               // branches that have not ended, beside the main one
	held    map[any]int       // lists, dicts and sets that are read-only
	steps   uint64            // used by all threads, up to the current slice
	limit   uint64

	over   error    // the run has ended: everything unwinds, no World
	dead   *Failure // it ended by a failure no mission can catch
	within bool     // a method of World is running
}

// A branch is a thread of a mission: the main one, or one of a fork's.
type branch struct {
	x      *execution
	name   string // for the World: "", "3.1"
	path   string // for random values: "", "0.1", "0.1/2.0"
	thread *starlark.Thread
	wake   chan struct{} // the token
	slice  uint64        // the thread's steps when it got the token

	answer *wire.Answer // what it waited for
	forks  int          // made by it
	draws  uint64       // of random blocks
	depth  int          // forks around it

	tallies []*tally // of the comprehensions under way, outermost first

	parent   *branch
	children int // not yet ended
	value    starlark.Value
	err      error
}

// errOver unwinds a branch whose run has ended.
var errOver = errors.New("the run has ended")

const branchKey = "coo"

func branchOf(thread *starlark.Thread) *branch { return thread.Local(branchKey).(*branch) }

func (x *execution) newBranch(name, path string, parent *branch) *branch {
	b := &branch{x: x, name: name, path: path, parent: parent, wake: make(chan struct{}, 1)}
	if parent != nil {
		b.depth = parent.depth + 1
	}
	b.thread = &starlark.Thread{Name: name, Load: x.loadModule, OnMaxSteps: func(*starlark.Thread) { b.tick() }}
	b.thread.SetLocal(branchKey, b)
	b.resume()
	return b
}

// resume begins a slice of the branch's steps. The interpreter calls tick when
// it is used up, at once when none is left.
func (b *branch) resume() {
	b.slice = b.thread.Steps
	left := uint64(1)
	if b.x.steps < b.x.limit {
		left = min(b.x.limit-b.x.steps, pollSteps)
	}
	b.thread.SetMaxExecutionSteps(b.thread.Steps + left)
}

// pause ends it.
func (b *branch) pause() {
	b.x.steps += b.thread.Steps - b.slice
	b.slice = b.thread.Steps
}

// tick is called by the interpreter at the end of a slice.
func (b *branch) tick() {
	x := b.x
	b.pause()
	switch {
	case x.over != nil:
	case x.steps >= x.limit:
		x.die(&Failure{
			Msg:   fmt.Sprintf("too many steps: %s allows %d", Limits, x.limit),
			Trace: frames(b.thread.CallStack()),
		})
	default:
		_ = b.check() // sets over
	}
	if x.over != nil {
		b.thread.Cancel(errOver.Error())
	}
	b.resume()
}

// check ends the run when it was stopped or takes too much.
func (b *branch) check() error {
	x := b.x
	if err := x.stopped(); err != nil {
		return err
	}
	if x.opts.Overload != nil {
		x.end(x.opts.Overload())
	}
	if x.over != nil {
		return errOver
	}
	return nil
}

// stopped ends the run when [Program.Stop] was called.
func (x *execution) stopped() error {
	if reason := x.prog.stop.Load(); reason != nil {
		x.end(*reason)
	}
	if x.over != nil {
		return errOver
	}
	return nil
}

// poll is called before n bytes are allocated.
func (b *branch) poll(n int) error {
	if n < largeBytes {
		return nil
	}
	return b.check()
}

// end ends the run from outside. The first reason counts.
func (x *execution) end(reason error) {
	if x.over == nil {
		x.over = reason
	}
}

// die ends the run by a failure that cannot be caught.
func (x *execution) die(f *Failure) {
	if x.over == nil {
		x.over, x.dead = errOver, f
	}
}

// outside calls a method of the World on behalf of the function called name.
func (b *branch) outside(name string, call func(World) error) error {
	if err := b.x.stopped(); err != nil {
		return err
	}
	b.x.within = true
	err := call(b.x.world)
	b.x.within = false
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*FatalError](err); ok {
		b.x.end(e)
		return errOver
	}
	return fmt.Errorf("%s: %s", name, clip(err.Error()))
}

// exchange issues a call and waits for its answer.
func (b *branch) exchange(name string, req *wire.Request) (*wire.Answer, error) {
	var call int64
	err := b.outside(name, func(w World) (err error) {
		call, err = w.Issue(b.name, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	if b.x.waiting[call] != nil {
		b.x.end(fmt.Errorf("mission: internal error: two calls have the number %d", call))
		return nil, errOver
	}
	b.x.waiting[call] = b
	b.yield()
	if b.x.over != nil {
		return nil, errOver
	}
	a := b.answer
	b.answer = nil
	return a, nil
}

// yield gives the token away and returns when the branch has it again.
func (b *branch) yield() {
	b.pause()
	if next := b.x.next(); next != b {
		next.wake <- struct{}{}
		<-b.wake
	}
	b.resume()
}

// next takes the branch that runs next, after a delivery when none can run.
func (x *execution) next() *branch {
	for len(x.ready) == 0 {
		if x.over == nil {
			x.deliver()
			continue
		}
		// Everything unwinds; the order is seen by nobody but fixed.
		first := slices.Min(slices.Collect(maps.Keys(x.waiting)))
		x.ready = append(x.ready, x.waiting[first])
		delete(x.waiting, first)
	}
	b := x.ready[0]
	x.ready = x.ready[1:]
	return b
}

// deliver makes the branch ready whose answer has come.
func (x *execution) deliver() {
	if x.stopped() != nil {
		return
	}
	x.within = true
	call, a, err := x.world.Deliver()
	x.within = false
	b := x.waiting[call]
	switch {
	case err != nil:
		x.end(err)
	case b == nil || a == nil:
		x.end(fmt.Errorf("mission: internal error: delivery to call %d, which waits for none", call))
	default:
		delete(x.waiting, call)
		b.answer = a
		x.ready = append(x.ready, b)
	}
}

// call calls fn without arguments. A panic in the interpreter is the mission's
// error; one in the World is not.
func (b *branch) call(fn starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) (v starlark.Value, err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if b.x.within {
			panic(p)
		}
		// What it says may depend on the machine; that it happens does not.
		v, err = nil, errors.New("the interpreter failed: the mission met a fault of it")
	}()
	v, err = starlark.Call(b.thread, fn, args, kwargs)
	if b.x.over != nil {
		return nil, errOver
	}
	return v, err
}

// fork runs the functions in branches of their own and returns their values
// when all have ended, or the error of the first in order that failed.
func (b *branch) fork(name string, fns []starlark.Callable) ([]starlark.Value, error) {
	x := b.x
	if b.depth == maxForks {
		return nil, fmt.Errorf("%s: %w", name, limitError("nested too deeply", maxForks, "levels"))
	}
	held := make([]starlark.Value, len(fns))
	for i, fn := range fns {
		held[i] = fn
	}
	if x.live+len(fns) > maxBranches {
		return nil, fmt.Errorf("%s: %w", name, limitError("too many branches", maxBranches, "at once"))
	}
	defer x.hold(held...)()
	var n int64
	err := b.outside(name, func(w World) (err error) {
		n, err = w.Fork(b.name, len(fns))
		return err
	})
	if err != nil {
		return nil, err
	}
	branches := b.split(n, fns)
	b.yield()
	if x.over != nil {
		return nil, errOver
	}
	if err := b.outside(name, func(w World) error { return w.Join(b.name, n) }); err != nil {
		return nil, err
	}
	values := make([]starlark.Value, len(branches))
	for i, c := range branches {
		if c.err != nil {
			return nil, &branchError{c.err}
		}
		values[i] = c.value
	}
	return values, nil
}

// split starts the branches; they wait for the token.
func (b *branch) split(n int64, fns []starlark.Callable) []*branch {
	x := b.x
	prefix := b.path
	if prefix != "" {
		prefix += "/"
	}
	branches := make([]*branch, len(fns))
	for i, fn := range fns {
		path := fmt.Sprintf("%s%d.%d", prefix, b.forks, i)
		c := x.newBranch(fmt.Sprintf("%d.%d", n, i), path, b)
		branches[i] = c
		go c.run(fn)
	}
	x.ready = append(x.ready, branches...)
	x.live += len(fns)
	b.forks++
	b.children = len(fns)
	return branches
}

// run is the life of a branch. Its last act is to give the token away.
func (b *branch) run(fn starlark.Callable) {
	<-b.wake
	b.resume()
	x := b.x
	if x.over == nil {
		b.value, b.err = b.call(fn, nil, nil)
	}
	b.pause()
	if x.over == nil {
		err := b.outside("coo.parallel", func(w World) error { return w.BranchEnd(b.name, asError(failureOf(b.err))) })
		if b.err == nil {
			b.err = err
		}
	}
	x.live--
	b.parent.children--
	if b.parent.children == 0 {
		x.ready = append(x.ready, b.parent)
	}
	x.next().wake <- struct{}{}
}

// asError keeps a nil *Failure from becoming an error that is not nil.
func asError(f *Failure) error {
	if f == nil {
		return nil
	}
	return f
}

// A branchError carries the failure of a branch, with its stack, to the join.
type branchError struct{ err error }

func (e *branchError) Error() string { return e.err.Error() }

// failureOf makes a record of an error of the interpreter; nil of nil.
func failureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	return &Failure{Msg: clip(err.Error()), Trace: trace(err)}
}

// trace returns the stack of an error and, behind it, that of the branch that
// the error comes from.
func trace(err error) []Frame {
	e, ok := errors.AsType[*starlark.EvalError](err)
	if !ok {
		return nil
	}
	out := frames(e.CallStack)
	if inner, ok := errors.AsType[*branchError](e.Unwrap()); ok {
		out = append(out, trace(inner.err)...)
	}
	return out
}

// frames leaves out the functions that are not the mission's.
func frames(stack starlark.CallStack) []Frame {
	var out []Frame
	for _, f := range stack {
		if f.Pos.Filename() != "<builtin>" {
			out = append(out, Frame{f.Pos.Filename(), int64(f.Pos.Line), int64(f.Pos.Col), f.Name})
		}
	}
	return out
}
