package wire

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

// Limits on answers.
const (
	MaxBody   = 64 << 20 // bytes of the longest body
	MaxInline = 16 << 10 // bytes of the longest body kept inside its document
	MaxChunks = 1 << 20  // of one event stream
)

// failures are the ways a call can go wrong. The value tells whether a part
// of an answer may have come before.
var failures = map[string]bool{
	"timeout": true, "refused": false, "unresolved": false, "reset": true,
	"tls": false, "cut": true, "limit": true, "encoding": true,
}

// Encode returns the document of a, canonical JSON, and the bytes of the body
// when the document names them by digest, else nil:
//
//	{"error":null,"headers":[["retry-after","1"]],"size":0,"status":429,"text":"","trailers":[]}
//	{"body":"9f86d081…","error":"cut","headers":[],"lens":[9,8],"size":17,"status":200,"trailers":[]}
//	{"error":"refused"}
//
// A body of at most [MaxInline] bytes that is valid UTF-8 is kept as text.
// lens is there when a.Lens is not nil; its numbers are positive and add up to
// size. A failure before there was a status has no other member. An answer
// that breaks one of these rules, or has unsorted or malformed headers (see
// [HeaderList]), is an error.
func (a *Answer) Encode() (doc, body []byte, err error) {
	if err := a.check(); err != nil {
		return nil, nil, err
	}
	if a.Status == 0 {
		return []byte(`{"error":"` + a.Error + `"}`), nil, nil
	}
	b := make([]byte, 0, 256+min(len(a.Body), MaxInline)*9/8)
	b = append(b, '{')
	inline := len(a.Body) <= MaxInline && utf8.Valid(a.Body)
	if !inline {
		body = a.Body
		b = append(b, `"body":"`...)
		b = appendDigest(b, body)
		b = append(b, `",`...)
	}
	b = append(b, `"error":`...)
	b = appendError(b, a.Error)
	b = append(b, `,"headers":`...)
	if b, err = appendPairs(b, a.Headers); err != nil {
		return nil, nil, fmt.Errorf("answer: %w", err)
	}
	if a.Lens != nil {
		b = append(b, `,"lens":`...)
		b = appendInts(b, a.Lens)
	}
	b = append(b, `,"size":`...)
	b = strconv.AppendInt(b, int64(len(a.Body)), 10)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(a.Status), 10)
	if inline {
		b = append(b, `,"text":`...)
		if b, err = canon.AppendString(b, string(a.Body)); err != nil {
			return nil, nil, fmt.Errorf("answer: %w", err)
		}
	}
	b = append(b, `,"trailers":`...)
	if b, err = appendPairs(b, a.Trailers); err != nil {
		return nil, nil, fmt.Errorf("answer: trailer: %w", err)
	}
	return append(b, '}'), body, nil
}

func appendError(b []byte, e string) []byte {
	if e == "" {
		return append(b, "null"...)
	}
	return append(append(append(b, '"'), e...), '"')
}

