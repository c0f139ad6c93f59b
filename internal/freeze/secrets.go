package freeze

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/coo-runtime/coo/internal/wire"
)

// secrets are the values that must not come back in an answer.
type secrets struct {
	lookup func(name string) (string, bool)

	mu     sync.Mutex // guards the rest
	values map[string]string
	// exact finds the values as they are; lower finds them in header names,
	// whose case is lost on the way. Both are nil as long as none is known.
	exact, lower *wire.Secrets

	credentials  []string // sent by a program, the newest last
	program      *redactor
	programStale bool // program is not for these values
}

// value returns the real value of the secret called name and lets it be taken
// out of everything that comes back from now on.
func (s *secrets) value(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.values[name]; ok {
		return v, nil
	}
	if s.lookup == nil {
		return "", &MissingSecretError{Name: name}
	}
	v, ok := s.lookup(name)
	if !ok {
		return "", &MissingSecretError{Name: name}
	}
	values := map[string]string{name: v}
	maps.Copy(values, s.values)
	exact, err := wire.NewSecrets(values)
	if err != nil {
		return "", err
	}
	folded := make(map[string]string, len(values))
	// order: fills a map
	for k, v := range values {
		folded[k] = lowerASCII(v)
	}
	lower, err := wire.NewSecrets(folded)
	if err != nil {
		return "", err
	}
	s.values, s.exact, s.lower = values, exact, lower
	s.programStale = true
	return v, nil
}

// programRedactor returns what takes the secrets known now, and credentials
// that the program sent, out of the answers to a program. Of credentials it
// remembers the newest.
func (s *secrets) programRedactor(credentials []string) (*redactor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range credentials {
		if !slices.Contains(s.credentials, c) {
			s.credentials = append(s.credentials, c)
			s.programStale = true
		}
	}
	s.credentials = s.credentials[max(0, len(s.credentials)-wire.MaxCredentials):]
	if s.programStale || s.program == nil {
		exact, err := wire.NewProgramSecrets(s.values, s.credentials)
		if err != nil {
			return nil, err
		}
		folded := make(map[string]string, len(s.values))
		// order: fills a map
		for k, v := range s.values {
			folded[k] = lowerASCII(v)
		}
		lower, err := wire.NewProgramSecrets(folded, nil)
		if err != nil {
			return nil, err
		}
		s.program = &redactor{exact: exact, lower: lower, none: len(s.values)+len(s.credentials) == 0}
		s.programStale = false
	}
	r := *s.program
	return &r, nil
}

// redactor returns what takes out the secrets known now.
func (s *secrets) redactor() *redactor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &redactor{exact: s.exact, lower: s.lower}
}

// A redactor takes the secrets out of one answer.
type redactor struct {
	exact, lower *wire.Secrets
	none         bool // there is nothing to look for
	replaced     bool // something was taken out
}

// fields takes the secrets out of headers or trailers.
func (r *redactor) fields(h map[string][]string) map[string][]string {
	if r.exact == nil {
		return h
	}
	out := make(map[string][]string, len(h))
	// Sorted: two names may become one.
	for _, name := range slices.Sorted(maps.Keys(h)) {
		clean := r.name(name)
		for _, v := range h[name] {
			out[clean] = append(out[clean], string(r.bytes(r.exact, []byte(v))))
		}
	}
	return out
}

// name takes the secrets out of a header name. A name cannot hold
// "<secret NAME>", so it gets "secret-name".
func (r *redactor) name(s string) string {
	lower := []byte(lowerASCII(s))
	clean := r.bytes(r.lower, lower)
	if string(clean) == string(lower) {
		return s
	}
	return lowerASCII(strings.NewReplacer("<secret ", "secret-", "<", "", ">", "").Replace(string(clean)))
}

func (r *redactor) bytes(s *wire.Secrets, b []byte) []byte {
	if _, ok := s.Find(b); !ok {
		return b
	}
	r.replaced = true
	return s.Replace(b)
}

// body takes the secrets out of a body, chunk by chunk when it has lens. Of a
// body that broke off, what may be the beginning of a secret goes too, from
// the length of the shortest secret.
func (r *redactor) body(body []byte, lens []int, whole bool) ([]byte, []int) {
	if r.exact == nil {
		return body, lens
	}
	if _, ok := r.exact.Find(body); ok {
		r.replaced = true
	} else if whole {
		return body, lens
	}
	chunks := lens
	if lens == nil {
		chunks = []int{len(body)}
	}
	stream := r.exact.Stream()
	out := make([]byte, 0, len(body))
	clean := []int{}
	for _, n := range chunks {
		released := stream.Write(body[:n])
		body = body[n:]
		out, clean = appendChunk(out, clean, released)
	}
	held := stream.Close()
	if whole || len(held) < wire.MinSecret {
		out, clean = appendChunk(out, clean, held)
	}
	if lens == nil {
		clean = nil
	}
	return out, clean
}

// appendChunk appends chunk to body and its length to lens. Beyond the number
// of chunks that an answer may have, the last one grows.
func appendChunk(body []byte, lens []int, chunk []byte) ([]byte, []int) {
	switch {
	case len(chunk) == 0:
		return body, lens
	case len(lens) == wire.MaxChunks:
		lens[len(lens)-1] += len(chunk)
	default:
		lens = append(lens, len(chunk))
	}
	return append(body, chunk...), lens
}

// lowerASCII maps A to Z and nothing else, so that lengths stay.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
