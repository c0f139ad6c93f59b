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

//go:embed rules/http-1.json
var http1 []byte

// Rules say which headers of a request are not part of its identity. They are
// data, named by their digest in the first record of a run, so that a later
// set of rules never changes what an earlier run asked.
//
//	{
//	  "id": "http/1",
//	  "omit": [{"class": "attempt", "reason": "…", "names": ["date", "amz-sdk-*"]}],
//	  "credentials": ["authorization"]
//	}
//
// Names are lower-case; one that ends in "*" stands for all that begin so. A
// credential is part of the identity, by the names of its secrets.
type Rules struct {
	ID     string        // "http/1"
	Bytes  []byte        // the text that was parsed
	Digest digest.Digest // of Bytes
	Omit   []Omission

	exact       map[string]*Omission
	prefixes    []prefix
	credentials map[string]bool
}

// An Omission is a set of headers left out of the identity for one reason.
type Omission struct {
	Class  string   `json:"class"` // transport, client, attempt
	Reason string   `json:"reason"`
	Names  []string `json:"names"`
}

type prefix struct {
	text string
	om   *Omission
}

var builtin = mustParseRules(http1)

// Builtin returns the rules "http/1". They are shared and must not be changed.
func Builtin() *Rules { return builtin }

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
		ID          string     `json:"id"`
		Omit        []Omission `json:"omit"`
		Credentials []string   `json:"credentials"`
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
	return r, nil
}

func (r *Rules) omit(om *Omission) error {
	if om.Class == "" || om.Reason == "" {
		return errors.New("rules: an omission without a class or a reason")
	}
	for _, name := range om.Names {
		base, wild := strings.CutSuffix(name, "*")
		if !lowerToken(base) || strings.Contains(base, "*") || r.Omits(base) != nil {
			return fmt.Errorf("rules: name %.80q: malformed or repeated", name)
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
// out of the identity, or nil when it counts.
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
