package mission

import (
	"os"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// TestReferenceIsComplete: docs/language.md names every function.
func TestReferenceIsComplete(t *testing.T) {
	text, err := os.ReadFile("../../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []*object{cooObject, jsonModule, mathModule} {
		for _, name := range o.AttrNames() {
			v, _ := o.Attr(name)
			if sub, ok := v.(*object); ok {
				for _, inner := range sub.AttrNames() {
					if !strings.Contains(string(text), "`"+o.typ+"."+name+"."+inner+"(") {
						t.Errorf("%s.%s.%s is not described", o.typ, name, inner)
					}
				}
				continue
			}
			mark := "`" + o.typ + "." + name
			if _, ok := v.(*starlark.Builtin); ok {
				mark += "("
			}
			if !strings.Contains(string(text), mark) {
				t.Errorf("%s.%s is not described", o.typ, name)
			}
		}
	}
}

// TestExampleOfTheReference runs the mission at the top of the page.
func TestExampleOfTheReference(t *testing.T) {
	text, err := os.ReadFile("../../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```python\n")
	src, _, _ := strings.Cut(rest, "```")
	w := newFake()
	w.files["notes.txt"] = "The tide turns."
	w.answer = chatAnswer("It turns.")
	r := mission(t, src).Run(w, Options{})
	if string(r.JSON) != `{"tokens":4}` || w.files["summary.md"] != "# tides\n\nIt turns.\n" {
		t.Errorf("got %+v, files %q", r, w.files)
	}
}
