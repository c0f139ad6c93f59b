package flight

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
)

// A Spool keeps a content that comes in chunks, each before it is shown. Write
// and Settle may be called beside everything else; the other methods, and
// [Recorder.Spool], belong to whoever uses the recorder. It ends with Finish or
// Discard.
type Spool interface {
	// Write keeps a chunk: a kill of the process loses none of it.
	io.Writer
	// Settle brings a content above 1 MiB to its place in the store, which may
	// take long. Finish does it otherwise. Nothing may be written any more.
	Settle() error
	// Finish makes the content a blob of the run, as durable as
	// [Recorder.Blob] makes one, and returns its digest and length.
	Finish() (digest.Digest, int64, error)
	// Discard drops the content. After Finish it does nothing.
	Discard()
}

// spoolPrefix begins the name of a spool's file in the run's directory.
const spoolPrefix = "spool-"

// Spool returns a new spool. The name says what is in it, for the case that
// the run comes to no end: the number of the call whose answer it is, such as
// "4", or "stdout" or "stderr". No two spools that are not recorded have the
// same.
func (r *Recorder) Spool(name string) (Spool, error) {
	if r.err != nil {
		return nil, r.err
	}
	if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return nil, fmt.Errorf("spool %.80q: malformed name", name)
	}
	f, err := os.OpenFile(r.path(spoolPrefix+name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, r.fail(err)
	}
	s := &spool{r: r, f: f, sum: sha256.New()}
	r.spools[s] = struct{}{}
	r.unnamed = true
	return s, nil
}

// A spool is the [Spool] of a recorder: a file beside the journal.
type spool struct {
	r       *Recorder
	f       *os.File
	sum     hash.Hash
	size    int64
	dirty   atomic.Bool // written since the last sync
	settled bool
	err     error
}

var errSpoolOver = errors.New("spool: it is over")

// Write implements [io.Writer]: one write, not synced.
func (s *spool) Write(p []byte) (int, error) {
	if s.err != nil || s.settled {
		return 0, errors.Join(s.err, errSpoolOver)
	}
	s.dirty.Store(true)
	n, err := s.f.Write(p)
	s.sum.Write(p[:n])
	s.size += int64(n)
	s.err = err
	return n, err
}

// Settle implements [Spool].
func (s *spool) Settle() error {
	if s.err != nil || s.settled || s.size <= maxInline {
		return s.err
	}
	s.settled = true
	s.err = s.store()
	return s.err
}

// store streams the content into the store, durably.
func (s *spool) store() error {
	batch, err := s.r.st.NewBatch()
	if err != nil {
		return err
	}
	defer batch.Discard()
	d, n, err := batch.PutReader(io.NewSectionReader(s.f, 0, s.size))
	if err != nil {
		return err
	}
	if d != s.digest() || n != s.size {
		return fmt.Errorf("spool %s: its content is not what was written", filepath.Base(s.f.Name()))
	}
	return batch.Commit()
}

func (s *spool) digest() digest.Digest { return digest.Digest(s.sum.Sum(nil)) }

// Finish implements [Spool].
func (s *spool) Finish() (digest.Digest, int64, error) {
	if s.r.err != nil {
		return digest.Digest{}, 0, s.r.err
	}
	if err := s.Settle(); err != nil {
		return digest.Digest{}, 0, s.r.fail(err)
	}
	d := s.digest()
	if s.size <= maxInline {
		var b bytes.Buffer
		if _, err := io.Copy(&b, io.NewSectionReader(s.f, 0, s.size)); err != nil {
			return d, 0, s.r.fail(err)
		}
		if digest.Of(b.Bytes()) != d {
			return d, 0, s.r.fail(fmt.Errorf("spool %s: its content is not what was written", filepath.Base(s.f.Name())))
		}
		if _, err := s.r.Blob(b.Bytes()); err != nil {
			return d, 0, err
		}
	} else {
		s.r.blobs[d] = struct{}{}
	}
	s.settled = true
	delete(s.r.spools, s)
	s.r.finished = append(s.r.finished, s)
	return d, s.size, nil
}

// Discard implements [Spool].
func (s *spool) Discard() {
	if _, ok := s.r.spools[s]; !ok {
		return
	}
	delete(s.r.spools, s)
	s.settled = true
	s.remove()
}

func (s *spool) remove() {
	s.f.Close()
	// What cannot be removed goes with the run's directory.
	_ = os.Remove(s.f.Name())
}

// dropSpools removes the files of the spools whose contents a record names that
// has been written: until then a kill leaves the file, and with it what was shown.
func (r *Recorder) dropSpools() {
	for _, s := range r.recorded {
		s.remove()
	}
	r.recorded = r.recorded[:0]
}

// syncSpools makes durable what was written to spools so far.
func (r *Recorder) syncSpools() error {
	any := false
	// order: each is synced
	for s := range r.spools {
		if !s.dirty.Swap(false) {
			continue
		}
		any = true
		if err := durable.Data(s.f); err != nil {
			return err
		}
	}
	if !any || !r.unnamed {
		return nil
	}
	r.unnamed = false
	return durable.SyncDir(r.st.OpenDir(r.name))
}

// A Spooled is what was left in a spool of a run that came to no end.
type Spooled struct {
	Name string // as it was given to [Recorder.Spool]
	Size int64
}

// File returns the name of its file in the run's directory.
func (s Spooled) File() string { return spoolPrefix + s.Name }

// What says in words what it is: "an unfinished answer (call 4)", "the stdout of
// an unfinished program".
func (s Spooled) What() string {
	if strings.Trim(s.Name, "0123456789") == "" {
		return "an unfinished answer (call " + s.Name + ")"
	}
	return "the " + s.Name + " of an unfinished program"
}

// readSpools lists the spools in the run's directory whose contents no record has.
func (run *Run) readSpools() ([]Spooled, error) {
	entries, err := os.ReadDir(run.st.Path(run.Dir))
	if err != nil {
		return nil, err
	}
	recorded := run.recordedSpools()
	var out []Spooled
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), spoolPrefix)
		if !ok || recorded[name] {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // finished meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Spooled{name, info.Size()})
	}
	return out, nil
}

// recordedSpools returns the names of the spools whose contents are in records:
// a kill may come before their files are removed.
func (run *Run) recordedSpools() map[string]bool {
	out := map[string]bool{}
	running := 0
	for _, rec := range run.Records {
		switch rec := rec.(type) {
		case *Call:
			if rec.Kind == "exec" {
				running++
			}
		case *Tail:
			out[strconv.FormatInt(rec.Call, 10)] = true
		case *Exit:
			running--
		}
	}
	out["stdout"], out["stderr"] = running == 0, running == 0
	return out
}

// IsSpool reports whether a file of that name in the directory of a run in
// progress is one of its spools.
func IsSpool(name string) bool { return strings.HasPrefix(name, spoolPrefix) }
