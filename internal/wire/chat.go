package wire

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/coo-runtime/coo/internal/canon"
)

// A Chat is a question to a model, in one form for all providers: messages
// and tools as OpenAI's chat completions write them. What is in another
// provider's own form already is sent as it is.
type Chat struct {
	BaseURL  string // "": the provider's own
	Key      Text   // empty: no credential is sent
	Model    string
	Messages Text        // a JSON array
	Tools    Text        // a JSON array; nil: none
	Params   []NamedText // temperature, max_tokens, …
	Stream   bool
	Timeout  int64 // milliseconds
}

// A NamedText is a parameter and its value as JSON text.
type NamedText struct {
	Name  string
	Value Text
}

// A Reply is what a model answered.
type Reply struct {
	Text         string
	ToolCalls    []ToolCall
	InputTokens  int64 // -1: not told
	OutputTokens int64 // -1: not told
	Model        string
	Finish       string // the provider's word: "stop", "end_turn", "STOP", …
}

// A ToolCall is a function that the model asks for.
type ToolCall struct {
	ID        string // "" where the provider gives none
	Name      string
	Arguments string // JSON text as the model wrote it
}

// A provider writes requests and reads answers in one wire form.
type provider struct {
	base  string
	build func(*chatBody) (path string, err error) // fills in the body
	key   string                                   // header of the credential
	read  func(*Answer) (*Reply, error)
}

func providerOf(name string) (*provider, error) {
	switch name {
	case "openai":
		return &provider{"https://api.openai.com/v1", buildOpenAI, "authorization", readOpenAI}, nil
	case "anthropic":
		return &provider{"https://api.anthropic.com", buildAnthropic, "x-api-key", readAnthropic}, nil
	case "gemini":
		return &provider{"https://generativelanguage.googleapis.com", buildGemini, "x-goog-api-key", readGemini}, nil
	}
	return nil, fmt.Errorf("chat: unknown provider %.80q: openai, anthropic and gemini are known", name)
}

// ChatRequest returns the request that puts c to a provider: "openai" (any
// server with its chat completions), "anthropic" (messages) or "gemini"
// (generateContent).
//
// System messages go where the provider wants them; the parameters
// max_tokens, top_p and stop get its names; Anthropic's max_tokens is 1024
// when not given; a streamed OpenAI answer is asked to tell its usage. A
// parameter may not stand for another field of c.
func ChatRequest(provider string, c Chat) (*Request, error) {
	p, err := providerOf(provider)
	if err != nil {
		return nil, err
	}
	b, err := newChatBody(c)
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	path, err := p.build(b)
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	base := strings.TrimRight(cmp.Or(c.BaseURL, p.base), "/")
	r := &Request{
		Method:  "POST",
		URL:     Lit(base + path),
		Headers: []Field{{"content-type", Lit("application/json")}},
		Timeout: c.Timeout,
	}
	if provider == "anthropic" {
		r.Headers = append(r.Headers, Field{"anthropic-version", Lit("2023-06-01")})
	}
	if key := c.Key; len(key) > 0 {
		if p.key == "authorization" {
			key = Concat(Lit("Bearer "), key)
		}
		r.Headers = append(r.Headers, Field{p.key, key})
	}
	r.Body = b.text()
	return r, nil
}

// ChatReply reads the answer to a request of [ChatRequest], plain or streamed.
// A failure, a status outside 200 to 299, an error inside a stream, a stream
// that ends early and an answer that cannot be read are errors; their texts
// depend on the answer alone:
//
//	chat: openai: 429: Rate limit reached for requests
//	chat: openai: timeout
//
// What the server said is cut at 200 bytes.
func ChatReply(provider string, a *Answer) (*Reply, error) {
	p, err := providerOf(provider)
	if err != nil {
		return nil, err
	}
	switch {
	case a.Error != "":
		err = errors.New(a.Error)
	case a.Status < 200 || a.Status > 299:
		err = fmt.Errorf("%d: %s", a.Status, serverMessage(a.Body))
	}
	if err != nil {
		return nil, fmt.Errorf("chat: %s: %w", provider, err)
	}
	r, err := p.read(a)
	if err != nil {
		return nil, fmt.Errorf("chat: %s: %w", provider, err)
	}
	return r, nil
}

// serverMessage returns what an error body says, one line of at most 200 bytes.
func serverMessage(body []byte) string {
	body = body[:min(len(body), 64<<10)] // enough for a message
	msg := errorMessage(body)
	if msg == "" {
		msg = string(body)
	}
	msg = strings.Join(strings.Fields(strings.ToValidUTF8(msg, "\uFFFD")), " ")
	if len(msg) > 200 {
		msg = msg[:200]
		for !utf8.ValidString(msg) {
			msg = msg[:len(msg)-1]
		}
	}
	return cmp.Or(msg, "no message")
}

// errorMessage finds the message in {"error":{"message":…}}, {"error":"…"} or
// {"message":…}, alone or first in an array; "" when it is elsewhere.
func errorMessage(body []byte) string {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	var e struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	var inner struct {
		Message json.RawMessage `json:"message"`
	}
	_ = json.Unmarshal(e.Error, &inner) // an error that is no object has no message
	return cmp.Or(jsonString(inner.Message), jsonString(e.Error), jsonString(e.Message))
}

// jsonString returns the string that raw is, "" when it is something else.
func jsonString(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// A count is a number of tokens, -1 when it was not told as a whole number.
type count int64

func (c *count) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n < 0 || n > canon.MaxInt {
		n = -1
	}
	*c = count(n)
	return nil
}

// maxValues bounds the values in one JSON text of an LLM exchange, because
// decoding "[{},{},…" takes fifty times its length in memory.
const maxValues = 1_000_000

// decode reads JSON that somebody else wrote into v.
func decode(raw []byte, v any) error {
	if err := checkCount(raw); err != nil {
		return err
	}
	if json.Unmarshal(raw, v) != nil {
		return errNotJSON
	}
	return nil
}

// checkCount refuses JSON with more than maxValues values. It counts what
// stands before them and does not read strings.
func checkCount(raw []byte) error {
	n := 0
	quoted := false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && (c == ',' || c == '[' || c == '{'):
			n++
		}
	}
	if n > maxValues {
		return fmt.Errorf("more than %d values", maxValues)
	}
	return nil
}

// streamed reports whether a came as an event stream.
func streamed(a *Answer) bool { return IsEventStream(a.Header("content-type")) }

var (
	errNotJSON = errors.New("the answer is not the JSON that was expected")
	errEarly   = errors.New("the stream ended early")
)

// inStream is the error of a stream that reports one.
func inStream(event []byte) error {
	return fmt.Errorf("in the stream: %s", serverMessage(event))
}
