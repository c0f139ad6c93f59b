package report

import (
	"fmt"

	"github.com/coo-runtime/coo/internal/flight"
)

// A teller puts records in sentences. The records are those of the recorded
// run; steps and calls that other records name by number are looked up there.
type teller struct {
	records  []flight.Record
	program  bool // it is the run of a program
	recorded Docs
	replayed Docs
}

// who is the subject of what a record says: the mission, or its program. The
// run of a program has no mission. A nil record stands for whoever asks.
func (t *teller) who(r flight.Record) string {
	switch r := r.(type) {
	case *flight.Head, *flight.Data, *flight.Tail, *flight.Out, *flight.Exit:
		return "the program"
	case *flight.Call:
		if r.P != 0 {
			return "the program"
		}
	case nil:
		if t.program {
			return "the program"
		}
	}
	if t.program {
		return "the run"
	}
	return "the mission"
}

// it refers to who of was after who of is was named.
func (t *teller) it(is, was flight.Record) string {
	if a, b := t.who(is), t.who(was); a != b {
		return b
	}
	return "it"
}

// newCall says that a call comes where something else was recorded.
func (t *teller) newCall(was flight.Record, is *flight.Call) string {
	return fmt.Sprintf("%s makes a new call here: %s; when it was recorded %s %s", t.who(is), callName(is, t.replayed), t.it(is, was), t.then(was))
}

// A phrase is what a mission does, to be put after "the mission".
type phrase struct{ now, then, what string }

func (p phrase) present() string { return join(p.now, p.what) }
func (p phrase) past() string    { return join(p.then, p.what) }

func join(verb, what string) string {
	if what == "" {
		return verb
	}
	return verb + " " + what
}

// phrase says what a record records.
func (t *teller) phrase(r flight.Record, d Docs) phrase {
	switch r := r.(type) {
	case *flight.Open:
		return phrase{"begins", "began", "with " + OneLine(r.Mission.Main, 80)}
	case *flight.Input:
		return inputPhrase(r)
	case *flight.Clock:
		return phrase{"looks", "looked", "at the clock"}
	case *flight.Call:
		if r.Kind == "exec" {
			return phrase{"starts", "started", "the program " + programName(r, d)}
		}
		return phrase{"makes", "made", "the call " + callName(r, d)}
	case *flight.Head:
		return phrase{"receives", "received", fmt.Sprintf("the beginning of the answer to call %d", r.Call)}
	case *flight.Data:
		return phrase{"receives", "received", fmt.Sprintf("%s of the answer to call %d", Count(len(r.Lens), "chunk"), r.Call)}
	case *flight.Out:
		return phrase{"prints", "printed", fmt.Sprintf("%s on %s", Size(flight.Sum(r.Lens)), outputName(r.FD))}
	case *flight.Tail:
		if r.How == "client" {
			return phrase{"leaves", "left", fmt.Sprintf("the answer to call %d before its end", r.Call)}
		}
		return phrase{"receives", "received", fmt.Sprintf("the end of the answer to call %d", r.Call)}
	case *flight.Exit:
		return phrase{"ends", "ended", "with " + exitStatus(r)}
	case *flight.Answer:
		return phrase{"receives", "received", fmt.Sprintf("the answer to call %d", r.Call)}
	case *flight.Write:
		if r.SHA256 == nil {
			return phrase{"removes", "removed", "the file " + OneLine(r.Path, 120)}
		}
		return phrase{"writes", "wrote", "the file " + OneLine(r.Path, 120)}
	case *flight.Step:
		return phrase{"begins", "began", "the " + stepName(r)}
	case *flight.Rollback:
		return phrase{"rolls back", "rolled back", "the " + t.step(r.Step)}
	case *flight.StepEnd:
		return ending(r.OK, "the "+t.step(r.Step))
	case *flight.Fork:
		return phrase{"splits", "split", fmt.Sprintf("into %d branches", r.Width)}
	case *flight.BranchEnd:
		return ending(r.OK, branch(r))
	case *flight.Join:
		return phrase{"joins", "joined", fmt.Sprintf("the branches of fork %d", r.Fork)}
	case *flight.Log:
		return phrase{"prints", "printed", `"` + OneLine(logText(r, d), 80) + `"`}
	case *flight.End:
		if r.Outcome == "ok" {
			return phrase{"ends", "ended", "well"}
		}
		return phrase{"fails:", "failed:", OneLine(r.Error, 160)}
	case *flight.Seal:
		return phrase{"is", "was", "sealed"}
	}
	panic(fmt.Sprintf("report: internal error: no words for a record of type %T", r))
}

func ending(ok bool, what string) phrase {
	if ok {
		return phrase{"ends", "ended", what}
	}
	return phrase{"fails in", "failed in", what}
}

func inputPhrase(r *flight.Input) phrase {
	switch r.Kind {
	case "list":
		return phrase{"lists", "listed", "the files " + OneLine(r.Name, 120)}
	case "env":
		return phrase{"reads", "read", "the environment variable " + OneLine(r.Name, 120)}
	}
	return phrase{"reads", "read", "the file " + OneLine(r.Name, 120)}
}

// callName returns the method and URL of a call, or its key when its
// document is not to be had.
func callName(r *flight.Call, d Docs) string {
	req, err := d.Request(r.Req)
	if err != nil {
		return r.Req.String()[:12]
	}
	return OneLine(req.Method, 40) + " " + OneLine(req.URL, 160)
}

func stepName(r *flight.Step) string {
	return fmt.Sprintf("%s \"%s\"", OneLine(r.Kind, 20), OneLine(r.Name, 80))
}

// step names the step that began with record n.
func (t *teller) step(n int64) string {
	if 0 <= n && n < int64(len(t.records)) {
		if s, ok := t.records[n].(*flight.Step); ok {
			return stepName(s)
		}
	}
	return fmt.Sprintf("step %d", n)
}

// branch names the branch that made a record.
func branch(r flight.Record) string {
	if b := flight.Env(r).Branch; b != "" {
		return "branch " + OneLine(b, 80)
	}
	return "the main branch"
}

// logText returns what a log record says, "" when it is not to be had.
func logText(r *flight.Log, d Docs) string {
	if r.Text != nil {
		return *r.Text
	}
	if r.SHA256 != nil {
		if b, err := d.Blob(*r.SHA256); err == nil {
			return string(b)
		}
	}
	return ""
}
