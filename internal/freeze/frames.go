package freeze

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// The framing of application/vnd.amazon.eventstream: total length, length of
// the headers, CRC-32 of these eight bytes, headers, payload, CRC-32 of all
// before it, numbers big-endian.
// https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html
const (
	framePrelude = 12
	frameCRC     = 4
	maxFrame     = 16<<20 + 128<<10 + framePrelude + frameCRC
)

// frames hands on an Amazon event stream message by message, in pieces when
// they are long, byte for byte but for secrets, which are covered without changing a length; the checksum of
// such a message is repaired. What is not in the framing is searched as it
// comes.
type frames struct {
	from     body
	redactor *redactor
	held     []byte
	message  []byte        // what is left of the one that is handed on
	loose    *redactedBody // once the framing is lost
	err      error
}

func newFrames(from body, r *redactor) *frames { return &frames{from: from, redactor: r} }

func (f *frames) next() ([]byte, error) {
	for f.loose == nil {
		if n := min(len(f.message), streamBuffer); n > 0 {
			piece := f.message[:n]
			f.message = f.message[n:]
			return piece, nil
		}
		n := f.size()
		if n > 0 && len(f.held) >= n {
			f.message = slices.Clone(f.held[:n])
			f.held = f.held[n:]
			f.cover(f.message)
			continue
		}
		if n < 0 || f.err != nil {
			break
		}
		var chunk []byte
		chunk, f.err = f.from.next()
		f.held = append(f.held, chunk...)
	}
	if f.loose == nil {
		rest := &wholeBody{rest: f.from, err: f.err}
		if len(f.held) > 0 {
			rest.chunks = [][]byte{f.held}
		}
		f.loose = &redactedBody{from: rest, text: f.redactor.exact.Cover(), redactor: f.redactor}
	}
	return f.loose.next()
}

// size returns the length of the message that f.held begins with, 0 when too
// little of it is there and -1 when it is none.
func (f *frames) size() int {
	if len(f.held) < framePrelude {
		return 0
	}
	n := binary.BigEndian.Uint32(f.held)
	headers := binary.BigEndian.Uint32(f.held[4:])
	sum := binary.BigEndian.Uint32(f.held[8:])
	if n > maxFrame || n < framePrelude+frameCRC || headers > n-framePrelude-frameCRC || crc32.ChecksumIEEE(f.held[:8]) != sum {
		return -1
	}
	return int(n)
}

// cover covers the secrets in the message m.
func (f *frames) cover(m []byte) {
	inside := m[framePrelude : len(m)-frameCRC]
	if _, ok := f.redactor.exact.Find(inside); !ok {
		return
	}
	sound := crc32.ChecksumIEEE(m[:len(m)-frameCRC]) == binary.BigEndian.Uint32(m[len(m)-frameCRC:])
	text := f.redactor.exact.Cover()
	clean := text.Write(inside)
	copy(inside, append(slices.Clone(clean), text.Close()...))
	f.redactor.replaced = true
	if sound { // a broken one stays broken
		binary.BigEndian.PutUint32(m[len(m)-frameCRC:], crc32.ChecksumIEEE(m[:len(m)-frameCRC]))
	}
}
