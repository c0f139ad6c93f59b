package freeze

import (
	"context"
)

// A Streamer answers the calls of a program, many at once, each as a stream.
// Stream and Close may be called from any goroutine.
//
//	s, err := streamer.Stream(ctx, call)
//	status, headers, err := s.Head()
//	for err == nil {
//		chunk, err = s.Next()
//	}
//	failure, trailers := s.End()
//	s.Close()
type Streamer interface {
	// Stream begins the answer of c and does not wait for it. An error means
	// that the call can have no answer, as with [Answerer.Ask]. The program
	// leaves when ctx is done.
	Stream(ctx context.Context, c Call) (*Stream, error)
	// Close cancels the streams that are open.
	Close() error
}

// A Stream is one answer as it comes. Its methods are called by one goroutine,
// in the order Head, Next until it fails, End, Close; Close may come earlier.
type Stream struct {
	Live       bool
	Source     string // name of the source, when frozen
	SourceCall int64  // number of the call in the source, when frozen
	Place      Place
	// Moments are those of the deliveries of a frozen stream: head, chunks,
	// end. A chunk that has none was delivered with the end. nil: the source
	// is no run at level deterministic.
	Moments   []Moment
	RulesUsed []string // of the call, when frozen: what left something out of its identity

	from streamed
}

// A Place is where the source of a frozen stream recorded it: by the numbers
// of its records there, 0 when the source is no run.
type Place struct {
	Rank int   // of the source, 0 is the newest; -1: the stream is live
	P    int64 // the program's exec call
	Head int64 // 0: no head came
	Tail int64 // of the answer, when a mission made the call
}

// A Moment is where its source recorded that something of an answer was
// delivered to a program, and when, by the program's clock.
type Moment struct {
	N  int64 // of the record
	At int64 // nanoseconds since the program began
}

// streamed is what answers a Stream.
type streamed interface {
	head() (status int, headers [][2]string, err error)
	next() ([]byte, error)
	end() (failure string, trailers [][2]string)
	timing() Timing
	close() error
}

// Head waits for the head of the answer. Headers have the form they have in an
// answer document. Status 0 means that none came: End says why. An error is
// about the run itself.
func (s *Stream) Head() (status int, headers [][2]string, err error) { return s.from.head() }

// Next returns the next chunk of the body as it came, never an empty one, and
// [io.EOF] after the last. It is valid until the next call. Any other error is
// about the run itself.
func (s *Stream) Next() ([]byte, error) { return s.from.next() }

// End returns, after Next has returned io.EOF, how the answer ended: "" for
// well, or a failure of package wire ("client": ctx was done). A failure with
// a status of 0 came before the head.
func (s *Stream) End() (failure string, trailers [][2]string) { return s.from.end() }

// Timing returns what was observed so far of a live stream.
func (s *Stream) Timing() Timing { return s.from.timing() }

// Close lets go of the stream; one that has not ended is cancelled.
func (s *Stream) Close() error { return s.from.close() }
