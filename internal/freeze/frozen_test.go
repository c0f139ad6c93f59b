package freeze

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

func TestFrozenQueuesFollowCallsAndDeliveriesFollowAnswers(t *testing.T) {
	p := newTape(t)
	first, other, second := p.ask(get("http://a.test/")), p.ask(get("http://b.test/")), p.ask(get("http://a.test/"))
	// The second of two identical calls was answered first.
	p.answer(second, ok("second"))
	p.answer(other, ok("other"))
	p.answer(first, ok("first"))
	f := NewFrozen(p.end("ok").source("s"))
	ask(t, f, call(t, 10, get("http://a.test/")))
	ask(t, f, call(t, 11, get("http://b.test/")))
	ask(t, f, call(t, 12, get("http://a.test/")))
	for _, want := range []string{"12: 200 second", "11: 200 other", "10: 200 first"} {
		if got := next(t, f); got != want {
			t.Errorf("Next = %q, want %q", got, want)
		}
	}
	if _, err := f.Next(context.Background()); err == nil {
		t.Errorf("Next with nothing asked: no error")
	}
}

func TestFrozenAnswerNeverWaitsForACallThatWasNotAsked(t *testing.T) {
	p := newTape(t)
	p.exchange(get("http://a.test/"), ok("a"))
	p.exchange(get("http://b.test/"), ok("b"))
	f := NewFrozen(p.end("ok").source("s"))
	ask(t, f, call(t, 5, get("http://b.test/")))
	if got, want := next(t, f), "5: 200 b"; got != want {
		t.Errorf("Next = %q, want %q", got, want)
	}
}

func TestFrozenDeliveryTellsItsSource(t *testing.T) {
	p := newTape(t)
	long := strings.Repeat("x", wire.MaxInline+1)
	p.exchange(get("http://a.test/"), ok(long))
	f := NewFrozen(p.end("ok").source("run 1"))
	c := call(t, 7, get("http://a.test/"))
	ask(t, f, c)
	d, err := f.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if d.Live || d.Source != "run 1" || d.SourceCall != 1 || d.N != 7 || d.Key != c.Doc.Key {
		t.Errorf("delivery = %+v", d)
	}
	if string(d.Body) != long || string(d.Answer.Body) != long {
		t.Errorf("a body that is a blob came as %d and %d bytes, want %d", len(d.Body), len(d.Answer.Body), len(long))
	}
}

func TestFrozenMissIsDecidedWhenAsked(t *testing.T) {
	p := newTape(t)
	p.exchange(post("https://api.test/v1/chat", `{"model":"m","text":"good morning everyone"}`), ok("1"))
	p.exchange(post("https://api.test/v1/chat", `{"model":"m","text":"the tide is out"}`), ok("2"))
	p.exchange(get("https://api.test/v1/models"), ok("3"))
	src := p.end("ok").source("run 1")

	t.Run("exhausted", func(t *testing.T) {
		f := NewFrozen(src)
		ask(t, f, call(t, 4, get("https://api.test/v1/models")))
		miss := wantMiss(t, f, call(t, 9, get("https://api.test/v1/models")))
		want := "call 9: no frozen answer: GET https://api.test/v1/models: asked 2 times, recorded 1"
		if miss.Error() != want {
			t.Errorf("error = %q, want %q", miss, want)
		}
		if miss.Nearest == nil || miss.Nearest.Call != 5 {
			t.Errorf("nearest = %+v, want call 5", miss.Nearest)
		}
	})
	t.Run("changed", func(t *testing.T) {
		c := call(t, 4, post("https://api.test/v1/chat", `{"model":"m","text":"the tide is in"}`))
		miss := wantMiss(t, NewFrozen(src), c)
		if miss.Asked != 1 || miss.Recorded != 0 || miss.Key != c.Doc.Key || string(miss.Body) != string(c.Doc.Body) {
			t.Errorf("miss = %+v", miss)
		}
		near := miss.Nearest
		if near == nil || near.Call != 3 || near.Source != "run 1" || !strings.Contains(string(near.Body), "tide is out") {
			t.Fatalf("nearest = %+v, want call 3", near)
		}
		if !strings.HasPrefix(near.Why, "the same method and URL, ") {
			t.Errorf("why = %q", near.Why)
		}
	})
	t.Run("nothing recorded", func(t *testing.T) {
		miss := wantMiss(t, NewFrozen(), call(t, 1, get("http://a.test/")))
		if miss.Nearest != nil || !strings.HasSuffix(miss.Error(), "asked once, recorded 0") {
			t.Errorf("miss = %v, nearest %+v", miss, miss.Nearest)
		}
	})
}

