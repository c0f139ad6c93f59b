package mission

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// A builtin is the Go form of a predeclared function.
type builtin = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

// guards returns the functions that rewrite.go puts into missions.
func guards() starlark.StringDict {
	d := starlark.StringDict{}
	add := func(name string, fn builtin) { d[name] = starlark.NewBuiltin(name, fn) }
	for op := syntax.PLUS; op <= syntax.IN; op++ {
		if name, ok := guardOps[op]; ok {
			add(name, operator(op))
		}
	}
	add(guardAdd, augment(syntax.PLUS))
	add(guardOr, augment(syntax.PIPE))
	for op := syntax.EQL; op <= syntax.NEQ; op++ {
		if name, ok := guardOps[op]; ok {
			add(name, operator(op))
		}
	}
	add(guardAttr, attrGuard)
	add(guardKey, keyGuard)
	add(guardRoom, roomGuard)
	add(guardSlice, sliceGuard)
	add(guardSpread, spreadGuard)
	add(guardOver, overGuard)
	add(guardEach, eachGuard)
	add(guardTally, tallyGuard)
	return d
}

// operator is x op y within the limits.
func operator(op syntax.Token) builtin {
	return func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return operate(thread, op, args[0], args[1])
	}
}

func operate(thread *starlark.Thread, op syntax.Token, x, y starlark.Value) (starlark.Value, error) {
	switch op {
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.GT, syntax.LE, syntax.GE:
		ok, err := compare(op, x, y)
		return starlark.Bool(ok), err
	}
	if op == syntax.PERCENT {
		if format, ok := x.(starlark.String); ok {
			return interpolate(string(format), y)
		}
	}
	if err := checkOperands(thread, op, x, y); err != nil {
		return nil, err
	}
	z, err := starlark.Binary(op, x, y)
	if err != nil {
		return nil, err
	}
	return z, checkResult(z)
}

// augment checks x op= y and returns y, for the statement to go on with.
// A list is extended in place by any iterable.
func augment(op syntax.Token) builtin {
	return func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		x, y := args[0], args[1]
		list, isList := x.(*starlark.List)
		_, isDict := x.(*starlark.Dict)
		if isList && op == syntax.PLUS || isDict && op == syntax.PIPE {
			if err := branchOf(thread).checkHeld(x); err != nil {
				return nil, err
			}
		}
		if isList && op == syntax.PLUS {
			more, err := spread(y, maxElems)
			if err != nil {
				return nil, err
			}
			if n := starlark.Len(more); n > 0 {
				err = checkElems(list.Len() + n)
			}
			return more, err
		}
		if err := checkOperands(thread, op, x, y); err != nil {
			return nil, err
		}
		return y, checkSum(x, y)
	}
}

// checkSum refuses, before it is made, a result that is as large as both
// operands together and too large.
func checkSum(x, y starlark.Value) error {
	switch x := x.(type) {
	case starlark.String:
		if y, ok := y.(starlark.String); ok {
			return checkText(len(x) + len(y))
		}
	case starlark.Bytes:
		if y, ok := y.(starlark.Bytes); ok {
			return checkText(len(x) + len(y))
		}
	case starlark.Tuple:
		if y, ok := y.(starlark.Tuple); ok {
			return checkElems(len(x) + len(y))
		}
	case starlark.Int:
		if y, ok := y.(starlark.Int); ok {
			return checkBits(max(bitLen(x), bitLen(y)))
		}
	case *starlark.Dict, *starlark.Set:
		if n := starlark.Len(y); n >= 0 {
			return checkEntries(starlark.Len(x) + n)
		}
	}
	return nil
}

// checkOperands refuses operations whose results can be much larger than their
// operands, and keys that are too deep to be hashed.
func checkOperands(thread *starlark.Thread, op syntax.Token, x, y starlark.Value) error {
	switch op {
	case syntax.STAR:
		return checkProduct(thread, x, y)
	case syntax.LTLT:
		return checkShift(x, y)
	case syntax.IN:
		return checkIn(x, y)
	}
	if n := starlark.Len(x); n > largeBytes/valueBytes {
		return branchOf(thread).poll(n * valueBytes)
	}
	return nil
}

func checkProduct(thread *starlark.Thread, x, y starlark.Value) error {
	if _, ok := x.(starlark.Int); ok {
		x, y = y, x
	}
	times, ok := y.(starlark.Int)
	if !ok {
		return nil
	}
	if i, ok := x.(starlark.Int); ok {
		n := bitLen(i) + bitLen(times)
		return checkBits(max(n-1, 0))
	}
	n := 0
	if times.Sign() > 0 {
		small, ok := times.Int64()
		if !ok {
			small = 1 << 62
		}
		n = product(max(starlark.Len(x), 0), int(small))
	}
	switch x.(type) {
	case starlark.String, starlark.Bytes:
		if err := checkText(n); err != nil {
			return err
		}
		return branchOf(thread).poll(n)
	case *starlark.List, starlark.Tuple:
		if err := checkElems(n); err != nil {
			return err
		}
		return branchOf(thread).poll(n * valueBytes)
	}
	return nil
}

