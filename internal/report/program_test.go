package report

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/replay"
	"github.com/coo-runtime/coo/internal/wire"
)

// start is the start of a program in a workspace of one file.
func (p *tape) start(argv ...string) *flight.Call {
	p.t.Helper()
	file := p.blob("print(1)\n")
	e := wire.Exec{
		Argv: argv, Env: [][2]string{{"LANG", "C"}, {"OPENAI_API_KEY", "<secret OPENAI_API_KEY>"}}, Stdin: p.blob("tides\n"),
		Tree: *p.blob(`[{"mode":"file","path":"agent.py","sha256":"` + file.String() + `"}]`),
	}
	doc, err := e.Doc()
	if err != nil {
		p.t.Fatal(err)
	}
	p.blob(string(doc.Bytes))
	return &flight.Call{Kind: "exec", Req: doc.Key}
}

// asks is a question of the program to a model.
func (p *tape) asks(program int64, content string, headers ...string) *flight.Call {
	return p.sends(program, chatBody("sample", content), headers...)
}

func (p *tape) sends(program int64, body string, headers ...string) *flight.Call {
	p.t.Helper()
	return &flight.Call{Envelope: flight.Envelope{P: program}, Kind: "http", Req: p.request("POST", chatURL, body, headers...)}
}

func (p *tape) headOf(status int) digest.Digest {
	p.t.Helper()
	doc, err := wire.EncodeHead(status, [][2]string{{"content-type", "application/json"}})
	if err != nil {
		p.t.Fatal(err)
	}
	return *p.blob(string(doc))
}

func (p *tape) exit(program, status int64, stdout, written string) *flight.Exit {
	return &flight.Exit{
		Call: program, Status: status, Stdout: *p.blob(stdout), Stderr: *p.blob(""),
		Writes: []flight.Output{{Path: "out.md", Mode: "file", SHA256: p.blob(written)}},
	}
}

func openingProgram() *flight.Open {
	o := opening()
	o.Level, o.Args, o.Mission = "frozen", nil, flight.Mission{Kind: "program", Main: "python3 agent.py"}
	return o
}

// answered are a call of program 1, which is record n, and its answer.
func (p *tape) answered(n int64, call *flight.Call, reply string) []flight.Record {
	return []flight.Record{
		call,
		&flight.Head{Call: n, Head: p.headOf(200)},
		&flight.Tail{Call: n, How: "eof", Ans: p.reply(reply)},
	}
}

// agent is the run of a program that asks two questions.
func (p *tape) agent(first, second *flight.Call, stdout string) []flight.Record {
	return slices.Concat(
		[]flight.Record{openingProgram(), p.start("python3", "agent.py")},
		p.answered(2, first, "High."), p.answered(5, second, "Low."),
		[]flight.Record{p.exit(1, 0, stdout, "High. Low.\n"), &flight.End{Outcome: "ok"}, sealOf(10)},
	)
}

