package report

import (
	"fmt"
	"time"

	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/replay"
)

// OtherMoment is the class of a call that differs in nothing but the program's
// clock: at level deterministic that counts what the program does.
const OtherMoment = "moment"

// otherMoment returns by how many nanoseconds of its clock a program makes the
// same call later.
func otherMoment(was, is flight.Record) (late int64, ok bool) {
	a, ok := was.(*flight.Call)
	b, okToo := is.(*flight.Call)
	if !ok || !okToo || a.At == nil || b.At == nil || *a.At == *b.At || len(fields(was, is)) != 1 {
		return 0, false
	}
	return *b.At - *a.At, true
}

// moment is about a call that differs in its time alone.
func (t *teller) moment(d *replay.Divergence) string {
	late, ok := otherMoment(d.Recorded, d.Replayed)
	if !ok {
		return ""
	}
	when := "later"
	if late < 0 {
		late, when = -late, "earlier"
	}
	return fmt.Sprintf("%s %s as recorded, but %v %s by its own clock: what it did before differs, and is in no record (--trace FILE, at a run and at its replay, shows it)",
		t.who(d.Replayed), t.now(d.Replayed), time.Duration(late), when)
}
