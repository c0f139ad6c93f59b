package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/coo-runtime/coo/internal/flight"
)

// A Lineage knows, for every call and every output of a run, the records of
// inputs, clock readings and answers that were visible where it was made.
//
// It is read from the records alone. A mission has no taint tracking: what a
// branch has seen before it writes counts as a cause of what it writes, so a
// lineage may name too much and never too little. Branches share nothing that
// can change, and their results come back at the join only, which is what
// makes the bound hold for each branch on its own.
//
// A program is a history of its own: it has seen what its mission had when it
// was started, and the answers to its calls whose heads have come; what it
// writes, it writes when it ends. Its mission has seen all of that from then on.
type Lineage struct {
	records []flight.Record
	parents map[string]string  // branch to the branch it was forked from
	calls   map[int64]snapshot // call record to what it had seen
	writes  map[int64]snapshot // write record to what it had seen
	forks   map[int64]*fork    // by fork record
	answers map[int64]int64    // answer, head or headless tail record to its call record
	runs    map[int64]*node    // exec call to the history of its program
	heads   map[int64]bool     // calls of programs whose answers are visible
	undone  map[int64]bool     // write records taken back
}

// A node is a stretch of one branch's history.
type node struct {
	from  []snapshot // histories that flow into this one
	items []int64    // records seen since, in order
}

// A snapshot is a history up to a point: later items of the node are not in it.
type snapshot struct {
	node *node
	upTo int
}

// A fork is where branches begin.
type fork struct {
	branch   string
	before   snapshot
	branches []string // those that made a record
}

func (n *node) now() snapshot { return snapshot{n, len(n.items)} }

// NewLineage reads the lineage of a run's records.
func NewLineage(records []flight.Record) *Lineage {
	l := &Lineage{
		records: records,
		parents: map[string]string{},
		calls:   map[int64]snapshot{},
		writes:  map[int64]snapshot{},
		forks:   map[int64]*fork{},
		answers: map[int64]int64{},
		runs:    map[int64]*node{},
		heads:   map[int64]bool{},
		undone:  map[int64]bool{},
	}
	heads := map[string]*node{"": {}}
	for _, r := range records {
		l.follow(heads, r)
	}
	return l
}

func (l *Lineage) follow(heads map[string]*node, r flight.Record) {
	e := flight.Env(r)
	head := heads[e.Branch]
	if head == nil {
		head = l.begin(e.Branch)
		heads[e.Branch] = head
	}
	switch r := r.(type) {
	case *flight.Input, *flight.Clock:
		head.items = append(head.items, e.N)
		if p := l.startedBefore(e.N); p != nil {
			p.items = append(p.items, e.N)
		}
	case *flight.Answer:
		l.answers[e.N] = r.Call
		head.items = append(head.items, e.N)
	case *flight.Call:
		l.called(r, head)
	case *flight.Head:
		l.visible(e.N, r.Call)
	case *flight.Tail:
		l.visible(e.N, r.Call)
	case *flight.Exit:
		if p := l.runs[r.Call]; p != nil {
			l.writes[e.N] = p.now()
			heads[e.Branch] = &node{from: []snapshot{head.now(), p.now()}}
		}
	case *flight.Write:
		l.writes[e.N] = head.now()
	case *flight.Fork:
		l.forks[e.N] = &fork{branch: e.Branch, before: head.now()}
	case *flight.Join:
		joined := &node{from: []snapshot{head.now()}}
		if f := l.forks[r.Fork]; f != nil {
			for _, b := range f.branches {
				joined.from = append(joined.from, heads[b].now())
			}
		}
		heads[e.Branch] = joined
	case *flight.Rollback:
		for n := max(r.Step, 0); n < e.N && n < int64(len(l.records)); n++ {
			switch l.records[n].(type) {
			case *flight.Write, *flight.Exit:
				if l.inside(flight.Env(l.records[n]).Branch, e.Branch) {
					l.undone[n] = true
				}
			}
		}
	}
}

// called takes a call of the mission or of a program, or the start of one.
func (l *Lineage) called(r *flight.Call, head *node) {
	p := l.runs[r.P]
	switch {
	case r.Kind == "exec":
		l.calls[r.N] = head.now()
		l.runs[r.N] = &node{from: []snapshot{head.now()}, items: []int64{r.N}}
	case r.P != 0 && p != nil:
		l.calls[r.N] = p.now()
	default:
		l.calls[r.N] = head.now()
	}
}

// startedBefore returns the program whose start is the record before n: the
// start of its clock at level deterministic is n.
func (l *Lineage) startedBefore(n int64) *node {
	if n < 1 || n > int64(len(l.records)) {
		return nil
	}
	c, ok := l.records[n-1].(*flight.Call)
	if !ok || c.Kind != "exec" {
		return nil
	}
	return l.runs[c.N]
}

// visible notes that record n, a head or a tail, showed a program the answer
// to a call.
func (l *Lineage) visible(n, call int64) {
	if call < 0 || call >= int64(len(l.records)) || l.heads[call] {
		return
	}
	c, ok := l.records[call].(*flight.Call)
	if !ok || l.runs[c.P] == nil {
		return
	}
	l.heads[call] = true
	l.answers[n] = call
	p := l.runs[c.P]
	p.items = append(p.items, n)
}

