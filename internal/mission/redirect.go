package mission

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/coo-runtime/coo/internal/wire"
)

// redirect returns the request that an answer redirects to, or nil when it
// does not, or when its Location is none that coo can follow. It does what
// browsers and curl do (WHATWG Fetch, section 4.5): 303, and 301 and 302 of a
// POST, become a GET without a body; credentials stay with the origin they
// were meant for.
//
// A Location that repeats a secret of the request leads on with that secret,
// within one origin; elsewhere its placeholder is mere text.
func redirect(req *wire.Request, a *wire.Answer) (*wire.Request, error) {
	location := a.Header("location")
	switch a.Status {
	case 301, 302, 303, 307, 308:
	default:
		return nil, nil
	}
	if location == "" || a.Error != "" {
		return nil, nil
	}
	target, err := resolveURL(req.URL, wire.Lit(location))
	if err != nil {
		return nil, nil //nolint:nilerr // the mission gets the answer as it is
	}
	next := *req
	next.Headers = slices.Clone(req.Headers)
	get := a.Status == 303 && req.Method != "HEAD" || a.Status <= 302 && req.Method == "POST"
	if get {
		next.Method, next.Body = "GET", nil
		next.Headers = slices.DeleteFunc(next.Headers, func(f wire.Field) bool { return strings.HasPrefix(f.Name, "content-") })
	}
	if wire.Origin(target.String()) == wire.Origin(req.URL.String()) {
		next.URL, err = resolveURL(req.URL, wire.ParseText(location, secretsOf(req)))
		return &next, err
	}
	next.URL = target
	next.Headers = slices.DeleteFunc(next.Headers, func(f wire.Field) bool {
		return f.Value.HasSecret() || wire.Builtin().Credential(f.Name)
	})
	if names := next.Body.Secrets(); len(names) > 0 {
		return nil, fmt.Errorf("redirect: secret %s would leave %s for %s", names[0],
			wire.Origin(req.URL.String()), wire.Origin(target.String()))
	}
	return &next, nil
}

// secretsOf returns the names of the secrets in a request.
func secretsOf(r *wire.Request) []string {
	names := slices.Concat(r.URL.Secrets(), r.Body.Secrets())
	for _, f := range r.Headers {
		names = append(names, f.Value.Secrets()...)
	}
	return names
}

// resolveURL resolves a reference against a base, both with secrets in them
// (RFC 3986, section 5.2). A mark that occurs in neither stands for each secret
// meanwhile.
func resolveURL(base, ref wire.Text) (wire.Text, error) {
	m := marker{mark: "secret"}
	for strings.Contains(base.String()+ref.String(), m.mark+"-") {
		m.mark += "x"
	}
	b, err := url.Parse(m.put(base))
	if err != nil {
		return nil, errors.New("malformed URL")
	}
	r, err := url.Parse(m.put(encodeURL(ref)))
	if err != nil {
		return nil, errors.New("malformed URL")
	}
	u := b.ResolveReference(r)
	u.Fragment, u.RawFragment = "", ""
	return wire.NormalURL(m.take(u.String()))
}

// A marker replaces secrets by "secret-0-", "secret-1-", ….
type marker struct {
	mark  string
	parts []wire.Part
}

func (m *marker) put(t wire.Text) string {
	var b strings.Builder
	for _, p := range t {
		if p.Secret == "" {
			b.WriteString(p.Lit)
			continue
		}
		b.WriteString(m.mark + "-" + strconv.Itoa(len(m.parts)) + "-")
		p.Escape = wire.InURL
		m.parts = append(m.parts, p)
	}
	return b.String()
}

func (m *marker) take(s string) wire.Text {
	var out wire.Text
	for {
		before, rest, found := strings.Cut(s, m.mark+"-")
		if !found {
			return wire.Concat(out, wire.Lit(s))
		}
		index, after, _ := strings.Cut(rest, "-")
		i, err := strconv.Atoi(index)
		if err != nil || i >= len(m.parts) {
			panic("mission: internal error: mark " + s)
		}
		out = wire.Concat(out, wire.Lit(before), wire.Text{m.parts[i]})
		s = after
	}
}
