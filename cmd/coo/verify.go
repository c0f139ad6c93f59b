package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/report"
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
offset; exit 4. An incomplete run is checked up to its last whole record.`,
		Example: "  coo verify @last",
		Args:    exactly(1, "one run"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.verify(args[0]) },
	}
}

func (a *app) verify(ref string) error {
	st, err := a.openStore()
	if err != nil {
		return err
	}
	h, err := flight.Resolve(st, ref)
	if err != nil {
		if is[*store.DamageError](err) {
			return err
		}
		return withStatus(exitUsage, err)
	}
	if !h.Sealed {
		return a.verifyOpen(st, h)
	}
	r, err := flight.Verify(st, h.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "verified run %s\n", r.ID)
	fmt.Fprintf(a.stdout, "  root             %s\n", r.Root)
	fmt.Fprintf(a.stdout, "  freeze manifest  %s\n", r.Freeze)
	fmt.Fprintf(a.stdout, "  %s, %s, %s of content, %s\n", report.Count(int(r.Records), "record"),
		report.Count(int(r.Calls), "call"), report.Count(int(r.Blobs), "piece"), report.Size(r.Bytes))
	a.next("coo replay %s", r.ID.Short())
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
