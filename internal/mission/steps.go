package mission

import (
	"fmt"

	"go.starlark.net/starlark"
)

func cooStep(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	var f starlark.Callable
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "name", &name, "fn", &f); err != nil {
		return nil, err
	}
	if err := checkName("name", name, maxName); err != nil {
		return nil, fmt.Errorf("coo.step: %w", err)
	}
	return branchOf(thread).step(fn.Name(), name, "step", f)
}

// step runs f between Begin and End. The error of a failed step is f's own,
// with its stack.
func (b *branch) step(fn, name, kind string, f starlark.Callable) (starlark.Value, error) {
	var n int64
	err := b.outside(fn, func(w World) (err error) {
		n, err = w.Begin(b.name, name, kind)
		return err
	})
	if err != nil {
		return nil, err
	}
	release := b.x.hold(f)
	v, failed := b.call(f, nil, nil)
	release()
	if b.x.over != nil {
		return nil, errOver
	}
	err = b.outside(fn, func(w World) error { return w.End(b.name, n, asError(failureOf(failed))) })
	if failed != nil && b.x.over == nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// cooAttempt runs a step whose failure is a value.
func cooAttempt(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var f starlark.Callable
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "fn", &f); err != nil {
		return nil, err
	}
	b := branchOf(thread)
	v, err := b.step(fn.Name(), clipName(f.Name()), "attempt", f)
	if b.x.over != nil {
		return nil, errOver
	}
	var ok starlark.Bool = err == nil
	var msg starlark.Value = starlark.None
	if err != nil {
		v, msg = starlark.None, starlark.String(clip(err.Error()))
	}
	o := newObject("attempt", map[string]starlark.Value{"ok": ok, "value": v, "error": msg})
	o.held = []starlark.Value{v}
	return o, nil
}

// clipName keeps the name of a function within what a step's name may be.
func clipName(name string) string {
	if len(name) > maxName {
		return "function"
	}
	return name
}

func cooParallel(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var seq starlark.Iterable
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "fns", &seq); err != nil {
		return nil, err
	}
	list, err := spread(seq, maxWidth)
	if err != nil {
		return nil, fmt.Errorf("coo.parallel: %w", limitError("too many branches", maxWidth, "in one call"))
	}
	var fns []starlark.Callable
	for f := range starlark.Elements(list.(starlark.Iterable)) {
		c, ok := f.(starlark.Callable)
		if !ok {
			return nil, fmt.Errorf("coo.parallel: element %d: got %s, want a function", len(fns), f.Type())
		}
		fns = append(fns, c)
	}
	if len(fns) == 0 {
		return starlark.NewList(nil), nil
	}
	values, err := branchOf(thread).fork(fn.Name(), fns)
	if err != nil {
		return nil, err
	}
	return starlark.NewList(values), nil
}
