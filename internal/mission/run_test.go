package mission

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestArguments(t *testing.T) {
	p := mission(t, "def main(coo, topic = 'tides', *, n):\n    return [topic, n]\n")
	for _, c := range []struct {
		args map[string]string
		want string
	}{
		{map[string]string{"n": "1"}, `["tides","1"]`},
		{map[string]string{"n": "1", "topic": "x"}, `["x","1"]`},
		{nil, "main: argument n is missing: give it with --arg n=…"},
		{map[string]string{"n": "1", "nn": "2"}, `main: no argument "nn": it takes topic, n`},
	} {
		r := p.Run(newFake(), Options{Args: c.args})
		got := string(r.JSON)
		if r.Err != nil {
			got = r.Err.Msg
		}
		if got != c.want {
			t.Errorf("%v: got %s, want %s", c.args, got, c.want)
		}
	}
	for src, want := range map[string]string{
		"x = 1":                                   "m.star: no function main(coo, …)",
		"main = 1":                                "m.star: no function main(coo, …)",
		"def main(): pass":                        "main: it takes no argument: its first one is coo",
		"def main(*, coo): pass":                  "main: it takes no argument: its first one is coo",
		"def main(coo): return coo":               "main: the value returned: a value of type coo has no JSON form",
		"def main(coo): return {1: 2}":            "main: the value returned: a key of type int has no JSON form: use str()",
		"def main(coo): return [coo.secret('K')]": "main: the value returned: a secret may not leave the mission",
	} {
		if r := mission(t, src).Run(newFake(), Options{}); r.Err == nil || r.Err.Msg != want {
			t.Errorf("%s: got %+v, want %q", src, r.Err, want)
		}
	}
	any := mission(t, "def main(coo, **args): return args").Run(newFake(), Options{Args: map[string]string{"b": "2", "a": "1"}})
	if string(any.JSON) != `{"a":"1","b":"2"}` {
		t.Errorf("**args: got %s", any.JSON)
	}
}

// TestProgramRunsAgain: a run leaves nothing behind in its program.
func TestProgramRunsAgain(t *testing.T) {
	p := mission(t, "L = [1]\nL.append(2)\nprint('loading')\ndef main(coo):\n    return [len(L), coo.random.int(0, 1000000)]\n")
	a, b := newFake(), newFake()
	first, second := p.Run(a, Options{}), p.Run(b, Options{})
	if diff := cmp.Diff(first, second) + cmp.Diff(a.trace, b.trace); diff != "" || first.Err != nil {
		t.Error(diff, first.Err)
	}
}

// TestWorldErrors: an error of the World that is not fatal is the mission's,
// can be caught, and carries the name of the function.
func TestWorldErrors(t *testing.T) {
	for body, want := range map[string]string{
		`coo.write("f", "x")`:          "coo.write: refused",
		`coo.remove("f")`:              "coo.remove: refused",
		`coo.list("f")`:                "coo.list: refused",
		`coo.env("f")`:                 "coo.env: refused",
		`coo.now()`:                    "coo.now: refused",
		`coo.sleep(1)`:                 "coo.sleep: refused",
		`coo.secret("f")`:              "coo.secret: refused",
		`coo.http("GET", "http://h/")`: "coo.http: refused",
		`coo.step("f", lambda: 1)`:     "coo.step: refused",
		`coo.parallel([lambda: 1])`:    "coo.parallel: refused",
		`print("f")`:                   "print: refused",
		`coo.log("f")`:                 "coo.log: refused",
	} {
		w := newFake()
		for _, line := range []string{"write f x", "remove f", "list f", "env f", "now ", "sleep 1000", "secret f", "issue GET http://h/ [] ", "begin step f", "fork 1", "log print f", "log log f"} {
			w.refuse[line] = errors.New("refused")
		}
		if got := failure(t, w, body); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
		if got := value(t, w, "return coo.attempt(lambda: "+body+").error"); got != `"`+want+`"` {
			t.Errorf("%s: caught as %s", body, got)
		}
	}
}

// TestEndErrors: a step that the World cannot end well fails.
func TestEndErrors(t *testing.T) {
	w := newFake()
	w.refuse["end 0 <nil>"] = errors.New("conflict")
	w.refuse["branch-end <nil>"] = errors.New("conflict")
	if got := failure(t, w, `coo.step("s", lambda: 1)`); got != "coo.step: conflict" {
		t.Error(got)
	}
	if got := failure(t, w, `coo.parallel([lambda: 1])`); got != "coo.parallel: conflict" {
		t.Error(got)
	}
}

