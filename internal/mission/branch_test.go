package mission

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coo-runtime/coo/internal/wire"
)

// A program is a random mission of nested branches, attempts and steps, with
// identical calls, retries, shared captures, and branches that fail.
type generator struct {
	r     *rand.Rand
	lines []string
	names int
}

func (g *generator) line(depth int, format string, args ...any) {
	g.lines = append(g.lines, strings.Repeat("    ", depth)+fmt.Sprintf(format, args...))
}

func (g *generator) block(depth, level int) {
	for range 1 + g.r.IntN(4) {
		g.statement(depth, level)
	}
}

func (g *generator) statement(depth, level int) {
	kind := g.r.IntN(12)
	if level > 3 && kind > 7 {
		kind = g.r.IntN(8)
	}
	switch kind {
	case 0, 1, 2: // calls; few different ones, so that many are identical
		g.line(depth, `out.append(ask(coo, "http://h/%d"))`, g.r.IntN(4))
	case 3:
		g.line(depth, `out.append(coo.random.int(0, 99))`)
	case 4:
		g.line(depth, `coo.write("f%d", str(shared) + str(out))`, g.r.IntN(5))
	case 5:
		g.line(depth, `coo.log("at", len(out), coo.uuid())`)
	case 6:
		g.line(depth, `out.append(coo.now())`)
	case 7:
		if g.r.IntN(15) == 0 {
			g.line(depth, `coo.fail("failed with %%s" %% len(out))`)
		} else {
			g.line(depth, `out.append(shared["k"][0])`)
		}
	case 8, 9:
		g.call(depth, level, "coo.parallel([%s])")
	case 10:
		g.call(depth, level, "coo.attempt(%s)")
	case 11:
		g.call(depth, level, `coo.step("s", %s)`)
	}
}

// call defines functions and hands them to one of coo's.
func (g *generator) call(depth, level int, format string) {
	width := 1
	if strings.Contains(format, "parallel") {
		width = 1 + g.r.IntN(5)
	}
	var names []string
	for range width {
		g.names++
		name := fmt.Sprintf("f%d", g.names)
		names = append(names, name)
		g.line(depth, "def %s():", name)
		g.line(depth+1, "out = []")
		g.block(depth+1, level+1)
		g.line(depth+1, "return out")
	}
	call := fmt.Sprintf(format, strings.Join(names, ", "))
	if strings.Contains(format, "attempt") {
		call = "(lambda a: [a.ok, a.value, a.error])(" + call + ")"
	}
	g.line(depth, "out.append(%s)", call)
}

func randomMission(seed uint64) string {
	g := &generator{r: rand.New(rand.NewPCG(seed, 1))}
	g.lines = []string{
		"def ask(coo, url):",
		"    for i in range(3):",
		"        r = coo.http('GET', url)",
		"        if r.status != 429:",
		"            return r.text",
		"        coo.sleep(1)",
		"    fail('too busy')",
		"def main(coo):",
		"    out = []",
		"    shared = {'k': [1, {'deep': [2]}]}",
	}
	for range 3 {
		g.call(1, 0, "coo.parallel([%s])")
		g.block(1, 0)
	}
	g.line(1, "return out")
	return strings.Join(g.lines, "\n") + "\n"
}

// busy answers by a sequence that differs per URL and has 429s in it.
func busy() func(*wire.Request) *wire.Answer {
	asked := map[string]int{}
	return func(r *wire.Request) *wire.Answer {
		url := r.URL.String()
		asked[url]++
		if (asked[url]+len(url)+int(url[len(url)-1]))%3 == 0 {
			return reply(429, "busy")
		}
		return reply(200, fmt.Sprintf("%s #%d", url, asked[url]))
	}
}

