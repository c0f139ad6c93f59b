// Package dotenv reads files of variables as the libraries called dotenv do,
// and says what of them may be recorded. Nothing of this package asks the
// system.
//
//	# keys
//	export OPENAI_API_KEY="sk-…"
//	MAX_STEPS=5   # a comment
//
// A file is lines of three kinds: empty ones, comments, which no program reads,
// and assignments. The value of an assignment stands as it is, up to white space
// and "#" or the end of the line, or in quotes (', " or `), and may then go over
// lines. In double quotes a backslash escapes. References such as ${HOME} are
// left as they are.
package dotenv

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// MaxSize bounds a file, in bytes.
const MaxSize = 64 << 10

// Names reports whether a path is that of such a file: ".env" or ".env.local",
// but not ".envrc", which is a script.
func Names(p string) bool {
	base := path.Base(p)
	return base == ".env" || strings.HasPrefix(base, ".env.")
}

// A Variable is an assignment.
type Variable struct {
	Name  string
	Value string // without quotes and escapes
}

// A File is what was read.
type File struct {
	parts []part
}

// A part is text, or the value of a variable with the text that it is written
// as.
type part struct {
	text string
	of   *Variable
}

// Parse reads a file. An error names the first line that is of no kind, and
// nothing of what stands in it.
func Parse(content []byte) (*File, error) {
	switch {
	case len(content) > MaxSize:
		return nil, fmt.Errorf("more than %d bytes", MaxSize)
	case !utf8.Valid(content):
		return nil, errors.New("not UTF-8")
	}
	f := new(File)
	rest := string(content)
	for line := 1; rest != ""; {
		n, err := f.line(rest)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		line += strings.Count(rest[:n], "\n")
		rest = rest[n:]
	}
	return f, nil
}

// Variables returns the assignments, in order.
func (f *File) Variables() []Variable {
	var out []Variable
	for _, p := range f.parts {
		if p.of != nil {
			out = append(out, *p.of)
		}
	}
	return out
}

// Text returns the file without its comments, and with other text in the place
// of the values for which in returns one. Quotes stay.
func (f *File) Text(in func(Variable) (text string, replace bool)) string {
	var b strings.Builder
	for _, p := range f.parts {
		if p.of != nil {
			if text, replace := in(*p.of); replace {
				b.WriteString(text)
				continue
			}
		}
		b.WriteString(p.text)
	}
	return b.String()
}

// line reads the first line of s, which may be many when its value is in
// quotes. It returns how many bytes it has with its end.
func (f *File) line(s string) (n int, err error) {
	end := strings.IndexByte(s, '\n') + 1
	if end == 0 {
		end = len(s)
	}
	first := s[:end]
	start := len(first) - len(strings.TrimLeft(first, " \t\r\n\ufeff"))
	if start == len(first) || first[start] == '#' {
		f.add(first[:start])
		f.rest(first[start:])
		return end, nil
	}
	from := start
	if after, ok := strings.CutPrefix(first[from:], "export"); ok && strings.TrimLeft(after, " \t") != after {
		from = len(first) - len(strings.TrimLeft(after, " \t"))
	}
	name, _, ok := strings.Cut(first[from:], "=")
	if !ok || !isName(strings.TrimSpace(name)) {
		return 0, errors.New("neither a comment nor NAME=value")
	}
	at := from + len(name) + 1
	at += len(first[at:]) - len(strings.TrimLeft(first[at:], " \t"))
	v := &Variable{Name: strings.TrimSpace(name)}
	if strings.ContainsAny(s[at:min(at+1, len(first))], quotes) {
		text, value, after, ok := quoted(s[at:])
		if !ok {
			return 0, errors.New("a quote that does not end, or something after it")
		}
		v.Value = value
		f.add(s[:at+1])
		f.parts = append(f.parts, part{text, v})
		f.add(s[at+1+len(text):][:1])
		f.rest(s[at+2+len(text) : at+after])
		return at + after, nil
	}
	text := first[at:]
	if i := commentIn(text); i >= 0 {
		text = text[:i]
	}
	text = strings.TrimRight(text, " \t\r\n")
	v.Value = text
	f.add(first[:at])
	f.parts = append(f.parts, part{text, v})
	f.rest(first[at+len(text):])
	return end, nil
}

func (f *File) add(text string) { f.parts = append(f.parts, part{text: text}) }

// rest adds what comes after a value, or a line without one, but for a
// comment.
func (f *File) rest(text string) {
	if i := strings.IndexByte(text, '#'); i >= 0 {
		text = text[:i] + text[len(strings.TrimRight(text, "\r\n")):]
	}
	f.add(text)
}

const quotes = "'\"`"

// quoted reads a value in quotes, and what comes after it up to the end of
// its line: nothing, or a comment.
func quoted(s string) (text, value string, after int, ok bool) {
	end := -1
	for i := 1; i < len(s); i++ {
		if s[i] == '\\' && s[0] == '"' {
			i++
		} else if s[i] == s[0] {
			end = i
			break
		}
	}
	if end < 0 {
		return "", "", 0, false
	}
	text = s[1:end]
	line := s[end+1:]
	if i := strings.IndexByte(line, '\n'); i >= 0 {
		line = line[:i+1]
	}
	if more := strings.TrimSpace(line); more != "" && more[0] != '#' {
		return "", "", 0, false
	}
	value = text
	if s[0] == '"' {
		value = unescape.Replace(text)
	}
	return text, value, end + 1 + len(line), true
}

var unescape = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r", `\t`, "\t", `\"`, `"`, `\'`, `'`, `\$`, `$`)

// commentIn returns where a comment begins in a value without quotes, with the
// white space before it, or -1.
func commentIn(text string) int {
	for i := range len(text) {
		if text[i] == '#' && (i == 0 || text[i-1] == ' ' || text[i-1] == '\t') {
			return i
		}
	}
	return -1
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '.' || c == '-')) {
			return false
		}
	}
	return s != ""
}
