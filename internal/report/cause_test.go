package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/replay"
)

// A caseOf builds the two records of a divergence, and what was recorded
// after the first. Record 0 is the open record, record 1 begins the step
// "publish", record 2 diverges.
type caseOf func(p *tape) (was, is flight.Record, later []flight.Record)

func ends(outcome, err string) *flight.End {
	e := &flight.End{Outcome: outcome, Error: err}
	if outcome != "ok" {
		e.Status = 1
	}
	return e
}

func diverge(t *testing.T, p *tape, was, is flight.Record, later []flight.Record) (*replay.Divergence, []flight.Record) {
	t.Helper()
	records := []flight.Record{opening(), &flight.Step{Name: "publish", Kind: "step"}}
	if was != nil {
		records = append(records, was)
	}
	records = recordsOf(t, append(records, later...)...)
	d := &replay.Divergence{N: 2, Recorded: was, Replayed: is, Blobs: p.blobs}
	if is != nil {
		e := flight.Env(is)
		e.N, e.Prev = 2, digest.Of([]byte("line 1"))
		if was != nil {
			e.Prev = flight.Env(was).Prev
		}
		if _, err := flight.Encode(is); err != nil {
			t.Fatal(err)
		}
	}
	return d, records
}

func (p *tape) call(content string) *flight.Call {
	return &flight.Call{Kind: "http", Req: p.chat(content)}
}

func (p *tape) get(url string) *flight.Call {
	return &flight.Call{Kind: "http", Req: p.request("GET", url, "")}
}

func (p *tape) write(path, content string) *flight.Write {
	return &flight.Write{Path: path, Mode: "file", SHA256: p.blob(content), Size: int64(len(content))}
}

func (p *tape) file(name, content string) *flight.Input {
	return &flight.Input{Kind: "file", Name: name, SHA256: p.blob(content)}
}

func (p *tape) tree(paths ...string) digest.Digest {
	var parts []string
	for _, path := range paths {
		parts = append(parts, fmt.Sprintf(`{"mode":"file","path":%q,"sha256":%q}`, path, digest.Of([]byte(path))))
	}
	return *p.blob("[" + strings.Join(parts, ",") + "]")
}

