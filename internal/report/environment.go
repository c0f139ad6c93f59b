package report

import (
	"fmt"
	"io"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/environment"
)

// An EnvironmentLine is what a run's environment manifest comes to.
type EnvironmentLine struct {
	Manifest digest.Digest `json:"manifest"`
	Files    int           `json:"files"`
	Links    int           `json:"links"`
	Bytes    int64         `json:"bytes"`
	Packages int           `json:"packages"`
	Changed  int           `json:"changed"` // files that changed while a program ran
	Omitted  int64         `json:"omitted"`
}

// Environment returns what a manifest comes to.
func Environment(name digest.Digest, m *environment.Manifest) *EnvironmentLine {
	e := &EnvironmentLine{Manifest: name, Files: len(m.Files), Links: len(m.Links), Bytes: m.Bytes(), Omitted: m.Omitted}
	packages := map[environment.Package]bool{}
	for i := range m.Files {
		f := &m.Files[i]
		if f.Package != nil {
			packages[*f.Package] = true
		}
		if f.Changed {
			e.Changed++
		}
	}
	e.Packages = len(packages)
	return e
}

// words says it: "812 files outside of the workspace, 103 MB, 34 packages".
func (e *EnvironmentLine) words() string {
	s := fmt.Sprintf("%s outside of the workspace, %s, %s", Count(e.Files, "file"), Size(e.Bytes), Count(e.Packages, "package"))
	if e.Changed > 0 {
		s += fmt.Sprintf(", %d changed while it ran", e.Changed)
	}
	if e.Omitted > 0 {
		s += "; not described: " + Count(int(e.Omitted), "file")
	}
	return s
}

// ListEnvironment prints a manifest for people, a line a file or link:
//
//	link                                /usr/bin/python3 → python3.11
//	6e1b4c10bcd8  0755     6831736  /usr/bin/python3.11  debian python3.11-minimal 3.11.2-6
func ListEnvironment(w io.Writer, m *environment.Manifest) {
	for f, l := 0, 0; f < len(m.Files) || l < len(m.Links); {
		if l < len(m.Links) && (f == len(m.Files) || m.Links[l].Path < m.Files[f].Path) {
			fmt.Fprintf(w, "%-30s  %s → %s\n", "link", OneLine(m.Links[l].Path, 4096), OneLine(m.Links[l].Link, 4096))
			l++
			continue
		}
		x := &m.Files[f]
		f++
		fmt.Fprintf(w, "%s  %s  %10d  %s", x.SHA256.Short(), x.Mode, x.Size, OneLine(x.Path, 4096))
		if x.Package != nil {
			fmt.Fprintf(w, "  %s", OneLine(x.Package.String(), 200))
		}
		if x.Changed {
			fmt.Fprint(w, "  (changed while the program ran)")
		}
		fmt.Fprintln(w)
	}
}

// mostDiffering is how many lines tell of files that differ.
const mostDiffering = 10

// DifferingEnvironment says in what the files that a recorded program used are
// not as they were, a line each; the first says of how many. Files of one
// package that differ in the same way are one line:
//
//	the environment differs: 55 of the 812 files that the recorded program used
//	  differs: /home/ada/prices.csv
//	  differs: /venv/lib/python3.11/site-packages/requests/api.py and 53 more (python requests 2.31.0 → 2.32.0)
//
// It returns nothing when nothing differs.
func DifferingEnvironment(m *environment.Manifest, differences []environment.Difference) []string {
	if len(differences) == 0 {
		return nil
	}
	out := []string{fmt.Sprintf("the environment differs: %d of the %s that the recorded program used",
		len(differences), Count(len(m.Files)+len(m.Links), "file"))}
	return append(out, differing(differences, "missing")...)
}

// UncomparedEnvironment says which files of a manifest a replay cannot compare,
// because they changed while the recorded program ran; "" when there are none.
func UncomparedEnvironment(m *environment.Manifest) string {
	first, n := "", 0
	for i := range m.Files {
		if m.Files[i].Changed {
			if n++; n == 1 {
				first = OneLine(m.Files[i].Path, 400)
			}
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return "not compared, because it changed while the recorded program ran: " + first
	}
	return fmt.Sprintf("not compared, because they changed while the recorded program ran: %s and %d more", first, n-1)
}

// DiffEnvironments prints in what the files differ that two runs have used, and
// returns how many do. That one run has used a file and the other has not is
// told, too: it does not count.
func DiffEnvironments(w io.Writer, a, b Side) int {
	if a.Environment == nil || b.Environment == nil {
		return 0
	}
	var both, onlyA, onlyB []environment.Difference
	for _, d := range environment.Compare(a.Environment, b.Environment) {
		if d.Missing {
			onlyA = append(onlyA, d)
		} else {
			both = append(both, d)
		}
	}
	for _, d := range environment.Compare(b.Environment, a.Environment) {
		if d.Missing {
			onlyB = append(onlyB, d)
		}
	}
	if len(both)+len(onlyA)+len(onlyB) > 0 {
		fmt.Fprintln(w, "environment")
	}
	for _, part := range []struct {
		list []environment.Difference
		gone string
	}{{both, ""}, {onlyA, "used only in " + OneLine(a.Name, 80)}, {onlyB, "used only in " + OneLine(b.Name, 80)}} {
		for _, line := range differing(part.list, part.gone) {
			fmt.Fprintln(w, line)
		}
	}
	return len(both)
}

// differing tells of differences, those of one package together.
func differing(differences []environment.Difference, missing string) []string {
	type group struct {
		first environment.Difference
		n     int
	}
	var groups []*group
	known := map[string]*group{}
	for _, d := range differences {
		by := ofPackages(d)
		if g := known[by]; by != "" && d.What == "" && g != nil {
			g.n++
			continue
		}
		g := &group{d, 1}
		groups = append(groups, g)
		if d.What == "" {
			known[by] = g
		}
	}
	var out []string
	told := 0
	for i, g := range groups {
		if i == mostDiffering {
			out = append(out, fmt.Sprintf("  and %d more", len(differences)-told))
			break
		}
		told += g.n
		how := "differs"
		if g.first.Missing {
			how = missing
		}
		line := "  " + how + ": " + OneLine(g.first.Path, 400)
		if g.n > 1 {
			line += fmt.Sprintf(" and %d more", g.n-1)
		}
		if what := g.first.What + ofPackages(g.first); what != "" {
			if g.first.What != "" && ofPackages(g.first) != "" {
				what = g.first.What + ", " + ofPackages(g.first)
			}
			line += " (" + OneLine(what, 400) + ")"
		}
		out = append(out, line)
	}
	return out
}

// ofPackages says which packages a difference is about: "python requests
// 2.31.0 → 2.32.0"; "" when none is known.
func ofPackages(d environment.Difference) string {
	was, is := d.Was, d.Is
	switch {
	case was == nil && is == nil:
		return ""
	case d.Missing:
		return was.String()
	case was == nil:
		return "of no package → " + is.String()
	case is == nil:
		return was.String() + " → of no package"
	case *was == *is:
		return was.String() + " in both"
	case was.Name == is.Name && was.System == is.System:
		return was.String() + " → " + is.Version
	}
	return was.String() + " → " + is.String()
}
