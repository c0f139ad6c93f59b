package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/wire"
)

// CallText returns a call's question as people read it: the messages of a
// question to a model, else JSON with indents, else the text itself, else
// what can be said about bytes. It is "" when there is no body.
func CallText(req *Request) string {
	if llm, ok := wire.View(req.DocInfo, req.Body, nil); ok {
		return promptText(llm)
	}
	return bodyText(req.Body)
}

// AnswerText returns an answer as people read it: the text and tool calls of
// a model's reply when req is the question to one, else the body as in
// [CallText]. req may be nil.
func AnswerText(req *Request, a *Answer) string {
	if a.Long != nil {
		return fmt.Sprintf("%s, sha256 %s\n", Size(a.Size), a.Long.Short())
	}
	if req != nil {
		if llm, ok := wire.View(req.DocInfo, req.Body, &a.Answer); ok && said(llm.Reply) {
			return replyText(llm.Reply)
		}
	}
	plain, err := wire.Plain(&a.Answer)
	if frames, ok := framesText(plain); ok {
		return frames
	}
	if err != nil && plain != &a.Answer {
		return bodyText(plain.Body) + "… (what follows cannot be decoded)\n"
	}
	return bodyText(plain.Body)
}

// framesText returns an Amazon event stream a message a line: its type and its
// payload.
func framesText(a *wire.Answer) (string, bool) {
	if t, _, _ := strings.Cut(a.Header("content-type"), ";"); !strings.EqualFold(t, "application/vnd.amazon.eventstream") {
		return "", false
	}
	frames, err := wire.Frames(a.Body)
	if len(frames) == 0 {
		return "", false
	}
	var b strings.Builder
	for _, f := range frames {
		b.WriteString(f.Type + " ")
		if isText(f.Payload) {
			b.Write(f.Payload)
		} else {
			b.WriteString(summary(f.Payload))
		}
		b.WriteByte('\n')
	}
	if err != nil {
		b.WriteString("… (what follows is no whole message)\n")
	}
	return b.String(), true
}

// said reports whether a reply has anything in it to show.
func said(r *wire.Reply) bool { return r != nil && (r.Text != "" || len(r.ToolCalls) > 0) }

func promptText(llm *wire.LLM) string {
	var b strings.Builder
	for i, m := range llm.Messages {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("[" + m.Role + "]\n")
		writeTurn(&b, m.Text, m.ToolCalls)
	}
	return b.String()
}

func replyText(r *wire.Reply) string {
	var b strings.Builder
	writeTurn(&b, r.Text, r.ToolCalls)
	return b.String()
}

func writeTurn(b *strings.Builder, text string, calls []wire.ToolCall) {
	if text != "" {
		b.WriteString(text)
		if !strings.HasSuffix(text, "\n") {
			b.WriteByte('\n')
		}
	}
	for _, c := range calls {
		b.WriteString("[tool call] " + c.Name + " " + c.Arguments + "\n")
	}
}

func bodyText(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	if text, ok := prettyJSON(body); ok {
		return text
	}
	if !isText(body) {
		return summary(body) + "\n"
	}
	if !bytes.HasSuffix(body, []byte("\n")) {
		return string(body) + "\n"
	}
	return string(body)
}

// maxPretty is the longest JSON text that is shown with indents, in bytes:
// deep nesting makes the indents longer than the text.
const maxPretty = 1 << 20

// maxPrettyDepth bounds the same.
const maxPrettyDepth = 64

// prettyJSON returns JSON in the order of its canonical form, a member a
// line, number literals as they are written.
func prettyJSON(body []byte) (string, bool) {
	if len(body) > maxPretty {
		return "", false
	}
	c, err := canon.JSON(body)
	if err != nil || depth(c) > maxPrettyDepth {
		return "", false
	}
	var b bytes.Buffer
	if json.Indent(&b, c, "", "  ") != nil {
		return "", false
	}
	b.WriteByte('\n')
	return b.String(), true
}

// depth returns how deep a canonical text is nested.
func depth(b []byte) int {
	deepest, now := 0, 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i) - 1
		case '{', '[':
			now++
			deepest = max(deepest, now)
		case '}', ']':
			now--
		}
	}
	return deepest
}