func TestLinesOfPrograms(t *testing.T) {
	p := newTape(t)
	start, ask := p.start("python3", "agent.py", "a b"), p.asks(1, "tides")
	tail := &flight.Tail{Call: 2, How: "eof", Ans: p.reply("High.")}
	refused := &flight.Tail{Call: 2, How: "refused", Ans: p.answer(&wire.Answer{Error: "refused"})}
	left := &flight.Tail{Call: 2, How: "client", Ans: p.answer(&wire.Answer{Status: 200, Error: "client", Body: []byte("abc"), Lens: []int{1, 2}})}
	killed := p.exit(1, 137, "out\n", "x")
	killed.Signal = "SIGKILL"
	e, err := p.docs().Exec(start.Req)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		record flight.Record
		want   string
	}{
		{start, "start python3 agent.py 'a b', 2 variables, tree " + e.Tree.Short() + ", stdin " + e.Stdin.Short()},
		{ask, "POST " + chatURL + " sample " + digest.Digest(ask.Req).Short() + " by program 1"},
		{&flight.Head{Call: 2, Head: p.headOf(200)}, "to call 2: 200 application/json, 1 header"},
		{tail, "to call 2: 200, 97 B " + digest.Digest(tail.Ans).Short()},
		{refused, "to call 2: refused " + digest.Digest(refused.Ans).Short()},
		{left, "to call 2: 200, 3 B, 2 chunks, client " + digest.Digest(left.Ans).Short()},
		{p.exit(1, 3, "out\n", "x"), "of program 1: status 3, stdout 4 B, stderr 0 B, 1 file written"},
		{killed, "of program 1: SIGKILL, stdout 4 B, stderr 0 B, 1 file written"},
	} {
		if got := Detail(tt.record, p.docs()); got != tt.want {
			t.Errorf("Detail(%T) = %q, want %q", tt.record, got, tt.want)
		}
		if got := Detail(tt.record, newTape(t).docs()); got == "" || strings.Contains(got, "%!") {
			t.Errorf("Detail(%T) without documents = %q", tt.record, got)
		}
	}
}

func TestSummaryOfAProgram(t *testing.T) {
	p := newTape(t)
	side := p.side("A", p.agent(p.asks(1, "tides"), p.asks(1, "moons"), "done\n")...)
	s, err := Summarise(side.Run, side.Docs)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	s.Text(&b)
	for _, want := range []string{
		"mission  python3 agent.py\n", "level    frozen, engine epoch 1",
		"\nprograms\n      1  python3 agent.py\n         status 0, 2 calls, stdout 5 B, stderr 0 B, 1 file written\n",
		"\n      2  POST " + chatURL, "model sample, status 200",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("Text lacks %q:\n%s", want, b.String())
		}
	}
	if len(s.Calls) != 2 || s.Calls[0].Program != 1 || s.Programs[0].Calls != 2 || !s.Programs[0].Ended {
		t.Errorf("Summarise = %+v", s)
	}
	open := &flight.Run{Records: side.Run.Records[:4], Spools: []flight.Spooled{{Name: "2", Size: 9}}}
	if s, err = Summarise(open, side.Docs); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	s.Text(&b)
	if want := "kept     9 bytes of an unfinished answer (call 2)\n"; !strings.Contains(b.String(), want) || !strings.Contains(b.String(), "has not ended, 1 call") {
		t.Errorf("Text of an incomplete run lacks %q:\n%s", want, b.String())
	}
}

// What a program has seen when it asks and when it ends is a cause of what it
// asks and writes; so is what its mission had seen when it started it.
func TestLineageOfPrograms(t *testing.T) {
	p := newTape(t)
	records := recordsOf(t,
		opening(),                                  // 0
		p.file("notes.txt", "n"),                   // 1
		p.start("python3", "agent.py"),             // 2
		p.asks(2, "a"),                             // 3
		&flight.Head{Call: 3, Head: p.headOf(200)}, // 4
		p.asks(2, "b"),                             // 5
		&flight.Tail{Call: 5, How: "refused", Ans: p.answer(&wire.Answer{Error: "refused"})}, // 6
		&flight.Tail{Call: 3, How: "eof", Ans: p.reply("High.")},                             // 7
		p.exit(2, 0, "x", "y"), // 8
		p.call("c"),            // 9
		p.answerTo(9, "d"),     // 10
		p.write("z.md", "z"),   // 11
		ends("ok", ""),
	)
	l := NewLineage(records)
	for n, want := range map[int64][]int64{
		2: {1}, 3: {1, 2}, 5: {1, 2, 4}, 8: {1, 2, 4, 6}, 9: {1, 2, 4, 6}, 11: {1, 2, 4, 6, 10},
	} {
		if got := l.Causes(n); !slices.Equal(got, want) {
			t.Errorf("Causes(%d) = %v, want %v", n, got, want)
		}
	}
	for n, want := range map[int64][]int64{2: {1}, 3: {2}, 5: {4}, 8: {6}, 11: {10}} {
		if got := l.DirectCauses(n); !slices.Equal(got, want) {
			t.Errorf("DirectCauses(%d) = %v, want %v", n, got, want)
		}
	}
	if n, ok := l.Write("out.md"); !ok || n != 8 {
		t.Errorf("Write(out.md) = %d, %v, want the program's exit", n, ok)
	}
	graph := l.Mermaid(func(n int64) string { return fmt.Sprint(n) }, []flight.Output{{Path: "out.md"}})
	for _, want := range []string{`n2[["2"]]`, "n1 --> n2", "n2 --> n3", "n3 --> n5", "n5 --> out0"} {
		if !strings.Contains(graph, "  "+want+"\n") {
			t.Errorf("Mermaid lacks %q:\n%s", want, graph)
		}
	}
}

