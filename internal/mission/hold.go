package mission

import (
	"errors"

	"go.starlark.net/starlark"
)

// The errors of a change to something that is held.
var (
	errHeld   = errors.New("a step may not change what it captures: return it instead")
	errGlobal = errors.New("a global may not change once its file is loaded")
)

// hold makes every list, dict and set that can be reached from the values
// read-only, until the function it returns is called.
//
// Why this is enough to keep branches apart and to leave nothing behind a
// rollback: a function without arguments can reach only what is new (made
// while it runs), what it captures (free variables, defaults, receivers of
// methods, and what those lead to: all held here), module globals (held for
// good once loaded) and the values of coo (immutable). It cannot bind the
// variables it captures, for Starlark has no nonlocal; the functions that can
// are suspended below it or have returned. So the captured part of the heap is
// constant while the function runs.
//
// Starlark refuses to change a container that is iterated over: an open
// iterator on each is what holds it, whichever way a change is tried. The
// table of what is held serves to say so in words (checkHeld).
func (x *execution) hold(roots ...starlark.Value) (release func()) {
	return x.holdBy(1, roots)
}

// global is how often a container counts as held that belongs to a global.
const global = 1 << 40

func (x *execution) holdBy(times int, roots []starlark.Value) (release func()) {
	var containers []starlark.Value
	var iterators []starlark.Iterator
	seen := map[any]bool{}
	queue := append([]starlark.Value(nil), roots...)
	for len(queue) > 0 {
		v := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if id := identity(v); id != nil {
			if seen[id] {
				continue
			}
			seen[id] = true
		}
		queue = append(queue, reached(v)...)
		if mutable(v) {
			containers = append(containers, v)
			iterators = append(iterators, v.(starlark.Iterable).Iterate())
			x.held[v] += times
		}
	}
	return func() {
		for i, v := range containers {
			iterators[i].Done()
			if x.held[v] -= times; x.held[v] == 0 {
				delete(x.held, v)
			}
		}
	}
}

// fix holds the globals of a module for good. Starlark's own way, Freeze, runs
// on for ever where a local function captures itself.
func (x *execution) fix(globals starlark.StringDict) {
	var roots []starlark.Value
	for _, name := range globals.Keys() {
		roots = append(roots, globals[name])
	}
	x.holdBy(global, roots)
}

func mutable(v starlark.Value) bool {
	switch v.(type) {
	case *starlark.List, *starlark.Dict, *starlark.Set:
		return true
	}
	return false
}

// checkHeld refuses a change to something held.
func (b *branch) checkHeld(v starlark.Value) error {
	if len(b.x.held) == 0 || !mutable(v) {
		return nil
	}
	switch n := b.x.held[v]; {
	case n >= global:
		return errGlobal
	case n > 0:
		return errHeld
	}
	return nil
}

// identity returns what tells v from its equals, for the values that lead to
// others; nil for those that lead nowhere, and for empty tuples. A slice of a
// tuple begins where the tuple does: the length belongs to its identity.
func identity(v starlark.Value) any {
	switch v := v.(type) {
	case *starlark.List, *starlark.Dict, *starlark.Set, *starlark.Function, *starlark.Builtin, *object:
		return v
	case starlark.Tuple:
		if len(v) > 0 {
			return tupleID{&v[0], len(v)}
		}
	}
	return nil
}

type tupleID struct {
	first *starlark.Value
	len   int
}

// reached returns the values that v leads to.
func reached(v starlark.Value) []starlark.Value {
	switch v := v.(type) {
	case starlark.Tuple:
		return v
	case *starlark.List:
		out := make([]starlark.Value, v.Len())
		for i := range out {
			out[i] = v.Index(i)
		}
		return out
	case *starlark.Set: // a function is hashable, and captures
		out := make([]starlark.Value, 0, v.Len())
		for e := range v.Elements() {
			out = append(out, e)
		}
		return out
	case *starlark.Dict:
		var out []starlark.Value
		for k, e := range v.Entries() {
			out = append(out, k, e)
		}
		return out
	case *starlark.Function:
		return captured(v)
	case *starlark.Builtin:
		if recv := v.Receiver(); recv != nil {
			return []starlark.Value{recv}
		}
	case *object:
		return v.held
	}
	return nil
}

// captured returns the free variables and defaults of a function.
func captured(fn *starlark.Function) []starlark.Value {
	var out []starlark.Value
	for i := range fn.NumFreeVars() {
		if _, v := fn.FreeVar(i); v != nil {
			out = append(out, v)
		}
	}
	for i := range fn.NumParams() {
		if v := fn.ParamDefault(i); v != nil {
			out = append(out, v)
		}
	}
	return out
}
