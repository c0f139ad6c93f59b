package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/run"
	"github.com/coo-runtime/coo/internal/snapshot"
	"github.com/coo-runtime/coo/internal/store"
)

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify RUN",
		Short: "Check every byte of a run",
		Long: `Checks a run from its seal downwards: the ID is the digest of the seal, the
records are a chain, the Merkle root and the freeze manifest follow from them,
and every document and content that they name has its digest and is stored in
its one form. A byte that is not as it was written is named: file, record,
offset; exit 4. An incomplete run is checked up to its last whole record. Of a
pack every byte of the archive is checked, its attachments included.`,
		Example: "  coo verify @last\n  coo verify demo.zip",
		Args:    exactly(1, "one run"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.verify(args[0]) },
	}
}

func (a *app) verify(ref string) error {
	if isPack(ref) {
		return a.verifyPack(ref)
	}
	st, err := a.openStore()
	if err != nil {
		return err
	}
	h, err := resolve(st, ref)
	if err != nil {
		return err
	}
	if !h.Sealed {
		return a.verifyOpen(st, h)
	}
	r, err := flight.Verify(st, h.ID)
	if err != nil {
		return err
	}
	trees, err := verifyTrees(st, h.ID)
	if err != nil {
		return err
	}
	if err := verifyEnvironments(st, h.ID); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "verified run %s\n", r.ID)
	fmt.Fprintf(a.stdout, "  root             %s\n", r.Root)
	fmt.Fprintf(a.stdout, "  freeze manifest  %s\n", r.Freeze)
	fmt.Fprintf(a.stdout, "  %s, %s, %s of content, %s\n", report.Count(int(r.Records), "record"),
		report.Count(int(r.Calls), "call"), report.Count(int(r.Blobs), "piece"), report.Size(r.Bytes))
	if trees > 0 {
		fmt.Fprintf(a.stdout, "  %s of its workspace\n", report.Count(trees, "snapshot"))
	}
	a.next("coo replay %s", r.ID.Short())
	return nil
}

// verifyTrees checks every byte of the workspaces that executions of a run
// have kept, and returns how many different ones there are.
func verifyTrees(st *store.Store, id digest.Digest) (int, error) {
	executions, err := st.Executions()
	if err != nil {
		return 0, err
	}
	trees, blobs := map[digest.Digest]bool{}, map[digest.Digest]bool{}
	for _, e := range executions {
		if e.Run != id {
			continue
		}
		values, err := st.Attachments(e)
		if err != nil {
			return 0, err
		}
		kept, err := run.Trees(values)
		if err != nil {
			return 0, err
		}
		for _, t := range kept {
			if trees[t.Tree] {
				continue
			}
			trees[t.Tree] = true
			if err := verifyTree(st, t.Tree, blobs); err != nil {
				return 0, err
			}
		}
	}
	return len(trees), nil
}

func verifyTree(st *store.Store, tree digest.Digest, seen map[digest.Digest]bool) error {
	names, err := snapshot.Names(st, tree)
	if err != nil {
		return err
	}
	for _, d := range names {
		if seen[d] {
			continue
		}
		seen[d] = true
		if err := st.VisitTo(d, io.Discard, nil); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) verifyOpen(st *store.Store, h store.Handle) error {
	r, err := flight.VerifyOpen(st, h.Dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "verified the incomplete run %s up to its last whole record\n", h.Dir)
	fmt.Fprintf(a.stdout, "  %s, %s\n", report.Count(int(r.Records), "record"), report.Count(int(r.Calls), "call"))
	if r.Dropped > 0 {
		a.say("the last %s of its journal are an unfinished record, which is left out", report.Count(int(r.Dropped), "byte"))
	}
	a.next("coo logs @open")
	return nil
}
