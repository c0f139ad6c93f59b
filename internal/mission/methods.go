package mission

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// guardedMethods are the names of the methods of builtin types that can make
// large values, hash keys, compare or change their receiver.
var guardedMethods = map[string]bool{}

// stringMethods, listMethods, … are those methods with their guards.
var (
	stringMethods = methods(starlark.String(""), map[string]guard{
		"capitalize": guardCase, "lower": guardCase, "title": guardCase, "upper": guardCase,
		"format": nil, "join": guardJoin, "replace": guardReplace,
		"split": guardSplit, "rsplit": guardSplit, "splitlines": guardLines,
	})
	listMethods = methods(new(starlark.List), map[string]guard{
		"append": guardGrow, "insert": guardGrow, "extend": guardExtend,
		"clear": guardChange, "pop": guardChange,
		"index": guardFind, "remove": guardRemove,
	})
	dictMethods = methods(new(starlark.Dict), map[string]guard{
		"get": guardLookup, "setdefault": guardInsert, "update": guardUpdate,
		"pop": guardDelete, "popitem": guardChange, "clear": guardChange,
	})
	setMethods = methods(new(starlark.Set), map[string]guard{
		"add": guardInsert, "update": guardUnion, "union": guardElements,
		"discard": guardDelete, "remove": guardDelete, "pop": guardChange, "clear": guardChange,
		"difference": guardElements, "intersection": guardElements,
		"symmetric_difference": guardElements, "issubset": guardElements, "issuperset": guardElements,
	})
)

// A call of a method, as its guard sees it. A guard may replace arguments.
type methodCall struct {
	b      *branch
	name   string
	recv   starlark.Value
	args   starlark.Tuple
	kwargs []starlark.Tuple
}

// A guard refuses a call that would break a limit. The method itself reports
// arguments of the wrong number or type.
type guard func(*methodCall) error

// methods wraps methods of the type of zero. The original is looked up at each
// call, for it is bound to its receiver.
func methods(zero starlark.HasAttrs, guards map[string]guard) map[string]*starlark.Builtin {
	table := map[string]*starlark.Builtin{}
	for _, name := range slices.Sorted(maps.Keys(guards)) {
		guard := guards[name]
		guardedMethods[name] = true
		if v, _ := zero.Attr(name); v == nil {
			panic("mission: internal error: " + zero.Type() + " has no method " + name)
		}
		table[name] = starlark.NewBuiltin(name, func(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			recv := fn.Receiver().(starlark.HasAttrs)
			if s, ok := recv.(starlark.String); ok && name == "format" {
				return formatString(string(s), args, kwargs)
			}
			c := methodCall{branchOf(thread), name, recv, args, kwargs}
			if err := guard(&c); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			original, err := recv.Attr(name)
			if err != nil {
				return nil, err
			}
			v, err := original.(*starlark.Builtin).CallInternal(thread, c.args, kwargs)
			if err != nil {
				return nil, err
			}
			return v, checkResult(v)
		})
	}
	return table
}

// method returns the guarded method of a builtin type, or nil.
func method(x starlark.Value, name string) *starlark.Builtin {
	switch x.(type) {
	case starlark.String:
		return stringMethods[name]
	case *starlark.List:
		return listMethods[name]
	case *starlark.Dict:
		return dictMethods[name]
	case *starlark.Set:
		return setMethods[name]
	}
	return nil
}

// text returns argument i when it is a string.
func (c *methodCall) text(i int) (string, bool) {
	if i >= len(c.args) {
		return "", false
	}
	return starlark.AsString(c.args[i])
}

// guardCase: another case is at most three times as long, in bytes.
func guardCase(c *methodCall) error { return c.b.poll(3 * starlark.Len(c.recv)) }

func guardJoin(c *methodCall) error {
	if len(c.args) != 1 {
		return nil
	}
	elems, err := spread(c.args[0], maxElems)
	if err != nil {
		return err
	}
	c.args[0] = elems
	it, ok := elems.(starlark.Iterable)
	if !ok {
		return nil
	}
	iter := it.Iterate()
	defer iter.Done()
	n := product(starlark.Len(c.recv), max(starlark.Len(elems)-1, 0))
	var x starlark.Value
	for iter.Next(&x) {
		if _, ok := x.(*secret); ok {
			return errUsePlus
		}
		if s, ok := x.(starlark.String); ok && n >= 0 && n <= maxText {
			n += len(s)
		}
	}
	if err := checkText(n); err != nil {
		return err
	}
	return c.b.poll(n)
}

func guardReplace(c *methodCall) error {
	from, ok1 := c.text(0)
	to, ok2 := c.text(1)
	if !ok1 || !ok2 {
		return nil
	}
	s := string(c.recv.(starlark.String))
	times := strings.Count(s, from)
	if len(c.args) > 2 {
		if limit, err := starlark.AsInt32(c.args[2]); err == nil && limit >= 0 {
			times = min(times, limit)
		}
	}
	n := len(s)
	if grow := len(to) - len(from); grow > 0 {
		more := product(times, grow)
		if more < 0 || more > maxText {
			return checkText(-1)
		}
		n += more
	}
	if err := checkText(n); err != nil {
		return err
	}
	return c.b.poll(n)
}

