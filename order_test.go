package coo

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// ordered are the packages that decide which bytes there are, and in which
// order. Go's maps have none, so that no loop over a map may show in what
// these packages make. Three kinds of loop are known not to:
//
//   - one that only fills or empties maps, without calling anything that is
//     not known to be pure;
//   - one that only appends to a slice which the next statement sorts;
//   - none at all, in slices.Sorted(maps.Keys(m)) and its kin.
//
// Everything else says why in a comment that begins "order:" on the line
// above, or on the line itself.
var ordered = []string{
	"internal/digest", "internal/canon", "internal/chain", "internal/wire", "internal/mission",
	"internal/flight", "internal/workspace", "internal/freeze", "internal/run", "internal/replay", "internal/report",
	"internal/archive", "internal/credential", "internal/pack",
}

// TestNoMapOrder reads the source in this process, as
// TestImportsPointTowardsBytes does and for the same reason.
func TestNoMapOrder(t *testing.T) {
	s, err := newSources()
	if err != nil {
		t.Fatal(err)
	}
	loops := 0
	for _, dir := range ordered {
		found, n := s.check(t, dir, nil)
		loops += n
		for _, f := range found {
			t.Error(f)
		}
	}
	if loops < 10 {
		t.Errorf("only %d loops over maps found: the search has gone blind", loops)
	}
}

// Each kind of loop that lets the order out is found, and nothing else.
func TestMapOrderIsSeen(t *testing.T) {
	s, err := newSources()
	if err != nil {
		t.Fatal(err)
	}
	const head = `package seeded
import ("fmt"; "io"; "maps"; "slices"; "sort"; "strings"; "reflect"; "sync")
var _, _, _, _, _, _, _, _ = fmt.Sprint, io.EOF, maps.Keys[map[int]int], slices.Sort[[]int], sort.Strings, strings.ToLower, reflect.ValueOf, sync.Map{}
type set map[string]bool
func record(string) error { return nil }
`
	for _, c := range []struct {
		code string
		want int
	}{
		{`func f(m map[string]int, w io.Writer) { for k := range m { fmt.Fprintln(w, k) } }`, 1},
		{`func f(m set) (s string) { for k := range m { s += k }; return }`, 1},
		{`func f(m set) (s []string) { for k := range m { s = append(s, k) }; return }`, 1},
		{`func f(m set) (s []string) { for k := range m { s = append(s, k) }; slices.Sort(s); return }`, 0},
		{`func f(m set) (s []string) { for k, ok := range m { if ok { s = append(s, strings.ToLower(k)) } }; sort.Strings(s); return }`, 0},
		{`func f(m set) (s, u []string) { for k := range m { s = append(s, k) }; slices.Sort(u); return }`, 1},
		{`func f(m set) error { for k := range m { if err := record(k); err != nil { return err } }; return nil }`, 1},
		{`func f(m, o set) { for k, v := range m { if !v { continue }; o[k] = v; delete(m, k) } }`, 0},
		{`func f(m set, o map[string]error) { for k := range m { o[k] = record(k) } }`, 1},
		{`func f(m set) (first string) { for k := range m { first = k; break }; return }`, 1},
		{`func f[M ~map[K]V, K comparable, V any](m M, do func(K)) { for k := range m { do(k) } }`, 1},
		{`func f(m set, do func(string)) { for k := range maps.Keys(m) { do(k) } }`, 1},
		{`func f(m set) []string { return slices.Collect(maps.Keys(m)) }`, 1},
		{`func f(m set) []string { return slices.Sorted(maps.Keys(m)) }`, 0},
		{`func f(m set) string { return slices.Min(slices.Collect(maps.Keys(m))) }`, 0},
		{`func f(v any) any { return reflect.ValueOf(v).MapKeys() }`, 1},
		{`func f(m *sync.Map, w io.Writer) { m.Range(func(k, _ any) bool { fmt.Fprintln(w, k); return true }) }`, 1},
		{"func f(m set) (n int) {\n// order: a sum has none\nfor range m { n++ }; return }", 0},
		{"func f(m set) (n int) {\n// A sum.\nfor range m { n++ }; return }", 1},
		{"func f(m set) (n int) {\n// order: a sum\n\nfor range m { n++ }; return }", 1},
		{`func f(l []string, w io.Writer) { for _, k := range l { fmt.Fprintln(w, k) } }`, 0},
	} {
		found, _ := s.check(t, "seeded", []byte(head+c.code))
		if len(found) != c.want {
			t.Errorf("%s\n%d findings, want %d: %v", c.code, len(found), c.want, found)
		}
	}
}

// A sourceTree type-checks packages of this module from their source, which
// it reads itself. Types of what they import come from compiled packages.
type sourceTree struct {
	fset     *token.FileSet
	context  build.Context
	imported types.Importer
}

