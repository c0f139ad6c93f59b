package flight

import (
	"errors"
	"fmt"
	"io"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

// A visitor looks at a blob that record n names, in a member or by way of a
// document. It is called once for each blob, and once more for each further
// form that the blob is named in; first tells the first time. It returns the
// content of a document, which is looked at in turn, and nothing of others.
type visitor func(n int64, r Ref, first bool) (doc []byte, err error)

// eachBlob visits every blob that the run names, in the order of the records
// and their members, a document before what it names in turn.
func (run *Run) eachBlob(visit visitor) error {
	e := eacher{run: run, visit: visit, seen: map[digest.Digest]bool{}, parsed: map[parsedName]bool{}, heads: map[int64]*Head{}}
	var names []Name
	for i, rec := range run.Records {
		names = Names(names[:0], rec)
		for _, name := range names {
			if err := e.blob(int64(i), Ref{Name: name}); err != nil {
				return err
			}
		}
		if err := e.stream(rec); err != nil {
			return err
		}
	}
	return nil
}

// An eacher is one walk of eachBlob.
type eacher struct {
	run    *Run
	visit  visitor
	seen   map[digest.Digest]bool
	parsed map[parsedName]bool
	heads  map[int64]*Head // by their calls

	last   []byte // the document that was read last
	lastOf digest.Digest
}

// A parsedName is a blob and a form in which it was read.
type parsedName struct {
	digest digest.Digest
	form   Form
}

func (e *eacher) blob(n int64, r Ref) error {
	first := !e.seen[r.Digest]
	key := parsedName{r.Digest, r.Form}
	isDoc := r.IsDoc() && !e.parsed[key]
	if !first && !isDoc && r.answer == nil {
		return nil
	}
	doc, err := e.visit(n, r, first)
	if err != nil {
		return err
	}
	e.seen[r.Digest] = true
	if !isDoc {
		return nil
	}
	e.parsed[key] = true
	e.last, e.lastOf = doc, r.Digest
	refs, err := ParseDoc(r.Name, doc)
	if err != nil {
		return e.run.damage(n, r.Name, err)
	}
	for _, ref := range refs {
		if err := e.blob(n, ref); err != nil {
			return err
		}
	}
	return nil
}

// stream checks that head and tail of an answer to a program are of one answer.
func (e *eacher) stream(rec Record) error {
	switch rec := rec.(type) {
	case *Head:
		e.heads[rec.Call] = rec
	case *Tail:
		doc, err := e.last, error(nil)
		if e.lastOf != digest.Digest(rec.Ans) {
			doc, err = e.run.Blob(digest.Digest(rec.Ans))
		}
		if err != nil {
			return err
		}
		return e.run.checkTail(rec, e.heads[rec.Call], doc)
	}
	return nil
}

// checkTail is [CheckTail] of a run that was read.
func (run *Run) checkTail(t *Tail, h *Head, doc []byte) error {
	err := CheckTail(t, h, doc)
	if err == nil {
		return nil
	}
	d := &store.DamageError{Path: run.Dir + "/" + journalFile, Record: t.N, What: "tail: " + err.Error()}
	if run.Seal != nil {
		d.Path, d.Offset = run.Dir+"/"+store.FlightFile, offsetOf(run.Lines, t.N)
	}
	return d
}

// damage says that a document is not what its name says.
func (run *Run) damage(n int64, name Name, err error) error {
	return &store.DamageError{Path: run.blobPath(name.Digest), Record: n, What: name.What + ": " + err.Error()}
}

// blobPath names the file that has blob d, for errors.
func (run *Run) blobPath(d digest.Digest) string {
	if _, ok := run.inline[d]; ok {
		return run.Dir + "/" + journalFile
	}
	return store.BlobPath(d)
}

// BlobTo writes the content of a blob that the run names, of any length, to w.
func (run *Run) BlobTo(d digest.Digest, w io.Writer) error { return run.blobTo(d, w, nil) }

func (run *Run) blobTo(d digest.Digest, w io.Writer, visit func(path string, size int64)) error {
	if _, ok := run.inline[d]; !ok {
		return run.st.VisitTo(d, w, visit)
	}
	b, err := run.Blob(d)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// Look returns the length of a blob that the run names and, when that is no more
// than limit bytes, its content. Of a longer one only the length is read.
func (run *Run) Look(d digest.Digest, limit int64) (size int64, content []byte, err error) {
	if p, ok := run.inline[d]; ok {
		size = int64(p.length)
	} else {
		r, err := run.st.GetReader(d)
		if err != nil {
			return 0, nil, err
		}
		size = r.(*store.Reader).Size()
	}
	if size <= limit {
		content, err = run.Blob(d)
	}
	return size, content, err
}

// read takes the content of what a run names: a document whole, of anything
// else its size. What the document that names it says of it is checked.
func (run *Run) read(n int64, r Ref, w io.Writer, visit func(path string, size int64)) (doc []byte, size int64, err error) {
	s := start{w: w, keep: wire.MaxInline}
	if r.IsDoc() {
		s.keep = store.MaxBlob
	}
	if err := run.blobTo(r.Digest, &s, visit); err != nil {
		return nil, 0, err
	}
	if err := r.Check(s.size, s.b); err != nil {
		return nil, 0, run.damage(n, r.Name, err)
	}
	if !r.IsDoc() {
		return nil, s.size, nil
	}
	return s.b, s.size, nil
}

// A start keeps the first bytes of what goes through it to w, and counts all.
type start struct {
	w    io.Writer
	keep int
	b    []byte
	size int64
}

func (s *start) Write(p []byte) (int, error) {
	s.b = append(s.b, p[:min(len(p), s.keep-len(s.b))]...)
	s.size += int64(len(p))
	return s.w.Write(p)
}

// A walker reads blobs and counts each blob and each file once.
type walker struct {
	run   *Run
	rep   *Report
	files map[string]bool
}

func (w *walker) blob(n int64, r Ref, first bool) ([]byte, error) {
	doc, size, err := w.run.read(n, r, io.Discard, w.file)
	if e, ok := errors.AsType[*store.DamageError](err); ok && e.Record < 0 {
		at := *e
		at.Record, at.What = n, r.What+": "+at.What
		return nil, &at
	}
	if err != nil {
		return nil, fmt.Errorf("record %d: %s: %w", n, r.What, err)
	}
	if first {
		w.rep.Blobs++
		w.rep.Bytes += size
	}
	return doc, nil
}

func (w *walker) file(path string, size int64) {
	if !w.files[path] {
		w.files[path] = true
		w.rep.Files++
		w.rep.Stored += size
	}
}
