package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
)

// A pair is two records of one type that are about the same, each with the
// documents of its run.
type pair struct {
	oldName, newName   string
	old, new           flight.Record
	oldDocs, newDocs   Docs
	oldCalls, newCalls []flight.Record // where an answer's call is looked up
}

// writeContents prints how the contents that the two records name differ. It
// reports false when it printed nothing: they name none, or the same, or what
// they name is not to be had.
func (p *pair) writeContents(w io.Writer) bool {
	c := &counted{w: w}
	switch old := p.old.(type) {
	case *flight.Call:
		if new := p.new.(*flight.Call); old.Kind == "exec" && new.Kind == "exec" {
			p.starts(c, old.Req, new.Req)
		} else {
			p.calls(c, old.Req, new.Req)
		}
	case *flight.Answer:
		new := p.new.(*flight.Answer)
		p.answers(c, old.Call, old.Ans, new.Call, new.Ans, false)
	case *flight.Tail:
		new := p.new.(*flight.Tail)
		p.answers(c, old.Call, old.Ans, new.Call, new.Ans, true)
	case *flight.Head:
		p.heads(c, old, p.new.(*flight.Head))
	case *flight.Exit:
		p.exits(c, old, p.new.(*flight.Exit))
	case *flight.Input:
		if new := p.new.(*flight.Input); new.Kind == old.Kind && new.Name == old.Name {
			p.contents(c, old.Name, old.SHA256, new.SHA256)
		}
	case *flight.Write:
		if new := p.new.(*flight.Write); new.Path == old.Path {
			p.contents(c, old.Path, old.SHA256, new.SHA256)
		}
	case *flight.Log:
		new := p.new.(*flight.Log)
		io.WriteString(c, contentDiff(p.oldName, p.newName, []byte(logText(old, p.oldDocs)), []byte(logText(new, p.newDocs))))
	case *flight.End:
		p.ends(c, old, p.new.(*flight.End))
	case *flight.Open:
		p.opens(c, old, p.new.(*flight.Open))
	}
	return c.n > 0
}

// counted counts what goes to w.
type counted struct {
	w io.Writer
	n int
}

func (c *counted) Write(b []byte) (int, error) {
	c.n += len(b)
	return c.w.Write(b)
}

func (p *pair) calls(w io.Writer, old, new digest.Call) {
	if old == new {
		return
	}
	a, errA := p.oldDocs.Request(old)
	b, errB := p.newDocs.Request(new)
	if errA == nil && errB == nil {
		CallDiff(w, p.oldName, a, p.newName, b)
	}
}

// contents prints how two contents differ; nil is none.
func (p *pair) contents(w io.Writer, name string, old, new *digest.Digest) {
	if equal(old, new) {
		return
	}
	a, okA := content(p.oldDocs, old)
	b, okB := content(p.newDocs, new)
	if old == nil || new == nil || !okA || !okB {
		fmt.Fprintf(w, "%s: %s → %s\n", OneLine(name, 120), short(old, "none"), short(new, "none"))
	}
	if okA && okB {
		io.WriteString(w, contentDiff(p.oldName+" "+name, p.newName+" "+name, a, b))
	}
}

// maxShown is the length of the longest content that is shown or compared.
const maxShown = 64 << 20

func content(d Docs, sum *digest.Digest) ([]byte, bool) {
	if sum == nil {
		return nil, true
	}
	size, b, err := d.look(*sum, maxShown)
	return b, err == nil && size <= maxShown
}

func (p *pair) answers(w io.Writer, oldCall int64, old digest.Answer, newCall int64, new digest.Answer, tails bool) {
	if old == new {
		return
	}
	a, errA := p.oldDocs.Answer(old)
	b, errB := p.newDocs.Answer(new)
	if errA != nil || errB != nil {
		return
	}
	// What the heads of two answers say was compared where they are recorded.
	told := tails && a.Status != 0 && b.Status != 0
	if outcome(a) != outcome(b) && !(told && a.Error == b.Error) {
		fmt.Fprintf(w, "status: %s → %s\n", outcome(a), outcome(b))
	}
	if !told {
		pairsDiff(w, "header", p.oldName, a.Headers, p.newName, b.Headers)
	}
	pairsDiff(w, "trailer", p.oldName, a.Trailers, p.newName, b.Trailers)
	if !slices.Equal(a.Lens, b.Lens) || (a.Lens == nil) != (b.Lens == nil) {
		fmt.Fprintf(w, "chunks: %s → %s\n", chunks(a), chunks(b))
	}
	p.bodies(w, question(p.oldCalls, oldCall, p.oldDocs), a, question(p.newCalls, newCall, p.newDocs), b)
}

