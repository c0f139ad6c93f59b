package flight

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

// openProgram adds the first record of the run of a program and its exec call,
// whose number it returns.
func (s script) openProgram() int64 {
	s.t.Helper()
	return s.openAt("frozen")
}

func (s script) openAt(level string) int64 {
	s.t.Helper()
	s.add(&Open{
		Format: Format, Epoch: Epoch, Level: level, Limits: "limits/1",
		Seed: "0", Rules: []Rule{{ID: "program/1", SHA256: s.blob("rules\n")}},
		Mission: Mission{Kind: "program", Main: "python3 agent.py"},
	})
	return s.exec()
}

// exec adds the start of a program in a workspace of two files.
func (s script) exec() int64 {
	s.t.Helper()
	agent, target := s.blob("import openai\n"), s.blob("agent.py")
	e := wire.Exec{
		Argv: []string{"python3", "agent.py", "a \"b\"\n"},
		Env:  [][2]string{{"LANG", "C.UTF-8"}, {"OPENAI_API_KEY", "<secret OPENAI_API_KEY>"}},
		DotEnv: []wire.NamedBlob{
			{Path: ".env", SHA256: s.blob("OPENAI_API_KEY='<secret OPENAI_API_KEY>'\n")},
			{Path: "app/.env.local", SHA256: s.blob("MAX_STEPS=5\n")},
		},
		Stdin: s.blobRef("tides\n"),
		Tree:  s.blob(`[{"mode":"exec","path":"agent.py","sha256":"` + agent.String() + `"},{"mode":"link","path":"main","sha256":"` + target.String() + `"}]`),
	}
	doc, err := e.Doc()
	if err != nil {
		s.t.Fatal(err)
	}
	s.blob(string(doc.Bytes))
	return s.add(&Call{Kind: "exec", Req: doc.Key})
}

// programCall adds a call of the program p and returns its number.
func (s script) programCall(p int64, url, body string) int64 {
	s.t.Helper()
	return s.programCallAt(nil, p, url, body)
}

func (s script) programCallAt(at *int64, p int64, url, body string) int64 {
	s.t.Helper()
	req := wire.Request{Method: "POST", URL: wire.Lit(url), Body: wire.Lit(body)}
	doc, err := req.Doc(wire.Builtin())
	if err != nil {
		s.t.Fatal(err)
	}
	s.blob(string(doc.Bytes))
	s.blob(string(doc.Body))
	return s.add(&Call{Envelope: Envelope{P: p}, At: at, Kind: "http", Req: doc.Key})
}

// head adds the head of the answer to a call.
func (s script) head(call int64, status int, headers [][2]string) {
	s.t.Helper()
	s.headAt(nil, call, status, headers)
}

func (s script) headAt(at *int64, call int64, status int, headers [][2]string) {
	s.t.Helper()
	doc, err := wire.EncodeHead(status, headers)
	if err != nil {
		s.t.Fatal(err)
	}
	s.add(&Head{At: at, Call: call, Head: s.blob(string(doc))})
}

// tail adds the end of an answer that came in chunks through a spool.
func (s script) tail(call int64, a wire.Answer, chunks ...string) {
	s.t.Helper()
	s.add(&Tail{Call: call, How: how(a.Error), Ans: s.streamed(call, a, chunks...)})
}

func how(failure string) string {
	if failure == "" {
		return HowEOF
	}
	return failure
}

// streamed stores the document of an answer that came in chunks.
func (s script) streamed(call int64, a wire.Answer, chunks ...string) digest.Answer {
	s.t.Helper()
	spool, err := s.r.Spool(digest.Of([]byte{byte(call)}).Short())
	if err != nil {
		s.t.Fatal(err)
	}
	i := wire.AnswerInfo{Answer: a}
	for _, c := range chunks {
		if _, err := spool.Write([]byte(c)); err != nil {
			s.t.Fatal(err)
		}
		i.Lens = append(i.Lens, len(c))
		i.Size += int64(len(c))
		i.Inline = append(i.Inline, c...)
	}
	if len(i.Inline) > wire.MaxInline || strings.Contains(string(i.Inline), "\xff") {
		d, n, err := spool.Finish()
		if err != nil || n != i.Size {
			s.t.Fatalf("Finish() = %d bytes, %v, want %d", n, err, i.Size)
		}
		i.Body, i.Inline = &d, nil
	}
	spool.Discard()
	doc, err := i.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	return digest.Answer(s.blob(string(doc)))
}