func wantMiss(t *testing.T, f *Frozen, c Call) *MissError {
	t.Helper()
	err := f.Ask(context.Background(), c)
	miss, isMiss := errors.AsType[*MissError](err)
	if !isMiss {
		t.Fatalf("Ask = %v, want a MissError", err)
	}
	return miss
}

func TestNearestPrefersTheEndpointToTheWords(t *testing.T) {
	p := newTape(t)
	p.exchange(post("https://other.test/v1/chat", `{"text":"one two three four"}`), ok("1"))
	p.exchange(post("https://api.test/v1/embed", `{"text":"one two three four"}`), ok("2"))
	p.exchange(post("https://api.test/v1/chat?v=2", `{"text":"something else"}`), ok("3"))
	p.exchange(post("https://api.test/v1/embed?n=2", `{"text":"one two three four"}`), ok("4"))
	src := p.end("ok").source("s")
	miss := wantMiss(t, NewFrozen(src), call(t, 1, post("https://api.test/v1/chat?v=1", `{"text":"one two three four"}`)))
	if miss.Nearest.Call != 5 {
		t.Errorf("nearest = call %d (%s), want 5", miss.Nearest.Call, miss.Nearest.Why)
	}
}

func TestNewestSourceThatHasTheKeyAnswers(t *testing.T) {
	older, newer := newTape(t), newTape(t)
	older.exchange(get("http://a.test/"), ok("old a"))
	older.exchange(get("http://a.test/"), ok("old a again"))
	older.exchange(get("http://b.test/"), ok("old b"))
	newer.exchange(get("http://a.test/"), ok("new a"))
	sources := []*Source{newer.end("ok").source("newer"), older.end("ok").source("older")}
	f := NewFrozen(sources...)
	ask(t, f, call(t, 1, get("http://a.test/")))
	if older.loads != 0 {
		t.Errorf("the older source was read although the newer one has the key")
	}
	ask(t, f, call(t, 2, get("http://b.test/")))
	if older.loads != 1 {
		t.Errorf("the older source was read %d times, want once", older.loads)
	}
	// Older than the first answer of the older source, yet from the newer.
	for _, want := range []string{"1: 200 new a", "2: 200 old b"} {
		if got := next(t, f); got != want {
			t.Errorf("Next = %q, want %q", got, want)
		}
	}
	// An older source never helps out a queue that is used up.
	if miss := wantMiss(t, f, call(t, 3, get("http://a.test/"))); miss.Recorded != 1 {
		t.Errorf("recorded = %d, want 1", miss.Recorded)
	}
}

func TestSourceUnderOtherRulesIsSkippedAndNamed(t *testing.T) {
	p := newTape(t)
	p.exchange(get("http://a.test/"), ok("a"))
	p.records[0].(*flight.Open).Rules[0].SHA256[0] ^= 1
	src := p.end("ok").source("run 1")
	f := NewFrozen(src)
	wantMiss(t, f, call(t, 1, get("http://a.test/")))
	if len(f.Skipped()) != 1 || !strings.HasPrefix(f.Skipped()[0].Error(), "run 1: not used") {
		t.Errorf("Skipped = %v", f.Skipped())
	}
	if _, isRules := errors.AsType[*RulesError](src.Load()); !isRules {
		t.Errorf("Load = %v, want a RulesError", src.Load())
	}
}

func TestUnansweredCallsAreNotFrozen(t *testing.T) {
	p := newTape(t)
	p.ask(get("http://a.test/"))
	p.exchange(get("http://a.test/"), ok("whole"))
	f := NewFrozen(p.source("open"))
	ask(t, f, call(t, 1, get("http://a.test/")))
	if got, want := next(t, f), "1: 200 whole"; got != want {
		t.Errorf("Next = %q, want %q", got, want)
	}
}

func TestDamageOfASourceEndsTheRun(t *testing.T) {
	p := newTape(t)
	p.exchange(get("http://a.test/"), ok("a"))
	f := NewFrozen(p.end("ok").source("run 1"))
	ask(t, f, call(t, 1, get("http://a.test/")))
	clear(p.blobs)
	if _, err := f.Next(context.Background()); err == nil || !strings.HasPrefix(err.Error(), "run 1: blob ") {
		t.Errorf("Next = %v, want the missing blob named", err)
	}
}

