package wire

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestServerSentEvents(t *testing.T) {
	msg := func(data ...string) []Event {
		var out []Event
		for _, d := range data {
			out = append(out, Event{"message", d})
		}
		return out
	}
	for _, c := range []struct {
		what, in string
		want     []Event
	}{
		// The examples of the standard, section 9.2.6.
		{"three lines", "data: YHOO\ndata: +2\ndata: 10\n\n", msg("YHOO\n+2\n10")},
		{"comment, ids, a cut event", ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n", msg("first event", "second event")},
		{"empty data", "data\n\ndata\ndata\n\ndata:", msg("", "\n")},
		{"with and without space", "data:test\n\ndata: test\n\n", msg("test", "test")},

		{"named", "event: message_start\ndata: {}\n\n", []Event{{"message_start", "{}"}}},
		{"name without data", "event: x\n\ndata: y\n\n", msg("y")},
		{"last name wins", "event: a\nevent: b\ndata:\n\n", []Event{{"b", ""}}},
		{"CRLF", "data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", msg("a\nb", "c")},
		{"CR", "data: a\r\rdata: b\r\r", msg("a", "b")},
		{"mixed ends", "data: a\r\n\ndata: b\n\r\n", msg("a", "b")},
		{"byte order mark", "\ufeffdata: a\n\n", msg("a")},
		{"only one mark", "\ufeff\ufeffdata: a\n\n", nil},
		{"unknown fields", "retry: 3\nfoo: bar\nData: no\ndata: yes\n\n", msg("yes")},
		{"colon in data", "data: a: b\n\n", msg("a: b")},
		{"end without a blank line", "data: a\n", nil},
		{"end inside a line", "data: a", nil},
		{"end after CR", "data: a\n\r", msg("a")},
		{"not UTF-8", "data: a\xffb\n\n", msg("a\ufffdb")},
		{"NUL is data", "data: \x00\n\n", msg("\x00")},
		{"nothing", "", nil},
	} {
		got, err := Events("Text/Event-Stream; charset=utf-8", []byte(c.in))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: Events(%q) = %q, %v, want %q", c.what, c.in, got, err, c.want)
		}
	}
}

func TestNewlineDelimitedJSON(t *testing.T) {
	for _, ct := range []string{"application/x-ndjson", "application/jsonl", "application/json-lines; charset=utf-8"} {
		got, err := Events(ct, []byte("{\"a\":1}\r\n\n  {\"b\":2}\n{\"c\":3}"))
		want := []Event{{"", `{"a":1}`}, {"", `{"b":2}`}, {"", `{"c":3}`}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v", ct, got, err)
		}
	}
}

func TestEventLimits(t *testing.T) {
	for _, c := range []struct{ ct, body, want string }{
		{"text/html", "data: x\n\n", `events: content type "text/html" is not text/event-stream or newline-delimited JSON`},
		{"application/vnd.amazon.eventstream", "", `events: content type "application/vnd.amazon.eventstream" is not text/event-stream or newline-delimited JSON`},
		{"text/event-stream", "data: x\n\ndata:" + strings.Repeat("y", MaxLine), "events: line 3: longer than 16777216 bytes"},
		{"application/jsonl", "1\n" + strings.Repeat("y", MaxLine+1), "events: line 2: longer than 16777216 bytes"},
		{"text/event-stream", strings.Repeat("data\r\r", MaxEvents+1), "events: more than 1000000"},
		{"application/jsonl", strings.Repeat("1\n", MaxEvents+1), "events: more than 1000000"},
	} {
		if _, err := Events(c.ct, []byte(c.body)); err == nil || err.Error() != c.want {
			t.Errorf("Events of %s, %d bytes: %v, want %s", c.ct, len(c.body), err, c.want)
		}
	}
}

func TestIsEventStream(t *testing.T) {
	for ct, want := range map[string]bool{
		"text/event-stream": true, "TEXT/Event-Stream;charset=utf-8": true, "application/x-ndjson": true, "application/jsonl": true,
		"application/json-lines": true, "application/vnd.amazon.eventstream": true,
		"application/json": false, "text/plain": false, "": false, "text/event-streams": false,
	} {
		if got := IsEventStream(ct); got != want {
			t.Errorf("IsEventStream(%q) = %v", ct, got)
		}
	}
}

// Writing events down and reading them again gives the same events.
func FuzzEvents(f *testing.F) {
	for _, s := range []string{"data: a\ndata: b\n\n", "event: x\r\ndata:\r\n\r\n", ": c\r\rdata\r\r", "\ufeffdata: x\n\nid: 1", "data: \xff\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := Events("text/event-stream", body)
		if err != nil {
			t.Fatal(err) // no input of this size has too many lines or bytes
		}
		var b strings.Builder
		for _, e := range events {
			if !utf8.ValidString(e.Data) || strings.ContainsAny(e.Name, "\r\n") || strings.Contains(e.Data, "\r") {
				t.Fatalf("%q gives the event %q", body, e)
			}
			b.WriteString("event: " + e.Name + "\n")
			for line := range strings.SplitSeq(e.Data, "\n") {
				b.WriteString("data: " + line + "\n")
			}
			b.WriteString("\n")
		}
		again, err := Events("text/event-stream", []byte(b.String()))
		if err != nil || !reflect.DeepEqual(again, events) {
			t.Errorf("%q gives %q, written again %q, %v", body, events, again, err)
		}
	})
}
