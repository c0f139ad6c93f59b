package flight

import (
	"errors"
	"fmt"

	"github.com/coo-runtime/coo/internal/canon"
)

// At level deterministic all that a program does and is told comes in one
// order, at times of its own, in nanoseconds since it began:
//
//	{"kind":"exec","n":1,…,"t":"call"}                     it starts
//	{"n":2,"now":"2026-11-23T09:00:00.000Z",…,"t":"clock"}  at this time of its clock, if that is not pinned
//	{"at":12000,"kind":"http","n":3,"p":1,…,"t":"call"}     it makes a call
//	{"call":1,"fd":1,"lens":[7],"n":4,…,"t":"out"}          it prints 7 bytes
//	{"at":90012000,"call":3,"n":5,…,"t":"head"}             the answer begins,
//	{"at":[90012000,90500000],"call":3,"lens":[9,8],"n":6,…,"t":"data"}
//	{"at":91000000,"call":3,"how":"eof","n":7,…,"t":"tail"} and ends
//
// What could stand in one record does: a data or out record that is not full
// is followed by something else than its own continuation.

// exact reports whether the run is of level deterministic.
func (o *order) exact() bool { return o.level == "deterministic" }

// An unfilled record would have taken more, had something else not come
// next. The zero unfilled is of none.
type unfilled struct {
	call int64
	fd   int64 // 0: of a data record
}

func unfilledBy(r Record) unfilled {
	switch r := r.(type) {
	case *Data:
		if !full(r.Lens, MaxDataChunks, MaxDataSize) {
			return unfilled{call: r.Call}
		}
	case *Out:
		if !full(r.Lens, MaxOutWrites, MaxOutSize) {
			return unfilled{r.Call, r.FD}
		}
	}
	return unfilled{}
}

// full reports whether a record of these parts takes no more.
func full(lens []int64, parts int, size int64) bool {
	return len(lens) >= parts || Sum(lens) >= size
}

// Sum returns how many bytes chunks have together.
func Sum(lens []int64) (n int64) {
	for _, l := range lens {
		n += l
	}
	return n
}

// Full reports whether the next chunk begins another record.
func (r *Data) Full() bool { return full(r.Lens, MaxDataChunks, MaxDataSize) }

// Full reports whether what is printed next begins another record.
func (r *Out) Full() bool { return full(r.Lens, MaxOutWrites, MaxOutSize) }

// checkExact reports what only a run of level deterministic may have, and what
// it must.
func (o *order) checkExact(r Record) error {
	_, isClock := r.(*Clock)
	switch r.(type) {
	case *Data, *Out:
		if !o.exact() {
			return fmt.Errorf("%s in a run of level %.40q", r.kind(), o.level)
		}
	}
	if o.starts && !isClock {
		return fmt.Errorf("%s where the start of the program's clock belongs", r.kind())
	}
	return nil
}

// checkAt holds a time inside to the level, and to the times before it.
func (o *order) checkAt(r Record, p int64, at *int64) error {
	switch {
	case (at != nil) != o.exact():
		return fmt.Errorf("%s: at is there at level deterministic, and nowhere else", r.kind())
	case at != nil && (*at < o.execs[p].now || *at > canon.MaxInt):
		return fmt.Errorf("%s: at %d, after %d", r.kind(), *at, o.execs[p].now)
	}
	return nil
}

// passes takes note of a time inside; nil is none.
func (s *started) passes(at *int64) {
	if at != nil {
		s.now = *at
	}
}

func (o *order) checkData(d *Data) error {
	c, err := o.waiting(d, d.Call, true)
	switch {
	case err != nil:
		return err
	case !c.headed:
		return fmt.Errorf("data: call %d has no head", d.Call)
	case o.last == unfilled{call: d.Call}:
		return errors.New("data: the record before could have held it")
	case len(d.At) != len(d.Lens):
		return fmt.Errorf("data: %d chunks at %d times", len(d.Lens), len(d.At))
	}
	if err := checkParts(d, d.Lens, MaxDataChunks, MaxDataSize); err != nil {
		return err
	}
	for i, at := range d.At {
		if i > 0 && at < d.At[i-1] {
			return fmt.Errorf("data: at %d, after %d", at, d.At[i-1])
		}
	}
	return o.checkAt(d, c.p, &d.At[0])
}

func (o *order) checkOut(r *Out) error {
	_, ok := o.execs[r.Call]
	switch {
	case !ok:
		return fmt.Errorf("out: record %d is not a program that runs", r.Call)
	case r.FD != 1 && r.FD != 2:
		return fmt.Errorf("out: fd is %d", r.FD)
	case o.last == unfilled{r.Call, r.FD}:
		return errors.New("out: the record before could have held it")
	}
	return checkParts(r, r.Lens, MaxOutWrites, MaxOutSize)
}

// checkParts holds the lengths of parts to what one record takes.
func checkParts(r Record, lens []int64, parts int, size int64) error {
	if len(lens) == 0 {
		return fmt.Errorf("%s: nothing is in it", r.kind())
	}
	for _, n := range lens {
		if n <= 0 || n > canon.MaxInt>>1 {
			return fmt.Errorf("%s: a part of %d bytes", r.kind(), n)
		}
	}
	if full(lens[:len(lens)-1], parts, size) {
		return fmt.Errorf("%s: more than one record takes", r.kind())
	}
	return nil
}
