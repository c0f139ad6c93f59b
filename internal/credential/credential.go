// Package credential finds what looks like a credential in a stream of bytes:
// keys and tokens that their issuers gave a form of their own, private keys and
// signed tokens. Nothing of this package is random or asks anybody.
//
//	sk-proj-Zm9vYmFy…  at byte 17: an API key (sk-…)
//
// A form is searched for as it is written, not encoded: the values that are
// known are searched for in their encodings by package wire. A form counts only
// where it stands alone, is as long as its issuer makes it and is as mixed as
// what is drawn at random; texts about such forms, placeholders and names that
// merely begin like one do not ([forms] says how each is told).
package credential

import "bytes"

// A Finding is what was found. It does not hold the value.
type Finding struct {
	What   string // in words, such as "an AWS access key ID (AKIA…)"
	Offset int64  // of its first byte
}

// window is how much is looked at together, and reach the longest form: what
// begins within it is found wherever a stream is cut.
const (
	window = 256 << 10
	reach  = 8 << 10
)

// A Scanner looks for credentials in what is written to it. The zero Scanner
// is at the start of a stream; it ends with [Scanner.Close].
type Scanner struct {
	buf   []byte // not yet looked at whole
	done  int    // what begins before it was looked at
	base  int64  // offset of buf in the stream
	found *Finding
}

// Write takes the next bytes of the stream. It fails never.
func (s *Scanner) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && s.found == nil {
		take := min(len(p), window+reach-len(s.buf))
		s.buf = append(s.buf, p[:take]...)
		p = p[take:]
		if len(s.buf) == window+reach {
			s.look(window)
		}
	}
	return n, nil
}

// Close ends the stream and returns the first finding, nil when there is none.
func (s *Scanner) Close() *Finding {
	if s.found == nil {
		s.look(len(s.buf))
	}
	return s.found
}

// look searches for what begins before end and lets go of what was looked at.
func (s *Scanner) look(end int) {
	first := end
	what := ""
	for i := range forms {
		f := &forms[i]
		for at := s.done; at < first; at++ {
			j := bytes.Index(s.buf[at:min(len(s.buf), first+len(f.prefix)-1)], f.prefix)
			if j < 0 {
				break
			}
			at += j
			if f.alone && at > 0 && wordByte(s.buf[at-1]) {
				continue
			}
			if f.is(s.buf[at+len(f.prefix):]) {
				first, what = at, f.what
			}
		}
	}
	if what != "" {
		s.found = &Finding{What: what, Offset: s.base + int64(first)}
		return
	}
	// One byte stays: it tells whether the next one begins a word.
	keep := max(0, end-1)
	s.base += int64(keep)
	s.buf = append(s.buf[:0], s.buf[keep:]...)
	s.done = end - keep
}

// Find returns the first credential in b, nil when there is none.
func Find(b []byte) *Finding {
	var s Scanner
	s.Write(b)
	return s.Close()
}
