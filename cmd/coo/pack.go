package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/credential"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/flight"
	"github.com/coo-runtime/coo/internal/pack"
	"github.com/coo-runtime/coo/internal/replay"
	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/wire"
)

type packFlags struct {
	out   string
	yes   bool
	force bool
}

func (a *app) packCommand() *cobra.Command {
	var f packFlags
	cmd := &cobra.Command{
		Use:   "pack RUN -o FILE.zip",
		Short: "Put a run in one file that anybody can check and replay",
		Long: `Verifies and replays a run, and writes it with everything that it needs to one
archive: mission and inputs, calls and answers, the flight recorder, outputs, the
replay's transcript, lineage, and the snapshots of the whole workspace that were
kept with it. The same run with the same snapshots gives the same bytes.

A pack is for others to read: it is written only on an explicit yes, asked for on
a terminal, or given by --yes. Before that everything is searched for the secrets
in coo's own environment and for what looks like a credential; what is found is
named by file and offset, and nothing is written, exit 5.`,
		Example: "  coo pack @last -o demo.zip\n  coo verify demo.zip",
		Args:    exactly(1, "one run"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.pack(args[0], f) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.out, "output", "o", "", "write the pack to `FILE`")
	fl.BoolVar(&f.yes, "yes", false, "write it without asking")
	fl.BoolVar(&f.force, "force", false, "replace FILE when it is there")
	return cmd
}

func (a *app) pack(ref string, f packFlags) error {
	if f.out == "" {
		return usagef("coo pack: give -o FILE.zip")
	}
	if isPack(ref) {
		return usagef("coo pack: %q is a pack already", ref)
	}
	rec, err := a.load(ref)
	if err != nil {
		return err
	}
	if rec.run.Seal == nil {
		return withStatus(exitUsage, fmt.Errorf("run %s is incomplete: only a sealed run can be packed", rec.name()))
	}
	if _, err := os.Lstat(f.out); err == nil && !f.force {
		return fmt.Errorf("%q is there already: --force replaces it", f.out)
	}
	draft, err := a.draft(rec)
	if err != nil {
		return err
	}
	if err := a.scan(draft); err != nil {
		return err
	}
	if err := a.agree(rec, draft, f); err != nil {
		return err
	}
	if err := durable.Write(f.out, 0o644, draft.Encode); err != nil {
		return fmt.Errorf("-o %q: %w", f.out, unwrapPath(err))
	}
	fmt.Fprintf(a.stdout, "pack  %s\nrun   %s\n%s, %s\n", draft.ID, rec.run.ID, report.Count(len(draft.Files), "file"), report.Size(draft.Size()))
	a.next("coo verify %s", visible(f.out))
	return nil
}

// draft verifies and replays a run, and drafts its pack.
func (a *app) draft(rec *recording) (*pack.Draft, error) {
	if err := rec.verify(); err != nil {
		return nil, err
	}
	var attachments [][]byte
	if rec.handle.Execution != nil {
		var err error
		if attachments, err = rec.st.Attachments(*rec.handle.Execution); err != nil {
			return nil, err
		}
	}
	transcript, err := a.transcript(rec)
	if err != nil {
		return nil, fmt.Errorf("run %s is not packed: %w", rec.name(), err)
	}
	return pack.New(rec.run, attachments, transcript, stored{rec.st})
}

// transcript replays a run and returns what that prints. A run that starts
// programs is not performed: its records are told as they are.
func (a *app) transcript(rec *recording) ([]byte, error) {
	var out bytes.Buffer
	observed := func(r flight.Record) { fmt.Fprintln(&out, report.Line(r, rec.docs)) }
	programs, err := starts(rec)
	if err != nil {
		return nil, err
	}
	if len(programs) > 0 {
		for _, r := range rec.run.Records {
			observed(r)
		}
		fmt.Fprintln(&out, "not performed when it was packed: the run starts programs")
		return out.Bytes(), nil
	}
	err = replay.Do(a.ctx, replay.Config{Run: rec.run, Source: rec.source(), Blob: rec.run.Blob, Observed: observed})
	if is[*replay.Divergence](err) {
		a.next("coo replay %s", rec.name())
	}
	fmt.Fprintln(&out, identical(rec))
	return out.Bytes(), err
}

// stored are the contents of a store.
type stored struct{ st *store.Store }

func (s stored) Get(d digest.Digest) ([]byte, error) { return s.st.Get(d) }

func (s stored) Size(d digest.Digest) (int64, bool, error) {
	if !s.st.Has(d) {
		return 0, false, nil
	}
	n, err := s.st.Size(d)
	return n, true, err
}

func (s stored) Open(d digest.Digest) (io.Reader, error) { return s.st.GetReader(d) }

// scan refuses a pack that would give a secret away. It names the first place
// in each file, and never what is there.
func (a *app) scan(draft *pack.Draft) error {
	secrets, err := credentialsOf(a.storeParent())
	if err != nil {
		return err
	}
	const most = 20
	found := 0
	err = draft.Scan(func(f pack.File) (io.Writer, func() error) {
		s := &packScanner{known: secrets.known.Stream()}
		return s, func() error {
			what, offset := s.close()
			if what == "" {
				return nil
			}
			if found++; found <= most {
				a.say("%s: byte %d: %s", visible(f.Path), offset, what)
			}
			return nil
		}
	})
	if err != nil {
		return err
	}
	if found > 0 {
		a.say("%s of the pack would give a secret away; nothing was written", report.Count(found, "file"))
		a.next("take it out of the mission, its inputs or its workspace, and run the mission again")
		return silently(exitPolicy)
	}
	return nil
}

// A packScanner looks for known secrets and for credentials in one file.
type packScanner struct {
	known   *wire.Redactor
	pattern credential.Scanner
}

func (s *packScanner) Write(p []byte) (int, error) {
	s.known.Write(p)
	return s.pattern.Write(p)
}

// close returns what comes first, and where.
func (s *packScanner) close() (what string, offset int64) {
	s.known.Close()
	finding := s.pattern.Close()
	hit, ok := s.known.First()
	switch {
	case ok && (finding == nil || int64(hit.Start) <= finding.Offset):
		return fmt.Sprintf("the value of %s, %s", hit.Name, hit.Form), int64(hit.Start)
	case finding != nil:
		return "what looks like " + finding.What, finding.Offset
	}
	return "", 0
}

// agree says what a pack would hold, and asks.
func (a *app) agree(rec *recording, draft *pack.Draft, f packFlags) error {
	beside, size := 0, int64(0)
	for _, file := range draft.Files {
		if len(file.Roles) == 1 && file.Roles[0] == "workspace" {
			beside++
			size += file.Size
		}
	}
	a.say("the pack of run %s holds %s, %s; %s of them, %s, only because they were in the workspace",
		rec.name(), report.Count(len(draft.Files), "file"), report.Size(draft.Size()), report.Count(beside, "file"), report.Size(size))
	if f.yes {
		return nil
	}
	if !isTerminal(os.Stdin) {
		return usagef("coo pack: whoever has the file can read all of that: say yes with --yes")
	}
	fmt.Fprintf(a.stderr, "Whoever has the file can read all of that. Write %s? [y/N] ", visible(f.out))
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was written")
}

// verifyPack checks every byte of a pack.
func (a *app) verifyPack(name string) error {
	rec, err := a.loadPack(name)
	if err != nil {
		return err
	}
	if err := rec.verify(); err != nil {
		return err
	}
	p, seal := rec.pack, rec.run.Seal
	files, size := p.Len()
	fmt.Fprintf(a.stdout, "verified pack %s\n", p.ID)
	fmt.Fprintf(a.stdout, "  run              %s\n", rec.run.ID)
	fmt.Fprintf(a.stdout, "  root             %s\n", seal.Root)
	fmt.Fprintf(a.stdout, "  freeze manifest  %s\n", seal.Freeze)
	fmt.Fprintf(a.stdout, "  %s, %s, %s, %s\n", report.Count(len(rec.run.Records), "record"),
		report.Count(rec.calls(), "call"), report.Count(files, "file"), report.Size(size))
	a.next("coo replay %s", visible(name))
	return nil
}
