package mission

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"github.com/coo-runtime/coo/internal/wire"
)

// providers are the variables and secrets that the providers' own clients use.
var providers = map[string]struct{ baseURL, key string }{
	"openai":    {"OPENAI_BASE_URL", "OPENAI_API_KEY"},
	"anthropic": {"ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"},
	"gemini":    {"GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY"},
}

type chatArgs struct {
	model, provider string
	messages, tools starlark.Value
	stream          bool
	baseURL, key    starlark.Value
	timeout         starlark.Value
}

// chatParams are the parameters of coo.chat that are not the model's.
var chatParams = map[string]bool{
	"model": true, "messages": true, "provider": true, "tools": true, "stream": true,
	"base_url": true, "key": true, "timeout": true,
}

func cooChat(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	own, params, err := splitParams(kwargs)
	if err != nil {
		return nil, err
	}
	q := chatArgs{provider: "openai"}
	err = starlark.UnpackArgs(fn.Name(), args, own, "model", &q.model, "messages", &q.messages,
		"provider??", &q.provider, "tools??", &q.tools, "stream?", &q.stream,
		"base_url??", &q.baseURL, "key??", &q.key, "timeout?", &q.timeout)
	if err != nil {
		return nil, err
	}
	b := branchOf(thread)
	c, err := q.chat(b, fn.Name())
	if err != nil {
		return nil, err
	}
	c.Params = params
	req, err := wire.ChatRequest(q.provider, *c)
	if err != nil {
		return nil, fmt.Errorf("coo.%w", err)
	}
	if req.URL, err = wire.NormalURL(encodeURL(req.URL)); err != nil {
		return nil, fmt.Errorf("coo.chat: %w", err)
	}
	sortFields(req.Headers)
	a, err := b.fetch(fn.Name(), req)
	if err != nil {
		return nil, err
	}
	reply, err := wire.ChatReply(q.provider, a)
	if err != nil {
		return nil, fmt.Errorf("coo.%w", err)
	}
	return replyObject(reply, a)
}

// splitParams tells coo's parameters from the model's, and encodes the latter.
// None leaves one out.
func splitParams(kwargs []starlark.Tuple) (own []starlark.Tuple, params []wire.NamedText, err error) {
	for _, kv := range kwargs {
		name := string(kv[0].(starlark.String))
		if chatParams[name] {
			own = append(own, kv)
			continue
		}
		if kv[1] == starlark.None {
			continue
		}
		value, err := encodeJSON(kv[1])
		if err != nil {
			return nil, nil, fmt.Errorf("coo.chat: %s: %w", name, err)
		}
		params = append(params, wire.NamedText{Name: name, Value: value})
	}
	return own, params, nil
}

func (q *chatArgs) chat(b *branch, fn string) (*wire.Chat, error) {
	names, ok := providers[q.provider]
	if !ok {
		return nil, fmt.Errorf("coo.chat: unknown provider %.80q: openai, anthropic and gemini are known", q.provider)
	}
	c := &wire.Chat{Model: q.model, Stream: q.stream}
	var err error
	if c.Messages, err = jsonArray("messages", q.messages); err != nil {
		return nil, err
	}
	if q.tools != nil {
		if c.Tools, err = jsonArray("tools", q.tools); err != nil {
			return nil, err
		}
	}
	const minutes = 600 // seconds: a long answer that is not streamed
	if c.Timeout, err = timeoutOf(q.timeout, minutes); err != nil {
		return nil, fmt.Errorf("coo.chat: %w", err)
	}
	if c.BaseURL, err = q.base(b, fn, names.baseURL); err != nil {
		return nil, err
	}
	if c.Key, err = q.credential(b, fn, names.key); err != nil {
		return nil, err
	}
	return c, nil
}

func jsonArray(name string, v starlark.Value) (wire.Text, error) {
	switch v.(type) {
	case *starlark.List, starlark.Tuple:
	default:
		return nil, fmt.Errorf("coo.chat: %s: got %s, want list", name, v.Type())
	}
	text, err := encodeJSON(v)
	if err != nil {
		return nil, fmt.Errorf("coo.chat: %s: %w", name, err)
	}
	return text, nil
}

// base is where the provider is: what the mission says, else the variable of
// the provider's clients, else "" for the provider's own.
func (q *chatArgs) base(b *branch, fn, variable string) (string, error) {
	if q.baseURL == nil {
		value, _, err := b.env(fn, variable)
		return value, err
	}
	s, ok := starlark.AsString(q.baseURL)
	if !ok {
		return "", fmt.Errorf("coo.chat: base_url: got %s, want string", q.baseURL.Type())
	}
	return s, nil
}

// credential is the provider's key: what the mission says ("" for none), else
// the secret of the usual name; but that one goes to no address of the
// mission's own.
func (q *chatArgs) credential(b *branch, fn, name string) (wire.Text, error) {
	if q.key == nil && q.baseURL != nil {
		return nil, nil
	}
	if q.key == nil {
		s, err := b.secret(fn, name)
		if err != nil {
			return nil, err
		}
		return s.text, nil
	}
	text, ok := textOf(q.key)
	switch {
	case !ok:
		return nil, fmt.Errorf("coo.chat: key: got %s, want coo.secret(NAME)", q.key.Type())
	case text.String() == "":
		return nil, nil
	case !text.HasSecret():
		return nil, errors.New("coo.chat: key: a credential in clear text: use coo.secret(NAME)")
	}
	return text, nil
}

// replyObject is what coo.chat returns.
func replyObject(r *wire.Reply, a *wire.Answer) (starlark.Value, error) {
	if err := checkText(len(r.Text)); err != nil {
		return nil, fmt.Errorf("coo.chat: text: %w", err)
	}
	calls := make([]starlark.Value, len(r.ToolCalls))
	for i, c := range r.ToolCalls {
		calls[i] = newObject("tool_call", map[string]starlark.Value{
			"id":        starlark.String(c.ID),
			"name":      starlark.String(c.Name),
			"arguments": starlark.String(c.Arguments),
		})
	}
	usage := newObject("usage", map[string]starlark.Value{
		"input": count(r.InputTokens), "output": count(r.OutputTokens),
	})
	return newObject("reply", map[string]starlark.Value{
		"text":       starlark.String(r.Text),
		"tool_calls": frozenList(calls),
		"usage":      usage,
		"model":      starlark.String(r.Model),
		"finish":     starlark.String(r.Finish),
		"response":   answerObject(a),
	}), nil
}

// count is a number of tokens, None when the provider did not tell.
func count(n int64) starlark.Value {
	if n < 0 {
		return starlark.None
	}
	return starlark.MakeInt64(n)
}
