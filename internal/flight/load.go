package flight

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
)

// A Run is a run that was read and checked. Lines[i] is the line of
// Records[i]; both are to be left as they are.
type Run struct {
	ID      digest.Digest // the zero Digest when it is not sealed
	Last    digest.Digest // of the last line; of a sealed run, its ID
	Dir     string        // in the store, slash-separated
	Lines   [][]byte      // without newlines
	Records []Record
	Seal    *Seal // nil when it is not sealed

	// Of a run that is not sealed: what is known of it, and how many bytes
	// at the end of its journal a crash has left unfinished.
	State    store.State
	Dropped  int64
	Attached [][]byte  // the values of its attachments so far
	Spools   []Spooled // contents that were still coming, sorted by file name

	st       *store.Store
	from     Blobs                   // instead of st, when not nil
	inline   map[digest.Digest]place // blobs in the journal
	complete bool                    // sealed, but a crash came before the rest
}

// A place is where a journal holds a blob.
type place struct {
	offset int64
	length int
}

// Load reads the sealed run id and checks its lines; blobs are checked when
// they are read. What is wrong is a [*store.DamageError].
func Load(st *store.Store, id digest.Digest) (*Run, error) {
	path := store.RunPath(id)
	f, err := os.Open(st.Path(path))
	if errors.Is(err, fs.ErrNotExist) {
		if _, statErr := os.Stat(st.Path("runs/" + id.String())); statErr != nil {
			return nil, fmt.Errorf("no run %q: coo logs lists them", id.Short())
		}
		return nil, &store.DamageError{Path: path, Record: -1, What: "missing", Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	run, err := Read(f, path)
	if err != nil {
		return nil, err
	}
	if run.ID != id {
		n := int64(len(run.Records) - 1)
		return nil, &store.DamageError{
			Path: path, Record: n, Offset: offsetOf(run.Lines, n),
			What: fmt.Sprintf("seal: the run is %s, its directory says %s", run.ID.Short(), id.Short()),
		}
	}
	run.st, run.Dir = st, "runs/"+id.String()
	return run, nil
}

// Read reads a sealed run without a store: its blobs can be asked for once
// [Run.BlobsFrom] says where they are. Path is what damage is reported of.
func Read(r io.Reader, path string) (*Run, error) {
	run := &Run{}
	rd := NewReader(r, path)
	for {
		line, rec, err := rd.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		run.Lines = append(run.Lines, line)
		run.Records = append(run.Records, rec)
	}
	run.Seal = rd.seal
	run.ID = rd.Last()
	run.Last = run.ID
	return run, nil
}

func offsetOf(lines [][]byte, n int64) int64 {
	var off int64
	for _, l := range lines[:n] {
		off += int64(len(l)) + 1
	}
	return off
}

// LoadOpen reads the journal of a run that is not sealed: dir is its
// directory in the store, open/<random>. The journal ends at its first bad
// frame, if that was never on disk; otherwise it is damaged.
func LoadOpen(st *store.Store, dir string) (*Run, error) {
	run := &Run{Dir: dir, st: st, inline: make(map[digest.Digest]place), State: st.ReadState(dir)}
	f, err := os.Open(st.Path(dir + "/" + journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		// A kill may come before there is a journal, but not before there is
		// a directory: without that, the run was sealed or removed.
		_, err := os.Stat(st.Path(dir))
		return run, err
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	j, err := newJournalReader(f)
	if err == errNotJournal {
		return nil, journalDamage(dir, 0, err.Error())
	}
	if err == nil {
		err = run.readJournal(j)
	} else {
		j = &journalReader{}
	}
	if err == errBadFrame {
		err = run.cutAt(f, j)
	}
	if err == nil {
		run.Spools, err = run.readSpools()
	}
	if err != nil {
		return nil, err
	}
	return run, nil
}

// readJournal takes frames until the end or the first bad one.
func (run *Run) readJournal(j *journalReader) error {
	var link Linker
	for {
		start := j.off
		kind, payload, err := j.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch kind {
		case recordFrame:
			line := append([]byte(nil), payload...)
			rec, err := Decode(line)
			if err == nil {
				err = link.add(rec, line)
			}
			if err != nil {
				return journalDamage(run.Dir, start, err.Error())
			}
			run.Lines = append(run.Lines, line)
			run.Records = append(run.Records, rec)
			run.Last = link.Last()
		case blobFrame:
			run.inline[digest.Of(payload)] = place{start + frameHeader, len(payload)}
		case attachFrame:
			run.Attached = append(run.Attached, bytes.Clone(payload))
		case executionFrame:
			run.complete = link.order.state == closed
		}
	}
}

// cutAt decides whether a bad frame is damage or the end of the journal.
func (run *Run) cutAt(f *os.File, j *journalReader) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	var lost bool
	if j.salt != nil {
		lost, err = syncedBeyond(f, j.salt, j.off)
	} else {
		lost, err = everSynced(f)
	}
	if err != nil {
		return err
	}
	if lost {
		return journalDamage(run.Dir, j.off, "bad frame before others that were on disk")
	}
	run.Dropped = st.Size() - j.off
	return nil
}

// Blobs are the contents of a run that is in no store. They are checked as they
// are read.
type Blobs interface {
	// Get returns a content whole.
	Get(digest.Digest) ([]byte, error)
	// Size returns the length of a content, and whether it is there.
	Size(digest.Digest) (int64, bool, error)
	// Open reads a content. What is wrong with it is an error before its end.
	Open(digest.Digest) (io.Reader, error)
}

// BlobsFrom says where the blobs of a run are that [Read] has read.
func (run *Run) BlobsFrom(from Blobs) { run.from = from }

// Blob returns the content of a blob that the run names.
func (run *Run) Blob(d digest.Digest) ([]byte, error) {
	if run.from != nil {
		return run.from.Get(d)
	}
	p, ok := run.inline[d]
	if !ok {
		return run.st.Get(d)
	}
	f, err := os.Open(run.st.Path(run.Dir + "/" + journalFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, p.length)
	if _, err := f.ReadAt(b, p.offset); err != nil {
		return nil, err
	}
	if digest.Of(b) != d {
		return nil, journalDamage(run.Dir, p.offset, "a blob has changed")
	}
	return b, nil
}

// Holds reports whether blob d is in the journal of a run that is not sealed:
// such a run does not need the store's.
func (run *Run) Holds(d digest.Digest) bool {
	_, ok := run.inline[d]
	return ok
}

// Manifest returns the freeze manifest that follows from the records of a
// sealed run.
func (run *Run) Manifest() ([]byte, error) {
	var o order
	for _, r := range run.Records {
		o.note(r)
	}
	return o.manifest()
}

// Follow returns the lines of records that were written to the journal in dir
// since offset, and the offset for the next time; the first is 0. A run that
// is gone from there is fs.ErrNotExist: it was sealed.
func Follow(st *store.Store, dir string, offset int64) (lines [][]byte, next int64, err error) {
	f, err := os.Open(st.Path(dir + "/" + journalFile))
	if err != nil {
		return nil, offset, err
	}
	defer f.Close()
	j, err := newJournalReader(f)
	if err == nil && offset > j.off {
		_, err = f.Seek(offset, io.SeekStart)
		j.r.Reset(f)
		j.off = offset
	}
	for err == nil {
		var kind frameKind
		var payload []byte
		if kind, payload, err = j.next(); err == nil && kind == recordFrame {
			lines = append(lines, append([]byte(nil), payload...))
		}
	}
	if j != nil {
		offset = j.off
	}
	// A frame that is not whole yet is read the next time.
	if err == io.EOF || err == errBadFrame {
		err = nil
	}
	return lines, offset, err
}

// Resolve is [store.Store.Resolve] that also knows "~prefix": a run that is
// not sealed, by four or more digits of the digest of its last whole line. Of
// several that are equal up to there, it is the newest.
func Resolve(st *store.Store, ref string) (store.Handle, error) {
	prefix, ok := strings.CutPrefix(ref, "~")
	if !ok {
		return st.Resolve(ref)
	}
	if len(prefix) < 4 {
		return store.Handle{}, fmt.Errorf("run %q: a prefix has four digits or more", ref)
	}
	open, err := st.OpenRuns()
	if err != nil {
		return store.Handle{}, err
	}
	found := map[digest.Digest]bool{}
	dir := "" // the newest comes last
	for _, o := range open {
		run, err := LoadOpen(st, o.Dir)
		if err == nil && len(run.Lines) > 0 && strings.HasPrefix(run.Last.String(), prefix) {
			dir = o.Dir
			found[run.Last] = true
		}
	}
	switch len(found) {
	case 0:
		return store.Handle{}, fmt.Errorf("no run %q: coo logs lists them", ref)
	case 1:
		return store.Handle{Dir: dir}, nil
	}
	return store.Handle{}, fmt.Errorf("run %q: %d different incomplete runs begin so", ref, len(found))
}

// LoadHandle reads the run that h is about, sealed or not.
func LoadHandle(st *store.Store, h store.Handle) (*Run, error) {
	if h.Sealed {
		return Load(st, h.ID)
	}
	return LoadOpen(st, h.Dir)
}