func TestRandomVectors(t *testing.T) {
	p := mission(t, `
def main(coo):
    def draw():
        return [coo.random.int(0, 99), coo.parallel([coo.uuid, lambda: coo.random.int(0, 9)])]
    return [
        coo.random.int(1, 6), coo.random.int(-5, 5), coo.random.int(-(1 << 63), (1 << 63) - 1),
        coo.random.float(), coo.random.choice(["a", "b", "c"]), coo.random.shuffle(range(8)), coo.uuid(),
        coo.parallel([draw, draw]), coo.parallel([draw]),
    ]
`)
	got := string(p.Run(newFake(), Options{Seed: "42"}).JSON)
	// Computed from the description in random.go by another program, in Python.
	const want = `[4,-2,1696543321325836360,0.8721980356484528,"c",[2,3,0,1,5,7,4,6],"f97c0896-cc19-4af4-b248-38f1cca5bbbc",[[58,["4d1d5ed3-a9db-4c10-b6a0-bb8bb2f33e02",1]],[77,["56065a14-bb91-4592-9c7c-aa0fae4ca691",5]]],[[66,["93daa333-7260-48e9-a9ac-8e4928ccf6b8",1]]]]`
	if got != want {
		t.Errorf("the random streams changed: a recording would no longer replay\ngot  %s\nwant %s", got, want)
	}
	if other := string(p.Run(newFake(), Options{Seed: "43"}).JSON); other == got {
		t.Error("another seed gives the same values")
	}
}

// TestRandomIsUniform would see a modulo that is off by one at either end.
func TestRandomIsUniform(t *testing.T) {
	got := value(t, newFake(), `
n = {}
for i in range(6000):
    k = coo.random.int(-1, 4)
    n[k] = n.get(k, 0) + 1
f = [coo.random.float() for i in range(1000)]
s = {}
for i in range(6000):
    k = str(coo.random.shuffle([1, 2, 3]))
    s[k] = s.get(k, 0) + 1
return [sorted(n.keys()), min(n.values()) > 850, max(n.values()) < 1150, min(f) >= 0, max(f) < 1, max(f) > 0.99, len(s), min(s.values()) > 850, max(s.values()) < 1150]`)
	if want := `[[-1,0,1,2,3,4],true,true,true,true,true,6,true,true]`; got != want {
		t.Errorf("got %s", got)
	}
}

func TestRFC3339(t *testing.T) {
	for ms, want := range map[int64]string{
		0:                   "1970-01-01T00:00:00.000Z",
		-1:                  "1969-12-31T23:59:59.999Z",
		951_782_400_000:     "2000-02-29T00:00:00.000Z",
		4_107_542_399_999:   "2100-02-28T23:59:59.999Z",
		4_107_542_400_000:   "2100-03-01T00:00:00.000Z",
		1_795_424_400_123:   "2026-11-23T09:00:00.123Z",
		253_402_300_799_999: "9999-12-31T23:59:59.999Z",
	} {
		if got := rfc3339(ms); got != want {
			t.Errorf("rfc3339(%d) = %s, want %s", ms, got, want)
		}
	}
}

// TestTrace: guards leave no trace, and every position is the author's.
func TestTrace(t *testing.T) {
	r := missionFiles(t, map[string]string{
		"m.star":     "load('lib/a.star', 'f')\ndef main(coo):\n    x = {'k': 1}\n    x['k'] += f(coo)\n",
		"lib/a.star": "load('../b.star', h = 'g')\ndef f(coo):\n    return coo.step('s', lambda: h('x') * 2)\n",
		"b.star":     "def g(x):\n    return (x +\n      1 * x + [])\n",
	}).Run(newFake(), Options{})
	if r.Err == nil {
		t.Fatal("no failure")
	}
	want := &Failure{Msg: "unknown binary op: string + list", Trace: []Frame{
		{"m.star", 4, 16, "main"}, {"lib/a.star", 3, 20, "f"}, {"lib/a.star", 3, 35, "lambda"}, {"b.star", 3, 13, "g"},
	}}
	if diff := cmp.Diff(want, r.Err); diff != "" {
		t.Error(diff)
	}
}

