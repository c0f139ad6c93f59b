package freeze

import (
	"fmt"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

// An index finds the frozen answer of a call in sources, by hash. Older
// sources are read only when a key is in no newer one.
type index struct {
	sources []*Source // newest first
	// dropFailures leaves out the failures on which failed sources ended.
	dropFailures bool

	read    []*queues   // of sources[:len(read)]
	rules   *wire.Rules // of programs' calls; nil: ProgramRules
	asked   map[digest.Call]int
	skipped []error
	told    map[skip]bool // what is in skipped
}

// A skip is a source that was not used for calls told apart by some rules.
type skip struct {
	rank  int
	rules string
}

// queues are the answers of one source.
type queues struct {
	source *Source
	rank   int // of the source, 0 is the newest
	*content
	byKey map[digest.Call][]frozenCall // in the order of the calls
	keys  []digest.Call                // of byKey, in the order of the first calls
	// programs is why it answers no program, nil when it does.
	programs *RulesError
	again    bool // the calls of programs were normalised again
}

// A hit is a frozen answer and where it is.
type hit struct {
	*queues
	frozenCall
}

// take returns the next answer for key, which was made by rules, and whether
// there is one; of is the queue's whole length.
func (x *index) take(key digest.Call, rules *wire.Rules) (h hit, of int, ok bool, err error) {
	if x.asked == nil {
		x.asked = map[digest.Call]int{}
	}
	n := x.asked[key]
	x.asked[key]++
	for rank := range x.sources {
		q, err := x.queues(rank)
		if err != nil {
			return hit{}, 0, false, err
		}
		if why := q.unfit(rules); why != nil {
			x.skip(rank, why)
			continue
		}
		if len(q.byKey[key]) == 0 {
			continue
		}
		queue := q.byKey[key]
		if n >= len(queue) {
			return hit{}, len(queue), false, nil
		}
		return hit{q, queue[n]}, len(queue), true, nil
	}
	return hit{}, 0, false, nil
}

// unfit returns why q answers no call told apart by rules, nil when it does.
func (q *queues) unfit(rules *wire.Rules) *RulesError {
	if rules.ID == wire.ProgramRules().ID {
		return q.programs
	}
	if !q.madeBy(rules) {
		return &RulesError{Source: q.source.name, Rules: rules.ID}
	}
	return nil
}

// skip notes that source rank was not used, and why.
func (x *index) skip(rank int, why *RulesError) {
	s := skip{rank, why.Rules}
	if x.told[s] {
		return
	}
	if x.told == nil {
		x.told = map[skip]bool{}
	}
	x.told[s] = true
	x.skipped = append(x.skipped, why)
}

// queues returns those of source rank. It is called with every rank in turn.
func (x *index) queues(rank int) (*queues, error) {
	if rank < len(x.read) {
		return x.read[rank], nil
	}
	s := x.sources[rank]
	c, err := s.load()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	q := &queues{source: s, rank: rank, content: c, byKey: make(map[digest.Call][]frozenCall, len(c.calls))}
	if err := q.fill(x.programRules()); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if x.dropFailures && c.failed {
		if err := q.dropFailures(); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	x.read = append(x.read, q)
	return q, nil
}

func (x *index) programRules() *wire.Rules {
	if x.rules == nil {
		return wire.ProgramRules()
	}
	return x.rules
}

// fill puts the calls of q under their keys: those of programs under the keys
// that they have by rules.
func (q *queues) fill(rules *wire.Rules) error {
	older, err := q.userRules()
	switch {
	case err != nil:
		return err
	case !q.madeBy(rules):
		q.programs = &RulesError{Source: q.source.name, Rules: rules.ID}
	case rules.Lacks(older) != "":
		q.programs = &RulesError{Source: q.source.name, Rules: rules.ID, Lacks: rules.Lacks(older)}
	default:
		q.again = older.Sum() != rules.User().Sum()
	}
	for _, f := range q.calls {
		key := f.req
		if f.p != 0 && q.again {
			doc, _, body, err := q.request(f)
			if err != nil {
				return err
			}
			d, err := rules.Again(doc, body)
			if err != nil {
				return fmt.Errorf("request of call %d: %w", f.call, err)
			}
			key = d.Key
		}
		if q.byKey[key] == nil {
			q.keys = append(q.keys, key)
		}
		q.byKey[key] = append(q.byKey[key], f)
	}
	return nil
}

// userRules returns the rules that a user had added to those of c, nil when
// there are none.
func (c *content) userRules() (*wire.Rules, error) {
	for _, r := range c.rules {
		if r.ID != wire.UserRulesID {
			continue
		}
		text, err := c.blob(r.SHA256)
		if err != nil {
			return nil, err
		}
		return wire.ParseRules(text)
	}
	return nil, nil
}

// dropFailures takes the failures off the end of every queue. A queue that is
// empty then is as if the source had never had the key.
func (q *queues) dropFailures() error {
	// In the order of the calls: of two damaged answers the same one is
	// always named.
	for _, key := range q.keys {
		queue := q.byKey[key]
		for len(queue) > 0 {
			_, a, err := q.info(queue[len(queue)-1])
			if err != nil {
				return err
			}
			if a.Error == "" && !failureStatus(a.Status) {
				break
			}
			queue = queue[:len(queue)-1]
		}
		q.byKey[key] = queue
	}
	return nil
}

// failureStatus reports whether a server says by status that the request may
// well succeed another time.
func failureStatus(status int) bool {
	switch status {
	case 408, 409, 425, 429:
		return true
	}
	return status >= 500
}
