package wire

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits on the value of a secret, in bytes. A shorter one would be found
// where it does not stand.
const (
	MinSecret = 8
	MaxSecret = 16 << 10
)

// Secrets finds the values of secrets in what came from outside, in every
// form that a server is likely to give them back in: as they are, escaped in
// JSON, percent-encoded, in hexadecimal, in base64 (see [spellings]). A nil
// *Secrets finds nothing. It is read-only: goroutines may share one.
type Secrets struct {
	auto automaton
	mark func(name string) string // what stands in the place of a secret; nil: "<secret NAME>"
}

// A Hit is where a secret stands in some bytes.
type Hit struct {
	Name       string
	Form       string // raw, json, percent, hex, base64
	Start, End int
}

// NewSecrets prepares the search for values, by name. A value shorter than
// [MinSecret] or longer than [MaxSecret] is refused; no error holds a value.
// Of two names with the same value the first in order is told.
func NewSecrets(values map[string]string) (*Secrets, error) {
	s := new(Secrets)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := CheckSecretName(name); err != nil {
			return nil, err
		}
		v := values[name]
		if len(v) < MinSecret || len(v) > MaxSecret {
			return nil, fmt.Errorf("secret %s: its value has %d bytes: %d to %d can be kept out of a record", name, len(v), MinSecret, MaxSecret)
		}
		for _, sp := range spellings(v) {
			s.auto.add(sp.text, name, sp.form)
		}
	}
	s.auto.link()
	return s, nil
}

// MaxCredentials is the number of credentials without a name that are looked
// for at once.
const MaxCredentials = 16

// NewProgramSecrets is [NewSecrets] for what a program gets to see: its
// placeholder stands in the place of a secret, so that a program which sends
// back what it was given is understood. credentials are values that the
// program itself sent ([Request.Credentials]); "<credential>" takes their
// place. Those that cannot be searched for and those beyond [MaxCredentials]
// are passed over.
func NewProgramSecrets(values map[string]string, credentials []string) (*Secrets, error) {
	s, err := NewSecrets(values)
	if err != nil {
		return nil, err
	}
	out := &Secrets{mark: programMark}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, sp := range spellings(values[name]) {
			out.auto.add(sp.text, name, sp.form)
		}
	}
	for _, v := range credentials[:min(len(credentials), MaxCredentials)] {
		if len(v) < MinSecret || len(v) > MaxSecret {
			continue
		}
		for _, sp := range spellings(v) {
			out.auto.add(sp.text, "", sp.form)
		}
	}
	if len(out.auto.nodes) == 0 {
		return s, nil
	}
	out.auto.link()
	return out, nil
}

func programMark(name string) string {
	if name == "" {
		return credentialMark
	}
	return Placeholder(name)
}

// Find returns the first secret in b: the leftmost and, of those that begin
// there, the longest.
func (s *Secrets) Find(b []byte) (Hit, bool) {
	if s == nil {
		return Hit{}, false
	}
	return s.auto.find(b)
}

// Replace returns b with "<secret NAME>" in the place of every secret, from
// left to right, the longest first where several begin. It returns b itself
// when there is none.
func (s *Secrets) Replace(b []byte) []byte {
	r := s.Stream()
	out := r.Write(b)
	if tail := r.Close(); len(tail) > 0 {
		if r.hits == 0 {
			return b
		}
		out = append(out, tail...)
	}
	return out
}

// Stream returns a Redactor at the start of a text that comes in chunks.
func (s *Secrets) Stream() *Redactor {
	if s == nil || len(s.auto.nodes) <= 1 {
		return &Redactor{}
	}
	return &Redactor{matcher: matcher{auto: &s.auto}, mark: s.mark}
}

// Cover is [Secrets.Stream] for what must keep its length: a binary format,
// or a body whose length was told before. A secret is covered with as many
// bytes as it has, "cooxxxxx".
func (s *Secrets) Cover() *Redactor {
	r := s.Stream()
	r.cover = true
	return r
}

// A Redactor replaces secrets in a text that comes in chunks, wherever the
// chunks are cut: what it releases, put together, is what [Secrets.Replace]
// makes of the whole.
type Redactor struct {
	matcher matcher // auto nil: there is nothing to look for
	held    []byte  // not released yet: it begins a secret
	base    int     // where what is not released begins in the text
	hits    int
	mark    func(name string) string
	cover   bool
	first   Hit
}

// Write takes the next chunk and returns what can be released: everything but
// a tail that begins a secret. The result may share memory with chunk, and
// may be empty.
func (r *Redactor) Write(chunk []byte) []byte {
	if r.matcher.auto == nil {
		return chunk
	}
	text, from := chunk, 0
	if len(r.held) > 0 {
		from = len(r.held)
		text = append(r.held, chunk...)
		r.held = nil
	}
	return r.release(text, from, false)
}

// Close returns what was held back: the text has ended.
func (r *Redactor) Close() []byte {
	if r.matcher.auto == nil || len(r.held) == 0 {
		return nil
	}
	text := r.held
	r.held = nil
	return r.release(text, len(text), true)
}

// append appends what stands in the place of p.
func (r *Redactor) append(out []byte, p pattern) []byte {
	switch {
	case r.cover:
		out = append(out, "coo"...)
		return append(out, strings.Repeat("x", p.size-len("coo"))...)
	case r.mark != nil:
		return append(out, r.mark(p.name)...)
	}
	return append(append(append(out, "<secret "...), p.name...), '>')
}

// Hits returns how many secrets were replaced so far.
func (r *Redactor) Hits() int { return r.hits }

// First returns the first secret that was replaced, by its place in the whole
// text, and whether there was one.
func (r *Redactor) First() (Hit, bool) { return r.first, r.hits > 0 }

// release scans text, of which the first from bytes were scanned before, and
// returns what is settled. At the end of the text everything is.
func (r *Redactor) release(text []byte, from int, end bool) []byte {
	var out []byte
	m := &r.matcher
	m.pos = from
	for m.scan(text) || end && m.found() {
		p := m.auto.patterns[m.pattern]
		out = append(out, text[:m.start]...)
		out = r.append(out, p)
		if r.hits == 0 {
			r.first = Hit{p.name, p.form, r.base + m.start, r.base + m.start + p.size}
		}
		r.base += m.start + p.size
		text = text[m.start+p.size:]
		r.hits++
		m.reset()
	}
	keep := len(text) - m.pending()
	if end {
		keep = len(text)
	}
	// What is held is copied: the caller may use the chunk again.
	r.held = append([]byte(nil), text[keep:]...)
	r.base += keep
	m.shift(keep)
	if out == nil {
		return text[:keep:keep]
	}
	return append(out, text[:keep]...)
}
