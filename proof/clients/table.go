//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// table is the client table of docs/programs.md: what is pinned, and what
// each client does in which way. dir is where the lock files are.
func table(dir string) (string, error) {
	var b strings.Builder
	b.WriteString("| client | version | `frozen` | `frozen`, variables removed | `proxied` | `deterministic` |\n|---|---|---|---|---|---|\n")
	var notes []string
	note := func(text string) string {
		for i, n := range notes {
			if n == text {
				return fmt.Sprintf("(%d)", i+1)
			}
		}
		notes = append(notes, text)
		return fmt.Sprintf("(%d)", len(notes))
	}
	for i := range clients {
		c := &clients[i]
		version, err := c.version(dir)
		if err != nil {
			return "", err
		}
		removed, seen := "yes", "yes"
		if c.noBare != "" {
			removed = "no " + note(c.noBare)
		}
		if c.placed != "" {
			seen = "recorded " + note(c.placed)
		}
		if c.unguided != "" {
			seen = "no " + note(c.unguided)
		}
		fmt.Fprintf(&b, "| %s | %s | yes | %s | %s | yes |\n", c.name, version, removed, seen)
	}
	b.WriteString("\n")
	for i, n := range notes {
		fmt.Fprintf(&b, "(%d) %s.\n", i+1, n)
	}
	return b.String(), nil
}

// version is the one that the client's lock file names.
func (c *client) version(dir string) (string, error) {
	switch {
	case c.lock == "":
		return "the machine's", nil
	case strings.HasSuffix(c.lock, ".txt"):
		b, err := os.ReadFile(filepath.Join(dir, c.lock))
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, c.pkg+"=="); ok {
				return strings.TrimSpace(v), nil
			}
		}
	default:
		b, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
		if err != nil {
			return "", err
		}
		var lock struct {
			Packages map[string]struct{ Version string }
		}
		if err := json.Unmarshal(b, &lock); err != nil {
			return "", err
		}
		if p, ok := lock.Packages["node_modules/"+c.pkg]; ok {
			return p.Version, nil
		}
	}
	return "", fmt.Errorf("%s: %s does not name %s", c.name, c.lock, c.pkg)
}
