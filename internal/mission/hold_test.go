package mission

import (
	"fmt"
	"strings"
	"testing"
)

// The ways to change a container that is called c.
var changes = map[string][]string{
	"list": {
		"c.append(9)", "c.extend([9])", "c.insert(0, 9)", "c.clear()", "c.pop()", "c.remove(c[0])",
		"c[0] = 9", "c += [9]", "c += (9,)", "c[0], x = 9, 9", "getattr(c, 'append')(9)",
		"for c[0] in [9]: pass", "[0 for c[0] in [9]]", "(lambda f: f(9))(c.append)", "c[-1] = 9",
	},
	"dict": {
		"c['n'] = 9", "c['k'] = 9", "c |= {'n': 9}", "c.update(n = 9)", "c.update([('n', 9)])", "c.clear()",
		"c.pop('k')", "c.popitem()", "c.setdefault('n', 9)", "getattr(c, 'update')({'n': 9})", "c['k'] += [9]",
		"for c['n'] in [9]: pass",
	},
	"set": {
		"c.add(9)", "c.update([9])", "c.clear()", "c.pop()", "c.remove(1)", "c.discard(1)", "getattr(c, 'add')(9)",
	},
}

var literals = map[string]string{"list": "[[1], 2]", "dict": "{'k': [1]}", "set": "set([1, 2])"}

// The ways from something captured, X, to the container.
var ways = map[string]struct{ wrap, unwrap string }{
	"itself":      {"{}", "X"},
	"in a list":   {"[0, {}]", "X[1]"},
	"in a dict":   {"{'a': {}}", "X['a']"},
	"in a tuple":  {"(0, (1, {}))", "X[1][1]"},
	"deep":        {"[{'a': ([{}],)}]", "X[0]['a'][0][0]"},
	"by closure":  {"(lambda y: lambda: y)({})", "X()"},
	"in a set":    {"set([(lambda y: lambda: y)({})])", "list(X)[0]()"},
	"by default":  {"(lambda y = {}: y)", "X()"},
	"by key":      {"{(lambda y: lambda: y)({}): 1}", "list(X)[0]()"},
	"as attempt":  {"coo.attempt((lambda y: lambda: y)({}))", "X.value"},
	"by attempts": {"[coo.attempt((lambda y: lambda: (y,))({}))]", "X[0].value[0]"},
}

// The functions that hold what they are given.
var holders = []string{
	"coo.step('s', f)",
	"coo.attempt(f)",
	"coo.parallel([f])",
	"coo.parallel([lambda: coo.now(), f, lambda: coo.http('GET', 'http://h/')])",
	"coo.step('s', lambda: coo.attempt(lambda: f()))",
}

// TestCapturesAreReadOnly tries every change to a container reached in every
// way inside every function that may not change what it captures. The error
// says so, the container stays as it was, and afterwards it can be changed.
func TestCapturesAreReadOnly(t *testing.T) {
	tried := 0
	for _, kind := range sortedKeys(changes) {
		for _, change := range changes[kind] {
			for _, way := range sortedKeys(ways) {
				for i, holder := range holders {
					if i > 1 && way != "deep" && way != "itself" {
						continue // enough with one of each
					}
					tried++
					tryChange(t, kind, change, way, holder)
				}
			}
		}
	}
	t.Logf("%d changes tried", tried)
}

func tryChange(t *testing.T, kind, change, way, holder string) {
	t.Helper()
	w := ways[way]
	body := fmt.Sprintf(`
target = %s
X = %s
before = str(target)
log = []
def f():
    c = %s
    %s
result = coo.attempt(lambda: %s)
error = result.error if not result.ok else (getattr(result.value, "error", None) if type(result.value) == "attempt" else None)
same = str(target) == before
c = target
%s
return [error, same, str(target) != before]
`, literals[kind], strings.ReplaceAll(w.wrap, "{}", "target"), w.unwrap, change, holder, change)
	// A dict literal in wrap has braces of its own.
	got := value(t, newFake(), body)
	if !strings.Contains(got, "a step may not change what it captures: return it instead") || !strings.HasSuffix(got, ",true,true]") {
		t.Errorf("%s, %s, %s: got %s", change, way, holder, got)
	}
}

// TestMethodOfCaptured: a method is as good as a function.
func TestMethodOfCaptured(t *testing.T) {
	got := value(t, newFake(), `
l = [1]
r = [coo.attempt(l.clear).error, coo.attempt(getattr(l, "pop")).error, l]
l.clear()
return r + [len(l)]`)
	want := `["clear: a step may not change what it captures: return it instead","pop: a step may not change what it captures: return it instead",[],0]`
	if got != want {
		t.Errorf("got %s", got)
	}
}

// TestHeldIsReleased: holds are nested, end with their functions, and do not
// touch what is new.
func TestHeldIsReleased(t *testing.T) {
	got := value(t, newFake(), `
l = [0]
def inner():
    mine = []
    def again():
        return [len(mine), len(l)]
    mine.append(coo.step("again", again))
    mine.append(1)
    return mine
l.append(coo.step("inner", inner))
coo.attempt(lambda: coo.fail("x"))
l.append(coo.attempt(lambda: l.append(1)).ok)
l.append(coo.parallel([lambda: len(l), lambda: coo.http("GET", "http://h/").text]))
return l`)
	if want := `[0,[[0,1],1],false,[3,"ok"]]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestGlobalsAreFixed: the globals of a file cannot change once it is loaded,
// not even where a local function captures itself, on which Starlark's own
// Freeze never ends.
func TestGlobalsAreFixed(t *testing.T) {
	p := mission(t, `
def outer():
    l = []
    def g():
        l.append(g)
        return l
    return g
G = outer()
L = [1, {"k": []}]
L.append(2)
def main(coo):
    return [coo.attempt(G).error, [f for f in [str(L)]], L.index(2), fails(coo, lambda: L.append(3)), change()]
def fails(coo, f):
    return coo.attempt(f).error
def change():
    L[1]["k"].append(1)
`)
	r := p.Run(newFake(), Options{})
	if r.Err == nil || r.Err.Msg != "append: a global may not change once its file is loaded" {
		t.Errorf("got %+v %s", r, r.JSON)
	}
}
