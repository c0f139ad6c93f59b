package report

import (
	"fmt"
	"strings"

	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/wire"
)

// FrozenCall returns a frozen call as people read it and compare it: the
// request with its JSON a member a line, then the answer, decoded, the text of
// a model's streamed reply put together.
//
//	POST https://api.openai.com/v1/chat/completions
//	content-type: application/json
//
//	{
//	  "model": "gpt-5-mini",
//	  …
//	}
//
//	answer: 200
//	content-type: text/event-stream
//
//	Tides come twice a day.
func FrozenCall(v freeze.Viewed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", v.Request.Method, v.Request.URL)
	writeFields(&b, v.Request.Headers)
	if text := bodyText(v.Body); text != "" {
		b.WriteString("\n" + text)
	}
	b.WriteString("\nanswer:")
	a := v.Answer
	if a.Status != 0 {
		fmt.Fprintf(&b, " %d", a.Status)
	}
	if a.Error != "" {
		b.WriteString(" " + a.Error)
	}
	b.WriteString("\n")
	writeFields(&b, a.Headers)
	if v.Size > int64(len(a.Body)) {
		fmt.Fprintf(&b, "\n%s\n", Size(v.Size))
	} else if text := frozenAnswer(v, a); text != "" {
		b.WriteString("\n" + text)
	}
	if len(a.Trailers) > 0 {
		b.WriteString("\n")
		writeFields(&b, a.Trailers)
	}
	return Visible(b.String())
}

// frozenAnswer returns JSON with indents, and the text of a stream.
func frozenAnswer(v freeze.Viewed, a *wire.Answer) string {
	plain, _ := wire.Plain(a) // what can be decoded is what is shown
	if text, ok := prettyJSON(plain.Body); ok {
		return text
	}
	return AnswerText(&Request{DocInfo: v.Request, Body: v.Body}, &Answer{Answer: *plain, Size: int64(len(plain.Body))})
}

func writeFields(b *strings.Builder, fields [][2]string) {
	for _, f := range fields {
		b.WriteString(f[0] + ": " + f[1] + "\n")
	}
}
