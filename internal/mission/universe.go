package mission

import (
	"errors"
	"fmt"
	"maps"
	"sort"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// predeclared are the names a mission finds beside Starlark's own: json, math,
// and those of Starlark's functions that need limits. guarded adds the guards.
var (
	predeclared = starlark.StringDict{}
	guarded     = starlark.StringDict{}
)

func init() {
	for _, fn := range []struct {
		name string
		fn   builtin
	}{
		{"all", overElements},
		{"any", overElements},
		{"enumerate", overElements},
		{"list", overElements},
		{"reversed", overElements},
		{"tuple", overElements},
		{"bytes", bytesOf},
		{"dict", dictOf},
		{"fail", fail},
		{"getattr", getattr},
		{"int", intOf},
		{"max", extremum(syntax.GT)},
		{"min", extremum(syntax.LT)},
		{"print", printLog},
		{"range", rangeOf},
		{"repr", reprOf},
		{"set", setOf},
		{"sorted", sorted},
		{"str", strOf},
		{"zip", zip},
	} {
		predeclared[fn.name] = starlark.NewBuiltin(fn.name, fn.fn)
	}
	predeclared["json"] = jsonModule
	predeclared["math"] = mathModule
	maps.Copy(guarded, guards())
	maps.Copy(guarded, predeclared)
}

// universe calls Starlark's own function of the same name.
func universe(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := starlark.Universe[fn.Name()].(*starlark.Builtin).CallInternal(thread, args, kwargs)
	if err != nil {
		return nil, err
	}
	return v, checkResult(v)
}

// elements bounds argument i, an iterable, and announces copies of it.
func elements(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, i int) error {
	if i >= len(args) {
		return nil
	}
	v, err := spread(args[i], maxElems)
	if err != nil {
		return fmt.Errorf("%s: %w", fn.Name(), err)
	}
	args[i] = v
	const copies = 6 // what enumerate takes for each element
	return branchOf(thread).poll(max(starlark.Len(v), 0) * copies * valueBytes)
}

func overElements(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := elements(thread, fn, args, 0); err != nil {
		return nil, err
	}
	return universe(thread, fn, args, kwargs)
}

func bytesOf(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 1 {
		switch x := args[0].(type) {
		case starlark.String, starlark.Bytes:
			return universe(thread, fn, args, kwargs)
		default:
			if n := starlark.Len(x); n > maxText {
				return nil, fmt.Errorf("bytes: %w", checkText(n))
			}
		}
	}
	return overElements(thread, fn, args, kwargs)
}

func dictOf(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := checkPairs(args, len(kwargs)); err != nil {
		return nil, fmt.Errorf("dict: %w", err)
	}
	return universe(thread, fn, args, kwargs)
}

func setOf(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 1 {
		v, err := checkSetOf(args[0])
		if err != nil {
			return nil, fmt.Errorf("set: %w", err)
		}
		args[0] = v
	}
	return universe(thread, fn, args, kwargs)
}

func zip(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	rows := maxElems
	for i := range args {
		if err := elements(thread, fn, args, i); err != nil {
			return nil, err
		}
		rows = min(rows, max(starlark.Len(args[i]), 0))
	}
	if err := checkElems(product(rows, len(args))); err != nil {
		return nil, fmt.Errorf("zip: %w", err)
	}
	return universe(thread, fn, args, kwargs)
}

func intOf(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	long := func(v starlark.Value) bool {
		s, ok := v.(starlark.String)
		return ok && len(s) > maxDigits
	}
	if len(args) > 0 && long(args[0]) || len(kwargs) > 0 && long(kwargs[0][1]) {
		return nil, fmt.Errorf("int: %w", limitError("text too long", maxDigits, "digits"))
	}
	return universe(thread, fn, args, kwargs)
}

// rangeOf keeps the ends of a range so small that nothing overflows.
func rangeOf(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	for _, arg := range args {
		if i, ok := arg.(starlark.Int); ok && bitLen(i) > 31 {
			return nil, fmt.Errorf("range: %w", limitError("number too large", 31, "bits"))
		}
	}
	return universe(thread, fn, args, kwargs)
}

func getattr(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x, fallback starlark.Value
	var name string
	if err := starlark.UnpackPositionalArgs(fn.Name(), args, kwargs, 2, &x, &name, &fallback); err != nil {
		return nil, err
	}
	v, err := attr(x, name)
	switch {
	case v != nil && err == nil:
		return v, nil
	case fallback != nil:
		return fallback, nil
	case err != nil:
		return nil, fmt.Errorf("getattr: %w", err)
	}
	return nil, fmt.Errorf("getattr: %s has no .%s field or method", x.Type(), name)
}

func strOf(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x starlark.Value
	if err := starlark.UnpackPositionalArgs(fn.Name(), args, kwargs, 1, &x); err != nil {
		return nil, err
	}
	switch x := x.(type) {
	case starlark.String:
		return x, nil
	case starlark.Bytes:
		s := starlark.String(toText(string(x)))
		return s, checkResult(s)
	}
	s, err := repr(x)
	return starlark.String(s), err
}

func reprOf(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x starlark.Value
	if err := starlark.UnpackPositionalArgs(fn.Name(), args, kwargs, 1, &x); err != nil {
		return nil, err
	}
	s, err := repr(x)
	return starlark.String(s), err
}

// printed is the text of print, fail and coo.log: the arguments as str writes
// them, with sep between.
func printed(name string, args starlark.Tuple, kwargs []starlark.Tuple) (string, error) {
	sep := " "
	if err := starlark.UnpackArgs(name, nil, kwargs, "sep?", &sep); err != nil {
		return "", err
	}
	var p printer
	for i, v := range args {
		if i > 0 {
			if err := p.text(sep); err != nil {
				return "", fmt.Errorf("%s: %w", name, err)
			}
		}
		if b, ok := v.(starlark.Bytes); ok {
			v = starlark.String(b)
		}
		if err := p.str(v); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	return strings.ToValidUTF8(p.String(), "\uFFFD"), nil
}

func printLog(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return logText(branchOf(thread), "print", fn.Name(), args, kwargs)
}

func logText(b *branch, kind, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	text, err := printed(name, args, kwargs)
	if err != nil {
		return nil, err
	}
	return starlark.None, b.outside(name, func(w World) error { return w.Log(b.name, kind, text) })
}

func fail(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	text, err := printed(fn.Name(), args, kwargs)
	if err != nil {
		return nil, err
	}
	return nil, errors.New("fail: " + text)
}

// extremum is min or max.
func extremum(op syntax.Token) builtin {
	return func(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var key starlark.Callable
		if err := starlark.UnpackArgs(fn.Name(), nil, kwargs, "key??", &key); err != nil {
			return nil, err
		}
		if len(args) == 0 {
			return nil, fmt.Errorf("%s requires at least one positional argument", fn.Name())
		}
		if len(args) > 1 {
			args = starlark.Tuple{args}
		}
		values, keys, err := keyed(thread, fn, args, key)
		if err != nil {
			return nil, err
		}
		if len(values) == 0 {
			return nil, fmt.Errorf("%s: argument is an empty sequence", fn.Name())
		}
		best := 0
		for i := range keys {
			better, err := compare(op, keys[i], keys[best])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", fn.Name(), err)
			}
			if better {
				best = i
			}
		}
		return values[best], nil
	}
}

func sorted(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var iterable starlark.Iterable
	var key starlark.Callable
	var reverse bool
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "iterable", &iterable, "key??", &key, "reverse?", &reverse); err != nil {
		return nil, err
	}
	values, keys, err := keyed(thread, fn, starlark.Tuple{iterable}, key)
	if err != nil {
		return nil, err
	}
	s := &sorting{values: values, keys: keys}
	if reverse {
		sort.Stable(sort.Reverse(s))
	} else {
		sort.Stable(s)
	}
	if s.err != nil {
		return nil, fmt.Errorf("sorted: %w", s.err)
	}
	return starlark.NewList(s.values), nil
}