func guardSplit(c *methodCall) error {
	s := string(c.recv.(starlark.String))
	pieces := len(s)/2 + 1
	if sep, ok := c.text(0); ok && sep != "" {
		pieces = strings.Count(s, sep) + 1
	} else if pieces > maxElems {
		pieces = fields(s)
	}
	if err := checkElems(pieces); err != nil {
		return err
	}
	// rsplit makes room for as many pieces as it is asked for.
	if len(c.args) > 1 {
		if limit, err := starlark.AsInt32(c.args[1]); err == nil && limit > pieces {
			c.args[1] = starlark.MakeInt(pieces)
		}
	}
	return c.b.poll(pieces * 3 * valueBytes)
}

// fields counts the pieces that splitting at white space makes.
func fields(s string) int {
	n := 0
	for range strings.FieldsSeq(s) {
		n++
	}
	return n
}

func guardLines(c *methodCall) error {
	n := strings.Count(string(c.recv.(starlark.String)), "\n") + 1
	if err := checkElems(n); err != nil {
		return err
	}
	return c.b.poll(n * 3 * valueBytes)
}

// guardChange guards a method that changes its receiver.
func guardChange(c *methodCall) error { return c.b.checkHeld(c.recv) }

func guardGrow(c *methodCall) error {
	if err := guardChange(c); err != nil {
		return err
	}
	return checkElems(starlark.Len(c.recv) + 1)
}

func guardExtend(c *methodCall) error {
	if err := guardChange(c); err != nil || len(c.args) != 1 {
		return err
	}
	elems, err := spread(c.args[0], maxElems)
	if err != nil {
		return err
	}
	c.args[0] = elems
	n := starlark.Len(c.recv) + max(starlark.Len(elems), 0)
	if err := checkElems(n); err != nil {
		return err
	}
	return c.b.poll(n * valueBytes)
}

func guardFind(c *methodCall) error {
	if len(c.args) == 0 {
		return nil
	}
	return checkIn(c.args[0], c.recv)
}

func guardRemove(c *methodCall) error {
	if err := guardChange(c); err != nil {
		return err
	}
	return guardFind(c)
}

func guardLookup(c *methodCall) error {
	if len(c.args) == 0 {
		return nil
	}
	return checkKey(c.args[0])
}

func guardDelete(c *methodCall) error {
	if err := guardChange(c); err != nil {
		return err
	}
	return guardLookup(c)
}

func guardInsert(c *methodCall) error {
	if err := guardDelete(c); err != nil {
		return err
	}
	return checkEntries(starlark.Len(c.recv) + 1)
}

func guardUpdate(c *methodCall) error {
	if err := guardChange(c); err != nil {
		return err
	}
	return checkPairs(c.args, starlark.Len(c.recv)+len(c.kwargs))
}

// checkPairs guards the argument of dict and dict.update: a mapping, or a
// sequence of pairs. It replaces a sequence of unknown length.
func checkPairs(args starlark.Tuple, n int) error {
	if len(args) != 1 {
		return nil
	}
	if _, ok := args[0].(starlark.IterableMapping); ok {
		return checkEntries(n + starlark.Len(args[0]))
	}
	pairs, err := spread(args[0], maxEntries)
	if err != nil {
		return err
	}
	args[0] = pairs
	it, ok := pairs.(starlark.Iterable)
	if !ok {
		return nil
	}
	iter := it.Iterate()
	defer iter.Done()
	var pair starlark.Value
	for iter.Next(&pair) {
		seq, ok := pair.(starlark.Indexable)
		if !ok || seq.Len() == 0 {
			continue
		}
		if err := checkKey(seq.Index(0)); err != nil {
			return err
		}
	}
	return checkEntries(n + max(starlark.Len(pairs), 0))
}

func guardUnion(c *methodCall) error {
	if err := guardChange(c); err != nil {
		return err
	}
	return guardElements(c)
}

// guardElements guards iterables whose elements become keys.
func guardElements(c *methodCall) error {
	n := starlark.Len(c.recv)
	for i, arg := range c.args {
		elems, err := checkSetOf(arg)
		if err != nil {
			return err
		}
		c.args[i] = elems
		n += max(starlark.Len(elems), 0)
	}
	switch c.name {
	case "update", "union", "symmetric_difference":
		return checkEntries(n)
	}
	return nil
}

// checkSetOf checks the elements of an iterable that become keys, and returns
// the iterable, or its elements when their number was not known.
func checkSetOf(v starlark.Value) (starlark.Value, error) {
	switch v.(type) {
	case *starlark.Set, *starlark.Dict:
		return v, nil // they are keys
	}
	elems, err := spread(v, maxEntries)
	if err != nil {
		return nil, err
	}
	it, ok := elems.(starlark.Iterable)
	if !ok {
		return elems, nil
	}
	iter := it.Iterate()
	defer iter.Done()
	var x starlark.Value
	for iter.Next(&x) {
		if err := checkKey(x); err != nil {
			return nil, err
		}
	}
	return elems, nil
}

// toText replaces what is not UTF-8 as Starlark's str does.
func toText(b string) string {
	if utf8.ValidString(b) {
		return b
	}
	return string([]rune(b))
}
