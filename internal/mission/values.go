package mission

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/coo-runtime/coo/internal/wire"
)

// An object is a value that coo hands to a mission: immutable, with named
// attributes, equal to itself only.
type object struct {
	typ   string
	names []string // sorted
	get   func(name string) (starlark.Value, error)
	held  []starlark.Value // values of the mission it leads to
}

// newObject returns an object with fixed attributes.
func newObject(typ string, attrs map[string]starlark.Value) *object {
	return &object{
		typ: typ, names: sortedKeys(attrs),
		get: func(name string) (starlark.Value, error) { return attrs[name], nil },
	}
}

func (o *object) String() string        { return "<" + o.typ + ">" }
func (o *object) Type() string          { return o.typ }
func (o *object) Freeze()               {}
func (o *object) Truth() starlark.Bool  { return true }
func (o *object) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: %s", o.typ) }
func (o *object) AttrNames() []string   { return slices.Clone(o.names) }

func (o *object) Attr(name string) (starlark.Value, error) {
	if _, ok := slices.BinarySearch(o.names, name); !ok {
		return nil, nil
	}
	return o.get(name)
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// A secret is text with the places of secrets in it. The mission never holds
// their values.
type secret struct{ text wire.Text }

func (s *secret) String() string        { return s.text.String() }
func (s *secret) Type() string          { return "secret" }
func (s *secret) Freeze()               {}
func (s *secret) Truth() starlark.Bool  { return true }
func (s *secret) Hash() (uint32, error) { return 0, errors.New("unhashable type: secret") }

// CompareSameType compares secrets by name and place, not by value.
func (s *secret) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	equal := slices.Equal(s.text, y.(*secret).text)
	switch op {
	case syntax.EQL:
		return equal, nil
	case syntax.NEQ:
		return !equal, nil
	}
	return false, fmt.Errorf("secret %s secret not implemented", op)
}

// Binary is + with text and with other secrets.
func (s *secret) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	other, ok := textOf(y)
	if op != syntax.PLUS || !ok {
		return nil, nil
	}
	if len(s.text)+len(other) > maxParts {
		return nil, limitError("too many secrets in one text", maxParts/2, "places")
	}
	joined := wire.Concat(s.text, other)
	if side == starlark.Right {
		joined = wire.Concat(other, s.text)
	}
	n := 0
	for _, part := range joined {
		n += len(part.Lit) + len(part.Secret)
	}
	if err := checkText(n); err != nil {
		return nil, err
	}
	return &secret{joined}, nil
}

// frozenList makes a list of immutable values that cannot be changed.
func frozenList(elems []starlark.Value) *starlark.List {
	l := starlark.NewList(elems)
	l.Freeze()
	return l
}