// keyed returns the elements of args[0] and what they are ordered by.
func keyed(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, key starlark.Callable) (values, keys []starlark.Value, err error) {
	if err := elements(thread, fn, args, 0); err != nil {
		return nil, nil, err
	}
	iter := starlark.Iterate(args[0])
	if iter == nil {
		return nil, nil, fmt.Errorf("%s: %s value is not iterable", fn.Name(), args[0].Type())
	}
	defer iter.Done()
	var x starlark.Value
	for iter.Next(&x) {
		k := x
		if key != nil {
			if k, err = starlark.Call(thread, key, starlark.Tuple{x}, nil); err != nil {
				return nil, nil, err
			}
		}
		values, keys = append(values, x), append(keys, k)
	}
	return values, keys, nil
}

type sorting struct {
	values, keys []starlark.Value
	err          error // the first one
}

func (s *sorting) Len() int { return len(s.values) }

func (s *sorting) Swap(i, j int) {
	s.values[i], s.values[j] = s.values[j], s.values[i]
	s.keys[i], s.keys[j] = s.keys[j], s.keys[i]
}

func (s *sorting) Less(i, j int) bool {
	if s.err != nil {
		return false
	}
	less, err := compare(syntax.LT, s.keys[i], s.keys[j])
	s.err = err
	return less
}
