package freeze

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// programTape returns a tape of a run of a program whose exec call is record 1.
func programTape(t testing.TB, rules *wire.Rules) *tape {
	p := &tape{t: t, blobs: map[digest.Digest][]byte{}}
	open := &flight.Open{}
	for _, r := range rules.Sets() {
		open.Rules = append(open.Rules, flight.Rule{ID: r.ID, SHA256: p.put(r.Bytes)})
	}
	p.add(open)
	p.add(&flight.Call{Kind: "exec"})
	return p
}

// head records a program's call and the head of its answer.
func (p *tape) head(c Call) int64 {
	n := p.programAsk(c)
	p.add(&flight.Head{Call: n})
	return n
}

func (p *tape) programAsk(c Call) int64 {
	p.put(c.Doc.Bytes)
	if c.Doc.Body != nil {
		p.put(c.Doc.Body)
	}
	r := &flight.Call{Kind: "http", Req: c.Doc.Key}
	r.P = 1
	return p.add(r)
}

// tail records the end of an answer.
func (p *tape) tail(call int64, a *wire.Answer) {
	p.t.Helper()
	p.ends(&flight.Tail{Call: call}, a)
}

func (p *tape) tailAt(at, call int64, a *wire.Answer) {
	p.t.Helper()
	p.ends(&flight.Tail{At: &at, Call: call}, a)
}

func (p *tape) ends(r *flight.Tail, a *wire.Answer) {
	p.t.Helper()
	doc, body, err := a.Encode()
	if err != nil {
		p.t.Fatal(err)
	}
	if body != nil {
		p.put(body)
	}
	r.Ans = digest.Answer(p.put(doc))
	p.add(r)
}

// asked is what a program asks, as often as it likes.
func asked(t testing.TB, what string) Call {
	return ofProgram(t, "POST", "http://h/v1", `{"model":"`+what+`"}`)
}

