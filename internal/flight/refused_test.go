package flight

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/chain"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

// A refusal is one line of vectors/flight/refused.jsonl: a run with sound
// digests, as a forger would make it, that is no run, and where that shows. The
// first line is a run that is one, record -1.
type refusal struct {
	Name   string            `json:"name"`
	Record int64             `json:"record"`
	Flight string            `json:"flight"` // flight.jsonl
	Blobs  map[string]string `json:"blobs"`  // by digest; those the first line does not have
	Lost   []string          `json:"lost"`   // that it has, and this does not
}

// A forger makes records without asking whether they may be.
type forger struct {
	t     *testing.T
	blobs map[string]string
}

func (f *forger) blob(text string) digest.Digest {
	d := digest.Of([]byte(text))
	f.blobs[d.String()] = text
	return d
}

func (f *forger) ans(doc string) digest.Answer { return digest.Answer(f.blob(doc)) }
func (f *forger) req(doc string) digest.Call   { return digest.Call(f.blob(doc)) }

const (
	whole   = `{"error":null,"headers":[],"lens":[3,2],"size":5,"status":200,"text":"ebb\nx","trailers":[]}`
	request = `{"body":null,"headers":[],"kind":"http","method":"GET","url":"https://api.example.test/"}`
)

// sound returns the records of a run of a program that is not refused.
func (f *forger) sound() []Record {
	agent := f.blob("import openai\n")
	exec := wire.Exec{
		Argv: []string{"python3", "agent.py"}, Env: [][2]string{{"HOME", "/root"}, {"LANG", "C"}},
		DotEnv: []wire.NamedBlob{{Path: ".env", SHA256: f.blob("A=1\n")}},
		Tree:   f.blob(`[{"mode":"file","path":"agent.py","sha256":"` + agent.String() + `"},{"mode":"absent","path":"gone","sha256":null}]`),
	}
	start, err := exec.Doc()
	if err != nil {
		f.t.Fatal(err)
	}
	return []Record{
		&Open{
			Format: Format, Epoch: Epoch, Level: "frozen", Limits: "limits/1", Seed: "0",
			Rules:   []Rule{{ID: "program/1", SHA256: f.blob("rules\n")}},
			Mission: Mission{Kind: "program", Main: "python3 agent.py"},
		},
		&Call{Kind: "exec", Req: f.req(string(start.Bytes))},
		&Call{Envelope: Envelope{P: 1}, Kind: "http", Req: f.req(request)},
		&Head{Call: 2, Head: f.blob(`{"headers":[],"status":200}`)},
		&Tail{Call: 2, How: "eof", Ans: f.ans(whole)},
		&Exit{Call: 1, Stdout: f.blob("ebb\n"), Stderr: f.blob(""), Writes: []Output{{Path: "out.md", Mode: "file", SHA256: new(f.blob("ebb\n"))}}},
		&End{Outcome: "ok"},
	}
}

// soundExact returns the records of a run at level deterministic that is not
// refused.
func (f *forger) soundExact() []Record {
	r := f.sound()
	r[0].(*Open).Level = "deterministic"
	call, head, tail := r[2].(*Call), r[3].(*Head), r[4].(*Tail)
	call.At, head.Call, head.At, tail.Call, tail.At = new(int64(5)), 3, new(int64(7)), 3, new(int64(9))
	return []Record{
		r[0], r[1], &Clock{Now: "2026-11-23T09:00:00.000Z"}, call, head,
		&Data{At: []int64{8}, Call: 3, Lens: []int64{3}},
		&Out{Call: 1, FD: 1, Lens: []int64{4}, SHA256: digest.Of([]byte("ebb\n"))},
		tail, r[5], r[6],
	}
}