// TestReplayIsIdentical is the promise of the scheduler: with the same answers
// delivered in the same order, everything the mission does to its World is the
// same, in the same order.
func TestReplayIsIdentical(t *testing.T) {
	n := 60
	if fullProof() {
		n = 300
	}
	calls, branches, failed := 0, 0, 0
	for seed := range n {
		p := mission(t, randomMission(uint64(seed)))
		live := newFake()
		live.answer = busy()
		live.pick = shuffled(rand.New(rand.NewPCG(uint64(seed), 2)))
		first := p.Run(live, Options{Seed: "7"})
		if first.Fatal != nil {
			t.Fatalf("seed %d: %v", seed, first.Fatal)
		}
		for range 2 {
			again := newFake()
			again.answer = busy()
			again.pick = inOrder(live.order)
			second := p.Run(again, Options{Seed: "7"})
			if diff := cmp.Diff(live.trace, again.trace); diff != "" {
				t.Fatalf("seed %d: a replay differs:\n%s\n%s", seed, diff, randomMission(uint64(seed)))
			}
			if diff := cmp.Diff(first, second); diff != "" {
				t.Fatalf("seed %d: the result differs:\n%s", seed, diff)
			}
		}
		calls += len(live.order)
		branches += strings.Count(strings.Join(live.trace, "\n"), " branch-end ")
		if first.Err != nil {
			failed++
		}
	}
	if calls < 10*n || branches < 5*n || failed == 0 || failed == n {
		t.Errorf("the missions are too tame: %d calls, %d branches, %d of %d failed", calls, branches, failed, n)
	}
	t.Logf("%d missions, %d calls, %d branches, %d failed", n, calls, branches, failed)
}

// TestOrderMatters keeps the test above honest: another order of deliveries
// is seen.
func TestOrderMatters(t *testing.T) {
	p := mission(t, `
def main(coo):
    def f(i):
        def g():
            coo.log(i, coo.http("GET", "http://h/%d" % i).text)
        return g
    coo.parallel([f(i) for i in range(4)])
`)
	a, b := newFake(), newFake()
	b.pick = func(w []int64) int { return len(w) - 1 }
	p.Run(a, Options{})
	p.Run(b, Options{})
	if cmp.Equal(a.trace, b.trace) {
		t.Error("two orders of delivery gave the same trace")
	}
}

// TestSchedule shows the order of a small fork in full.
func TestSchedule(t *testing.T) {
	w := newFake()
	w.pick = func(waiting []int64) int { return len(waiting) - 1 } // the latest call first
	r := runBody(t, w, `
def a():
    coo.log("a1")
    x = coo.http("GET", "http://h/a").text
    coo.log("a2")
    return x
def b():
    coo.log("b1")
    def inner():
        coo.http("GET", "http://h/inner")
        coo.fail("no")
    y = coo.parallel([inner, lambda: coo.http("GET", "http://h/b").status])
    return y
def c():
    return "c"
return coo.parallel([a, b, c])
`, Options{})
	want := []string{
		`0 fork [] 3`,
		`1 log [0.0] log a1`,
		`2 issue [0.0] GET http://h/a [] `,
		`3 log [0.1] log b1`,
		`4 fork [0.1] 2`,
		`5 branch-end [0.2] <nil>`,
		`6 issue [4.0] GET http://h/inner [] `,
		`7 issue [4.1] GET http://h/b [] `,
		`8 deliver [] 7 200`,
		`9 branch-end [4.1] <nil>`,
		`10 deliver [] 6 200`,
		`11 branch-end [4.0] no`,
		`12 join [0.1] 4`,
		`13 branch-end [0.1] no`,
		`14 deliver [] 2 200`,
		`15 log [0.0] log a2`,
		`16 branch-end [0.0] <nil>`,
		`17 join [] 0`,
	}
	if diff := cmp.Diff(want, w.trace); diff != "" {
		t.Error(diff)
	}
	if r.Err == nil || r.Err.Msg != "no" {
		t.Fatalf("result %+v, want the failure of the inner branch", r)
	}
	var stack []string
	for _, f := range r.Err.Trace {
		stack = append(stack, fmt.Sprintf("%s:%d:%d %s", f.File, f.Line, f.Col, f.Func))
	}
	wantStack := []string{"m.star:16:24 main", "m.star:12:25 b", "m.star:11:21 inner"}
	if diff := cmp.Diff(wantStack, stack); diff != "" {
		t.Errorf("trace: %s", diff)
	}
}

func TestLowestFailureIsRaised(t *testing.T) {
	w := newFake()
	w.pick = func(waiting []int64) int { return len(waiting) - 1 }
	got := failure(t, w, `
def f(i):
    def g():
        coo.http("GET", "http://h/")
        if i > 0:
            coo.fail("branch %d" % i)
    return g
coo.parallel([f(i) for i in range(5)])
`)
	if got != "branch 1" {
		t.Errorf("got %q", got)
	}
	if n := strings.Count(strings.Join(w.trace, "\n"), "branch-end"); n != 5 {
		t.Errorf("%d branches ended, want all 5", n)
	}
}

