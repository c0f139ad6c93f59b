package flight

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/store"
)

// A Sealed says what sealing a run has made.
type Sealed struct {
	ID  digest.Digest
	N   int64 // of the execution
	New bool  // the store did not have this run before
}

// Seal ends the run: it appends the seal, moves blobs and lines to their
// places, durably, adds the execution and removes the journal. Of e, the
// fields N, Run, Open and Head are set here; Name, Started and Millis too,
// when they are empty. If the store has the run already, its lines must be the same bytes (else
// [*store.DamageError]), and only the execution is added. After an error the
// journal is still there, and [Recover] finishes what can be finished.
func (r *Recorder) Seal(f SealFields, e store.Execution) (*Sealed, error) {
	if r.err != nil {
		return nil, r.err
	}
	id, err := r.appendSeal(f, e)
	if err != nil {
		return nil, err
	}
	sealed, err := finish(r.st, r.Dir())
	if err != nil {
		return nil, r.fail(err)
	}
	if sealed.ID != id {
		return nil, r.fail(journalDamage(r.Dir(), 0, "lines are not what was written"))
	}
	r.close()
	r.err = errOver
	// The run is sealed. What cannot be dropped now, the next coo drops.
	_ = r.st.DropOpen(r.Dir())
	return sealed, nil
}

// appendSeal completes the journal and makes it durable.
func (r *Recorder) appendSeal(f SealFields, e store.Execution) (digest.Digest, error) {
	for _, n := range Names(nil, &Seal{Before: f.Before, After: f.After, Outputs: f.Outputs})[1:] {
		if !r.has(n.Digest) {
			return digest.Digest{}, fmt.Errorf("seal: %s: blob %s is not stored", n.What, n.Digest.Short())
		}
	}
	manifest, err := r.link.order.manifest()
	if err != nil {
		return digest.Digest{}, err
	}
	if _, err := r.Blob(manifest); err != nil {
		return digest.Digest{}, err
	}
	start := r.openFrame()
	buf, _, _, err := r.link.Seal(r.buf, f)
	if err != nil {
		r.buf = r.buf[:start]
		return digest.Digest{}, err
	}
	r.buf = buf
	r.closeFrame(recordFrame, start)
	if err := r.appendExecution(e); err != nil {
		return digest.Digest{}, r.fail(err)
	}
	return r.link.Last(), r.Flush()
}

func (r *Recorder) appendExecution(e store.Execution) error {
	e.Run, e.Open = r.link.Last(), r.name
	if e.Name == "" {
		e.Name = r.state.Name
	}
	if e.Started == "" {
		e.Started = r.state.Started
	}
	if began, err := time.Parse(time.RFC3339, e.Started); err == nil && e.Millis == 0 {
		e.Millis = max(0, time.Since(began).Milliseconds())
	}
	line, err := canon.Marshal(e)
	if err != nil {
		return err
	}
	start := r.openFrame()
	r.buf = append(r.buf, line...)
	r.closeFrame(executionFrame, start)
	return nil
}

