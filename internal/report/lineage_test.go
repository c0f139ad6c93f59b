package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/flight"
)

// lineageRun has every shape a lineage goes through: nested branches, a
// rolled-back step, what was seen before a fork and after a join.
func lineageRun(t *testing.T, p *tape) []flight.Record {
	return recordsOf(t,
		opening(),                          // 0
		p.file("notes.txt", "n"),           // 1
		&flight.Fork{Width: 3},             // 2; branch 2.2 makes no record of its own but its end
		at("2.0", p.call("a")),             // 3
		at("2.1", p.file("other.txt", "")), // 4
		at("2.1", &flight.Fork{Width: 2}),  // 5
		at("5.0", p.call("b")),             // 6
		at("5.1", p.write("deep.md", "")),  // 7
		at("2.0", p.answerTo(3, "a")),      // 8
		at("2.0", p.write("a.md", "")),     // 9
		at("2.0", &flight.BranchEnd{OK: true}),
		at("5.0", p.answerTo(6, "b")), // 11
		at("5.0", &flight.BranchEnd{OK: true}),
		at("5.1", &flight.BranchEnd{OK: true}),
		at("2.1", &flight.Join{Fork: 5}), // 14
		at("2.1", p.write("b.md", "")),   // 15
		at("2.1", &flight.BranchEnd{OK: true}),
		at("2.2", &flight.BranchEnd{OK: true}),
		&flight.Join{Fork: 2},                          // 18
		&flight.Clock{Now: "2026-11-23T09:00:00.000Z"}, // 19
		&flight.Step{Name: "publish", Kind: "attempt"}, // 20
		p.write("a.md", "draft"),                       // 21
		p.call("c"),                                    // 22
		p.answerTo(22, "c"),                            // 23
		&flight.Rollback{Step: 20, Why: "no"},          // 24
		&flight.StepEnd{Step: 20, Error: "no"},         // 25
		p.write("sum.md", ""),                          // 26
		ends("ok", ""),
	)
}

func TestLineage(t *testing.T) {
	p := newTape(t)
	l := NewLineage(lineageRun(t, p))
	tests := []struct {
		n           int64
		what        string
		all, direct []int64
	}{
		{3, "a call in a branch sees what came before the fork", []int64{1}, []int64{1}},
		{6, "a nested branch sees its parents' past", []int64{1, 4}, []int64{1, 4}},
		{7, "branches do not see each other", []int64{1, 4}, []int64{1, 4}},
		{9, "an answer reaches its own branch", []int64{1, 8}, []int64{8}},
		{15, "after a join its branches are seen, not those of another", []int64{1, 4, 11}, []int64{11}},
		{22, "after the outer join everything is", []int64{1, 4, 8, 11, 19}, []int64{8, 11, 19}},
		{26, "what a rolled-back step saw stays seen", []int64{1, 4, 8, 11, 19, 23}, []int64{23}},
		{1, "an input has no causes", nil, nil},
		{999, "no such record", nil, nil},
	}
	for _, tt := range tests {
		if got := l.Causes(tt.n); !slices.Equal(got, tt.all) {
			t.Errorf("%s: Causes(%d) = %v, want %v", tt.what, tt.n, got, tt.all)
		}
		if got := l.DirectCauses(tt.n); !slices.Equal(got, tt.direct) {
			t.Errorf("%s: DirectCauses(%d) = %v, want %v", tt.what, tt.n, got, tt.direct)
		}
	}
	for path, want := range map[string]int64{"a.md": 9, "deep.md": 7, "sum.md": 26} {
		if got, ok := l.Write(path); !ok || got != want {
			t.Errorf("Write(%q) = %d, %v, want %d: the rolled-back one does not count", path, got, ok, want)
		}
	}
	if _, ok := l.Write("none"); ok {
		t.Error("Write of a path that was never written")
	}
	if !l.undone[21] || l.undone[9] || l.undone[26] {
		t.Error("Undone: want record 21 only")
	}
	if c, ok := l.answers[11]; !ok || c != 6 {
		t.Errorf("CallOf(11) = %d, %v, want 6", c, ok)
	}
}

