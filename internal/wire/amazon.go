package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A Frame is one message of an Amazon event stream.
type Frame struct {
	Type      string // the header :event-type, :exception-type or :error-code
	Exception bool   // it reports an error
	Payload   []byte
}

// amazonEventStream is the content type of such a stream.
const amazonEventStream = "application/vnd.amazon.eventstream"

var errFrame = errors.New("frames: not an Amazon event stream, or a broken one")

// Frames returns the messages of application/vnd.amazon.eventstream: total
// length, length of the headers, CRC-32 of these eight bytes, headers, payload,
// CRC-32 of all before it, numbers big-endian. Those before the first that is
// broken, or cut short, come with the error.
// https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html
func Frames(body []byte) ([]Frame, error) {
	var out []Frame
	for len(body) > 0 {
		f, n, err := cutFrame(body)
		if err != nil {
			return out, err
		}
		if len(out) == MaxEvents {
			return out, fmt.Errorf("frames: more than %d", MaxEvents)
		}
		out = append(out, f)
		body = body[n:]
	}
	return out, nil
}

// cutFrame reads the message at the start of b and returns its length.
func cutFrame(b []byte) (f Frame, n int, err error) {
	const prelude, sum = 12, 4
	if len(b) < prelude+sum {
		return f, 0, errFrame
	}
	total, headers := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if uint64(total) > uint64(len(b)) || total < prelude+sum || headers > total-prelude-sum {
		return f, 0, errFrame
	}
	n = int(total)
	if crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]) ||
		crc32.ChecksumIEEE(b[:n-sum]) != binary.BigEndian.Uint32(b[n-sum:]) {
		return f, 0, errFrame
	}
	if err := f.headers(b[prelude : prelude+headers]); err != nil {
		return f, 0, err
	}
	f.Payload = b[prelude+headers : n-sum]
	return f, n, nil
}

// frameValues are the lengths of the values of the types of headers; of -1,
// two bytes before the value tell it.
var frameValues = [...]int{0, 0, 1, 2, 4, 8, -1, -1, 8, 16}

// headers reads a message's headers: length of the name (1), name, type (1),
// value.
func (f *Frame) headers(b []byte) error {
	for len(b) > 0 {
		end := 1 + int(b[0])
		if end >= len(b) || int(b[end]) >= len(frameValues) {
			return errFrame
		}
		name, size := string(b[1:end]), frameValues[b[end]]
		b = b[end+1:]
		if size < 0 {
			if len(b) < 2 {
				return errFrame
			}
			size = int(binary.BigEndian.Uint16(b))
			b = b[2:]
		}
		if size > len(b) {
			return errFrame
		}
		switch value := string(b[:size]); name {
		case ":event-type":
			f.Type = value
		case ":exception-type", ":error-code":
			f.Type, f.Exception = value, true
		}
		b = b[size:]
	}
	return nil
}
