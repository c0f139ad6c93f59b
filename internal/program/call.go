package program

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/wire"
)

// A call is an exchange of a program at level deterministic, and the part of
// its answer that comes next: the head, then each chunk, then the end.
//
//	frozen   all of it is at hand: one chunk is read ahead, and its successor
//	live     the part that has arrived is put here when it is delivered
type call struct {
	*exchange
	cancel context.CancelFunc // of the stream
	served chan struct{}      // closed when the exchange is over
	done   chan struct{}      // closed when nobody else uses the stream
	over   bool

	status    int // of the head, 0: none comes
	headers   [][2]string
	headed    bool
	delivered int    // parts
	chunk     []byte // nil: none is left
	after     []byte // frozen: the chunk after it
	last      bool   // live: the end has come, perhaps with chunk
	failure   string
	trailers  [][2]string
}

// A part is one of an answer.
type part uint8

const (
	aHead part = iota
	aChunk
	anEnd
)

// begin reads the head of a frozen answer, and the first chunks.
func (e *call) begin() (err error) {
	if e.status, e.headers, err = e.s.Head(); err != nil || e.status == 0 {
		e.failure, e.trailers = e.s.End()
		return err
	}
	if e.chunk, err = e.read(); err != nil {
		return err
	}
	if e.after, err = e.read(); err != nil {
		return err
	}
	return nil
}

// read reads a chunk of a frozen answer, nil after the last.
func (e *call) read() ([]byte, error) {
	chunk, err := e.s.Next()
	if err == io.EOF {
		e.failure, e.trailers = e.s.End()
		return nil, nil
	}
	return bytes.Clone(chunk), err
}

// advance goes on to the next chunk.
func (e *call) advance() error {
	e.chunk, e.after = e.after, nil
	if e.s.Live || e.chunk == nil {
		return nil
	}
	var err error
	e.after, err = e.read()
	return err
}

// withEnd reports whether the chunk that comes next goes out with the end of
// the answer: as it was recorded, and where no time was recorded, the last of
// an answer does.
func (e *call) withEnd() bool {
	switch {
	case e.s.Live:
		return e.last
	case e.after != nil || e.failure == "client":
		return false
	case e.s.Moments == nil:
		return true
	}
	return e.delivered >= len(e.s.Moments)-1
}

// ready reports whether a part of a frozen answer waits to be delivered. The
// end of an answer that the program left does not: it is to leave again.
func (e *call) ready() bool {
	return e.chunk != nil || e.failure != "client" || e.status != 0 && !e.headed
}

// due returns where and when the part of a frozen answer that comes next was
// recorded. What has no time is due at once; between head and end of an answer
// without, chunks are due after the head.
func (e *call) due() freeze.Moment {
	m, place := e.s.Moments, e.s.Place
	ending := (e.headed || e.status == 0) && (e.chunk == nil || e.withEnd())
	switch {
	case ending && len(m) > 0:
		return m[len(m)-1]
	case len(m) > 0:
		return m[min(e.delivered, len(m)-1)]
	case ending || place.Head == 0:
		return freeze.Moment{N: place.Tail}
	}
	return freeze.Moment{N: place.Head}
}

// arrived puts a part of a live answer in its place.
func (e *call) arrived(a arrival) {
	switch a.kind {
	case aHead:
		e.status, e.headers = a.status, a.headers
	case aChunk:
		e.chunk = a.chunk
	case anEnd:
		e.chunk, e.last, e.failure, e.trailers = a.chunk, true, a.failure, a.trailers
	}
}

// stop ends the stream; nobody uses it afterwards. It may be called again.
func (e *call) stop() {
	e.cancel()
	if e.s == nil {
		return
	}
	<-e.done
	e.s.Close()
}

// listenTo passes on the chunks of a live answer as they come, but for one that
// may be the last, which is kept a moment: what comes with the end goes out
// with it.
func (e *call) listenTo(headers [][2]string, post func([]byte)) (last []byte, err error) {
	next, stop := e.liveChunks()
	defer stop()
	stream := wire.IsEventStream(first(headers, "content-type"))
	ended := false // the stream says so
	for {
		wait := time.Duration(0)
		switch {
		case last != nil && ended:
			wait = holdOver
		case last != nil:
			wait = holdPart
		}
		chunk, err := next(wait)
		switch {
		case err == io.EOF:
			return last, nil
		case err != nil:
			return nil, err
		}
		if last != nil {
			post(last)
			last = nil
		}
		if chunk == nil {
			continue // it was not the end
		}
		if ended = ended || stream && saysOver(chunk); stream && !ended {
			post(chunk)
			continue
		}
		last = chunk
	}
}
