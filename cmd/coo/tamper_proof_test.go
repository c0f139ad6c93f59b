package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/modelserver"
	"github.com/coo-runtime/coo/internal/store"
)

// These are the experiments in which Temporal's replayer, DBOS's fork and
// Restate's restart were found to go by position and name: all arguments of
// 3,000 (5,000, 1,000) steps changed and the recorded answers served; a
// recorded answer changed by two bytes and consumed; the recorded final output
// replaced and accepted. Each must be caught here, every time.

const manyCalls = `
QUESTIONS = json.decode(coo_questions)

def main(coo):
    answers = []
    for q in QUESTIONS:
        a = coo.http("POST", "http://model.test/v1/chat/completions", json = {
            "model": "sample-small", "max_tokens": 8, "messages": [{"role": "user", "content": q}],
        })
        answers.append(a.json()["choices"][0]["message"]["content"])
    print("asked", len(answers))
    coo.write("answers.txt", "\n".join(answers))
    coo.write("count.txt", str(len(answers)))
    return {"answers": answers, "id": coo.uuid()}
`

// questions is the mission above with n questions; edit changes one of them.
func questions(n int, edit func(i int, q string) string) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("%q", edit(i, fmt.Sprintf("question number %d, about the tide", i))))
	}
	return "coo_questions = '[" + strings.Join(list, ",") + "]'\n" + manyCalls
}

func asTheyAre(_ int, q string) string { return q }

// recordMany makes a run of n calls and returns its place and its ID.
func recordMany(t *testing.T, n int) (*place, *store.Store, digest.Digest) {
	t.Helper()
	srv := httptest.NewServer(modelserver.New(modelserver.Options{MaxDelay: -1}))
	defer srv.Close()
	p := newPlace(t)
	p.write("m.star", questions(n, asTheyAre))
	p.ends(exitOK, "run", "m.star", "--resolve", "model.test:80:"+srv.Listener.Addr().String())
	st, err := store.Open(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	runs, err := st.Runs()
	if err != nil || len(runs) != 1 {
		t.Fatalf("runs = %v, %v", runs, err)
	}
	return p, st, runs[0]
}

// here runs coo in this process on the store of a place.
func (p *place) here(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = execute(context.Background(), append([]string{"--store", p.dir}, args...), &out, &errs)
	return status, out.String(), errs.String()
}

// TestEveryChangedQuestionIsFound changes one byte of each question in turn.
func TestEveryChangedQuestionIsFound(t *testing.T) {
	n := 25
	if full() {
		n = 300
	}
	p, _, id := recordMany(t, n)
	found := 0
	for i := range n {
		p.write("today.star", questions(n, func(j int, q string) string {
			if i == j {
				return strings.Replace(q, "tide", "tidf", 1)
			}
			return q
		}))
		status, stdout, stderr := p.here("replay", id.String(), "--against", filepath.Join(p.dir, "today.star"))
		was := fmt.Sprintf("/messages/0/content: %q → %q", fmt.Sprintf("question number %d, about the tide", i), fmt.Sprintf("question number %d, about the tidf", i))
		if status != exitDiverged || !strings.Contains(stdout, was) || !strings.Contains(stdout, fmt.Sprintf("diverged at record %d: ", 1+2*i)) {
			t.Errorf("question %d: exit %d\n%s%s", i, status, stdout, stderr)
			continue
		}
		found++
	}
	proved(t, "changed questions: %d of %d found, each at its record", found, n)
}

// overwrite puts content in a file and returns how to put back what was there.
func overwrite(t *testing.T, file string, content []byte) (undo func()) {
	t.Helper()
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	put := func(b []byte) {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(content)
	return func() { put(before) }
}

// blobFile is where a store keeps a blob.
func blobFile(st *store.Store, d digest.Digest) string {
	return st.Path(fmt.Sprintf("blobs/sha256/%s/%s", d.String()[:2], d))
}

// TestEveryForgedContentIsFound puts in the place of each content of a run,
// answers, files written and the result among them, another one in a container
// that is right in itself: only its digest tells.
func TestEveryForgedContentIsFound(t *testing.T) {
	p, st, id := recordMany(t, 3)
	other, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	forge, _, err := store.Init(other)
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(st.Path("blobs/sha256/*/*"))
	if err != nil || len(names) < 15 {
		t.Fatalf("%d blobs, %v", len(names), err)
	}
	found, tries := 0, 0
	for _, name := range names {
		d, err := digest.Parse(filepath.Base(name))
		if err != nil {
			t.Fatal(err)
		}
		content, err := st.Get(d)
		if err != nil {
			t.Fatal(err)
		}
		forged := append([]byte(nil), content...)
		forged[len(forged)/2] ^= 1
		fd, err := forge.Put(forged)
		if err != nil {
			t.Fatal(err)
		}
		container, err := os.ReadFile(blobFile(forge, fd))
		if err != nil {
			t.Fatal(err)
		}
		undo := overwrite(t, name, container)
		commands := []string{"verify", "replay"}
		if strings.HasPrefix(string(content), `{"entries":`) {
			commands = commands[:1] // a tree of the workspace, which a replay does not look at
		}
		for _, command := range commands {
			tries++
			status, stdout, stderr := p.here(command, id.String())
			if status != exitIntegrity || !strings.Contains(stderr, d.String()) || strings.Contains(stdout, "identical") {
				t.Errorf("%s: forged %.60q: exit %d\n%s%s", command, content, status, stdout, stderr)
				continue
			}
			found++
		}
		undo()
	}
	if status, _, stderr := p.here("replay", id.String()); status != exitOK {
		t.Fatalf("put back: exit %d: %s", status, stderr)
	}
	proved(t, "forged contents: %d of %d found, by verify and by replay", found, tries)
}

// TestEveryForgedLogIsFound drops, swaps, repeats, changes and splices records,
// as they are and linked anew. Linked anew under the run's own ID the seal
// betrays it; under an ID of its own it is another run, which cannot be told
// from an honest one by its bytes: but no mission makes it, so its replay
// diverges.
func TestEveryForgedLogIsFound(t *testing.T) {
	p, st, id := recordMany(t, 4)
	run, err := flight.Load(st, id)
	if err != nil {
		t.Fatal(err)
	}
	file := st.Path("runs/" + id.String() + "/flight.jsonl")
	raw, relinked, renamed, impossible := 0, 0, 0, 0
	for _, v := range forgedOrders(run) {
		undo := overwrite(t, file, bytes.Join(append(v.lines, nil), []byte("\n")))
		if status, stdout, stderr := p.here("replay", id.String()); status != exitIntegrity {
			t.Errorf("%s: exit %d\n%s%s", v.name, status, stdout, stderr)
		}
		raw++
		undo()

		log, newID, ok := relink(run, v.lines)
		if !ok || newID == id {
			impossible++ // no program of coo's could write records in this order
			continue
		}
		undo = overwrite(t, file, log)
		if status, stdout, stderr := p.here("replay", id.String()); status != exitIntegrity {
			t.Errorf("%s, linked anew: exit %d\n%s%s", v.name, status, stdout, stderr)
		}
		relinked++
		undo()

		dir := st.Path("runs/" + newID.String())
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "flight.jsonl"), log, 0o644); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := p.here("replay", newID.String())
		if status != exitIntegrity && status != exitDiverged {
			t.Errorf("%s, as a run of its own: exit %d\n%s%s", v.name, status, stdout, stderr)
		}
		renamed++
	}
	if relinked < 10 {
		t.Errorf("only %d logs could be linked anew", relinked)
	}
	proved(t, "forged logs: %d found as they are, %d linked anew, %d under an ID of their own (%d in no possible order)", raw, relinked, renamed, impossible)
}

