package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

func (p *tape) side(name string, records ...flight.Record) Side {
	p.t.Helper()
	records, lines := numbered(p.t, records...)
	run := &flight.Run{ID: digest.Of(lines[len(lines)-1]), Records: records, Lines: lines}
	run.Seal, _ = records[len(records)-1].(*flight.Seal)
	return Side{Name: name, Run: run, Docs: p.docs()}
}

func (p *tape) answerTo(call int64, reply string) *flight.Answer {
	return &flight.Answer{Call: call, Ans: p.reply(reply)}
}

func at(branch string, r flight.Record) flight.Record {
	flight.Env(r).Branch = branch
	return r
}

func sealOf(count int64) *flight.Seal { return &flight.Seal{Count: count} }

// summariser is a run: a file, a question, its answer, what it wrote.
func (p *tape) summariser(notes, reply string) []flight.Record {
	return []flight.Record{
		opening(),
		p.file("notes.txt", notes),
		p.call("Summarise: " + notes),
		p.answerTo(2, reply),
		p.write("summary.md", reply+"\n"),
		ends("ok", ""),
		sealOf(6),
	}
}

func TestDiffRuns(t *testing.T) {
	tests := []struct {
		name string
		of   func(p *tape) (a, b []flight.Record)
		n    int
		want string
	}{
		{
			"identical",
			func(p *tape) (a, b []flight.Record) { return p.summariser("n", "r"), p.summariser("n", "r") },
			0, "",
		},
		{
			"another answer",
			func(p *tape) (a, b []flight.Record) { return p.summariser("n", "one"), p.summariser("n", "two") },
			2,
			`3|3  answer  to call 2|2
/choices/0/message/content: "one" → "two"
--- A
+++ B
@@ -1,1 +1,1 @@
-one
+two
4|4  write  summary.md
--- A summary.md
+++ B summary.md
@@ -1,1 +1,1 @@
-one
+two
`,
		},
		{
			"another input and its question",
			func(p *tape) (a, b []flight.Record) { return p.summariser("tides", "r"), p.summariser("moons", "r") },
			2,
			`1|1  input  file notes.txt
--- A notes.txt
+++ B notes.txt
@@ -1,1 +1,1 @@
-tides
\ No newline at end of file
+moons
\ No newline at end of file
2|2  call  changed prompt: POST http://model.coo.invalid/v1/chat/completions
/messages/1/content: "Summarise: tides" → "Summarise: moons"
--- A
+++ B
@@ -2,4 +2,4 @@
 Be brief.
 
 [user]
-Summarise: tides
+Summarise: moons
`,
		},
		{
			"a call and a print put in shift nothing",
			func(p *tape) (a, b []flight.Record) {
				b = slices.Insert(p.summariser("n", "r"), 1,
					[]flight.Record{&flight.Log{Kind: "print", Text: text("start")}, p.get("http://kb.invalid/x"), p.answerTo(2, "kb")}...)
				b[6].(*flight.Answer).Call = 5
				return p.summariser("n", "r"), b
			},
			3,
			`-|1  log  only in B: start
-|2  call  only in B: GET http://kb.invalid/x 1abfe5d97222
-|3  answer  only in B: to call 2: 200, 94 B fb586a4fdd99
`,
		},
		{
			"a turn put into a conversation",
			func(p *tape) (a, b []flight.Record) {
				turns := func(names ...string) []flight.Record {
					out := []flight.Record{opening()}
					for _, name := range names {
						out = append(out, p.call(name), p.answerTo(int64(len(out)), "to "+name))
					}
					return append(out, ends("ok", ""), sealOf(0))
				}
				return turns("one", "two", "three"), turns("one", "new", "two", "three")
			},
			2,
			"-|3  call  only in B: POST http://model.coo.invalid/v1/chat/completions sample df6eb7ea9d01\n-|4  answer  only in B: to call 3: 200, 98 B acf7826b7422\n",
		},
		{
			"parallel answers in another order",
			func(p *tape) (a, b []flight.Record) {
				fork := func(first, second int64) []flight.Record {
					answers := map[int64]flight.Record{2: at("1.0", p.answerTo(2, "x")), 3: at("1.1", p.answerTo(3, "y"))}
					return []flight.Record{
						opening(), &flight.Fork{Width: 2}, at("1.0", p.call("x")), at("1.1", p.call("y")),
						answers[first], answers[second],
						at("1.0", &flight.BranchEnd{OK: true}), at("1.1", &flight.BranchEnd{OK: true}),
						&flight.Join{Fork: 1}, ends("ok", ""), sealOf(10),
					}
				}
				return fork(2, 3), fork(3, 2)
			},
			1, "4|5  answer  to call 2|2, in another order\n",
		},
		{
			"branches are paired by place, not by number",
			func(p *tape) (a, b []flight.Record) {
				fork := func(n int64, before ...flight.Record) []flight.Record {
					b0, b1 := fmt.Sprint(n, ".0"), fmt.Sprint(n, ".1")
					out := append([]flight.Record{opening()}, before...)
					return append(out, &flight.Fork{Width: 2},
						at(b0, p.write("x", "x")), at(b0, &flight.BranchEnd{OK: true}),
						at(b1, p.write("y", "y")), at(b1, &flight.BranchEnd{OK: true}),
						&flight.Join{Fork: n}, ends("ok", ""), sealOf(0))
				}
				return fork(1), fork(2, &flight.Log{Kind: "print", Text: text("hello")})
			},
			1, "-|1  log  only in B: hello\n",
		},
		{
			"a step that fails",
			func(p *tape) (a, b []flight.Record) {
				ok := []flight.Record{opening(), &flight.Step{Name: "s", Kind: "attempt"}, &flight.StepEnd{Step: 1, OK: true}, ends("ok", ""), sealOf(4)}
				failed := []flight.Record{
					opening(), &flight.Step{Name: "s", Kind: "attempt"},
					&flight.Rollback{Step: 1, Why: "no luck"}, &flight.StepEnd{Step: 1, Error: "no luck"}, ends("ok", ""), sealOf(5),
				}
				return ok, failed
			},
			2,
			"-|2  rollback  only in B: step 1: nothing to undo, tree 000000000000: no luck\n2|3  step-end  step 1 ok\n/ok: true → false\n",
		},
		{
			"arguments, sources and outcome",
			func(p *tape) (a, b []flight.Record) {
				run := func(topic, source string, end *flight.End) []flight.Record {
					o := opening()
					o.Args = map[string]string{"topic": topic}
					o.Mission.Files[0].SHA256 = *p.blob(source)
					return []flight.Record{o, end, sealOf(2)}
				}
				return run("tides", "x = 1\n", ends("ok", "")), run("moons", "x = 2\n", ends("failed", "no luck"))
			},
			2,
			`0|0  open  m.star
/args/topic: "tides" → "moons"
--- A m.star
+++ B m.star
@@ -1,1 +1,1 @@
-x = 1
+x = 2
1|1  end  ok, result none
outcome: ok → failed
--- A error
+++ B error
@@ -0,0 +1,1 @@
+no luck
\ No newline at end of file
`,
		},
		{
			"only what follows from elsewhere",
			func(p *tape) (a, b []flight.Record) {
				return []flight.Record{opening(), &flight.Step{Name: "s", Kind: "step", Tree: p.tree("x")}},
					[]flight.Record{opening(), &flight.Step{Name: "s", Kind: "step", Tree: p.tree("y")}}
			},
			1, "1|1  step  step \"s\" begins, tree 5305caef17ce\n/tree: \"5305caef17ce7cea0c3902108e1ef8dfed4e05670bdc37edbc32300383d82e1a\" → \"7dec8896d12785e9de9f6b3b7f2166e6ba5aeb029f7d3a08c5e3c1de78648482\"\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newTape(t)
			a, b := tt.of(p)
			var out strings.Builder
			n := DiffRuns(&out, p.side("A", a...), p.side("B", b...))
			if n != tt.n || out.String() != tt.want {
				t.Errorf("DiffRuns = %d:\n%s\nwant %d:\n%s", n, out.String(), tt.n, tt.want)
			}
		})
	}
}

