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

	read    []*queues // of sources[:len(read)]
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
		if !q.madeBy(rules) {
			x.skip(rank, rules)
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

// skip notes that source rank was not used for calls told apart by rules.
func (x *index) skip(rank int, rules *wire.Rules) {
	s := skip{rank, rules.ID}
	if x.told[s] {
		return
	}
	if x.told == nil {
		x.told = map[skip]bool{}
	}
	x.told[s] = true
	x.skipped = append(x.skipped, &RulesError{Source: x.sources[rank].name, Rules: rules.ID})
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
	for _, f := range c.calls {
		q.byKey[f.req] = append(q.byKey[f.req], f)
	}
	if x.dropFailures && c.failed {
		if err := q.dropFailures(); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	x.read = append(x.read, q)
	return q, nil
}

// dropFailures takes the failures off the end of every queue. A queue that is
// empty then is as if the source had never had the key.
func (q *queues) dropFailures() error {
	// In the order of the calls: of two damaged answers the same one is
	// always named.
	done := make(map[digest.Call]bool, len(q.byKey))
	for _, f := range q.calls {
		if done[f.req] {
			continue
		}
		done[f.req] = true
		queue := q.byKey[f.req]
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
		q.byKey[f.req] = queue
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
