package flight

import (
	"errors"
	"fmt"
	"os"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
)

// A Report says what a verification has checked.
type Report struct {
	ID      digest.Digest // the zero Digest when the run is not sealed
	Root    digest.Digest
	Freeze  digest.Digest
	Records int64 // the seal included
	Calls   int64
	Blobs   int64 // contents the records name, each once
	Bytes   int64 // of those contents
	Files   int64 // read, the lines included
	Stored  int64 // bytes of those files
	Dropped int64 // unfinished bytes at the end of the journal of an open run

	Executions int64 // that produced the run
}

// Verify checks every byte of the sealed run id: its lines, their chain, the
// seal, the freeze manifest, every blob the records name and every blob that
// request and answer documents name in turn; that the run's directory holds
// nothing else; and the observations of its executions, by their own chains.
// The first damage found is a [*store.DamageError].
func Verify(st *store.Store, id digest.Digest) (*Report, error) {
	run, err := Load(st, id)
	if err != nil {
		return nil, err
	}
	if err := CheckDir(st, id); err != nil {
		return nil, err
	}
	rep := &Report{ID: id, Root: run.Seal.Root, Freeze: run.Seal.Freeze, Files: 1}
	rep.Stored = offsetOf(run.Lines, int64(len(run.Lines)))
	if err := run.walk(rep); err != nil {
		return nil, err
	}
	if err := checkExecutions(st, rep); err != nil {
		return nil, err
	}
	return rep, nil
}

// checkExecutions checks what was observed when the run was produced.
func checkExecutions(st *store.Store, rep *Report) error {
	es, err := st.Executions()
	if err != nil {
		return err
	}
	for _, e := range es {
		if e.Run != rep.ID {
			continue
		}
		if _, err := st.Observations(e); err != nil {
			return err
		}
		if _, err := st.Attachments(e); err != nil {
			return err
		}
		rep.Executions++
	}
	return nil
}

// VerifyOpen checks a run that is not sealed, as far as it goes. What a crash
// has left unfinished at the end of its journal is no damage, but counted.
func VerifyOpen(st *store.Store, dir string) (*Report, error) {
	run, err := LoadOpen(st, dir)
	if err != nil {
		return nil, err
	}
	rep := &Report{Dropped: run.Dropped}
	if info, err := os.Stat(st.Path(dir + "/" + journalFile)); err == nil {
		rep.Files, rep.Stored = 1, info.Size()
	}
	if err := run.walk(rep); err != nil {
		return nil, err
	}
	return rep, nil
}

// CheckDir reports a file that has no business in the directory of run id.
func CheckDir(st *store.Store, id digest.Digest) error {
	dir := "runs/" + id.String()
	entries, err := os.ReadDir(st.Path(dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := dir + "/" + e.Name()
		if e.Name() != store.FlightFile {
			return &store.DamageError{Path: path, Record: -1, What: "a file that is not of the run"}
		}
		if !e.Type().IsRegular() {
			return &store.DamageError{Path: path, Record: -1, What: "not a regular file"}
		}
	}
	return nil
}

// walk checks every blob that the run names and adds what it saw to rep.
func (run *Run) walk(rep *Report) error {
	for _, rec := range run.Records {
		rep.Records++
		if _, ok := rec.(*Call); ok {
			rep.Calls++
		}
	}
	w := walker{run: run, rep: rep, files: make(map[string]bool)}
	return run.eachBlob(w.blob)
}

// A visitor returns the content of blob d, which record n names as what. It
// is called for each blob, and again only where the content is needed again.
type visitor func(n int64, what string, d digest.Digest, first bool) ([]byte, error)

// eachBlob visits every blob that the run names, in the order of the records
// and their members, a document before the body that it names in turn.
func (run *Run) eachBlob(visit visitor) error {
	seen := make(map[digest.Digest]bool)
	parsed := make(map[Name]bool)
	var names []Name
	for i, rec := range run.Records {
		names = Names(names[:0], rec)
		for _, name := range names {
			isDoc := name.IsDoc() && !parsed[name]
			if seen[name.Digest] && !isDoc {
				continue
			}
			b, err := visit(int64(i), name.What, name.Digest, !seen[name.Digest])
			if err != nil {
				return err
			}
			seen[name.Digest] = true
			if !isDoc {
				continue
			}
			parsed[name] = true
			err = run.checkDoc(int64(i), name, b, func(d digest.Digest) ([]byte, error) {
				first := !seen[d]
				seen[d] = true
				return visit(int64(i), name.What+" body", d, first)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// checkDoc parses a request or answer document strictly and calls body for
// the blob it names, if it does.
func (run *Run) checkDoc(n int64, name Name, doc []byte, body func(digest.Digest) ([]byte, error)) error {
	var bodyErr error
	err := ParseDoc(name, doc, func(d digest.Digest) (b []byte, err error) {
		b, bodyErr = body(d)
		return b, bodyErr
	})
	if err == nil || bodyErr != nil {
		return bodyErr // of the body, not of the document that names it
	}
	return &store.DamageError{Path: run.blobPath(name.Digest), Record: n, What: name.What + ": " + err.Error()}
}

// blobPath names the file that has blob d, for errors.
func (run *Run) blobPath(d digest.Digest) string {
	if _, ok := run.inline[d]; ok {
		return run.Dir + "/" + journalFile
	}
	return store.BlobPath(d)
}

// A walker reads blobs and counts each blob and each file once.
type walker struct {
	run   *Run
	rep   *Report
	files map[string]bool
}

func (w *walker) blob(n int64, what string, d digest.Digest, first bool) ([]byte, error) {
	var b []byte
	var err error
	if _, ok := w.run.inline[d]; ok {
		b, err = w.run.Blob(d)
	} else {
		b, err = w.run.st.Visit(d, w.file)
	}
	if e, ok := errors.AsType[*store.DamageError](err); ok {
		at := *e
		at.Record, at.What = n, what+": "+at.What
		return nil, &at
	}
	if err != nil {
		return nil, fmt.Errorf("record %d: %s: %w", n, what, err)
	}
	if first {
		w.rep.Blobs++
		w.rep.Bytes += int64(len(b))
	}
	return b, nil
}

func (w *walker) file(path string, size int64) {
	if !w.files[path] {
		w.files[path] = true
		w.rep.Files++
		w.rep.Stored += size
	}
}
