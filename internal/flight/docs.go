package flight

import (
	"errors"
	"fmt"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/wire"
)

// A Form is what the bytes of a blob have to be.
type Form uint8

// The forms: any bytes, and the documents.
const (
	Content    Form = iota
	RequestDoc      // of a call, see wire.ParseDoc
	ExecDoc         // of the start of a program, see wire.ParseExec
	TreeDoc         // the footprint of a workspace, see workspace.Footprint
	AnswerDoc       // given to a mission whole, see wire.DecodeAnswer
	HeadDoc         // of an answer to a program, see wire.ParseHead
	StreamDoc       // the whole of an answer to a program, see wire.ParseAnswer
)

// A Ref is a blob that a document names in turn.
type Ref struct {
	Name
	answer *wire.AnswerInfo // whose body it is; nil for others
}

// Check holds a content that was read to what the document says of it. Start is
// the content, or at least its first [wire.MaxInline] bytes.
func (r Ref) Check(size int64, start []byte) error {
	if r.answer == nil {
		return nil
	}
	return r.answer.CheckBody(size, start)
}

// ParseDoc reads a document strictly, as the form of its name demands, and
// returns the blobs that it names in turn, in the order of its members.
func ParseDoc(name Name, doc []byte) ([]Ref, error) {
	ref := func(what string, d *digest.Digest, f Form) []Ref {
		if d == nil {
			return nil
		}
		return []Ref{{Name: Name{name.What + " " + what, *d, f}}}
	}
	switch name.Form {
	case RequestDoc:
		info, err := wire.ParseDoc(doc)
		if err != nil {
			return nil, err
		}
		return ref("body", info.BodyDigest, Content), nil
	case ExecDoc:
		e, err := wire.ParseExec(doc)
		if err != nil {
			return nil, err
		}
		var refs []Ref
		for _, f := range e.DotEnv {
			refs = append(refs, ref(fmt.Sprintf("dotenv %q", f.Path), &f.SHA256, Content)...)
		}
		return append(append(refs, ref("stdin", e.Stdin, Content)...), ref("tree", &e.Tree, TreeDoc)...), nil
	case TreeDoc:
		return parseTree(name, doc)
	case AnswerDoc, StreamDoc:
		i, err := parseAnswer(name.Form, doc)
		if err != nil || i.Body == nil {
			return nil, err
		}
		refs := ref("body", i.Body, Content)
		refs[0].answer = i
		return refs, nil
	case HeadDoc:
		_, _, err := wire.ParseHead(doc)
		return nil, err
	}
	return nil, nil
}

// parseAnswer reads an answer document and holds it to what its form allows.
func parseAnswer(f Form, doc []byte) (*wire.AnswerInfo, error) {
	i, err := wire.ParseAnswer(doc)
	switch {
	case err != nil:
		return nil, err
	case f == AnswerDoc && i.Size > wire.MaxBody:
		return nil, fmt.Errorf("answer: body longer than %d bytes", wire.MaxBody)
	case f == AnswerDoc && i.Error == "client":
		return nil, errors.New(`answer: failure "client", and no program`)
	case f == StreamDoc && (i.Lens == nil) != (i.Size == 0):
		return nil, errors.New("answer: to a program, with chunks and no body or the other way round")
	}
	return i, nil
}

// parseTree reads the footprint of a workspace.
func parseTree(name Name, doc []byte) ([]Ref, error) {
	var entries []Output // they have the same members
	if err := canon.Unmarshal(doc, &entries); err != nil {
		return nil, fmt.Errorf("footprint: %w", err)
	}
	var refs []Ref
	for i, e := range entries {
		if i > 0 && entries[i-1].Path >= e.Path {
			return nil, fmt.Errorf("footprint: %q: out of order", e.Path)
		}
		if e.SHA256 != nil {
			refs = append(refs, Ref{Name: Name{fmt.Sprintf("%s %q", name.What, e.Path), *e.SHA256, Content}})
		}
	}
	return refs, nil
}

// A Begun is what a program was given of an answer before its tail.
type Begun struct {
	Head *Head   // nil: none came
	Lens []int64 // of the chunks in data records
}

// Beginnings are those of the answers that have not ended, by their calls.
type Beginnings map[int64]Begun

// Add takes the next record.
func (b Beginnings) Add(rec Record) {
	switch rec := rec.(type) {
	case *Head:
		b[rec.Call] = Begun{Head: rec}
	case *Data:
		begun := b[rec.Call]
		begun.Lens = append(begun.Lens, rec.Lens...)
		b[rec.Call] = begun
	case *Tail:
		delete(b, rec.Call)
	}
}

// CheckTail holds the tail of an answer to its beginning and to the document
// that it names.
func CheckTail(t *Tail, b Begun, doc []byte) error {
	i, err := parseAnswer(StreamDoc, doc)
	if err != nil {
		return err
	}
	want := i.Error
	if want == "" {
		want = HowEOF
	}
	switch {
	case t.How != want:
		return fmt.Errorf("how is %q, its answer says %q", t.How, want)
	case (b.Head == nil) != (i.Status == 0):
		return errors.New("an answer with a status has a head, and no other has")
	case b.Head == nil:
		return nil
	case t.At != nil && !b.leadsTo(i):
		return errors.New("the chunks of the answer are not those delivered, and one more at most")
	}
	head, err := wire.EncodeHead(i.Status, i.Headers)
	if err == nil && digest.Of(head) != b.Head.Head {
		err = fmt.Errorf("record %d is not the head of this answer", b.Head.N)
	}
	return err
}

// leadsTo reports whether the chunks delivered before the tail are those of
// the answer, of which the last may have come with the tail. What the program
// left has none that came to it later.
func (b Begun) leadsTo(i *wire.AnswerInfo) bool {
	more := len(i.Lens) - len(b.Lens)
	if more < 0 || more > 1 || more == 1 && i.Error == "client" {
		return false
	}
	for k, n := range b.Lens {
		if int64(i.Lens[k]) != n {
			return false
		}
	}
	return true
}
