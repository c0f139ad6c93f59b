// Package flight is the flight recorder: the append-only, hash-linked,
// sealed log of one run.
//
// A run is a file of lines, each the canonical JSON of one record that
// carries its number and the digest of the line before:
//
//	{"…":…,"n":0,"prev":"0000…","t":"open"}
//	{"kind":"file","n":1,"name":"notes.txt","prev":"d56c…","sha256":"98ae…","t":"input"}
//	…
//	{"…":…,"count":28,"n":28,"prev":"ddb3…","root":"7251…","t":"seal"}
//
// The last line is the seal, and its SHA-256 is the run's ID. Everything in
// the lines is the run's identity: there is no field for a time that was
// measured, a host or a path of this machine. Contents are blobs of the
// store, named by digest. docs/format/flight.md is the whole format.
//
// While it is being made, a run is one journal in the store's open/
// directory. [Recorder.Append] and [Recorder.Blob] add frames to a buffer,
// [Recorder.Flush] writes and syncs them: once before anything live is
// shown. [Recorder.Seal] turns the journal into blobs and the file of lines,
// and removes it last, so that a crash at any moment leaves either a journal
// that can be read ([LoadOpen]) and finished ([Recover]), or the sealed run.
package flight

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/store"
)

const (
	journalFile      = "journal"
	observationsFile = "observations.jsonl"

	// maxInline is the longest blob that a journal holds; longer ones go to
	// the store at once.
	maxInline = 1 << 20
	// pushAt is the length of the buffer above which it is written, unsynced.
	pushAt = 256 << 10
)

// A Recorder makes one run. It is used by one goroutine at a time. After an
// error of the disk every later call returns that error: what a failed sync
// has lost cannot be told, so the run cannot go on.
type Recorder struct {
	st    *store.Store
	name  string // of the directory in open/
	state store.State
	lock  *durable.Lock
	use   func() // lets the store's blobs go: until then those it has stay
	f     *os.File
	obs   *os.File

	link   Linker
	salt   []byte
	buf    []byte // frames that are not written yet
	size   int64  // of what is written
	synced int64  // up to where the journal is on disk
	marked int64  // up to where a frame in the journal says so
	blobs  map[digest.Digest]struct{}
	found  []digest.Digest // were in the store, perhaps not durably
	names  []Name          // scratch

	spools   map[*spool]struct{} // in use
	finished []*spool            // no record names their contents yet
	recorded []*spool            // a record does, and is not written yet
	unnamed  bool                // a spool's name is perhaps not durable

	observations store.Observations
	obsBuf       []byte
	err          error
}

// Create begins a run of the mission called name.
func Create(st *store.Store, name string) (*Recorder, error) {
	if err := st.Sweep(); err != nil {
		return nil, err
	}
	use, err := st.Use()
	if err != nil {
		return nil, err
	}
	open, lock, err := st.NewOpen()
	if err != nil {
		use()
		return nil, err
	}
	r := &Recorder{
		st: st, name: open, lock: lock, use: use,
		state: store.State{Name: name, Started: now()},
		blobs: make(map[digest.Digest]struct{}), spools: make(map[*spool]struct{}),
	}
	if err := r.create(); err != nil {
		r.close()
		os.RemoveAll(st.OpenDir(open))
		return nil, err
	}
	return r, nil
}

func (r *Recorder) create() error {
	if err := r.st.WriteState(r.name, r.state); err != nil {
		return err
	}
	flags := os.O_RDWR | os.O_CREATE | os.O_EXCL
	var err error
	if r.f, err = os.OpenFile(r.path(journalFile), flags, 0o644); err != nil {
		return err
	}
	if r.obs, err = os.OpenFile(r.path(observationsFile), flags, 0o644); err != nil {
		return err
	}
	h := newHeader()
	r.salt = h[len(journalMagic):saltEnd]
	n, err := r.f.Write(h)
	r.size = int64(n)
	return err
}

// now is the only clock of this package; what it tells is an observation.
func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }

func (r *Recorder) path(name string) string { return filepath.Join(r.st.OpenDir(r.name), name) }

// Dir returns the slash-separated path in the store of the run in progress.
func (r *Recorder) Dir() string { return "open/" + r.name }

// Started returns when the run began, RFC 3339 in UTC.
func (r *Recorder) Started() string { return r.state.Started }

// Len returns the number of records so far.
func (r *Recorder) Len() int64 { return r.link.Len() }

// Last returns the digest of the last line: the name of an incomplete run.
func (r *Recorder) Last() digest.Digest { return r.link.Last() }

// Blob keeps b for the records to name, and returns its digest. A blob above
// 1 MiB is durable when Blob returns; others with the next [Recorder.Flush].
func (r *Recorder) Blob(b []byte) (digest.Digest, error) {
	if r.err != nil {
		return digest.Digest{}, r.err
	}
	d := digest.Of(b)
	if r.has(d) {
		return d, nil
	}
	if len(b) > maxInline {
		if _, err := r.st.Put(b); err != nil {
			return digest.Digest{}, r.fail(err)
		}
	} else {
		start := r.openFrame()
		r.buf = append(r.buf, b...)
		r.closeFrame(blobFrame, start)
	}
	r.blobs[d] = struct{}{}
	return d, r.pushFull()
}

// has reports whether blob d is in the journal or the store.
func (r *Recorder) has(d digest.Digest) bool {
	if _, ok := r.blobs[d]; ok {
		return true
	}
	if !r.st.Has(d) {
		return false
	}
	r.blobs[d] = struct{}{}
	r.found = append(r.found, d)
	return true
}

