package run

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/box"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/hostfile"
	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/snapshot"
)

// Surroundings are what the programs of a run use outside of its workspace.
// They are described when the run is over, and so that a file shows that
// changed since it began.
type surroundings struct {
	c    Config
	sums *snapshot.Sums
	used []hostfile.Used
}

// newSurroundings watches what programs use, at level deterministic; at any
// other it is not known, and the result is nil.
func newSurroundings(c Config, programs *Programs) *surroundings {
	if programs == nil || programs.Level != sandbox.Deterministic {
		return nil
	}
	s := &surroundings{c: c, sums: snapshot.OpenSums(c.Store.Dir())}
	programs.Used = s.note
	return s
}

func (s *surroundings) note(files []box.File) {
	for _, f := range files {
		s.used = append(s.used, hostfile.Used{Path: f.Path, Dev: f.Dev, Ino: f.Ino})
	}
}

// attach attaches the manifest, if anything was used.
func (s *surroundings) attach(rec *flight.Recorder) error {
	if s == nil || len(s.used) == 0 {
		return nil
	}
	o := hostfile.Options{Sums: s.sums, Inside: s.inside()}
	if known := s.c.Secrets; known != nil {
		o.Secret = func(text []byte) bool { _, ok := known.Find(text); return ok }
	}
	b, err := hostfile.Describe(s.used, o).Encode()
	if err != nil {
		return err
	}
	_ = s.sums.Close() // what cannot be remembered is read again, and no run is lost for it
	d, err := rec.Blob(b)
	if err != nil {
		return err
	}
	return rec.Attach(Environment{Manifest: d, T: "environment"})
}

// inside returns what is of the workspace: what its trees hold, and what no
// replay is shown. What lies there and is outside of its snapshots, such as
// installed modules, is of the machine.
func (s *surroundings) inside() func(string) bool {
	dir := s.c.Dir.Path()
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	var outside []string
	for _, v := range s.c.Attach {
		if p, ok := v.(Place); ok && p.Outside != nil {
			outside = *p.Outside
		}
	}
	dir = strings.TrimSuffix(dir, "/") + "/"
	return func(path string) bool {
		rel, ok := strings.CutPrefix(path, dir)
		if !ok {
			return false
		}
		return !slices.ContainsFunc(outside, func(o string) bool {
			base := filepath.Base(o)
			return (rel == o || strings.HasPrefix(rel, o+"/")) && (base == bytecode || !made(base))
		})
	}
}
