package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// A Summary is what a run's records say, gathered. Its JSON form is what
// "coo inspect --json" prints.
type Summary struct {
	Run     digest.Digest     `json:"run"` // the zero digest: not sealed
	Mission flight.Mission    `json:"mission"`
	Level   string            `json:"level"`
	Epoch   int64             `json:"epoch"`
	Limits  string            `json:"limits"`
	Rules   []flight.Rule     `json:"rules"`
	Args    map[string]string `json:"args"`
	Seed    string            `json:"seed"`
	Clock   *string           `json:"clock"`
	Inputs  []InputLine       `json:"inputs"`
	Steps   []StepLine        `json:"steps"`
	Calls   []CallLine        `json:"calls"`
	Outcome string            `json:"outcome"` // ok, failed; incomplete
	Error   string            `json:"error"`
	Result  *digest.Digest    `json:"result"`
	Outputs []flight.Output   `json:"outputs"`
	// Programs are those that the run started, the one of a program's run included.
	Programs []ProgramLine `json:"programs,omitempty"`
	// Environment is what they used outside of the workspace, at level
	// deterministic; nil where that is not known. It is an execution's.
	Environment *EnvironmentLine `json:"environment,omitempty"`
	// Unfinished are contents that had not come to their end when the run was
	// ended; only of an incomplete run.
	Unfinished []UnfinishedLine `json:"unfinished,omitempty"`
	Records    int              `json:"records"`
	Root       *digest.Digest   `json:"root"`
	Freeze     *digest.Digest   `json:"freeze"`
}

// An InputLine is one input.
type InputLine struct {
	N      int64          `json:"n"`
	Kind   string         `json:"kind"`
	Name   string         `json:"name"`
	SHA256 *digest.Digest `json:"sha256"`
}

// A StepLine is one step or attempt.
type StepLine struct {
	N      int64    `json:"n"`
	Branch string   `json:"branch"`
	Kind   string   `json:"kind"`
	Name   string   `json:"name"`
	OK     bool     `json:"ok"`
	Error  string   `json:"error"`
	Undone []string `json:"undone"` // paths rolled back, newest first
}

// A ProgramLine is one program that was started.
type ProgramLine struct {
	N      int64           `json:"n"`
	Branch string          `json:"branch"`
	Argv   []string        `json:"argv"`
	Ended  bool            `json:"ended"`
	Status int64           `json:"status"`
	Signal string          `json:"signal"`
	Calls  int             `json:"calls"`
	Stdout *digest.Digest  `json:"stdout"` // null: it has not ended
	Stderr *digest.Digest  `json:"stderr"`
	Writes []flight.Output `json:"writes"`

	stdout, stderr int64 // their lengths
}

// An UnfinishedLine is a content that had not come to its end.
type UnfinishedLine struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	what string
}

// A CallLine is one call and its answer.
type CallLine struct {
	N            int64         `json:"n"`
	Program      int64         `json:"program,omitempty"` // whose call it is: n of its start
	Branch       string        `json:"branch"`
	Method       string        `json:"method"`
	URL          string        `json:"url"`
	Model        string        `json:"model"`  // "" when it is no call to a model
	Status       int           `json:"status"` // 0: no answer
	Error        string        `json:"error"`
	RequestSize  int           `json:"request_size"`
	AnswerSize   int64         `json:"answer_size"`
	Chunks       int           `json:"chunks"`
	InputTokens  int64         `json:"input_tokens"` // -1: not told
	OutputTokens int64         `json:"output_tokens"`
	Request      digest.Call   `json:"request"`
	Answer       digest.Answer `json:"answer"`
}

// Summarise gathers what the records of a run say.
func Summarise(r *flight.Run, d Docs) (*Summary, error) {
	s := &Summary{Outcome: "incomplete", Records: len(r.Records)}
	if r.Seal != nil {
		s.Run, s.Outputs = r.ID, r.Seal.Outputs
		s.Root, s.Freeze = &r.Seal.Root, &r.Seal.Freeze
	}
	for _, u := range r.Spools {
		s.Unfinished = append(s.Unfinished, UnfinishedLine{u.Name, u.Size, u.What()})
	}
	g := gathering{s: s, d: d, calls: map[int64]int{}, steps: map[int64]int{}, programs: map[int64]int{}}
	for _, rec := range r.Records {
		if err := g.add(rec); err != nil {
			return nil, fmt.Errorf("record %d: %w", flight.Env(rec).N, err)
		}
	}
	return s, nil
}

type gathering struct {
	s     *Summary
	d     Docs
	calls map[int64]int // record to index
	steps map[int64]int

	programs map[int64]int
}