// A program in a step that failed has left nothing.
func TestLineageOfARolledBackProgram(t *testing.T) {
	p := newTape(t)
	l := NewLineage(recordsOf(t, opening(), &flight.Step{Name: "s", Kind: "attempt"},
		p.start("x"), p.exit(2, 1, "", "y"), &flight.Rollback{Step: 1}, &flight.StepEnd{Step: 1}, ends("ok", "")))
	if n, ok := l.Write("out.md"); ok {
		t.Errorf("Write(out.md) = %d, want none: it was rolled back", n)
	}
}

func TestAdvise(t *testing.T) {
	const (
		uuidA = "0b6e2f3c-93a1-4d0e-8f57-2f0f5a0c9b11"
		uuidB = "91c4aa77-0d2b-4c61-a8b3-6a1c6e0d7f42"
	)
	body := func(members string) string {
		return `{"model":"m","messages":[{"role":"user","content":"tides"}]` + members + `}`
	}
	for _, tt := range []struct {
		name     string
		old, new string // bodies
		headers  [2][]string
		class    string
		ignore   []string
		why      string
	}{
		{"the same", body(""), body(""), [2][]string{}, OtherOrder, nil, ""},
		{"another prompt", chatBody("m", "tides"), chatBody("m", "moons"), [2][]string{}, ChangedPrompt, nil, "/messages/1/content decides"},
		{"another model", chatBody("m", "tides"), chatBody("n", "tides"), [2][]string{}, ChangedParameter, nil, "/model decides"},
		{"sampling", body(`,"temperature":1`), body(`,"temperature":0`), [2][]string{}, ChangedParameter, nil, "/temperature decides"},
		{"stream", body(`,"stream":true`), body(``), [2][]string{}, ChangedParameter, nil, "/stream decides"},
		{"an id", body(`,"metadata":{"session":"` + uuidA + `","team":"a"}`), body(`,"metadata":{"session":"` + uuidB + `","team":"a"}`), [2][]string{}, VolatileField, []string{"/metadata/session"}, ""},
		{"a time", body(`,"metadata":{"at":1790000000123}`), body(`,"metadata":{"at":1790000009999}`), [2][]string{}, VolatileField, []string{"/metadata/at"}, ""},
		{"a name", body(`,"user":"ada"`), body(`,"user":"bob"`), [2][]string{}, ChangedParameter, []string{"/user"}, ""},
		{"an id and a prompt", body(`,"user":"` + uuidA + `"`), strings.Replace(body(`,"user":"`+uuidB+`"`), "tides", "moons", 1), [2][]string{}, ChangedPrompt, nil, "/messages/0/content decides"},
		{"a member more", body(``), body(`,"store":true`), [2][]string{}, ChangedParameter, []string{"/store"}, ""},
		{"a list that grew", body(`,"metadata":{"seen":["` + uuidA + `"]}`), body(`,"metadata":{"seen":["` + uuidB + `","` + uuidA + `"]}`), [2][]string{}, VolatileField, []string{"/metadata/seen"}, ""},
		{"a name with a slash", body(`,"metadata":{"a/b~c":"` + uuidA + `"}`), body(`,"metadata":{"a/b~c":"` + uuidB + `"}`), [2][]string{}, VolatileField, []string{"/metadata/a~1b~0c"}, ""},
		{"a header", body(""), body(""), [2][]string{{"x-run", uuidA}, {"x-run", uuidB}}, VolatileField, []string{"header:x-run"}, ""},
		{"a header's word", body(""), body(""), [2][]string{{"x-team", "a"}, {"x-team", "b"}}, ChangedHeader, []string{"header:x-team"}, ""},
		{"a header and an id", body(`,"user":"` + uuidA + `"`), body(`,"user":"` + uuidB + `"`), [2][]string{{"x-run", uuidA}, {}}, VolatileField, []string{"header:x-run", "/user"}, ""},
		{"no JSON", "one", "two", [2][]string{}, ChangedBody, nil, "not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newTape(t)
			request := func(body string, headers []string) *Request {
				req, err := p.docs().Request(p.sends(1, body, headers...).Req)
				if err != nil {
					t.Fatal(err)
				}
				return req
			}
			got := Advise(request(tt.old, tt.headers[0]), request(tt.new, tt.headers[1]))
			if got.Class != tt.class || !slices.Equal(got.Ignore, tt.ignore) || !strings.Contains(got.Why, tt.why) || (tt.why == "") != (got.Why == "") {
				t.Errorf("Advise = %+v, want %s, %v, %q", got, tt.class, tt.ignore, tt.why)
			}
		})
	}
	p := newTape(t)
	a, errA := p.docs().Request(p.request("POST", "https://a.invalid/", "{}"))
	b, errB := p.docs().Request(p.request("POST", "https://b.invalid/", "{}"))
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if got := Advise(a, b); got.Class != NewCall || len(got.Ignore) > 0 {
		t.Errorf("Advise of two addresses = %+v, want a new call", got)
	}
}

