package report

import (
	"fmt"
	"io"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/wire"
)

// Miss prints why a call has no frozen answer: the call, how often it was
// asked and recorded, and the nearest frozen call with the differences. Of a
// program's call it also says what kind of difference that is, and the rule
// that would make it match.
//
//	coo: call 3: no frozen answer: POST https://api.example.test/v1/chat: asked once, recorded 0
//	nearest: call 5 of run 3f2a…: the same method and URL, 97% alike: volatile field
//	/metadata/session: "0b6e…" → "91c4…"
//	rule: if it should be the same call: --ignore /metadata/session
func Miss(w io.Writer, e *freeze.MissError) {
	fmt.Fprintln(w, "coo: "+Visible(e.Error()))
	if e.Nearest != nil {
		writeNearest(w, e)
		return
	}
	fmt.Fprintln(w, "nothing was recorded that is like it")
	if e.Program {
		fmt.Fprintln(w, "class: "+NewCall)
	}
}

func writeNearest(w io.Writer, e *freeze.MissError) {
	n := e.Nearest
	fmt.Fprintf(w, "nearest: call %d of %s: %s", n.Call, OneLine(n.Source, 120), OneLine(n.Why, 160))
	asked, errAsked := requestOf(e.Doc, e.Body)
	near, errNear := requestOf(n.Doc, n.Body)
	if errAsked != nil || errNear != nil || digest.Of(e.Doc) == digest.Of(n.Doc) {
		fmt.Fprintln(w)
		if e.Program && errAsked == nil && errNear == nil {
			fmt.Fprintf(w, "class: %s: the program asks this more often than was recorded\n", OtherOrder)
		}
		return
	}
	if !e.Program {
		fmt.Fprintf(w, ": %s\n", CallClass(near, asked))
		CallDiff(w, "recorded", near, "asked", asked)
		return
	}
	a := Advise(near, asked)
	fmt.Fprintf(w, ": %s\n", a.Class)
	CallDiff(w, "recorded", near, "asked", asked)
	fmt.Fprintf(w, "class: %s\nrule: %s\n", a.Class, a.text())
}

func requestOf(doc, body []byte) (*Request, error) {
	info, err := wire.ParseDoc(doc)
	if err != nil {
		return nil, err
	}
	return &Request{DocInfo: info, Body: body}, nil
}