// seal numbers, links and seals records, whatever they are.
func (f *forger) seal(recs []Record, entries ...string) string {
	var link chain.Linker
	var out []byte
	reqs := map[int64]digest.Call{}
	add := func(r Record) {
		e := Env(r)
		e.N, e.Prev = link.Next()
		line, err := Encode(r)
		if err != nil {
			f.t.Fatal(err)
		}
		if err := link.Add(e.N, e.Prev, line); err != nil {
			f.t.Fatal(err)
		}
		out = append(append(out, line...), '\n')
	}
	for _, r := range recs {
		add(r)
		switch r := r.(type) {
		case *Call:
			reqs[r.N] = r.Req
		case *Answer:
			entries = append(entries, fmt.Sprintf(`[%d,"%s","%s"]`, r.Call, reqs[r.Call], r.Ans))
		case *Tail:
			entries = append(entries, fmt.Sprintf(`[%d,"%s","%s"]`, r.Call, reqs[r.Call], r.Ans))
		}
	}
	tree := f.blob("[]")
	n, _ := link.Next()
	add(&Seal{Count: n, Root: link.Root(), Freeze: f.blob("[" + strings.Join(entries, ",") + "]"), Before: tree, After: tree})
	return string(out)
}

// refusals returns the runs that must be refused.
func refusals(t *testing.T) []refusal {
	var out []refusal
	refuse := func(name string, record int64, forge func(f *forger, r []Record) []Record) {
		f := &forger{t, map[string]string{}}
		out = append(out, refusal{Name: name, Record: record, Flight: f.seal(forge(f, f.sound())), Blobs: f.blobs})
	}
	f := &forger{t, map[string]string{}}
	sound := f.blobs
	out = append(out, refusal{Name: "sound", Record: -1, Flight: f.seal(f.sound()), Blobs: sound})

	edit := func(name string, record int64, change func(f *forger, r []Record)) {
		refuse(name, record, func(f *forger, r []Record) []Record { change(f, r); return r })
	}
	insert := func(name string, record int64, i int, rec func(f *forger) Record) {
		refuse(name, record, func(f *forger, r []Record) []Record { return slices.Insert(r, i, rec(f)) })
	}
	remove := func(name string, record int64, i, j int) {
		refuse(name, record, func(f *forger, r []Record) []Record { return slices.Delete(r, i, j) })
	}
	answer := func(name, doc, how string) {
		edit(name, 4, func(f *forger, r []Record) { r[4] = &Tail{Call: 2, How: how, Ans: f.ans(doc)} })
	}
	start := func(name, doc string) {
		edit(name, 1, func(f *forger, r []Record) { r[1] = &Call{Kind: "exec", Req: f.req(doc)} })
	}
	exit := func(name string, change func(x *Exit)) {
		edit(name, 5, func(f *forger, r []Record) { change(r[5].(*Exit)) })
	}
	call := func(p int64) func(f *forger) Record {
		return func(f *forger) Record {
			return &Call{Envelope: Envelope{P: p}, Kind: "http", Req: f.req(request)}
		}
	}
	tail := func(f *forger) Record { return &Tail{Call: 2, How: "eof", Ans: f.ans(whole)} }
	refused := `{"error":"refused"}`
	tree := digest.Of([]byte("[]")).String()

	// The order of records.
	remove("no exec", 1, 1, 5)
	insert("exec twice", 2, 2, func(f *forger) Record { return &Call{Kind: "exec", Req: f.req(request)} })
	insert("a record of a script", 2, 2, func(*forger) Record { return &Clock{Now: "2026-11-23T09:00:00.000Z"} })
	edit("a program at level script", 1, func(_ *forger, r []Record) { r[0].(*Open).Level, r[0].(*Open).Mission.Kind = "script", "script" })
	edit("an unknown kind of call", 2, func(_ *forger, r []Record) { r[2].(*Call).Kind = "ws" })
	edit("p is missing", 2, func(_ *forger, r []Record) { Env(r[2]).P = 0 })
	edit("p of no exec", 2, func(_ *forger, r []Record) { Env(r[2]).P = 9 })
	edit("p of a head", 3, func(_ *forger, r []Record) { Env(r[3]).P = 1 })
	edit("p of an exec", 1, func(_ *forger, r []Record) { Env(r[1]).P = 1 })
	refuse("p after the exit", 3, func(_ *forger, r []Record) []Record {
		return []Record{r[0], r[1], r[5], r[2], r[3], r[4], r[6]}
	})
	insert("a call that waits", 3, 3, call(1))
	insert("a call whose head never comes", 6, 5, call(1))
	edit("head of no call", 3, func(_ *forger, r []Record) { r[3].(*Head).Call = 1 })
	insert("head twice", 4, 4, func(f *forger) Record { return &Head{Call: 2, Head: f.blob(`{"headers":[],"status":200}`)} })
	refuse("head after tail", 4, func(f *forger, r []Record) []Record {
		return []Record{r[0], r[1], r[2], &Tail{Call: 2, How: "refused", Ans: f.ans(refused)}, r[3], r[5], r[6]}
	})
	insert("tail twice", 5, 5, tail)
	remove("tail missing", 4, 4, 5)
	edit("answer instead of a tail", 4, func(f *forger, r []Record) { r[4] = &Answer{Call: 2, Ans: f.ans(whole)} })
	insert("answer to an exec", 5, 5, func(f *forger) Record { return &Answer{Call: 1, Ans: f.ans(whole)} })
	refuse("tail of a script's call", 2, func(f *forger, r []Record) []Record {
		r[0].(*Open).Mission.Kind = "script"
		return []Record{r[0], call(0)(f), &Tail{Call: 1, How: "refused", Ans: f.ans(refused)}, r[6]}
	})
	refuse("a program left that is none", 2, func(f *forger, r []Record) []Record {
		r[0].(*Open).Mission.Kind = "script"
		return []Record{r[0], call(0)(f), &Answer{Call: 1, Ans: f.ans(`{"error":"client"}`)}, r[6]}
	})
	remove("exit missing", 5, 5, 6)
	insert("exit twice", 6, 6, func(f *forger) Record { return &Exit{Call: 1, Stdout: f.blob(""), Stderr: f.blob("")} })
	exit("exit of a call", func(x *Exit) { x.Call = 2 })
	exit("a status that is none", func(x *Exit) { x.Status = -1 })
	exit("a signal that is none", func(x *Exit) { x.Signal = "9" })
	exit("a mode that is none", func(x *Exit) { x.Writes[0].Mode = "dir" })
	exit("the mode of what is gone", func(x *Exit) { x.Writes[0] = Output{Path: "a", Mode: "exec"} })
	exit("writes out of order", func(x *Exit) { x.Writes = append(x.Writes, Output{Path: "a", Mode: "file"}) })
	exit("a path written twice", func(x *Exit) { x.Writes = append(x.Writes, x.Writes[0]) })
	exit("output missing", func(x *Exit) { x.Stdout = digest.Of([]byte("lost")) })
	exit("what it wrote missing", func(x *Exit) { x.Writes[0].SHA256 = new(digest.Of([]byte("lost"))) })

	// Tails and what they name.
	edit("how that is none", 4, func(_ *forger, r []Record) { r[4].(*Tail).How = "tired" })
	edit("how is not the answer's", 4, func(_ *forger, r []Record) { r[4].(*Tail).How = "reset" })
	answer("cut, and the tail says eof", strings.Replace(whole, "null", `"cut"`, 1), "eof")
	answer("no status, and a head", refused, "refused")
	remove("a status, and no head", 3, 3, 4)
	answer("another status than in the head", strings.Replace(whole, "200", "201", 1), "eof")
	answer("another header than in the head", strings.Replace(whole, `"headers":[]`, `"headers":[["a","b"]]`, 1), "eof")
	answer("no lens", strings.Replace(whole, `"lens":[3,2],`, "", 1), "eof")
	answer("lens without a body", `{"error":null,"headers":[],"lens":[],"size":0,"status":200,"text":"","trailers":[]}`, "eof")
	answer("lens that do not add up", strings.Replace(whole, "[3,2]", "[3,1]", 1), "eof")
	answer("an empty chunk", strings.Replace(whole, "[3,2]", "[3,0,2]", 1), "eof")
	edit("a body that could be inline", 4, func(f *forger, r []Record) {
		body := f.blob("ebb\nx").String()
		r[4] = &Tail{Call: 2, How: "eof", Ans: f.ans(`{"body":"` + body + `","error":null,"headers":[],"lens":[5],"size":5,"status":200,"trailers":[]}`)}
	})
	edit("a body of another size", 4, func(f *forger, r []Record) {
		body := f.blob(strings.Repeat("ebb\n", 5000)).String()
		r[4] = &Tail{Call: 2, How: "eof", Ans: f.ans(`{"body":"` + body + `","error":null,"headers":[],"lens":[19999],"size":19999,"status":200,"trailers":[]}`)}
	})
	head := func(name, doc string) {
		edit(name, 3, func(f *forger, r []Record) { r[3].(*Head).Head = f.blob(doc) })
	}
	head("a head with a member more", `{"headers":[],"size":0,"status":200}`)
	head("a head without a status", `{"headers":[]}`)
	head("a head of status 99", `{"headers":[],"status":99}`)

	// Starts.
	start("the start is a request", request)
	start("no arguments", `{"argv":[],"env":[],"kind":"exec","stdin":null,"tree":"`+tree+`"}`)
	start("no program", `{"argv":[""],"env":[],"kind":"exec","stdin":null,"tree":"`+tree+`"}`)
	start("variables out of order", `{"argv":["x"],"env":[["B",""],["A",""]],"kind":"exec","stdin":null,"tree":"`+tree+`"}`)
	start("a variable twice", `{"argv":["x"],"env":[["A",""],["A",""]],"kind":"exec","stdin":null,"tree":"`+tree+`"}`)
	start("a variable that cannot be", `{"argv":["x"],"env":[["A=B",""]],"kind":"exec","stdin":null,"tree":"`+tree+`"}`)
	for _, c := range [][2]string{
		{"no .env files", `[]`},
		{".env missing", `[[".env","` + strings.Repeat("1", 64) + `"]]`},
		{".env elsewhere", `[["../.env","` + tree + `"]]`},
		{".env at the root", `[["/.env","` + tree + `"]]`},
		{".env twice", `[[".env","` + tree + `"],[".env","` + tree + `"]]`},
		{"another file for .env", `[["agent.py","` + tree + `"]]`},
		{"a script for .env", `[[".envrc","` + tree + `"]]`},
		{".env of three", `[[".env","` + tree + `","x"]]`},
	} {
		start(c[0], `{"argv":["x"],"dotenv":`+c[1]+`,"env":[],"kind":"exec","stdin":null,"tree":"`+tree+`"}`)
	}
	start("stdin missing", `{"argv":["x"],"env":[],"kind":"exec","stdin":"`+strings.Repeat("1", 64)+`","tree":"`+tree+`"}`)
	edit("a workspace out of order", 1, func(f *forger, r []Record) {
		tree := f.blob(`[{"mode":"absent","path":"b","sha256":null},{"mode":"absent","path":"a","sha256":null}]`)
		r[1] = &Call{Kind: "exec", Req: f.req(`{"argv":["x"],"env":[],"kind":"exec","stdin":null,"tree":"` + tree.String() + `"}`)}
	})
	edit("a file of the workspace missing", 1, func(f *forger, _ []Record) {
		delete(f.blobs, digest.Of([]byte("import openai\n")).String())
	})

	out = append(out, exactRefusals(t)...)

	// The seal.
	f = &forger{t, map[string]string{}}
	recs := f.sound()
	entry := fmt.Sprintf(`[1,"%s","%s"]`, recs[1].(*Call).Req, recs[4].(*Tail).Ans)
	out = append(out, refusal{Name: "the start is a frozen call", Record: 7, Flight: f.seal(recs, entry), Blobs: f.blobs})
	for i := range out[1:] {
		out[i+1].share(sound)
	}
	return out
}

