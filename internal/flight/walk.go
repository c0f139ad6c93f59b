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
	e := eacher{run: run, visit: visit, seen: map[digest.Digest]bool{}, parsed: map[parsedName]bool{}, pairs: Pairing{Run: run}}
	var names []Name
	for i, rec := range run.Records {
		names = Names(names[:0], rec)
		for _, name := range names {
			if err := e.blob(int64(i), Ref{Name: name}); err != nil {
				return err
			}
		}
		if err := e.pairs.Add(rec, e.answer); err != nil {
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
	pairs  Pairing

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

// answer returns the document of an answer, most often the one just read.
func (e *eacher) answer(d digest.Digest) ([]byte, error) {
	if e.lastOf == d {
		return e.last, nil
	}
	return e.run.Blob(d)
}

// A Pairing holds the tails of a run to their beginnings and their answers. Add it
// every record in turn; run is the one that they are of.
type Pairing struct {
	Run   *Run
	begun Beginnings
}

// Add takes the next record. Doc returns the answer's document when it is a
// tail. What does not fit is a [*store.DamageError] of the lines.
func (p *Pairing) Add(rec Record, doc func(digest.Digest) ([]byte, error)) error {
	if p.begun == nil {
		p.begun = Beginnings{}
	}
	if rec, ok := rec.(*Tail); ok {
		b, err := doc(digest.Digest(rec.Ans))
		if err != nil {
			return err
		}
		if err := CheckTail(rec, p.begun[rec.Call], b); err != nil {
			return p.damage(rec, err)
		}
	}
	p.begun.Add(rec)
	return nil
}

func (p *Pairing) damage(t *Tail, err error) error {
	d := &store.DamageError{Path: p.Run.Dir + "/" + journalFile, Record: t.N, What: "tail: " + err.Error()}
	if p.Run.Seal != nil {
		d.Path, d.Offset = p.Run.Dir+"/"+store.FlightFile, offsetOf(p.Run.Lines, t.N)
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

// BlobReader reads the content of a blob that a sealed run names, of any
// length. What is wrong with it is an error before its end.
func (run *Run) BlobReader(d digest.Digest) (io.Reader, error) {
	if run.from != nil {
		return run.from.Open(d)
	}
	return run.st.GetReader(d)
}

// BlobTo writes the content of a blob that the run names, of any length, to w.
func (run *Run) BlobTo(d digest.Digest, w io.Writer) error { return run.blobTo(d, w, nil) }

func (run *Run) blobTo(d digest.Digest, w io.Writer, visit func(path string, size int64)) error {
	if run.from != nil {
		r, err := run.from.Open(d)
		if err == nil {
			_, err = io.Copy(w, r)
		}
		return err
	}
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
	if size, err = run.blobSize(d); err != nil {
		return 0, nil, err
	}
	if size <= limit {
		content, err = run.Blob(d)
	}
	return size, content, err
}

func (run *Run) blobSize(d digest.Digest) (int64, error) {
	if run.from != nil {
		size, ok, err := run.from.Size(d)
		if err == nil && !ok {
			_, err = run.from.Get(d) // which says that it is not there
		}
		return size, err
	}
	if p, ok := run.inline[d]; ok {
		return int64(p.length), nil
	}
	return run.st.Size(d)
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