func TestLoadErrors(t *testing.T) {
	for _, c := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"m.star": "def f(:"}, "m.star:1:8: got ':', want ')'"},
		{map[string]string{"m.star": "x = y1"}, "m.star:1:5: undefined: y1"},
		{map[string]string{"m.star": "x = 1\nx = 2"}, "m.star:2:1: cannot reassign global x declared at m.star:1:1"},
		{map[string]string{"m.star": "while True: pass"}, "m.star:1:1: this Starlark dialect does not support while loops"},
		{map[string]string{"m.star": "load('x.star', 'y')"}, "m.star:1:6: load: no such file"},
		{map[string]string{"m.star": "load('x.py', 'y')"}, `m.star:1:6: load: "x.py" does not end in .star`},
		{map[string]string{"m.star": "load('../x.star', 'y')"}, `m.star:1:6: load: "../x.star" leaves the mission's root`},
		{map[string]string{"m.star": "load('/x.star', 'y')"}, `m.star:1:6: load: "/x.star" leaves the mission's root`},
		{map[string]string{"m.star": "load('a.star', 'y')", "a.star": "load('b.star', 'y')", "b.star": "\nload('a.star', 'y')"}, "b.star:2:6: load: cycle: a.star loads b.star loads a.star"},
		{map[string]string{"m.star": "load('m.star', 'y')"}, "m.star:1:6: load: cycle: m.star loads m.star"},
		{map[string]string{"m.star": "\xff"}, "m.star: not valid UTF-8"},
		{map[string]string{"m.star": strings.Repeat("#", maxSource+1)}, "m.star: file too long: limits/1 allows 1048576 bytes"},
		{map[string]string{"m.star": "x = 1" + strings.Repeat("+1", 400_000)}, "nested too deeply: limits/1 allows 10000 levels"},
		{map[string]string{"m.star": "x = coo" + strings.Repeat(".a", 400_000)}, "nested too deeply: limits/1 allows 10000 levels"},
		{map[string]string{"m.star": "x = " + strings.Repeat("(", 100_000)}, "excessive nesting"},
		{map[string]string{"m.star": "x = ·mul(1, 2)"}, "unexpected input character"},
	} {
		_, err := Load("m.star", func(name string) ([]byte, error) {
			if text, ok := c.files[name]; ok {
				return []byte(text), nil
			}
			return nil, errors.New("no such file")
		})
		var source *SourceError
		if !errors.As(err, &source) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.100q\ngot  %v\nwant %s", c.files["m.star"], err, c.want)
		}
	}
	if _, err := Load("../m.star", nil); err == nil {
		t.Error("main may leave the root")
	}
}

func TestFiles(t *testing.T) {
	p := missionFiles(t, map[string]string{
		"m.star": "\"\"\"What it does.\"\"\"\nload('z.star', 'z')\nload('a/b.star', 'c')\ndef main(coo): return [z, c]\n",
		"z.star": "load('a/b.star', 'c')\nz = c", "a/b.star": "c = [1]",
	})
	var names []string
	for _, f := range p.Files() {
		names = append(names, f.Path)
	}
	if got := strings.Join(names, " "); got != "a/b.star m.star z.star" || p.Main() != "m.star" || p.Doc() != "What it does." {
		t.Errorf("got %s, main %s, doc %q", got, p.Main(), p.Doc())
	}
	if r := p.Run(newFake(), Options{}); string(r.JSON) != "[[1],[1]]" {
		t.Errorf("got %+v", r)
	}
}

func TestLoadPhaseIsLimited(t *testing.T) {
	r := mission(t, "for i in range(10000000): pass\ndef main(coo): pass").Run(newFake(), Options{})
	if r.Err == nil || r.Err.Msg != "too many steps: limits/1 allows 5000000" {
		t.Errorf("got %+v", r)
	}
}

// FuzzMission runs whatever compiles: no panic, no hang, and the same trace
// and result the second time.
func FuzzMission(f *testing.F) {
	for seed := range uint64(5) {
		f.Add(randomMission(seed))
	}
	f.Add("def main(coo):\n    x = {'a': [1]}\n    x['a'] += [2]\n    x['b'], y = (1, 2)\n    return {k: v for k, v in x.items()}\n")
	f.Add("load('m.star', 'x')\n")
	f.Fuzz(func(t *testing.T, src string) {
		p, err := Load("m.star", func(string) ([]byte, error) { return []byte(src), nil })
		if err != nil {
			return
		}
		a, b := newFake(), newFake()
		first := p.Run(a, Options{steps: 200_000})
		second := p.Run(b, Options{steps: 200_000})
		if first.Fatal != nil {
			t.Fatal(first.Fatal)
		}
		if diff := cmp.Diff(first, second) + cmp.Diff(a.trace, b.trace); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzJSON: what is decoded and encoded again reads back as the same value.
func FuzzJSON(f *testing.F) {
	f.Add(`{"a":[1,-2.5e-7,true,null,"\ud83d\ude00"]}`)
	f.Add(`1e22`)
	f.Add(`[123456789012345678901234567890, 0.1, 1E5]`)
	f.Fuzz(func(t *testing.T, s string) {
		v, err := decodeJSON(s)
		if err != nil {
			return
		}
		one, err := encodeJSON(v)
		if err != nil {
			t.Fatalf("%q decodes, but does not encode: %v", s, err)
		}
		again, err := decodeJSON(one.String())
		if err != nil {
			t.Fatalf("%q is not JSON: %v", one, err)
		}
		two, err := encodeJSON(again)
		if err != nil || one.String() != two.String() {
			t.Fatalf("%q becomes %q (%v)", one, two, err)
		}
	})
}
