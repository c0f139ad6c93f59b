package canon

import (
	"fmt"
	"unicode/utf8"
)

// A Scanner reads a canonical document whose shape is known, without
// reflection: what it accepts has one spelling, so a caller that has read a
// document to its end need not encode it again to know that it is canonical.
//
//	s := canon.NewScanner(doc)
//	s.Lit(`{"name":`)
//	name := s.String()
//	s.Lit(`}`)
//	err := s.End()
//
// After the first thing that is not there every method returns its zero
// value; [Scanner.End] says what it was.
type Scanner struct {
	src []byte
	pos int
	err error
}

// NewScanner returns a Scanner at the start of doc.
func NewScanner(doc []byte) *Scanner { return &Scanner{src: doc} }

// Fail makes what the first error of s if it has none yet.
func (s *Scanner) Fail(what string) {
	if s.err == nil {
		s.err = fmt.Errorf("byte %d: %s", s.pos, what)
	}
}

// OK reports whether nothing was amiss so far.
func (s *Scanner) OK() bool { return s.err == nil }

// End returns the first error, one of them being bytes that were not read.
func (s *Scanner) End() error {
	if s.pos < len(s.src) {
		s.Fail("something after the document")
	}
	return s.err
}

// Try steps over lit if it comes next and reports whether it did.
func (s *Scanner) Try(lit string) bool {
	if s.err != nil || len(s.src)-s.pos < len(lit) || string(s.src[s.pos:s.pos+len(lit)]) != lit {
		return false
	}
	s.pos += len(lit)
	return true
}

// Lit steps over lit, which must come next.
func (s *Scanner) Lit(lit string) {
	if !s.Try(lit) {
		s.Fail(fmt.Sprintf("%q is missing", lit))
	}
}

// Int reads an integer from 0 to [MaxInt].
func (s *Scanner) Int() int64 {
	start, n := s.pos, int64(0)
	for s.err == nil && s.pos < len(s.src) && '0' <= s.src[s.pos] && s.src[s.pos] <= '9' {
		n = n*10 + int64(s.src[s.pos]-'0')
		s.pos++
		if n > MaxInt || s.pos-start > 1 && s.src[start] == '0' {
			s.Fail("a number is out of range or not canonical")
			return 0
		}
	}
	if s.pos == start {
		s.Fail("a number is missing")
	}
	return n
}

// String reads a string.
func (s *Scanner) String() string {
	text, _ := s.text()
	return string(text)
}

// Bytes reads a string and returns its text as bytes of its own.
func (s *Scanner) Bytes() []byte {
	text, own := s.text()
	if !own {
		text = append([]byte{}, text...)
	}
	return text
}

// text reads a string; own tells that it had escapes and is not part of src.
func (s *Scanner) text() (text []byte, own bool) {
	s.Lit(`"`)
	if s.err != nil {
		return nil, false
	}
	n := plain(s.src[s.pos:])
	if text = s.src[s.pos : s.pos+n]; s.pos+n < len(s.src) && s.src[s.pos+n] == '"' {
		s.pos += n
	} else {
		text, own = s.escaped(), true
	}
	if s.err == nil && !utf8.Valid(text) {
		s.Fail("a string is not valid UTF-8")
	}
	if s.err != nil {
		return nil, false
	}
	s.pos++
	return text, own
}

// escaped reads a string that has escapes in it, up to its quote.
func (s *Scanner) escaped() []byte {
	b := make([]byte, 0, 64)
	for {
		n := plain(s.src[s.pos:])
		b = append(b, s.src[s.pos:s.pos+n]...)
		s.pos += n
		if s.pos < len(s.src) && s.src[s.pos] == '"' {
			return b
		}
		c, n := canonicalEscape(s.src[s.pos:])
		if n == 0 {
			s.Fail("a string does not end or is not canonical")
			return nil
		}
		b = append(b, c)
		s.pos += n
	}
}

// canonicalEscape reads the escape at the start of b, if it is one that
// [AppendString] writes, and returns its length.
func canonicalEscape(b []byte) (byte, int) {
	if len(b) < 2 || b[0] != '\\' {
		return 0, 0
	}
	if c := unescaped[b[1]]; c != 0 {
		return c, 2
	}
	r, ok := hex4(b)
	if !ok || r >= 0x20 || string(appendEscape(nil, byte(r))) != string(b[:6]) {
		return 0, 0
	}
	return byte(r), 6
}
