package freeze

import (
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
)

// FromRun returns the run that h names as a source, sealed or not. Of a run
// that is not sealed, the answers that were delivered whole count, and it
// counts as failed. Damage is found, and reported, at the first use.
func FromRun(st *store.Store, h store.Handle) *Source {
	name := h.Dir
	if h.Sealed {
		name = "run " + h.ID.Short()
	}
	return newSource(name, func() (*content, error) {
		run, err := flight.LoadHandle(st, h)
		if err != nil {
			return nil, err
		}
		records := run.Records
		// The lines are not needed any more; only the journal of a run
		// that is not sealed is.
		run.Lines, run.Records = nil, nil
		blob := st.Get
		if !h.Sealed {
			blob = run.Blob
		}
		return fromRecords(records, blob)
	})
}

// FromLoaded returns a sealed run that is in memory already as a source. The
// run must not change while the source is used.
func FromLoaded(st *store.Store, run *flight.Run) *Source {
	return newSource("run "+run.ID.Short(), func() (*content, error) { return fromRecords(run.Records, st.Get) })
}
