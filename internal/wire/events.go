package wire

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits on event streams.
const (
	MaxLine   = 16 << 20 // bytes of the longest line
	MaxEvents = 1_000_000
)

// An Event is one message of a stream.
type Event struct {
	Name string // the event's type, "message" when it told none; "" for NDJSON
	Data string
}

// IsEventStream reports whether an answer of this content type comes in
// pieces that mean something, so that its chunk boundaries are recorded:
// server-sent events, newline-delimited JSON, Amazon event streams.
func IsEventStream(contentType string) bool {
	t := mediaType(contentType)
	return t == "text/event-stream" || t == "application/vnd.amazon.eventstream" || ndjson(t)
}

func ndjson(t string) bool {
	switch t {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/json-lines":
		return true
	}
	return false
}

func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// Events returns the events of a whole stream: server-sent events as the WHATWG
// HTML standard, section 9.2.6, reads them, or the non-empty lines of
// newline-delimited JSON.
//
// An event that the end of a server-sent stream cuts short is not returned;
// id and retry fields and comments are skipped; each byte that is not UTF-8
// becomes U+FFFD. A line longer than [MaxLine], more than [MaxEvents] events
// and any other content type are errors.
func Events(contentType string, body []byte) ([]Event, error) {
	t := mediaType(contentType)
	switch {
	case t == "text/event-stream":
		return sse(body)
	case ndjson(t):
		return lines(body)
	}
	return nil, fmt.Errorf("events: content type %.80q is not text/event-stream or newline-delimited JSON", t)
}

func sse(body []byte) ([]Event, error) {
	var (
		out  []Event
		name string
		data []byte
		has  bool
	)
	body = bytes.TrimPrefix(body, []byte("\uFEFF"))
	for n := 1; ; n++ {
		line, rest, ok := cutLine(body)
		if len(line) > MaxLine {
			return nil, fmt.Errorf("events: line %d: longer than %d bytes", n, MaxLine)
		}
		if !ok {
			return out, nil
		}
		body = rest
		if len(line) > 0 {
			field, value, _ := bytes.Cut(line, []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(field) {
			case "event":
				name = text(value)
			case "data":
				data, has = append(append(data, value...), '\n'), true
			}
			continue
		}
		if has {
			if len(out) == MaxEvents {
				return nil, fmt.Errorf("events: more than %d", MaxEvents)
			}
			if name == "" {
				name = "message"
			}
			out = append(out, Event{name, text(data[:len(data)-1])})
		}
		name, data, has = "", data[:0], false
	}
}

// cutLine cuts b after its first line, which ends in LF, CR or CRLF; it
// reports whether there was an end.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexAny(b, "\r\n")
	if i < 0 {
		return b, nil, false
	}
	rest = b[i+1:]
	if b[i] == '\r' {
		rest = bytes.TrimPrefix(rest, []byte("\n"))
	}
	return b[:i], rest, true
}

// text returns b with each byte that is not UTF-8 replaced.
func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string([]rune(string(b)))
}

func lines(body []byte) ([]Event, error) {
	var out []Event
	for n := 1; len(body) > 0; n++ {
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		if len(line) > MaxLine {
			return nil, fmt.Errorf("events: line %d: longer than %d bytes", n, MaxLine)
		}
		body = rest
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(out) == MaxEvents {
			return nil, fmt.Errorf("events: more than %d", MaxEvents)
		}
		out = append(out, Event{Data: text(line)})
	}
	return out, nil
}
