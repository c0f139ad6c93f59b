package flight

import (
	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
)

// scan decodes the two records that most of a long run consists of, calls and
// answers, without reflection. Of any other line, damaged ones included, it
// returns nil: [decode] decides about those.
func scan(line []byte) Record {
	s := canon.NewScanner(line)
	s.Lit("{")
	var ans digest.Digest
	isAnswer := s.Try(`"ans":`)
	if isAnswer {
		ans = scanDigest(s)
		s.Lit(",")
	}
	var e Envelope
	if s.Try(`"b":`) {
		if e.Branch = s.String(); e.Branch == "" {
			return nil // an empty branch is not written
		}
		s.Lit(",")
	}
	if isAnswer {
		return scanAnswer(s, e, digest.Answer(ans))
	}
	return scanCall(s, e)
}

func scanCall(s *canon.Scanner, e Envelope) Record {
	c := &Call{Envelope: e}
	s.Lit(`"kind":`)
	c.Kind = s.String()
	s.Lit(`,`)
	scanEnvelope(s, &c.Envelope)
	s.Lit(`"req":`)
	c.Req = digest.Call(scanDigest(s))
	s.Lit(`,"t":"call"}`)
	c.T = "call"
	if s.End() != nil {
		return nil
	}
	return c
}

func scanAnswer(s *canon.Scanner, e Envelope, ans digest.Answer) Record {
	a := &Answer{Envelope: e, Ans: ans}
	s.Lit(`"call":`)
	a.Call = s.Int()
	s.Lit(`,`)
	scanEnvelope(s, &a.Envelope)
	s.Lit(`"t":"answer"}`)
	a.T = "answer"
	if s.End() != nil {
		return nil
	}
	return a
}

// scanEnvelope reads the members n and prev and the comma after them.
func scanEnvelope(s *canon.Scanner, e *Envelope) {
	s.Lit(`"n":`)
	e.N = s.Int()
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
