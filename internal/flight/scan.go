package flight

import (
	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

// scan decodes the records that most of a long run consists of, calls,
// answers, heads and tails, without reflection. Of any other line, damaged
// ones included, it returns nil: [decode] decides about those.
func scan(line []byte) Record {
	s := canon.NewScanner(line)
	s.Lit("{")
	var ans digest.Digest
	isAnswer := s.Try(`"ans":`)
	if isAnswer {
		ans = scanDigest(s)
		s.Lit(",")
	}
	var at *int64
	if s.Try(`"at":`) {
		at = new(s.Int())
		s.Lit(",")
	}
	var e Envelope
	if s.Try(`"b":`) {
		if e.Branch = s.String(); e.Branch == "" {
			return nil // an empty branch is not written
		}
		s.Lit(",")
	}
	var r Record
	if s.Try(`"call":`) {
		call := s.Int()
		s.Lit(`,`)
		r = scanOfCall(s, e, at, call, isAnswer, digest.Answer(ans))
	} else if !isAnswer {
		r = scanCall(s, e, at)
	}
	if r == nil || s.End() != nil {
		return nil
	}
	return r
}

func scanCall(s *canon.Scanner, e Envelope, at *int64) Record {
	c := &Call{Envelope: e, At: at}
	s.Lit(`"kind":`)
	c.Kind = s.String()
	s.Lit(`,"n":`)
	c.N = s.Int()
	if s.Try(`,"p":`) {
		if c.P = s.Int(); c.P == 0 {
			return nil // it is not written
		}
	}
	scanPrev(s, &c.Envelope)
	s.Lit(`"req":`)
	c.Req = digest.Call(scanDigest(s))
	s.Lit(`,"t":"call"}`)
	c.T = "call"
	return c
}

// scanOfCall reads the rest of an answer, a tail or a head.
func scanOfCall(s *canon.Scanner, e Envelope, at *int64, call int64, isAnswer bool, ans digest.Answer) Record {
	if !isAnswer {
		h := &Head{Envelope: e, At: at, Call: call}
		s.Lit(`"head":`)
		h.Head = scanDigest(s)
		s.Lit(`,`)
		scanEnd(s, &h.Envelope, "head")
		return h
	}
	if s.Try(`"how":`) {
		t := &Tail{Envelope: e, At: at, Call: call, Ans: ans, How: s.String()}
		s.Lit(`,`)
		scanEnd(s, &t.Envelope, "tail")
		return t
	}
	if at != nil {
		return nil // no answer to a mission has one
	}
	a := &Answer{Envelope: e, Call: call, Ans: ans}
	scanEnd(s, &a.Envelope, "answer")
	return a
}

// scanEnd reads the members n, prev and t, the last ones of a record of type t.
func scanEnd(s *canon.Scanner, e *Envelope, t string) {
	s.Lit(`"n":`)
	e.N = s.Int()
	scanPrev(s, e)
	s.Lit(`"t":"`)
	s.Lit(t)
	s.Lit(`"}`)
	e.T = t
}

// scanPrev reads the member prev and the commas around it.
func scanPrev(s *canon.Scanner, e *Envelope) {
	s.Lit(`,"prev":`)
	e.Prev = scanDigest(s)
	s.Lit(`,`)
}

func scanDigest(s *canon.Scanner) digest.Digest {
	text := s.String()
	if !s.OK() {
		return digest.Digest{}
	}
	d, err := digest.Parse(text)
	if err != nil {
		s.Fail(err.Error())
	}
	return d
}
