package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// UserRulesID is the name of the rules that a user adds.
const UserRulesID = "user/1"

// maxIgnores is the number of rules that a user may add.
const maxIgnores = 1000

// An Ignore is one rule that a user adds: a header, or a member of a JSON
// body, that is not part of the identity of a call.
type Ignore struct {
	Header  string // name; "x-trace-*" stands for all that begin so
	Pointer string // RFC 6901
	Host    string // empty: any
	Reason  string // in words; may be empty
}

// ParseIgnore reads an Ignore as it is given on a command line: "header:x-foo"
// or a pointer, "/metadata/session".
func ParseIgnore(s string) (Ignore, error) {
	ig := Ignore{Pointer: s}
	if name, ok := strings.CutPrefix(s, "header:"); ok {
		ig = Ignore{Header: name}
	}
	if _, err := UserRules([]Ignore{ig}); err != nil {
		return Ignore{}, err
	}
	return ig, nil
}

// UserRules returns the rules "user/1" made of ignores, nil for none. Their
// text, and so their digest, depends on what they say, not on their order.
//
//	{"id":"user/1","omit":[{"class":"user","names":["x-foo"],"reason":"…"}],"pointers":[{"class":"user","host":"","pointer":"/a","reason":"…"}]}
func UserRules(ignores []Ignore) (*Rules, error) {
	if len(ignores) == 0 {
		return nil, nil
	}
	if len(ignores) > maxIgnores {
		return nil, fmt.Errorf("rules: more than %d", maxIgnores)
	}
	var text struct {
		ID       string        `json:"id"`
		Omit     []Omission    `json:"omit"`
		Pointers []PointerRule `json:"pointers"`
	}
	text.ID, text.Omit, text.Pointers = UserRulesID, []Omission{}, []PointerRule{}
	for _, ig := range ignores {
		if (ig.Header == "") == (ig.Pointer == "") {
			return nil, errors.New("rules: each needs a header or a pointer, and not both")
		}
		reason, host := ig.Reason, strings.ToLower(ig.Host)
		if reason == "" {
			reason = "asked for"
		}
		if ig.Header != "" {
			text.Omit = append(text.Omit, Omission{Class: "user", Reason: reason, Host: host, Names: []string{strings.ToLower(ig.Header)}})
			continue
		}
		text.Pointers = append(text.Pointers, PointerRule{Class: "user", Reason: reason, Host: host, Pointer: ig.Pointer})
	}
	// The same rule may come from a file and from a flag.
	byHeader := func(a, b Omission) int { return strings.Compare(a.Names[0]+"\x00"+a.Host, b.Names[0]+"\x00"+b.Host) }
	slices.SortStableFunc(text.Omit, byHeader)
	text.Omit = slices.CompactFunc(text.Omit, func(a, b Omission) bool { return byHeader(a, b) == 0 })
	byPointer := func(a, b PointerRule) int { return strings.Compare(a.Pointer+"\x00"+a.Host, b.Pointer+"\x00"+b.Host) }
	slices.SortStableFunc(text.Pointers, byPointer)
	text.Pointers = slices.CompactFunc(text.Pointers, func(a, b PointerRule) bool { return byPointer(a, b) == 0 })
	b, err := json.Marshal(text)
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	return ParseRules(b)
}

// Lacks returns the first rule of a user's rules, older, that r has not: what
// was left out by it cannot be told any more. It returns "" when there is none;
// older may be nil.
func (r *Rules) Lacks(older *Rules) string {
	if older == nil {
		return ""
	}
	now := &Rules{}
	if r.user != nil {
		now = r.user
	}
	for _, om := range older.Omit {
		same := func(o Omission) bool { return o.Host == om.Host && slices.Equal(o.Names, om.Names) }
		if !slices.ContainsFunc(now.Omit, same) {
			return "header:" + strings.Join(om.Names, ",")
		}
	}
	for _, p := range older.Pointers {
		same := func(o PointerRule) bool { return o.Host == p.Host && o.Pointer == p.Pointer }
		if !slices.ContainsFunc(now.Pointers, same) {
			return p.Pointer
		}
	}
	return ""
}

// Again returns the document of a program's request under r, from the document
// and the body that it had under fewer rules of the user's ([Rules.Lacks]).
func (r *Rules) Again(doc, body []byte) (*Doc, error) {
	info, err := ParseDoc(doc)
	if err != nil {
		return nil, err
	}
	q := &programCall{
		rules: r, url: info.URL, bodyKind: info.BodyKind,
		req: &Request{Method: info.Method}, doc: &Doc{Body: body},
	}
	for _, h := range info.Headers {
		if r.user == nil || r.user.omitsOn(h[0], info.URL) == nil {
			q.headers = append(q.headers, h)
		}
	}
	if r.user != nil && info.BodyKind == "json" {
		q.doc.Body = q.cutAll(r.user, body)
	}
	return q.doc, q.encode()
}

// checkUser holds the rules of a user to what they may leave out.
func (r *Rules) checkUser() error {
	for _, p := range r.Pointers {
		if i := slices.IndexFunc(p.tokens, isProtected); i >= 0 {
			return fmt.Errorf("rules: pointer %.80q: %.40q decides what the answer is, and always counts", p.Pointer, p.tokens[i])
		}
	}
	return nil
}

// protected are the members of a request that decide what a model answers: no
// user's rule may leave one out. They are compared without underscores and in
// lower case.
var protected = []string{
	"model", "modelid", "messages", "input", "inputs", "contents", "content", "prompt", "prompts",
	"system", "systeminstruction", "instructions", "instruction",
	"tools", "toolchoice", "toolconfig", "functions", "functioncall", "paralleltoolcalls",
	"stream", "responseformat", "schema", "format",
	"temperature", "topp", "topk", "minp", "seed", "n", "stop", "stopsequences", "logitbias",
	"maxtokens", "maxcompletiontokens", "maxoutputtokens", "numpredict",
	"presencepenalty", "frequencypenalty", "repetitionpenalty", "logprobs", "toplogprobs",
	"thinking", "think", "reasoning", "reasoningeffort", "effort",
	"generationconfig", "inferenceconfig", "options", "dimensions", "encodingformat",
	"previousresponseid",
}

// isProtected reports whether the member called name may not be left out.
func isProtected(name string) bool {
	return slices.Contains(protected, strings.ReplaceAll(strings.ToLower(name), "_", ""))
}

// holdsProtected reports whether value, canonical JSON, has the heart of a
// request inside: a rule that names what is around it leaves nothing out.
func holdsProtected(value []byte) bool {
	for _, name := range []string{"model", "messages", "contents", "system", "tools"} {
		// A quote inside a string is escaped: this can only be a member.
		if bytes.Contains(value, []byte(`"`+name+`":`)) {
			return true
		}
	}
	return false
}
