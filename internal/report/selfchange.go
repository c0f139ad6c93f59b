package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// selfChanges gathers, over two runs of a program, the places of its questions
// that changed by themselves: not what decides an answer, which follows from the
// answers before, but what a rule may leave out.
type selfChanges struct {
	calls   int // of programs that were compared
	order   []string
	changes map[string]*selfChange // by rule
}

// A selfChange is one such place.
type selfChange struct {
	calls    int
	example  string
	volatile bool
}

// add looks at two questions that are about the same.
func (s *selfChanges) add(old, new *Request) {
	s.calls++
	if old.Method != new.Method || old.URL != new.URL {
		return
	}
	for _, name := range changedNames(old.Headers, new.Headers) {
		o, n := strings.Join(values(old.Headers, name), ", "), strings.Join(values(new.Headers, name), ", ")
		a, b := around(o, n)
		s.note("header:"+name, fmt.Sprintf("%q → %q", a, b), isVolatile(o+n))
	}
	changes, _ := JSONDiff(old.Body, new.Body)
	for _, c := range changes {
		if c.Kind == Changed && mayIgnore(c.Path) {
			s.note(c.Path, example(c), isVolatile(c.Old) && isVolatile(c.New))
		}
	}
}

func (s *selfChanges) note(rule, example string, volatile bool) {
	c := s.changes[rule]
	if c == nil {
		if len(s.order) == maxIgnore {
			return
		}
		if s.changes == nil {
			s.changes = map[string]*selfChange{}
		}
		c = &selfChange{example: example, volatile: volatile}
		s.changes[rule] = c
		s.order = append(s.order, rule)
	}
	c.calls++
	c.volatile = c.volatile && volatile
}

// write lists the places, those that look as if they were never the same twice
// first, and proposes the rules for these.
//
//	changed by themselves, in 4 calls of the program:
//	  /metadata/session  4 times, "0b6e…" → "91c4…"
//	rules that leave them out: --ignore /metadata/session
func (s *selfChanges) write(w io.Writer) {
	if len(s.order) == 0 {
		return
	}
	slices.SortStableFunc(s.order, func(a, b string) int {
		switch va, vb := s.changes[a].volatile, s.changes[b].volatile; {
		case va == vb:
			return 0
		case va:
			return -1
		}
		return 1
	})
	fmt.Fprintf(w, "changed by themselves, in %s of the program:\n", Count(s.calls, "call"))
	var flags []string
	for _, rule := range s.order {
		c := s.changes[rule]
		doubt := ""
		if !c.volatile {
			doubt = "  (perhaps meant)"
		}
		fmt.Fprintf(w, "  %s  %s, %s%s\n", OneLine(rule, 120), Count(c.calls, "time"), c.example, doubt)
		flags = append(flags, "--ignore "+quoteFlag(OneLine(rule, 160)))
	}
	fmt.Fprintf(w, "rules that leave them out: %s\n", strings.Join(flags, " "))
}

// programCalls returns the questions of two paired calls of programs that
// differ.
func (p *pair) programCalls() (old, new *Request, ok bool) {
	a, okA := programCall(p.old)
	b, okB := programCall(p.new)
	if !okA || !okB {
		return nil, nil, false
	}
	old, errA := p.oldDocs.Request(a.Req)
	new, errB := p.newDocs.Request(b.Req)
	return old, new, errA == nil && errB == nil
}