// newSources is called once: the compiled packages take a while to be found.
var newSources = sync.OnceValues(func() (*sourceTree, error) {
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}")
	for _, dir := range ordered {
		list.Args = append(list.Args, "./"+dir)
	}
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, e.Stderr)
		}
		return nil, fmt.Errorf("go list: %w", err)
	}
	compiled := map[string]string{}
	for line := range strings.Lines(string(out)) {
		pkg, file, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		compiled[pkg] = file
	}
	s := &sourceTree{fset: token.NewFileSet(), context: build.Default}
	s.context.CgoEnabled = false
	s.imported = importer.ForCompiler(s.fset, "gc", func(pkg string) (io.ReadCloser, error) {
		if file, ok := compiled[pkg]; ok {
			return os.Open(file)
		}
		return nil, fmt.Errorf("no package %q", pkg)
	})
	return s, nil
})

func (s *sourceTree) parse(dir string, mode parser.Mode) ([]*ast.File, error) {
	p, err := s.context.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(s.fset, filepath.Join(dir, name), nil, mode)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// check returns what lets the order of a map out in a package of the module,
// or in code, and how many loops over maps it has looked at.
func (s *sourceTree) check(t *testing.T, dir string, code []byte) (found []string, loops int) {
	t.Helper()
	mode := parser.ParseComments | parser.SkipObjectResolution
	files, err := []*ast.File(nil), error(nil)
	if code == nil {
		files, err = s.parse(dir, mode)
	} else {
		var f *ast.File
		f, err = parser.ParseFile(s.fset, dir, code, mode)
		files = append(files, f)
	}
	if err != nil {
		t.Fatal(err)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	c := types.Config{Importer: s.imported}
	if _, err := c.Check(dir, s.fset, files, info); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		l := &orderLint{fset: s.fset, info: info, reasons: reasons(s.fset, f), allowed: map[ast.Node]bool{}}
		ast.Inspect(f, l.visit)
		found = append(found, l.found...)
		loops += l.loops
	}
	return found, loops
}

// reasons returns the lines that a comment beginning "order:" speaks for: its
// own last one and the next.
func reasons(fset *token.FileSet, f *ast.File) map[int]bool {
	lines := map[int]bool{}
	for _, group := range f.Comments {
		if strings.Contains("\n"+group.Text(), "\norder: ") {
			last := fset.Position(group.End()).Line
			lines[last], lines[last+1] = true, true
		}
	}
	return lines
}

// An orderLint looks at one file.
type orderLint struct {
	fset    *token.FileSet
	info    *types.Info
	reasons map[int]bool
	allowed map[ast.Node]bool // loops and calls that were found harmless from outside
	found   []string
	loops   int
}

func (l *orderLint) report(n ast.Node, what string) {
	p := l.fset.Position(n.Pos())
	if !l.reasons[p.Line] {
		l.found = append(l.found, fmt.Sprintf("%s:%d: %s: sort, or say why not in a comment \"// order: …\"", p.Filename, p.Line, what))
	}
}

func (l *orderLint) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BlockStmt:
		l.statements(n.List)
	case *ast.CaseClause:
		l.statements(n.Body)
	case *ast.CommClause:
		l.statements(n.Body)
	case *ast.RangeStmt:
		if !isMap(l.info.TypeOf(n.X)) {
			break
		}
		l.loops++
		if !l.allowed[n] && !l.fills(n.Body.List, "") {
			l.report(n, "a loop over a map")
		}
	case *ast.CallExpr:
		l.call(n)
	}
	return true
}

// statements allows the loops that collect what the next statement sorts.
func (l *orderLint) statements(list []ast.Stmt) {
	for i, stmt := range list[:max(len(list)-1, 0)] {
		loop, ok := stmt.(*ast.RangeStmt)
		if !ok || !isMap(l.info.TypeOf(loop.X)) {
			continue
		}
		if slice := l.sorts(list[i+1]); slice != "" && l.fills(loop.Body.List, slice) {
			l.allowed[loop] = true
		}
	}
}

// sorts returns the slice that a statement sorts, as it is written.
func (l *orderLint) sorts(stmt ast.Stmt) string {
	e, ok := stmt.(*ast.ExprStmt)
	if !ok {
		return ""
	}
	call, ok := e.X.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return ""
	}
	switch l.callee(call) {
	case "slices.Sort", "slices.SortFunc", "slices.SortStableFunc", "sort.Strings", "sort.Ints", "sort.Slice", "sort.SliceStable":
		return types.ExprString(call.Args[0])
	}
	return ""
}

// fills reports whether statements only change maps, or append to slice.
func (l *orderLint) fills(list []ast.Stmt, slice string) bool {
	return !slices.ContainsFunc(list, func(s ast.Stmt) bool { return !l.fillsOne(s, slice) })
}

