package freeze

import (
	"bytes"
	"io"

	"github.com/coo-runtime/coo/internal/digest"
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
		if h.Sealed {
			return fromStore(st, records)
		}
		c, err := fromRecords(records, run.Blob)
		if err == nil {
			c.open = func(d digest.Digest) (io.Reader, error) {
				if !run.Holds(d) {
					return st.GetReader(d)
				}
				b, err := run.Blob(d)
				return bytes.NewReader(b), err
			}
		}
		return c, err
	})
}

// FromLoaded returns a sealed run that is in memory already as a source, under
// a name for people. The run must not change while the source is used.
func FromLoaded(name string, run *flight.Run) *Source {
	return newSource(name, func() (*content, error) {
		c, err := fromRecords(run.Records, run.Blob)
		if err == nil {
			c.open = run.BlobReader
		}
		return c, err
	})
}

// fromStore is [fromRecords] for a run whose blobs are all in st.
func fromStore(st *store.Store, records []flight.Record) (*content, error) {
	c, err := fromRecords(records, st.Get)
	if err == nil {
		c.open = st.GetReader
	}
	return c, err
}
