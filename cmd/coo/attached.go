package main

import (
	"crypto/sha256"
	"io"
	"os"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/store"
)

// attachments describe a program's surroundings beside its identity. A
// program that is not there is an error, before anything runs.
func attachments(workspace string, argv []string) ([]any, error) {
	exe, err := sandbox.Resolve(argv[0], workspace, os.Environ())
	if err != nil {
		return nil, withStatus(exitUsage, err)
	}
	place, err := run.PlaceOf(workspace)
	if err != nil {
		return nil, err
	}
	out := []any{place}
	for _, path := range []string{exe.Real, exe.Interpreter} {
		if path == "" {
			continue
		}
		d, err := digestFile(path)
		if err != nil {
			continue // what may be executed but not read is not described
		}
		out = append(out, run.Exe{T: "exe", Path: path, SHA256: d})
	}
	return out, nil
}

func digestFile(name string) (digest.Digest, error) {
	f, err := os.Open(name)
	if err != nil {
		return digest.Digest{}, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return digest.Digest{}, err
	}
	return digest.Digest(sum.Sum(nil)), nil
}

// attached returns the values attached to each execution of the run that is
// known of.
func (r *recording) attached() ([][][]byte, error) {
	if r.pack != nil {
		return [][][]byte{r.pack.Attachments}, nil
	}
	executions, err := r.st.Executions()
	if err != nil {
		return nil, err
	}
	var out [][][]byte
	for _, e := range executions {
		if e.Run != r.run.ID {
			continue
		}
		values, err := r.st.Attachments(e)
		if err != nil {
			return nil, err
		}
		out = append(out, values)
	}
	return out, nil
}

// baseline returns the workspace's tree before the run, and where that was.
func (r *recording) baseline() (tree digest.Digest, place run.Place, err error) {
	executions, err := r.attached()
	if err != nil {
		return tree, place, err
	}
	for _, values := range executions {
		at, err := run.ParseAttachments(values)
		if err != nil {
			return tree, place, err
		}
		for _, t := range at.Trees {
			if t.At == run.AtBaseline && len(at.Places) == 1 {
				return t.Tree, at.Places[0], nil
			}
		}
	}
	return tree, place, &store.DamageError{Path: r.handle.Dir, Record: -1, What: "no execution of the run has the workspace's baseline"}
}
