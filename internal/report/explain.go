package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
)

// An Origin is where an execution got the answer to a call from.
type Origin struct {
	Call  int64
	From  string   // "live", or the name of a source
	Of    int64    // the call in that source
	At    string   // when it was delivered
	Rules []string // identity rules that left something out of the question
}

// Origins reads, from an execution's observations, where each answer came from.
func Origins(observations [][]byte) []Origin {
	var out []Origin
	for _, v := range observations {
		var o struct {
			T     string   `json:"t"`
			Call  int64    `json:"call"`
			From  string   `json:"from"`
			Of    int64    `json:"of"`
			At    string   `json:"at"`
			Rules []string `json:"rules"`
		}
		if json.Unmarshal(v, &o) == nil && o.T == "answer" {
			out = append(out, Origin{Call: o.Call, From: o.From, Of: o.Of, At: o.At, Rules: o.Rules})
		}
	}
	return out
}

// An Explanation is a run in plain words.
type Explanation struct {
	Summary   *Summary
	Lineage   *Lineage
	Records   []flight.Record
	Origins   []Origin // of one execution; nil when none is known
	Execution int64    // its number
	Diverged  string   // what the last replay found; "" when it found nothing
	Pack      bool     // the run is a pack's: no store knows of its executions and replays
	Docs      Docs     // of the run; needed for its programs
}

// Text prints the explanation.
func (e *Explanation) Text(w io.Writer) {
	s := e.Summary
	e.ran(w)
	e.pure(w)
	e.answers(w)
	e.outputs(w)
	e.guarantees(w)
	if e.Diverged != "" {
		fmt.Fprintf(w, "\nThe last replay diverged\n%s", indent(e.Diverged))
	} else if s.Root != nil && !e.Pack {
		fmt.Fprintf(w, "\nNo replay of this run is known to have diverged.\n")
	}
}

func (e *Explanation) ran(w io.Writer) {
	s := e.Summary
	fmt.Fprintf(w, "What ran\n")
	if ofProgram(e.Records) {
		e.ranProgram(w)
		return
	}
	fmt.Fprintf(w, "  The mission %s (%s) with %s and seed %s.\n", OneLine(s.Mission.Main, 160),
		Count(len(s.Mission.Files), "source file"), Count(len(s.Args), "argument"), OneLine(s.Seed, 40))
	switch s.Outcome {
	case "ok":
		fmt.Fprintf(w, "  It ended well.\n")
	case "failed":
		fmt.Fprintf(w, "  It failed: %s\n  Nothing that it wrote reached the workspace.\n", OneLine(s.Error, 300))
	default:
		fmt.Fprintf(w, "  It came to no end: the run is incomplete, and nothing that it wrote reached the workspace.\n")
	}
	for _, p := range s.Programs {
		fmt.Fprintf(w, "  It started the program %s, which %s.\n", OneLine(commandLine(p.Argv), 160), p.ending())
	}
	for _, st := range s.Steps {
		if st.OK || len(st.Undone) == 0 {
			continue
		}
		fmt.Fprintf(w, "  The %s %q failed (%s); rolled back: %s.\n", st.Kind, OneLine(st.Name, 60),
			OneLine(st.Error, 160), OneLine(strings.Join(st.Undone, ", "), 200))
	}
}

