package freeze

import (
	"io"
	"strings"

	"github.com/coo-runtime/coo/internal/coding"
	"github.com/coo-runtime/coo/internal/wire"
)

// awsEventStream is the content type of Amazon's framing; see [frames].
const awsEventStream = "application/vnd.amazon.eventstream"

// readable reports whether text of another length may be put into a body of
// this content type without breaking it.
func readable(contentType string) bool {
	t, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	t = strings.TrimSpace(t)
	switch {
	case strings.HasPrefix(t, "text/"), strings.HasSuffix(t, "+json"), strings.HasSuffix(t, "+xml"):
		return true
	case wire.IsEventStream(t):
		return t != awsEventStream
	}
	switch t {
	case "application/json", "application/xml", "application/javascript", "application/yaml", "application/x-yaml", "application/x-www-form-urlencoded":
		return true
	}
	return false
}

// A plainBody hands on what it reads, as it comes.
type plainBody struct {
	r   io.Reader
	buf []byte
	err error // to be returned next
}

func (b *plainBody) next() ([]byte, error) {
	for {
		if b.err != nil {
			return nil, b.err
		}
		n, err := b.r.Read(b.buf)
		b.err = err
		if n > 0 {
			return b.buf[:n], nil
		}
	}
}

// A wholeBody holds what was read of a body, and what is to be read of it.
type wholeBody struct {
	chunks [][]byte
	err    error // after the chunks; nil: rest goes on
	rest   body
}

func (b *wholeBody) next() ([]byte, error) {
	if len(b.chunks) > 0 {
		c := b.chunks[0]
		b.chunks = b.chunks[1:]
		return c, nil
	}
	if b.err != nil {
		return nil, b.err
	}
	return b.rest.next()
}

// again returns a body that hands on what b holds and leaves b as it is.
func (b *wholeBody) again() body {
	c := *b
	return &c
}

func (b *wholeBody) lens() []int {
	lens := []int{}
	for _, c := range b.chunks {
		lens = append(lens, len(c))
	}
	return lens
}

// setBytes makes b hold what all says: in chunks of these lengths, or, when
// lens is nil, of [streamBuffer].
func (b *wholeBody) setBytes(all []byte, lens []int) {
	b.chunks = nil
	for len(all) > 0 {
		n := min(len(all), streamBuffer)
		if lens != nil {
			n, lens = lens[0], lens[1:]
		}
		b.chunks = append(b.chunks, all[:n])
		all = all[n:]
	}
}

// A redactedBody takes the secrets out of a body as it comes. Of one that
// breaks off, what may be the beginning of a secret goes too, from the length
// of the shortest secret.
type redactedBody struct {
	from     body
	text     *wire.Redactor
	redactor *redactor
	err      error
}

func (b *redactedBody) next() ([]byte, error) {
	for b.err == nil {
		chunk, err := b.from.next()
		out := b.text.Write(chunk)
		if err != nil {
			b.err = err
			held := b.text.Close()
			if err == io.EOF || len(held) < wire.MinSecret {
				out = held
			}
		}
		b.redactor.replaced = b.redactor.replaced || b.text.Hits() > 0
		if len(out) > 0 {
			return out, nil
		}
	}
	return nil, b.err
}

// A decodedBody undoes the codings of a body as it comes.
type decodedBody struct {
	coded   io.Reader
	codings []string
	left    int64 // how much more it may have, decoded
	r       io.Reader
	closer  func()
	buf     []byte
	err     error
}

func (b *decodedBody) next() ([]byte, error) {
	if b.r == nil && b.err == nil {
		b.buf = make([]byte, streamBuffer)
		b.r, b.closer, b.err = coding.Decode(b.coded, b.codings)
	}
	for b.err == nil {
		n, err := b.r.Read(b.buf)
		b.err = err
		if int64(n) > b.left {
			n, b.err = int(b.left), errLimit
		}
		b.left -= int64(n)
		if n > 0 {
			return b.buf[:n], nil
		}
	}
	return nil, b.err
}

func (b *decodedBody) done() {
	if b.closer != nil {
		b.closer()
		b.closer = nil
	}
}

// A bodyReader reads a body as bytes.
type bodyReader struct {
	from  body
	chunk []byte
}

func (r *bodyReader) Read(p []byte) (int, error) {
	if len(r.chunk) == 0 {
		var err error
		if r.chunk, err = r.from.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

// drain reads b to its end and appends it to out unless that is nil.
func drain(b body, out *[]byte) error {
	for {
		chunk, err := b.next()
		if err != nil {
			return err
		}
		if out != nil {
			*out = append(*out, chunk...)
		}
	}
}