// TestFatal: an error from outside ends the run at every place, is not caught,
// and no method of the World is called after it.
func TestFatal(t *testing.T) {
	body := `
def work():
    coo.step("s", lambda: coo.http("GET", "http://h/"))
    coo.write("f", "x")
    return coo.parallel([lambda: coo.http("GET", "http://h/%d"), lambda: coo.now(), lambda: coo.attempt(lambda: coo.read("f"))])
return [coo.attempt(work).ok for i in range(3)][0]
`
	full := newFake()
	if r := runBody(t, full, body, Options{}); r.Err != nil || r.Fatal != nil {
		t.Fatal(r.Err, r.Fatal)
	}
	broken := errors.New("the disk is full")
	for i, line := range full.trace {
		fields := strings.SplitN(line, " ", 4)
		w := newFake()
		w.refuse[fields[1]+" "+fields[3]] = Fatal(broken)
		r := runBody(t, w, body, Options{})
		if !errors.Is(r.Fatal, broken) || r.Err != nil || r.JSON != nil {
			t.Errorf("fatal at %q: got %+v", line, r)
		}
		if len(w.trace) > i+1 {
			t.Errorf("fatal at %q: the World was called again: %q", line, w.trace[len(w.trace)-1])
		}
	}
}

func TestStop(t *testing.T) {
	reason := errors.New("interrupted")
	p := mission(t, `
def main(coo):
    def spin():
        coo.log("spinning")
        for i in range(1000000000):
            pass
    coo.attempt(lambda: coo.parallel([spin, spin]))
`)
	w := newFake()
	started := make(chan bool)
	go func() {
		<-started
		p.Stop(reason)
	}()
	r := p.Run(onLog{w, func() { close(started) }}, Options{})
	if !errors.Is(r.Fatal, reason) {
		t.Errorf("got %+v, want the reason", r)
	}
}

type onLog struct {
	*fake
	do func()
}

func (w onLog) Log(b, kind, text string) error {
	w.do()
	return w.fake.Log(b, kind, text)
}

func TestOverload(t *testing.T) {
	full := errors.New("too little memory")
	n := 0
	r := runBody(t, newFake(), `
x = coo.attempt(lambda: [len("a" * 2000000) for i in range(100)])
coo.log("not reached")
`, Options{Overload: func() error {
		if n++; n == 10 {
			return full
		}
		return nil
	}})
	if !errors.Is(r.Fatal, full) {
		t.Errorf("got %+v", r)
	}
}

// TestSteps: the limit holds for all branches together, cannot be caught, and
// is met at the same place every time.
func TestSteps(t *testing.T) {
	body := `
def spin():
    for i in range(1000):
        coo.http("GET", "http://h/")
        for j in range(1000):
            pass
coo.attempt(lambda: coo.parallel([spin, spin, spin]))
`
	var first []string
	for range 2 {
		w := newFake()
		r := runBody(t, w, body, Options{steps: 500_000})
		if r.Err == nil || r.Err.Msg != "too many steps: limits/1 allows 500000" || len(r.Err.Trace) == 0 {
			t.Fatalf("got %+v", r)
		}
		if first == nil {
			first = w.trace
		}
		if diff := cmp.Diff(first, w.trace); diff != "" {
			t.Error(diff)
		}
	}
	if len(first) < 50 {
		t.Errorf("only %d calls of the World before the limit", len(first))
	}
}

func TestForkLimits(t *testing.T) {
	for body, want := range map[string]string{
		`coo.parallel([lambda: 1] * 1001)`: "coo.parallel: too many branches: limits/1 allows 1000 in one call",
		`
def f0(): return 1
fs = [lambda: coo.parallel([lambda: coo.parallel([lambda: coo.http("GET", "http://h/")] * 1000)] * 1000)]
coo.parallel(fs)`: "coo.parallel: too many branches: limits/1 allows 10000 at once",
		`coo.parallel([1])`: "coo.parallel: element 0: got int, want a function",
	} {
		if got := failure(t, newFake(), body); got != want {
			t.Errorf("%s\ngot %q, want %q", body, got, want)
		}
	}
	deep := "lambda: coo.uuid()"
	for range 17 {
		deep = "lambda: coo.parallel([" + deep + "])"
	}
	if got, want := failure(t, newFake(), "coo.parallel(["+deep+"])"), "coo.parallel: nested too deeply: limits/1 allows 16 levels"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