func (g *gathering) add(rec flight.Record) error {
	s := g.s
	switch r := rec.(type) {
	case *flight.Open:
		s.Mission, s.Level, s.Epoch, s.Limits = r.Mission, r.Level, r.Epoch, r.Limits
		s.Rules, s.Args, s.Seed, s.Clock = r.Rules, r.Args, r.Seed, r.Clock
	case *flight.Input:
		s.Inputs = append(s.Inputs, InputLine{N: r.N, Kind: r.Kind, Name: r.Name, SHA256: r.SHA256})
	case *flight.Step:
		g.steps[r.N] = len(s.Steps)
		s.Steps = append(s.Steps, StepLine{N: r.N, Branch: r.Branch, Kind: r.Kind, Name: r.Name})
	case *flight.Rollback:
		if i, ok := g.steps[r.Step]; ok {
			for _, u := range r.Undone {
				s.Steps[i].Undone = append(s.Steps[i].Undone, u.Path)
			}
		}
	case *flight.StepEnd:
		if i, ok := g.steps[r.Step]; ok {
			s.Steps[i].OK, s.Steps[i].Error = r.OK, r.Error
		}
	case *flight.Call:
		if r.Kind == "exec" {
			return g.start(r)
		}
		return g.call(r)
	case *flight.Answer:
		return g.answer(r.Call, r.Ans)
	case *flight.Tail:
		return g.answer(r.Call, r.Ans)
	case *flight.Exit:
		return g.exit(r)
	case *flight.End:
		s.Outcome, s.Error, s.Result = r.Outcome, r.Error, r.Result
	}
	return nil
}

func (g *gathering) call(r *flight.Call) error {
	req, err := g.d.Request(r.Req)
	if err != nil {
		return err
	}
	c := CallLine{
		N: r.N, Program: r.P, Branch: r.Branch, Method: req.Method, URL: req.URL, Request: r.Req,
		RequestSize: len(req.Body), InputTokens: -1, OutputTokens: -1,
	}
	if llm, ok := wire.View(req.DocInfo, req.Body, nil); ok {
		c.Model = llm.Model
	}
	if i, ok := g.programs[r.P]; ok {
		g.s.Programs[i].Calls++
	}
	g.calls[r.N] = len(g.s.Calls)
	g.s.Calls = append(g.s.Calls, c)
	return nil
}

func (g *gathering) start(r *flight.Call) error {
	e, err := g.d.Exec(r.Req)
	if err != nil {
		return err
	}
	g.programs[r.N] = len(g.s.Programs)
	g.s.Programs = append(g.s.Programs, ProgramLine{N: r.N, Branch: r.Branch, Argv: e.Argv})
	return nil
}

func (g *gathering) exit(r *flight.Exit) error {
	i, ok := g.programs[r.Call]
	if !ok {
		return fmt.Errorf("the end of program %d, whose start is not recorded", r.Call)
	}
	p := &g.s.Programs[i]
	p.Ended, p.Status, p.Signal, p.Stdout, p.Stderr, p.Writes = true, r.Status, r.Signal, &r.Stdout, &r.Stderr, r.Writes
	var err error
	if p.stdout, _, err = g.d.look(r.Stdout, 0); err != nil {
		return err
	}
	p.stderr, _, err = g.d.look(r.Stderr, 0)
	return err
}

func (g *gathering) answer(call int64, ans digest.Answer) error {
	i, ok := g.calls[call]
	if !ok {
		return fmt.Errorf("an answer to call %d, which is not recorded", call)
	}
	a, err := g.d.Answer(ans)
	if err != nil {
		return err
	}
	c := &g.s.Calls[i]
	c.Answer, c.Status, c.Error, c.AnswerSize, c.Chunks = ans, a.Status, a.Error, a.Size, len(a.Lens)
	req, err := g.d.Request(c.Request)
	if err != nil {
		return err
	}
	if llm, ok := wire.View(req.DocInfo, req.Body, &a.Answer); ok && llm.Reply != nil {
		c.InputTokens, c.OutputTokens = llm.Reply.InputTokens, llm.Reply.OutputTokens
	}
	return nil
}