func TestMissOfAProgram(t *testing.T) {
	p := newTape(t)
	parts := func(k digest.Call) (doc, body []byte) {
		req, err := p.docs().Request(k)
		if err != nil {
			t.Fatal(err)
		}
		return p.blobs[digest.Digest(k)], req.Body
	}
	body := func(user string) string { return `{"messages":[],"model":"m","user":"` + user + `"}` }
	asked, askedBody := parts(p.sends(1, body("run-1790000000123")).Req)
	near, nearBody := parts(p.sends(1, body("run-1790000009999")).Req)
	e := freeze.MissError{
		N: 4, Doc: asked, Body: askedBody, Asked: 1, Program: true,
		Nearest: &freeze.Nearest{Source: "run 3f2a", Call: 3, Doc: near, Body: nearBody, Why: "the same method and URL, 92% alike"},
	}
	want := "coo: call 4: no frozen answer: POST " + chatURL + ": asked once, recorded 0\n" +
		"nearest: call 3 of run 3f2a: the same method and URL, 92% alike: volatile field\n" +
		"/user: \"run-1790000009999\" → \"run-1790000000123\"\n" +
		"class: volatile field\nrule: if it should be the same call: --ignore /user\n"
	var b strings.Builder
	if Miss(&b, &e); b.String() != want {
		t.Errorf("Miss:\n%s\nwant:\n%s", b.String(), want)
	}
	b.Reset()
	e.Doc, e.Body = near, nearBody
	if Miss(&b, &e); !strings.HasSuffix(b.String(), "class: order: the program asks this more often than was recorded\n") {
		t.Errorf("Miss of a call asked too often:\n%s", b.String())
	}
	b.Reset()
	e.Nearest = nil
	if Miss(&b, &e); !strings.HasSuffix(b.String(), "class: new call\n") {
		t.Errorf("Miss with nothing like it:\n%s", b.String())
	}
}

