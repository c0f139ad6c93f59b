package flight

import (
	"fmt"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

// A Name is a digest that a record gives, and what it stands for.
type Name struct {
	What   string // the record's member: req, ans, sha256, tree, …
	Digest digest.Digest
}

// IsDoc reports whether the blob is a document that may name another.
func (n Name) IsDoc() bool { return n.What == "req" || n.What == "ans" }

// ParseDoc reads a request or answer document strictly. It calls body for the
// blob that the document names in turn, if it does, and returns body's error.
func ParseDoc(name Name, doc []byte, body func(digest.Digest) ([]byte, error)) error {
	if name.What == "ans" {
		_, err := wire.DecodeAnswer(doc, body)
		return err
	}
	info, err := wire.ParseDoc(doc)
	if err == nil && info.BodyDigest != nil {
		_, err = body(*info.BodyDigest)
	}
	return err
}

// Names appends to dst every blob that r names, in the order of its members.
// Lines (prev) and the Merkle root are no blobs.
func Names(dst []Name, r Record) []Name {
	one := func(what string, d digest.Digest) { dst = append(dst, Name{what, d}) }
	opt := func(what string, d *digest.Digest) {
		if d != nil {
			one(what, *d)
		}
	}
	switch r := r.(type) {
	case *Open:
		for _, f := range r.Mission.Files {
			one("file "+fmt.Sprintf("%q", f.Path), f.SHA256)
		}
		for _, x := range r.Rules {
			one("rules "+fmt.Sprintf("%q", x.ID), x.SHA256)
		}
	case *Input:
		opt("sha256", r.SHA256)
	case *Call:
		one("req", digest.Digest(r.Req))
	case *Answer:
		one("ans", digest.Digest(r.Ans))
	case *Write:
		opt("sha256", r.SHA256)
	case *Step:
		one("tree", r.Tree)
	case *Rollback:
		one("tree", r.Tree)
		for _, u := range r.Undone {
			opt("wrote", u.Wrote)
		}
	case *Log:
		opt("sha256", r.SHA256)
	case *End:
		opt("result", r.Result)
	case *Seal:
		one("freeze", r.Freeze)
		one("before", r.Before)
		one("after", r.After)
		for _, f := range r.Outputs {
			opt("output", f.SHA256)
		}
	}
	return dst
}
