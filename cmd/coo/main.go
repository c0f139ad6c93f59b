// At level deterministic a handshake is the same bytes each time.
//go:debug cryptocustomrand=1

// Coo runs AI workflows identically, every time.
//
// Output rules, for every command: stdout carries the result and nothing
// else, and two identical invocations print identical bytes there. Everything
// said to a person goes to stderr, in lines that begin "coo: ", without
// times. The last line on stderr names the next useful command. What comes
// out of a recording is shown with its control characters written out.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coo-runtime/coo/internal/report"
	"github.com/coo-runtime/coo/internal/sandbox"
)

func main() {
	sandbox.Init()
	os.Exit(Main())
}

// Main is coo with the process's own arguments and streams.
func Main() int {
	// The standard library logs raw bytes of broken servers, which may hold
	// a secret; coo says itself what there is to say.
	log.SetOutput(io.Discard)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := &output{w: stdout}
	a := &app{ctx: ctx, stdout: out, stderr: stderr}
	defer a.end()
	root := a.command()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if out.err != nil && (err == nil || errors.Is(err, out.err)) {
		err = fmt.Errorf("stdout: %w", unwrapPath(out.err))
	}
	if err != nil {
		tell(stderr, err)
	}
	return exitStatus(err)
}

// An output remembers that a write failed: a result that did not get out is
// no success.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// An app is what the commands share: streams and the flags of the root.
type app struct {
	ctx            context.Context
	stdout, stderr io.Writer
	storeDir       string
	atEnd          []func() // called when the command has ended
}

func (a *app) end() {
	for _, done := range a.atEnd {
		done()
	}
}

// say tells the user something on stderr.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, "coo: "+format+"\n", args...)
}

// next names the next useful command.
func (a *app) next(format string, args ...any) {
	fmt.Fprintf(a.stderr, "next: "+format+"\n", args...)
}

func visible(s string) string { return report.Visible(s) }

const rootLong = `Coo runs a workflow, freezes every answer that came from outside, records each
step in a hash-chained flight recorder, and replays the run offline, byte for
byte, on any machine.`

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "coo",
		Short: "Run any AI workflow identically, every time",
		Long:  rootLong,
		Example: `  coo run demo
  coo replay @last
  coo run mission.star --arg topic=tides`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.PersistentFlags().StringVar(&a.storeDir, "store", "", "the `DIR` that holds .coo (default: the nearest one upwards)")
	root.AddCommand(
		a.initCommand(), a.runCommand(), a.replayCommand(), a.inspectCommand(), a.logsCommand(),
		a.explainCommand(), a.verifyCommand(), a.diffCommand(), a.packCommand(), a.unpackCommand(), a.freezeCommand(), a.doctorCommand(),
		a.rollbackCommand(), a.restoreCommand(), a.gcCommand(), a.fsckCommand(), a.versionCommand(),
		exitStatusesTopic(), runsTopic(),
	)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand(root))
	root.InitDefaultCompletionCmd()
	quieten(root)
	return root
}

// quieten gives every command coo's own treatment of usage errors.
func quieten(c *cobra.Command) {
	c.DisableSuggestions = true // they are made by flagError and unknownCommand
	c.Flags().SortFlags = true
	for _, sub := range c.Commands() {
		quieten(sub)
	}
}

// exactly is [cobra.ExactArgs] with an error that says what is missing.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s: give %s, not %s; see: %s --help", cmd.CommandPath(), what, report.Count(len(args), "argument"), cmd.CommandPath())
		}
		return nil
	}
}

// flagError names the nearest real flag.
func flagError(cmd *cobra.Command, err error) error {
	msg := err.Error()
	if name, ok := strings.CutPrefix(msg, "unknown flag: --"); ok {
		if near := nearest(name, flagNames(cmd)); near != "" {
			msg += "; did you mean --" + near + "?"
		}
	}
	return usagef("%s: %s; see: %s --help", cmd.CommandPath(), msg, cmd.CommandPath())
}

func flagNames(cmd *cobra.Command) []string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	msg := fmt.Sprintf("unknown command %q", name)
	if near := nearest(name, names); near != "" {
		msg += fmt.Sprintf("; did you mean %q?", near)
	}
	return usagef("%s; see: %s --help", msg, cmd.CommandPath())
}

// nearest returns the candidate with the smallest edit distance to s, if it
// is small enough to be a slip; of equal ones, the first in order.
func nearest(s string, candidates []string) string {
	best, bestDistance := "", max(2, len(s)/2)+1
	for _, c := range candidates {
		if d := distance(s, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short strings.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [command or topic]",
		Short:   "Help about a command or topic",
		Example: "  coo help run\n  coo help exit-statuses",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(root, strings.Join(args, " "))
			}
			return c.Help()
		},
	}
}

func exitStatusesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-statuses",
		Short: "What coo's exit statuses mean",
		Long:  "Exit statuses are part of coo's interface: they are never reused.\n\n" + strings.TrimRight(exitTable, "\n"),
	}
}

func runsTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "runs",
		Short: "How to name a run on the command line",
		Long: `A RUN is one of:

  3f2a…   a run's ID, or its first digits (4 or more) when no other run shares them
  #17     the run of execution 17 of this store
  @last   the run of the newest execution
  @open   the run in progress, or the newest that came to no end
  ~3f2a   an incomplete run, by the digest of its last whole record
  a.zip   the run in a pack: a file whose name ends in .zip, or any other with
          a slash (./a); commands that change a workspace take none

Equal runs have equal IDs, on every machine: the ID is the digest of the run's
seal, which covers every record.`,
	}
}
