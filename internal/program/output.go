package program

import (
	"io"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// An output passes on what the program prints, and keeps it. Secrets are
// taken out of both.
type output struct {
	to    io.Writer
	spool flight.Spool
	clean *wire.Redactor // nil when no secret is known
	err   error          // of the spool: the run cannot be sealed
}

func (p *performance) output(name string, to io.Writer) (*output, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	spool, err := p.Recorder.Spool(name)
	if err != nil {
		return nil, err
	}
	o := &output{to: to, spool: spool}
	if p.Secrets != nil {
		o.clean = p.Secrets.Stream()
	}
	return o, nil
}

// Write is called by one goroutine at a time. A reader that has gone away
// does not end the program: what it prints is recorded all the same.
func (o *output) Write(b []byte) (int, error) {
	shown := b
	if o.clean != nil {
		shown = o.clean.Write(b)
	}
	o.put(shown)
	return len(b), nil
}

func (o *output) put(b []byte) {
	if len(b) == 0 {
		return
	}
	if _, err := o.spool.Write(b); err != nil && o.err == nil {
		o.err = err
	}
	o.to.Write(b)
}

func (o *output) finish() (digest.Digest, error) {
	if o.clean != nil {
		o.put(o.clean.Close())
	}
	if o.err != nil {
		return digest.Digest{}, o.err
	}
	d, _, err := o.spool.Finish()
	return d, err
}
