package program

import (
	"bytes"
	"io"
	"strconv"
	"time"

	"github.com/coo-runtime/coo/internal/wire"
)

// How long a part of a live answer that may be its end is kept back, while
// several exchanges are under way: by then the end has come, or this was not
// it. What is an event stream is passed on as it comes, but for the event
// that says that it is over.
const (
	holdPart = 5 * time.Millisecond
	holdOver = 100 * time.Millisecond
)

// body passes the chunks on as they come, and returns what goes with the end
// of the answer. For many programs that is the last chunk, and not the end
// that follows: what decides which answer ends first must have its place in
// the order.
func (e *exchange) body() (last []byte, err error) {
	stream := wire.IsEventStream(first(e.ans.Headers, "content-type"))
	over := false
	for {
		chunk, err := e.next(e.patience(last, over))
		switch {
		case err == io.EOF:
			return last, nil
		case err != nil:
			return nil, err
		case chunk == nil: // it was not the end
			e.left(e.x.Write(last))
			last, over = nil, false
			continue
		}
		if err := e.keep(chunk); err != nil {
			return nil, err
		}
		e.p.gate.stir()
		over = over || stream && saysOver(chunk)
		if e.holds(stream, over) {
			if !over && last != nil {
				e.left(e.x.Write(last))
				last = last[:0]
			}
			last = append(last, chunk...)
			continue
		}
		e.left(e.x.Write(chunk))
	}
}

// holds reports whether a chunk is kept back.
func (e *exchange) holds(stream, over bool) bool {
	switch {
	case over:
		return true
	case e.s.Live:
		return !stream && !e.p.alone()
	}
	return true
}

// patience is how long the next chunk of a live answer is waited for before
// what is kept back goes; 0: as long as it takes.
func (e *exchange) patience(last []byte, over bool) time.Duration {
	switch {
	case !e.s.Live || len(last) == 0:
		return 0
	case over:
		return holdOver
	}
	return holdPart
}

// keep puts a chunk where a kill does not reach it, before it is shown.
func (e *exchange) keep(chunk []byte) error {
	if _, err := e.spool.Write(chunk); err != nil {
		return err
	}
	e.count(chunk)
	if e.s.Live {
		e.p.shown.Store(true)
	}
	return nil
}

// count makes a chunk part of the answer.
func (e *exchange) count(chunk []byte) {
	e.ans.Lens = append(e.ans.Lens, len(chunk))
	e.ans.Size += int64(len(chunk))
	if len(e.small) <= wire.MaxInline {
		e.small = append(e.small, chunk...)
	}
}

// gather reads a live answer to its end, if it is short, is to come whole and
// does so at once, and nothing else is under way. It reports whether it did;
// if not, what was read comes next.
func (e *exchange) gather(headers [][2]string) bool {
	length, err := strconv.ParseInt(first(headers, "content-length"), 10, 63)
	if err != nil || length > wire.MaxInline || !e.p.alone() {
		return false
	}
	var ahead [][]byte
	size, next, over := int64(0), e.next, time.Now().Add(gatherFor)
	for {
		chunk, err := next(max(time.Until(over), time.Microsecond))
		if err == io.EOF && size == length {
			for _, c := range ahead {
				e.count(c)
			}
			return true
		}
		if chunk == nil || err != nil {
			e.next = after(ahead, err, next)
			return false
		}
		ahead = append(ahead, chunk)
		size += int64(len(chunk))
	}
}

// gatherFor is how long a short answer may take from its head to its end to
// be let out whole.
const gatherFor = time.Millisecond

// after returns chunks that were read, then err or, if it is nil, what next
// returns.
func after(chunks [][]byte, err error, next func(time.Duration) ([]byte, error)) func(time.Duration) ([]byte, error) {
	return func(wait time.Duration) ([]byte, error) {
		switch {
		case len(chunks) > 0:
			chunk := chunks[0]
			chunks = chunks[1:]
			return chunk, nil
		case err != nil:
			return nil, err
		}
		return next(wait)
	}
}

// frozenChunks returns the chunks of a frozen answer: they do not have to be
// waited for.
func (e *exchange) frozenChunks() func(time.Duration) ([]byte, error) {
	return func(time.Duration) ([]byte, error) { return e.s.Next() }
}

// liveChunks returns the chunks of a live answer. When none comes within a
// wait that is not 0, the chunk is nil. stop is called at the end.
func (e *exchange) liveChunks() (next func(time.Duration) ([]byte, error), stop func()) {
	type result struct {
		chunk []byte
		err   error
	}
	results, quit := make(chan result), make(chan struct{})
	go func() {
		for {
			chunk, err := e.s.Next()
			select {
			case results <- result{bytes.Clone(chunk), err}:
			case <-quit:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	next = func(wait time.Duration) ([]byte, error) {
		var late <-chan time.Time
		if wait > 0 {
			late = time.After(wait)
		}
		select {
		case r := <-results:
			return r.chunk, r.err
		case <-late:
			return nil, nil
		}
	}
	return next, func() { close(quit) }
}

// endings are what the last event of a stream of a language model holds.
var endings = [][]byte{
	[]byte("data: [DONE]"),       // OpenAI's chat completions
	[]byte("response.completed"), // its responses
	[]byte("message_stop"),       // Anthropic
	[]byte(`"finishReason"`),     // Gemini
	[]byte(`"done":true`),        // Ollama
	[]byte("messageStop"),        // Bedrock
}

// saysOver reports whether a chunk says that its stream is over. Some clients
// read no further.
func saysOver(chunk []byte) bool {
	for _, end := range endings {
		if bytes.Contains(chunk, end) {
			return true
		}
	}
	return false
}

func first(headers [][2]string, name string) string {
	for _, h := range headers {
		if h[0] == name {
			return h[1]
		}
	}
	return ""
}
