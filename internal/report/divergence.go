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

// unnumbered is [Line] without the number.
func unnumbered(r flight.Record, d Docs) string {
	_, line, _ := strings.Cut(strings.TrimLeft(Line(r, d), " "), "  ")
	return line
}
