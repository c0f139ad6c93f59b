package flight

import (
	"fmt"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/chain"
	"github.com/coo-runtime/coo/internal/digest"
)

// MaxLine is the length of the longest line, without its newline; MaxRecords
// the largest number of records of a run.
const (
	MaxLine    = 4 << 20
	MaxRecords = 10_000_000
)

// A Linker makes the lines of a run one after the other, in memory: it
// numbers, links and encodes records, checks that they come in a possible
// order, and seals them. The zero Linker is at the start of a run. It writes
// nothing; a [Recorder] does, and has one.
type Linker struct {
	link  chain.Linker
	order order
}

// SealFields are the facts of a seal that do not follow from the records.
type SealFields struct {
	Before  digest.Digest // footprint tree: what was read
	After   digest.Digest // footprint tree: read and written
	Outputs []Output
}

// Len returns the number of records so far.
func (l *Linker) Len() int64 {
	n, _ := l.link.Next()
	return n
}

// Append sets the number, the previous digest and the type of r, and appends
// its line, without a newline, to dst. On an error the run is as it was.
func (l *Linker) Append(dst []byte, r Record) ([]byte, error) {
	e := r.envelope()
	e.N, e.Prev = l.link.Next()
	e.T = r.kind()
	if err := l.order.check(r); err != nil {
		return dst, fmt.Errorf("record %d: %w", e.N, err)
	}
	start := len(dst)
	out, err := canon.Append(dst, r)
	if err != nil {
		return dst, fmt.Errorf("record %d: %s: %w", e.N, e.T, err)
	}
	line := out[start:]
	if len(line) > MaxLine || e.N >= MaxRecords {
		return dst, fmt.Errorf("record %d: %s: %d bytes: limits are %d bytes and %d records", e.N, e.T, len(line), MaxLine, MaxRecords)
	}
	if err := l.link.Add(e.N, e.Prev, line); err != nil {
		return dst, err
	}
	l.order.note(r)
	return out, nil
}

// Seal appends the line of the seal to dst, and returns the seal and the
// freeze manifest it names. The digest of the line is the run's ID.
func (l *Linker) Seal(dst []byte, f SealFields) (line []byte, s *Seal, manifest []byte, err error) {
	manifest, err = l.order.manifest()
	if err != nil {
		return dst, nil, nil, err
	}
	n, _ := l.link.Next()
	s = &Seal{
		Count: n, Root: l.link.Root(), Freeze: digest.Of(manifest),
		Before: f.Before, After: f.After, Outputs: f.Outputs,
	}
	line, err = l.Append(dst, s)
	return line, s, manifest, err
}

// add takes a line that was read, after checking that it follows.
func (l *Linker) add(r Record, line []byte) error {
	e := r.envelope()
	if err := l.link.Add(e.N, e.Prev, line); err != nil {
		return err
	}
	if err := l.order.check(r); err != nil {
		return err
	}
	l.order.note(r)
	return nil
}

// Last returns the digest of the last line; once that is the seal, the run's ID.
func (l *Linker) Last() digest.Digest {
	_, d := l.link.Next()
	return d
}

// An order knows which records may come next, and the calls so far.
type order struct {
	state state
	calls []frozenCall
	index map[int64]int    // n of a call record to its place in calls
	opens map[int64]string // n of the fork and step records that have not ended
}

type state uint8

const (
	atStart state = iota
	running
	ended
	closed
)

// A frozenCall is one entry of the freeze manifest.
type frozenCall struct {
	n   int64
	req digest.Call
	ans *digest.Answer
}

// check reports why r may not be the next record.
func (o *order) check(r Record) error {
	switch r.(type) {
	case *Open:
		if o.state != atStart {
			return fmt.Errorf("a second open record")
		}
		return nil
	case *Seal:
		if o.state != ended {
			return fmt.Errorf("a seal without an end before it")
		}
		return nil
	}
	switch o.state {
	case atStart:
		return fmt.Errorf("%s where the open record belongs", r.kind())
	case ended, closed:
		return fmt.Errorf("%s after the end", r.kind())
	}
	switch r := r.(type) {
	case *Answer:
		i, ok := o.index[r.Call]
		if !ok {
			return fmt.Errorf("answer: record %d is not a call", r.Call)
		}
		if o.calls[i].ans != nil {
			return fmt.Errorf("answer: call %d has one already", r.Call)
		}
	case *StepEnd:
		return o.checkOpen(r.Step, "step")
	case *Rollback:
		return o.checkOpen(r.Step, "step")
	case *Join:
		return o.checkOpen(r.Fork, "fork")
	}
	return nil
}

func (o *order) checkOpen(n int64, kind string) error {
	if o.opens[n] != kind {
		return fmt.Errorf("record %d is not a %s that can end", n, kind)
	}
	return nil
}

// note takes a record that check has let pass.
func (o *order) note(r Record) {
	switch r := r.(type) {
	case *Open:
		*o = order{state: running, index: make(map[int64]int), opens: make(map[int64]string)}
	case *Call:
		o.index[r.N] = len(o.calls)
		o.calls = append(o.calls, frozenCall{n: r.N, req: r.Req})
	case *Answer:
		o.calls[o.index[r.Call]].ans = &r.Ans
	case *Step:
		o.opens[r.N] = "step"
	case *StepEnd:
		delete(o.opens, r.Step)
	case *Fork:
		o.opens[r.N] = "fork"
	case *Join:
		delete(o.opens, r.Fork)
	case *End:
		o.state = ended
	case *Seal:
		o.state = closed
	}
}

// manifest returns the freeze manifest: [[n,req,ans],…] in call order.
func (o *order) manifest() ([]byte, error) {
	out := []byte{'['}
	for i, c := range o.calls {
		if c.ans == nil {
			return nil, fmt.Errorf("record %d: call without an answer", c.n)
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, `[%d,"%s","%s"]`, c.n, c.req, *c.ans)
	}
	return append(out, ']'), nil
}
