package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// Line returns a record on one line: its number, its branch, its type and
// what it says, with the documents it names looked up in d.
//
//	12  3.1  answer      to call 7: 200, 412 B, 14 chunks
func Line(r flight.Record, d Docs) string {
	e := flight.Env(r)
	branch := e.Branch
	if branch == "" {
		branch = "-"
	}
	return strings.TrimRight(fmt.Sprintf("%5d  %-6s %-10s  %s", e.N, branch, e.T, Detail(r, d)), " ")
}

// Detail returns what a record says, on one line.
func Detail(r flight.Record, d Docs) string {
	switch r := r.(type) {
	case *flight.Open:
		return openDetail(r)
	case *flight.Input:
		return fmt.Sprintf("%s %s %s", r.Kind, OneLine(r.Name, 120), short(r.SHA256, "absent"))
	case *flight.Clock:
		return r.Now
	case *flight.Call:
		if r.Kind == "exec" {
			return startDetail(r, d)
		}
		return callDetail(r, d)
	case *flight.Answer:
		return fmt.Sprintf("to call %d: %s", r.Call, answerDetail(r, d))
	case *flight.Head:
		return headDetail(r, d)
	case *flight.Data:
		return dataDetail(r)
	case *flight.Tail:
		return tailDetail(r, d)
	case *flight.Out:
		return outDetail(r)
	case *flight.Exit:
		return exitDetail(r, d)
	case *flight.Write:
		if r.SHA256 == nil {
			return "removed " + OneLine(r.Path, 120)
		}
		return fmt.Sprintf("%s %s %s", OneLine(r.Path, 120), Size(r.Size), r.SHA256.Short())
	case *flight.Step:
		return fmt.Sprintf("%s %q begins, tree %s", r.Kind, OneLine(r.Name, 80), r.Tree.Short())
	case *flight.Rollback:
		return rollbackDetail(r)
	case *flight.StepEnd:
		return fmt.Sprintf("step %d %s", r.Step, okOr(r.OK, r.Error))
	case *flight.Fork:
		return fmt.Sprintf("%d branches", r.Width)
	case *flight.BranchEnd:
		return okOr(r.OK, r.Error)
	case *flight.Join:
		return fmt.Sprintf("of fork %d", r.Fork)
	case *flight.Log:
		return logDetail(r, d)
	case *flight.End:
		if r.Outcome == "ok" {
			return "ok, result " + short(r.Result, "none")
		}
		return r.Outcome + ": " + OneLine(r.Error, 200)
	case *flight.Seal:
		return fmt.Sprintf("%d records, %s, root %s", r.Count, Count(len(r.Outputs), "output"), r.Root.Short())
	}
	return ""
}

func short(d *digest.Digest, none string) string {
	if d == nil {
		return none
	}
	return d.Short()
}

func okOr(ok bool, err string) string {
	if ok {
		return "ok"
	}
	return "failed: " + OneLine(err, 200)
}

func openDetail(r *flight.Open) string {
	var args strings.Builder
	for _, k := range slices.Sorted(maps.Keys(r.Args)) {
		fmt.Fprintf(&args, ", %s=%s", OneLine(k, 40), OneLine(r.Args[k], 60))
	}
	clock := ""
	if r.Clock != nil {
		clock = ", clock " + OneLine(*r.Clock, 40)
	}
	return fmt.Sprintf("%s %s, seed %s%s%s", r.Level, OneLine(r.Mission.Main, 120), OneLine(r.Seed, 40), clock, args.String())
}

func callDetail(r *flight.Call, d Docs) string {
	req, err := d.Request(r.Req)
	if err != nil {
		return digest.Digest(r.Req).Short()
	}
	s := req.Method + " " + OneLine(req.URL, 160)
	if llm, ok := wire.View(req.DocInfo, req.Body, &wire.Answer{}); ok && llm.Model != "" {
		s += " " + OneLine(llm.Model, 60)
	}
	s += " " + digest.Digest(r.Req).Short()
	if r.P != 0 {
		s += fmt.Sprintf(" by program %d", r.P)
	}
	return s + inside(r.At)
}

func answerDetail(r *flight.Answer, d Docs) string {
	a, err := d.Answer(r.Ans)
	if err != nil {
		return digest.Digest(r.Ans).Short()
	}
	return AnswerStatus(a) + " " + digest.Digest(r.Ans).Short()
}

// AnswerStatus returns an answer's status, size and chunks in a few words.
func AnswerStatus(a *Answer) string {
	if a.Error != "" && a.Status == 0 {
		return a.Error
	}
	s := fmt.Sprintf("%d, %s", a.Status, Size(a.Size))
	if a.Lens != nil {
		s += ", " + Count(len(a.Lens), "chunk")
	}
	if a.Error != "" {
		s += ", " + a.Error
	}
	return s
}

func rollbackDetail(r *flight.Rollback) string {
	var paths []string
	for _, u := range r.Undone {
		paths = append(paths, OneLine(u.Path, 80))
	}
	what := "nothing to undo"
	if len(paths) > 0 {
		what = "undone " + strings.Join(paths, ", ")
	}
	return fmt.Sprintf("step %d: %s, tree %s: %s", r.Step, what, r.Tree.Short(), OneLine(r.Why, 160))
}

func logDetail(r *flight.Log, d Docs) string {
	text := ""
	if r.Text != nil {
		text = *r.Text
	} else if r.SHA256 != nil {
		if b, err := d.Blob(*r.SHA256); err == nil {
			text = string(b)
		}
	}
	return OneLine(text, 160)
}
