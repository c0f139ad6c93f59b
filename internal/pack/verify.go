package pack

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/coo-runtime/coo/internal/archive"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/store"
)

// chunk is how much of a file is read at once.
const chunk = 256 << 10

// Verify checks every byte: each file's CRC and digest, and that the archive
// holds what its run and its attachments name, each content at its place, and
// nothing else. Up to workers files are read at the same time. Of several that
// are damaged, the first in order is told.
func (p *Pack) Verify(workers int) error {
	if err := p.verifyContents(workers); err != nil {
		return err
	}
	want, err := plan(p.Run, p.Attachments, p)
	if err != nil {
		return asDamage(err)
	}
	if err := p.compare(lineageFile, lineageOf); err != nil {
		return err
	}
	if err := p.compare(rollbacksFile, rollbacksOf); err != nil {
		return err
	}
	return p.verifyFiles(want)
}

// asDamage says of which file an error is that the records led to.
func asDamage(err error) error {
	_, known := errors.AsType[*store.DamageError](err)
	_, zip := errors.AsType[*archive.Error](err)
	if known || zip {
		return err
	}
	return damage(flightFile, "%v", err)
}

// compare makes a text again that follows from the run.
func (p *Pack) compare(path string, text func(*flight.Run) ([]byte, error)) error {
	got, err := p.checked(path)
	if err != nil {
		return err
	}
	want, err := text(p.Run)
	if err == nil && !bytes.Equal(got, want) {
		err = damage(path, "not what follows from the records")
	}
	return err
}

// textRoles are the roles of the files that are no contents.
var textRoles = map[string]string{
	readmeFile: "readme", attachmentsFile: "attachments", flightFile: "flight",
	lineageFile: "lineage", replayFile: "replay", rollbacksFile: "rollbacks",
}

// verifyFiles compares the manifest with the contents that belong in the pack.
func (p *Pack) verifyFiles(want []File) error {
	slices.SortFunc(want, byPath)
	seen := 0
	for i := range p.Manifest.Files {
		f := &p.Manifest.Files[i]
		if role, ok := textRoles[f.Path]; ok {
			seen++
			if !slices.Equal(f.Roles, []string{role}) {
				return damage(f.Path, "roles %q, want %q", f.Roles, role)
			}
			continue
		}
		if len(want) == 0 || f.Path != want[0].Path {
			return damage(f.Path, "a file that belongs elsewhere, or nowhere, in the pack of this run")
		}
		if !f.equal(&want[0]) {
			return damage(f.Path, "content or roles are not those that the run says")
		}
		want = want[1:]
	}
	texts := len(textRoles)
	if p.Manifest.Attachments == nil {
		texts--
	}
	if len(want) > 0 {
		return damage(want[0].Path, "missing")
	}
	if seen != texts {
		return damage(manifestFile, "%d of the %d files that every pack has", seen, texts)
	}
	return nil
}

// verifyContents reads every file once, several at the same time, the longest
// first so that none is left alone at the end.
func (p *Pack) verifyContents(workers int) error {
	order := make([]int, len(p.zip.Files))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return int(min(max(p.zip.Files[b].Size-p.zip.Files[a].Size, -1), 1))
	})
	w := work{p: p, order: order, first: len(order)}
	var wg sync.WaitGroup
	for range max(1, min(workers, len(order))) {
		wg.Go(w.run)
	}
	wg.Wait()
	return w.err
}

// work is what the goroutines that read files share.
type work struct {
	p     *Pack
	mu    sync.Mutex // guards what follows
	order []int      // files still to be read
	first int        // the first in the archive that was found damaged
	err   error      // of that one
}

func (w *work) next() (int, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.order) == 0 {
		return 0, false
	}
	i := w.order[0]
	w.order = w.order[1:]
	return i, true
}

func (w *work) run() {
	buf := make([]byte, chunk)
	for {
		i, ok := w.next()
		if !ok {
			return
		}
		if err := w.p.copyFile(io.Discard, i, buf); err != nil {
			w.failed(i, err)
		}
	}
}

func (w *work) failed(i int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i < w.first {
		w.first, w.err = i, err
	}
}

// copyFile writes file i of the archive to w and checks its CRC and digest.
func (p *Pack) copyFile(w io.Writer, i int, buf []byte) error {
	sum := sha256.New()
	if err := p.zip.CopyTo(io.MultiWriter(sum, w), i, buf); err != nil {
		return err
	}
	name, want := p.zip.Files[i].Name, p.ID
	if name != manifestFile {
		want = p.told(i).SHA256
	}
	if got := digest.Digest(sum.Sum(nil)); got != want {
		return damage(name, "its digest is %s, the manifest says %s", got.Short(), want.Short())
	}
	return nil
}

// Len returns the number of files, and how many bytes they hold together.
func (p *Pack) Len() (files int, bytes int64) {
	for _, f := range p.zip.Files {
		bytes += f.Size
	}
	return len(p.zip.Files), bytes
}

// Each calls write with every file in order, the manifest last; content writes
// the file's bytes, and fails when they are not those of the manifest.
func (p *Pack) Each(write func(path string, content func(io.Writer) error) error) error {
	buf := make([]byte, chunk)
	last := -1
	for i, f := range p.zip.Files {
		if f.Name == manifestFile {
			last = i
			continue
		}
		if err := write(f.Name, func(w io.Writer) error { return p.copyFile(w, i, buf) }); err != nil {
			return err
		}
	}
	return write(manifestFile, func(w io.Writer) error { return p.copyFile(w, last, buf) })
}
