package modelserver

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
)

// gemini is Google's models/MODEL:generateContent and
// models/MODEL:streamGenerateContent. The model and the kind of answer are in
// the path.
type gemini struct {
	model   string
	streams bool
}

func (g gemini) read(r *http.Request, body []byte) (*ask, error) {
	type content struct {
		Role  string
		Parts []struct {
			Text             string
			FunctionResponse *struct{ Response json.RawMessage }
		}
	}
	var q struct {
		Contents          []content
		SystemInstruction content
		Tools             []struct {
			FunctionDeclarations []struct {
				Name                 string
				Parameters           json.RawMessage
				ParametersJSONSchema json.RawMessage `json:"parametersJsonSchema"`
				// The provider reads names in either case; its SDK writes this one so.
				ParametersJSONSchemaSnake json.RawMessage `json:"parameters_json_schema"`
			}
		}
		ToolConfig struct {
			FunctionCallingConfig struct {
				Mode                 string
				AllowedFunctionNames []string
			}
		}
		GenerationConfig struct {
			MaxOutputTokens    int
			ResponseMimeType   string
			ResponseSchema     json.RawMessage
			ResponseJSONSchema json.RawMessage `json:"responseJsonSchema"`
		}
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	a := &ask{
		model: g.model, stream: g.streams, array: g.streams && r.URL.Query().Get("alt") != "sse",
		limit:  q.GenerationConfig.MaxOutputTokens,
		asJSON: q.GenerationConfig.ResponseMimeType == "application/json",
		schema: firstOf(q.GenerationConfig.ResponseSchema, q.GenerationConfig.ResponseJSONSchema),
	}
	for _, c := range append([]content{q.SystemInstruction}, q.Contents...) {
		a.answered = false
		for _, p := range c.Parts {
			a.prompt += p.Text
			if p.FunctionResponse != nil {
				a.answered, a.result = true, string(p.FunctionResponse.Response)
				a.results++
				a.prompt += a.result
			}
		}
	}
	for _, t := range q.Tools {
		for _, f := range t.FunctionDeclarations {
			a.tools = append(a.tools, tool{f.Name, firstOf(f.Parameters, f.ParametersJSONSchema, f.ParametersJSONSchemaSnake)})
		}
	}
	switch c := q.ToolConfig.FunctionCallingConfig; {
	case c.Mode == "NONE":
		a.choice = "none"
	case len(c.AllowedFunctionNames) > 0:
		a.choice = pick(c.AllowedFunctionNames)
	}
	return a, a.check(len(q.Contents))
}

// firstOf returns the first JSON text that is there.
func firstOf(texts ...json.RawMessage) json.RawMessage {
	for _, t := range texts {
		if len(t) > 0 {
			return t
		}
	}
	return nil
}

// answer is one answer, or one of a stream: parts of the content, and whether
// it is the last.
func (g gemini) answer(id string, parts []any, y *reply, out int, last bool) object {
	candidate := object{"content", object{"parts", parts, "role", "model"}}
	if last {
		finish := "STOP"
		if y.cut {
			finish = "MAX_TOKENS"
		}
		candidate = candidate.with("finishReason", finish)
	}
	return object{
		"candidates",
		[]any{candidate.with("index", 0)},
		"usageMetadata",
		object{
			"promptTokenCount", y.in, "candidatesTokenCount", out, "totalTokenCount", y.in + out,
			"promptTokensDetails",
			[]any{object{"modality", "TEXT", "tokenCount", y.in}},
		},
		"modelVersion", g.model, "responseId", id,
	}
}

// callParts are calls of tools, each with the opaque signature that a client
// has to send back.
func (gemini) callParts(calls []toolCall) []any {
	var out []any
	for _, c := range calls {
		out = append(out, object{
			"functionCall",
			object{"name", c.name, "args", json.RawMessage(c.arguments)},
			"thoughtSignature", base64.StdEncoding.EncodeToString([]byte(randomText(48))),
		})
	}
	return out
}

func (g gemini) plain(_ *ask, y *reply) []byte {
	parts := []any{object{"text", y.text()}}
	if len(y.calls) > 0 {
		parts = g.callParts(y.calls)
	}
	return append(indent(g.answer(randomText(22), parts, y, y.out, true)), '\n')
}

func (g gemini) stream(a *ask, y *reply) [][]byte {
	id := randomText(22)
	var answers []object
	if len(y.calls) > 0 {
		answers = append(answers, g.answer(id, g.callParts(y.calls), y, y.out, true))
	}
	// The provider sends several tokens at a time.
	for rest, sent := y.pieces, 0; len(rest) > 0 && len(y.calls) == 0; {
		n := min(between(3, 12), len(rest))
		text := (&reply{pieces: rest[:n]}).text()
		rest, sent = rest[n:], sent+n
		answers = append(answers, g.answer(id, []any{object{"text", text}}, y, sent, len(rest) == 0))
	}
	return g.frames(a, answers)
}

// frames makes a stream of answers: events, or elements of an array.
func (gemini) frames(a *ask, answers []object) [][]byte {
	out := make([][]byte, len(answers))
	for i, o := range answers {
		switch {
		case !a.array:
			// The provider ends lines with CR LF.
			out[i] = bytes.ReplaceAll(event("", o), []byte("\n"), []byte("\r\n"))
		case i == 0:
			out[i] = append([]byte("["), indent(o)...)
		default:
			out[i] = append([]byte(",\r\n"), indent(o)...)
		}
	}
	if a.array {
		out = append(out, []byte("\n]\n"))
	}
	return out
}

func (gemini) trouble(status int, message string) []byte {
	return append(indent(geminiError(status, message)), '\n')
}

func geminiError(status int, message string) object {
	name, known := map[int]string{
		http.StatusBadRequest:          "INVALID_ARGUMENT",
		http.StatusUnauthorized:        "UNAUTHENTICATED",
		http.StatusForbidden:           "PERMISSION_DENIED",
		http.StatusNotFound:            "NOT_FOUND",
		http.StatusTooManyRequests:     "RESOURCE_EXHAUSTED",
		http.StatusInternalServerError: "INTERNAL",
		http.StatusServiceUnavailable:  "UNAVAILABLE",
		http.StatusGatewayTimeout:      "DEADLINE_EXCEEDED",
	}[status]
	if !known {
		name = "UNKNOWN"
	}
	return object{"error", object{"code", status, "message", message, "status", name}}
}

func (gemini) contentType(a *ask, stream bool) string {
	if stream && !a.array {
		return "text/event-stream"
	}
	return "application/json; charset=UTF-8"
}

func (gemini) overloaded() int { return http.StatusServiceUnavailable }

func (gemini) troubleEvent(a *ask, _ int) []byte {
	o := geminiError(http.StatusServiceUnavailable, messageOverloaded)
	if a.array {
		return append(append([]byte(",\r\n"), indent(o)...), "\n]\n"...)
	}
	return bytes.ReplaceAll(event("", o), []byte("\n"), []byte("\r\n"))
}

func (gemini) headers(h http.Header, _ int) {
	h.Set("server-timing", "gfet4t7; dur="+strconv.Itoa(between(100, 900)))
	h.Set("vary", "Origin, X-Origin, Referer")
	h.Set("x-content-type-options", "nosniff")
}
