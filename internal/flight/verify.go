package flight

import (
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

	// Unfinished are the bytes of contents that had not come to their end.
	Unfinished int64

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
	for _, s := range run.Spools {
		rep.Unfinished += s.Size
	}
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
		if c, ok := rec.(*Call); ok && c.Kind == "http" {
			rep.Calls++
		}
	}
	w := walker{run: run, rep: rep, files: make(map[string]bool)}
	return run.eachBlob(w.blob)
}
