package report

import (
	"fmt"
	"io"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/wire"
)

// Miss prints why a call has no frozen answer: the call, how often it was
// asked and recorded, and the nearest frozen call with the differences.
func Miss(w io.Writer, e *freeze.MissError) {
	fmt.Fprintln(w, "coo: "+Visible(e.Error()))
	if e.Nearest == nil {
		fmt.Fprintln(w, "nothing was recorded that is like it")
	} else {
		writeNearest(w, e)
	}
}

func writeNearest(w io.Writer, e *freeze.MissError) {
	n := e.Nearest
	fmt.Fprintf(w, "nearest: call %d of %s: %s", n.Call, OneLine(n.Source, 120), OneLine(n.Why, 160))
	asked, errAsked := requestOf(e.Doc, e.Body)
	near, errNear := requestOf(n.Doc, n.Body)
	if errAsked != nil || errNear != nil || digest.Of(e.Doc) == digest.Of(n.Doc) {
		fmt.Fprintln(w)
		return
	}
	fmt.Fprintf(w, ": %s\n", CallClass(near, asked))
	CallDiff(w, "recorded", near, "asked", asked)
}

func requestOf(doc, body []byte) (*Request, error) {
	info, err := wire.ParseDoc(doc)
	if err != nil {
		return nil, err
	}
	return &Request{DocInfo: info, Body: body}, nil
}