// TestLineageRollback: a step's rollback takes back what its branch and the
// branches forked in it wrote, and nothing of the branch beside it.
func TestLineageRollback(t *testing.T) {
	p := newTape(t)
	l := NewLineage(recordsOf(t,
		opening(),
		&flight.Fork{Width: 2}, // 1
		at("1.0", &flight.Step{Name: "s", Kind: "step"}), // 2
		at("1.1", p.write("beside", "")),                 // 3
		at("1.0", p.write("own", "")),                    // 4
		at("1.0", &flight.Fork{Width: 1}),                // 5
		at("5.0", p.write("inner", "")),                  // 6
		at("1.0", &flight.Rollback{Step: 2}),             // 7
		at("1.1", p.write("after", "")),                  // 8
	))
	for n, want := range map[int64]bool{3: false, 4: true, 6: true, 8: false} {
		if l.undone[n] != want {
			t.Errorf("Undone(%d) = %v, want %v", n, !want, want)
		}
	}
}

// TestLineageOfForgedRecords: a forged run may claim any width, name itself
// its own parent and join what never was.
func TestLineageOfForgedRecords(t *testing.T) {
	p := newTape(t)
	done := make(chan *Lineage)
	go func() {
		done <- NewLineage(recordsOf(t,
			opening(),
			at("1.0", &flight.Fork{Width: 1<<53 - 1}), // 1
			at("1.0", p.write("x", "")),               // 2
			at("7.7", p.write("y", "")),               // 3
			&flight.Join{Fork: 1},                     // 4
			&flight.Join{Fork: 99},                    // 5
			at("1.0", &flight.Rollback{Step: -9}),     // 6
			&flight.Fork{Width: -3},                   // 7
			p.write("z", ""),                          // 8
		))
	}()
	select {
	case l := <-done:
		if n, ok := l.Write("z"); !ok || n != 8 {
			t.Errorf("Write(z) = %d, %v", n, ok)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
}

func TestLineageOfManyTurns(t *testing.T) {
	p := newTape(t)
	records := []flight.Record{opening()}
	for i := range 500 {
		records = append(records, p.get(fmt.Sprint("http://a.invalid/", i)), p.answerTo(int64(2*i+1), "x"))
	}
	l := NewLineage(recordsOf(t, records...))
	last := int64(len(records) - 2)
	if got := l.DirectCauses(last); !slices.Equal(got, []int64{last - 1}) {
		t.Errorf("DirectCauses(%d) = %v, want only the answer before it", last, got)
	}
	graph := l.Mermaid(func(n int64) string { return fmt.Sprint(n) }, nil)
	if got := strings.Count(graph, "-->"); got != 499 {
		t.Errorf("%d edges, want 499", got)
	}
}

func TestMermaid(t *testing.T) {
	p := newTape(t)
	l := NewLineage(recordsOf(t,
		opening(),
		p.file("notes.txt", "n"), // 1
		&flight.Clock{Now: "2026-11-23T09:00:00.000Z"}, // 2
		p.call("a"),             // 3
		p.answerTo(3, "a"),      // 4
		p.write("a\"].md", "a"), // 5
	))
	names := map[int64]string{1: "no\"tes<b>\n&`x`", 2: "clock", 3: "POST /"}
	got := l.Mermaid(func(n int64) string { return names[n] }, []flight.Output{{Path: `a"].md`}, {Path: "unknown"}})
	want := `flowchart LR
  n1[/"no#quot;tes#lt;b#gt; #amp;#96;x#96;"/]
  n2(["clock"])
  n3{{"POST /"}}
  n1 --> n3
  n2 --> n3
  out0["a#quot;].md"]
  n3 --> out0
  out1["unknown"]
`
	if got != want {
		t.Errorf("Mermaid:\n%s\nwant:\n%s", got, want)
	}
}
