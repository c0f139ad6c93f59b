package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/coo-runtime/coo/internal/flight"
)

// ending says how a program ended: "ended with status 0 after 3 calls".
func (p *ProgramLine) ending() string {
	if !p.Ended {
		return "did not end"
	}
	return fmt.Sprintf("ended with %s after %s", exitStatus(&flight.Exit{Status: p.Status, Signal: p.Signal}), Count(p.Calls, "call"))
}

// ranProgram says what ran when it was a program.
func (e *Explanation) ranProgram(w io.Writer) {
	s := e.Summary
	for _, p := range s.Programs {
		fmt.Fprintf(w, "  The program %s, at isolation level %s.\n  It %s.\n", OneLine(commandLine(p.Argv), 160), OneLine(s.Level, 20), p.ending())
	}
	if s.Outcome != "ok" && s.Outcome != "failed" {
		fmt.Fprintf(w, "  The run is incomplete.\n")
	}
	for _, u := range s.Unfinished {
		fmt.Fprintf(w, "  %s of %s are kept.\n", Count(int(u.Size), "byte"), u.what)
	}
}

// starts says what each program was started with.
func (e *Explanation) starts(w io.Writer) {
	for _, r := range e.Records {
		c, ok := r.(*flight.Call)
		if !ok || c.Kind != "exec" {
			continue
		}
		x, err := e.Docs.Exec(c.Req)
		if err != nil {
			continue
		}
		files, err := footprint(e.Docs, x.Tree)
		what := "the files of its workspace"
		if err == nil {
			what = "the " + Count(len(files), "file") + " of its workspace"
		}
		fmt.Fprintf(w, "  program %d: its command line, %s (%s)", c.N, what, x.Tree.Short())
		if x.Stdin != nil {
			fmt.Fprintf(w, ", its standard input (%s)", x.Stdin.Short())
		}
		var names []string
		for _, v := range x.Env {
			names = append(names, v[0])
		}
		if len(names) > 0 {
			fmt.Fprintf(w, ",\n    the variables %s", OneLine(strings.Join(names, ", "), 300))
		}
		var paths []string
		for _, f := range x.DotEnv {
			paths = append(paths, f.Path)
		}
		if len(paths) > 0 {
			fmt.Fprintf(w, ",\n    %s, with placeholders for secrets", OneLine(strings.Join(paths, ", "), 300))
		}
		fmt.Fprintln(w)
	}
}

func (e *Explanation) guaranteesOfPrograms(w io.Writer) {
	if e.Summary.Level == "deterministic" {
		fmt.Fprint(w, exactGuarantees)
		return
	}
	reach := "  Nothing of it can reach a network: the system enforces it, proxy variables or not."
	if e.Summary.Level == "proxied" {
		reach = "  What honours the proxy variables reaches no network; what ignores them is not seen (level\n  proxied does not enforce it)."
	}
	fmt.Fprintf(w, `
What is guaranteed for this run
  coo replay starts each program again in a copy of the workspace that it found, answers its
  calls from the record, in the recorded order, and compares its calls, the ends of their
  answers, its output, its exit status and the files it writes, byte for byte.
%s
  coo verify finds any byte of it that is not as it was written.
  Its ID covers command line, recorded variables, files at the start, calls, answers with their
  chunks, output, exit status and files written.

What is not
  That a program does the same again: what depends on its clock, its random numbers or its
  threads may differ, and a replay names the first difference.
  Where the chunks of answers that came at the same time interleaved.
  That a service asked again would answer the same: it is not asked again.
  That what was sent had no effect elsewhere: a rollback restores files, not the world.
  That nobody rewrote the whole run: compare its ID with one kept elsewhere.
`, reach)
}

const exactGuarantees = `
What is guaranteed for this run
  coo replay starts each program again in a copy of the workspace that it found, one thread at a
  time, with the recorded clock, the recorded seed and every chunk of every answer at its recorded
  time, and compares its calls, what each gets and when, each write to its output, its exit status
  and the files it writes, byte for byte.
  Nothing of it can reach a network: the system enforces it, proxy variables or not.
  coo verify finds any byte of it that is not as it was written.
  Its ID covers command line, recorded variables, files at the start, seed, start of the clock,
  calls, answers with their chunks and times, output in the pieces it was written in, exit status
  and files written.

What is not
  That another version of the program, of its libraries or of the system does the same: a replay
  names the first difference.
  That a service asked again would answer the same: it is not asked again.
  That what was sent had no effect elsewhere: a rollback restores files, not the world.
  That nobody rewrote the whole run: compare its ID with one kept elsewhere.
`