// exit adds the end of a program that has written two files and removed one.
func (s script) exit(exec int64) {
	s.t.Helper()
	s.add(&Exit{
		Call: exec, Status: 137, Signal: "SIGKILL", Stdout: s.blob("ebb and flow\n"), Stderr: s.blob(""),
		Writes: []Output{
			{Path: "latest", Mode: "link", SHA256: s.blobRef("out.md")},
			{Path: "old.md", Mode: "file"},
			{Path: "out.md", Mode: "file", SHA256: s.blobRef("ebb\n")},
		},
	})
}

// eventStream are the headers of a stream.
var eventStream = [][2]string{{"content-type", "text/event-stream"}}

// program records a run of a program that has a record of every type such a
// run can have: answers that interleave, one without a head, one the program
// left, one kept apart from its document.
func (s script) program() SealFields {
	s.t.Helper()
	exec := s.openProgram()
	a := s.programCall(exec, "https://api.example.test/v1/chat", `{"stream":true}`)
	s.head(a, 200, eventStream)
	b := s.programCall(exec, "https://api.example.test/v1/embeddings", `{"input":"ebb"}`)
	s.head(b, 200, [][2]string{{"content-type", "application/octet-stream"}})
	s.tail(a, wire.Answer{Status: 200, Headers: eventStream}, "data: {}\n\n", "data: [DONE]\n\n")
	refused := s.programCall(exec, "https://down.example.test/", "x")
	s.tail(refused, wire.Answer{Error: "refused"})
	s.tail(b, wire.Answer{Status: 200, Headers: [][2]string{{"content-type", "application/octet-stream"}}},
		"\xff\x00", strings.Repeat("binary ", 2500))
	left := s.programCall(exec, "https://api.example.test/v1/chat", `{"stream":true}`)
	s.head(left, 200, eventStream)
	s.tail(left, wire.Answer{Status: 200, Headers: eventStream, Error: "client"}, "data: {")
	s.exit(exec)
	s.add(&End{Outcome: "failed", Status: 137})
	tree := s.blob(emptyTree)
	return SealFields{Before: tree, After: tree, Outputs: []Output{{Path: "out.md", Mode: "file", SHA256: s.blobRef("ebb\n")}}}
}

// smallProgram records the shortest run of a program that has a call.
func (s script) smallProgram() SealFields {
	s.t.Helper()
	exec := s.openProgram()
	c := s.programCall(exec, "https://api.example.test/v1/chat", `{"stream":true}`)
	s.head(c, 200, eventStream)
	s.tail(c, wire.Answer{Status: 200, Headers: eventStream}, "\xff")
	s.exit(exec)
	s.add(&End{Outcome: "failed", Status: 137})
	tree := s.blob(emptyTree)
	return SealFields{Before: tree, After: tree}
}

func TestProgramSealThenLoad(t *testing.T) {
	st := newStore(t)
	sealed := record(t, st, script.program)
	run, err := Load(st, sealed.ID)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for i, rec := range run.Records {
		line, err := Encode(rec)
		if err != nil || !bytes.Equal(line, run.Lines[i]) {
			t.Errorf("Encode(record %d) = %q, %v, want %q", i, line, err, run.Lines[i])
		}
		types = append(types, Env(rec).T)
	}
	const want = "open call call head call head tail call tail tail call head tail exit end seal"
	if got := strings.Join(types, " "); got != want {
		t.Errorf("records are %q, want %q", got, want)
	}
	rep, err := Verify(st, sealed.ID)
	if err != nil || rep.Calls != 4 {
		t.Errorf("Verify = %+v, %v, want 4 calls", rep, err)
	}
	manifest, err := run.Manifest()
	if err != nil || strings.Count(string(manifest), "],[") != 3 || strings.HasPrefix(string(manifest), "[[1,") {
		t.Errorf("Manifest() = %s, %v, want the 4 calls of the program and not its start", manifest, err)
	}
	entries, err := st.OpenRuns()
	if err != nil || len(entries) != 0 {
		t.Errorf("OpenRuns() = %v, %v", entries, err)
	}
}

