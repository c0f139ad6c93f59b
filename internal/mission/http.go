package mission

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/coo-runtime/coo/internal/wire"
)

func cooHTTP(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var q httpArgs
	err := starlark.UnpackArgs(fn.Name(), args, kwargs, "method", &q.method, "url", &q.url,
		"headers??", &q.headers, "json??", &q.json, "body??", &q.body, "timeout?", &q.timeout)
	if err != nil {
		return nil, err
	}
	req, err := q.request()
	if err != nil {
		return nil, fmt.Errorf("coo.http: %w", err)
	}
	a, err := branchOf(thread).fetch(fn.Name(), req)
	if err != nil {
		return nil, err
	}
	return answerObject(a), nil
}

type httpArgs struct {
	method  string
	url     starlark.Value
	headers *starlark.Dict
	json    starlark.Value
	body    starlark.Value
	timeout starlark.Value
}

func (q *httpArgs) request() (*wire.Request, error) {
	r := &wire.Request{Method: strings.ToUpper(q.method)}
	url, ok := textOf(q.url)
	if !ok {
		return nil, fmt.Errorf("url: got %s, want string", q.url.Type())
	}
	var err error
	if r.URL, err = wire.NormalURL(encodeURL(url)); err != nil {
		return nil, err
	}
	if q.headers != nil {
		if r.Headers, err = headerFields(q.headers); err != nil {
			return nil, err
		}
	}
	if r.Timeout, err = timeoutOf(q.timeout, 60); err != nil {
		return nil, err
	}
	if err := q.setBody(r); err != nil {
		return nil, err
	}
	sortFields(r.Headers)
	return r, nil
}

func (q *httpArgs) setBody(r *wire.Request) (err error) {
	switch {
	case q.json != nil && q.body != nil:
		return errors.New("json and body are both given")
	case q.json != nil:
		if r.Body, err = encodeJSON(q.json); err != nil {
			return fmt.Errorf("json: %w", err)
		}
		if !hasField(r.Headers, "content-type") {
			r.Headers = append(r.Headers, wire.Field{Name: "content-type", Value: wire.Lit("application/json")})
		}
	case q.body != nil:
		if b, ok := q.body.(starlark.Bytes); ok {
			r.Body = wire.Lit(string(b))
			return nil
		}
		text, ok := textOf(q.body)
		if !ok {
			return fmt.Errorf("body: got %s, want string or bytes", q.body.Type())
		}
		r.Body = text
	}
	return nil
}

// maxHeaders bounds the names and values of a request's headers together.
const maxHeaders = 1 << 20

// headerFields takes a dict of names to text. Names that differ only in case
// are one header, and may not be given twice.
func headerFields(d *starlark.Dict) ([]wire.Field, error) {
	var fields []wire.Field
	size := 0
	for k, v := range d.Entries() {
		name, ok := k.(starlark.String)
		if !ok {
			return nil, fmt.Errorf("headers: a name of type %s", k.Type())
		}
		value, ok := textOf(v)
		if !ok {
			return nil, fmt.Errorf("headers: %.80q: got %s, want string", string(name), v.Type())
		}
		lower := strings.ToLower(string(name))
		if hasField(fields, lower) {
			return nil, fmt.Errorf("headers: %.80q is given twice", lower)
		}
		if size += len(lower) + len(value.String()); size > maxHeaders {
			return nil, fmt.Errorf("headers: %w", limitError("too long", maxHeaders, "bytes"))
		}
		fields = append(fields, wire.Field{Name: lower, Value: value})
	}
	return fields, nil
}

func hasField(fields []wire.Field, name string) bool {
	return slices.ContainsFunc(fields, func(f wire.Field) bool { return f.Name == name })
}

func sortFields(fields []wire.Field) {
	slices.SortStableFunc(fields, func(a, b wire.Field) int { return strings.Compare(a.Name, b.Name) })
}

// timeoutOf converts a timeout in seconds.
func timeoutOf(v starlark.Value, seconds int64) (int64, error) {
	if v == nil || v == starlark.None {
		return seconds * 1000, nil
	}
	ms, err := milliseconds(v, maxTimeout)
	if err == nil && ms == 0 {
		err = errors.New("no time at all")
	}
	if err != nil {
		return 0, fmt.Errorf("timeout: %w", err)
	}
	return ms, nil
}

// encodeURL writes what a URL may not hold, spaces and letters beyond ASCII
// among it, as %XX, and leaves everything else, % included, as it is. Control
// characters stay, to be refused.
func encodeURL(t wire.Text) wire.Text {
	out := t.As(wire.InURL)
	for i, p := range out {
		out[i].Lit = encodeLiteral(p.Lit)
	}
	return out
}

func encodeLiteral(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c == ' ' || c >= 0x80 || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// fetch makes a call and follows redirects, each of them a call of its own.
func (b *branch) fetch(name string, req *wire.Request) (*wire.Answer, error) {
	for range maxHops + 1 {
		a, err := b.exchange(name, req)
		if err != nil {
			return nil, err
		}
		next, err := redirect(req, a)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if next == nil {
			return a, nil
		}
		req = next
	}
	return nil, fmt.Errorf("%s: more than %d redirects", name, maxHops)
}

// answerObject is what coo.http returns.
func answerObject(a *wire.Answer) *object {
	var failure starlark.Value = starlark.None
	if a.Error != "" {
		failure = starlark.String(a.Error)
	}
	o := &object{typ: "answer", names: []string{"body", "error", "events", "headers", "json", "status", "text"}}
	headers := headerDict(a)
	o.get = func(name string) (starlark.Value, error) {
		switch name {
		case "body":
			if err := checkText(len(a.Body)); err != nil {
				return nil, fmt.Errorf("answer: body: %w", err)
			}
			return starlark.Bytes(a.Body), nil
		case "error":
			return failure, nil
		case "events":
			return noArgs("events", func() (starlark.Value, error) { return eventList(a) }), nil
		case "headers":
			return headers, nil
		case "json":
			return noArgs("json", func() (starlark.Value, error) { return decodeJSON(string(a.Body)) }), nil
		case "status":
			return starlark.MakeInt(a.Status), nil
		}
		if err := checkText(len(a.Body)); err != nil {
			return nil, fmt.Errorf("answer: text: %w", err)
		}
		text := starlark.String(toText(string(a.Body)))
		return text, checkResult(text)
	}
	return o
}

// noArgs makes a method without arguments.
func noArgs(name string, f func() (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := starlark.UnpackArgs(fn.Name(), args, kwargs); err != nil {
			return nil, err
		}
		v, err := f()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return v, nil
	})
}

// headerDict returns the headers, those of one name joined by ", ".
func headerDict(a *wire.Answer) *starlark.Dict {
	d := new(starlark.Dict)
	for _, h := range a.Headers {
		key, value := starlark.String(h[0]), starlark.String(h[1])
		if before, ok, _ := d.Get(key); ok {
			value = before.(starlark.String) + ", " + value
		}
		if err := d.SetKey(key, value); err != nil {
			panic("mission: internal error: " + err.Error())
		}
	}
	d.Freeze()
	return d
}

func eventList(a *wire.Answer) (starlark.Value, error) {
	events, err := wire.Events(a.Header("content-type"), a.Body)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "events: "))
	}
	elems := make([]starlark.Value, len(events))
	for i, e := range events {
		elems[i] = newObject("event", map[string]starlark.Value{
			"name": starlark.String(e.Name),
			"data": starlark.String(e.Data),
			"json": noArgs("json", func() (starlark.Value, error) { return decodeJSON(e.Data) }),
		})
	}
	return starlark.NewList(elems), nil
}