// finish makes a sealed run of a complete journal, step by step; each step
// can be taken again after a crash. It leaves the journal where it is.
func finish(st *store.Store, dir string) (*Sealed, error) {
	batch, err := st.NewBatch()
	if err != nil {
		return nil, err
	}
	defer batch.Discard()
	var e store.Execution
	var attachments [][]byte
	err = eachFrame(st, dir, func(kind frameKind, payload []byte) error {
		switch kind {
		case blobFrame:
			_, err := batch.Put(payload)
			return err
		case executionFrame:
			return canon.Unmarshal(payload, &e)
		case attachFrame:
			attachments = append(attachments, bytes.Clone(payload))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if e.Run.IsZero() {
		return nil, errors.New("run is not sealed")
	}
	if err := batch.Commit(); err != nil {
		return nil, err
	}
	created, err := st.AddRun(e.Run, func(w io.Writer) error {
		return eachFrame(st, dir, func(kind frameKind, payload []byte) error {
			if kind != recordFrame {
				return nil
			}
			if _, err := w.Write(payload); err != nil {
				return err
			}
			_, err := w.Write([]byte{'\n'})
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	values, err := openObservations(st, dir)
	if err != nil {
		return nil, err
	}
	n, err := st.AppendExecution(e, values, attachments)
	if err != nil {
		return nil, err
	}
	return &Sealed{ID: e.Run, N: n, New: created}, nil
}

// openObservations reads what a run in open/ has observed, as far as a crash has left it.
func openObservations(st *store.Store, dir string) ([][]byte, error) {
	b, err := os.ReadFile(st.Path(dir + "/" + observationsFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	values, _, err := store.ParseObservations(b, true)
	return values, err
}

// eachFrame calls do for every frame of a journal that must be whole.
func eachFrame(st *store.Store, dir string, do func(frameKind, []byte) error) error {
	f, err := os.Open(st.Path(dir + "/" + journalFile))
	if err != nil {
		return err
	}
	defer f.Close()
	j, err := newJournalReader(f)
	if err != nil {
		return journalDamage(dir, 0, err.Error())
	}
	for {
		kind, payload, err := j.next()
		switch {
		case err == io.EOF:
			return nil
		case err == errBadFrame:
			return journalDamage(dir, j.off, "bad frame")
		case err != nil:
			return err
		}
		if err := do(kind, payload); err != nil {
			return err
		}
	}
}

// Recover finishes the runs whose sealing a crash has interrupted: those
// whose journal is complete. Runs in progress and incomplete runs are left
// alone. It returns what it has sealed.
func Recover(st *store.Store) ([]Sealed, error) {
	if err := dropSealed(st); err != nil {
		return nil, err
	}
	open, err := st.OpenRuns()
	if err != nil {
		return nil, err
	}
	var out []Sealed
	for _, o := range open {
		if o.Live {
			continue
		}
		s, err := recoverOne(st, o.Dir)
		if err != nil {
			return out, err
		}
		if s != nil {
			out = append(out, *s)
		}
	}
	return out, nil
}

// dropSealed drops what is left in open/ of runs that are listed: a crash came
// while it was dropped, and there may be any part of it.
func dropSealed(st *store.Store) error {
	entries, err := os.ReadDir(st.Path("open"))
	if err != nil || len(entries) == 0 {
		return err
	}
	executions, err := st.Executions()
	if err != nil {
		return err
	}
	listed := make(map[string]bool, len(executions))
	for _, e := range executions {
		listed[e.Open] = true
	}
	for _, e := range entries {
		if !listed[e.Name()] {
			continue
		}
		dir := "open/" + e.Name()
		lock, err := durable.TryLock(st.Path(dir + "/lock"))
		if errors.Is(err, durable.ErrLocked) || errors.Is(err, os.ErrNotExist) {
			continue // its own process is about to
		}
		if err != nil {
			return err
		}
		err = st.DropOpen(dir)
		lock.Unlock()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func recoverOne(st *store.Store, dir string) (*Sealed, error) {
	lock, err := durable.TryLock(st.Path(path.Join(dir, "lock")))
	if errors.Is(err, durable.ErrLocked) || errors.Is(err, os.ErrNotExist) {
		return nil, nil // another process is at it, or was
	}
	if err != nil {
		return nil, err
	}
	run, err := LoadOpen(st, dir)
	if err != nil || !run.complete {
		lock.Unlock()
		return nil, nil // incomplete or damaged: for verify to tell
	}
	s, err := finish(st, dir)
	lock.Unlock()
	if err != nil {
		// Its own process lets the lock go before it removes the directory:
		// then everything was done already.
		if _, gone := os.Stat(st.Path(dir)); errors.Is(gone, os.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	return s, st.DropOpen(dir)
}
