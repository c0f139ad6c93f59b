package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

// append measures the flight recorder: what a live delivery costs, a call
// and its answer in one write and one fdatasync, against the disk's own write
// and fdatasync of as many bytes, in turn.
func (b *bench) append() error {
	dir, err := b.subdir("append")
	if err != nil {
		return err
	}
	d, err := newDeliveries(dir)
	if err != nil {
		return err
	}
	defer d.rec.Abandon("bench")
	bare, err := os.Create(filepath.Join(dir, "bare"))
	if err != nil {
		return err
	}
	defer bare.Close()
	const rounds, each, unsynced = 8, 60, 10_000
	d.prepare(rounds*each + unsynced)
	var ours, disks []time.Duration
	for range rounds {
		for range each {
			t, err := timed(d.flushed)
			if err != nil {
				return err
			}
			ours = append(ours, t)
		}
		data := make([]byte, d.bytes())
		for range each {
			t, err := timed(func() error {
				if _, err := bare.Write(data); err != nil {
					return err
				}
				return durable.Data(bare)
			})
			if err != nil {
				return err
			}
			disks = append(disks, t)
		}
	}
	ms, md := median(ours), median(disks)
	b.rows.add(fmt.Sprintf("live delivery: 2 records, %d B, 1 write, 1 fdatasync", d.bytes()), short(ms), short(md)+" disk", ratio(ms, md), aim("2 of the disk's", ms <= 2*md))
	b.rows.add("  deliveries a second", perSecond(ms), perSecond(md)+" disk", "", "")

	t, err := timed(func() error {
		for range unsynced {
			if err := d.one(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	one := t / unsynced
	b.rows.add("frozen delivery: 2 records, no sync", short(one), "", "", aim("50 µs", one <= 50*time.Microsecond))
	b.rows.add("  records a second", perSecond(one/2), "", "", "")
	return nil
}

// deliveries appends calls and their answers to a recorder.
type deliveries struct {
	rec     *flight.Recorder
	n       int
	answers []*wire.Answer // to come
	journal string
}

// prepare makes the next n answers, which is none of the recorder's work.
func (d *deliveries) prepare(n int) {
	for i := range n {
		d.answers = append(d.answers, shortAnswer(i))
	}
}

func newDeliveries(dir string) (*deliveries, error) {
	st, _, err := store.Init(dir)
	if err != nil {
		return nil, err
	}
	rec, err := flight.Create(st, "bench")
	if err != nil {
		return nil, err
	}
	_, err = rec.Append(&flight.Open{Format: flight.Format, Epoch: flight.Epoch})
	return &deliveries{rec: rec, journal: st.Path(rec.Dir() + "/journal")}, err
}

// bytes returns how long the journal has become for each delivery.
func (d *deliveries) bytes() int64 {
	fi, err := os.Stat(d.journal)
	if err != nil {
		return 0
	}
	return fi.Size() / int64(d.n)
}

// flushed is a live delivery.
func (d *deliveries) flushed() error {
	if err := d.one(); err != nil {
		return err
	}
	return d.rec.Flush()
}

// one is a delivery with everything that a run does for it but the sync.
func (d *deliveries) one() error {
	answer := d.answers[d.n]
	d.n++
	req := wire.Request{
		Method: "POST", URL: wire.Lit("http://model.test/v1/chat/completions"),
		Body: wire.Lit(fmt.Sprintf(`{"messages":[{"content":"question %d","role":"user"}],"model":"m"}`, d.n)),
	}
	doc, err := req.Doc(wire.Builtin())
	if err != nil {
		return err
	}
	ansDoc, _, err := answer.Encode()
	if err != nil {
		return err
	}
	for _, b := range [][]byte{doc.Body, doc.Bytes} {
		if _, err := d.rec.Blob(b); err != nil {
			return err
		}
	}
	n, err := d.rec.Append(&flight.Call{Kind: "http", Req: doc.Key})
	if err != nil {
		return err
	}
	ans, err := d.rec.Blob(ansDoc)
	if err != nil {
		return err
	}
	_, err = d.rec.Append(&flight.Answer{Call: n, Ans: digest.Answer(ans)})
	return err
}
