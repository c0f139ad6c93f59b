package flight

import (
	"fmt"

	"github.com/coo-runtime/coo/internal/digest"
)

// A Name is a digest that a record gives, and what it stands for.
type Name struct {
	What   string // the record's member: req, ans, sha256, tree, …
	Digest digest.Digest
	Form   Form
}

// IsDoc reports whether the blob is a document that [ParseDoc] reads.
func (n Name) IsDoc() bool { return n.Form != Content }

// Names appends to dst every blob that r names, in the order of its members.
// Lines (prev) and the Merkle root are no blobs.
func Names(dst []Name, r Record) []Name {
	doc := func(what string, d digest.Digest, f Form) { dst = append(dst, Name{what, d, f}) }
	one := func(what string, d digest.Digest) { doc(what, d, Content) }
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
		form := RequestDoc
		if r.Kind == "exec" {
			form = ExecDoc
		}
		doc("req", digest.Digest(r.Req), form)
	case *Answer:
		doc("ans", digest.Digest(r.Ans), AnswerDoc)
	case *Head:
		doc("head", r.Head, HeadDoc)
	case *Tail:
		doc("ans", digest.Digest(r.Ans), StreamDoc)
	case *Exit:
		one("stdout", r.Stdout)
		one("stderr", r.Stderr)
		for _, f := range r.Writes {
			opt("write", f.SHA256)
		}
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