func appendInts(b []byte, ns []int) []byte {
	b = append(b, '[')
	for i, n := range ns {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return append(b, ']')
}

// check holds a to what its document can say.
func (a *Answer) check() error {
	partial, known := failures[a.Error]
	switch {
	case a.Error != "" && !known:
		return fmt.Errorf("answer: unknown failure %.40q", a.Error)
	case a.Error == "" && a.Status == 0:
		return errors.New("answer: neither a status nor a failure")
	case a.Status == 0 && (len(a.Headers)+len(a.Trailers)+len(a.Body) > 0 || a.Lens != nil):
		return errors.New("answer: a failure without a status has nothing else")
	case a.Status == 0:
		return nil
	case a.Status < 100 || a.Status > 999:
		return fmt.Errorf("answer: status %d is outside 100 to 999", a.Status)
	case a.Error != "" && !partial:
		return fmt.Errorf("answer: failure %q comes before a status", a.Error)
	case len(a.Body) > MaxBody:
		return fmt.Errorf("answer: body longer than %d bytes", MaxBody)
	}
	if err := checkPairs(a.Headers); err != nil {
		return err
	}
	if err := checkPairs(a.Trailers); err != nil {
		return err
	}
	return checkLens(a.Lens, len(a.Body))
}

func checkPairs(pairs [][2]string) error {
	for i := range pairs {
		if err := checkPair(pairs, i); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	return nil
}

// checkPair refuses a header that is malformed or comes before the one it
// follows.
func checkPair(pairs [][2]string, i int) error {
	name, value := pairs[i][0], pairs[i][1]
	if !lowerToken(name) || !fieldValue(value) || strings.Trim(value, " \t") != value {
		return fmt.Errorf("header %.80q: malformed", name)
	}
	if i > 0 && pairs[i-1][0] > name {
		return fmt.Errorf("header %q: out of order", name)
	}
	return nil
}

func checkLens(lens []int, size int) error {
	if lens == nil {
		return nil
	}
	if len(lens) > MaxChunks {
		return fmt.Errorf("answer: more than %d chunks", MaxChunks)
	}
	sum := 0
	for _, n := range lens {
		if n <= 0 || n > size-sum {
			return errors.New("answer: chunks do not add up to its size")
		}
		sum += n
	}
	if sum != size {
		return errors.New("answer: chunks do not add up to its size")
	}
	return nil
}

// DecodeAnswer is the inverse of [Answer.Encode]. It accepts only what Encode
// makes. blob returns the body that the document names by digest; it is called
// at most once, and what it returns is checked.
func DecodeAnswer(doc []byte, blob func(digest.Digest) ([]byte, error)) (*Answer, error) {
	s := canon.NewScanner(doc)
	a := new(Answer)
	s.Lit("{")
	var body *digest.Digest
	if s.Try(`"body":`) {
		body = scanDigest(s)
		s.Lit(",")
	}
	s.Lit(`"error":`)
	if !s.Try("null") {
		if a.Error = s.String(); a.Error == "" {
			s.Fail("a failure without a name")
		}
	}
	size := 0
	if body != nil || !s.Try("}") {
		size = scanRest(s, a, body == nil)
	}
	if err := s.End(); err != nil {
		return nil, fmt.Errorf("answer document: %w", err)
	}
	if body != nil {
		var err error
		if a.Body, err = fetch(*body, size, blob); err != nil {
			return nil, err
		}
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	if len(a.Body) != size {
		return nil, fmt.Errorf("answer: size is %d, its body has %d bytes", size, len(a.Body))
	}
	return a, nil
}

// scanRest reads what follows the failure in the document of an answer that
// has a status, and returns the size it tells.
func scanRest(s *canon.Scanner, a *Answer, inline bool) int {
	s.Lit(`,"headers":`)
	a.Headers = scanPairs(s)
	if s.Try(`,"lens":`) {
		a.Lens = scanInts(s)
	}
	s.Lit(`,"size":`)
	size := s.Int()
	s.Lit(`,"status":`)
	status := s.Int()
	if size > MaxBody || status < 100 || status > 999 {
		s.Fail("a size or status out of range")
	}
	if inline {
		s.Lit(`,"text":`)
		a.Body = s.Bytes()
		if len(a.Body) > MaxInline {
			s.Fail("a text too long to be inline")
		}
	}
	s.Lit(`,"trailers":`)
	a.Trailers = scanPairs(s)
	s.Lit("}")
	a.Status = int(status)
	return int(size)
}

func scanInts(s *canon.Scanner) []int {
	ns := []int{}
	s.Lit("[")
	for s.OK() && !s.Try("]") {
		if len(ns) > 0 {
			s.Lit(",")
		}
		n := s.Int()
		if n > MaxBody || len(ns) >= MaxChunks {
			s.Fail("chunks out of range")
		}
		ns = append(ns, int(n))
	}
	return ns
}

func fetch(d digest.Digest, size int, blob func(digest.Digest) ([]byte, error)) ([]byte, error) {
	body, err := blob(d)
	if err != nil {
		return nil, fmt.Errorf("answer body %s: %w", d.Short(), err)
	}
	if digest.Of(body) != d {
		return nil, fmt.Errorf("answer body %s: its bytes have another digest", d.Short())
	}
	if len(body) == size && size <= MaxInline && utf8.Valid(body) {
		return nil, fmt.Errorf("answer body %s: it should be inline", d.Short())
	}
	return body, nil
}

// BodyOf returns the digest of the body that an answer document names, nil
// when the body is inline or there is none. It reads no more than it must:
// [DecodeAnswer] says whether the document is sound.
func BodyOf(doc []byte) (*digest.Digest, error) {
	s := canon.NewScanner(doc)
	if !s.Try(`{"body":`) {
		return nil, nil
	}
	d := scanDigest(s)
	if !s.OK() {
		return nil, fmt.Errorf("answer document: %w", s.End())
	}
	return d, nil
}

// Header returns the first value of the header called name, lower-case, or "".
func (a *Answer) Header(name string) string { return first(a.Headers, name) }

// HeaderList returns the fields of an http.Header in the order of an answer:
// names lower-case, sorted, the values of one name in their order, white space
// around them trimmed. A value that is not valid UTF-8 is read as ISO-8859-1;
// control characters, which no sound answer has, become U+FFFD, and a
// malformed name is left out with its values.
func HeaderList(h map[string][]string) [][2]string {
	out := [][2]string{}
	for _, key := range slices.Sorted(maps.Keys(h)) {
		name := strings.ToLower(key)
		if !token(name) {
			continue
		}
		for _, v := range h[key] {
			out = append(out, [2]string{name, cleanValue(v)})
		}
	}
	slices.SortStableFunc(out, byName)
	return out
}

func cleanValue(v string) string {
	v = strings.Trim(v, " \t")
	if fieldValue(v) && utf8.ValidString(v) {
		return v
	}
	latin := !utf8.ValidString(v)
	var b strings.Builder
	for i, r := range v {
		if latin && r == utf8.RuneError {
			r = rune(v[i])
		}
		if r < ' ' && r != '\t' || r == 0x7f {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}