func checkShift(x, y starlark.Value) error {
	i, ok := x.(starlark.Int)
	by, ok2 := y.(starlark.Int)
	if !ok || !ok2 || by.Sign() <= 0 {
		return nil
	}
	small, ok := by.Int64()
	if !ok || small > maxBits {
		small = maxBits + 1
	}
	return checkBits(bitLen(i) + int(small))
}

func checkIn(x, y starlark.Value) error {
	switch y.(type) {
	case *starlark.List, starlark.Tuple:
		if composite(x) && size(y, compareDepth+1) > maxNodes {
			return errCompare
		}
		return nil
	}
	return checkKey(x)
}

// compareDepth is the depth at which Starlark itself gives a comparison up.
var compareDepth = starlark.CompareLimit

var errCompare = limitError("values too large to compare", maxNodes, "values within them")

// compare compares two values of limited size. Starlark limits only the depth,
// and a list that holds one list many times is wide beyond measure.
func compare(op syntax.Token, x, y starlark.Value) (bool, error) {
	if composite(x) && composite(y) && size(x, compareDepth) > maxNodes && size(y, compareDepth) > maxNodes {
		return false, errCompare
	}
	return starlark.Compare(op, x, y)
}

func composite(v starlark.Value) bool {
	switch v.(type) {
	case *starlark.List, starlark.Tuple, *starlark.Dict, *starlark.Set:
		return true
	}
	return false
}

// size counts the values within v as often as they are met, up to the given
// depth; it stops counting just above maxNodes. Long text counts for more.
func size(v starlark.Value, depth int) int {
	const unit = 256 // bytes of text that take about the time of a value
	switch v := v.(type) {
	case starlark.String:
		return 1 + len(v)/unit
	case starlark.Bytes:
		return 1 + len(v)/unit
	}
	n := 1
	if depth == 0 || !composite(v) {
		return n
	}
	iter := v.(starlark.Iterable).Iterate()
	defer iter.Done()
	dict, isDict := v.(*starlark.Dict)
	var x starlark.Value
	for n <= maxNodes && iter.Next(&x) {
		n += size(x, depth-1)
		if isDict {
			value, _, _ := dict.Get(x)
			n += size(value, depth-1)
		}
	}
	return n
}

// checkKey refuses a key that is too deep or too large to be hashed. Only a
// tuple can be: hashing one takes stack for every level of it.
func checkKey(k starlark.Value) error {
	if t, ok := k.(starlark.Tuple); ok {
		_, err := keyNodes(t, 1)
		return err
	}
	return nil
}

func keyNodes(t starlark.Tuple, depth int) (int, error) {
	if depth > maxKey {
		return 0, limitError("key nested too deeply", maxKey, "levels")
	}
	n := len(t)
	for _, x := range t {
		if n > maxKeyNodes {
			break
		}
		inner, ok := x.(starlark.Tuple)
		if !ok {
			continue
		}
		m, err := keyNodes(inner, depth+1)
		if err != nil {
			return 0, err
		}
		n += m
	}
	if n > maxKeyNodes {
		return 0, limitError("key too large", maxKeyNodes, "values within it")
	}
	return n, nil
}

func keyGuard(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	return args[0], checkKey(args[0])
}

// roomGuard lets x[y] = z through unless x is full or read-only.
func roomGuard(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x := args[0]
	if err := branchOf(thread).checkHeld(x); err != nil {
		return nil, err
	}
	if d, ok := x.(*starlark.Dict); ok {
		return x, checkEntries(d.Len() + 1)
	}
	return x, nil
}

// sliceGuard lets x[y:z] through; a long list is about to be copied.
func sliceGuard(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	return args[0], branchOf(thread).poll(max(starlark.Len(args[0]), 0) * valueBytes)
}

func spreadGuard(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	return spread(args[0], maxArgs)
}

// attrGuard is x.name for the names of guardedMethods.
func attrGuard(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	name := string(args[1].(starlark.String))
	v, err := attr(args[0], name)
	if v == nil && err == nil {
		return nil, fmt.Errorf("%s has no .%s field or method", args[0].Type(), name)
	}
	return v, err
}

// attr returns an attribute of x, the methods of builtin types with their
// guards; nil when there is none.
func attr(x starlark.Value, name string) (starlark.Value, error) {
	if m := method(x, name); m != nil {
		return m.BindReceiver(x), nil
	}
	if h, ok := x.(starlark.HasAttrs); ok {
		return h.Attr(name)
	}
	return nil, nil
}

var errUsePlus = errors.New("a secret cannot be formatted into text: use +")
