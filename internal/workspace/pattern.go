package workspace

import (
	"fmt"
	"path"
	"strings"
)

// A Pattern chooses files by path. Names are matched one by one as [path.Match]
// does: "*" any characters but "/", "?" one, "[a-z]" one of a class. The name
// "**" stands for any number of directories; at the end, for everything below.
// A name that begins with a dot is matched like any other.
//
//	notes/*.md     **/*.md     src/**     data/202?/[ab].csv
type Pattern struct {
	text  string
	names []string
}

// ParsePattern returns the pattern s. It must be relative, valid UTF-8, without
// ".." or "\", at most 1000 bytes and 62 names. The error is a [*PathError].
func ParsePattern(s string) (*Pattern, error) {
	wrong := func(what string) (*Pattern, error) {
		return nil, &PathError{Op: "list", Path: shorten(s), What: what}
	}
	if what := wrongPath(s); what != "" {
		return wrong(what)
	}
	p := new(Pattern)
	for name := range strings.SplitSeq(s, "/") {
		switch {
		case name == "" || name == "." || name == "**" && len(p.names) > 0 && p.names[len(p.names)-1] == "**":
			continue
		case name == "..":
			return wrong(`".." is not allowed`)
		}
		if _, err := path.Match(name, ""); err != nil {
			return wrong("malformed pattern")
		}
		p.names = append(p.names, name)
	}
	if len(p.names) > maxDepth {
		return wrong(fmt.Sprintf("more than %d names", maxDepth))
	}
	p.text = strings.Join(p.names, "/")
	if p.names[len(p.names)-1] == "**" {
		p.names = append(p.names, "*")
	}
	return p, nil
}

// String returns the pattern in its one spelling.
func (p *Pattern) String() string { return p.text }

// Match reports whether the path matches.
func (p *Pattern) Match(path string) bool {
	s := p.start()
	for name := range strings.SplitSeq(path, "/") {
		s = p.step(s, name)
	}
	return p.accepts(s)
}

// positions is a set of places in a pattern: bit i is set when the names so
// far match names[:i]. There are at most maxDepth+2 places, so 64 bits do.
type positions uint64

func (p *Pattern) start() positions { return p.skip(1) }

// skip adds what is reached by letting "**" stand for nothing.
func (p *Pattern) skip(s positions) positions {
	for i, name := range p.names {
		if name == "**" && s>>i&1 != 0 {
			s |= 1 << (i + 1)
		}
	}
	return s
}

// step returns the places reached from s by one more name.
func (p *Pattern) step(s positions, name string) positions {
	var next positions
	for i, n := range p.names {
		if s>>i&1 == 0 {
			continue
		}
		if n == "**" {
			next |= 1 << i
		} else if ok, _ := path.Match(n, name); ok {
			next |= 1 << (i + 1)
		}
	}
	return p.skip(next)
}

// accepts reports whether a path that led to s matches.
func (p *Pattern) accepts(s positions) bool { return s>>len(p.names)&1 != 0 }

// below reports whether a path that led to s may have matches beneath it.
func (p *Pattern) below(s positions) bool { return s&(1<<len(p.names)-1) != 0 }
