package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/environment"
)

func TestDifferingEnvironment(t *testing.T) {
	old := &environment.Package{Name: "requests", System: "python", Version: "2.31.0"}
	new := &environment.Package{Name: "requests", System: "python", Version: "2.32.0"}
	other := &environment.Package{Name: "libc6", System: "debian", Version: "2.36"}
	m := &environment.Manifest{Files: make([]environment.File, 811), Links: make([]environment.Link, 1)}
	for _, tt := range []struct {
		differences []environment.Difference
		want        string
	}{
		{nil, ""},
		{[]environment.Difference{{Path: "/a"}}, "  differs: /a"},
		{[]environment.Difference{{Path: "/a", Missing: true}}, "  missing: /a"},
		{[]environment.Difference{{Path: "/a", Missing: true, Was: other}}, "  missing: /a (debian libc6 2.36)"},
		{[]environment.Difference{{Path: "/a", What: "a link to b → c"}}, "  differs: /a (a link to b → c)"},
		{[]environment.Difference{{Path: "/a", What: "mode 0755 → 0644", Was: old, Is: old}}, "  differs: /a (mode 0755 → 0644, python requests 2.31.0 in both)"},
		{[]environment.Difference{{Path: "/a", Is: other}}, "  differs: /a (of no package → debian libc6 2.36)"},
		{[]environment.Difference{{Path: "/a", Was: other}}, "  differs: /a (debian libc6 2.36 → of no package)"},
		{[]environment.Difference{{Path: "/a", Was: other, Is: new}}, "  differs: /a (debian libc6 2.36 → python requests 2.32.0)"},
		{[]environment.Difference{{Path: "/a\n\x1b[2J"}}, "  differs: " + OneLine("/a\n\x1b[2J", 400)},
		{
			[]environment.Difference{
				{Path: "/a", Was: old, Is: new},
				{Path: "/b"},
				{Path: "/c", Was: old, Is: new},
				{Path: "/d", Was: old, Missing: true},
				{Path: "/e", Was: old, Is: new},
				{Path: "/f", Was: old, Missing: true},
				{Path: "/g"},
			},
			"  differs: /a and 2 more (python requests 2.31.0 → 2.32.0)\n  differs: /b\n  missing: /d and 1 more (python requests 2.31.0)\n  differs: /g",
		},
	} {
		lines := DifferingEnvironment(m, tt.differences)
		head := ""
		if len(lines) > 0 {
			head, lines = lines[0], lines[1:]
		}
		want := fmt.Sprintf("the environment differs: %d of the 812 files that the recorded program used", len(tt.differences))
		if got := strings.Join(lines, "\n"); got != tt.want || head != "" && head != want {
			t.Errorf("%s\n%s\nwant\n%s", head, got, tt.want)
		}
	}
}

// There are at most ten lines, and then how many differences they leave out.
func TestDifferingEnvironmentIsShort(t *testing.T) {
	by := &environment.Package{Name: "tide", System: "npm", Version: "1"}
	var list []environment.Difference
	for i := range 30 {
		d := environment.Difference{Path: fmt.Sprintf("/%02d", i)}
		if i%2 == 0 {
			d.Missing, d.Was = true, by
		}
		list = append(list, d)
	}
	lines := DifferingEnvironment(&environment.Manifest{}, list)
	if len(lines) != 12 || lines[1] != "  missing: /00 and 14 more (npm tide 1)" || lines[10] != "  differs: /17" || lines[11] != "  and 6 more" {
		t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
}

func TestEnvironmentInWords(t *testing.T) {
	sum := digest.Of([]byte("x"))
	by := &environment.Package{Name: "tide", System: "npm", Version: "1"}
	m := &environment.Manifest{
		Files: []environment.File{
			{Mode: "0644", Path: "/a", SHA256: sum, Size: 1000, Package: by},
			{Mode: "0644", Path: "/c", SHA256: sum, Size: 500, Package: &environment.Package{Name: "tide", System: "npm", Version: "1"}},
			{Mode: "0600", Path: "/d", SHA256: sum, Size: 7, Changed: true},
		},
		Links: []environment.Link{{Link: "c", Path: "/b"}}, Omitted: 2,
	}
	if got, want := Environment(sum, m).words(), "3 files outside of the workspace, 1.5 kB, 1 package, 1 changed while it ran; not described: 2 files"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var b bytes.Buffer
	ListEnvironment(&b, m)
	want := sum.Short() + "  0644        1000  /a  npm tide 1\n" +
		"link                            /b → c\n" +
		sum.Short() + "  0644         500  /c  npm tide 1\n" +
		sum.Short() + "  0600           7  /d  (changed while the program ran)\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if got, want := UncomparedEnvironment(m), "not compared, because it changed while the recorded program ran: /d"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	m.Files[0].Changed = true
	if got, want := UncomparedEnvironment(m), "not compared, because they changed while the recorded program ran: /a and 1 more"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestDiffEnvironments(t *testing.T) {
	one, two := digest.Of([]byte("1")), digest.Of([]byte("2"))
	file := func(path string, sum digest.Digest) environment.File {
		return environment.File{Mode: "0644", Path: path, SHA256: sum, Size: 1}
	}
	a := Side{Name: "A", Environment: &environment.Manifest{Files: []environment.File{file("/a", one), file("/both", one), file("/same", one)}}}
	b := Side{Name: "B", Environment: &environment.Manifest{Files: []environment.File{file("/b", one), file("/both", two), file("/same", one)}}}
	for _, tt := range []struct {
		a, b Side
		n    int
		want string
	}{
		{a, a, 0, ""},
		{a, Side{Name: "B"}, 0, ""},
		{a, b, 1, "environment\n  differs: /both\n  used only in A: /a\n  used only in B: /b\n"},
	} {
		var w bytes.Buffer
		if n := DiffEnvironments(&w, tt.a, tt.b); n != tt.n || w.String() != tt.want {
			t.Errorf("%d:\n%s\nwant %d:\n%s", n, w.String(), tt.n, tt.want)
		}
	}
}
