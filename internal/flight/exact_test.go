package flight

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

// out adds what a program printed, each write by itself.
func (s script) out(exec, fd int64, writes ...string) {
	s.t.Helper()
	o := &Out{Call: exec, FD: fd, SHA256: digest.Of([]byte(strings.Join(writes, "")))}
	for _, w := range writes {
		o.Lens = append(o.Lens, int64(len(w)))
	}
	s.add(o)
}

// exact records a run at level deterministic that has a record of every type
// such a run can have: two streams that interleave to the chunk, one whose
// last chunk comes with its end, one that is left, and a call never answered.
func (s script) exact() SealFields {
	s.t.Helper()
	exec := s.openAt("deterministic")
	s.add(&Clock{Now: "2026-11-23T09:00:00.000Z"})
	a := s.programCallAt(new(int64(12_000)), exec, "https://api.example.test/v1/chat", `{"stream":true}`)
	b := s.programCallAt(new(int64(12_000)), exec, "https://api.example.test/v1/chat", `{"stream":true}`)
	s.out(exec, 1, "asking ", "twice\n")
	s.out(exec, 2, "…\n")
	s.headAt(new(int64(310_000_000)), b, 200, eventStream)
	s.add(&Data{At: []int64{310_000_000, 310_000_000}, Call: b, Lens: []int64{9, 14}})
	s.headAt(new(int64(320_000_000)), a, 200, eventStream)
	s.add(&Data{At: []int64{320_500_000}, Call: a, Lens: []int64{9}})
	s.add(&Data{At: []int64{320_600_000}, Call: b, Lens: []int64{3}})
	s.out(exec, 1, "ebb and flow\n")
	s.add(&Tail{At: new(int64(330_000_000)), Call: a, How: HowEOF, Ans: s.streamed(a, wire.Answer{Status: 200, Headers: eventStream}, "data: {}\n", "data: [DONE]\n\n")})
	c := s.programCallAt(new(int64(330_010_000)), exec, "https://api.example.test/v1/embeddings", "x")
	s.add(&Tail{At: new(int64(400_000_000)), Call: b, How: "client", Ans: s.streamed(b, wire.Answer{Status: 200, Headers: eventStream, Error: "client"}, "data: {}\n", "data: [DONE]\n\n", ": \n")})
	s.add(&Tail{At: new(int64(400_000_000)), Call: c, How: "client", Ans: s.streamed(c, wire.Answer{Error: "client"})})
	s.add(&Exit{Call: exec, Stdout: s.blob("asking twice\nebb and flow\n"), Stderr: s.blob("…\n"), Writes: []Output{}})
	s.add(&End{Outcome: "ok"})
	tree := s.blob(emptyTree)
	return SealFields{Before: tree, After: tree}
}

// smallExact records the shortest run at level deterministic that has a call.
func (s script) smallExact() SealFields {
	s.t.Helper()
	exec := s.openAt("deterministic")
	s.add(&Clock{Now: "2026-11-23T09:00:00.000Z"})
	c := s.programCallAt(new(int64(1)), exec, "https://api.example.test/v1/chat", `{"stream":true}`)
	s.headAt(new(int64(2)), c, 200, eventStream)
	s.add(&Data{At: []int64{3}, Call: c, Lens: []int64{1}})
	s.out(exec, 1, "x")
	s.add(&Tail{At: new(int64(4)), Call: c, How: HowEOF, Ans: s.streamed(c, wire.Answer{Status: 200, Headers: eventStream}, "\xff")})
	s.exit(exec)
	s.add(&End{Outcome: "failed", Status: 137})
	tree := s.blob(emptyTree)
	return SealFields{Before: tree, After: tree}
}

