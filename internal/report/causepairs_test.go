package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// everyRecord returns two different records of each type.
func everyRecord(p *tape) [][2]flight.Record {
	other := opening()
	other.Seed = "7"
	return [][2]flight.Record{
		{opening(), other},
		{p.file("a.txt", "a"), &flight.Input{Kind: "env", Name: "A\x1b"}},
		{&flight.Clock{Now: "2026-11-23T09:00:00.000Z"}, &flight.Clock{Now: "2026-11-23T09:00:01.000Z"}},
		{p.call("a"), p.get("http://a.invalid/\u202e")},
		{&flight.Answer{Call: 1, Ans: p.reply("a")}, &flight.Answer{Call: 2, Ans: p.answer(&wire.Answer{Error: "refused"})}},
		{p.start("python3", "a\n.py"), p.start("python3", "b\x1b.py")},
		{p.asks(1, "a"), p.asks(1, "b")},
		{&flight.Head{Call: 2, Head: p.headOf(200)}, &flight.Head{Call: 2, Head: p.headOf(429)}},
		{&flight.Tail{Call: 2, How: "eof", Ans: p.reply("a")}, &flight.Tail{Call: 2, How: "client", Ans: p.reply("b")}},
		{&flight.Head{At: new(int64(9)), Call: 2, Head: p.headOf(200)}, &flight.Head{At: new(int64(1e9)), Call: 2, Head: p.headOf(200)}},
		{&flight.Data{At: []int64{1, 2}, Call: 2, Lens: []int64{3, 4}}, &flight.Data{At: []int64{1, 3}, Call: 2, Lens: []int64{3, 4}}},
		{&flight.Data{At: []int64{1}, Call: 2, Lens: []int64{3}}, &flight.Data{At: []int64{1}, Call: 3, Lens: []int64{3}}},
		{&flight.Tail{At: new(int64(9)), Call: 2, How: "eof", Ans: p.reply("a")}, &flight.Tail{At: new(int64(10)), Call: 2, How: "eof", Ans: p.reply("a")}},
		{&flight.Out{Call: 1, FD: 1, Lens: []int64{3}}, &flight.Out{Call: 1, FD: 2, Lens: []int64{3}}},
		{p.exit(1, 0, "a\n", "x"), p.exit(1, 3, "b\x1b", "y")},
		{p.write("a\n.md", "a"), &flight.Write{Path: "b.md", Mode: "file"}},
		{&flight.Step{Name: "a\n", Kind: "step"}, &flight.Step{Name: "b", Kind: "attempt"}},
		{&flight.Rollback{Step: 1, Why: "x\ny"}, &flight.Rollback{Step: 99, Why: "z", Undone: []flight.Undone{{Path: "a"}}}},
		{&flight.StepEnd{Step: 1, OK: true}, &flight.StepEnd{Step: 1, Error: "x\ny"}},
		{&flight.Fork{Width: 2}, &flight.Fork{Width: 3}},
		{&flight.BranchEnd{Envelope: in("1.0"), OK: true}, &flight.BranchEnd{Envelope: in("1.1"), Error: "x\ny"}},
		{&flight.Join{Fork: 1}, &flight.Join{Fork: 2}},
		{&flight.Log{Kind: "print", Text: text("a\nb")}, &flight.Log{Kind: "log", SHA256: p.blob("long")}},
		{ends("ok", ""), ends("failed", "x\ny")},
		{&flight.Seal{Count: 2}, &flight.Seal{Count: 3}},
	}
}

// TestCauseOfEveryPair holds every pair of records to one whole line that
// names no Go type and leaves nothing out, and the report of it to two lines
// that show both.
func TestCauseOfEveryPair(t *testing.T) {
	for i := range everyRecord(newTape(t)) {
		for j := range everyRecord(newTape(t)) {
			p := newTape(t)
			was, is := everyRecord(p)[i][0], everyRecord(p)[j][1]
			for _, blobs := range []map[digest.Digest][]byte{p.blobs, {}} {
				p.blobs = blobs
				d, records := diverge(t, p, was, is, nil)
				d.Blobs = nil
				got := Cause(d, records, p.docs())
				if got == "" || strings.ContainsAny(got, "\n\x1b\u202e") || strings.HasSuffix(got, ".") || strings.Contains(got, "%!") || strings.Contains(got, "flight.") {
					t.Errorf("%T against %T: %q", was, is, got)
				}
				var b strings.Builder
				Divergence(&b, d, records, p.docs())
				want := fmt.Sprintf("record 2: recorded  %s\nrecord 2: replayed  %s\n", unnumbered(was, p.docs()), unnumbered(is, p.docs()))
				if !strings.HasPrefix(b.String(), want) {
					t.Errorf("%T against %T: %q", was, is, b.String())
				}
				if i == j && b.Len() == len(want) {
					t.Errorf("%T: two of them differ in nothing: %q", was, b.String())
				}
			}
		}
	}
}
