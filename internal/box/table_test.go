//go:build linux && amd64

package box

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/sandbox.md")

const docs = "../../docs/sandbox.md"

// TestTable holds that each system call has a treatment, and that
// docs/sandbox.md says which.
func TestTable(t *testing.T) {
	for i, c := range calls {
		if j := slices.IndexFunc(calls, func(d call) bool { return d.nr == c.nr }); j != i {
			t.Errorf("%s has two rows", c.name)
		}
	}
	var passing, decided strings.Builder
	for _, c := range Treatments() {
		switch {
		case c.Does == "":
			t.Errorf("%s (%d) has no treatment", c.Name, c.Number)
		case !c.Stops && handled(uint64(c.Number)):
			t.Errorf("%s (%d) passes, and has a handler", c.Name, c.Number)
		case c.Stops:
			fmt.Fprintf(&decided, "| %d | `%s` | %s |\n", c.Number, c.Name, c.Does)
		default:
			fmt.Fprintf(&passing, "`%s` ", c.Name)
		}
	}
	want := "These do not stop: " + strings.TrimSpace(passing.String()) + ".\n\n| | call | at a stop |\n|---|---|---|\n" + decided.String()
	file, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := []byte("<!-- calls: go test ./internal/box -run TestTable -update -->\n"), []byte("<!-- end of calls -->")
	i, j := bytes.Index(file, begin), bytes.Index(file, end)
	if i < 0 || j < i {
		t.Fatalf("%s has no place for the table", docs)
	}
	i += len(begin)
	if string(file[i:j]) == want {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the code says: go test ./internal/box -run TestTable -update", docs)
	}
	if err := os.WriteFile(docs, slices.Concat(file[:i], []byte(want), file[j:]), 0o644); err != nil {
		t.Fatal(err)
	}
}

func handled(nr uint64) bool { return table[nr] != nil }

// TestFilter holds that the filter's jumps are where they should be: that it
// has no more instructions than the kernel takes.
func TestFilter(t *testing.T) {
	const most = 4096 // BPF_MAXINSNS
	if n := len(filter(passes)); n > most {
		t.Errorf("the filter has %d instructions, of %d", n, most)
	}
}