func (e *Explanation) pure(w io.Writer) {
	s := e.Summary
	fmt.Fprintf(w, "\nWhat is pure\n")
	if !ofProgram(e.Records) {
		fmt.Fprintf(w, "  Everything the mission computed, random numbers and ids included: it follows from\n  the source, the arguments, the seed and what is listed here as coming from outside.\n")
	}
	switch {
	case len(s.Programs) > 0 && s.Level == "deterministic":
		fmt.Fprintf(w, "  What a program computes, its clock, random numbers and threads included: it follows from the\n  seed, the start of the clock and what is listed here as coming from outside.\n")
	case len(s.Programs) > 0:
		fmt.Fprintf(w, "  Nothing is known of what a program computes: at level %s its clock, random numbers and\n  threads are its own. That it asks and writes the same again is what a replay checks.\n", OneLine(s.Level, 20))
	}
	fmt.Fprintf(w, "\nWhat came from outside\n")
	readings := 0
	for _, r := range e.Records {
		if _, ok := r.(*flight.Clock); ok {
			readings++
		}
	}
	switch {
	case s.Clock != nil:
		fmt.Fprintf(w, "  the clock, pinned at %s\n", OneLine(*s.Clock, 40))
	case readings > 0:
		fmt.Fprintf(w, "  the clock, read %s\n", times(readings))
	}
	e.starts(w)
	if s.Environment != nil {
		fmt.Fprintf(w, "  %s: coo inspect --environment\n", s.Environment.words())
	}
	for _, in := range s.Inputs {
		fmt.Fprintf(w, "  %s %s (%s)\n", inputKind(in.Kind), OneLine(in.Name, 160), short(in.SHA256, "absent"))
	}
	for _, c := range s.Calls {
		fmt.Fprintf(w, "  the answer to call %d, %s %s\n", c.N, c.Method, OneLine(c.URL, 160))
	}
	if readings == 0 && s.Clock == nil && len(s.Inputs) == 0 && len(s.Calls) == 0 && len(s.Programs) == 0 {
		fmt.Fprintf(w, "  nothing\n")
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func inputKind(kind string) string {
	switch kind {
	case "env":
		return "the environment variable"
	case "list":
		return "the listing"
	}
	return "the file"
}

func (e *Explanation) answers(w io.Writer) {
	if len(e.Summary.Calls) == 0 {
		return
	}
	if e.Pack {
		fmt.Fprintf(w, "\nWhere the answers came from\n  A pack does not say whether they were new when it was recorded: that is true of one execution only.\n")
		return
	}
	if e.Origins == nil {
		fmt.Fprintf(w, "\nWhere the answers came from\n  No execution of this store says so.\n")
		return
	}
	fmt.Fprintf(w, "\nWhere execution #%d got the answers from\n", e.Execution)
	days := map[string]bool{}
	for _, o := range e.Origins {
		where := "sent, and frozen then"
		if o.From != "live" {
			where = fmt.Sprintf("frozen: call %d of %s", o.Of, OneLine(o.From, 160))
		} else if len(o.At) >= len("2006-01-02") {
			days[o.At[:len("2006-01-02")]] = true
		}
		if len(o.Rules) > 0 {
			where += ", asked without " + OneLine(strings.Join(o.Rules, ", "), 300)
		}
		fmt.Fprintf(w, "  call %d: %s\n", o.Call, where)
	}
	if live := len(days) > 0; live && slices.ContainsFunc(e.Origins, func(o Origin) bool { return o.From != "live" }) {
		fmt.Fprintf(w, "  The run joins new answers with ones that were frozen earlier.\n")
	}
}

func (e *Explanation) outputs(w io.Writer) {
	if len(e.Summary.Outputs) == 0 {
		return
	}
	fmt.Fprintf(w, "\nWhat each output depends on\n")
	for _, o := range e.Summary.Outputs {
		fmt.Fprintf(w, "  %s\n", OneLine(o.Path, 160))
		for _, line := range e.Causes(o.Path) {
			fmt.Fprintf(w, "    %s\n", line)
		}
	}
	who := "branch of the mission"
	if ofProgram(e.Records) {
		who = "program"
	}
	fmt.Fprintf(w, "  A dependency means: it was visible to the %s that wrote the file.\n", who)
}

// Causes returns, a line each, what the output at path depends on.
func (e *Explanation) Causes(path string) []string {
	n, ok := e.Lineage.Write(path)
	if !ok {
		return nil
	}
	calls := map[int64]CallLine{}
	for _, c := range e.Summary.Calls {
		calls[c.N] = c
	}
	var out []string
	if !ofProgram(e.Records) {
		out = append(out, "the mission's source, arguments and seed")
	}
	answer := func(n int64, ans digest.Answer) string {
		call := calls[n]
		return fmt.Sprintf("call %d, %s %s: question %s, answer %s", n, call.Method, OneLine(call.URL, 160), call.Request, ans)
	}
	for _, c := range e.Lineage.Causes(n) {
		switch r := e.Records[c].(type) {
		case *flight.Call:
			out = append(out, fmt.Sprintf("program %d, %s: start %s", r.N, programName(r, e.Docs), r.Req))
		case *flight.Head:
			out = append(out, answer(r.Call, calls[r.Call].Answer))
		case *flight.Tail:
			out = append(out, answer(r.Call, r.Ans))
		case *flight.Input:
			out = append(out, fmt.Sprintf("%s %s, %s", inputKind(r.Kind), OneLine(r.Name, 160), full(r)))
		case *flight.Clock:
			out = append(out, "the clock reading "+r.Now)
		case *flight.Answer:
			out = append(out, answer(r.Call, r.Ans))
		}
	}
	return out
}

func full(in *flight.Input) string {
	if in.SHA256 == nil {
		return "absent"
	}
	return in.SHA256.String()
}

func (e *Explanation) guarantees(w io.Writer) {
	if e.Summary.Root == nil {
		fmt.Fprintf(w, "\nWhat is guaranteed\n  Nothing yet: the run is not sealed. Its whole records are linked by digest, and its\n  answers can be used: coo run --from.\n")
		return
	}
	if len(e.Summary.Programs) > 0 {
		e.guaranteesOfPrograms(w)
		return
	}
	fmt.Fprint(w, `
What is guaranteed for this run
  coo replay makes every one of its records again, byte for byte, without network, on any
  machine this coo runs on; a record that differs is named.
  coo verify finds any byte of it that is not as it was written.
  Its ID covers its inputs, calls, answers, files and result.

What is not
  That a service asked again would answer the same: it is not asked again.
  That what was sent had no effect elsewhere: a rollback restores files, not the world.
  That nobody rewrote the whole run: compare its ID with one kept elsewhere.
`)
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ") + "\n"
}
