package program

import (
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
)

// pieces is a Recorder of a program at level deterministic. What follows one
// after the other with nothing in between, chunks of an answer or what the
// program prints, becomes one record, as much as one takes.
type pieces struct {
	Recorder
	env  flight.Envelope
	call int64               // of the program's start
	safe func([]byte) []byte // takes secrets out

	data    *flight.Data // begun, and not recorded
	out     *flight.Out
	printed []byte // what out is about
}

// Append records what was begun before r, and r.
func (p *pieces) Append(r flight.Record) (int64, error) {
	if err := p.close(); err != nil {
		return 0, err
	}
	return p.Recorder.Append(r)
}

// chunk records that a chunk of the answer to a call is delivered.
func (p *pieces) chunk(call, at int64, size int) error {
	if p.data == nil || p.data.Call != call || p.data.Full() {
		if err := p.close(); err != nil {
			return err
		}
		p.data = &flight.Data{Envelope: p.env, Call: call}
	}
	p.data.At = append(p.data.At, at)
	p.data.Lens = append(p.data.Lens, int64(size))
	return nil
}

// print records that the program has written to an output.
func (p *pieces) print(fd int, b []byte) error {
	if p.out == nil || p.out.FD != int64(fd) || p.out.Full() {
		if err := p.close(); err != nil {
			return err
		}
		p.out = &flight.Out{Envelope: p.env, Call: p.call, FD: int64(fd)}
	}
	p.out.Lens = append(p.out.Lens, int64(len(b)))
	p.printed = append(p.printed, b...)
	return nil
}

// close records what was begun.
func (p *pieces) close() error {
	var r flight.Record
	switch {
	case p.data != nil:
		r, p.data = p.data, nil
	case p.out != nil:
		p.out.SHA256 = digest.Of(p.safe(p.printed))
		r, p.out, p.printed = p.out, nil, nil
	default:
		return nil
	}
	_, err := p.Recorder.Append(r)
	return err
}
