package wire

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

var (
	//go:embed rules/http-1.json
	http1 []byte
	//go:embed rules/program-1.json
	program1 []byte
)

// Rules say what of a request is not part of its identity. They are data,
// named by their digest in the first record of a run, so that a later set of
// rules never changes what an earlier run asked.
//
//	{
//	  "id": "http/1",
//	  "omit": [{"class": "attempt", "reason": "…", "names": ["date", "amz-sdk-*"]}],
//	  "credentials": ["authorization"]
//	}
//
// Names are lower-case; one that ends in "*" stands for all that begin so. A
// credential is part of the identity, by the names of its secrets.
//
// What a program sends is looked at more closely ([ProgramRequest]). Its rules
// have, beside those members, "queries" and "guesses", the parameters of a URL
// or form that are credentials always and when they look like one, and
// "pointers" into JSON bodies.
type Rules struct {
	ID       string        // "http/1", "program/1", "user/1"
	Bytes    []byte        // the text that was parsed
	Digest   digest.Digest // of Bytes
	Omit     []Omission
	Pointers []PointerRule

	exact       map[string]*Omission
	prefixes    []prefix
	credentials map[string]bool
	queries     []string
	guesses     []string
	user        *Rules // those that a user added; see With
}

// An Omission is a set of headers left out of the identity for one reason.
type Omission struct {
	Class  string   `json:"class"` // transport, client, attempt, user
	Reason string   `json:"reason"`
	Host   string   `json:"host,omitempty"` // lower-case; empty: any
	Names  []string `json:"names"`
}

type prefix struct {
	text string
	om   *Omission
}

var (
	builtin      = mustParseRules(http1)
	programRules = mustParseRules(program1)
)

// Builtin returns the rules "http/1", by which the calls of missions are told
// apart. They are shared and must not be changed.
func Builtin() *Rules { return builtin }

// ProgramRules returns the rules "program/1", by which the calls of programs
// are told apart. They are shared and must not be changed.
func ProgramRules() *Rules { return programRules }

// With returns r together with the rules that a user added, nil for none.
func (r *Rules) With(user *Rules) *Rules {
	out := *r
	out.user = user
	return &out
}

// User returns the rules that a user added, nil when there are none.
func (r *Rules) User() *Rules { return r.user }

// Sum returns the digest of r, the zero digest for nil.
func (r *Rules) Sum() digest.Digest {
	if r == nil {
		return digest.Digest{}
	}
	return r.Digest
}

// Sets returns r and the user's rules, if there are any: what the first
// record of a run names.
func (r *Rules) Sets() []*Rules {
	if r.user == nil {
		return []*Rules{r}
	}
	return []*Rules{r, r.user}
}

func mustParseRules(b []byte) *Rules {
	r, err := ParseRules(b)
	if err != nil {
		panic("wire: internal error: " + err.Error())
	}
	return r
}

// ParseRules reads a set of rules. It refuses unknown members, repeated names
// and names that are not lower-case header names.
func ParseRules(b []byte) (*Rules, error) {
	if _, err := canon.JSON(b); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	var text struct {
		ID          string        `json:"id"`
		Omit        []Omission    `json:"omit"`
		Credentials []string      `json:"credentials"`
		Queries     []string      `json:"queries"`
		Guesses     []string      `json:"guesses"`
		Pointers    []PointerRule `json:"pointers"`
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&text); err != nil {
		return nil, errors.New("rules: a member is unknown or of the wrong kind")
	}
	if text.ID == "" {
		return nil, errors.New("rules: no id")
	}
	r := &Rules{
		ID: text.ID, Bytes: bytes.Clone(b), Digest: digest.Of(b), Omit: text.Omit,
		Pointers: text.Pointers, queries: text.Queries, guesses: text.Guesses,
		exact: map[string]*Omission{}, credentials: map[string]bool{},
	}
	for i := range r.Omit {
		if err := r.omit(&r.Omit[i]); err != nil {
			return nil, err
		}
	}
	for _, name := range text.Credentials {
		if !lowerToken(name) || r.credentials[name] || r.Omits(name) != nil {
			return nil, fmt.Errorf("rules: credential %.80q: malformed, repeated or left out", name)
		}
		r.credentials[name] = true
	}
	for i := range r.Pointers {
		p := &r.Pointers[i]
		if p.Class == "" || p.Reason == "" {
			return nil, errors.New("rules: a pointer without a class or a reason")
		}
		var err error
		if p.tokens, err = parsePointer(p.Pointer); err != nil {
			return nil, fmt.Errorf("rules: %w", err)
		}
	}
	if r.ID == UserRulesID {
		return r, r.checkUser()
	}
	return r, nil
}

func (r *Rules) omit(om *Omission) error {
	if om.Class == "" || om.Reason == "" {
		return errors.New("rules: an omission without a class or a reason")
	}
	for _, name := range om.Names {
		base, wild := strings.CutSuffix(name, "*")
		if !lowerToken(base) || strings.Contains(base, "*") || om.Host == "" && r.Omits(base) != nil {
			return fmt.Errorf("rules: name %.80q: malformed or repeated", name)
		}
		if om.Host != "" {
			continue // looked for in r.Omit: few rules have a host
		}
		if wild {
			r.prefixes = append(r.prefixes, prefix{base, om})
			continue
		}
		r.exact[name] = om
	}
	return nil
}

// Omits returns the omission that leaves the header called name, lower-case,
// out of the identity whatever the host, or nil when it counts.
func (r *Rules) Omits(name string) *Omission {
	if om, ok := r.exact[name]; ok {
		return om
	}
	for _, p := range r.prefixes {
		if strings.HasPrefix(name, p.text) {
			return p.om
		}
	}
	return nil
}

// omitsOn is [Rules.Omits] for a request to url, a normal one: it knows the
// omissions that have a host, too.
func (r *Rules) omitsOn(name, url string) *Omission {
	if om := r.Omits(name); om != nil {
		return om
	}
	for i := range r.Omit {
		om := &r.Omit[i]
		if om.Host == "" || !hostIs(url, om.Host) {
			continue
		}
		for _, n := range om.Names {
			if base, wild := strings.CutSuffix(n, "*"); n == name || wild && strings.HasPrefix(name, base) {
				return om
			}
		}
	}
	return nil
}

// Credential reports whether the header called name, lower-case, may be sent
// only with a secret in it.
func (r *Rules) Credential(name string) bool { return r.credentials[name] }

// token reports whether s is a token of RFC 9110, section 5.6.2.
func token(s string) bool {
	for i := range len(s) {
		if !alnum(s[i]) && strings.IndexByte("!#$%&'*+-.^_`|~", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

func lowerToken(s string) bool { return token(s) && s == strings.ToLower(s) }
