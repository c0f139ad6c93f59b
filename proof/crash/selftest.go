//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A sham is a build without something that durability needs.
type sham struct {
	name  string
	edits []edit
	// scenario is one whose states must give it away.
	scenario string
}

// An edit replaces a text, which must be there, in a source file.
type edit struct{ file, old, now string }

var (
	noData = edit{"internal/durable/sync_linux.go", "err := unix.Fdatasync(int(f.Fd()))", "err := error(nil)"}
	noDir  = edit{"internal/durable/dir_unix.go", "if err := f.Sync(); err != nil {", "if err := error(nil); err != nil {"}
	noFile = edit{"internal/durable/batch.go", "if err := f.Sync(); err != nil {", "if err := error(nil); err != nil {"}
	noTemp = edit{"internal/durable/durable.go", "err = f.Sync()", "err = nil"}
	noFS   = edit{"internal/durable/sync_linux.go", "if err := unix.Syncfs(int(f.Fd())); err != nil {", "if err := error(nil); err != nil {"}
)

var shams = []sham{
	{"no sync at all", []edit{noData, noFS, noDir, noFile, noTemp}, "recording"},
	{"no sync of the journal", []edit{noData}, "recording"},
	{"no sync of directories", []edit{noDir}, "sealing"},
	{"no sync of blobs", []edit{noFile}, "sealing"},
	{"no sync of the file system", []edit{noFS}, "a large answer, many files"},
	{"no sync of the run's lines", []edit{{"internal/store/run.go", "err = f.Sync()", "err = nil"}}, "sealing"},
	{"no sync of written files", []edit{{"internal/workspace/apply.go", `err = a.d.do("sync", name, f.Sync)`, "err = nil"}}, "apply"},
	{"no sync of many written files", []edit{{"internal/workspace/sync.go", "_, err := durable.SyncFSOf(s.f)", "err := error(nil)"}}, "rollback, many files"},
	{"no sync of a mission's intent", []edit{noTemp}, "apply"},
	{"no sync of a rollback's intent", []edit{noTemp}, "rollback"},
	{"no sync of restored files", []edit{{"internal/snapshot/build.go", "if err := f.Sync(); err != nil {", "if err := error(nil); err != nil {"}}, "restore"},
	{"a restore that nobody intended", []edit{{"internal/snapshot/restoring.go", "return in, durable.WriteFile(st.Path(in.file()), append(line, '\\n'), 0o644)", "_ = line\n\treturn in, nil"}, {"internal/snapshot/restoring.go", "if err := os.Remove(st.Path(in.file())); err != nil {", "if err := error(nil); err != nil {"}}, "restore"},
}

// selfTest builds each sham and demands that the proof fails.
func (b *bench) selfTest() error {
	b.quiet = true
	only := b.only
	b.only = "" // it names shams here
	missed := 0
	for _, s := range shams {
		if !strings.Contains(s.name, only) {
			continue
		}
		caught, err := b.try(s)
		if err != nil {
			return fmt.Errorf("sham %q: %w", s.name, err)
		}
		if caught == nil {
			missed++
			fmt.Printf("proof: crash: sham %q: NOT caught\n", s.name)
			continue
		}
		first, _, _ := strings.Cut(caught.Error(), "\n")
		fmt.Printf("proof: crash: sham %q: caught: %.240s\n", s.name, first)
	}
	if missed > 0 {
		return fmt.Errorf("%d shams were not caught", missed)
	}
	return nil
}

// try returns the first promise that a sham breaks.
func (b *bench) try(s sham) (caught, err error) {
	texts := map[string]string{}
	for _, e := range s.edits {
		if texts[e.file] == "" {
			text, err := os.ReadFile(e.file)
			if err != nil {
				return nil, err
			}
			texts[e.file] = string(text)
		}
		if !strings.Contains(texts[e.file], e.old) {
			return nil, fmt.Errorf("%s does not hold %q any more", e.file, e.old)
		}
		texts[e.file] = strings.Replace(texts[e.file], e.old, e.now, 1)
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for file, text := range texts {
		abs, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		to := filepath.Join(b.dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return nil, err
		}
		overlay["Replace"][abs] = to
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return nil, err
	}
	at := filepath.Join(b.dir, "overlay.json")
	if err := os.WriteFile(at, list, 0o644); err != nil {
		return nil, err
	}
	if err := b.build("sham", "-overlay", at); err != nil {
		return nil, err
	}
	for _, sc := range scenarios {
		if sc.name != s.scenario {
			continue
		}
		sc.part *= 4
		n, errs, _, err := b.crashes(sc, map[string]*take{})
		switch {
		case err != nil:
			return nil, err
		case len(errs) > 0:
			return errs[0], nil
		case n == 0:
			return nil, fmt.Errorf("no state of %q was checked", sc.name)
		}
		return nil, nil
	}
	return nil, fmt.Errorf("no scenario %q", s.scenario)
}
