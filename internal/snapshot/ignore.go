package snapshot

import (
	"bytes"
	"strings"
)

// maxIgnore is the length of the longest ignore file, in bytes.
const maxIgnore = 1 << 20

// An ignorer is what the ignore files from one directory up to the top say. The
// deepest file that has a matching pattern decides, and in it the last one.
type ignorer struct {
	parent   *ignorer
	base     string // the directory of the file, "" for the top
	patterns []pattern
}

// A pattern is one line of an ignore file, as gitignore(5) has it.
type pattern struct {
	glob    string
	literal int  // bytes of glob before the first special character
	negated bool // the line begins with "!"
	dirOnly bool // the line ends with "/"
	name    bool // no "/": it is about names at any depth
}

// parseIgnore returns the patterns of an ignore file in base. Every text is one.
func parseIgnore(parent *ignorer, base string, text []byte) *ignorer {
	ig := &ignorer{parent: parent, base: base}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	for line := range bytes.Lines(text) {
		s, _ := strings.CutSuffix(string(line), "\n")
		if s != "" && s[0] != '#' {
			s, _ = strings.CutSuffix(s, "\r")
		}
		s, _, _ = strings.Cut(s, "\x00")
		if s = trimSpaces(s); s == "" || s[0] == '#' {
			continue
		}
		ig.patterns = append(ig.patterns, parsePattern(s))
	}
	return ig
}

// trimSpaces removes spaces at the end that no backslash protects.
func trimSpaces(s string) string {
	end := len(s)
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ':
			if end == len(s) {
				end = i
			}
			continue
		case '\\':
			i++
			if i == len(s) {
				return s
			}
		}
		end = len(s)
	}
	return s[:end]
}

