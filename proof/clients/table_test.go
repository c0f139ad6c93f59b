//go:build linux

package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table into docs/programs.md")

// TestTable keeps the client table of docs/programs.md what the proof tries.
func TestTable(t *testing.T) {
	want, err := table(".")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "docs", "programs.md")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- clients -->\n", "<!-- end of clients -->\n"
	before, rest, ok := strings.Cut(string(b), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s: no place for the table", file)
	}
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("the table of clients in docs/programs.md is not what proof/clients tries: go test ./proof/clients -run TestTable -update")
	}
	if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLocks: the lock files pin everything, and name no host.
func TestLocks(t *testing.T) {
	for _, name := range []string{"requirements.txt", "requirements-litellm.txt"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if !strings.HasPrefix(line, "#") && !regexp.MustCompile(`^[\w.-]+==[\w.]+\n$`).MatchString(line) {
				t.Errorf("%s: %q pins nothing", name, line)
			}
		}
	}
	b, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), `"resolved"`) {
		t.Error("package-lock.json names a host")
	}
	b, err = os.ReadFile("package.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if strings.ContainsAny(line, "^~*") {
			t.Errorf("package.json: %s pins nothing", line)
		}
	}
}

// TestExamplesUseWhatIsPinned: the examples name the versions that their tests
// install.
func TestExamplesUseWhatIsPinned(t *testing.T) {
	pinned, err := os.ReadFile("requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(pinned), "\n")
	files, err := filepath.Glob("../../examples/*/requirements.txt")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if !slices.Contains(lines, strings.TrimSpace(line)) {
				t.Errorf("%s: %s is not what proof/clients pins", file, strings.TrimSpace(line))
			}
		}
	}
	ours, err := os.ReadFile("package.json")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile("../../examples/node-agent/package.json")
	if err != nil {
		t.Fatal(err)
	}
	sdk := regexp.MustCompile(`"@anthropic-ai/sdk": "[\d.]+"`)
	if a, b := sdk.Find(ours), sdk.Find(theirs); a == nil || string(a) != string(b) {
		t.Errorf("examples/node-agent: %s, pinned %s", b, a)
	}
}
