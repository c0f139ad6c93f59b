package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/report"
)

type inspectFlags struct {
	lineage     string
	call        int64
	graph       bool
	environment bool
	json        bool
}

func (a *app) inspectCommand() *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect RUN",
		Short: "Show what ran, its inputs, steps, calls and outputs",
		Long: `Shows what a run's records say: what ran, inputs, steps, calls with their
status, size and tokens, outputs, freeze manifest, Merkle root. With --environment,
the files outside of the workspace that programs at level deterministic used,
with their digests and packages.`,
		Example: `  coo inspect @last
  coo inspect @last --call 7
  coo inspect @last --lineage summary.md
  coo inspect @last --graph > lineage.mmd`,
		Args: exactly(1, "one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			asked := 0
			for _, name := range []string{"lineage", "call", "graph", "environment", "json"} {
				if cmd.Flags().Changed(name) {
					asked++
				}
			}
			if asked > 1 {
				return usagef("coo inspect: give one of --lineage, --call, --graph, --environment, --json")
			}
			return a.inspect(args[0], f)
		},
	}
	cmd.Flags().StringVar(&f.lineage, "lineage", "", "show the digests that the output `FILE` came from")
	cmd.Flags().Int64Var(&f.call, "call", -1, "show call `N` (its record's number) as question and answer")
	cmd.Flags().BoolVar(&f.graph, "graph", false, "print the lineage as a Mermaid flowchart")
	cmd.Flags().BoolVar(&f.environment, "environment", false, "list the files outside of the workspace that programs used")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
	return cmd
}

func (a *app) inspect(ref string, f inspectFlags) error {
	rec, err := a.load(ref)
	if err != nil {
		return err
	}
	if _, err := rec.open(); err != nil {
		return err
	}
	s, err := rec.summarise()
	if err != nil {
		return err
	}
	switch {
	case f.call >= 0:
		err = a.inspectCall(rec, f.call)
	case f.lineage != "":
		err = a.inspectLineage(rec, s, f.lineage)
	case f.graph:
		l := report.NewLineage(rec.run.Records)
		fmt.Fprint(a.stdout, l.Mermaid(func(n int64) string { return report.Detail(rec.run.Records[n], rec.docs) }, s.Outputs))
	case f.environment:
		err = a.inspectEnvironment(rec)
	case f.json:
		var b []byte
		if b, err = canon.Marshal(s); err == nil {
			fmt.Fprintf(a.stdout, "%s\n", b)
		}
	default:
		s.Text(a.stdout)
	}
	if err != nil {
		return err
	}
	a.next("coo explain %s", rec.name())
	return nil
}

// inspectCall prints a call as people read it: prompt and answer.
func (a *app) inspectCall(rec *recording, n int64) error {
	if n >= int64(len(rec.run.Records)) {
		return usagef("--call %d: the run has %s", n, report.Count(len(rec.run.Records), "record"))
	}
	call, ok := rec.run.Records[n].(*flight.Call)
	if !ok {
		return usagef("--call %d: that record is of type %s; coo inspect lists the calls", n, flight.Env(rec.run.Records[n]).T)
	}
	if call.Kind == "exec" {
		return report.Program(a.stdout, rec.run.Records, call, rec.docs)
	}
	req, err := rec.docs.Request(call.Req)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "call %d  %s %s\n", n, req.Method, visible(req.URL))
	fmt.Fprintf(a.stdout, "question  %s\n", digest.Digest(call.Req))
	for _, h := range req.Headers {
		fmt.Fprintf(a.stdout, "  %s: %s\n", visible(h[0]), visible(h[1]))
	}
	fmt.Fprintf(a.stdout, "\n%s\n", strings.TrimRight(visible(report.CallText(req)), "\n"))
	ans, ok := answerTo(rec.run.Records, n)
	if !ok {
		fmt.Fprintln(a.stdout, "\nno answer")
		return nil
	}
	doc, err := rec.docs.Answer(ans)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "\nanswer    %s  %s\n", digest.Digest(ans), report.AnswerStatus(doc))
	for _, h := range doc.Headers {
		fmt.Fprintf(a.stdout, "  %s: %s\n", visible(h[0]), visible(h[1]))
	}
	fmt.Fprintf(a.stdout, "\n%s\n", strings.TrimRight(visible(report.AnswerText(req, doc)), "\n"))
	return nil
}

// answerTo returns the answer to call n, given to a mission or to a program.
func answerTo(records []flight.Record, n int64) (digest.Answer, bool) {
	for _, r := range records {
		switch r := r.(type) {
		case *flight.Answer:
			if r.Call == n {
				return r.Ans, true
			}
		case *flight.Tail:
			if r.Call == n {
				return r.Ans, true
			}
		}
	}
	return digest.Answer{}, false
}

// inspectLineage prints what an output came from.
func (a *app) inspectLineage(rec *recording, s *report.Summary, path string) error {
	e := report.Explanation{Summary: s, Lineage: report.NewLineage(rec.run.Records), Records: rec.run.Records, Docs: rec.docs}
	for _, o := range s.Outputs {
		if o.Path != path {
			continue
		}
		sum := "removed"
		if o.SHA256 != nil {
			sum = o.SHA256.String()
		}
		fmt.Fprintf(a.stdout, "%s  %s\n", visible(o.Path), sum)
		for _, f := range s.Mission.Files {
			fmt.Fprintf(a.stdout, "  source %s, %s\n", visible(f.Path), f.SHA256)
		}
		for _, line := range e.Causes(path) {
			fmt.Fprintf(a.stdout, "  %s\n", line)
		}
		return nil
	}
	var names []string
	for _, o := range s.Outputs {
		names = append(names, o.Path)
	}
	return usagef("--lineage %q: not an output of this run; its outputs: %s", path, visible(strings.Join(names, ", ")))
}
