// Package freeze answers the calls of a run: [Live] sends them out,
// [Frozen] answers them from what was recorded and never touches the outside
// world, [Fill] does the second where it can and the first where it must.
// Which of the three a run has is decided once; nothing else in coo asks.
//
// # Which frozen answer
//
// The key of a call is the digest of its request document. A [Source] keeps,
// for each key, a queue of answers in the order in which the calls were made.
// The n-th time a run asks for a key it takes the n-th entry of the newest
// source that has the key at all. A queue that is used up is a miss, never a
// repeat of its last entry, and never a look into an older source.
//
//	source:  call 4 key A   call 5 key B   answer 6 of 5   call 7 key A   answer 8 of 4   answer 9 of 7
//	queues:  A: [answer 8, answer 9]   B: [answer 6]
//
// # Which answer next
//
// Among the calls that wait, a frozen answer is delivered before a live one,
// and among the frozen ones that with the smallest (source, number of the
// answer record). Live answers are delivered in the order of their arrival.
// So a run that is repeated from its own record sees every answer in the
// place where it saw it first: by induction, the recorded next delivery is
// waiting, and all others that wait have larger numbers.
//
// # Failures
//
// What the network does is an answer: a refused connection, a 429, a stream
// cut half-way. An error of Ask or Next is about the run itself, and ends it:
// a call without a frozen answer ([*MissError]), a damaged source, a missing
// secret, the cancellation of the context.
package freeze

import (
	"context"
	"net/netip"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

// An Answerer answers calls. Ask and Next are called by one goroutine at a
// time; Close is called once, last.
type Answerer interface {
	// Ask puts a call among those that wait for their answer. It does not
	// wait for the network. An error means that the call can have no answer.
	Ask(ctx context.Context, c Call) error
	// Next returns the answer of exactly one of the calls that wait, and
	// blocks until there is one.
	Next(ctx context.Context) (*Delivery, error)
	// Close cancels the calls in flight and returns when nothing of the
	// Answerer runs any more.
	Close() error
}

// A Call is a request on its way to an answer.
type Call struct {
	N   int64         // number of the call record; unique among the calls that wait
	Doc *wire.Doc     // its identity
	Req *wire.Request // what is sent; a Frozen does not look at it
	// Delay is the time by which the mission's clock was moved ahead and
	// that has not really passed yet. It is waited for only before a live
	// call leaves.
	Delay time.Duration
	// Used names the rules that left something out of the identity of a
	// program's call; see [wire.ProgramRequest].
	Used []string
	// Reach says why host:port, a name, may not be connected to at an address
	// that it was looked up to have. It is asked before a live call of a
	// program connects, unless a proxy or [LiveOptions.Resolve] decides where
	// that is. Nil means that any address will do.
	Reach func(hostport string, addr netip.Addr) error
}

// A Delivery is the answer of one call.
type Delivery struct {
	N      int64         // number of the call record
	Key    digest.Call   // the call's identity
	Answer *wire.Answer  // decoded from Doc and Body, whether live or frozen
	Doc    []byte        // the answer document, canonical JSON
	Body   []byte        // the blob that Doc names; nil when it names none
	Digest digest.Answer // of Doc

	// The rest is about how the answer was obtained: observations.

	Live       bool
	Source     string // name of the source, when frozen
	SourceCall int64  // number of the call in the source, when frozen
	Timing     Timing // when live
}

// A Timing is what was observed of a live exchange. Times are wall-clock
// times; Head is zero when no head came.
type Timing struct {
	Sent, Head, Done time.Time
	Remote           string   // address of the peer: the proxy's, if there is one
	Proto            string   // "HTTP/1.1", "HTTP/2.0"
	TLS              string   // "TLS 1.3"; empty without TLS
	Notes            []string // "decoded gzip", "secrets replaced"
}

// newDelivery encodes a and decodes it again, so that a live answer and its
// frozen copy cannot differ in anything a mission may see.
func newDelivery(c Call, a *wire.Answer) (*Delivery, error) {
	doc, body, err := a.Encode()
	if err != nil {
		return nil, err
	}
	again, err := wire.DecodeAnswer(doc, func(digest.Digest) ([]byte, error) { return body, nil })
	if err != nil {
		return nil, err
	}
	return &Delivery{
		N: c.N, Key: c.Doc.Key, Answer: again,
		Doc: doc, Body: body, Digest: digest.Answer(digest.Of(doc)),
	}, nil
}
