package report

import (
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/replay"
	"github.com/coo-runtime/coo/internal/wire"
)

func TestDivergence(t *testing.T) {
	tests := []struct {
		name string
		of   caseOf
		want string // after the two lines
	}{
		{
			"call",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.call("tides"), p.call("moons"), nil
			},
			"/messages/1/content: \"tides\" → \"moons\"\n--- recorded\n+++ replayed\n@@ -2,4 +2,4 @@\n Be brief.\n \n [user]\n-tides\n+moons\n",
		},
		{
			"the same call of another branch",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				c := p.call("tides")
				c.Branch = "1.0"
				return p.call("tides"), c, nil
			},
			"/b: added \"1.0\"\n",
		},
		{
			"write",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.write("a.md", "one\ntwo\n"), p.write("a.md", "one\n2\n"), nil
			},
			"--- recorded a.md\n+++ replayed a.md\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n",
		},
		{
			"a file gone",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.file("a.txt", "one\n"), &flight.Input{Kind: "file", Name: "a.txt"}, nil
			},
			"a.txt: 2c8b08da5ce6 → none\n--- recorded a.txt\n+++ replayed a.txt\n@@ -1,1 +0,0 @@\n-one\n",
		},
		{
			"another file",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.file("a.txt", "one\n"), p.file("b.txt", "one\n"), nil
			},
			"/name: \"a.txt\" → \"b.txt\"\n",
		},
		{
			"log",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Log{Kind: "print", Text: text("a")}, &flight.Log{Kind: "print", SHA256: p.blob("b\x1b")}, nil
			},
			"--- recorded\n+++ replayed\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+b\\x1b\n\\ No newline at end of file\n",
		},
		{
			"answer",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				header := [][2]string{{"content-type", "text/event-stream"}}
				return &flight.Answer{Call: 0, Ans: p.answer(&wire.Answer{Status: 200, Headers: header, Body: []byte("data: a\n\n"), Lens: []int{4, 5}})},
					&flight.Answer{Call: 0, Ans: p.answer(&wire.Answer{Status: 200, Error: "cut", Headers: append(header, [2]string{"x-a", "1"}), Body: []byte("data: b\n\n"), Lens: []int{9}})}, nil
			},
			"status: 200 → 200, cut\nheader x-a: only replayed: \"1\"\nchunks: 2 of 4, 5 bytes → 1 of 9 bytes\n" +
				"--- recorded\n+++ replayed\n@@ -1,2 +1,2 @@\n-data: a\n+data: b\n \n",
		},
		{
			"step",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Step{Name: "a", Kind: "step"}, &flight.Step{Name: "b", Kind: "step"}, nil
			},
			"/name: \"a\" → \"b\"\n",
		},
		{
			"end",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				failed := ends("failed", "no luck\nat all")
				failed.Trace = []flight.Frame{{File: "m.star", Line: 3, Col: 2, Func: "main"}}
				return &flight.End{Outcome: "ok", Result: p.blob("{}")}, failed, nil
			},
			"outcome: ok → failed\n--- recorded error\n+++ replayed error\n@@ -0,0 +1,2 @@\n+no luck\n+at all\n\\ No newline at end of file\n" +
				"--- recorded trace\n+++ replayed trace\n@@ -0,0 +1,1 @@\n+m.star:3:2: in main\nresult: 44136fa355b3 → none\n" +
				"--- recorded result\n+++ replayed result\n@@ -1,1 +0,0 @@\n-{}\n\\ No newline at end of file\n",
		},
		{
			"two types",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.write("a", "a"), p.call("b"), nil
			},
			"",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newTape(t)
			was, is, later := tt.of(p)
			d, records := diverge(t, p, was, is, later)
			var b strings.Builder
			Divergence(&b, d, records, p.docs())
			lines := strings.SplitN(b.String(), "\n", 3)
			if len(lines) != 3 || lines[2] != tt.want {
				t.Errorf("Divergence:\n%s\nwant after two lines:\n%s", b.String(), tt.want)
			}
		})
	}
}

// TestDivergenceReadsReplayedDocuments: what a replayed record names was
// never stored; it comes with the divergence.
func TestDivergenceReadsReplayedDocuments(t *testing.T) {
	stored, made := newTape(t), newTape(t)
	was, is := stored.call("tides"), made.call("moons")
	d, records := diverge(t, made, was, is, nil)
	var b strings.Builder
	Divergence(&b, d, records, stored.docs())
	want := "record 2: recorded  -      call        POST " + chatURL + " sample " + digest.Digest(was.Req).Short() +
		"\nrecord 2: replayed  -      call        POST " + chatURL + " sample " + digest.Digest(is.Req).Short() +
		"\n/messages/1/content: \"tides\" → \"moons\"\n"
	if !strings.HasPrefix(b.String(), want) {
		t.Errorf("Divergence:\n%s\nwant:\n%s", b.String(), want)
	}
	if got := Cause(d, records, stored.docs()); !strings.Contains(got, "/messages/1/content") {
		t.Errorf("Cause = %s", got)
	}
}

func TestDivergenceWithoutOneSide(t *testing.T) {
	p := newTape(t)
	records := recordsOf(t, opening(), p.call("a"))
	var b strings.Builder
	Divergence(&b, &replay.Divergence{N: 1, Recorded: records[1], Asked: "look at\nthe clock"}, records, p.docs())
	if got := strings.Split(b.String(), "\n"); len(got) != 3 || got[1] != "record 1: replayed  look at↵the clock" {
		t.Errorf("Divergence = %q", b.String())
	}
	b.Reset()
	Divergence(&b, &replay.Divergence{N: 1, Replayed: records[1]}, records, p.docs())
	if !strings.HasPrefix(b.String(), "record 1: recorded  nothing: the recorded run had ended\nrecord 1: replayed  -      call  ") {
		t.Errorf("Divergence = %q", b.String())
	}
}