// exactRefusals are those of level deterministic, after a run that is none.
func exactRefusals(t *testing.T) []refusal {
	var out []refusal
	refuse := func(name string, record int64, forge func(f *forger, r []Record) []Record) {
		f := &forger{t, map[string]string{}}
		out = append(out, refusal{Name: name, Record: record, Flight: f.seal(forge(f, f.soundExact())), Blobs: f.blobs})
	}
	edit := func(name string, record int64, change func(f *forger, r []Record)) {
		refuse(name, record, func(f *forger, r []Record) []Record { change(f, r); return r })
	}
	insert := func(name string, record int64, i int, rec Record) {
		refuse(name, record, func(_ *forger, r []Record) []Record { return slices.Insert(r, i, rec) })
	}
	data := func(name string, d *Data) {
		edit(name, 5, func(_ *forger, r []Record) { r[5] = d })
	}
	printed := func(name string, o *Out) {
		edit(name, 6, func(_ *forger, r []Record) { r[6] = o })
	}
	at := func(n int64) *int64 { return &n }
	ones := func(n int) []int64 { return slices.Repeat([]int64{1}, n) }

	refuse("sound at level deterministic", -1, func(_ *forger, r []Record) []Record { return r })
	refuse("no start of the clock", 2, func(_ *forger, r []Record) []Record { return slices.Delete(r, 2, 3) })
	edit("a pinned clock and its start", 2, func(_ *forger, r []Record) { r[0].(*Open).Clock = new("2026-11-23T09:00:00.000Z") })
	insert("a second start of the clock", 3, 3, &Clock{Now: "2026-11-23T09:00:00.000Z"})
	edit("exec at a time", 1, func(_ *forger, r []Record) { r[1].(*Call).At = at(0) })
	edit("call at no time", 3, func(_ *forger, r []Record) { r[3].(*Call).At = nil })
	edit("head at no time", 4, func(_ *forger, r []Record) { r[4].(*Head).At = nil })
	edit("tail at no time", 7, func(_ *forger, r []Record) { r[7].(*Tail).At = nil })
	edit("a time before the start", 3, func(_ *forger, r []Record) { r[3].(*Call).At = at(-1) })
	edit("a head before its call", 4, func(_ *forger, r []Record) { r[4].(*Head).At = at(4) })
	edit("a chunk before its head", 5, func(_ *forger, r []Record) { r[5].(*Data).At[0] = 6 })
	edit("a tail before a chunk", 7, func(_ *forger, r []Record) { r[7].(*Tail).At = at(7) })
	data("chunks that go back", &Data{At: []int64{9, 8}, Call: 3, Lens: []int64{2, 1}})
	data("a chunk without a time", &Data{At: []int64{8}, Call: 3, Lens: []int64{2, 1}})
	data("no chunk", &Data{At: []int64{}, Call: 3, Lens: []int64{}})
	data("a chunk of nothing", &Data{At: []int64{8, 8}, Call: 3, Lens: []int64{3, 0}})
	data("data of no call", &Data{At: []int64{8}, Call: 1, Lens: []int64{3}})
	data("a chunk too many", &Data{At: slices.Repeat([]int64{8}, 257), Call: 3, Lens: ones(257)})
	data("a byte too many", &Data{At: []int64{8, 8}, Call: 3, Lens: []int64{1 << 20, 1}})
	insert("data before the head", 4, 4, &Data{At: []int64{8}, Call: 3, Lens: []int64{3}})
	insert("data in two records", 6, 6, &Data{At: []int64{8}, Call: 3, Lens: []int64{2}})
	insert("data after the tail", 8, 8, &Data{At: []int64{9}, Call: 3, Lens: []int64{2}})
	edit("chunks that the answer does not have", 7, func(_ *forger, r []Record) { r[5].(*Data).Lens[0] = 4 })
	refuse("two chunks with the end", 7, func(f *forger, r []Record) []Record {
		r[7] = &Tail{At: at(9), Call: 3, How: "eof", Ans: f.ans(strings.Replace(whole, "[3,2]", "[3,1,1]", 1))}
		return r
	})
	edit("a chunk to a program that left", 7, func(f *forger, r []Record) {
		r[7] = &Tail{At: at(9), Call: 3, How: "client", Ans: f.ans(strings.Replace(whole, "null", `"client"`, 1))}
	})
	printed("out of no program", &Out{Call: 3, FD: 1, Lens: []int64{4}})
	printed("out to another fd", &Out{Call: 1, FD: 3, Lens: []int64{4}})
	printed("out of nothing", &Out{Call: 1, FD: 1, Lens: []int64{}})
	printed("out with nothing written", &Out{Call: 1, FD: 1, Lens: []int64{4, 0}})
	printed("a write too many", &Out{Call: 1, FD: 1, Lens: ones(257)})
	printed("out of a byte too many", &Out{Call: 1, FD: 1, Lens: []int64{64 << 10, 1}})
	insert("out in two records", 7, 7, &Out{Call: 1, FD: 1, Lens: []int64{4}})
	insert("out after the exit", 9, 9, &Out{Call: 1, FD: 1, Lens: []int64{4}})
	level := func(name, level string, record int64) {
		edit(name, record, func(_ *forger, r []Record) { r[0].(*Open).Level = level })
	}
	level("level deterministic in name only", "frozen", 2)
	edit("out at level frozen", 2, func(_ *forger, r []Record) {
		r[0].(*Open).Level, r[2] = "frozen", &Out{Call: 1, FD: 1, Lens: []int64{4}}
	})
	return out
}