// bodies prints how two answers' bodies differ: of JSON that is shown as a
// reply also the places, because ids and usage are in no reply.
func (p *pair) bodies(w io.Writer, oldReq *Request, old *Answer, newReq *Request, new *Answer) {
	if bytes.Equal(old.Body, new.Body) && equal(old.Long, new.Long) {
		return
	}
	text := TextDiff(p.oldName, p.newName, AnswerText(oldReq, old), AnswerText(newReq, new))
	changes, _ := JSONDiff(old.Body, new.Body)
	if text == "" || oldReq != nil && isModelCall(oldReq) {
		writeChanges(w, changes)
	}
	if text == "" && len(changes) == 0 {
		fmt.Fprintf(w, "body: %s → %s\n", old.summary(), new.summary())
	}
	io.WriteString(w, text)
}

// outcome is an answer's status and failure.
func outcome(a *Answer) string {
	var parts []string
	if a.Status != 0 {
		parts = append(parts, fmt.Sprint(a.Status))
	}
	if a.Error != "" {
		parts = append(parts, a.Error)
	}
	return strings.Join(parts, ", ")
}

func chunks(a *Answer) string {
	if a.Lens == nil {
		return "not a stream"
	}
	lens := make([]string, 0, 16)
	for i, n := range a.Lens {
		if i == 16 {
			lens = append(lens, "…")
			break
		}
		lens = append(lens, fmt.Sprint(n))
	}
	return fmt.Sprintf("%d of %s bytes", len(a.Lens), strings.Join(lens, ", "))
}

// question returns the request of call n, nil when it is not to be had.
func question(records []flight.Record, n int64, d Docs) *Request {
	if n < 0 || n >= int64(len(records)) {
		return nil
	}
	c, ok := records[n].(*flight.Call)
	if !ok || c.Kind == "exec" {
		return nil
	}
	req, err := d.Request(c.Req)
	if err != nil {
		return nil
	}
	return req
}

func (p *pair) ends(w io.Writer, old, new *flight.End) {
	if old.Outcome != new.Outcome {
		fmt.Fprintf(w, "outcome: %s → %s\n", OneLine(old.Outcome, 20), OneLine(new.Outcome, 20))
	}
	if old.Error != new.Error {
		io.WriteString(w, TextDiff(p.oldName+" error", p.newName+" error", old.Error, new.Error))
	}
	if !slices.Equal(old.Trace, new.Trace) {
		io.WriteString(w, TextDiff(p.oldName+" trace", p.newName+" trace", traceText(old.Trace), traceText(new.Trace)))
	}
	p.contents(w, "result", old.Result, new.Result)
}

func traceText(trace []flight.Frame) string {
	var b strings.Builder
	for _, f := range trace {
		fmt.Fprintf(&b, "%s:%d:%d: in %s\n", f.File, f.Line, f.Col, f.Func)
	}
	return b.String()
}

// opens prints how two runs begin: the fields of their first records, and the
// sources and rules that these name.
func (p *pair) opens(w io.Writer, old, new *flight.Open) {
	for _, c := range fields(old, new) {
		if !strings.HasPrefix(c.Path, "/mission/files") && !strings.HasPrefix(c.Path, "/rules") {
			fmt.Fprintln(w, c)
		}
	}
	was, is := map[string]*digest.Digest{}, map[string]*digest.Digest{}
	var names []string
	add := func(to map[string]*digest.Digest, o *flight.Open) {
		for _, r := range o.Rules {
			to["rules "+r.ID] = &r.SHA256
			names = append(names, "rules "+r.ID)
		}
		for _, f := range o.Mission.Files {
			to[f.Path] = &f.SHA256
			names = append(names, f.Path)
		}
	}
	add(was, old)
	add(is, new)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if !equal(was[name], is[name]) {
			p.contents(w, name, was[name], is[name])
		}
	}
}