// Why the replay of a program differs, in words, and of what kind that is.
func TestCauseOfPrograms(t *testing.T) {
	for _, tt := range []struct {
		name        string
		of          func(p *tape) (was, is flight.Record, later []flight.Record)
		cause, kind string
	}{
		{"another question", func(p *tape) (was, is flight.Record, later []flight.Record) {
			return p.asks(1, "tides"), p.asks(1, "moons"), nil
		}, "the program asks another question: /messages/1/content changed", "class: changed prompt\nrule: none: /messages/1/content decides what the answer is, and always counts\n"},
		{"another id", func(p *tape) (was, is flight.Record, later []flight.Record) {
			return p.sends(1, `{"messages":[],"user":"17900000001"}`), p.sends(1, `{"messages":[],"user":"17900000002"}`), nil
		}, "the program asks with other parameters: /user changed", "class: volatile field\nrule: if it should be the same call: --ignore /user\n"},
		{"order", func(p *tape) (was, is flight.Record, later []flight.Record) {
			return p.asks(1, "a"), p.asks(1, "b"), []flight.Record{p.asks(1, "b")}
		}, "the program makes the recorded call 3 earlier than recorded, before or without call 2 (order): POST " + chatURL, "class: order\n"},
		{"a missing call", func(p *tape) (was, is flight.Record, later []flight.Record) {
			return p.asks(1, "a"), p.exit(1, 0, "", ""), nil
		}, "the program no longer makes the recorded call 2, POST " + chatURL + ": it ends with status 0", "class: missing call\n"},
		{"a new call", func(p *tape) (was, is flight.Record, later []flight.Record) {
			return p.exit(1, 0, "", ""), p.asks(1, "a"), nil
		}, "the program makes a new call here: POST " + chatURL + "; when it was recorded it ended with status 0", "class: new call\n"},
		{"it leaves", func(p *tape) (was, is flight.Record, later []flight.Record) {
			return &flight.Tail{Call: 1, How: "eof", Ans: p.reply("a")}, &flight.Tail{Call: 1, How: "client", Ans: p.reply("b")}, nil
		}, "the program leaves the answer to call 1 before its end; it took all of it when it was recorded", ""},
		{"heads in another order", func(p *tape) (was, is flight.Record, later []flight.Record) {
			return &flight.Tail{Call: 1, How: "eof", Ans: p.reply("a")}, &flight.Tail{Call: 7, How: "eof", Ans: p.reply("a")}, nil
		}, "the answer to call 7 ends where the answer to call 1 ended when it was recorded (order)", ""},
		{"stdout", func(p *tape) (was, is flight.Record, later []flight.Record) {
			return p.exit(1, 0, "a\n", "x"), p.exit(1, 0, "b\n", "x"), nil
		}, "the program prints something else on stdout", "--- recorded stdout\n+++ replayed stdout\n@@ -1,1 +1,1 @@\n-a\n+b\n"},
		{"status", func(p *tape) (was, is flight.Record, later []flight.Record) {
			return p.exit(1, 0, "a\n", "x"), p.exit(1, 3, "a\n", "x"), nil
		}, "the program ends with status 3; it ended with status 0 when it was recorded", "status 0 → status 3\n"},
		{"a file", func(p *tape) (was, is flight.Record, later []flight.Record) {
			return p.exit(1, 0, "a\n", "x\n"), p.exit(1, 0, "a\n", "y\n"), nil
		}, "the program writes other content to out.md", "--- recorded out.md\n+++ replayed out.md\n@@ -1,1 +1,1 @@\n-x\n+y\n"},
		{"the command", func(p *tape) (was, is flight.Record, later []flight.Record) {
			return p.start("a"), p.start("b"), nil
		}, "the run starts b; it started a when it was recorded", "command: a → b\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newTape(t)
			was, is, later := tt.of(p)
			d, records := diverge(t, p, was, is, later)
			records[0] = openingProgram()
			if got := Cause(d, records, p.docs()); got != tt.cause {
				t.Errorf("Cause = %q, want %q", got, tt.cause)
			}
			var b strings.Builder
			Divergence(&b, d, records, p.docs())
			if !strings.HasSuffix(b.String(), tt.kind) {
				t.Errorf("Divergence:\n%s\nwant at its end:\n%s", b.String(), tt.kind)
			}
		})
	}
}