// share leaves out the blobs of the sound run.
func (r *refusal) share(sound map[string]string) {
	own := r.Blobs
	r.Blobs, r.Lost = maps.Clone(own), []string{}
	for _, d := range slices.Sorted(maps.Keys(sound)) {
		delete(r.Blobs, d)
		if _, ok := own[d]; !ok {
			r.Lost = append(r.Lost, d)
		}
	}
}

// all returns the blobs of r, and those of the sound run that it does not lack.
func (r *refusal) all(sound map[string]string) map[string]string {
	out := maps.Clone(sound)
	for _, d := range r.Lost {
		delete(out, d)
	}
	maps.Copy(out, r.Blobs)
	return out
}

var refusedFile = filepath.Join(vectors, "flight", "refused.jsonl")

// The committed vectors are what this code makes; both verifiers refuse each of
// them at its record, and accept the run that they are made from.
func TestVectorsRefused(t *testing.T) {
	all := refusals(t)
	var text []byte
	for _, r := range all {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, line...), '\n')
	}
	if *update {
		if err := os.WriteFile(refusedFile, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(refusedFile); err != nil || !bytes.Equal(want, text) {
		t.Errorf("refused.jsonl is not what this code makes (%v): -update writes it", err)
	}
	sound := all[0].Blobs
	var dirs []string
	for _, r := range all {
		dirs = append(dirs, exported(t, r.Flight, r.all(sound)))
	}
	said := verifyAll(t, dirs, digest.Digest{})
	st := newStore(t)
	for i, r := range all {
		err := r.verify(t, st, sound)
		want := fmt.Sprintf("4 damage: flight.jsonl: record %d: ", r.Record)
		if r.Record < 0 {
			want = "0 ok "
		}
		if !strings.HasPrefix(said[i], want) {
			t.Errorf("%s: verify.py says %q, want %q", r.Name, said[i], want)
		}
		if e, ok := errors.AsType[*store.DamageError](err); ok != (r.Record >= 0) || ok && e.Record != r.Record {
			t.Errorf("%s: Verify = %v, want damage at record %d", r.Name, err, r.Record)
		}
	}
}

// exported writes a run as an exported one.
func exported(t *testing.T, flight string, blobs map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "blobs"), 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{store.FlightFile: flight}
	for d, text := range blobs {
		files[filepath.Join("blobs", d)] = text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// verify puts a run in the store and verifies it.
func (r *refusal) verify(t *testing.T, st *store.Store, sound map[string]string) error {
	t.Helper()
	batch, err := st.NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Discard()
	for _, text := range r.all(sound) {
		if _, err := batch.Put([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
	for _, lost := range r.Lost {
		d, err := digest.Parse(lost)
		if err == nil {
			err = os.Remove(st.Path(store.BlobPath(d)))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSuffix(r.Flight, "\n"), "\n")
	id := digest.Of([]byte(lines[len(lines)-1]))
	if _, err := st.AddRun(id, func(w io.Writer) error { _, err := io.WriteString(w, r.Flight); return err }); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(st, id)
	return err
}
