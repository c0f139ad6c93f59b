package pack

import (
	"fmt"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/report"
)

// lineageFormat is the name of the format of lineage.json.
const lineageFormat = "coo.lineage/0"

// A lineage says, for each output, what it came from.
type lineage struct {
	Format  string            `json:"format"`
	Run     digest.Digest     `json:"run"`
	Args    map[string]string `json:"args"`
	Seed    string            `json:"seed"`
	Mission []flight.File     `json:"mission"`
	Outputs []lineageOutput   `json:"outputs"`
	Sources []any             `json:"sources"`
}

type lineageOutput struct {
	Path   string         `json:"path"`
	SHA256 *digest.Digest `json:"sha256"`
	Write  *int64         `json:"write"` // the record that wrote it
	From   []int64        `json:"from"`  // records of inputs, clock readings and answers
}

// Sources, by the type of the record.
type (
	inputSource struct {
		N      int64          `json:"n"`
		T      string         `json:"t"`
		Kind   string         `json:"kind"`
		Name   string         `json:"name"`
		SHA256 *digest.Digest `json:"sha256"`
	}
	clockSource struct {
		N   int64  `json:"n"`
		T   string `json:"t"`
		Now string `json:"now"`
	}
	answerSource struct {
		N    int64         `json:"n"`
		T    string        `json:"t"`
		Call int64         `json:"call"`
		Req  digest.Call   `json:"req"`
		Ans  digest.Answer `json:"ans"`
	}
	headSource struct {
		N    int64         `json:"n"`
		T    string        `json:"t"`
		Call int64         `json:"call"`
		Req  digest.Call   `json:"req"`
		Head digest.Digest `json:"head"`
	}
	execSource struct {
		N    int64       `json:"n"`
		T    string      `json:"t"`
		Kind string      `json:"kind"`
		Req  digest.Call `json:"req"`
	}
)

// lineageOf returns the content of lineage.json.
func lineageOf(run *flight.Run) ([]byte, error) {
	open := run.Records[0].(*flight.Open)
	l := lineage{
		Format: lineageFormat, Run: run.ID, Args: open.Args, Seed: open.Seed, Mission: open.Mission.Files,
		Outputs: []lineageOutput{}, Sources: []any{},
	}
	known := report.NewLineage(run.Records)
	used := map[int64]bool{}
	for _, o := range run.Seal.Outputs {
		out := lineageOutput{Path: o.Path, SHA256: o.SHA256, From: []int64{}}
		if n, ok := known.Write(o.Path); ok {
			out.Write = &n
			out.From = append(out.From, known.Causes(n)...)
		}
		for _, n := range out.From {
			used[n] = true
		}
		l.Outputs = append(l.Outputs, out)
	}
	for _, rec := range run.Records {
		if e := flight.Env(rec); used[e.N] {
			l.Sources = append(l.Sources, sourceOf(run, rec))
		}
	}
	b, err := canon.Marshal(l)
	return append(b, '\n'), err
}

func sourceOf(run *flight.Run, rec flight.Record) any {
	e := flight.Env(rec)
	switch r := rec.(type) {
	case *flight.Input:
		return inputSource{e.N, e.T, r.Kind, r.Name, r.SHA256}
	case *flight.Clock:
		return clockSource{e.N, e.T, r.Now}
	case *flight.Answer:
		call := run.Records[r.Call].(*flight.Call)
		return answerSource{e.N, e.T, r.Call, call.Req, r.Ans}
	case *flight.Tail:
		call := run.Records[r.Call].(*flight.Call)
		return answerSource{e.N, e.T, r.Call, call.Req, r.Ans}
	case *flight.Head:
		return headSource{e.N, e.T, r.Call, run.Records[r.Call].(*flight.Call).Req, r.Head}
	case *flight.Call:
		return execSource{e.N, e.T, r.Kind, r.Req}
	}
	panic(fmt.Sprintf("pack: internal error: record %d is no source", e.N))
}

// A rolledBack is a line of rollbacks.jsonl.
type rolledBack struct {
	N      int64           `json:"n"`
	Step   int64           `json:"step"`
	Kind   string          `json:"kind"`
	Name   string          `json:"name"`
	Tree   digest.Digest   `json:"tree"`
	Undone []flight.Undone `json:"undone"`
	Why    string          `json:"why"`
}

// rollbacksOf returns the content of rollbacks.jsonl.
func rollbacksOf(run *flight.Run) ([]byte, error) {
	var out []byte
	for _, rec := range run.Records {
		r, ok := rec.(*flight.Rollback)
		if !ok {
			continue
		}
		step := run.Records[r.Step].(*flight.Step)
		var err error
		out, err = canon.Append(out, rolledBack{
			N: r.N, Step: r.Step, Kind: step.Kind, Name: step.Name, Tree: r.Tree, Undone: r.Undone, Why: r.Why,
		})
		if err != nil {
			return nil, err
		}
		out = append(out, '\n')
	}
	return out, nil
}

// readme is the content of README.txt, with the run's ID.
const readme = `This is a pack of coo, a deterministic runtime for AI workflows: one run, with
everything that is needed to check it and to perform it again. With the archive
as PACK.zip:

  coo verify PACK.zip           checks every byte, from the run's ID downwards
  coo replay PACK.zip           performs the run again, offline, and compares
  python3 verify.py PACK.zip    checks without coo: vectors/verify.py of its source

The run's ID is
%s

mission/        what ran                  inputs/   files it read
outputs/        files it left behind      freeze/   its calls, and their answers
flight.jsonl    what happened, a line each, linked by digest
replay.txt      the same in words         lineage.json   where outputs came from
rollbacks.jsonl what failed steps wrote, and was taken back
blobs/          all other contents        manifest.json  every file, with its digest

The format is described in docs/format/pack.md of coo's source,
https://github.com/coo-runtime/coo.
`

func readmeOf(run *flight.Run) []byte { return fmt.Appendf(nil, readme, run.ID) }