// An answer that is too long to be held whole is read as a stream wherever a run is.
func TestProgramAnswerAboveMaxBody(t *testing.T) {
	st, r := newRecorder(t)
	s := script{t, r}
	exec := s.openProgram()
	call := s.programCall(exec, "https://api.example.test/", "x")
	s.head(call, 200, nil)
	spool := s.spool("2")
	info := wire.AnswerInfo{Answer: wire.Answer{Status: 200}}
	chunk := bytes.Repeat([]byte("0123456789abcde\n"), 4<<20/16)
	for info.Size <= wire.MaxBody {
		if _, err := spool.Write(chunk); err != nil {
			t.Fatal(err)
		}
		info.Lens = append(info.Lens, len(chunk))
		info.Size += int64(len(chunk))
	}
	d, n, err := spool.Finish()
	if err != nil || n != info.Size {
		t.Fatalf("Finish = %d bytes, %v, want %d", n, err, info.Size)
	}
	info.Body = &d
	doc, err := info.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s.add(&Tail{Call: call, How: HowEOF, Ans: digest.Answer(s.blob(string(doc)))})
	s.exit(exec)
	s.add(&End{Outcome: "ok"})
	tree := s.blob(emptyTree)
	sealed, err := r.Seal(SealFields{Before: tree, After: tree}, store.Execution{Outcome: "ok"})
	if err != nil {
		t.Fatal(err)
	}
	if rep, err := Verify(st, sealed.ID); err != nil || rep.Bytes < info.Size {
		t.Errorf("Verify = %+v, %v", rep, err)
	}
	if _, err := wire.DecodeAnswer(doc, st.Get); err == nil {
		t.Error("DecodeAnswer of a body above MaxBody = nil, want an error")
	}
	run, err := Load(st, sealed.ID)
	if err != nil {
		t.Fatal(err)
	}
	if size, b, err := run.Look(d, wire.MaxInline); err != nil || size != n || b != nil {
		t.Errorf("Look = %d, %d bytes, %v", size, len(b), err)
	}
	dir := t.TempDir()
	if err := run.Export(dir); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(filepath.Join(dir, "blobs", d.String())); err != nil || fi.Size() != n {
		t.Errorf("the exported body: %v, %v", fi, err)
	}
	if out, err := verifier(dir, sealed.ID.String()); err != nil {
		t.Errorf("verify.py = %q, %v", out, err)
	}
}