func TestCause(t *testing.T) {
	ok := ends("ok", "")
	tests := []struct {
		name string
		of   caseOf
		want string
	}{
		// Calls.
		{
			"another prompt",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.call("tides"), p.call("moons"), nil
			},
			"the mission asks another question: /messages/1/content changed",
		},
		{
			"another model",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.call("tides"), &flight.Call{Kind: "http", Req: p.request("POST", chatURL, chatBody("large", "tides"))}, nil
			},
			"the mission asks with other parameters: /model changed",
		},
		{
			"another body",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				post := func(body string) *flight.Call {
					return &flight.Call{Kind: "http", Req: p.request("POST", "http://a.invalid/x", body)}
				}
				return post(`{"a":1,"b":1,"c":1,"d":1,"e":1}`), post(`{"a":2,"b":2,"c":2,"d":2,"e":2}`), nil
			},
			"the mission sends another body: /a, /b, /c and 2 more changed",
		},
		{
			"another header",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Call{Kind: "http", Req: p.request("GET", "http://a.invalid/x", "", "accept", "a")},
					&flight.Call{Kind: "http", Req: p.request("GET", "http://a.invalid/x", "", "accept", "b")}, nil
			},
			"the mission sends other headers: accept changed",
		},
		{
			"another address",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.get("http://a.invalid/x"), p.get("http://b.invalid/x"), nil
			},
			"the mission makes a new call here: GET http://b.invalid/x; when it was recorded it made the call GET http://a.invalid/x",
		},
		{
			"a later call first",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.get("http://a.invalid/x"), p.get("http://b.invalid/x"), []flight.Record{p.get("http://b.invalid/x")}
			},
			"the mission makes the recorded call 3 earlier than recorded, before or without call 2 (order): GET http://b.invalid/x",
		},
		{
			"a later call instead of a write",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.write("a.md", "a"), p.get("http://b.invalid/x"), []flight.Record{p.get("http://b.invalid/x")}
			},
			"the mission makes the recorded call 3 earlier than recorded, where it wrote the file a.md (order): GET http://b.invalid/x",
		},
		{
			"the same call from another branch",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				a, b := p.get("http://a.invalid/x"), p.get("http://a.invalid/x")
				a.Branch, b.Branch = "1.0", "1.1"
				return a, b, nil
			},
			"branch 1.1 makes the call GET http://a.invalid/x, where branch 1.0 did when it was recorded (order)",
		},
		{
			"a new call",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.write("a.md", "a"), p.call("tides"), nil
			},
			"the mission makes a new call here: POST " + chatURL + "; when it was recorded it wrote the file a.md",
		},
		{
			"no call any more",
			func(p *tape) (was, is flight.Record, later []flight.Record) { return p.call("tides"), ok, nil },
			"the mission no longer makes the recorded call 2, POST " + chatURL + ": it ends well",
		},
		{
			"something before a call",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.call("tides"), &flight.Log{Kind: "print", Text: text("hello")}, nil
			},
			`the mission prints "hello" where it made the call POST ` + chatURL + " when it was recorded",
		},
		// Answers.
		{
			"another answer",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Answer{Call: 1, Ans: p.reply("a")}, &flight.Answer{Call: 1, Ans: p.reply("b")}, nil
			},
			"the answer to call 1 is not the recorded one",
		},
		{
			"another call's answer",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Answer{Call: 1, Ans: p.reply("a")}, &flight.Answer{Call: 0, Ans: p.reply("b")}, nil
			},
			"the answer to call 0 arrives where the answer to call 1 was recorded (order)",
		},
		{
			"an answer where another branch went on",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.call("a"), &flight.Answer{Call: 1, Ans: p.reply("b")}, nil
			},
			"the mission receives the answer to call 1 where it made the call POST " + chatURL + " when it was recorded",
		},
		// Inputs.
		{
			"a file with other content",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.file("notes.txt", "a"), p.file("notes.txt", "b"), nil
			},
			"the file notes.txt is not what it was when the run was recorded",
		},
		{
			"a file gone",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.file("notes.txt", "a"), &flight.Input{Kind: "file", Name: "notes.txt"}, nil
			},
			"the file notes.txt is not there; it was when the run was recorded",
		},
		{
			"a file that was not there",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Input{Kind: "file", Name: "notes.txt"}, p.file("notes.txt", "a"), nil
			},
			"the file notes.txt is there; it was not when the run was recorded",
		},
		{
			"a variable",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Input{Kind: "env", Name: "MODEL", SHA256: p.blob("a")}, &flight.Input{Kind: "env", Name: "MODEL", SHA256: p.blob("b")}, nil
			},
			"the environment variable MODEL is not what it was when the run was recorded",
		},
		{
			"a variable not set",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Input{Kind: "env", Name: "MODEL", SHA256: p.blob("a")}, &flight.Input{Kind: "env", Name: "MODEL"}, nil
			},
			"the environment variable MODEL is not set; it was when the run was recorded",
		},
		{
			"a listing",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Input{Kind: "list", Name: "*.txt", SHA256: p.blob(`["a.txt"]`)}, &flight.Input{Kind: "list", Name: "*.txt", SHA256: p.blob(`["b.txt"]`)}, nil
			},
			"the files that match *.txt are not those of when the run was recorded",
		},
		{
			"another file",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.file("a.txt", "a"), p.file("b.txt", "b"), nil
			},
			"the mission reads the file b.txt, which the recorded run did not; it read the file a.txt",
		},
		{
			"a later file first",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.file("a.txt", "a"), p.file("b.txt", "b"), []flight.Record{p.file("b.txt", "other")}
			},
			"the mission reads the file b.txt earlier than recorded, where it read the file a.txt (order)",
		},
		{
			"a new file before a call",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.call("a"), p.file("notes2.txt", "b"), nil
			},
			"the mission reads the file notes2.txt, which the recorded run did not; it made the call POST " + chatURL,
		},
		// The clock.
		{
			"another time",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Clock{Now: "2026-11-23T09:00:00.000Z"}, &flight.Clock{Now: "2026-11-23T09:00:01.000Z"}, nil
			},
			"the clock tells 2026-11-23T09:00:01.000Z; it told 2026-11-23T09:00:00.000Z when the run was recorded",
		},
		{
			"a look at the clock",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.write("a.md", "a"), &flight.Clock{Now: "2026-11-23T09:00:01.000Z"}, nil
			},
			"the mission looks at the clock where it wrote the file a.md when it was recorded",
		},
		// Writes.
		{
			"other content",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.write("summary.md", "a"), p.write("summary.md", "b"), []flight.Record{p.write("summary.md", "b")}
			},
			"the mission writes other content to summary.md",
		},
		{
			"removed",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.write("a.md", "a"), &flight.Write{Path: "a.md", Mode: "file"}, nil
			},
			"the mission removes a.md, which it wrote when it was recorded",
		},
		{
			"not removed",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Write{Path: "a.md", Mode: "file"}, p.write("a.md", "a"), nil
			},
			"the mission writes a.md, which it removed when it was recorded",
		},
		{
			"mode",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				w := p.write("a.sh", "a")
				w.Mode = "exec"
				return p.write("a.sh", "a"), w, nil
			},
			"the mission writes a.sh with the mode exec; it was file when it was recorded",
		},
		{
			"another path",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.write("a.md", "a"), p.write("b.md", "a"), nil
			},
			"the mission writes the file b.md where it wrote the file a.md when it was recorded",
		},
		{
			"a later write first",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.write("a.md", "a"), p.write("b.md", "b"), []flight.Record{p.write("b.md", "b")}
			},
			"the mission writes the file b.md earlier than recorded, where it wrote the file a.md (order)",
		},
		// Steps.
		{
			"another step",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Step{Name: "a", Kind: "step"}, &flight.Step{Name: "b", Kind: "attempt"}, nil
			},
			`the mission begins the attempt "b" where it began the step "a" when it was recorded`,
		},
		{
			"a step on other files",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Step{Name: "a", Kind: "step", Tree: p.tree("x", "y")}, &flight.Step{Name: "a", Kind: "step", Tree: p.tree("x", "z")}, nil
			},
			`the step "a" begins with other files: y and z`,
		},
		{
			"a step that fails",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.call("a"), &flight.Rollback{Step: 1, Why: "no\nluck"}, []flight.Record{&flight.StepEnd{Step: 1, OK: true}}
			},
			`the step "publish" fails: no↵luck; it ended well when it was recorded`,
		},
		{
			"a step that fails earlier",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.call("a"), &flight.Rollback{Step: 1, Why: "x"}, []flight.Record{&flight.StepEnd{Step: 1, Error: "y"}}
			},
			`the step "publish" fails: x; when it was recorded it failed later: y`,
		},
		{
			"a step that no longer fails",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Rollback{Step: 1, Why: "x"}, &flight.StepEnd{Step: 1, OK: true}, nil
			},
			`the step "publish" no longer fails here: the mission ends the step "publish"; when it was recorded it failed: x`,
		},
		{
			"a step that fails otherwise",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Rollback{Step: 1, Why: "x"}, &flight.Rollback{Step: 1, Why: "y"}, nil
			},
			`the step "publish" fails otherwise: y; when it was recorded: x`,
		},
		{
			"a rollback to other files",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Rollback{Step: 1, Tree: p.tree("x")}, &flight.Rollback{Step: 1, Tree: p.tree()}, nil
			},
			`the rollback of the step "publish" restores other files: x`,
		},
		{
			"a rollback of other writes",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Rollback{Step: 1}, &flight.Rollback{Step: 1, Undone: []flight.Undone{{Path: "x"}}}, nil
			},
			`the rollback of the step "publish" takes back other writes`,
		},
		{
			"another step rolled back",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Rollback{Step: 1}, &flight.Rollback{Step: 7}, nil
			},
			`the mission rolls back the step 7 where it rolled back the step "publish" when it was recorded`,
		},
		{
			"a step's end",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.StepEnd{Step: 1, OK: true}, &flight.StepEnd{Step: 1, Error: "x"}, nil
			},
			`the step "publish" fails: x; it ended well when it was recorded`,
		},
		// Branches.
		{
			"wider",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Fork{Width: 2}, &flight.Fork{Width: 3}, nil
			},
			"the mission splits into 3 branches where it split into 2 branches when it was recorded",
		},
		{
			"a branch fails",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.BranchEnd{Envelope: in("1.0"), OK: true}, &flight.BranchEnd{Envelope: in("1.0"), Error: "x"}, nil
			},
			"branch 1.0 fails: x; it ended well when it was recorded",
		},
		{
			"a branch fails where it went on",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.call("a"), &flight.BranchEnd{Envelope: in("1.0"), Error: "x"}, nil
			},
			"branch 1.0 fails: x; when it was recorded the mission made the call POST " + chatURL + " here",
		},
		{
			"a branch no longer fails",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.BranchEnd{Envelope: in("1.0"), Error: "x"}, p.write("a", "a"), nil
			},
			"branch 1.0 no longer fails here: the mission writes the file a; when it was recorded it failed: x",
		},
		{
			"another join",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Join{Fork: 1}, &flight.Join{Fork: 0}, nil
			},
			"the mission joins the branches of fork 0 where it joined the branches of fork 1 when it was recorded",
		},
		// What is printed.
		{
			"other text",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Log{Kind: "print", Text: text("a")}, &flight.Log{Kind: "print", Text: text("b")}, nil
			},
			"the mission prints something else",
		},
		{
			"a long text, kept apart",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.write("a", "a"), &flight.Log{Kind: "log", SHA256: p.blob("kept\x1bapart")}, nil
			},
			`the mission prints "kept\x1bapart" where it wrote the file a when it was recorded`,
		},
		// The end.
		{
			"a failure",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.call("a"), ends("failed", "no luck"), []flight.Record{ok}
			},
			"the mission fails: no luck; it ended well when it was recorded",
		},
		{
			"an earlier failure",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return p.call("a"), ends("failed", "x"), []flight.Record{ends("failed", "y")}
			},
			"the mission fails: x; when it was recorded it failed later: y",
		},
		{
			"a failure instead of the end",
			func(p *tape) (was, is flight.Record, later []flight.Record) { return ok, ends("failed", "x"), nil },
			"the mission fails: x; it ended well when it was recorded",
		},
		{
			"success instead of a failure",
			func(p *tape) (was, is flight.Record, later []flight.Record) { return ends("failed", "x"), ok, nil },
			"the mission ends well; when it was recorded it failed: x",
		},
		{
			"another failure",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return ends("failed", "x"), ends("failed", "y"), nil
			},
			"the mission fails otherwise: y; when it was recorded: x",
		},
		{
			"the same failure elsewhere",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				a, b := ends("failed", "x"), ends("failed", "x")
				a.Trace = []flight.Frame{{File: "m.star", Line: 1, Col: 2, Func: "main"}}
				b.Trace = []flight.Frame{{File: "m.star", Line: 3, Col: 2, Func: "main"}}
				return a, b, nil
			},
			"the mission fails at another place: m.star:3:2; when it was recorded at m.star:1:2",
		},
		{
			"another result",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.End{Outcome: "ok", Result: p.blob(`{"n":1}`)}, &flight.End{Outcome: "ok", Result: p.blob(`{"n":2}`)}, nil
			},
			"the mission returns another result: /n changed",
		},
		{
			"no result",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.End{Outcome: "ok", Result: p.blob(`{"n":1}`)}, ok, nil
			},
			"the mission returns another result",
		},
		{
			"an early end",
			func(p *tape) (was, is flight.Record, later []flight.Record) { return p.write("a", "a"), ok, nil },
			"the mission ends here; when it was recorded it went on: it wrote the file a",
		},
		{
			"no end",
			func(p *tape) (was, is flight.Record, later []flight.Record) { return ok, p.write("a", "a"), nil },
			"the mission goes on where it ended when it was recorded: it writes the file a",
		},
		{
			"no failure any more",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return ends("failed", "x"), p.write("a", "a"), nil
			},
			"the mission no longer fails here: it writes the file a; when it was recorded it failed: x",
		},
		{
			"another seal",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				return &flight.Seal{Count: 2, Outputs: []flight.Output{{Path: "a", Mode: "file"}}}, &flight.Seal{Count: 2}, nil
			},
			"the run is sealed with another outcome: /outputs/0 changed",
		},
		{
			"other arguments",
			func(p *tape) (was, is flight.Record, later []flight.Record) {
				o := opening()
				o.Args = map[string]string{"topic": "moons"}
				o.Seed = "1"
				return opening(), o, nil
			},
			"the run begins otherwise: /args/topic and /seed changed",
		},
		{
			"after the record",
			func(p *tape) (was, is flight.Record, later []flight.Record) { return nil, p.call("a"), nil },
			"the recorded run ends here; the mission goes on: it makes the call POST " + chatURL,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newTape(t)
			was, is, later := tt.of(p)
			d, records := diverge(t, p, was, is, later)
			if got := Cause(d, records, p.docs()); got != tt.want {
				t.Errorf("Cause:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestCauseOfQuestions is about replays that ask for what has no record.
func TestCauseOfQuestions(t *testing.T) {
	p := newTape(t)
	records := recordsOf(t, opening(), p.call("a"))
	tests := []struct {
		recorded flight.Record
		asked    string
		want     string
	}{
		{records[1], `read the file "notes2.txt"`, `the mission asks to read the file "notes2.txt", which the recorded run did not`},
		{records[1], "look at the clock", "the mission asks to look at the clock, which the recorded run did not"},
		{records[1], "nothing more", "the replay is at its end; when it was recorded the mission made the call POST " + chatURL},
		{nil, "read the environment variable A\x1b", `the mission asks to read the environment variable A\x1b after the end of the recorded run`},
	}
	for _, tt := range tests {
		d := &replay.Divergence{N: 1, Recorded: tt.recorded, Asked: tt.asked}
		if got := Cause(d, records, p.docs()); got != tt.want {
			t.Errorf("Cause(%q) = %s\nwant %s", tt.asked, got, tt.want)
		}
	}
}