func TestDiffProposesRules(t *testing.T) {
	p := newTape(t)
	call := func(content, user, run string) *flight.Call {
		return p.sends(1, `{"messages":[{"role":"user","content":"`+content+`"}],"user":"`+user+`"}`, "x-run", run)
	}
	a := p.side("A", p.agent(call("tides", "ada", "17900000001"), call("High. and?", "ada", "17900000001"), "done\n")...)
	b := p.side("B", p.agent(call("tides", "bob", "17900000002"), call("Low. and?", "bob", "17900000002"), "done\n")...)
	var out strings.Builder
	n := DiffRuns(&out, a, b)
	const want = `changed by themselves, in 2 calls of the program:
  header:x-run  2 times, "17900000001" → "17900000002"
  /user  2 times, "ada" → "bob"  (perhaps meant)
rules that leave them out: --ignore header:x-run --ignore /user
`
	if n != 2 || !strings.HasSuffix(out.String(), want) {
		t.Errorf("%d differences:\n%s\nwant at the end:\n%s", n, out.String(), want)
	}
	out.Reset()
	if n := DiffRuns(&out, a, a); n != 0 || out.Len() > 0 {
		t.Errorf("a run and itself: %d differences: %s", n, out.String())
	}
	c := p.side("C", p.agent(call("tides", "ada", "17900000001"), call("High. and?", "ada", "17900000001"), "other\n")...)
	if n := DiffRuns(&out, a, c); n != 1 || !strings.HasPrefix(out.String(), "8|8  exit  of the program\n--- A stdout\n+++ C stdout\n") || strings.Contains(out.String(), "by themselves") {
		t.Errorf("another output: %d differences:\n%s", n, out.String())
	}
}

