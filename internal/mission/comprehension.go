package mission

import (
	"slices"

	"go.starlark.net/starlark"
)

func overGuard(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	return spread(args[0], maxElems)
}

// eachGuard wraps the first iterable of a comprehension with several loops, so
// that its elements are counted from the first iteration to the last.
func eachGuard(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	it, ok := args[0].(starlark.Iterable)
	if !ok {
		return args[0], nil // the loop says what is wrong with it
	}
	return &counted{it, branchOf(thread)}, nil
}

// tallyGuard counts one element of the innermost comprehension under way.
func tallyGuard(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	tallies := branchOf(thread).tallies
	t := tallies[len(tallies)-1]
	t.n++
	return args[0], checkElems(t.n)
}

// A counted is an iterable that only the loop of a comprehension sees.
type counted struct {
	starlark.Iterable
	b *branch
}

// Iterate begins a tally; it ends when the loop is done with the iterator,
// after an error too.
func (c *counted) Iterate() starlark.Iterator {
	t := &tally{Iterator: c.Iterable.Iterate(), b: c.b}
	c.b.tallies = append(c.b.tallies, t)
	return t
}

type tally struct {
	starlark.Iterator
	b *branch
	n int
}

// Done ends the tally, and those within it that an error left behind.
func (t *tally) Done() {
	t.Iterator.Done()
	if i := slices.Index(t.b.tallies, t); i >= 0 {
		t.b.tallies = t.b.tallies[:i]
	}
}
