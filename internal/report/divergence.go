package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/replay"
)

// Divergence prints the first difference of a replay: the recorded and the
// replayed record, and in what they differ.
//
//	record 7: recorded  -      call        POST http://model.coo.invalid/v1/chat/completions sample 3f2a…
//	record 7: replayed  -      call        POST http://model.coo.invalid/v1/chat/completions sample 9c04…
//	/messages/0/content: "Summarise the tides" → "Summarise the moons"
//	--- recorded
//	+++ replayed
//	…
func Divergence(w io.Writer, d *replay.Divergence, records []flight.Record, docs Docs) {
	t := newTeller(d, records, docs)
	recorded, replayed := "nothing: the recorded run had ended", OneLine(d.Asked, 200)
	if d.Recorded != nil {
		recorded = unnumbered(d.Recorded, t.recorded)
	}
	if d.Replayed != nil {
		replayed = unnumbered(d.Replayed, t.replayed)
	}
	fmt.Fprintf(w, "record %d: recorded  %s\n", d.N, recorded)
	fmt.Fprintf(w, "record %d: replayed  %s\n", d.N, replayed)
	defer func() { writeClass(w, t, d) }()
	if d.Recorded == nil || d.Replayed == nil || flight.Env(d.Recorded).T != flight.Env(d.Replayed).T {
		return
	}
	p := pair{
		oldName: "recorded", newName: "replayed",
		old: d.Recorded, new: d.Replayed,
		oldDocs: t.recorded, newDocs: t.replayed,
		oldCalls: records, newCalls: records,
	}
	if !p.writeContents(w) {
		writeChanges(w, fields(d.Recorded, d.Replayed))
	}
}

// writeClass prints what kind of difference there is in the calls of a program,
// and the rule that would make them the same.
func writeClass(w io.Writer, t *teller, d *replay.Divergence) {
	old, wasCall := programCall(d.Recorded)
	new, isCall := programCall(d.Replayed)
	_, moved := otherMoment(d.Recorded, d.Replayed)
	switch {
	case moved:
		fmt.Fprintf(w, "class: %s\n", OtherMoment)
	case otherDelivery(d.Recorded, d.Replayed):
		fmt.Fprintf(w, "class: %s\n", OtherOrder)
	case !wasCall && !isCall:
	case !isCall:
		if _, ended := d.Replayed.(*flight.Exit); ended {
			fmt.Fprintf(w, "class: %s\n", MissingCall)
		}
	case t.recordedLater(d.N, new):
		fmt.Fprintf(w, "class: %s\n", OtherOrder)
	case !wasCall:
		fmt.Fprintf(w, "class: %s\n", NewCall)
	default:
		a, errA := t.recorded.Request(old.Req)
		b, errB := t.replayed.Request(new.Req)
		if errA == nil && errB == nil {
			advice := Advise(a, b)
			fmt.Fprintf(w, "class: %s\nrule: %s\n", advice.Class, advice.text())
		}
	}
}

// otherDelivery reports whether both records say that something of an answer
// came to a program at level deterministic, but not of the same call.
func otherDelivery(was, is flight.Record) bool {
	a, ok := delivered(was)
	b, okToo := delivered(is)
	return ok && okToo && a != b
}

// delivered returns the call of which r gave something to a program at level
// deterministic.
func delivered(r flight.Record) (call int64, ok bool) {
	switch r := r.(type) {
	case *flight.Head:
		return r.Call, r.At != nil
	case *flight.Data:
		return r.Call, true
	case *flight.Tail:
		return r.Call, r.At != nil && r.How != "client"
	}
	return 0, false
}

func programCall(r flight.Record) (*flight.Call, bool) {
	c, ok := r.(*flight.Call)
	return c, ok && c.P != 0
}

// recordedLater reports whether a call was recorded after record n.
func (t *teller) recordedLater(n int64, call *flight.Call) bool {
	for _, r := range t.records[min(n+1, int64(len(t.records))):] {
		if c, ok := r.(*flight.Call); ok && c.Req == call.Req {
			return true
		}
	}
	return false
}

// unnumbered is [Line] without the number.
func unnumbered(r flight.Record, d Docs) string {
	_, line, _ := strings.Cut(strings.TrimLeft(Line(r, d), " "), "  ")
	return line
}
