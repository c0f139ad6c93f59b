package upkeep

import (
	"os"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

// exec adds the start of a program, with a file in its workspace that, as a
// snapshot does, the store has.
func (p *tape) exec() int64 {
	agent := p.stored("import openai\n")
	stdin := p.blob([]byte("tides\n"))
	e := wire.Exec{
		Argv: []string{"python3", "agent.py"}, Stdin: &stdin,
		Tree: p.blob([]byte(`[{"mode":"file","path":"agent.py","sha256":"` + agent.String() + `"}]`)),
	}
	doc, err := e.Doc()
	if err != nil && p.err == nil {
		p.err = err
	}
	p.blob(doc.Bytes)
	return p.add(&flight.Call{Kind: "exec", Req: doc.Key})
}

func (p *tape) stored(text string) digest.Digest {
	d, err := p.st.Put([]byte(text))
	if err != nil && p.err == nil {
		p.err = err
	}
	return d
}

// stream adds a call of a program and its answer, which is kept apart.
func (p *tape) stream(exec int64, answer, how string) {
	req := wire.Request{Method: "POST", URL: wire.Lit("https://api.example.test/"), Body: wire.Lit(`{"stream":true}`)}
	doc, err := req.Doc(wire.Builtin())
	if err == nil {
		p.blob(doc.Bytes)
		p.blob(doc.Body)
	}
	head, herr := wire.EncodeHead(200, nil)
	body := p.blob([]byte(answer))
	info := wire.AnswerInfo{Answer: wire.Answer{Status: 200, Lens: []int{len(answer)}}, Size: int64(len(answer)), Body: &body}
	ans, aerr := info.Encode()
	for _, err := range []error{err, herr, aerr} {
		if err != nil && p.err == nil {
			p.err = err
		}
	}
	if p.err != nil {
		return
	}
	n := p.add(&flight.Call{Envelope: flight.Envelope{P: exec}, Kind: "http", Req: doc.Key})
	p.add(&flight.Head{Call: n, Head: p.blob(head)})
	p.add(&flight.Tail{Call: n, How: how, Ans: digest.Answer(p.blob(ans))})
}

// openProgram adds the first record of the run of a program and its exec call.
func (p *tape) openProgram() int64 {
	p.add(&flight.Open{
		Format: flight.Format, Epoch: flight.Epoch, Level: "frozen", Limits: "limits/1", Seed: "0",
		Rules:   []flight.Rule{{ID: "program/1", SHA256: p.blob([]byte("rules\n"))}},
		Mission: flight.Mission{Kind: "program", Main: "python3 agent.py"},
	})
	return p.exec()
}

// programRun seals the run of a program whose one answer ends as how says.
func programRun(t *testing.T, st *store.Store, how string) digest.Digest {
	t.Helper()
	p := record(st, "python3 agent.py")
	exec := p.openProgram()
	p.stream(exec, "\xff"+noise(20<<10, 7), how)
	out := p.blob([]byte("written"))
	p.add(&flight.Exit{
		Call: exec, Stdout: p.blob([]byte("stdout")), Stderr: p.blob([]byte("stderr")),
		Writes: []flight.Output{{Path: "out.md", Mode: "file", SHA256: &out}},
	})
	return p.sealed(t)
}

// All that a run of a program names is kept, and missed when it is gone.
func TestProgramRunsAreFollowed(t *testing.T) {
	st := newStore(t)
	id := programRun(t, st, flight.HowEOF)
	garbage := digest.Of([]byte("nothing names this"))
	if _, err := st.Put([]byte("nothing names this")); err != nil {
		t.Fatal(err)
	}
	rep := check(t, st)
	if len(rep.Damage) > 0 {
		t.Fatalf("Check of a sound store: %+v", rep.Damage[0])
	}
	c, err := Collect(t.Context(), config(st), Options{})
	if err != nil || c.Blobs.N != 1 || st.Has(garbage) {
		t.Fatalf("Collect = %+v, %v, want one blob gone", c, err)
	}
	if _, err := flight.Verify(st, id); err != nil {
		t.Fatal(err)
	}
	was := files(t, st.Dir())
	all := 0
	if err := st.EachBlob(func(d digest.Digest, _ int64) error {
		all++
		if err := os.Remove(st.Path(store.BlobPath(d))); err != nil {
			return err
		}
		if rep := check(t, st); len(rep.Damage)+len(rep.Repaired) == 0 {
			t.Errorf("without blob %s: Check found nothing", d.Short())
		}
		putBack(t, st.Dir(), was)
		return nil
	}, nil); err != nil {
		t.Fatal(err)
	}
	if all < 15 {
		t.Errorf("%d blobs, want more", all)
	}
}

// A sound document that is not that of its record is damage of the lines.
func TestProgramRunsMustFit(t *testing.T) {
	st := newStore(t)
	id := programRun(t, st, "cut")
	rep := check(t, st)
	if len(rep.Damage) != 1 || rep.Damage[0].Path != store.RunPath(id) || rep.Damage[0].Record != 4 || !strings.Contains(rep.Damage[0].What, `how is "cut", its answer says "eof"`) {
		t.Errorf("Check: damage %+v, want it at record 4 of the run", rep.Damage)
	}
}

// Contents that were still coming when a run was killed are its own.
func TestSpoolsOfAnIncompleteRun(t *testing.T) {
	st := newStore(t)
	p := record(st, "python3 agent.py")
	p.openProgram()
	spool, err := p.r.Spool("2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := spool.Write([]byte("data: 1\n\n")); err != nil {
		t.Fatal(err)
	}
	p.killed(t)
	rep := check(t, st)
	if len(rep.Damage) > 0 || len(rep.Incomplete) != 1 {
		t.Errorf("Check = %+v, want one incomplete run", rep)
	}
	if len(rep.Notes) != 1 || !strings.HasSuffix(rep.Notes[0].Path, "/spool-2") || rep.Notes[0].What != "9 bytes of an unfinished answer (call 2)" {
		t.Errorf("Check notes %+v, want the 9 bytes of an unfinished answer", rep.Notes)
	}
}
