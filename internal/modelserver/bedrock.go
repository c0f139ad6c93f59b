package modelserver

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// bedrock is Amazon Bedrock's runtime: POST /model/MODEL/converse and
// converse-stream, and invoke and invoke-with-response-stream for models that
// speak Anthropic's messages. Streams are AWS event streams. Signatures are
// not verified.
type bedrock struct{ model, method string }

// isInvoke tells whether bodies are Anthropic's, and not Bedrock's own.
func (k bedrock) isInvoke() bool { return strings.HasPrefix(k.method, "invoke") }

// streams tells whether the answer is an event stream.
func (k bedrock) streams() bool { return strings.HasSuffix(k.method, "stream") }

// bedrockMethods are the last elements of the paths.
var bedrockMethods = []string{"converse", "converse-stream", "invoke", "invoke-with-response-stream"}

// bedrockBlock is a part of a message.
type bedrockBlock struct {
	Text       string
	ToolResult *struct{ Content json.RawMessage }
}

func (k bedrock) read(r *http.Request, body []byte) (*ask, error) {
	if k.isInvoke() {
		return k.readInvoke(r, body)
	}
	var q struct {
		System   []bedrockBlock
		Messages []struct {
			Role    string
			Content []bedrockBlock
		}
		InferenceConfig struct{ MaxTokens int }
		ToolConfig      struct {
			Tools []struct {
				ToolSpec struct {
					Name        string
					InputSchema struct{ JSON json.RawMessage }
				}
			}
			ToolChoice struct{ Tool *struct{ Name string } }
		}
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	a := &ask{model: k.model, stream: k.streams(), limit: q.InferenceConfig.MaxTokens, preamble: true}
	for _, s := range q.System {
		a.prompt += s.Text
	}
	for _, m := range q.Messages {
		a.answered = false
		for _, b := range m.Content {
			a.prompt += b.Text
			if b.ToolResult != nil {
				a.answered, a.results = true, a.results+1
				a.result = resultText(b.ToolResult.Content)
				a.prompt += a.result
			}
		}
	}
	for _, t := range q.ToolConfig.Tools {
		a.tools = append(a.tools, tool{t.ToolSpec.Name, t.ToolSpec.InputSchema.JSON})
	}
	if c := q.ToolConfig.ToolChoice.Tool; c != nil {
		a.choice = c.Name
	}
	return a, a.check(len(q.Messages))
}

// resultText is a tool's result, whose parts are texts or JSON.
func resultText(content json.RawMessage) string {
	if text := textOf(content); text != "" {
		return text
	}
	return string(content)
}

// readInvoke reads a request of Anthropic's, whose model is in the path.
func (k bedrock) readInvoke(r *http.Request, body []byte) (*ask, error) {
	var members map[string]json.RawMessage
	if err := decode(body, &members); err != nil {
		return nil, err
	}
	var version string
	if json.Unmarshal(members["anthropic_version"], &version) != nil || version == "" {
		return nil, errors.New("anthropic_version: Field required")
	}
	a, err := messages{}.readBody(body, k.model)
	if a != nil {
		a.stream = k.streams()
	}
	return a, err
}

func (k bedrock) plain(a *ask, y *reply) []byte {
	if k.isInvoke() {
		return messages{}.plain(a, y)
	}
	content := []any{}
	if len(y.pieces) > 0 {
		content = append(content, object{"text", y.text()})
	}
	for _, c := range y.calls {
		content = append(content, object{"toolUse", object{
			"toolUseId", "tooluse_" + randomText(22), "name", c.name, "input", json.RawMessage(c.arguments),
		}})
	}
	return encode(object{
		"metrics",
		object{"latencyMs", between(100, 900)},
		"output",
		object{"message", object{"content", content, "role", "assistant"}},
		"stopReason", messages{}.stopReason(y), "usage", k.usage(y),
	})
}

func (bedrock) usage(y *reply) object {
	return object{"inputTokens", y.in, "outputTokens", y.out, "totalTokens", y.in + y.out}
}

func (k bedrock) stream(a *ask, y *reply) [][]byte {
	var out [][]byte
	emit := func(name string, payload object) {
		// The provider pads payloads, so that lengths do not give the text away.
		out = append(out, awsEvent(name, encode(payload.with("p", strings.Repeat("a", intn(20))))))
	}
	if k.isInvoke() {
		for _, e := range (messages{}).events(a, y) {
			if e[1] != "ping" {
				emit("chunk", object{"bytes", base64.StdEncoding.EncodeToString(encode(e))})
			}
		}
		return out
	}
	index := 0
	block := func(start object, deltas []object) {
		if start != nil {
			emit("contentBlockStart", object{"contentBlockIndex", index, "start", start})
		}
		for _, d := range deltas {
			emit("contentBlockDelta", object{"contentBlockIndex", index, "delta", d})
		}
		emit("contentBlockStop", object{"contentBlockIndex", index})
		index++
	}
	emit("messageStart", object{"role", "assistant"})
	if len(y.pieces) > 0 {
		var deltas []object
		for _, p := range y.pieces {
			deltas = append(deltas, object{"text", p})
		}
		block(nil, deltas)
	}
	for _, c := range y.calls {
		var deltas []object
		for _, p := range tokens(c.arguments) {
			deltas = append(deltas, object{"toolUse", object{"input", p}})
		}
		block(object{"toolUse", object{"name", c.name, "toolUseId", "tooluse_" + randomText(22)}}, deltas)
	}
	emit("messageStop", object{"stopReason", messages{}.stopReason(y)})
	emit("metadata", object{"metrics", object{"latencyMs", between(100, 900)}, "usage", k.usage(y)})
	return out
}

func (bedrock) trouble(_ int, message string) []byte { return encode(object{"message", message}) }

func (bedrock) troubleEvent(*ask, int) []byte {
	return awsException("throttlingException", encode(object{"message", messageOverloaded}))
}

func (bedrock) overloaded() int { return http.StatusServiceUnavailable }

func (bedrock) contentType(_ *ask, stream bool) string {
	if stream {
		return "application/vnd.amazon.eventstream"
	}
	return "application/json"
}

func (k bedrock) headers(h http.Header, status int) {
	if status >= http.StatusBadRequest {
		h.Set("x-amzn-errortype", k.errorType(status))
	}
	h.Set("x-amzn-requestid", randomHex(8)+"-"+randomHex(4)+"-4"+randomHex(4)[1:]+"-a"+randomHex(4)[1:]+"-"+randomHex(12))
}

// errorType names a status, as clients expect it in a header.
func (bedrock) errorType(status int) string {
	name, known := map[int]string{
		http.StatusBadRequest:         "ValidationException",
		http.StatusUnauthorized:       "UnrecognizedClientException",
		http.StatusForbidden:          "AccessDeniedException",
		http.StatusNotFound:           "ResourceNotFoundException",
		http.StatusTooManyRequests:    "ThrottlingException",
		http.StatusServiceUnavailable: "ServiceUnavailableException",
	}[status]
	if !known {
		return "InternalServerException"
	}
	return name
}
