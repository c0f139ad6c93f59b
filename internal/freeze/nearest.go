package freeze

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

// The search for the nearest frozen call is a help for people: it looks at
// so many different requests, and at so many bytes at each end of a text.
const (
	nearestCandidates = 2000
	nearestEnd        = 16 << 10
)

// How alike two requests' addresses are, from far to near.
const (
	otherHost = iota
	sameHost
	sameURL // method and URL up to the query
)

// nearest returns the frozen call most like d among the sources read so far,
// or nil when they hold none.
func (x *index) nearest(d *wire.Doc) (*Nearest, error) {
	if n, err := x.exhausted(d.Key); n != nil || err != nil {
		return n, err
	}
	info, err := wire.ParseDoc(d.Bytes)
	if err != nil {
		return nil, err
	}
	want := wordsOf(d.Bytes, d.Body)
	var best *Nearest
	bestPlace, bestShare := -1, -1
	err = x.eachRequest(func(q *queues, f frozenCall) error {
		doc, other, body, err := x.present(q, f)
		if err != nil {
			return fmt.Errorf("%s: %w", q.source.name, err)
		}
		place := placeOf(info, other)
		if place < bestPlace {
			return nil
		}
		share := alike(want, wordsOf(doc, body))
		if place > bestPlace || share > bestShare {
			bestPlace, bestShare = place, share
			best = &Nearest{Source: q.source.name, Call: f.call, Doc: doc, Body: body}
		}
		return nil
	})
	if best == nil || err != nil {
		return nil, err
	}
	place := [...]string{otherHost: "another host", sameHost: "the same host", sameURL: "the same method and URL"}
	best.Why = fmt.Sprintf("%s, %d%% alike", place[bestPlace], bestShare)
	return best, nil
}

// exhausted returns the last frozen call of a key whose answers are used up,
// or nil when no source has the key.
func (x *index) exhausted(key digest.Call) (*Nearest, error) {
	for _, q := range x.read {
		if len(q.byKey[key]) == 0 {
			continue
		}
		queue := q.byKey[key]
		f := queue[len(queue)-1]
		doc, _, body, err := x.present(q, f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.source.name, err)
		}
		return &Nearest{
			Source: q.source.name, Call: f.call, Doc: doc, Body: body,
			Why: "the same request: all its answers are used",
		}, nil
	}
	return nil, nil
}

// present returns the request of f as it is under the present rules.
func (x *index) present(q *queues, f frozenCall) (doc []byte, info *wire.DocInfo, body []byte, err error) {
	doc, info, body, err = q.request(f)
	if err != nil || f.p == 0 || !q.again {
		return doc, info, body, err
	}
	d, err := x.programRules().Again(doc, body)
	if err != nil {
		return nil, nil, nil, err
	}
	info, err = wire.ParseDoc(d.Bytes)
	return d.Bytes, info, d.Body, err
}

// eachRequest calls fn with the first call of each different request, those
// that this run has not asked for before the others, up to a limit.
func (x *index) eachRequest(fn func(*queues, frozenCall) error) error {
	seen := map[digest.Call]bool{}
	for _, asked := range []bool{false, true} {
		for _, q := range x.read {
			for _, f := range q.calls {
				if seen[f.req] || x.asked[f.req] > 0 != asked {
					continue
				}
				if len(seen) == nearestCandidates {
					return nil
				}
				seen[f.req] = true
				if err := fn(q, f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// placeOf compares where two requests go.
func placeOf(a, b *wire.DocInfo) int {
	pathA, _, _ := strings.Cut(a.URL, "?")
	pathB, _, _ := strings.Cut(b.URL, "?")
	switch {
	case a.Method == b.Method && pathA == pathB:
		return sameURL
	case hostOf(pathA) == hostOf(pathB):
		return sameHost
	}
	return otherHost
}

// hostOf returns the scheme and host of a URL.
func hostOf(url string) string {
	i := strings.Index(url, "://")
	if i < 0 {
		return url
	}
	host, _, _ := strings.Cut(url[i+3:], "/")
	return url[:i+3] + host
}

// wordsOf counts the words of texts, by hash.
func wordsOf(texts ...[]byte) map[uint64]int {
	words := map[uint64]int{}
	for _, t := range texts {
		if len(t) > 2*nearestEnd {
			countWords(words, t[:nearestEnd])
			t = t[len(t)-nearestEnd:]
		}
		countWords(words, t)
	}
	return words
}

// countWords splits t at white space and at the punctuation of JSON.
func countWords(words map[uint64]int, t []byte) {
	h := fnv.New64a()
	n := 0
	for _, c := range t {
		switch c {
		case ' ', '\\', '"', ',', ':', '{', '}', '[', ']':
			if n > 0 {
				words[h.Sum64()]++
				h.Reset()
				n = 0
			}
		default:
			h.Write([]byte{c}) // a hash never returns an error
			n++
		}
	}
	if n > 0 {
		words[h.Sum64()]++
	}
}

// alike returns how many percent of the words two texts share.
func alike(a, b map[uint64]int) int {
	common, total := 0, 0
	// order: a sum has none
	for w, n := range a {
		common += min(n, b[w])
		total += n
	}
	// order: a sum has none
	for _, n := range b {
		total += n
	}
	if total == 0 {
		return 100
	}
	return 200 * common / total
}
