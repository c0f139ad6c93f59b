package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// A fashion is how a provider's keys customarily look: some clients refuse a
// key that does not.
type fashion struct {
	name   string // the variable; one that ends in "*" stands for all that begin so
	prefix string
	size   int  // of the whole placeholder in bytes; 0: as long as it gets
	upper  bool // upper-case letters and digits only
}

// fashions are looked through in order; the last stands for every name.
var fashions = []fashion{
	{name: "OPENAI_*", prefix: "sk-proj-"},
	{name: "ANTHROPIC_*", prefix: "sk-ant-api03-"},
	{name: "OPENROUTER_*", prefix: "sk-or-v1-"},
	{name: "DEEPSEEK_*", prefix: "sk-"},
	{name: "GEMINI_*", prefix: "AIza", size: 39},
	{name: "GOOGLE_API_KEY", prefix: "AIza", size: 39},
	{name: "GOOGLE_GENERATIVE_AI_API_KEY", prefix: "AIza", size: 39},
	{name: "GITHUB_*", prefix: "ghp_", size: 40},
	{name: "GH_*", prefix: "ghp_", size: 40},
	{name: "GITLAB_*", prefix: "glpat-"},
	{name: "GROQ_*", prefix: "gsk_"},
	{name: "HF_*", prefix: "hf_"},
	{name: "HUGGING*", prefix: "hf_"},
	{name: "XAI_*", prefix: "xai-"},
	{name: "PERPLEXITY*", prefix: "pplx-"},
	{name: "REPLICATE_*", prefix: "r8_", size: 40},
	{name: "NVIDIA_*", prefix: "nvapi-"},
	{name: "TAVILY_*", prefix: "tvly-"},
	{name: "LANGSMITH_*", prefix: "lsv2_pt_"},
	{name: "LANGCHAIN_*", prefix: "lsv2_pt_"},
	{name: "SLACK_*", prefix: "xoxb-"},
	{name: "STRIPE_*", prefix: "sk_test_"},
	{name: "AWS_ACCESS_KEY_ID", prefix: "AKIA", size: 20, upper: true},
	{name: "*", prefix: "coo-"},
}

func fashionOf(name string) fashion {
	name = strings.ToUpper(name)
	for _, f := range fashions {
		base, wild := strings.CutSuffix(f.name, "*")
		if name == f.name || wild && strings.HasPrefix(name, base) {
			return f
		}
	}
	panic("wire: internal error: no fashion for " + name)
}

// Placeholder returns what a program holds in the place of the secret called
// name, the same for a name everywhere and at all times:
//
//	OPENAI_API_KEY   sk-proj-coo6ab0…      (30 hexadecimal digits)
//	GEMINI_API_KEY   AIzacoo19f2…          (39 bytes in all)
//	SOME_TOKEN       coo-coo83d1…
//
// It has at least 20 bytes, of letters, digits, "-" and "_" only, so that it
// stands in JSON, in a URL and in a header without an escape. A digest of the
// name makes it one that nobody writes by chance.
func Placeholder(name string) string {
	f := fashionOf(name)
	sum := sha256.Sum256([]byte("coo placeholder 1\n" + name))
	text := f.prefix + "coo" + hex.EncodeToString(sum[:15])
	if f.upper {
		text = f.prefix + strings.ToUpper(hex.EncodeToString(sum[:8]))
	}
	for f.size > len(text) {
		text += hex.EncodeToString(sum[15:])
	}
	if f.size > 0 {
		text = text[:f.size]
	}
	return text
}

// Placeholders find the secrets in what a program sends. It is read-only:
// goroutines may share one. A nil *Placeholders finds nothing.
type Placeholders struct {
	marks  automaton
	values *Secrets
}

// NewPlaceholders prepares the search for the placeholders of names.
func NewPlaceholders(names []string) *Placeholders {
	p := new(Placeholders)
	for _, name := range names {
		p.marks.add(Placeholder(name), name, placeholderForm)
	}
	p.marks.link()
	return p
}

// placeholderForm is the form of a [Hit] that is a placeholder.
const placeholderForm = "placeholder"

// WithValues returns placeholders that also find the values of secrets, in
// every form: a program may have them from elsewhere than its environment, a
// .env file or a login of its own. Such a value is recorded by name like any
// other, and sent as the program wrote it.
func (p *Placeholders) WithValues(values *Secrets) *Placeholders {
	return &Placeholders{marks: p.marks, values: values}
}

// Text returns b with the places of secrets in it. A placeholder needs no
// escape in JSON or a URL, so that it is found in both; e says how the value
// is escaped that is sent in its place.
func (p *Placeholders) Text(b []byte, e Escape) Text {
	var t TextBuilder
	t.Lit("")
	if p == nil {
		t.Lit(string(b))
		return t.Text()
	}
	marks := search{find: p.marks.find, text: b}
	values := search{find: p.values.Find, text: b}
	for from := 0; ; {
		mark, isMark := marks.next(from)
		value, isValue := values.next(from)
		hit := mark
		part := Part{Secret: mark.Name, Escape: e}
		if isValue && (!isMark || value.Start < mark.Start) {
			hit = value
			part = Part{Secret: value.Name, Escape: AsSent, Lit: string(b[value.Start:value.End])}
		}
		if !isMark && !isValue {
			t.Lit(string(b[from:]))
			return t.Text()
		}
		t.Lit(string(b[from:hit.Start]))
		t.part(part)
		from = hit.End
	}
}

// A search goes through a text and keeps the hit that it has not passed yet.
type search struct {
	find func([]byte) (Hit, bool)
	text []byte
	hit  Hit
	has  bool // hit is one
	over bool // there are no more
}

// next returns the first hit at or after from, which never goes back.
func (s *search) next(from int) (Hit, bool) {
	if s.has && s.hit.Start >= from {
		return s.hit, true
	}
	if s.over {
		return Hit{}, false
	}
	s.hit, s.has = s.find(s.text[from:])
	s.over = !s.has
	s.hit.Start += from
	s.hit.End += from
	return s.hit, s.has
}

// Field returns the value of a header with the places of secrets. It looks inside the base64 of basic credentials (RFC
// 7617), which are encoded again on their way out.
func (p *Placeholders) Field(value string) Text {
	scheme, encoded, ok := strings.Cut(value, " ")
	if !ok || !strings.EqualFold(scheme, "basic") {
		return p.Text([]byte(value), Raw)
	}
	plain, err := decodeBase64(strings.TrimSpace(encoded))
	if err != nil {
		return p.Text([]byte(value), Raw)
	}
	inner := p.Text(plain, InBasic)
	if !inner.HasSecret() {
		return p.Text([]byte(value), Raw)
	}
	t := Text{{Lit: scheme + " "}}
	for _, part := range inner {
		part.Escape = InBasic
		t = append(t, part)
	}
	return t
}

// decodeBase64 decodes s with or without padding.
func decodeBase64(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}