func TestExplainAProgram(t *testing.T) {
	p := newTape(t)
	side := p.side("A", p.agent(p.asks(1, "tides"), p.asks(1, "moons"), "done\n")...)
	side.Run.Seal.Outputs = []flight.Output{{Path: "out.md", Mode: "file", SHA256: p.blob("High. Low.\n")}}
	s, err := Summarise(side.Run, side.Docs)
	if err != nil {
		t.Fatal(err)
	}
	e := Explanation{
		Summary: s, Lineage: NewLineage(side.Run.Records), Records: side.Run.Records, Docs: side.Docs, Execution: 3,
		Origins: Origins([][]byte{[]byte(`{"t":"answer","call":2,"at":"2026-11-23T09:00:00Z","from":"live","rules":["program/1 header user-agent"]}`)}),
	}
	var b strings.Builder
	e.Text(&b)
	for _, want := range []string{
		"  The program python3 agent.py, at isolation level frozen.\n  It ended with status 0 after 2 calls.\n",
		"  program 1: its command line, the 1 file of its workspace (",
		"the variables LANG, OPENAI_API_KEY\n",
		"call 2: sent, and frozen then, asked without program/1 header user-agent\n",
		"  out.md\n    program 1, python3 agent.py: start ",
		"    call 5, POST " + chatURL + ": question ",
		"visible to the program that wrote the file",
		"coo replay starts each program again",
		"the system enforces it",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("Text lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "mission's source") || strings.Contains(b.String(), "The mission") {
		t.Errorf("Text speaks of a mission:\n%s", b.String())
	}
}

// Coded bodies and Amazon event streams are shown decoded, bodies that are too
// long not at all.
func TestAnswerTextOfPrograms(t *testing.T) {
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	fmt.Fprint(w, `{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi."}}]}`)
	w.Close()
	question := &Request{DocInfo: &wire.DocInfo{Method: "POST", URL: chatURL}, Body: []byte(chatBody("m", "Hello?"))}
	coded := &Answer{Answer: wire.Answer{Status: 200, Headers: [][2]string{{"content-encoding", "gzip"}, {"content-type", "application/json"}}, Body: gz.Bytes()}}
	if got := AnswerText(question, coded); got != "Hi.\n" {
		t.Errorf("AnswerText of a coded reply = %q", got)
	}
	if got := AnswerText(nil, coded); !strings.Contains(got, `"content": "Hi."`) {
		t.Errorf("AnswerText of coded JSON = %q", got)
	}
	coded.Body = coded.Body[:gz.Len()-12]
	if got := AnswerText(nil, coded); !strings.Contains(got, "Hi.") || !strings.HasSuffix(got, "… (what follows cannot be decoded)\n") {
		t.Errorf("AnswerText of a cut coding = %q", got)
	}
	long := digest.Of([]byte("long"))
	if got := AnswerText(nil, &Answer{Size: 1 << 30, Long: &long}); got != "1.0 GB, sha256 "+long.Short()+"\n" {
		t.Errorf("AnswerText of a long body = %q", got)
	}
}

func TestProgramText(t *testing.T) {
	p := newTape(t)
	records := recordsOf(t, p.agent(p.asks(1, "tides"), p.asks(1, "moons"), "done\x1b\n")...)
	var b strings.Builder
	if err := Program(&b, records, records[1].(*flight.Call), p.docs()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"program 1  python3 agent.py\n", "  LANG=C\n", "\nended     status 0\n", "  out.md\n", "6 B\n\ndone\\x1b\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("Program lacks %q:\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := Program(&b, records[:4], records[1].(*flight.Call), p.docs()); err != nil || !strings.HasSuffix(b.String(), "\nhas not ended\n") {
		t.Errorf("Program before its end = %v:\n%s", err, b.String())
	}
}

func TestCommandLine(t *testing.T) {
	for want, argv := range map[string][]string{
		"python3 agent.py":     {"python3", "agent.py"},
		"sh -c 'echo $HOME'":   {"sh", "-c", "echo $HOME"},
		`echo '' 'it'\''s'`:    {"echo", "", "it's"},
		"env A=1 ./x@2.0 %+:,": {"env", "A=1", "./x@2.0", "%+:,"},
	} {
		if got := commandLine(argv); got != want {
			t.Errorf("commandLine(%q) = %q, want %q", argv, got, want)
		}
	}
}

func TestLinesOfExactRuns(t *testing.T) {
	p := newTape(t)
	call := p.asks(1, "a")
	call.At = new(int64(12_345_678))
	for _, tt := range []struct {
		record flight.Record
		want   string
	}{
		{call, "call        POST " + chatURL + " sample " + digest.Digest(call.Req).Short() + " by program 1 at +12.345ms"},
		{&flight.Head{At: new(int64(999)), Call: 2, Head: p.headOf(200)}, "head        to call 2: 200 application/json, 1 header at +0.000ms"},
		{&flight.Data{At: []int64{1_000_000, 1_000_000}, Call: 2, Lens: []int64{9, 14}}, "data        to call 2: 2 chunks, 23 B at +1.000ms"},
		{&flight.Data{At: []int64{1_000_000, 600_000_000_000}, Call: 2, Lens: []int64{9, 14}}, "data        to call 2: 2 chunks, 23 B at +1.000ms to +600000.000ms"},
		{&flight.Tail{At: new(int64(2_500_000)), Call: 2, How: "refused", Ans: p.answer(&wire.Answer{Error: "refused"})}, "tail        to call 2: refused 016f9261c46b at +2.500ms"},
		{&flight.Out{Call: 1, FD: 1, Lens: []int64{5, 1}, SHA256: digest.Of([]byte("n"))}, "out         of program 1: stdout, 6 B in 2 writes 1b16b1df538b"},
		{&flight.Out{Call: 1, FD: 2, Lens: []int64{5}, SHA256: digest.Of([]byte("n"))}, "out         of program 1: stderr, 5 B in 1 write 1b16b1df538b"},
	} {
		if _, err := flight.Encode(tt.record); err != nil {
			t.Fatal(err)
		}
		want := "    0  -      " + tt.want
		if got := Line(tt.record, p.docs()); !strings.HasPrefix(got, want) {
			t.Errorf("Line:\n got %q\nwant %q", got, want)
		}
	}
}

func TestCauseOfExactRuns(t *testing.T) {
	p := newTape(t)
	data := func(call int64, at ...int64) *flight.Data {
		return &flight.Data{At: at, Call: call, Lens: slices.Repeat([]int64{3}, len(at))}
	}
	head := func(call, at int64) flight.Record { return &flight.Head{At: &at, Call: call, Head: p.headOf(200)} }
	asked := p.get("http://model.test/")
	call := func(at int64) flight.Record { c := *asked; c.P, c.At = 1, &at; return &c }
	order := "class: order"
	for _, tt := range []struct {
		was, is flight.Record
		want    string
		class   string
	}{
		{head(2, 1_000_000), head(2, 2_000_000), "the answer to call 2 begins at +2.000ms by the program's clock; it was at +1.000ms when it was recorded", ""},
		{head(2, 1), head(3, 1), "the answer to call 3 begins where the answer to call 2 began when it was recorded (order)", order},
		{data(2, 1, 2), data(2, 1), "the program goes on after 1 chunk of the answer to call 2; it did after 2 chunks when it was recorded", ""},
		{data(2, 1, 2), data(2, 1, 3_000_000), "chunk 2 of the answer to call 2 comes at +3.000ms by the program's clock; it was at +0.000ms when it was recorded", ""},
		{data(2, 1), data(3, 1), "the answer to call 3 goes on where the answer to call 2 went on when it was recorded (order)", order},
		{data(2, 1), head(3, 1), "", order},
		{
			&flight.Out{Call: 1, FD: 1, Lens: []int64{3}, SHA256: digest.Of([]byte("ebb"))},
			&flight.Out{Call: 1, FD: 1, Lens: []int64{3}, SHA256: digest.Of([]byte("rip"))},
			"the program prints something else on stdout", "",
		},
		{
			&flight.Out{Call: 1, FD: 2, Lens: []int64{3}},
			&flight.Out{Call: 1, FD: 2, Lens: []int64{2, 1}},
			"the program prints the same on stderr in other pieces: 2 writes; it was 1 write when it was recorded", "",
		},
		{&flight.Out{Call: 1, FD: 1, Lens: []int64{3}}, data(2, 1), "", ""},
		{
			call(7_000_000), call(6_964_000),
			"the program makes the call GET http://model.test/ as recorded, but 36µs earlier by its own clock: what it did before differs, and is in no record (--trace FILE, at a run and at its replay, shows it)",
			"class: moment",
		},
	} {
		d := &replay.Divergence{Recorded: tt.was, Replayed: tt.is}
		if got := Cause(d, nil, p.docs()); tt.want != "" && got != tt.want {
			t.Errorf("Cause:\n got %q\nwant %q", got, tt.want)
		}
		var b strings.Builder
		Divergence(&b, d, nil, p.docs())
		if got := strings.Contains(b.String(), "class: "); got != (tt.class != "") || !strings.Contains(b.String(), tt.class) {
			t.Errorf("Divergence of %T and %T: %q, want %q", tt.was, tt.is, b.String(), tt.class)
		}
	}
}
