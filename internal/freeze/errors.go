package freeze

import (
	"fmt"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

// A MissError reports a call without a frozen answer. [Frozen.Ask] returns it.
type MissError struct {
	N        int64       // number of the call record
	Key      digest.Call // the call's identity
	Doc      []byte      // its request document
	Body     []byte      // its canonical body; nil when there is none
	Asked    int         // how often the run has asked for the key, this time included
	Recorded int         // how many answers the source has for it
	Nearest  *Nearest    // nil when nothing was recorded at all
	Program  bool        // it is a program's: identity rules may be added for it
}

func (e *MissError) Error() string {
	what := "a request"
	if info, err := wire.ParseDoc(e.Doc); err == nil {
		what = info.Method + " " + info.URL
	}
	return fmt.Sprintf("call %d: no frozen answer: %s: asked %s, recorded %d", e.N, what, times(e.Asked), e.Recorded)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// A Nearest is the frozen call most like one that was missed.
type Nearest struct {
	Source string // name of the source
	Call   int64  // number of the call in it
	Doc    []byte
	Body   []byte // nil when there is none
	Why    string // in words, for people
}

// A NoClockError reports a reading of the clock where only recorded readings
// are allowed and none was recorded. [FrozenClock] returns it.
type NoClockError struct{}

func (*NoClockError) Error() string { return "clock: no frozen reading" }

// A MissingSecretError reports that a live call needs a secret whose value is
// not known. [Live.Ask] returns it.
type MissingSecretError struct {
	Name string
}

func (e *MissingSecretError) Error() string {
	return fmt.Sprintf("secret %q: it is not set, and a live call needs it", e.Name)
}

// A RequestError reports a call that cannot be sent as HTTP. [Live.Ask]
// returns it. It never holds a secret.
type RequestError struct {
	N    int64
	What string
}

func (e *RequestError) Error() string { return fmt.Sprintf("call %d: cannot be sent: %s", e.N, e.What) }

// A RulesError reports a source whose calls were told apart by other identity
// rules than this run's: its keys mean something else, so it answers nothing.
// A source of programs' calls is normalised again under this run's rules; it
// cannot be when one of its own left out what now counts.
type RulesError struct {
	Source string
	Rules  string // the present rules' name
	Lacks  string // the source's rule that this run has not: "/a/b", "header:x"
}

func (e *RulesError) Error() string {
	if e.Lacks != "" {
		return fmt.Sprintf("%s: not used: it was made with --ignore %s, and this run is not", e.Source, e.Lacks)
	}
	return fmt.Sprintf("%s: not used: it was made under other identity rules than the present %s", e.Source, e.Rules)
}

// A HeldError ends a run whose calls are answered with more than it can take, at
// once: what it takes grows faster than anybody could watch. [Live.Next] returns it.
type HeldError struct{ Limit int64 }

func (e *HeldError) Error() string {
	return fmt.Sprintf("what the mission was answered and has not taken holds more than %d MiB of memory", e.Limit>>20)
}
