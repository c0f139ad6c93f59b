package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/environment"
	"github.com/coo-runtime/coo/internal/hostfile"
	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
)

// environment returns what the programs of a run have used outside of its
// workspace, and the manifest's name: of the execution that was asked for, else
// of the newest that says. It is nil where none does.
func (r *recording) environment() (*environment.Manifest, digest.Digest, error) {
	var none digest.Digest
	var executions [][][]byte
	if r.pack == nil && r.handle.Execution != nil {
		values, err := r.st.Attachments(*r.handle.Execution)
		if err != nil {
			return nil, none, err
		}
		executions = [][][]byte{values}
	} else if r.run.Seal != nil {
		var err error
		if executions, err = r.attached(); err != nil {
			return nil, none, err
		}
	}
	for _, values := range slices.Backward(executions) {
		at, err := run.ParseAttachments(values)
		if err != nil {
			return nil, none, err
		}
		for _, e := range at.Environments {
			m, err := readEnvironment(r.run.Blob, e.Manifest)
			return m, e.Manifest, err
		}
	}
	return nil, none, nil
}

// readEnvironment reads a manifest. One that is none is damage.
func readEnvironment(blob func(digest.Digest) ([]byte, error), d digest.Digest) (*environment.Manifest, error) {
	b, err := blob(d)
	if err != nil {
		return nil, err
	}
	m, err := environment.Parse(b)
	if err != nil {
		return nil, &store.DamageError{Path: store.BlobPath(d), Record: -1, What: err.Error()}
	}
	return m, nil
}

// differingEnvironment compares what a run has used of its machine with what is
// there now, and says in what it differs. It does so once the run's programs
// may start: until then a pack leads to no file of this machine. The result is
// for beside a difference of the replay.
func (a *app) differingEnvironment(rec *recording) (beside []string, err error) {
	if programs, err := starts(rec); err != nil || len(programs) == 0 {
		return nil, err
	}
	was, _, err := rec.environment()
	if err != nil || was == nil {
		return nil, err
	}
	dir := ""
	if rec.st != nil {
		dir = rec.st.Dir()
	}
	sums := snapshot.OpenSums(dir)
	is := hostfile.Today(was, sums)
	_ = sums.Close() // what cannot be remembered is read again
	beside = report.DifferingEnvironment(was, environment.Compare(was, is))
	for _, line := range beside {
		a.say("%s", visible(line))
	}
	if line := report.UncomparedEnvironment(was); line != "" {
		beside = append(beside, line)
	}
	return beside, nil
}

// summarise is [report.Summarise], with what the run used of its machine.
func (r *recording) summarise() (*report.Summary, error) {
	s, err := report.Summarise(r.run, r.docs)
	if err != nil {
		return nil, err
	}
	m, name, err := r.environment()
	if m != nil {
		s.Environment = report.Environment(name, m)
	}
	return s, err
}

// inspectEnvironment lists what a run has used of its machine.
func (a *app) inspectEnvironment(rec *recording) error {
	m, _, err := rec.environment()
	if err != nil {
		return err
	}
	if m == nil {
		return withStatus(exitUsage, errors.New("--environment: what a run has used outside of its workspace is known of programs at level deterministic"))
	}
	report.ListEnvironment(a.stdout, m)
	if m.Omitted > 0 {
		a.say("not described: %s", report.Count(int(m.Omitted), "file"))
	}
	return nil
}

// verifyEnvironments checks the environment manifests of a run's executions.
func verifyEnvironments(st *store.Store, id digest.Digest) error {
	executions, err := st.Executions()
	if err != nil {
		return err
	}
	for _, e := range executions {
		if e.Run != id {
			continue
		}
		values, err := st.Attachments(e)
		if err != nil {
			return err
		}
		at, err := run.ParseAttachments(values)
		if err != nil {
			return fmt.Errorf("execution %d: %w", e.N, err)
		}
		for _, env := range at.Environments {
			if _, err := readEnvironment(st.Get, env.Manifest); err != nil {
				return err
			}
		}
	}
	return nil
}

// side returns a run as one of two that are compared.
func (r *recording) side() (report.Side, error) {
	m, _, err := r.environment()
	return report.Side{Name: r.name(), Run: r.run, Docs: r.docs, Environment: m}, err
}

// sides returns two runs to be compared.
func sides(left, right *recording) (a, b report.Side, err error) {
	a, errA := left.side()
	b, errB := right.side()
	return a, b, cmp.Or(errA, errB)
}
