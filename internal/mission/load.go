package mission

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// A Program is a mission's source, checked and compiled. It holds no state of
// a run and can be run again.
type Program struct {
	main    string
	modules []*module // sorted by path
	execs   bool
	stop    atomic.Pointer[error]
}

// A Source is one file of a mission.
type Source struct {
	Path string // slash-separated, relative to the root
	Text []byte
}

// A module is one source file, compiled.
type module struct {
	path  string
	text  []byte
	code  *starlark.Program
	loads map[string]string // target as written, to path
	doc   string
}

// dialect is Starlark as Python programmers expect it, without while and
// recursion: a mission ends.
var dialect = &syntax.FileOptions{Set: true, TopLevelControl: true}

// Load reads the file main and every file it loads, directly or through
// others, and compiles them. Paths are slash-separated and relative to a root
// that only read knows; the target of a load statement is relative to the file
// it stands in and may not leave the root. What is wrong with a source is a
// [*SourceError].
func Load(main string, read func(path string) ([]byte, error)) (*Program, error) {
	clean := path.Clean(main)
	if !within(clean) {
		return nil, fmt.Errorf("mission %q: not a path within the root", main)
	}
	l := loader{read: read, done: map[string]*module{}}
	if err := l.load(clean, nil); err != nil {
		return nil, err
	}
	slices.SortFunc(l.modules, func(a, b *module) int { return strings.Compare(a.path, b.path) })
	return &Program{main: clean, modules: l.modules, execs: l.execs}, nil
}

// Main returns the path of the file that holds main.
func (p *Program) Main() string { return p.main }

// Doc returns the string literal that the main file begins with, or "".
func (p *Program) Doc() string { return p.module(p.main).doc }

// Files returns the sources, sorted by path.
func (p *Program) Files() []Source {
	files := make([]Source, len(p.modules))
	for i, m := range p.modules {
		files[i] = Source{m.path, slices.Clone(m.text)}
	}
	return files
}

func (p *Program) module(name string) *module {
	i, ok := slices.BinarySearchFunc(p.modules, name, func(m *module, name string) int {
		return strings.Compare(m.path, name)
	})
	if !ok {
		panic("mission: internal error: no module " + name)
	}
	return p.modules[i]
}

// within reports whether a cleaned path stays below the root.
func within(clean string) bool {
	return utf8.ValidString(clean) && clean != "." && clean != ".." && !path.IsAbs(clean) &&
		!strings.HasPrefix(clean, "../") && !strings.ContainsAny(clean, "\\:\x00")
}

// A loader walks the load statements depth first.
type loader struct {
	read    func(string) ([]byte, error)
	done    map[string]*module // nil while it is being loaded
	modules []*module
	size    int
	execs   bool
}

func (l *loader) load(name string, from []string) error {
	if len(l.done) == maxFiles {
		return &SourceError{File: name, Msg: limitError("too many files", maxFiles, "of source").Error()}
	}
	l.done[name] = nil
	text, err := l.read(name)
	if err != nil {
		return err
	}
	l.size += len(text)
	if err := checkSource(name, text, l.size); err != nil {
		return err
	}
	m := &module{path: name, text: slices.Clone(text), loads: map[string]string{}}
	file, err := dialect.Parse(name, m.text, 0)
	if err != nil {
		return sourceError(name, err)
	}
	l.execs = l.execs || namesExec(file)
	for _, stmt := range file.Stmts {
		load, ok := stmt.(*syntax.LoadStmt)
		if !ok {
			continue
		}
		if err := l.follow(m, load, append(slices.Clip(from), name)); err != nil {
			return err
		}
	}
	if m.code, err = compile(file, m); err != nil {
		return sourceError(name, err)
	}
	l.done[name] = m
	l.modules = append(l.modules, m)
	return nil
}

// follow loads the target of a load statement. from is the way from the main
// file to here.
func (l *loader) follow(m *module, load *syntax.LoadStmt, from []string) error {
	target := load.ModuleName()
	fail := func(format string, args ...any) error {
		pos := load.Module.TokenPos
		return &SourceError{m.path, int(pos.Line), int(pos.Col), fmt.Sprintf(format, args...)}
	}
	if !strings.HasSuffix(target, ".star") {
		return fail("load: %.200q does not end in .star", target)
	}
	name := path.Join(path.Dir(m.path), target)
	if path.IsAbs(target) || !within(name) {
		return fail("load: %.200q leaves the mission's root", target)
	}
	m.loads[target] = name
	loaded, seen := l.done[name]
	if !seen {
		err := l.load(name, from)
		if _, ok := errors.AsType[*SourceError](err); err != nil && !ok {
			return fail("load: %v", err)
		}
		return err
	}
	if loaded == nil {
		way := append(from[slices.Index(from, name):], name)
		return fail("load: cycle: %s", strings.Join(way, " loads "))
	}
	return nil
}

func checkSource(name string, text []byte, size int) error {
	switch {
	case len(text) > maxSource:
		return &SourceError{File: name, Msg: limitError("file too long", maxSource, "bytes").Error()}
	case size > maxSources:
		return &SourceError{File: name, Msg: limitError("sources too long", maxSources, "bytes in all").Error()}
	case !utf8.Valid(text):
		return &SourceError{File: name, Msg: "not valid UTF-8"}
	}
	return nil
}

// compile resolves the file as it was written, so that errors are about what
// the author wrote, then compiles it with its guards.
func compile(file *syntax.File, m *module) (*starlark.Program, error) {
	if err := checkNesting(file); err != nil {
		return nil, err
	}
	if err := resolve.File(file, predeclared.Has, starlark.Universe.Has); err != nil {
		return nil, err
	}
	m.doc = docString(file)
	again, err := dialect.Parse(m.path, m.text, 0)
	if err != nil {
		return nil, err
	}
	rewrite(again)
	return starlark.FileProgram(again, guarded.Has)
}

func docString(file *syntax.File) string {
	if len(file.Stmts) == 0 {
		return ""
	}
	stmt, ok := file.Stmts[0].(*syntax.ExprStmt)
	if !ok {
		return ""
	}
	lit, ok := stmt.X.(*syntax.Literal)
	if !ok || lit.Token != syntax.STRING {
		return ""
	}
	return lit.Value.(string)
}

// sourceError gives the errors of parser and resolver one form.
func sourceError(name string, err error) error {
	if e, ok := errors.AsType[syntax.Error](err); ok {
		return &SourceError{name, int(e.Pos.Line), int(e.Pos.Col), clip(e.Msg)}
	}
	if list, ok := errors.AsType[resolve.ErrorList](err); ok {
		return &SourceError{name, int(list[0].Pos.Line), int(list[0].Pos.Col), clip(list[0].Msg)}
	}
	return err
}