type forgedLog struct {
	name  string
	lines [][]byte
}

// forgedOrders are the forged logs of a run.
func forgedOrders(run *flight.Run) []forgedLog {
	var out []forgedLog
	add := func(name string, parts ...[][]byte) {
		var lines [][]byte
		for _, part := range parts {
			lines = append(lines, part...)
		}
		out = append(out, forgedLog{name, lines})
	}
	l := run.Lines
	for i := range l {
		add(fmt.Sprintf("record %d dropped", i), l[:i], l[i+1:])
		add(fmt.Sprintf("record %d repeated", i), l[:i+1], l[i:])
		if i+1 < len(l) {
			add(fmt.Sprintf("records %d and %d swapped", i, i+1), l[:i], [][]byte{l[i+1], l[i]}, l[i+2:])
		}
		forged := []byte(`{"kind":"print","n":0,"prev":"` + digest.Digest{}.String() + `","t":"log","text":"spliced"}`)
		add(fmt.Sprintf("a record spliced in before %d", i), l[:i], [][]byte{forged}, l[i:])
	}
	add("the first line appended", l, l[:1])
	add("an empty line appended", l, [][]byte{nil})
	add("cut before the seal", l[:len(l)-1])
	replace := func(i int, old, new string) {
		line := bytes.Replace(l[i], []byte(old), []byte(new), 1)
		if !bytes.Equal(line, l[i]) {
			add(fmt.Sprintf("record %d: %s", i, new), l[:i], [][]byte{line}, l[i+1:])
		}
	}
	for i, r := range run.Records {
		switch r := r.(type) {
		case *flight.Answer:
			// The answer of another call, whose document is in the store.
			for _, o := range run.Records {
				if o, ok := o.(*flight.Answer); ok && o.Ans != r.Ans {
					replace(i, digest.Digest(r.Ans).String(), digest.Digest(o.Ans).String())
				}
			}
		case *flight.Write:
			replace(i, r.Path, "x"+r.Path)
		case *flight.Log:
			replace(i, "asked", "ASKED")
		case *flight.End:
			replace(i, `"outcome":"ok"`, `"error":"no","outcome":"failed"`)
			for _, o := range run.Records {
				if o, ok := o.(*flight.Write); ok && r.Result != nil {
					replace(i, r.Result.String(), o.SHA256.String())
				}
			}
		case *flight.Open:
			replace(i, `"seed":"0"`, `"seed":"1"`)
		}
	}
	return out
}

// relink makes a log of lines: numbers, links and seal as they must be. Seal
// lines among them are left out; ok is false where there is no such log.
func relink(run *flight.Run, lines [][]byte) (log []byte, id digest.Digest, ok bool) {
	var l flight.Linker
	for _, line := range lines {
		r, err := flight.Decode(line)
		if err != nil {
			return nil, id, false
		}
		if _, seal := r.(*flight.Seal); seal {
			continue
		}
		out, err := l.Append(nil, r)
		if err != nil {
			return nil, id, false
		}
		log = append(append(log, out...), '\n')
	}
	out, _, _, err := l.Seal(nil, flight.SealFields{Before: run.Seal.Before, After: run.Seal.After, Outputs: run.Seal.Outputs})
	if err != nil {
		return nil, id, false
	}
	return append(append(log, out...), '\n'), l.Last(), true
}
