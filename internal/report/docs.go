package report

import (
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

// Docs reads what the records of a run name by digest.
type Docs struct {
	Blob func(digest.Digest) ([]byte, error)
	// Look returns the length of a blob, and its content when that is no more
	// than limit bytes; nil: by Blob.
	Look func(d digest.Digest, limit int64) (size int64, content []byte, err error)
}

// look is Look, however it is done.
func (d Docs) look(sum digest.Digest, limit int64) (int64, []byte, error) {
	if d.Look != nil {
		return d.Look(sum, limit)
	}
	b, err := d.Blob(sum)
	if err != nil {
		return 0, nil, err
	}
	size := int64(len(b))
	if size > limit {
		b = nil
	}
	return size, b, nil
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

// Exec returns the start of a program with the key k.
func (d Docs) Exec(k digest.Call) (*wire.Exec, error) {
	doc, err := d.Blob(digest.Digest(k))
	if err != nil {
		return nil, err
	}
	return wire.ParseExec(doc)
}

// Head returns the head of an answer to a program.
func (d Docs) Head(sum digest.Digest) (*wire.Answer, error) {
	doc, err := d.Blob(sum)
	if err != nil {
		return nil, err
	}
	a := new(wire.Answer)
	a.Status, a.Headers, err = wire.ParseHead(doc)
	return a, err
}

// An Answer is what came back for a call.
type Answer struct {
	wire.Answer
	Size int64          // of the body
	Long *digest.Digest // of a body that is too long to be shown, and not in Body
}

// Answer returns the answer with the digest a. A body above [wire.MaxBody],
// which only a program can be given, is not read.
func (d Docs) Answer(a digest.Answer) (*Answer, error) {
	doc, err := d.Blob(digest.Digest(a))
	if err != nil {
		return nil, err
	}
	info, err := wire.ParseAnswer(doc)
	if err != nil {
		return nil, err
	}
	out := &Answer{Answer: info.Answer, Size: info.Size}
	if info.Size > wire.MaxBody {
		out.Long = info.Body
		return out, nil
	}
	whole, err := wire.DecodeAnswer(doc, d.Blob)
	if err != nil {
		return nil, err
	}
	out.Answer = *whole
	return out, nil
}