// Append numbers, links and encodes rec and returns its number. Every blob
// that it names must have gone through [Recorder.Blob], or be in the store.
func (r *Recorder) Append(rec Record) (n int64, err error) {
	if r.err != nil {
		return 0, r.err
	}
	r.names = Names(r.names[:0], rec)
	for _, name := range r.names {
		if !r.has(name.Digest) {
			return 0, fmt.Errorf("record %d: %s: %s: blob %s is not stored", r.Len(), rec.kind(), name.What, name.Digest.Short())
		}
	}
	start := r.openFrame()
	buf, err := r.link.Append(r.buf, rec)
	if err != nil {
		r.buf = r.buf[:start]
		return 0, err
	}
	r.buf = buf
	r.closeFrame(recordFrame, start)
	switch rec.(type) {
	case *Tail, *Exit:
		r.recorded = append(r.recorded, r.finished...)
		r.finished = r.finished[:0]
	}
	return rec.envelope().N, r.pushFull()
}

// openFrame makes room for a frame's header at the end of the buffer.
func (r *Recorder) openFrame() int {
	if r.synced > r.marked {
		r.marked = r.synced
		start := len(r.buf)
		r.buf = append(r.buf, make([]byte, frameHeader)...)
		r.buf = binary.BigEndian.AppendUint64(r.buf, uint64(r.marked))
		r.closeFrame(syncedFrame, start)
	}
	start := len(r.buf)
	r.buf = append(r.buf, make([]byte, frameHeader)...)
	return start
}

func (r *Recorder) closeFrame(kind frameKind, start int) {
	closeFrame(r.salt, r.size+int64(start), kind, r.buf[start:])
}

// Observe notes a canonical value that is true of this execution only. It is
// kept beside the run, in a chain of its own, and is not synced before the seal.
func (r *Recorder) Observe(v any) error {
	if r.err != nil {
		return r.err
	}
	b, err := canon.Marshal(v)
	if err != nil {
		return err
	}
	r.obsBuf = r.observations.Append(r.obsBuf, b)
	return r.pushFull()
}

// Attach keeps a canonical value with the run, in a chain of its own: it is
// checked by verify, and no part of the run's identity. It is as durable as
// the records around it.
func (r *Recorder) Attach(v any) error {
	if r.err != nil {
		return r.err
	}
	b, err := canon.Marshal(v)
	if err != nil {
		return err
	}
	start := r.openFrame()
	r.buf = append(r.buf, b...)
	r.closeFrame(attachFrame, start)
	return r.pushFull()
}

func (r *Recorder) pushFull() error {
	if len(r.buf)+len(r.obsBuf) < pushAt {
		return nil
	}
	return r.Push()
}

// Push writes what is buffered without syncing it: a kill of the process
// loses none of it, a power cut may.
func (r *Recorder) Push() error {
	if r.err != nil {
		return r.err
	}
	if len(r.buf) > 0 {
		if _, err := r.f.Write(r.buf); err != nil {
			return r.fail(err)
		}
		r.size += int64(len(r.buf))
		r.buf = r.buf[:0]
	}
	r.dropSpools()
	if len(r.obsBuf) > 0 {
		if _, err := r.obs.Write(r.obsBuf); err != nil {
			return r.fail(err)
		}
		r.obsBuf = r.obsBuf[:0]
	}
	return nil
}

// Flush makes every record and blob so far durable, and what was written to
// spools: one write, one fdatasync, and one for each spool that has grown. It is
// called before an answer that was live is shown, and
// before anything leaves that follows from what is recorded.
func (r *Recorder) Flush() error {
	if err := r.Push(); err != nil {
		return err
	}
	if err := r.syncSpools(); err != nil {
		return r.fail(err)
	}
	if r.synced == r.size {
		return nil
	}
	if r.synced == 0 {
		if err := r.syncDirs(); err != nil {
			return r.fail(err)
		}
	}
	if len(r.found) > 0 {
		if err := r.st.Settle(r.found); err != nil {
			return r.fail(err)
		}
		r.found = nil
	}
	if err := durable.Data(r.f); err != nil {
		return r.fail(err)
	}
	r.synced = r.size
	return nil
}

// syncDirs makes the journal's name durable.
func (r *Recorder) syncDirs() error {
	if err := durable.SyncDir(r.st.OpenDir(r.name)); err != nil {
		return err
	}
	return durable.SyncDir(r.st.Path("open"))
}

// fail keeps the first error of the disk and returns it.
func (r *Recorder) fail(err error) error {
	if r.err == nil {
		r.err = fmt.Errorf("recorder: %w", err)
	}
	return r.err
}

// Abandon ends the recorder without sealing the run, which stays in open/ as
// incomplete, with the reason. It returns the first error the recorder met.
func (r *Recorder) Abandon(reason string) error {
	err := r.Flush()
	r.state.Reason = reason
	if werr := r.st.WriteState(r.name, r.state); err == nil {
		err = werr
	}
	r.close()
	if r.err == nil {
		r.err = errOver
	}
	return err
}

var errOver = errors.New("recorder: the run is over")

// close lets files and lock go. What had to be synced is synced before.
func (r *Recorder) close() {
	// order: each is closed; what is in them stays with the run
	for s := range r.spools {
		s.f.Close()
	}
	for _, s := range append(r.finished, r.recorded...) {
		s.f.Close()
	}
	if r.f != nil {
		r.f.Close()
	}
	if r.obs != nil {
		r.obs.Close()
	}
	r.lock.Unlock()
	r.use()
}
