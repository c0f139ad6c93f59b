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
	MaxBody   = 64 << 20 // bytes of the longest body that is held whole
	MaxStream = 8 << 30  // bytes of the longest body that a program is given
	MaxInline = 16 << 10 // bytes of the longest body kept inside its document
	MaxChunks = 1 << 20  // of one event stream
)

// failures are the ways a call can go wrong. The value tells whether a part
// of an answer may have come before. "client": the program went away; the body
// is what had come to it.
var failures = map[string]bool{
	"timeout": true, "refused": false, "unresolved": false, "reset": true,
	"tls": false, "cut": true, "limit": true, "encoding": true, "client": true,
}

// IsFailure reports whether name is a way a call can go wrong.
func IsFailure(name string) bool {
	_, ok := failures[name]
	return ok
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
	i := AnswerInfo{Answer: *a, Size: int64(len(a.Body))}
	switch {
	case len(a.Body) > MaxBody:
		return nil, nil, fmt.Errorf("answer: body longer than %d bytes", MaxBody)
	case canInline(a.Body):
		i.Inline = a.Body
	default:
		body = a.Body
		d := digest.Of(body)
		i.Body = &d
	}
	doc, err = i.Encode()
	return doc, body, err
}

// canInline reports whether a body is kept inside its document.
func canInline(body []byte) bool { return len(body) <= MaxInline && utf8.Valid(body) }

// An AnswerInfo is an answer without the bytes of a long body. A program's
// answer may have one of up to [MaxStream] bytes.
type AnswerInfo struct {
	Answer                // but for its Body
	Size   int64          // of the body
	Inline []byte         // the body, when Body is nil
	Body   *digest.Digest // of the body, when the document names it
}

// Encode returns the document of the answer, which is that of [Answer.Encode].
// Whether a body is inline follows from it: at most [MaxInline] bytes of UTF-8
// are, and nothing else is.
func (i *AnswerInfo) Encode() (doc []byte, err error) {
	if err := i.check(); err != nil {
		return nil, err
	}
	if i.Status == 0 {
		return []byte(`{"error":"` + i.Error + `"}`), nil
	}
	b := make([]byte, 0, 256+len(i.Inline)*9/8)
	b = append(b, '{')
	if i.Body != nil {
		b = append(append(append(b, `"body":"`...), i.Body.String()...), `",`...)
	}
	b = append(b, `"error":`...)
	b = appendError(b, i.Error)
	b = append(b, `,"headers":`...)
	if b, err = appendPairs(b, i.Headers); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	if i.Lens != nil {
		b = append(b, `,"lens":`...)
		b = appendInts(b, i.Lens)
	}
	b = append(b, `,"size":`...)
	b = strconv.AppendInt(b, i.Size, 10)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(i.Status), 10)
	if i.Body == nil {
		b = append(b, `,"text":`...)
		if b, err = canon.AppendString(b, string(i.Inline)); err != nil {
			return nil, fmt.Errorf("answer: %w", err)
		}
	}
	b = append(b, `,"trailers":`...)
	if b, err = appendPairs(b, i.Trailers); err != nil {
		return nil, fmt.Errorf("answer: trailer: %w", err)
	}
	return append(b, '}'), nil
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

// check holds i to what its document can say.
func (i *AnswerInfo) check() error {
	partial, known := failures[i.Error]
	switch {
	case i.Error != "" && !known:
		return fmt.Errorf("answer: unknown failure %.40q", i.Error)
	case i.Error == "" && i.Status == 0:
		return errors.New("answer: neither a status nor a failure")
	case i.Status == 0 && (len(i.Headers)+len(i.Trailers) > 0 || i.Size > 0 || len(i.Inline) > 0 || i.Body != nil || i.Lens != nil):
		return errors.New("answer: a failure without a status has nothing else")
	case i.Status == 0:
		return nil
	case i.Status < 100 || i.Status > 999:
		return fmt.Errorf("answer: status %d is outside 100 to 999", i.Status)
	case i.Error != "" && !partial:
		return fmt.Errorf("answer: failure %q comes before a status", i.Error)
	case i.Size > MaxStream:
		return fmt.Errorf("answer: body longer than %d bytes", int64(MaxStream))
	case i.Body == nil && (int64(len(i.Inline)) != i.Size || !canInline(i.Inline)):
		return errors.New("answer: a body that is neither inline nor named")
	}
	if err := checkPairs(i.Headers); err != nil {
		return err
	}
	if err := checkPairs(i.Trailers); err != nil {
		return err
	}
	return checkLens(i.Lens, i.Size)
}

