package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
)

// pairRecords pairs the records of two runs: first those that are about
// something of their own, then those that are about another record (answers,
// ends of steps, joins) by how that was paired. Within a group of records
// about the same, equal ones are aligned and the rest goes by position.
//
// The pairs are in the order of a's records; what only b has comes after what
// it follows in b.
func pairRecords(a, b Side) []match {
	branches := numbers{}
	p := &pairing{old: newSide(a, branches), new: newSide(b, branches)}
	p.pass(func(s *side, n int) (string, bool) { return s.about(n) })
	p.pass(func(s *side, n int) (string, bool) { return s.dependent(n) })
	return p.ordered()
}

type pairing struct{ old, new *side }

// A side is one run while it is paired.
type side struct {
	records  []flight.Record
	docs     Docs
	branches []int    // of each record: a name both sides share
	partner  []int    // of each record: its record on the other side, or -1
	group    []string // of each record that others can be about: a name both sides share
}

// newSide reads a run. Branches get their names from both sides' common
// numbers: the parent's, which of its forks, and which branch of that.
func newSide(s Side, common numbers) *side {
	out := &side{records: s.Run.Records, docs: s.Docs}
	out.partner = slices.Repeat([]int{-1}, len(out.records))
	out.group = make([]string, len(out.records))
	names := map[string]int{"": common.of("main")}
	forks := map[int64]string{} // by record: the parent's name and which of its forks
	count := map[int]int{}      // of forks, by parent
	for _, r := range out.records {
		e := flight.Env(r)
		name, known := names[e.Branch]
		if !known {
			n, i, ok := branchPlace(e.Branch)
			if place := forks[n]; ok && place != "" {
				name = common.of(fmt.Sprintf("%s.%d", place, i))
			} else {
				name = common.of("unknown " + e.Branch)
			}
			names[e.Branch] = name
		}
		out.branches = append(out.branches, name)
		if _, ok := r.(*flight.Fork); ok {
			forks[e.N] = fmt.Sprintf("%d/%d", name, count[name])
			count[name]++
		}
	}
	return out
}

// about says what record n is about, unless that is another record.
func (s *side) about(n int) (string, bool) {
	switch r := s.records[n].(type) {
	case *flight.Answer, *flight.Head, *flight.Data, *flight.Tail, *flight.Out, *flight.Exit, *flight.Rollback, *flight.StepEnd, *flight.Join:
		return "", false
	case *flight.Input:
		return r.Kind + " " + r.Name, true
	case *flight.Call:
		return s.callAbout(r), true
	case *flight.Write:
		return r.Path, true
	case *flight.Step:
		return r.Kind + " " + r.Name, true
	}
	return "", true
}

func (s *side) callAbout(r *flight.Call) string {
	if r.Kind == "exec" {
		return "exec"
	}
	req, err := s.docs.Request(r.Req)
	if err != nil {
		return ""
	}
	// The query belongs to what is asked, not to whom.
	where, _, _ := strings.Cut(req.URL, "?")
	if r.P != 0 {
		return "program " + req.Method + " " + where
	}
	return req.Method + " " + where
}

// dependent says which record the record n is about, by a name that its
// partner on the other side has too.
func (s *side) dependent(n int) (string, bool) {
	about := int64(-1)
	switch r := s.records[n].(type) {
	case *flight.Answer:
		about = r.Call
	case *flight.Head:
		about = r.Call
	case *flight.Data:
		about = r.Call
	case *flight.Tail:
		about = r.Call
	case *flight.Out:
		about = r.Call
	case *flight.Exit:
		about = r.Call
	case *flight.Rollback:
		about = r.Step
	case *flight.StepEnd:
		about = r.Step
	case *flight.Join:
		about = r.Fork
	default:
		return "", false
	}
	if about < 0 || about >= int64(n) {
		return "", true
	}
	return s.group[about], true
}

// sameness is what two records about the same are equal by.
func sameness(r flight.Record) string {
	sum := func(d *digest.Digest) string {
		if d == nil {
			return ""
		}
		return d.String()
	}
	switch r := r.(type) {
	case *flight.Input:
		return sum(r.SHA256)
	case *flight.Clock:
		return r.Now
	case *flight.Call:
		return r.Req.String()
	case *flight.Answer:
		return r.Ans.String()
	case *flight.Head:
		return r.Head.String()
	case *flight.Data:
		return fmt.Sprint(r.Lens)
	case *flight.Tail:
		return r.Ans.String()
	case *flight.Out:
		return fmt.Sprint(r.FD, r.Lens, r.SHA256)
	case *flight.Exit:
		return exitStatus(r) + " " + r.Stdout.String()
	case *flight.Write:
		return r.Mode + " " + sum(r.SHA256)
	case *flight.Rollback:
		return r.Why
	case *flight.Fork:
		return fmt.Sprint(r.Width)
	case *flight.Log:
		if r.Text != nil {
			return r.Kind + " " + *r.Text
		}
		return r.Kind + sum(r.SHA256)
	}
	return ""
}

// pass pairs the records that key has a word for.
func (p *pairing) pass(key func(s *side, n int) (string, bool)) {
	old, new := p.old.grouped(key), p.new.grouped(key)
	for _, name := range slices.Sorted(maps.Keys(old)) {
		p.pairGroup(name, old[name], new[name])
	}
	for i, s := range []*side{p.old, p.new} {
		for n, partner := range s.partner {
			if partner < 0 {
				s.group[n] = fmt.Sprintf("%d alone %d", i, n)
			}
		}
	}
}

// grouped returns the records of s by branch, type and key.
func (s *side) grouped(key func(s *side, n int) (string, bool)) map[string][]int {
	groups := map[string][]int{}
	for n, r := range s.records {
		if about, ok := key(s, n); ok {
			name := fmt.Sprintf("%d\n%s\n%s", s.branches[n], flight.Env(r).T, about)
			groups[name] = append(groups[name], n)
		}
	}
	return groups
}

func (p *pairing) pairGroup(name string, old, new []int) {
	ids := numbers{}
	contents := func(s *side, group []int) []int {
		out := make([]int, len(group))
		for i, n := range group {
			out[i] = ids.of(sameness(s.records[n]))
		}
		return out
	}
	for i, m := range align(contents(p.old, old), contents(p.new, new)) {
		if m.old < 0 || m.new < 0 {
			continue
		}
		a, b := old[m.old], new[m.new]
		p.old.partner[a], p.new.partner[b] = b, a
		shared := fmt.Sprintf("%s\n%d", name, i)
		p.old.group[a], p.new.group[b] = shared, shared
	}
}

// ordered returns the pairs, and the records without one, in order.
func (p *pairing) ordered() []match {
	type placed struct {
		match
		after int // the old record it stands at or follows
	}
	var out []placed
	for n, partner := range p.old.partner {
		out = append(out, placed{match{n, partner}, n})
	}
	after := -1
	for n, partner := range p.new.partner {
		if partner >= 0 {
			after = partner
			continue
		}
		out = append(out, placed{match{-1, n}, after})
	}
	slices.SortStableFunc(out, func(a, b placed) int { return cmp.Compare(a.after, b.after) })
	matches := make([]match, len(out))
	for i, m := range out {
		matches[i] = m.match
	}
	return matches
}
