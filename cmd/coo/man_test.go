package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestManPages keeps docs/man what the commands themselves say, as
// TestCLIReference does docs/cli.md: go test ./cmd/coo -run TestManPages
// -update. The pages are in the repository, and in every release archive, so
// that the binary needs no generator and a packager needs nothing but files.
// They carry no date and no version: equal commands make equal pages.
func TestManPages(t *testing.T) {
	dir := filepath.Join(repoRoot(t), "docs", "man")
	want := manPages()
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want { // order: one file each
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := tree(t, dir)
	delete(got, "./")
	if !maps.Equal(got, want) {
		t.Errorf("docs/man is not what the commands say: go test ./cmd/coo -run TestManPages -update")
	}
}

// manPages returns the manual, by file name: coo.1, a page in section 1 for
// each command, and one in section 7 for each topic.
func manPages() map[string]string {
	a := &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	root := a.command()
	var all []string
	pages := map[string]string{}
	for _, c := range root.Commands() {
		if c.Name() != "help" && c.Name() != "completion" {
			all = append(all, manName(c))
		}
	}
	for _, c := range append(root.Commands(), root) {
		if c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		name := manName(c)
		others := slices.DeleteFunc(append([]string{manName(root)}, all...), func(s string) bool { return s == name })
		stem, section := cutLast(name, "(")
		pages[stem+"."+strings.TrimSuffix(section, ")")] = manPage(c, others)
	}
	return pages
}

// manName returns a name as "coo-run(1)".
func manName(c *cobra.Command) string {
	name, section := strings.ReplaceAll(c.CommandPath(), " ", "-"), 1
	if !c.Runnable() {
		section = 7
	}
	return fmt.Sprintf("%s(%d)", name, section)
}

func cutLast(s, sep string) (before, after string) {
	i := strings.LastIndex(s, sep)
	return s[:i], s[i+len(sep):]
}

// manPage returns a page in the language of man(7).
func manPage(c *cobra.Command, others []string) string {
	var b strings.Builder
	stem, section := cutLast(strings.TrimSuffix(manName(c), ")"), "(")
	fmt.Fprintf(&b, ".\\\" Generated from the commands: go test ./cmd/coo -run TestManPages -update\n")
	fmt.Fprintf(&b, ".TH %q %s \"\" coo \"Coo manual\"\n.SH NAME\n%s \\- %s\n", strings.ToUpper(stem), section, roff(stem), roff(c.Short))
	switch {
	case c.HasSubCommands():
		fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n.I COMMAND\n", roff(c.Name()))
	case c.Runnable():
		fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(c.UseLine()))
	}
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s", roffText(text))
	if c.HasSubCommands() {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range c.Commands() {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(sub.Name()), roff(sub.Short))
		}
	}
	if c.Runnable() {
		manFlags(&b, "OPTIONS", c.NonInheritedFlags())
		manFlags(&b, "OPTIONS OF EVERY COMMAND", c.InheritedFlags())
		fmt.Fprintf(&b, ".SH EXIT STATUS\n%s", roffText(exitTable))
	}
	if c.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n%s", roffText(c.Example))
	}
	b.WriteString(".SH SEE ALSO\n")
	for i, o := range others {
		name, s := cutLast(o, "(")
		end := ","
		if i == len(others)-1 {
			end = ""
		}
		fmt.Fprintf(&b, ".BR %s (%s%s\n", roff(name), s, end)
	}
	return b.String()
}

func manFlags(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR", roff(name))
		if value != "" {
			fmt.Fprintf(b, " \\fI%s\\fR", roff(value))
		}
		fmt.Fprintf(b, "\n%s\n", roff(usage))
	})
}

// roffText returns paragraphs; indented lines stay as they are.
func roffText(text string) string {
	var b strings.Builder
	literal := false
	for line := range strings.Lines(strings.Trim(text, "\n") + "\n") {
		line = strings.TrimRight(line, "\n")
		if indented := strings.HasPrefix(line, "  "); line != "" && indented != literal {
			literal = indented
			b.WriteString(map[bool]string{true: ".PP\n.nf\n", false: ".fi\n"}[literal])
		}
		if line == "" {
			b.WriteString(".PP\n")
			continue
		}
		b.WriteString(roff(line) + "\n")
	}
	if literal {
		b.WriteString(".fi\n")
	}
	return strings.ReplaceAll(b.String(), ".PP\n.PP\n", ".PP\n")
}

// roff escapes what troff would take for its own.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\[u2026]`, "~", `\(ti`, "^", `\(ha`, "`", `\(ga`, "'", `\(aq`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
