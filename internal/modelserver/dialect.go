package modelserver

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A dialect is the way in which one provider's endpoint is spoken to.
type dialect interface {
	// read understands a request. Its error is told to the client.
	read(r *http.Request, body []byte) (*ask, error)
	// plain is an answer in one piece.
	plain(a *ask, y *reply) []byte
	// stream is an answer as events, each whole and framed, the last ones
	// being those that end a stream.
	stream(a *ask, y *reply) [][]byte
	// trouble is the body of an answer that is an error.
	trouble(status int, message string) []byte
	// troubleEvent is the event of an error after n events of a stream.
	troubleEvent(a *ask, n int) []byte
	// overloaded is the status of an answer when there is too much to do.
	overloaded() int
	// contentType is that of a plain answer, or of a stream for a.
	contentType(a *ask, stream bool) string
	// headers adds what the provider adds to each answer of a status.
	headers(h http.Header, status int)
}

// messageOverloaded is what an overloaded server says.
const messageOverloaded = "Overloaded: the sample server was asked to be"

// route finds the dialect of a request. It is nil at an unknown path.
func route(path string) dialect {
	switch path {
	case "/v1/chat/completions", "/chat/completions":
		return chat{}
	case "/v1/responses", "/responses":
		return responses{}
	case "/v1/embeddings", "/embeddings":
		return embeddings{}
	case "/v1/messages":
		return messages{}
	case "/api/chat", "/api/generate", "/api/embed":
		return ollama{method: strings.TrimPrefix(path, "/api/")}
	}
	if rest, ok := strings.CutPrefix(path, "/model/"); ok {
		// The name of a model may be an ARN, with slashes in it.
		if i := strings.LastIndexByte(rest, '/'); i > 0 && slices.Contains(bedrockMethods, rest[i+1:]) {
			return bedrock{model: rest[:i], method: rest[i+1:]}
		}
	}
	for _, prefix := range []string{"/v1beta/models/", "/v1/models/"} {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok || strings.Contains(rest, "/") {
			continue
		}
		switch model, method, _ := strings.Cut(rest, ":"); method {
		case "generateContent":
			return gemini{model: model}
		case "streamGenerateContent":
			return gemini{model: model, streams: true}
		}
	}
	return nil
}

// event frames one server-sent event. The name may be empty.
func event(name string, data any) []byte {
	var b []byte
	if name != "" {
		b = append(b, "event: "+name+"\n"...)
	}
	b = append(b, "data: "...)
	b = append(b, encode(data)...)
	return append(b, "\n\n"...)
}

// modelNames are the models that the lists of models name.
var modelNames = []string{"sample-large", "sample-small"}

// listModels is the answer to a question for models, in the shape of the
// provider that r is meant for.
func listModels(r *http.Request) []byte {
	list := []any{}
	gem := strings.HasPrefix(r.URL.Path, "/v1beta/")
	oll := strings.HasPrefix(r.URL.Path, "/api/")
	ant := r.Header.Get("anthropic-version") != ""
	for _, name := range modelNames {
		switch {
		case gem:
			list = append(list, object{
				"name", "models/" + name, "displayName", name,
				"supportedGenerationMethods",
				[]string{"generateContent"},
			})
		case oll:
			list = append(list, object{"name", name, "model", name, "modified_at", "2026-01-01T00:00:00Z", "size", 1})
		case ant:
			list = append(list, object{"type", "model", "id", name, "display_name", name, "created_at", "2026-01-01T00:00:00Z"})
		default:
			list = append(list, object{"id", name, "object", "model", "created", 1767225600, "owned_by", "sample"})
		}
	}
	switch {
	case gem:
		return indent(object{"models", list})
	case oll:
		return encode(object{"models", list})
	case ant:
		return encode(object{"data", list, "has_more", false, "first_id", modelNames[0], "last_id", modelNames[len(modelNames)-1]})
	}
	return encode(object{"object", "list", "data", list})
}

// rateHeaders adds counters that change with every answer.
func rateHeaders(h http.Header, prefix string) {
	const limit = 10000
	h.Set(prefix+"limit-requests", strconv.Itoa(limit))
	h.Set(prefix+"remaining-requests", strconv.Itoa(intn(limit)))
}
