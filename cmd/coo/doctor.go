package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/sandbox"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	var isolation string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say how surely this machine can run programs through coo",
		Long: `Tries each isolation level, and says of one that is not to be had what is
missing and what to do about it. docs/programs.md says what the levels promise.

  script         missions without programs
  deterministic  a program that does the same each time, as in frozen beside that
  frozen         a program in a network of its own, which nothing leaves but through coo
  proxied        a program that is asked to use coo's proxy

Exit 0; with --isolation, 5 when that level is not to be had.`,
		Example: "  coo doctor\n  coo doctor --isolation frozen",
		Args:    exactly(0, "no argument"),
		RunE:    func(*cobra.Command, []string) error { return a.doctor(isolation, asJSON) },
	}
	c.Flags().StringVar(&isolation, "isolation", "", "require the isolation `LEVEL`: exit 5 when it is not to be had")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// A levelReport is one level in the output of "coo doctor --json".
type levelReport struct {
	Level  string `json:"level"`
	OK     bool   `json:"ok"`
	Why    string `json:"why,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	Note   string `json:"note,omitempty"`
}

func (a *app) doctor(isolation string, asJSON bool) error {
	levels := []levelReport{{Level: "script", OK: true}}
	for _, l := range sandbox.Levels {
		f := sandbox.Probe(l)
		levels = append(levels, levelReport{string(f.Level), f.OK, f.Why, f.Remedy, f.Note})
	}
	required, err := requiredLevel(levels, isolation)
	if err != nil {
		return err
	}
	if asJSON {
		b, err := json.Marshal(map[string]any{"levels": levels})
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%s\n", b)
	} else {
		for _, l := range levels {
			fmt.Fprint(a.stdout, l.lines())
		}
	}
	if required != nil && !required.OK {
		return withStatus(exitPolicy, fmt.Errorf("isolation %s: %s", required.Level, required.Why))
	}
	a.next("coo run -- CMD ARG…")
	return nil
}

// requiredLevel returns the level called name; nil for no name.
func requiredLevel(levels []levelReport, name string) (*levelReport, error) {
	var names []string
	for i := range levels {
		if levels[i].Level == name {
			return &levels[i], nil
		}
		names = append(names, levels[i].Level)
	}
	if name == "" {
		return nil, nil
	}
	return nil, usagef("--isolation=%s: give one of %s", name, strings.Join(names, ", "))
}

func (l levelReport) lines() string {
	verdict := "yes"
	if !l.OK {
		verdict = "no: " + visible(l.Why)
	}
	s := fmt.Sprintf("%-13s %s\n", l.Level, verdict)
	if l.Remedy != "" {
		s += fmt.Sprintf("%-13s     %s\n", "", visible(l.Remedy))
	}
	if l.Note != "" {
		s += fmt.Sprintf("%-13s     but %s\n", "", visible(l.Note))
	}
	return s
}
