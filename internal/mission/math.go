package mission

import (
	"errors"
	"fmt"
	"math"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// mathModule is the predeclared value math: only what is exact, or rounded
// correctly, on every machine. Go's exp, sin and the like have assembly of
// their own on some.
var mathModule = newObject("math", map[string]starlark.Value{
	"pi":    starlark.Float(math.Pi),
	"e":     starlark.Float(math.E),
	"sqrt":  starlark.NewBuiltin("math.sqrt", mathSqrt),
	"fabs":  starlark.NewBuiltin("math.fabs", mathFabs),
	"floor": rounding("math.floor", math.Floor),
	"ceil":  rounding("math.ceil", math.Ceil),
	"round": rounding("math.round", math.Round),
	"pow":   starlark.NewBuiltin("math.pow", mathPow),
})

// number1 takes the one argument, a number.
func number1(fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (float64, error) {
	var x starlark.Value
	if err := starlark.UnpackPositionalArgs(fn.Name(), args, kwargs, 1, &x); err != nil {
		return 0, err
	}
	return floatOf(fn.Name(), x)
}

func floatOf(name string, x starlark.Value) (float64, error) {
	f, ok := starlark.AsFloat(x)
	if !ok {
		return 0, fmt.Errorf("%s: got %s, want number", name, x.Type())
	}
	if _, ok := x.(starlark.Int); ok && math.IsInf(f, 0) {
		return 0, fmt.Errorf("%s: int too large for a float", name)
	}
	return f, nil
}

func mathSqrt(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	f, err := number1(fn, args, kwargs)
	if err == nil && f < 0 {
		err = errors.New("math.sqrt: number below zero")
	}
	return starlark.Float(math.Sqrt(f)), err
}

func mathFabs(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	f, err := number1(fn, args, kwargs)
	return starlark.Float(math.Abs(f)), err
}

// rounding makes a function from a number to an int.
func rounding(name string, round func(float64) float64) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if len(args) == 1 && len(kwargs) == 0 {
			if i, ok := args[0].(starlark.Int); ok {
				return i, nil
			}
		}
		f, err := number1(fn, args, kwargs)
		if err != nil {
			return nil, err
		}
		i, err := starlark.NumberToInt(starlark.Float(round(f)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return i, nil
	})
}

// mathPow is x to the power of an int: exact for an int and a power that is
// not negative, by repeated multiplication of floats otherwise.
func mathPow(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x starlark.Value
	var n int
	if err := starlark.UnpackPositionalArgs(fn.Name(), args, kwargs, 2, &x, &n); err != nil {
		return nil, err
	}
	if i, ok := x.(starlark.Int); ok && n >= 0 {
		v, err := intPow(thread, i, n)
		if err != nil {
			return nil, fmt.Errorf("math.pow: %w", err)
		}
		return v, nil
	}
	f, err := floatOf("math.pow", x)
	if err != nil {
		return nil, err
	}
	if f == 0 && n < 0 {
		return nil, errors.New("math.pow: zero to a negative power")
	}
	return starlark.Float(floatPow(f, n)), nil
}

func intPow(thread *starlark.Thread, x starlark.Int, n int) (starlark.Value, error) {
	if bitLen(x) <= 1 { // 0, 1 and -1 stay small
		n = min(n, 2+n%2)
	}
	if err := checkBits(product(max(bitLen(x)-1, 0), n)); err != nil {
		return nil, err
	}
	var out, square starlark.Value = starlark.MakeInt(1), x
	for ; n > 0; n >>= 1 {
		var err error
		if n&1 == 1 {
			if out, err = operate(thread, syntax.STAR, out, square); err != nil {
				return nil, err
			}
		}
		if n > 1 {
			if square, err = operate(thread, syntax.STAR, square, square); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// floatPow multiplies. Each product is rounded by itself: the conversions keep
// the compiler from fusing it with what follows.
func floatPow(x float64, n int) float64 {
	u := uint64(n)
	if n < 0 {
		u = -u
	}
	out := 1.0
	for ; u > 0; u >>= 1 {
		if u&1 == 1 {
			out = float64(out * x)
		}
		x = float64(x * x)
	}
	if n < 0 {
		return float64(1 / out)
	}
	return out
}