// Text prints the summary for people.
func (s *Summary) Text(w io.Writer) {
	if s.Root != nil {
		fmt.Fprintf(w, "run      %s\n", s.Run)
	} else {
		fmt.Fprintf(w, "run      incomplete, %s\n", Count(s.Records, "record"))
	}
	fmt.Fprintf(w, "mission  %s", OneLine(s.Mission.Main, 200))
	for _, f := range s.Mission.Files {
		if f.Path == s.Mission.Main {
			fmt.Fprintf(w, "  %s", f.SHA256.Short())
		}
	}
	fmt.Fprintf(w, "\nlevel    %s, engine epoch %d, %s, seed %s\n", s.Level, s.Epoch, s.Limits, OneLine(s.Seed, 40))
	for _, k := range slices.Sorted(maps.Keys(s.Args)) {
		fmt.Fprintf(w, "arg      %s=%s\n", OneLine(k, 60), OneLine(s.Args[k], 120))
	}
	outcome := s.Outcome
	if s.Error != "" {
		outcome += ": " + OneLine(s.Error, 200)
	}
	fmt.Fprintf(w, "outcome  %s\n", outcome)
	for _, u := range s.Unfinished {
		fmt.Fprintf(w, "kept     %s of %s\n", Count(int(u.Size), "byte"), u.what)
	}
	s.inputsText(w)
	s.stepsText(w)
	s.programsText(w)
	s.callsText(w)
	s.outputsText(w)
	if s.Root != nil {
		fmt.Fprintf(w, "\n%s\nroot             %s\nfreeze manifest  %s\n", Count(s.Records, "record"), s.Root, s.Freeze)
	}
}

func (s *Summary) inputsText(w io.Writer) {
	if len(s.Inputs) == 0 {
		return
	}
	fmt.Fprintln(w, "\ninputs")
	for _, in := range s.Inputs {
		fmt.Fprintf(w, "  %5d  %-4s  %s  %s\n", in.N, in.Kind, short(in.SHA256, "absent      "), OneLine(in.Name, 160))
	}
}

func (s *Summary) stepsText(w io.Writer) {
	if len(s.Steps) == 0 {
		return
	}
	fmt.Fprintln(w, "\nsteps")
	for _, st := range s.Steps {
		how := "ok"
		if !st.OK {
			how = "failed: " + OneLine(st.Error, 160)
		}
		fmt.Fprintf(w, "  %5d  %-7s  %s  %s\n", st.N, st.Kind, OneLine(st.Name, 60), how)
		if len(st.Undone) > 0 {
			fmt.Fprintf(w, "         rolled back: %s\n", OneLine(strings.Join(st.Undone, ", "), 200))
		}
	}
}

func (s *Summary) programsText(w io.Writer) {
	if len(s.Programs) == 0 {
		return
	}
	fmt.Fprintln(w, "\nprograms")
	for _, p := range s.Programs {
		fmt.Fprintf(w, "  %5d  %s\n", p.N, OneLine(commandLine(p.Argv), 160))
		if !p.Ended {
			fmt.Fprintf(w, "         has not ended, %s\n", Count(p.Calls, "call"))
			continue
		}
		fmt.Fprintf(w, "         %s, %s, stdout %s, stderr %s, %s written\n",
			exitStatus(&flight.Exit{Status: p.Status, Signal: p.Signal}), Count(p.Calls, "call"), Size(p.stdout), Size(p.stderr), Count(len(p.Writes), "file"))
	}
	if s.Environment != nil {
		fmt.Fprintf(w, "\nenvironment\n  %s\n", s.Environment.words())
	}
}

func (s *Summary) callsText(w io.Writer) {
	if len(s.Calls) == 0 {
		return
	}
	fmt.Fprintln(w, "\ncalls")
	for _, c := range s.Calls {
		fmt.Fprintf(w, "  %5d  %s %s\n", c.N, c.Method, OneLine(c.URL, 160))
		fmt.Fprintf(w, "         %s\n", c.facts())
	}
}

func (c *CallLine) facts() string {
	var f []string
	if c.Model != "" {
		f = append(f, "model "+OneLine(c.Model, 60))
	}
	if c.Status != 0 {
		f = append(f, fmt.Sprintf("status %d", c.Status))
	}
	if c.Error != "" {
		f = append(f, c.Error)
	}
	if c.Status == 0 && c.Error == "" {
		f = append(f, "no answer")
	}
	f = append(f, fmt.Sprintf("%s sent, %s received", Size(int64(c.RequestSize)), Size(c.AnswerSize)))
	if c.Chunks > 0 {
		f = append(f, Count(c.Chunks, "chunk"))
	}
	if c.InputTokens >= 0 || c.OutputTokens >= 0 {
		f = append(f, fmt.Sprintf("tokens %s in, %s out", told(c.InputTokens), told(c.OutputTokens)))
	}
	return strings.Join(append(f, digest.Digest(c.Request).Short()), ", ")
}

func told(n int64) string {
	if n < 0 {
		return "?"
	}
	return fmt.Sprint(n)
}

func (s *Summary) outputsText(w io.Writer) {
	if s.Root == nil {
		return
	}
	fmt.Fprintln(w, "\noutputs")
	if s.Result != nil {
		fmt.Fprintf(w, "  %s  the value that main returned\n", s.Result.Short())
	}
	for _, o := range s.Outputs {
		fmt.Fprintf(w, "  %s  %s\n", short(o.SHA256, "removed     "), OneLine(o.Path, 160))
	}
}