// CheckBody holds the body that the document names to what the document says
// of it: its length, and that it could not be inline. Of a body above
// [MaxInline] bytes, start may be anything.
func (i *AnswerInfo) CheckBody(size int64, start []byte) error {
	switch {
	case size != i.Size:
		return fmt.Errorf("answer: size is %d, its body has %d bytes", i.Size, size)
	case size <= MaxInline && canInline(start):
		return fmt.Errorf("answer body %s: it should be inline", i.Body.Short())
	}
	return nil
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

func checkLens(lens []int, size int64) error {
	if lens == nil {
		return nil
	}
	if len(lens) > MaxChunks {
		return fmt.Errorf("answer: more than %d chunks", MaxChunks)
	}
	sum := int64(0)
	for _, n := range lens {
		if n <= 0 || int64(n) > size-sum {
			return errors.New("answer: chunks do not add up to its size")
		}
		sum += int64(n)
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
	i, err := ParseAnswer(doc)
	if err != nil {
		return nil, err
	}
	if i.Size > MaxBody {
		return nil, fmt.Errorf("answer: body longer than %d bytes", MaxBody)
	}
	a := &i.Answer
	if a.Body = i.Inline; i.Body == nil {
		return a, nil
	}
	a.Body, err = blob(*i.Body)
	if err != nil {
		return nil, fmt.Errorf("answer body %s: %w", i.Body.Short(), err)
	}
	if digest.Of(a.Body) != *i.Body {
		return nil, fmt.Errorf("answer body %s: its bytes have another digest", i.Body.Short())
	}
	return a, i.CheckBody(int64(len(a.Body)), a.Body)
}

// ParseAnswer takes an answer document apart and reads no body that it names
// by digest: [AnswerInfo.CheckBody] says whether that is the right one. It
// accepts only what [AnswerInfo.Encode] makes.
func ParseAnswer(doc []byte) (*AnswerInfo, error) {
	s := canon.NewScanner(doc)
	i := new(AnswerInfo)
	s.Lit("{")
	if s.Try(`"body":`) {
		i.Body = scanDigest(s)
		s.Lit(",")
	}
	s.Lit(`"error":`)
	if !s.Try("null") {
		if i.Error = s.String(); i.Error == "" {
			s.Fail("a failure without a name")
		}
	}
	if i.Body != nil || !s.Try("}") {
		scanRest(s, i)
	}
	if err := s.End(); err != nil {
		return nil, fmt.Errorf("answer document: %w", err)
	}
	return i, i.check()
}

// scanRest reads what follows the failure in the document of an answer that
// has a status.
func scanRest(s *canon.Scanner, i *AnswerInfo) {
	s.Lit(`,"headers":`)
	i.Headers = scanPairs(s)
	if s.Try(`,"lens":`) {
		i.Lens = scanInts(s)
	}
	s.Lit(`,"size":`)
	i.Size = s.Int()
	s.Lit(`,"status":`)
	status := s.Int()
	if i.Size > MaxStream || status < 100 || status > 999 {
		s.Fail("a size or status out of range")
	}
	if i.Body == nil {
		s.Lit(`,"text":`)
		i.Inline = s.Bytes()
		if len(i.Inline) > MaxInline {
			s.Fail("a text too long to be inline")
		}
	}
	s.Lit(`,"trailers":`)
	i.Trailers = scanPairs(s)
	s.Lit("}")
	i.Status = int(status)
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