// none is the live side of a Fill that must not be used, or says so.
type none struct{ asked []int64 }

func (n *none) Ask(_ context.Context, c Call) error {
	n.asked = append(n.asked, c.N)
	return nil
}

func (n *none) Next(context.Context) (*Delivery, error) {
	c := n.asked[0]
	n.asked = n.asked[1:]
	return &Delivery{N: c, Live: true, Answer: ok("live")}, nil
}

func (n *none) Stream(_ context.Context, c Call) (*Stream, error) {
	n.asked = append(n.asked, c.N)
	return &Stream{Live: true}, nil
}

func (n *none) Close() error { return nil }

func TestFillTakesFrozenAnswersFirst(t *testing.T) {
	p := newTape(t)
	p.exchange(get("http://a.test/"), ok("frozen"))
	live := &none{}
	f := NewFill(live, p.end("ok").source("s"))
	ask(t, f, call(t, 1, get("http://new.test/")))
	ask(t, f, call(t, 2, get("http://a.test/")))
	ask(t, f, call(t, 3, get("http://a.test/"))) // used up: goes out
	for _, want := range []string{"2: 200 frozen", "1: 200 live", "3: 200 live"} {
		if got := next(t, f); got != want {
			t.Errorf("Next = %q, want %q", got, want)
		}
	}
}

func TestFillDropsTheFailuresAFailedRunEndedOn(t *testing.T) {
	busy := &wire.Answer{Status: 429}
	refused := &wire.Answer{Error: "refused"}
	record := func(outcome string) *Source {
		p := newTape(t)
		p.exchange(get("http://a.test/"), busy)
		p.exchange(get("http://a.test/"), ok("a"))
		p.exchange(get("http://a.test/"), &wire.Answer{Status: 503})
		p.exchange(get("http://a.test/"), refused)
		p.exchange(get("http://b.test/"), refused)
		if outcome == "" {
			return p.source("open")
		}
		return p.end(outcome).source(outcome)
	}
	older := newTape(t)
	older.exchange(get("http://b.test/"), ok("old b"))
	old := older.end("ok").source("older")

	for _, tt := range []struct {
		outcome string
		frozen  string
	}{
		{"failed", "1: 429 ;2: 200 a;5: 200 old b;"},
		{"", "1: 429 ;2: 200 a;5: 200 old b;"},
		{"ok", "1: 429 ;2: 200 a;3: 503 ;4: refused;5: refused;"},
	} {
		live := &none{}
		f := NewFill(live, record(tt.outcome), old)
		for n := range int64(4) {
			ask(t, f, call(t, n+1, get("http://a.test/")))
		}
		ask(t, f, call(t, 5, get("http://b.test/")))
		got := ""
		for range 5 - len(live.asked) {
			got += next(t, f) + ";"
		}
		if got != tt.frozen {
			t.Errorf("outcome %q: frozen = %q, want %q", tt.outcome, got, tt.frozen)
		}
	}
	// A frozen run is told everything that was recorded.
	f := NewFrozen(record("failed"))
	ask(t, f, call(t, 1, get("http://b.test/")))
	if got, want := next(t, f), "1: refused"; got != want {
		t.Errorf("Next = %q, want %q", got, want)
	}
}

func TestStrayAnswersAreDamage(t *testing.T) {
	p := newTape(t)
	n := p.ask(get("http://a.test/"))
	p.answer(n, ok("a"))
	p.answer(n, ok("b"))
	if err := p.source("s").Load(); err == nil {
		t.Errorf("two answers to one call: Load = nil")
	}
}

// BenchmarkFrozen shows that a call costs the same however many are recorded.
func BenchmarkFrozen(b *testing.B) {
	for _, size := range []int{100, 1000, 10000} {
		p := newTape(b)
		calls := make([]Call, size)
		for i := range calls {
			req := post("https://api.test/v1/chat", fmt.Sprintf(`{"turn":%d}`, i))
			p.exchange(req, ok(`{"text":"an answer"}`))
			calls[i] = call(b, int64(i), req)
		}
		src := p.end("ok").source("s")
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var f *Frozen
			for i := 0; b.Loop(); i++ {
				if i%size == 0 {
					b.StopTimer()
					f = NewFrozen(src)
					if _, err := f.index.queues(0); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				ask(b, f, calls[i%size])
				if _, err := f.Next(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
