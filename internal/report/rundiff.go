package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/coo-runtime/coo/internal/environment"
	"github.com/coo-runtime/coo/internal/flight"
)

// A Side is one of two runs that are compared.
type Side struct {
	Name string // how it is called in the output
	Run  *flight.Run
	Docs Docs
	// Environment is what it used of its machine; nil: that is not known.
	Environment *environment.Manifest
}

// DiffRuns prints every difference of two runs and returns how many there
// are; it prints nothing for equal ones. Each begins with the numbers of the
// two records, "-" for none:
//
//	7|7  call  changed prompt: POST http://model.coo.invalid/v1/chat/completions
//	/messages/0/content: "Summarise the tides" → "Summarise the moons"
//	…
//	12|-  write  only in 3f2a9c04be11: draft.md 4 B a11ae06469c6
//
// Records are paired by branch, type and what they are about, and by their
// order where that is not enough. What only follows from other records is not
// a difference of its own: numbers, chain, references between records,
// footprint trees, and the seal. Of the calls of a program it also says what
// changed by itself, and proposes the rules that leave that out.
func DiffRuns(w io.Writer, a, b Side) (differences int) {
	if slices.EqualFunc(a.Run.Lines, b.Run.Lines, bytes.Equal) {
		return 0
	}
	d := &runDiff{w: w, a: a, b: b}
	pairs := pairRecords(a, b)
	moved := displaced(pairs)
	for i, m := range pairs {
		d.compare(m, moved[i])
	}
	if d.n == 0 {
		d.rest(pairs)
	}
	d.self.write(w)
	return d.n
}

type runDiff struct {
	w    io.Writer
	a, b Side
	n    int // differences so far
	self selfChanges
}

// head prints the first line of a difference.
func (d *runDiff) head(m match, t, what string) {
	d.n++
	fmt.Fprintf(d.w, "%s|%s  %s  %s\n", number(m.old), number(m.new), t, what)
}

func number(n int) string {
	if n < 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

func (d *runDiff) compare(m match, moved bool) {
	switch {
	case m.new < 0:
		d.alone(m, d.a, d.a.Run.Records[m.old])
		return
	case m.old < 0:
		d.alone(m, d.b, d.b.Run.Records[m.new])
		return
	}
	p := pair{
		oldName: d.a.Name, newName: d.b.Name,
		old: d.a.Run.Records[m.old], new: d.b.Run.Records[m.new],
		oldDocs: d.a.Docs, newDocs: d.b.Docs,
		oldCalls: d.a.Run.Records, newCalls: d.b.Run.Records,
	}
	if old, new, ok := p.programCalls(); ok {
		d.self.add(old, new)
	}
	changes := ownFields(p.old, p.new)
	if len(changes) == 0 && !moved {
		return
	}
	what := p.about()
	if moved {
		what += ", in another order"
	}
	d.head(m, flight.Env(p.old).T, what)
	if len(changes) > 0 && !p.writeContents(d.w) {
		writeChanges(d.w, changes)
	}
}

// alone prints a record that only one of the runs has.
func (d *runDiff) alone(m match, s Side, r flight.Record) {
	d.head(m, flight.Env(r).T, "only in "+OneLine(s.Name, 80)+": "+Detail(r, s.Docs))
}

// about says in a few words what two differing records are about.
func (p *pair) about() string {
	switch old := p.old.(type) {
	case *flight.Head:
		return fmt.Sprintf("to call %d|%d", old.Call, p.new.(*flight.Head).Call)
	case *flight.Data:
		return fmt.Sprintf("to call %d|%d", old.Call, p.new.(*flight.Data).Call)
	case *flight.Tail:
		return fmt.Sprintf("to call %d|%d", old.Call, p.new.(*flight.Tail).Call)
	case *flight.Out:
		return "of the program"
	case *flight.Exit:
		return "of the program"
	case *flight.Call:
		if old.Kind == "exec" {
			return "start " + programName(old, p.oldDocs)
		}
		a, errA := p.oldDocs.Request(old.Req)
		b, errB := p.newDocs.Request(p.new.(*flight.Call).Req)
		name := callName(old, p.oldDocs)
		if errA != nil || errB != nil || old.Req == p.new.(*flight.Call).Req {
			return name
		}
		return CallClass(a, b) + ": " + name
	case *flight.Answer:
		return fmt.Sprintf("to call %d|%d", old.Call, p.new.(*flight.Answer).Call)
	case *flight.Input:
		return OneLine(old.Kind, 20) + " " + OneLine(old.Name, 120)
	case *flight.Write:
		return OneLine(old.Path, 120)
	case *flight.Open:
		return OneLine(old.Mission.Main, 120)
	}
	return Detail(p.old, p.oldDocs)
}

// derived are the fields that follow from other records, or number them.
var derived = map[string][]string{
	"answer":   {"/call"},
	"call":     {"/at", "/p"}, // a time follows from those before it
	"head":     {"/at", "/call"},
	"data":     {"/at", "/call"},
	"tail":     {"/at", "/call"},
	"out":      {"/call"},
	"exit":     {"/call"},
	"step":     {"/tree"},
	"rollback": {"/step", "/tree", "/undone"},
	"step-end": {"/step", "/error"}, // the error is why it was rolled back
	"join":     {"/fork"},
	"write":    {"/size"},
	"seal":     {""}, // all of it
}

// ownFields returns the fields in which two paired records differ and which
// do not follow from other records.
func ownFields(old, new flight.Record) []Change {
	skip := append([]string{"/b"}, derived[flight.Env(old).T]...)
	return slices.DeleteFunc(fields(old, new), func(c Change) bool {
		return slices.ContainsFunc(skip, func(field string) bool {
			return c.Path == field || strings.HasPrefix(c.Path, field+"/")
		})
	})
}

// rest is for runs whose records differ only in what follows from others:
// there must be a cause, so what there is to see is printed.
func (d *runDiff) rest(pairs []match) {
	for _, m := range pairs {
		old, new := d.a.Run.Records[m.old], d.b.Run.Records[m.new]
		if changes := fields(old, new); len(changes) > 0 {
			d.head(m, flight.Env(old).T, Detail(old, d.a.Docs))
			writeChanges(d.w, changes)
		}
	}
}

// displaced reports for each pair whether its records stand in another order
// than those of most pairs: outside a longest run of pairs in the order of
// both sides.
func displaced(pairs []match) []bool {
	out := make([]bool, len(pairs))
	var tails []int // tails[k]: the pair that best ends an ascending run of k+1
	before := make([]int, len(pairs))
	for i, m := range pairs {
		if m.old < 0 || m.new < 0 {
			continue
		}
		k, _ := slices.BinarySearchFunc(tails, m.new, func(j, n int) int { return cmp.Compare(pairs[j].new, n) })
		if k == len(tails) {
			tails = append(tails, i)
		}
		tails[k] = i
		before[i] = -1
		if k > 0 {
			before[i] = tails[k-1]
		}
		out[i] = true
	}
	if len(tails) == 0 {
		return out
	}
	for i := tails[len(tails)-1]; i >= 0; i = before[i] {
		out[i] = false
	}
	return out
}
