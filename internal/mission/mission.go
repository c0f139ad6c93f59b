// Package mission is the mission language: Starlark, and the object coo that
// is its only way out.
//
//	def main(coo, topic = "tides"):
//	    notes = coo.read("notes.txt")
//	    reply = coo.chat(model = "gpt-5-mini", messages = [
//	        {"role": "user", "content": "Summarise:\n" + notes},
//	    ])
//	    coo.write("summary.md", "# %s\n\n%s\n" % (topic, reply.text))
//
// The package promises that a mission is a function of its source, its
// arguments, its seed and the answers of its [World]: the same answers give
// the same calls of the World's methods in the same order, whatever the
// machine, the time and the load. Four things hold that promise.
//
//   - Nothing else comes in. Files, the clock, the environment and the network
//     are methods of World; random values are computed (random.go); the parts
//     of Starlark that differ between machines are replaced (math.go).
//   - One token. Branches of coo.parallel are goroutines, but only one runs at
//     a time, and it gives the token away only while it waits for an answer
//     (branch.go).
//   - What a step, an attempt or a branch captures is read-only while it runs
//     (hold.go), so that a rollback leaves nothing behind and branches cannot
//     see each other.
//   - Everything a mission or a server can make large or deep has a limit
//     (limits.go). Starlark has no hook for most of them, so that the syntax
//     tree is rewritten before it is compiled (rewrite.go).
//
// The package is pure: it imports nothing that knows the machine it runs on.
package mission

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/coo-runtime/coo/internal/wire"
)

// A World is everything outside a mission. Its methods are called by one
// branch at a time, in a deterministic order, not always from the same
// goroutine. b is the branch: "" for the main one, "3.1" for branch 1 of the
// fork that [World.Fork] numbered 3.
//
// An error made by [Fatal] ends the run: the mission cannot catch it, and no
// method is called after it. Any other error is raised in the mission, behind
// the name of the function ("coo.read: …"), so that its text must be the same
// on every machine.
//
// Texts given to a World are valid UTF-8, with "<secret NAME>" in the place of
// secrets.
type World interface {
	// Issue makes a call and returns its number. It does not wait.
	Issue(b string, req *wire.Request) (call int64, err error)
	// Deliver waits for the next answer to one of the calls issued and not
	// yet delivered, and returns it with the call's number. Any error of
	// it is fatal.
	Deliver() (call int64, a *wire.Answer, err error)
	// Now reads the clock, in milliseconds since 1970 in UTC.
	Now(b string) (unixMilli int64, err error)
	// Sleep moves the clock by ms milliseconds.
	Sleep(b string, ms int64) error
	Read(b, path string) (data []byte, err error)
	List(b, glob string) ([]string, error)
	Write(b, path string, data []byte) error
	Remove(b, path string) error
	// Exec starts a program and waits for its end. It has the files of the
	// branch to itself, and what it writes is the branch's.
	Exec(b string, e *Exec) (*Exited, error)
	// Env looks an environment variable up; ok is false when there is none.
	Env(b, name string) (value string, ok bool, err error)
	// Secret declares that the mission uses a secret. An error refuses it.
	Secret(name string) error
	// Begin begins a step; kind is "step" or "attempt".
	Begin(b, name, kind string) (step int64, err error)
	// End ends a step. It is rolled back when failure, a [*Failure], is
	// not nil.
	End(b string, step int64, failure error) error
	// Fork splits b in width branches and returns the fork's number n; the
	// branches are named "n.0", "n.1", ….
	Fork(b string, width int) (n int64, err error)
	// BranchEnd ends a branch of a fork, with a [*Failure] when it failed.
	BranchEnd(b string, failure error) error
	// Join joins the branches of a fork; all of them have ended.
	Join(b string, fork int64) error
	// Log takes what the mission printed; kind is "print" or "log".
	Log(b, kind, text string) error
}

// A FatalError is an error of a [World] that ends the run and that the mission
// cannot catch.
type FatalError struct{ Err error }

// Fatal makes err fatal. Fatal(nil) is nil.
func Fatal(err error) error {
	if err == nil {
		return nil
	}
	return &FatalError{err}
}

// Error returns the text of the error within.
func (e *FatalError) Error() string { return e.Err.Error() }

// Unwrap returns the error within.
func (e *FatalError) Unwrap() error { return e.Err }

// Options are the settings of one run of a mission.
type Options struct {
	// Args are the arguments of main, by name.
	Args map[string]string
	// Seed is the seed of coo.random and coo.uuid, in decimal. "" is "0".
	Seed string
	// Overload is polled every 100,000 steps and before large allocations.
	// An error of it ends the run as fatal. To keep a process below 1 GB it
	// is to give one from 400 MB of live heap on: one operation may take
	// that much again.
	Overload func() error

	steps uint64 // limit of steps; 0: [Limits]
}

// A Result is how a run of a mission ended: well, by a failure of the mission,
// or ended from outside. At most one of JSON, Err and Fatal is set.
type Result struct {
	// JSON is the canonical JSON of the value main returned: names sorted
	// as RFC 8785 does, integers exact, floats in their shortest form. It
	// is nil when main returned None.
	JSON []byte
	// Err is the mission's own failure.
	Err *Failure
	// Fatal is the error that ended the run from outside: of the World, of
	// [Program.Stop] or of Options.Overload.
	Fatal error
}

// A Failure is the error a mission, a branch or a step failed with.
type Failure struct {
	Msg   string  // valid UTF-8, at most 4 KiB
	Trace []Frame // the calls under way, outermost first
}

// Error returns the message.
func (f *Failure) Error() string { return f.Msg }

// A Frame is one call of a failed mission's stack.
type Frame struct {
	File string
	Line int64
	Col  int64
	Func string
}

// A SourceError is a mistake in a source file that is found before the mission
// runs.
type SourceError struct {
	File string
	Line int // from 1; 0 when the whole file is meant
	Col  int
	Msg  string
}

// Error returns "file:line:col: message".
func (e *SourceError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg)
}

// clip makes text fit for a record: valid UTF-8, at most maxMessage bytes.
func clip(text string) string {
	if len(text) > maxMessage {
		const mark = "…"
		cut := maxMessage - len(mark)
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + mark
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
