package freeze

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/coo-runtime/coo/internal/wire"
)

// maxChunk is the length in bytes of the longest chunk that a frozen stream
// hands on; none that coo has recorded is longer.
const maxChunk = 1 << 20

// errNoStreams is the caller's fault: what it gave to NewFill answers missions.
var errNoStreams = errors.New("freeze: internal error: a program's call is to be sent by what sends no streams")

// SetRules tells by which rules the keys of programs' calls are made:
// [wire.ProgramRules] unless it is called. It is called before the first call.
//
// A source that was made under fewer rules of the user's is normalised again
// under these; one made under more is not used, and Skipped says so.
func (f *Frozen) SetRules(rules *wire.Rules) { f.index.rules = rules }

// SetRules is [Frozen.SetRules].
func (f *Fill) SetRules(rules *wire.Rules) { f.frozen.SetRules(rules) }

// Stream implements [Streamer]. A call without a frozen answer is a
// [*MissError]. The answer is the recorded one, chunk by chunk, as fast as it
// is read. One that the program left is handed on as far as it had come to it,
// and ends with "client": that the program leaves again is to be waited for.
func (f *Frozen) Stream(ctx context.Context, c Call) (*Stream, error) {
	s, recorded, err := f.stream(ctx, c)
	if s != nil || err != nil {
		return s, err
	}
	return nil, f.miss(c, recorded, true)
}

// stream returns the frozen stream of c, nil when there is none.
func (f *Frozen) stream(ctx context.Context, c Call) (s *Stream, recorded int, err error) {
	h, recorded, ok, err := f.find(c, f.index.programRules())
	if err != nil || !ok {
		return nil, recorded, err
	}
	from, err := newFrozenStream(ctx, h)
	if err != nil {
		return nil, recorded, fmt.Errorf("%s: %w", h.source.name, err)
	}
	return &Stream{
		Source: h.source.name, SourceCall: h.call,
		Place:     Place{Rank: h.rank, P: h.p, Head: h.head, Tail: h.answer},
		Moments:   h.moments,
		RulesUsed: rulesUsed(c, h),
		from:      from,
	}, recorded, nil
}

// rulesUsed returns the rules without which h were no answer to c, as far as
// can be told.
func rulesUsed(c Call, h hit) []string {
	if !h.again {
		return c.Used
	}
	return append(slices.Clone(c.Used), "the source was normalised again under this run's rules")
}

// Positions returns the numbers of all heads and tails of program p, the exec
// call of that number, in the source of a [Place]: the order in which they
// were released.
func (f *Frozen) Positions(rank int, p int64) []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []int64
	if rank < 0 || rank >= len(f.index.read) {
		return nil
	}
	for _, c := range f.index.read[rank].calls {
		if c.p != p || p == 0 {
			continue
		}
		if c.head > 0 {
			out = append(out, c.head)
		}
		out = append(out, c.answer)
	}
	slices.Sort(out)
	return out
}

// Stream implements [Streamer], when what calls are sent to is one.
func (f *Fill) Stream(ctx context.Context, c Call) (*Stream, error) {
	s, _, err := f.frozen.stream(ctx, c)
	if s != nil || err != nil {
		return s, err
	}
	live, ok := f.live.(Streamer)
	if !ok {
		return nil, errNoStreams
	}
	return live.Stream(ctx, c)
}

// Positions is [Frozen.Positions].
func (f *Fill) Positions(rank int, p int64) []int64 { return f.frozen.Positions(rank, p) }

// A frozenStream reads a recorded answer.
type frozenStream struct {
	ctx   context.Context
	what  string // the source and the call, for errors
	info  *wire.AnswerInfo
	body  io.Reader // nil: it is over
	file  io.Closer // what body is read from, if that is to be closed
	lens  []int     // of the chunks to come
	left  int64     // bytes to come
	buf   []byte
	early bool // the program left before the recorded end
}

func newFrozenStream(ctx context.Context, h hit) (*frozenStream, error) {
	_, info, err := h.info(h.frozenCall)
	if err != nil {
		return nil, err
	}
	s := &frozenStream{
		ctx: ctx, what: fmt.Sprintf("%s: answer of call %d", h.source.name, h.call),
		info: info, lens: info.Lens, left: info.Size,
	}
	switch {
	case info.Body == nil:
		s.body = bytes.NewReader(info.Inline)
	case h.open != nil:
		s.body, err = h.open(*info.Body)
		s.file, _ = s.body.(io.Closer)
	default:
		var b []byte
		b, err = h.blob(*info.Body)
		s.body = bytes.NewReader(b)
	}
	return s, err
}

func (s *frozenStream) head() (int, [][2]string, error) {
	return s.info.Status, s.info.Headers, nil
}

func (s *frozenStream) next() ([]byte, error) {
	if s.ctx.Err() != nil {
		s.leave()
	}
	if s.body == nil {
		return nil, io.EOF
	}
	if s.left == 0 {
		if err := s.whole(); err != nil {
			return nil, err
		}
		s.body = nil
		return nil, io.EOF
	}
	n := s.size()
	if cap(s.buf) < n {
		s.buf = make([]byte, max(n, 4<<10))
	}
	s.buf = s.buf[:n]
	if _, err := io.ReadFull(s.body, s.buf); err != nil {
		return nil, s.damage(err)
	}
	s.left -= int64(n)
	return s.buf, nil
}

// size returns the length of the next chunk and takes it off lens.
func (s *frozenStream) size() int {
	if len(s.lens) == 0 { // a mission made the call
		return int(min(s.left, streamBuffer))
	}
	n := min(s.lens[0], maxChunk)
	if n == s.lens[0] {
		s.lens = s.lens[1:]
		return n
	}
	s.lens = slices.Clone(s.lens)
	s.lens[0] -= n
	return n
}

// whole reads the end of a body, which must be there: its digest is checked
// with it.
func (s *frozenStream) whole() error {
	if n, err := s.body.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return s.damage(err)
	}
	return nil
}

func (s *frozenStream) damage(err error) error {
	if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%s: its body has another length than it tells", s.what)
	}
	return fmt.Errorf("%s: %w", s.what, err)
}

// leave ends a stream whose program has left.
func (s *frozenStream) leave() {
	if s.body != nil {
		s.early, s.body = true, nil
	}
}

func (s *frozenStream) end() (string, [][2]string) {
	if s.early {
		return "client", nil
	}
	return s.info.Error, s.info.Trailers
}

func (s *frozenStream) timing() Timing { return Timing{} }

func (s *frozenStream) close() error {
	s.leave()
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
