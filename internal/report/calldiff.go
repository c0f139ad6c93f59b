package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/wire"
)

// maxDiffPaths is how many places of a body's difference are printed.
const maxDiffPaths = 40

// CallDiff prints what is different in two questions: method, URL, headers,
// the places in a JSON body, and the unified diff of what people read of it.
// It prints nothing when they are the same.
//
//	url: "http://a.invalid/v1" → "http://b.invalid/v1"
//	header accept: only recorded: "text/plain"
//	/messages/0/content: "Summarise the tides" → "Summarise the moons"
//	--- recorded
//	+++ replayed
//	@@ -1,2 +1,2 @@
//	…
func CallDiff(w io.Writer, oldName string, old *Request, newName string, new *Request) {
	if old.Method != new.Method {
		fmt.Fprintf(w, "method: %s → %s\n", OneLine(old.Method, 40), OneLine(new.Method, 40))
	}
	if old.URL != new.URL {
		writeChanged(w, "url", old.URL, new.URL)
	}
	pairsDiff(w, "header", oldName, old.Headers, newName, new.Headers)
	if old.BodyKind != new.BodyKind {
		fmt.Fprintf(w, "body: %s → %s\n", bodyKind(old), bodyKind(new))
	}
	if bytes.Equal(old.Body, new.Body) {
		return
	}
	changes, ok := JSONDiff(old.Body, new.Body)
	if !ok {
		io.WriteString(w, contentDiff(oldName, newName, []byte(CallText(old)), []byte(CallText(new))))
		return
	}
	writeChanges(w, changes)
	if isModelCall(old) && isModelCall(new) {
		io.WriteString(w, TextDiff(oldName, newName, CallText(old), CallText(new)))
	}
}

func bodyKind(r *Request) string {
	switch r.BodyKind {
	case "":
		return "none"
	case "json":
		return "JSON"
	}
	return "bytes"
}

func writeChanged(w io.Writer, what, old, new string) {
	o, n := around(old, new)
	fmt.Fprintf(w, "%s: \"%s\" → \"%s\"\n", what, o, n)
}

func writeChanges(w io.Writer, changes []Change) {
	for i, c := range changes {
		if i == maxDiffPaths {
			fmt.Fprintf(w, "… %s\n", Count(len(changes)-i, "more change"))
			return
		}
		fmt.Fprintln(w, c)
	}
}

// pairsDiff prints how two sorted lists of headers or trailers differ.
func pairsDiff(w io.Writer, what, oldName string, old [][2]string, newName string, new [][2]string) {
	for _, name := range changedNames(old, new) {
		o, n := values(old, name), values(new, name)
		label := what + " " + OneLine(name, 80)
		switch {
		case len(o) == 0:
			fmt.Fprintf(w, "%s: only %s: \"%s\"\n", label, newName, OneLine(strings.Join(n, ", "), 120))
		case len(n) == 0:
			fmt.Fprintf(w, "%s: only %s: \"%s\"\n", label, oldName, OneLine(strings.Join(o, ", "), 120))
		default:
			writeChanged(w, label, strings.Join(o, ", "), strings.Join(n, ", "))
		}
	}
}

// changedNames returns the names whose values differ, sorted.
func changedNames(old, new [][2]string) []string {
	var names []string
	for _, p := range slices.Concat(old, new) {
		if !slices.Equal(values(old, p[0]), values(new, p[0])) {
			names = append(names, p[0])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// values returns the values of a name in a list sorted by name.
func values(pairs [][2]string, name string) []string {
	i, _ := slices.BinarySearchFunc(pairs, name, func(p [2]string, name string) int { return cmp.Compare(p[0], name) })
	var out []string
	for ; i < len(pairs) && pairs[i][0] == name; i++ {
		out = append(out, pairs[i][1])
	}
	return out
}

// The classes of difference between two questions, from [CallClass].
const (
	SameCall         = "same"
	ChangedPrompt    = "changed prompt"
	ChangedParameter = "changed parameter" // model, temperature, tools, stream, …
	ChangedAddress   = "changed address"   // method or URL
	ChangedHeader    = "changed header"
	ChangedBody      = "changed body"
)

// CallClass says in two words how a question differs from another. Where
// several things differ, the one that says most wins: another address, then
// another prompt, parameter, body, header. The model that Gemini keeps in the
// URL is a parameter.
func CallClass(old, new *Request) string {
	bodies := !bytes.Equal(old.Body, new.Body) || old.BodyKind != new.BodyKind
	address := old.Method != new.Method || old.URL != new.URL
	model := isModelCall(old) && isModelCall(new)
	switch {
	case address && !(model && sameButModel(old.URL, new.URL)):
		return ChangedAddress
	case bodies && model:
		return modelCallClass(old, new)
	case bodies:
		return ChangedBody
	case address:
		return ChangedParameter
	case !slices.Equal(old.Headers, new.Headers):
		return ChangedHeader
	}
	return SameCall
}

func modelCallClass(old, new *Request) string {
	changes, ok := JSONDiff(old.Body, new.Body)
	switch {
	case !ok:
		return ChangedBody
	case slices.ContainsFunc(changes, inPrompt):
		return ChangedPrompt
	}
	return ChangedParameter
}

// promptMembers are the members of a request that hold the prompt, in the
// APIs that [wire.View] knows. All others are parameters.
var promptMembers = []string{"messages", "system", "input", "instructions", "contents", "systemInstruction", "system_instruction"}

func inPrompt(c Change) bool {
	top, _, _ := strings.Cut(strings.TrimPrefix(c.Path, "/"), "/")
	return slices.Contains(promptMembers, top)
}

func isModelCall(r *Request) bool {
	_, ok := wire.View(r.DocInfo, r.Body, nil)
	return ok
}

// sameButModel reports whether two URLs differ at most in what follows
// "/models/", where Gemini names the model and whether to stream.
func sameButModel(a, b string) bool {
	frontA, _, okA := strings.Cut(a, "/models/")
	frontB, _, okB := strings.Cut(b, "/models/")
	return a == b || okA && okB && frontA == frontB
}
