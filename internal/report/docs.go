package report

import (
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

// Docs reads what the records of a run name by digest.
type Docs struct {
	Blob func(digest.Digest) ([]byte, error)
}

// A Request is a call's question, taken apart.
type Request struct {
	*wire.DocInfo
	Body []byte // canonical JSON or raw bytes; nil when there is none
}

// Request returns the question with the key k.
func (d Docs) Request(k digest.Call) (*Request, error) {
	doc, err := d.Blob(digest.Digest(k))
	if err != nil {
		return nil, err
	}
	info, err := wire.ParseDoc(doc)
	if err != nil {
		return nil, err
	}
	r := &Request{DocInfo: info}
	if info.BodyDigest != nil {
		r.Body, err = d.Blob(*info.BodyDigest)
	}
	return r, err
}

// Answer returns the answer with the digest a.
func (d Docs) Answer(a digest.Answer) (*wire.Answer, error) {
	doc, err := d.Blob(digest.Digest(a))
	if err != nil {
		return nil, err
	}
	return wire.DecodeAnswer(doc, d.Blob)
}