// begin starts the history of a branch at its first record. Its fork is found
// by its name, so that a fork of any width costs nothing, and comes before
// it, so that no branch descends from itself; a branch without a fork, which
// only a forged run has, knows nothing.
func (l *Lineage) begin(branch string) *node {
	n := &node{}
	number, _, ok := branchPlace(branch)
	if f := l.forks[number]; ok && f != nil {
		l.parents[branch] = f.branch
		n.from = []snapshot{f.before}
		f.branches = append(f.branches, branch)
	}
	return n
}

// inside reports whether branch b is a or was forked from it.
func (l *Lineage) inside(b, a string) bool {
	for b != a {
		if b == "" {
			return false
		}
		b = l.parents[b]
	}
	return true
}

// branchPlace is the inverse of a branch's name, "3.1": the number of the
// fork record and which of its branches it is.
func branchPlace(name string) (fork, i int64, ok bool) {
	before, after, _ := strings.Cut(name, ".")
	fork, errFork := strconv.ParseInt(before, 10, 64)
	i, errI := strconv.ParseInt(after, 10, 64)
	return fork, i, errFork == nil && errI == nil
}

// Write returns the number of the record that made path what the run left
// behind, a write or the exit of the program that wrote it, and whether there
// is one.
func (l *Lineage) Write(path string) (int64, bool) {
	for i := len(l.records) - 1; i >= 0; i-- {
		switch r := l.records[i].(type) {
		case *flight.Write:
			if r.Path == path && !l.undone[r.N] {
				return r.N, true
			}
		case *flight.Exit:
			if !l.undone[r.N] && slices.ContainsFunc(r.Writes, func(o flight.Output) bool { return o.Path == path }) {
				return r.N, true
			}
		}
	}
	return 0, false
}

// Causes returns the records visible at the call, write or exit record n, in
// order: inputs, clock readings, answers, heads or headless tails of answers to
// programs, and the starts of programs.
func (l *Lineage) Causes(n int64) []int64 {
	s, ok := l.calls[n]
	if !ok {
		s, ok = l.writes[n]
	}
	if !ok {
		return nil
	}
	return collect(s)
}

// DirectCauses returns those of [Lineage.Causes] that do not already reach n
// through the question of another of its calls.
func (l *Lineage) DirectCauses(n int64) []int64 {
	all := l.Causes(n)
	through := map[int64]bool{}
	for _, c := range slices.Backward(all) {
		call, ok := l.answers[c]
		if _, started := l.runs[c]; started {
			call, ok = c, true
		}
		if !ok || through[c] {
			continue // what reaches a call reaches those that saw its answer
		}
		for _, earlier := range l.Causes(call) {
			through[earlier] = true
		}
	}
	return slices.DeleteFunc(all, func(c int64) bool { return through[c] })
}

func collect(s snapshot) []int64 {
	seen := map[*node]int{} // the longest prefix of each node already taken
	set := map[int64]bool{}
	todo := []snapshot{s}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if done, ok := seen[s.node]; ok && done >= s.upTo {
			continue
		}
		seen[s.node] = s.upTo
		for _, n := range s.node.items[:s.upTo] {
			set[n] = true
		}
		todo = append(todo, s.node.from...)
	}
	out := make([]int64, 0, len(set))
	for n := range set {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// Mermaid draws the run's inputs, calls and outputs as a flowchart.
func (l *Lineage) Mermaid(name func(n int64) string, outputs []flight.Output) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	edges := func(to string, n int64) {
		for _, c := range l.DirectCauses(n) {
			from := "n" + strconv.FormatInt(c, 10)
			if call, ok := l.answers[c]; ok {
				from = "n" + strconv.FormatInt(call, 10)
			}
			b.WriteString("  " + from + " --> " + to + "\n")
		}
	}
	for _, r := range l.records {
		n := flight.Env(r).N
		id := "n" + strconv.FormatInt(n, 10)
		switch r := r.(type) {
		case *flight.Input:
			b.WriteString("  " + id + "[/\"" + mermaidText(name(n)) + "\"/]\n")
		case *flight.Clock:
			b.WriteString("  " + id + "([\"" + mermaidText(name(n)) + "\"])\n")
		case *flight.Call:
			left, right := "{{", "}}"
			if r.Kind == "exec" {
				left, right = "[[", "]]"
			}
			b.WriteString("  " + id + left + "\"" + mermaidText(name(n)) + "\"" + right + "\n")
			edges(id, n)
		}
	}
	for i, o := range outputs {
		id := "out" + strconv.Itoa(i)
		b.WriteString("  " + id + "[\"" + mermaidText(o.Path) + "\"]\n")
		if n, ok := l.Write(o.Path); ok {
			edges(id, n)
		}
	}
	return b.String()
}

// mermaidText escapes what would end a quoted label or inject markup.
func mermaidText(s string) string {
	return strings.NewReplacer("&", "#amp;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "\n", " ", "`", "#96;").Replace(s)
}