// TestAnswersOfEqualText: what is in no reply is a difference all the same.
func TestAnswersOfEqualText(t *testing.T) {
	p := newTape(t)
	run := func(body string) []flight.Record {
		a := &wire.Answer{Status: 200, Body: []byte(body)}
		return []flight.Record{opening(), p.call("a"), &flight.Answer{Call: 1, Ans: p.answer(a)}, ends("ok", ""), sealOf(4)}
	}
	tests := []struct{ a, b, want string }{
		{
			`{"id":"1","choices":[{"index":0,"message":{"content":"Hi."}}]}`, `{"id":"2","choices":[{"index":0,"message":{"content":"Hi."}}]}`,
			"2|2  answer  to call 1|1\n/id: \"1\" → \"2\"\n",
		},
		{"\xff\x01", "\xff\x02", "2|2  answer  to call 1|1\n--- A\n+++ B\n@@ -1,1 +1,1 @@\n-2 B, sha256 437cb43a3022\n+2 B, sha256 1cfcb0bd0464\n"},
		{"text", "text\n", "2|2  answer  to call 1|1\nbody: 4 B, sha256 982d9e3eb996 → 5 B, sha256 b9e68e1bea3e\n"},
	}
	for _, tt := range tests {
		var out strings.Builder
		n := DiffRuns(&out, p.side("A", run(tt.a)...), p.side("B", run(tt.b)...))
		if n != 1 || out.String() != tt.want {
			t.Errorf("DiffRuns = %d: %q\nwant %q", n, out.String(), tt.want)
		}
	}
}

