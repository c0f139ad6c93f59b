package mission

import (
	"errors"
	"fmt"
	"math"

	"go.starlark.net/starlark"
)

func (b *branch) clock(name string) (ms int64, err error) {
	err = b.outside(name, func(w World) (err error) {
		ms, err = w.Now(b.name)
		return err
	})
	return ms, err
}

func cooNow(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs); err != nil {
		return nil, err
	}
	ms, err := branchOf(thread).clock(fn.Name())
	if err != nil {
		return nil, err
	}
	return starlark.String(rfc3339(ms)), nil
}

func cooUnix(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs); err != nil {
		return nil, err
	}
	ms, err := branchOf(thread).clock(fn.Name())
	if err != nil {
		return nil, err
	}
	return starlark.Float(float64(ms) / 1000), nil
}

func cooSleep(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var seconds starlark.Value
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "seconds", &seconds); err != nil {
		return nil, err
	}
	ms, err := milliseconds(seconds, maxSleep)
	if err != nil {
		return nil, fmt.Errorf("coo.sleep: %w", err)
	}
	b := branchOf(thread)
	return starlark.None, b.outside(fn.Name(), func(w World) error { return w.Sleep(b.name, ms) })
}

// milliseconds converts a number of seconds, from 0 to the limit.
func milliseconds(v starlark.Value, limit int64) (int64, error) {
	f, ok := starlark.AsFloat(v)
	switch {
	case !ok:
		return 0, fmt.Errorf("got %s, want a number of seconds", v.Type())
	case !(f >= 0):
		return 0, errors.New("a time below zero")
	case f > float64(limit)/1000:
		return 0, limitError("time too long", int(limit/1000), "seconds")
	}
	return int64(math.Round(float64(f * 1000))), nil
}

// rfc3339 writes milliseconds since 1970 as "2026-11-23T09:00:00.000Z". It
// counts days in years that begin in March, in eras of 400 years, so that the
// leap day comes last (after Howard Hinnant, "chrono-compatible low-level date
// algorithms").
func rfc3339(ms int64) string {
	day := floorDiv(ms, 86_400_000)
	rest := ms - day*86_400_000
	z := day + 719_468 // days since 0000-03-01
	era := floorDiv(z, 146_097)
	doe := z - era*146_097
	yoe := (doe - doe/1460 + doe/36_524 - doe/146_096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d := doy - (153*mp+2)/5 + 1
	m, y := mp+3, yoe+era*400
	if m > 12 {
		m, y = m-12, y+1
	}
	return fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
		y, m, d, rest/3_600_000, rest/60_000%60, rest/1000%60, rest%1000)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