func (l *orderLint) fillsOne(stmt ast.Stmt, slice string) bool {
	switch s := stmt.(type) {
	case *ast.AssignStmt:
		return l.pure(s.Rhs...) && !slices.ContainsFunc(s.Lhs, func(e ast.Expr) bool { return !l.target(e, s, slice) })
	case *ast.ExprStmt:
		call, ok := s.X.(*ast.CallExpr)
		return ok && l.callee(call) == "delete" && l.pure(call.Args...)
	case *ast.IfStmt:
		return (s.Init == nil || l.fillsOne(s.Init, slice)) && l.pure(s.Cond) && l.fills(s.Body.List, slice) &&
			(s.Else == nil || l.fillsOne(s.Else, slice))
	case *ast.BlockStmt:
		return l.fills(s.List, slice)
	case *ast.BranchStmt:
		return s.Tok == token.CONTINUE && s.Label == nil
	}
	return false
}

// target reports whether the left side e of an assignment may be written to
// in any order: an element of a map, a new variable, or slice, when it grows.
func (l *orderLint) target(e ast.Expr, s *ast.AssignStmt, slice string) bool {
	if index, ok := e.(*ast.IndexExpr); ok {
		return s.Tok == token.ASSIGN && isMap(l.info.TypeOf(index.X)) && l.pure(index.X, index.Index)
	}
	if s.Tok == token.DEFINE {
		return true
	}
	if types.ExprString(e) != slice || s.Tok != token.ASSIGN || len(s.Rhs) != 1 {
		return false
	}
	call, ok := s.Rhs[0].(*ast.CallExpr)
	return ok && l.callee(call) == "append" && types.ExprString(call.Args[0]) == slice
}

// pure reports whether expressions call nothing but what has no effect.
func (l *orderLint) pure(exprs ...ast.Expr) bool {
	ok := true
	for _, e := range exprs {
		ast.Inspect(e, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit:
				ok = false
			case *ast.UnaryExpr:
				ok = ok && n.Op != token.ARROW
			case *ast.CallExpr:
				ok = ok && l.harmless(n)
			}
			return ok
		})
	}
	return ok
}

// harmless reports whether a call has no effect beside its result.
func (l *orderLint) harmless(call *ast.CallExpr) bool {
	if l.info.Types[call.Fun].IsType() {
		return true // a conversion
	}
	switch name := l.callee(call); name {
	case "len", "cap", "append", "min", "max", "make", "new", "slices.Contains", "slices.Index":
		return true
	default:
		pkg, _, _ := strings.Cut(name, ".")
		return slices.Contains([]string{"strings", "bytes", "strconv", "path", "unicode"}, pkg)
	}
}

// callee names the function that a call calls: "append", "slices.Sort",
// "reflect.Value.MapKeys"; "" for what is none of the standard library's.
func (l *orderLint) callee(call *ast.CallExpr) string {
	fun := ast.Unparen(call.Fun)
	switch f := fun.(type) {
	case *ast.IndexExpr:
		fun = f.X
	case *ast.IndexListExpr:
		fun = f.X
	}
	var id *ast.Ident
	switch f := fun.(type) {
	case *ast.Ident:
		id = f
	case *ast.SelectorExpr:
		id = f.Sel
	default:
		return ""
	}
	switch o := l.info.Uses[id].(type) {
	case *types.Builtin:
		return o.Name()
	case *types.Func:
		if o.Pkg() == nil || strings.Contains(o.Pkg().Path(), ".") {
			return ""
		}
		recv := o.Signature().Recv()
		if recv == nil {
			return o.Pkg().Path() + "." + o.Name()
		}
		t := recv.Type()
		if p, ok := t.(*types.Pointer); ok {
			t = p.Elem()
		}
		if named, ok := t.(*types.Named); ok {
			return o.Pkg().Path() + "." + named.Obj().Name() + "." + o.Name()
		}
	}
	return ""
}

// call looks at calls that run through a map.
func (l *orderLint) call(call *ast.CallExpr) {
	switch name := l.callee(call); name {
	case "slices.Sorted", "slices.SortedFunc", "slices.SortedStableFunc", "maps.Collect":
		l.allowed[ast.Unparen(call.Args[0])] = true
	case "maps.Insert":
		l.allowed[ast.Unparen(call.Args[1])] = true
	case "slices.Min", "slices.Max":
		if inner, ok := ast.Unparen(call.Args[0]).(*ast.CallExpr); ok && l.callee(inner) == "slices.Collect" {
			l.allowed[ast.Unparen(inner.Args[0])] = true
		}
	case "maps.Keys", "maps.Values", "maps.All", "reflect.Value.MapKeys", "reflect.Value.MapRange", "sync.Map.Range":
		l.loops++
		if !l.allowed[call] {
			l.report(call, name)
		}
	}
}

// isMap reports whether t is a map, or a type parameter that stands for maps.
func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	if p, ok := types.Unalias(t).(*types.TypeParam); ok {
		iface, ok := p.Underlying().(*types.Interface)
		if !ok {
			return false
		}
		for i := range iface.NumEmbeddeds() {
			if u, ok := iface.EmbeddedType(i).(*types.Union); ok {
				for j := range u.Len() {
					if isMap(u.Term(j).Type()) {
						return true
					}
				}
			}
		}
		return false
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}
