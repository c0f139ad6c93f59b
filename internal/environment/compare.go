package environment

import "strings"

// A Difference is a path of one manifest that is something else, or nothing,
// in another.
type Difference struct {
	Path    string
	Missing bool // it is not there
	// What says in which way it differs, when it is not its content.
	What string
	// Was and Is are the packages that have installed it, nil where that is
	// not known.
	Was, Is *Package
}

// Compare returns in what the paths of was differ in is, in their order. Files
// that changed while a program ran are not compared: what it found is not
// known.
func Compare(was, is *Manifest) []Difference {
	files := map[string]*File{}
	for i := range is.Files {
		files[is.Files[i].Path] = &is.Files[i]
	}
	links := map[string]string{}
	for _, l := range is.Links {
		links[l.Path] = l.Link
	}
	var out []Difference
	for f, l := 0, 0; f < len(was.Files) || l < len(was.Links); {
		if l == len(was.Links) || f < len(was.Files) && was.Files[f].Path < was.Links[l].Path {
			if d, ok := compareFile(&was.Files[f], files, links); ok {
				out = append(out, d)
			}
			f++
			continue
		}
		if d, ok := compareLink(was.Links[l], files, links); ok {
			out = append(out, d)
		}
		l++
	}
	return out
}

func compareFile(was *File, files map[string]*File, links map[string]string) (Difference, bool) {
	d := Difference{Path: was.Path, Was: was.Package}
	if to, ok := links[was.Path]; ok {
		d.What = "a file → a link to " + to
		return d, !was.Changed
	}
	is, ok := files[was.Path]
	if !ok {
		d.Missing = true
		return d, !was.Changed
	}
	d.Is = is.Package
	switch {
	case was.Changed || is.Changed:
		return d, false
	case was.SHA256 != is.SHA256:
		return d, true
	case executable(was.Mode) != executable(is.Mode):
		d.What = "mode " + was.Mode + " → " + is.Mode
		return d, true
	}
	return d, false
}

func compareLink(was Link, files map[string]*File, links map[string]string) (Difference, bool) {
	d := Difference{Path: was.Path}
	to, ok := links[was.Path]
	switch {
	case ok && to == was.Link:
		return d, false
	case ok:
		d.What = "a link to " + was.Link + " → " + to
	case files[was.Path] != nil:
		d.What = "a link to " + was.Link + " → a file"
	default:
		d.Missing = true
	}
	return d, true
}

// executable reports whether anybody may execute a file of that mode.
func executable(mode string) bool {
	return strings.ContainsAny(mode[1:], "1357")
}