func parsePattern(s string) (p pattern) {
	if s, p.negated = strings.CutPrefix(s, "!"); s == "" {
		return p
	}
	s, p.dirOnly = strings.CutSuffix(s, "/")
	p.name = !strings.Contains(s, "/")
	p.glob, _ = strings.CutPrefix(s, "/")
	if p.literal = strings.IndexAny(p.glob, `*?[\`); p.literal < 0 {
		p.literal = len(p.glob)
	}
	return p
}

// ignored reports whether a path, "/" between its names, is outside. What lies in
// a directory that is outside is outside too; the caller does not go there.
func (ig *ignorer) ignored(path, name string, dir bool) bool {
	for ; ig != nil; ig = ig.parent {
		below := path
		if ig.base != "" {
			below = path[len(ig.base)+1:]
		}
		for i := len(ig.patterns) - 1; i >= 0; i-- {
			if p := &ig.patterns[i]; p.match(below, name, dir) {
				return !p.negated
			}
		}
	}
	return false
}

func (p *pattern) match(path, name string, dir bool) bool {
	if p.dirOnly && !dir {
		return false
	}
	if p.name {
		path = name
	}
	n := p.literal
	if len(path) < n || path[:n] != p.glob[:n] {
		return false
	}
	if n == len(p.glob) {
		return len(path) == n
	}
	g := globber{steps: maxSteps}
	return g.match(p.glob[n:], path[n:]) == matches
}

// maxSteps bounds the work on one path and pattern; a pattern with many asterisks
// that needs more matches nothing.
const maxSteps = 1 << 20

// A globber matches as git's wildmatch does with WM_PATHNAME, and its results tell
// the asterisks to the left when to give up.
type globber struct{ steps int }

type outcome int

const (
	matches    outcome = iota
	differs            // here, but perhaps further on
	abort              // the text is too short, wherever it starts
	toStarStar         // only an asterisk that crosses "/" can help
)

// match compares a pattern, from a special character on, with the rest of a path.
func (g *globber) match(p, text string) outcome {
	for i := 0; i < len(p); i++ {
		if g.steps--; g.steps < 0 {
			return abort
		}
		if text == "" && p[i] != '*' {
			return abort
		}
		switch p[i] {
		case '\\':
			if i++; i == len(p) || text[0] != p[i] {
				return differs
			}
		case '?':
			if text[0] == '/' {
				return differs
			}
		case '[':
			n, ok := class(p[i:], text[0])
			switch {
			case n < 0:
				return abort
			case !ok || text[0] == '/':
				return differs
			}
			i += n - 1
		case '*':
			return g.star(p, i, text)
		default:
			if text[0] != p[i] {
				return differs
			}
		}
		text = text[1:]
	}
	if text != "" {
		return differs
	}
	return matches
}

// star matches from an asterisk at p[i] on.
func (g *globber) star(p string, i int, text string) outcome {
	end := i + 1
	for end < len(p) && p[end] == '*' {
		end++
	}
	tail := p[end:]
	cross := false
	if end-i > 1 && (i == 0 || p[i-1] == '/') && (tail == "" || tail[0] == '/' || strings.HasPrefix(tail, `\/`)) {
		// "**/" also matches nothing at all.
		if strings.HasPrefix(tail, "/") && g.match(tail[1:], text) == matches {
			return matches
		}
		cross = true
	}
	slash := strings.IndexByte(text, '/')
	switch {
	case tail == "" && !cross && slash >= 0:
		return toStarStar
	case tail == "":
		return matches
	case tail[0] == '/' && !cross && slash < 0:
		return abort
	case tail[0] == '/' && !cross:
		return g.match(tail[1:], text[slash+1:])
	}
	for ; text != ""; text = text[1:] {
		if r := g.match(tail, text); r != differs {
			if !cross || r != toStarStar {
				return r
			}
		} else if !cross && text[0] == '/' {
			return toStarStar
		}
	}
	return abort
}

// class matches one byte with a set in brackets and returns the length of the set,
// or less than 0 when there is no end to it.
func class(p string, c byte) (n int, ok bool) {
	at := func(i int) byte {
		if i < len(p) {
			return p[i]
		}
		return 0
	}
	i := 1
	negated := at(i) == '!' || at(i) == '^'
	if negated {
		i++
	}
	var last byte // the character a range may begin with
	for first := true; first || at(i) != ']'; i++ {
		first = false
		ch := at(i)
		switch {
		case ch == 0:
			return -1, false
		case ch == '\\':
			if i++; at(i) == 0 {
				return -1, false
			}
			ch = at(i)
			ok = ok || c == ch
		case ch == '-' && last != 0 && at(i+1) != 0 && at(i+1) != ']':
			if i++; at(i) == '\\' {
				if i++; at(i) == 0 {
					return -1, false
				}
			}
			ok = ok || last <= c && c <= at(i)
			ch = 0
		case ch == '[' && at(i+1) == ':':
			end := strings.IndexByte(p[i+2:], ']')
			if end < 0 {
				return -1, false
			}
			name, named := strings.CutSuffix(p[i+2:i+2+end], ":")
			if !named {
				ok = ok || c == '['
				break
			}
			in, known := posixClass(name, c)
			if !known {
				return -1, false
			}
			ok = ok || in
			i += 2 + end
			ch = 0
		default:
			ok = ok || c == ch
		}
		last = ch
	}
	return i + 1, ok != negated
}

// posixClass reports whether c is in the POSIX class of a name, and whether there is
// such a class.
func posixClass(name string, c byte) (in, known bool) {
	lower, upper, digit := 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9'
	graph := '!' <= c && c <= '~'
	switch name {
	case "alnum":
		in = lower || upper || digit
	case "alpha":
		in = lower || upper
	case "blank":
		in = c == ' ' || c == '\t'
	case "cntrl":
		in = c < 0x20 || c == 0x7f
	case "digit":
		in = digit
	case "graph":
		in = graph
	case "lower":
		in = lower
	case "print":
		in = graph || c == ' '
	case "punct":
		in = graph && !lower && !upper && !digit
	case "space":
		in = c == ' ' || '\t' <= c && c <= '\r'
	case "upper":
		in = upper
	case "xdigit":
		in = digit || 'a' <= c|0x20 && c|0x20 <= 'f'
	default:
		return false, false
	}
	return in, true
}