func TestFrozenStreams(t *testing.T) {
	p := programTape(t, wire.ProgramRules())
	long := strings.Repeat("\xff23456789", 10000)
	a := p.head(asked(t, "a")) // 2, 3
	b := p.head(asked(t, "b")) // 4, 5
	p.tail(b, &wire.Answer{Status: 200, Headers: [][2]string{{"x", "y"}}, Trailers: [][2]string{{"s", "1"}}, Body: []byte("data: 1\n\ndata: 2\n\n"), Lens: []int{9, 9}})
	p.tail(a, &wire.Answer{Status: 200, Error: "cut", Body: []byte(long), Lens: []int{70000, 20000}}) // 7
	c := p.programAsk(asked(t, "a"))                                                                  // 8
	p.tail(c, &wire.Answer{Error: "refused"})                                                         // 9
	f := NewFrozen(p.end("ok").source("s"))

	first, err := f.Stream(t.Context(), asked(t, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Place{Rank: 0, P: 1, Head: 3, Tail: 7}); first.Place != want || first.Live || first.Source != "s" || first.SourceCall != 2 {
		t.Errorf("stream = %+v, want %+v", first, want)
	}
	if r := listen(t, first); r.status != 200 || r.body() != long || len(r.chunks) != 2 || len(r.chunks[0]) != 70000 || r.failure != "cut" {
		t.Errorf("a: %.100v in %d", r, len(r.chunks))
	}
	r := hear(t, f, asked(t, "b"))
	if fmt.Sprintf("%v %q %v %v", r, r.chunks, r.headers, r.trailers) != `200 "data: 1\n\ndata: 2\n\n" ["data: 1\n\n" "data: 2\n\n"] [[x y]] [[s 1]]` {
		t.Errorf("b: %v %q %v %v", r, r.chunks, r.headers, r.trailers)
	}
	if r := hear(t, f, asked(t, "a")); r.String() != `0 "" refused` {
		t.Errorf("a again: %v", r)
	}
	if got := f.Positions(0, 1); !slices.Equal(got, []int64{3, 5, 6, 7, 9}) {
		t.Errorf("Positions = %v", got)
	}
	if f.Positions(0, 2) != nil || f.Positions(-1, 1) != nil || f.Positions(1, 1) != nil {
		t.Error("positions of what is not there")
	}
	_, err = f.Stream(t.Context(), asked(t, "a"))
	miss, ok := errors.AsType[*MissError](err)
	if !ok || miss.Asked != 3 || miss.Recorded != 2 || miss.Nearest == nil {
		t.Errorf("the third time: %v", err)
	}
}

// TestFrozenStreamsOfLeavers: a program that left, then or now.
func TestFrozenStreamsOfLeavers(t *testing.T) {
	p := programTape(t, wire.ProgramRules())
	for range 2 {
		p.tail(p.head(asked(t, "a")), &wire.Answer{Status: 200, Error: "client", Body: []byte("12"), Lens: []int{1, 1}})
	}
	f := NewFrozen(p.end("ok").source("s"))
	for _, after := range []int{2, 1} { // chunks until it leaves
		ctx, cancel := context.WithCancel(t.Context())
		s, err := f.Stream(ctx, asked(t, "a"))
		if err != nil {
			t.Fatal(err)
		}
		for range after {
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
		}
		if after == 1 {
			cancel()
		}
		if _, err := s.Next(); err != io.EOF {
			t.Errorf("Next = %v", err)
		}
		if failure, _ := s.End(); failure != "client" {
			t.Errorf("End = %q", failure)
		}
		cancel()
	}
}

// TestFillStreams: what a failed run ended on is asked again.
func TestFillStreams(t *testing.T) {
	p := programTape(t, wire.ProgramRules())
	p.tail(p.head(asked(t, "a")), &wire.Answer{Status: 200, Body: []byte("a"), Lens: []int{1}})
	p.tail(p.head(asked(t, "a")), &wire.Answer{Status: 429})
	live := &none{}
	f := NewFill(live, p.end("failed").source("s"))
	if r := hear(t, f, asked(t, "a")); r.body() != "a" {
		t.Errorf("first: %v", r)
	}
	s, err := f.Stream(t.Context(), asked(t, "a"))
	if err != nil || !s.Live || len(live.asked) != 1 {
		t.Errorf("second: %+v, %v", s, err)
	}
}

// TestProgramsHaveRulesOfTheirOwn: one source answers missions and programs
// by the rules each was asked under.
func TestProgramsHaveRulesOfTheirOwn(t *testing.T) {
	mission := newTape(t)
	mission.exchange(get("http://h/v1"), ok("m"))
	program := programTape(t, wire.ProgramRules())
	program.tail(program.head(asked(t, "a")), &wire.Answer{Status: 200, Body: []byte("p"), Lens: []int{1}})
	f := NewFrozen(mission.end("ok").source("mission"), program.end("ok").source("program"))
	if r := hear(t, f, asked(t, "a")); r.body() != "p" {
		t.Errorf("program: %v", r)
	}
	ask(t, f, call(t, 1, get("http://h/v1")))
	if got := next(t, f); got != "1: 200 m" {
		t.Errorf("mission: %s", got)
	}
	if got := fmt.Sprint(f.Skipped()); strings.Count(got, "not used") != 1 {
		t.Errorf("Skipped = %s", got)
	}
}

func TestFrozenStreamsAtOnce(t *testing.T) {
	p := programTape(t, wire.ProgramRules())
	const n = 200
	for i := range n {
		p.tail(p.head(asked(t, "a")), &wire.Answer{Status: 200, Body: fmt.Appendf(nil, "%03d", i), Lens: []int{1, 2}})
	}
	f := NewFrozen(p.end("ok").source("s"))
	got := make([]string, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { got[i] = hear(t, f, asked(t, "a")).body() })
	}
	all.Wait()
	slices.Sort(got)
	for i, g := range got {
		if g != fmt.Sprintf("%03d", i) {
			t.Fatalf("answer %d is %q", i, g)
		}
	}
}

// TestDamagedStreamsAreErrors: what was cut or changed on disk never looks
// like an answer.
func TestDamagedStreamsAreErrors(t *testing.T) {
	for _, change := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:len(b)-1] },
		func(b []byte) []byte { return append(b, 'x') },
	} {
		p := programTape(t, wire.ProgramRules())
		body := []byte(strings.Repeat("\xff", 50))
		p.tail(p.head(asked(t, "a")), &wire.Answer{Status: 200, Body: body, Lens: []int{50}})
		d := digest.Of(body)
		p.blobs[d] = change(p.blobs[d])
		s, err := NewFrozen(p.end("ok").source("s")).Stream(t.Context(), asked(t, "a"))
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = s.Next()
		}
		if err == io.EOF {
			t.Error("a damaged body ends like a sound one")
		}
	}
}

// userRules returns program/1 and what a user added, as on a command line.
func userRules(t testing.TB, ignores ...string) *wire.Rules {
	t.Helper()
	var list []wire.Ignore
	for _, s := range ignores {
		ig, err := wire.ParseIgnore(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, ig)
	}
	user, err := wire.UserRules(list)
	if err != nil {
		t.Fatal(err)
	}
	return wire.ProgramRules().With(user)
}