// A run of a program is in one order, and nothing else is accepted.
func TestProgramOrder(t *testing.T) {
	lineOf := func(l *Linker, r Record) error {
		_, err := l.Append(nil, r)
		return err
	}
	exec := func() Record { return &Call{Kind: "exec"} }
	http := func(p int64) Record { return &Call{Kind: "http", Envelope: Envelope{P: p}} }
	exit := func(call int64) Record { return &Exit{Call: call} }
	frozen := &Open{Level: "frozen", Mission: Mission{Kind: "program"}}
	mixed := &Open{Level: "frozen", Mission: Mission{Kind: "script"}}
	tail := func(call int64) Record { return &Tail{Call: call, How: "eof"} }
	for _, tc := range []struct {
		name string
		recs []Record // the last is refused
		want string
	}{
		{"no exec", []Record{frozen, &End{}}, "begins with its exec call"},
		{"a call before exec", []Record{frozen, http(1)}, "begins with its exec call"},
		{"two programs", []Record{frozen, exec(), exec()}, "and has no other"},
		{"a script's record", []Record{frozen, exec(), &Clock{}}, "clock in the run of a program"},
		{"a call of nobody", []Record{frozen, exec(), http(0)}, "p is missing"},
		{"a program at level script", []Record{&Open{Level: "script", Mission: Mission{Kind: "script"}}, exec()}, "level script starts no program"},
		{"p of no exec", []Record{mixed, &Clock{}, http(1)}, "record 1 is not a program that runs"},
		{"p of a later record", []Record{mixed, &Clock{}, http(7)}, "record 7 is not a program"},
		{"p after the exit", []Record{mixed, exec(), exit(1), http(1)}, "record 1 is not a program"},
		{"p of a head", []Record{frozen, exec(), http(1), &Head{Call: 2, Envelope: Envelope{P: 1}}}, "p is a member of the calls"},
		{"p of an exec", []Record{mixed, exec(), &Call{Kind: "exec", Envelope: Envelope{P: 1}}}, "p is a member of the calls"},
		{"an unknown kind of call", []Record{mixed, &Call{Kind: "ws"}}, `unknown kind "ws"`},
		{"a call that waits", []Record{frozen, exec(), http(1), http(1)}, "between call 2 of a program and its head or tail"},
		{"an exit that comes between", []Record{frozen, exec(), http(1), exit(1)}, "between call 2"},
		{"the head of another", []Record{frozen, exec(), http(1), &Head{Call: 2}, http(1), &Head{Call: 2}}, "between call 4"},
		{"head twice", []Record{frozen, exec(), http(1), &Head{Call: 2}, &Head{Call: 2}}, "call 2 has one already"},
		{"tail twice", []Record{frozen, exec(), http(1), &Head{Call: 2}, tail(2), tail(2)}, "call 2 has one already"},
		{"head after tail", []Record{frozen, exec(), http(1), tail(2), &Head{Call: 2}}, "call 2 has one already"},
		{"head of no call", []Record{frozen, exec(), &Head{Call: 1}}, "record 1 is not a call"},
		{"tail of no call", []Record{frozen, exec(), tail(9)}, "record 9 is not a call"},
		{"an unknown how", []Record{frozen, exec(), http(1), &Tail{Call: 2, How: "tired"}}, `how is "tired"`},
		{"tail of a script's call", []Record{mixed, http(0), tail(1)}, "call 1 is not one of a program"},
		{"answer to a program's call", []Record{mixed, exec(), http(1), &Head{Call: 2}, &Answer{Call: 2}}, "call 2 is one of a program"},
		{"answer to an exec", []Record{mixed, exec(), &Answer{Call: 1}}, "record 1 is not a call"},
		{"exit with a call open", []Record{frozen, exec(), http(1), &Head{Call: 2}, exit(1)}, "1 calls of the program have no tail"},
		{"exit twice", []Record{frozen, exec(), exit(1), exit(1)}, "record 1 is not a program that runs"},
		{"exit of no program", []Record{mixed, &Clock{}, exit(1)}, "record 1 is not a program that runs"},
		{"missing exit", []Record{frozen, exec(), &End{}}, "end before the exit"},
		{"status", []Record{frozen, exec(), &Exit{Call: 1, Status: -1}}, "status -1 is outside"},
		{"signal", []Record{frozen, exec(), &Exit{Call: 1, Signal: "9"}}, "not the name of a signal"},
		{"writes out of order", []Record{frozen, exec(), &Exit{Call: 1, Writes: []Output{{Path: "b", Mode: "file"}, {Path: "a", Mode: "file"}}}}, `"a": written out of order`},
		{"a path twice", []Record{frozen, exec(), &Exit{Call: 1, Writes: []Output{{Path: "b", Mode: "file"}, {Path: "b", Mode: "file"}}}}, "written out of order"},
		{"an unknown mode", []Record{frozen, exec(), &Exit{Call: 1, Writes: []Output{{Path: "b", Mode: "dir", SHA256: &digest.Digest{}}}}}, `mode "dir"`},
		{"the mode of what is gone", []Record{frozen, exec(), &Exit{Call: 1, Writes: []Output{{Path: "b", Mode: "exec"}}}}, `mode "exec"`},
	} {
		var l Linker
		for i, r := range tc.recs {
			err := lineOf(&l, r)
			if i < len(tc.recs)-1 && err != nil {
				t.Errorf("%s: record %d = %v, want it accepted", tc.name, i, err)
			}
			if i == len(tc.recs)-1 && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%s: the last record = %v, want %q", tc.name, err, tc.want)
			}
		}
	}
}
