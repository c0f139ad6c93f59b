package report

import (
	"fmt"
	"io"
	"slices"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/wire"
)

// summary tells of a body what can be told without showing it.
func (a *Answer) summary() string {
	if a.Long != nil {
		return fmt.Sprintf("%s, sha256 %s", Size(a.Size), a.Long.Short())
	}
	return summary(a.Body)
}

// starts prints how two starts of a program differ.
func (p *pair) starts(w io.Writer, old, new digest.Call) {
	a, errA := p.oldDocs.Exec(old)
	b, errB := p.newDocs.Exec(new)
	if errA != nil || errB != nil {
		return
	}
	if !slices.Equal(a.Argv, b.Argv) {
		fmt.Fprintf(w, "command: %s → %s\n", OneLine(commandLine(a.Argv), 160), OneLine(commandLine(b.Argv), 160))
	}
	pairsDiff(w, "variable", p.oldName, a.Env, p.newName, b.Env)
	p.dotEnvs(w, a.DotEnv, b.DotEnv)
	p.contents(w, "stdin", a.Stdin, b.Stdin)
	if a.Tree != b.Tree {
		p.trees(w, a.Tree, b.Tree)
	}
}

// dotEnvs prints the files of variables in which two starts differ.
func (p *pair) dotEnvs(w io.Writer, old, new []wire.NamedBlob) {
	was, is := map[string]*digest.Digest{}, map[string]*digest.Digest{}
	var paths []string
	for _, f := range old {
		was[f.Path] = &f.SHA256
		paths = append(paths, f.Path)
	}
	for _, f := range new {
		is[f.Path] = &f.SHA256
		paths = append(paths, f.Path)
	}
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		p.contents(w, OneLine(path, 160), was[path], is[path])
	}
}

// trees prints the files in which two workspaces differ.
func (p *pair) trees(w io.Writer, old, new digest.Digest) {
	a, errA := footprint(p.oldDocs, old)
	b, errB := footprint(p.newDocs, new)
	if errA != nil || errB != nil {
		fmt.Fprintf(w, "tree: %s → %s\n", old.Short(), new.Short())
		return
	}
	p.outputs(w, a, b)
}

// outputs prints the paths in which two lists of files differ, with their
// contents where they are at hand.
func (p *pair) outputs(w io.Writer, old, new []flight.Output) {
	was, is := outputs(old), outputs(new)
	var paths []string
	for _, o := range slices.Concat(old, new) {
		paths = append(paths, o.Path)
	}
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		a, b := was[path], is[path]
		if a.Mode != b.Mode && a.Mode != "" && b.Mode != "" {
			fmt.Fprintf(w, "%s: mode %s → %s\n", OneLine(path, 120), OneLine(a.Mode, 20), OneLine(b.Mode, 20))
		}
		p.contents(w, path, a.SHA256, b.SHA256)
	}
}

func (p *pair) heads(w io.Writer, old, new *flight.Head) {
	a, errA := p.oldDocs.Head(old.Head)
	b, errB := p.newDocs.Head(new.Head)
	if old.Head == new.Head || errA != nil || errB != nil {
		return
	}
	if a.Status != b.Status {
		fmt.Fprintf(w, "status: %d → %d\n", a.Status, b.Status)
	}
	pairsDiff(w, "header", p.oldName, a.Headers, p.newName, b.Headers)
}

func (p *pair) exits(w io.Writer, old, new *flight.Exit) {
	if a, b := exitStatus(old), exitStatus(new); a != b {
		fmt.Fprintf(w, "%s → %s\n", a, b)
	}
	p.contents(w, "stdout", &old.Stdout, &new.Stdout)
	p.contents(w, "stderr", &old.Stderr, &new.Stderr)
	p.outputs(w, old.Writes, new.Writes)
}

// footprint reads the list of files that a tree is.
func footprint(d Docs, sum digest.Digest) ([]flight.Output, error) {
	b, err := d.Blob(sum)
	if err != nil {
		return nil, err
	}
	var files []flight.Output // they have the same members
	err = canon.Unmarshal(b, &files)
	return files, err
}