// under makes the Call of a program's request under rules.
func under(t testing.TB, rules *wire.Rules, body string, header ...[2]string) Call {
	t.Helper()
	req, doc, used, err := wire.ProgramRequest("POST", "http://h/v1", header, []byte(body), nil, rules)
	if err != nil {
		t.Fatal(err)
	}
	return Call{Doc: doc, Req: req, Used: used}
}

// TestSourcesAreNormalisedAgain: a user who adds a rule keeps the answers
// recorded without it; one who takes a rule away is told.
func TestSourcesAreNormalisedAgain(t *testing.T) {
	none, one, two := userRules(t), userRules(t, "/session"), userRules(t, "/session", "header:x-run")
	body := func(n int) string { return fmt.Sprintf(`{"model":"m","session":%d}`, n) }
	source := func(rules *wire.Rules) *Source {
		p := programTape(t, rules)
		for n := range 2 {
			c := under(t, rules, body(n), [2]string{"x-run", "1"})
			p.tail(p.head(c), &wire.Answer{Status: 200, Body: fmt.Append(nil, n), Lens: []int{1}})
		}
		return p.end("ok").source("s")
	}
	for _, tt := range []struct {
		name          string
		source, rules *wire.Rules
		header        string
		want          string
	}{
		{"the same rules", one, one, "1", `[200 "0" 200 "1"]`},
		{"a rule more", none, one, "1", `[200 "0" 200 "1"]`},
		{"two rules more", none, two, "9", `[200 "0" 200 "1"]`},
		{"one rule more", one, two, "9", `[200 "0" 200 "1"]`},
	} {
		f := NewFrozen(source(tt.source))
		f.SetRules(tt.rules)
		var got []told
		for n := range 2 {
			s, err := f.Stream(t.Context(), under(t, tt.rules, body(n+5), [2]string{"x-run", tt.header}))
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if used := fmt.Sprint(s.RulesUsed); !strings.Contains(used, "user/1 /session") || strings.Contains(used, "again") != (tt.source != tt.rules) {
				t.Errorf("%s: used %s", tt.name, used)
			}
			got = append(got, listen(t, s))
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
		_, err := f.Stream(t.Context(), under(t, tt.rules, `{"model":"other"}`))
		if miss, ok := errors.AsType[*MissError](err); !ok || strings.Contains(string(miss.Nearest.Body), "session") {
			t.Errorf("%s: the nearest is not told under the present rules: %v", tt.name, err)
		}
	}
	f := NewFrozen(source(two))
	f.SetRules(one)
	if _, err := f.Stream(t.Context(), under(t, one, body(0), [2]string{"x-run", "1"})); !is[*MissError](err) {
		t.Errorf("a rule less: %v", err)
	}
	if got := fmt.Sprint(f.Skipped()); got != "[s: not used: it was made with --ignore header:x-run, and this run is not]" {
		t.Errorf("Skipped = %s", got)
	}
}

// A run at level deterministic says when each part of an answer was delivered.
func TestMoments(t *testing.T) {
	p := programTape(t, wire.ProgramRules())
	a := p.programAsk(asked(t, "a"))
	b := p.programAsk(asked(t, "b"))
	p.add(&flight.Head{At: new(int64(10)), Call: a})
	p.add(&flight.Data{At: []int64{11, 12}, Call: a, Lens: []int64{1, 1}})
	p.tailAt(13, b, &wire.Answer{Error: "refused"})
	p.add(&flight.Data{At: []int64{14}, Call: a, Lens: []int64{1}})
	p.tailAt(15, a, &wire.Answer{Status: 200, Body: []byte("data"), Lens: []int{1, 1, 1, 1}})
	c := p.head(asked(t, "c"))
	p.tail(c, &wire.Answer{Status: 200})
	f := NewFrozen(p.end("ok").source("s"))
	for _, tt := range []struct {
		what string
		want []Moment
	}{
		{"a", []Moment{{4, 10}, {5, 11}, {5, 12}, {7, 14}, {8, 15}}},
		{"b", []Moment{{6, 13}}},
		{"c", nil},
	} {
		s, err := f.Stream(t.Context(), asked(t, tt.what))
		if err != nil || !slices.Equal(s.Moments, tt.want) {
			t.Errorf("Moments of %s = %v, %v, want %v", tt.what, s.Moments, err, tt.want)
		}
	}

	lone := programTape(t, wire.ProgramRules())
	n := lone.programAsk(asked(t, "a"))
	lone.add(&flight.Data{At: []int64{1}, Call: n, Lens: []int64{1}})
	if _, err := NewFrozen(lone.end("ok").source("s")).Stream(t.Context(), asked(t, "a")); err == nil {
		t.Error("chunks before a head are accepted")
	}
}
