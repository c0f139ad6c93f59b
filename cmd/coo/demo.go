package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/coo-runtime/coo/internal/demo"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/freeze"
	"github.com/coo-runtime/coo/internal/mission"
	"github.com/coo-runtime/coo/internal/store"
)

const (
	demoName = "demo"     // reserved: what "coo run demo" runs
	demoDir  = "coo-demo" // where it writes
)

// runDemo runs the built-in mission. It is always answered from its own
// freeze, so that it says the same before and after a live run; with
// --calls=live it asks the server that --resolve names.
func (a *app) runDemo(f runFlags) error {
	if f.eject != "" {
		return a.ejectDemo(f.eject)
	}
	if f.workspace != "." {
		return usagef("the demo works in ./%s: --workspace is for missions of yours", demoDir)
	}
	f.workspace = demoDir
	if len(f.from) > 0 || f.name != "" {
		return usagef("the demo is always answered from its own freeze: --from and --name are for missions of yours; see coo run demo --eject DIR")
	}
	if f.calls == "" {
		f.calls = "frozen"
	}
	s, err := f.parse()
	if err != nil {
		return err
	}
	st, err := a.openOrInitStore()
	if err != nil {
		return err
	}
	if err := checkDemoDir(st); err != nil {
		return err
	}
	program, err := demoProgram()
	if err != nil {
		return err
	}
	var sources []*freeze.Source
	if f.calls != "live" {
		frozen, err := demo.Frozen()
		if err != nil {
			return err
		}
		sources = append(sources, frozen)
	}
	if err := os.Mkdir(demoDir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return a.perform(st, demoName, program, sources, s, f)
}

func demoProgram() (*mission.Program, error) {
	return mission.Load(demo.Main, func(path string) ([]byte, error) {
		if path != demo.Main {
			return nil, errors.New("no such file")
		}
		return demo.Source(), nil
	})
}

// checkDemoDir refuses a coo-demo directory that holds anything but what a
// demo has written there.
func checkDemoDir(st *store.Store) error {
	ours, err := demoFiles(st)
	if err != nil {
		return err
	}
	return filepath.WalkDir(demoDir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == demoDir {
			return nil
		}
		if err != nil {
			return err
		}
		if path == demoDir && d.IsDir() {
			return nil
		}
		name := strings.TrimPrefix(filepath.ToSlash(path), demoDir+"/")
		why := "is not the demo's"
		if sums, known := ours[name]; known && d.Type().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if sums[digest.Of(b)] {
				return nil
			}
			why = "was changed since the demo wrote it"
		}
		return fmt.Errorf("./%s holds %s, which %s: move it away, or run the demo in another directory", demoDir, visible(name), why)
	})
}

// demoFiles returns what demos write, by path: the frozen one, and all that
// this store knows.
func demoFiles(st *store.Store) (map[string]map[digest.Digest]bool, error) {
	files := map[string]map[digest.Digest]bool{}
	add := func(path string, d digest.Digest) {
		if files[path] == nil {
			files[path] = map[digest.Digest]bool{}
		}
		files[path][d] = true
	}
	for path, d := range demo.Outputs() {
		add(path, d)
	}
	executions, err := st.Executions()
	if err != nil {
		return nil, err
	}
	for _, e := range executions {
		if e.Name != demoName {
			continue
		}
		r, err := flight.Load(st, e.Run)
		if err != nil {
			return nil, err
		}
		for _, o := range r.Seal.Outputs {
			if o.SHA256 != nil {
				add(o.Path, *o.SHA256)
			}
		}
	}
	return files, nil
}

// ejectDemo writes the demo as an ordinary mission with its frozen calls.
func (a *app) ejectDemo(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return usagef("--eject %q: %v", dir, unwrapPath(err))
	}
	if len(entries) > 0 {
		return fmt.Errorf("--eject %q: the directory is not empty", dir)
	}
	if err := durable.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	frozen, err := demo.Frozen()
	if err != nil {
		return err
	}
	if _, err := freeze.WriteDir(filepath.Join(dir, "frozen"), frozen, nil); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, demo.Main), demo.Source(), 0o644); err != nil {
		return err
	}
	a.say("wrote the demo to %s: %s and its frozen calls", visible(dir), demo.Main)
	a.next("cd %s && mkdir out && coo run %s --from frozen --workspace out", visible(quoted(dir)), demo.Main)
	return nil
}
