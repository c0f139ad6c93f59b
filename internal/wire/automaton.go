package wire

import "slices"

// An automaton finds many patterns in one pass: Aho and Corasick, "Efficient
// string matching: an aid to bibliographic search" (1975). A node stands for
// a beginning of patterns; fail leads to the longest end of it that is a
// beginning too.
type automaton struct {
	nodes    []node
	patterns []pattern
	root     [256]int32 // children of the root: most bytes lead nowhere
}

type node struct {
	next    []edge // sorted by byte once linked
	fail    int32
	depth   int32
	pattern int32 // the longest pattern that ends here, plus one; 0: none
}

type edge struct {
	b  byte
	to int32
}

type pattern struct {
	name, form string
	size       int
}

// add adds a pattern; of equal patterns the first stays.
func (a *automaton) add(text, name, form string) {
	if len(a.nodes) == 0 {
		a.nodes = append(a.nodes, node{})
	}
	at := int32(0)
	for i := range len(text) {
		to := a.child(at, text[i])
		if to == 0 {
			to = int32(len(a.nodes))
			a.nodes = append(a.nodes, node{depth: int32(i + 1)})
			a.nodes[at].next = append(a.nodes[at].next, edge{text[i], to})
		}
		at = to
	}
	if a.nodes[at].pattern == 0 {
		a.patterns = append(a.patterns, pattern{name, form, len(text)})
		a.nodes[at].pattern = int32(len(a.patterns))
	}
}

// child returns the node that b leads to from at, 0 for none.
func (a *automaton) child(at int32, b byte) int32 {
	for _, e := range a.nodes[at].next {
		if e.b == b {
			return e.to
		}
	}
	return 0
}

// link computes the fail links, nearest to the root first.
func (a *automaton) link() {
	if len(a.nodes) == 0 {
		return
	}
	queue := []int32{0}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		slices.SortFunc(a.nodes[at].next, func(x, y edge) int { return int(x.b) - int(y.b) })
		for _, e := range a.nodes[at].next {
			queue = append(queue, e.to)
			if at == 0 {
				a.root[e.b] = e.to
				continue
			}
			fail := a.step(a.nodes[at].fail, e.b)
			a.nodes[e.to].fail = fail
			if a.nodes[e.to].pattern == 0 {
				a.nodes[e.to].pattern = a.nodes[fail].pattern
			}
		}
	}
}

// find returns the first match in b: the leftmost and, of those that begin
// there, the longest.
func (a *automaton) find(b []byte) (Hit, bool) {
	if len(a.nodes) <= 1 {
		return Hit{}, false
	}
	m := matcher{auto: a}
	if !m.scan(b) && !m.found() {
		return Hit{}, false
	}
	p := a.patterns[m.pattern]
	return Hit{p.name, p.form, m.start, m.start + p.size}, true
}

// step returns the node for the longest beginning of patterns that ends with
// the text of at and b.
func (a *automaton) step(at int32, b byte) int32 {
	for at != 0 {
		if to := a.child(at, b); to != 0 {
			return to
		}
		at = a.nodes[at].fail
	}
	return a.root[b]
}

// A matcher is a search in progress. Positions count from the start of the
// text that is scanned; see shift.
type matcher struct {
	auto    *automaton
	at      int32
	pos     int // of the next byte to read
	start   int // of the candidate
	pattern int // the candidate
	has     bool
}

// scan reads text from m.pos on and reports whether a match is settled: no
// longer one and none further left can come. It stops at the byte that
// settled it, or at the end of text with a candidate or without.
func (m *matcher) scan(text []byte) bool {
	a := m.auto
	for m.pos < len(text) {
		if m.at == 0 && !m.has {
			for m.pos < len(text) && a.root[text[m.pos]] == 0 {
				m.pos++
			}
			if m.pos == len(text) {
				return false
			}
		}
		m.at = a.step(m.at, text[m.pos])
		m.pos++
		n := &a.nodes[m.at]
		begin := m.pos - int(n.depth)
		if m.has && begin > m.start {
			return true
		}
		if n.pattern == 0 {
			continue
		}
		// The longest pattern that ends here begins first: at most one per
		// position can be better than the candidate.
		p := int(n.pattern - 1)
		if start := m.pos - a.patterns[p].size; !m.has || start <= m.start {
			m.start, m.pattern, m.has = start, p, true
		}
		// Nothing goes on from here: what ends a stream need not be held back.
		if len(n.next) == 0 {
			return true
		}
	}
	return false
}

// found reports whether there is a candidate, which the end of the text
// settles.
func (m *matcher) found() bool { return m.has }

// pending returns how many of the bytes read may still become part of a match.
func (m *matcher) pending() int {
	n := int(m.auto.nodes[m.at].depth)
	if m.has {
		n = max(n, m.pos-m.start)
	}
	return n
}

// reset starts the search again at the start of the text.
func (m *matcher) reset() { *m = matcher{auto: m.auto} }

// shift tells that the first n bytes of the text are gone.
func (m *matcher) shift(n int) {
	m.pos -= n
	m.start -= n
}
