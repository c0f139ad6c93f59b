package report

import (
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

func TestLine(t *testing.T) {
	p := newTape(t)
	pinned := "2026-11-23T09:00:00.000Z"
	open := opening()
	open.Clock = &pinned
	open.Args["a"] = "x\ny"
	call := p.call("a")
	call.Branch = "3.1"
	unknown := &flight.Call{Kind: "http", Req: digest.Call(digest.Of([]byte("unknown")))}
	tests := []struct {
		record flight.Record
		want   string
	}{
		{open, "0  -      open        script m.star, seed 0, clock 2026-11-23T09:00:00.000Z, a=x↵y, topic=tides"},
		{p.file("notes.txt", "n"), "0  -      input       file notes.txt 1b16b1df538b"},
		{&flight.Input{Kind: "env", Name: "A\x1b[31m"}, `0  -      input       env A\x1b[31m absent`},
		{&flight.Clock{Now: pinned}, "0  -      clock       " + pinned},
		{call, "0  3.1    call        POST " + chatURL + " sample " + digest.Digest(call.Req).Short()},
		{unknown, "0  -      call        " + digest.Digest(unknown.Req).Short()},
		{p.answerTo(7, "hello"), "0  -      answer      to call 7: 200, 97 B "},
		{&flight.Answer{Call: 7, Ans: p.answer(&wire.Answer{Error: "refused"})}, "0  -      answer      to call 7: refused "},
		{&flight.Answer{Call: 7, Ans: p.answer(&wire.Answer{Status: 200, Error: "cut", Body: []byte("abc"), Lens: []int{1, 2}})}, "0  -      answer      to call 7: 200, 3 B, 2 chunks, cut "},
		{p.write("a.md", "n"), "0  -      write       a.md 1 B 1b16b1df538b"},
		{&flight.Write{Path: "a.md", Mode: "file"}, "0  -      write       removed a.md"},
		{&flight.Step{Name: "publish", Kind: "step"}, `0  -      step        step "publish" begins, tree 000000000000`},
		{
			&flight.Rollback{Step: 5, Why: "no\nluck", Undone: []flight.Undone{{Path: "b"}, {Path: "a"}}},
			"0  -      rollback    step 5: undone b, a, tree 000000000000: no↵luck",
		},
		{&flight.Rollback{Step: 5, Why: "x"}, "0  -      rollback    step 5: nothing to undo, tree 000000000000: x"},
		{&flight.StepEnd{Step: 5, OK: true}, "0  -      step-end    step 5 ok"},
		{&flight.StepEnd{Step: 5, Error: "x"}, "0  -      step-end    step 5 failed: x"},
		{&flight.Fork{Width: 2}, "0  -      fork        2 branches"},
		{at("3.0", &flight.BranchEnd{Error: "x"}), "0  3.0    branch-end  failed: x"},
		{&flight.Join{Fork: 3}, "0  -      join        of fork 3"},
		{&flight.Log{Kind: "print", Text: text("a\nb\x1b")}, `0  -      log         a↵b\x1b`},
		{&flight.Log{Kind: "print", SHA256: p.blob(strings.Repeat("long ", 1000))}, "0  -      log         " + strings.Repeat("long ", 32) + "…"},
		{ends("ok", ""), "0  -      end         ok, result none"},
		{ends("failed", "no\nluck"), "0  -      end         failed: no↵luck"},
		{&flight.Seal{Count: 28, Outputs: []flight.Output{{Path: "a"}}}, "0  -      seal        28 records, 1 output, root 000000000000"},
	}
	for _, tt := range tests {
		if _, err := flight.Encode(tt.record); err != nil {
			t.Fatal(err)
		}
		want := "    " + tt.want
		got := Line(tt.record, p.docs())
		if a, ok := tt.record.(*flight.Answer); ok {
			want += digest.Digest(a.Ans).Short()
		}
		if got != want {
			t.Errorf("Line:\n got %q\nwant %q", got, want)
		}
	}
}