func TestExactSealThenLoad(t *testing.T) {
	st := newStore(t)
	sealed := record(t, st, script.exact)
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
		again, err := decode(line)
		if want, _ := Encode(again); err != nil || !bytes.Equal(want, line) {
			t.Errorf("decode(record %d) = %q, %v, want %q", i, want, err, line)
		}
		types = append(types, Env(rec).T)
	}
	const want = "open call clock call call out out head data head data data out tail call tail tail exit end seal"
	if got := strings.Join(types, " "); got != want {
		t.Errorf("records are %q, want %q", got, want)
	}
	if rep, err := Verify(st, sealed.ID); err != nil || rep.Calls != 3 {
		t.Errorf("Verify = %+v, %v, want 3 calls", rep, err)
	}
}

// At level deterministic there is one order, one time, and one way to put
// parts in records.
func TestExactOrder(t *testing.T) {
	at := func(n int64) *int64 { return &n }
	exec := func() Record { return &Call{Kind: "exec"} }
	clock := func() Record { return &Clock{Now: "2026-11-23T09:00:00.000Z"} }
	http := func(n int64) Record { return &Call{At: at(n), Kind: "http", Envelope: Envelope{P: 1}} }
	head := func(call, n int64) Record { return &Head{At: at(n), Call: call} }
	tail := func(call, n int64) Record { return &Tail{At: at(n), Call: call, How: "eof"} }
	data := func(call int64, times ...int64) Record {
		d := &Data{At: times, Call: call}
		for range times {
			d.Lens = append(d.Lens, 1)
		}
		return d
	}
	out := func(fd int64, lens ...int64) Record { return &Out{Call: 1, FD: fd, Lens: lens} }
	exact := func() Record { return &Open{Level: "deterministic", Mission: Mission{Kind: "program"}} }
	pinned := func() Record {
		return &Open{Level: "deterministic", Clock: new("2026-11-23T09:00:00.000Z"), Mission: Mission{Kind: "program"}}
	}
	frozen := func() Record { return &Open{Level: "frozen", Mission: Mission{Kind: "program"}} }
	mixed := func() Record {
		return &Open{Level: "deterministic", Clock: new("2026-11-23T09:00:00.000Z"), Mission: Mission{Kind: "script"}}
	}
	begun := func(more ...Record) []Record { return append([]Record{exact(), exec(), clock()}, more...) }
	headed := func(more ...Record) []Record { return append(begun(http(5), head(3, 7)), more...) }
	ones := func(n int) []int64 { return slices.Repeat([]int64{1}, n) }
	for _, tc := range []struct {
		name string
		recs []Record
		want string // of the last; "": it is accepted
	}{
		{"a whole run", headed(data(3, 7, 8), out(1, 3), data(3, 8), tail(3, 8), &Exit{Call: 1}, &End{}), ""},
		{"a pinned clock", []Record{pinned(), exec(), &Exit{Call: 1}, &End{}}, ""},
		{"a program of a mission", []Record{mixed(), exec(), clock(), &Exit{Call: 1}, clock(), &End{}}, ""},
		{"calls that wait", begun(http(1), http(1), head(4, 2), head(3, 2)), ""},
		{"a full record and the next", headed(&Data{Call: 3, At: slices.Repeat([]int64{9}, 256), Lens: ones(256)}, data(3, 9)), ""},
		{"a full record by size and the next", headed(&Data{Call: 3, At: []int64{9, 9}, Lens: []int64{1, 1 << 20}}, data(3, 9)), ""},
		{"two outputs by turns", begun(out(1, 5), out(2, 5), out(1, 5)), ""},
		{"a full output and the next", begun(out(1, ones(256)...), out(1, 64<<10), out(1, 1)), ""},

		{"no clock", []Record{exact(), exec(), http(1)}, "the start of the program's clock belongs"},
		{"no clock in a mission", []Record{mixed(), exec(), http(1)}, "the start of the program's clock belongs"},
		{"two clocks", begun(clock()), "clock in the run of a program"},
		{"a clock beside a pinned one", []Record{pinned(), exec(), clock()}, "clock in the run of a program"},
		{"a clock at another level", []Record{frozen(), exec(), clock()}, "clock in the run of a program"},
		{"exec at a time", []Record{exact(), &Call{At: at(0), Kind: "exec"}}, "the start of a program has no time"},
		{"a mission's call at a time", []Record{mixed(), &Call{At: at(0), Kind: "http"}}, "at is a member of a program's calls"},
		{"call without at", begun(&Call{Kind: "http", Envelope: Envelope{P: 1}}), "at is there at level deterministic"},
		{"call with at elsewhere", []Record{frozen(), exec(), &Call{At: at(1), Kind: "http", Envelope: Envelope{P: 1}}}, "and nowhere else"},
		{"head without at", begun(http(1), &Head{Call: 3}), "at is there at level deterministic"},
		{"tail without at", begun(http(1), &Tail{Call: 3, How: "refused"}), "at is there at level deterministic"},
		{"a time before the start", begun(http(-1)), "at -1, after 0"},
		{"a time too large", begun(http(canon.MaxInt + 1)), "after 0"},
		{"a head before its call", begun(http(5), head(3, 4)), "at 4, after 5"},
		{"a call before a chunk", headed(data(3, 7, 9), http(8)), "at 8, after 9"},
		{"a tail before a chunk", headed(data(3, 7, 9), tail(3, 8)), "at 8, after 9"},
		{"chunks that go back", headed(data(3, 9, 8)), "at 8, after 9"},
		{"a chunk before the head", headed(data(3, 6)), "at 6, after 7"},
		{"data at another level", []Record{frozen(), exec(), &Call{Kind: "http", Envelope: Envelope{P: 1}}, data(2, 1)}, "between call 2"},
		{"out at another level", []Record{frozen(), exec(), out(1, 1)}, `out in a run of level "frozen"`},
		{"data without a head", begun(http(1), data(3, 1)), "call 3 has no head"},
		{"data of no call", begun(data(1, 1)), "record 1 is not a call"},
		{"data after the tail", headed(tail(3, 8), data(3, 8)), "call 3 has one already"},
		{"data of nothing", headed(data(3)), "nothing is in it"},
		{"an empty chunk", headed(&Data{Call: 3, At: []int64{9}, Lens: []int64{0}}), "a part of 0 bytes"},
		{"a chunk too many", headed(&Data{Call: 3, At: slices.Repeat([]int64{9}, 257), Lens: ones(257)}), "more than one record takes"},
		{"a byte too many", headed(&Data{Call: 3, At: []int64{9, 9}, Lens: []int64{1 << 20, 1}}), "more than one record takes"},
		{"a time too few", headed(&Data{Call: 3, At: []int64{9}, Lens: []int64{1, 1}}), "2 chunks at 1 times"},
		{"data in two records", headed(data(3, 9), data(3, 9)), "the record before could have held it"},
		{"out in two records", begun(out(1, 2), out(1, 2)), "the record before could have held it"},
		{"out of nothing", begun(out(1)), "nothing is in it"},
		{"an empty write", begun(out(1, 1, 0)), "a part of 0 bytes"},
		{"a write too many", begun(out(2, 64<<10, 1)), "more than one record takes"},
		{"another fd", begun(out(3, 1)), "fd is 3"},
		{"out of no program", begun(&Out{Call: 2, FD: 1, Lens: ones(1)}), "record 2 is not a program that runs"},
		{"out after the exit", begun(&Exit{Call: 1}, out(1, 1)), "record 1 is not a program that runs"},
		{"an exit with a call open", begun(http(1), &Exit{Call: 1}), "1 calls of the program have no tail"},
	} {
		var l Linker
		for i, r := range tc.recs {
			_, err := l.Append(nil, r)
			last := i == len(tc.recs)-1
			switch {
			case err != nil && (!last || tc.want == ""):
				t.Errorf("%s: record %d = %v, want it accepted", tc.name, i, err)
			case last && tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%s: the last record = %v, want %q", tc.name, err, tc.want)
			}
		}
	}
}