// TestDiffRunsProperty: whatever two runs are, each record is in exactly one
// pair, pairs are of one type, and there are no differences just when the
// runs are the same.
func TestDiffRunsProperty(t *testing.T) {
	p := newTape(t)
	kinds := []func(v int) flight.Record{
		func(v int) flight.Record { return p.file("f", fmt.Sprint(v)) },
		func(v int) flight.Record { return p.get(fmt.Sprint("http://a.invalid/?", v)) },
		func(v int) flight.Record { return p.write("w", fmt.Sprint(v)) },
		func(v int) flight.Record { return &flight.Log{Kind: "print", Text: text(fmt.Sprint(v))} },
		func(v int) flight.Record { return &flight.Step{Name: fmt.Sprint(v), Kind: "step"} },
		func(v int) flight.Record { return p.answerTo(int64(v), fmt.Sprint(v)) },
		func(v int) flight.Record { return &flight.StepEnd{Step: int64(v), OK: true} },
		func(v int) flight.Record { return &flight.Fork{Width: int64(v)} },
		func(v int) flight.Record { return at("1.0", p.get(fmt.Sprint("http://a.invalid/?", v))) },
	}
	run := rapid.Custom(func(t *rapid.T) []flight.Record {
		records := []flight.Record{opening()}
		for _, k := range rapid.SliceOfN(rapid.IntRange(0, 3*len(kinds)-1), 0, 12).Draw(t, "records") {
			records = append(records, kinds[k/3](k%3))
		}
		return records
	})
	rapid.Check(t, func(rt *rapid.T) {
		a, b := p.side("A", run.Draw(rt, "a")...), p.side("B", run.Draw(rt, "b")...)
		var old, new []int
		for _, m := range pairRecords(a, b) {
			if m.old >= 0 {
				old = append(old, m.old)
			}
			if m.new >= 0 {
				new = append(new, m.new)
			}
			if m.old >= 0 && m.new >= 0 && flight.Env(a.Run.Records[m.old]).T != flight.Env(b.Run.Records[m.new]).T {
				rt.Fatalf("records %d and %d are of two types", m.old, m.new)
			}
		}
		slices.Sort(new)
		if !slices.Equal(old, upTo(len(a.Run.Records))) || !slices.Equal(new, upTo(len(b.Run.Records))) {
			rt.Fatalf("pairs of %v and %v", old, new)
		}
		var first, second strings.Builder
		n := DiffRuns(&first, a, b)
		same := slices.EqualFunc(a.Run.Lines, b.Run.Lines, func(x, y []byte) bool { return string(x) == string(y) })
		if (n == 0) != same || (first.Len() == 0) != same {
			rt.Fatalf("%d differences, the same: %v\n%s", n, same, first.String())
		}
		if DiffRuns(&second, a, b); first.String() != second.String() {
			rt.Fatal("two texts")
		}
	})
}
