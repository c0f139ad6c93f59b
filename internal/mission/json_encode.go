package mission

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"go.starlark.net/starlark"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/wire"
)

// encodeJSON returns the canonical JSON of a value: no white space, names
// sorted and strings escaped as RFC 8785 has it, integers exact, floats in
// their shortest form that reads back as the same float, with a point or an
// exponent. Secrets may stand wherever a string may.
func encodeJSON(v starlark.Value) (wire.Text, error) {
	var e encoder
	if err := e.value(v, 1); err != nil {
		return nil, err
	}
	e.flush()
	return e.out, nil
}

type encoder struct {
	buf  []byte // what comes after out
	size int    // of out
	out  wire.Text
	path []starlark.Value
}

func (e *encoder) flush() {
	if len(e.buf) > 0 {
		e.out = append(e.out, wire.Part{Lit: string(e.buf)})
		e.size += len(e.buf)
		e.buf = e.buf[:0]
	}
}

func (e *encoder) raw(s string) error {
	if err := checkText(e.size + len(e.buf) + len(s)); err != nil {
		return err
	}
	e.buf = append(e.buf, s...)
	return nil
}

func (e *encoder) string(s string) error {
	if err := checkText(e.size + len(e.buf) + len(s)); err != nil {
		return err
	}
	var err error
	if e.buf, err = canon.AppendString(e.buf, s); err != nil {
		return err
	}
	return checkText(e.size + len(e.buf))
}

func (e *encoder) value(v starlark.Value, depth int) error {
	if depth > maxJSON {
		return limitError("nested too deeply", maxJSON, "levels of JSON")
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return e.raw("null")
	case starlark.Bool:
		return e.raw(strconv.FormatBool(bool(v)))
	case starlark.Int:
		return e.raw(v.String())
	case starlark.Float:
		return e.float(float64(v))
	case starlark.String:
		return e.string(string(v))
	case *secret:
		return e.secret(v)
	case *starlark.List:
		return e.array(v, depth)
	case starlark.Tuple:
		return e.array(v, depth)
	case *starlark.Dict:
		return e.object(v, depth)
	case starlark.Bytes:
		return errors.New("bytes have no JSON form: use str()")
	}
	return fmt.Errorf("a value of type %s has no JSON form", v.Type())
}

func (e *encoder) float(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("the float %s has no JSON form", starlark.Float(f))
	}
	return e.raw(jsonFloat(f))
}

// jsonFloat writes a finite float in the shortest form that reads back as the
// same float: plain from 1e-6 up to 1e21, as JavaScript does, and with ".0"
// where that leaves an integer.
func jsonFloat(f float64) string {
	abs := math.Abs(f)
	if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !bytes.ContainsRune([]byte(s), '.') {
		s += ".0"
	}
	return s
}

func (e *encoder) secret(s *secret) error {
	text, err := s.text.JSON()
	if err != nil {
		return err
	}
	e.flush()
	e.out = append(e.out, text...)
	for _, p := range text {
		e.size += len(p.Lit) + len(p.Secret)
	}
	return checkText(e.size)
}

// enter refuses a value that holds itself.
func (e *encoder) enter(v starlark.Value) error {
	if _, ok := v.(starlark.Tuple); !ok && slices.Contains(e.path, v) {
		return errors.New("a value that holds itself has no JSON form")
	}
	e.path = append(e.path, v)
	return nil
}

func (e *encoder) leave() { e.path = e.path[:len(e.path)-1] }

func (e *encoder) array(v starlark.Indexable, depth int) error {
	list, ok := v.(*starlark.List)
	if ok {
		if err := e.enter(list); err != nil {
			return err
		}
		defer e.leave()
	}
	if err := e.raw("["); err != nil {
		return err
	}
	for i := range v.Len() {
		if i > 0 {
			if err := e.raw(","); err != nil {
				return err
			}
		}
		if err := e.value(v.Index(i), depth+1); err != nil {
			return err
		}
	}
	return e.raw("]")
}

func (e *encoder) object(d *starlark.Dict, depth int) error {
	if err := e.enter(d); err != nil {
		return err
	}
	defer e.leave()
	names := make([]string, 0, d.Len())
	for k := range d.Entries() {
		name, ok := k.(starlark.String)
		if !ok {
			return fmt.Errorf("a key of type %s has no JSON form: use str()", k.Type())
		}
		names = append(names, string(name))
	}
	slices.SortFunc(names, canon.CompareKeys)
	if err := e.raw("{"); err != nil {
		return err
	}
	for i, name := range names {
		if i > 0 {
			if err := e.raw(","); err != nil {
				return err
			}
		}
		if err := e.string(name); err != nil {
			return err
		}
		if err := e.raw(":"); err != nil {
			return err
		}
		v, _, _ := d.Get(starlark.String(name))
		if err := e.value(v, depth+1); err != nil {
			return err
		}
	}
	return e.raw("}")
}
