package mission

import (
	"fmt"

	"go.starlark.net/syntax"
)

// The guards are predeclared functions whose names the scanner cannot produce:
// the middle dot is not a letter. A mission can neither call nor shadow them.
const (
	guardAttr   = "·attr"   // x.name, for the methods of builtin types
	guardKey    = "·key"    // the y of x[y], keys of dict and set literals
	guardRoom   = "·room"   // the x of x[y] = z
	guardSlice  = "·slice"  // the x of x[y:z]
	guardSpread = "·spread" // *args, **kwargs
	guardOver   = "·over"   // the y of [… for x in y]
	guardEach   = "·each"   // the first y of [… for x in y for …]
	guardTally  = "·tally"  // its element
	guardAdd    = "·iadd"   // x += y, which changes a list in place
	guardOr     = "·ior"    // x |= y, which changes a dict in place
)

// guardOps are the binary operators that are evaluated by a guard.
var guardOps = map[syntax.Token]string{
	syntax.PLUS: "·add", syntax.MINUS: "·sub", syntax.STAR: "·mul", syntax.PERCENT: "·mod",
	syntax.LTLT: "·lsh", syntax.PIPE: "·or", syntax.AMP: "·and", syntax.CIRCUMFLEX: "·xor",
	syntax.IN:  "·in",
	syntax.EQL: "·eql", syntax.NEQ: "·neq", syntax.LT: "·lt", syntax.GT: "·gt",
	syntax.LE: "·le", syntax.GE: "·ge",
}

// inPlace maps the augmented assignments to their operators, but for those
// that shrink.
var inPlace = map[syntax.Token]syntax.Token{
	syntax.PLUS_EQ: syntax.PLUS, syntax.MINUS_EQ: syntax.MINUS, syntax.STAR_EQ: syntax.STAR,
	syntax.PERCENT_EQ: syntax.PERCENT, syntax.LTLT_EQ: syntax.LTLT, syntax.PIPE_EQ: syntax.PIPE,
	syntax.AMP_EQ: syntax.AMP, syntax.CIRCUMFLEX_EQ: syntax.CIRCUMFLEX,
}

// checkNesting bounds the depth of the tree, on which every later pass
// recurses.
func checkNesting(file *syntax.File) error {
	depth := 0
	var deep syntax.Node
	syntax.Walk(file, func(n syntax.Node) bool {
		if n == nil {
			depth--
			return false
		}
		if depth == maxNesting {
			deep = n
			return false
		}
		depth++
		return deep == nil
	})
	if deep == nil {
		return nil
	}
	return syntax.Error{Pos: syntax.Start(deep), Msg: limitError("nested too deeply", maxNesting, "levels").Error()}
}

// rewrite puts guards around the operations that Starlark does not limit. The
// meaning of a mission within the limits does not change, nor do the positions
// in its errors.
func rewrite(file *syntax.File) {
	r := &rewriter{}
	file.Stmts = r.stmts(file.Stmts)
}

type rewriter struct{ temps int }

func (r *rewriter) stmts(list []syntax.Stmt) []syntax.Stmt {
	if list == nil {
		return nil
	}
	out := make([]syntax.Stmt, 0, len(list))
	for _, s := range list {
		out = append(out, r.stmt(s)...)
	}
	return out
}

func (r *rewriter) stmt(s syntax.Stmt) []syntax.Stmt {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		s.X = r.expr(s.X)
	case *syntax.IfStmt:
		s.Cond = r.expr(s.Cond)
		s.True, s.False = r.stmts(s.True), r.stmts(s.False)
	case *syntax.AssignStmt:
		return r.assign(s)
	case *syntax.DefStmt:
		r.params(s.Params)
		s.Body = r.stmts(s.Body)
	case *syntax.ForStmt:
		s.Vars, s.X = r.target(s.Vars), r.expr(s.X)
		s.Body = r.stmts(s.Body)
	case *syntax.ReturnStmt:
		if s.Result != nil {
			s.Result = r.expr(s.Result)
		}
	case *syntax.BranchStmt, *syntax.LoadStmt:
	default:
		panic(fmt.Sprintf("mission: internal error: statement %T", s))
	}
	return []syntax.Stmt{s}
}

// assign guards an assignment. An augmented one of an element is taken apart,
// for its guard looks at the element too and x and i are to be evaluated once:
//
//	x[i] *= y    becomes    ·1 = x; ·2 = i; ·1[·2] = ·mul(·1[·2], y)
//	x[i] += y    becomes    ·1 = x; ·2 = i; ·1[·2] += ·iadd(·1[·2], y)
//
// + and | change a list and a dict in place: their guards look at both operands
// and return the right one, for the statement to go on with.
func (r *rewriter) assign(s *syntax.AssignStmt) []syntax.Stmt {
	s.RHS = r.expr(s.RHS)
	if s.Op == syntax.EQ {
		s.LHS = r.target(s.LHS)
		return []syntax.Stmt{s}
	}
	op, ok := inPlace[s.Op]
	if !ok {
		s.LHS = r.target(s.LHS)
		return []syntax.Stmt{s}
	}
	var before []syntax.Stmt
	var again syntax.Expr
	switch lhs := unparen(r.target(s.LHS)).(type) {
	case *syntax.Ident:
		s.LHS, again = lhs, &syntax.Ident{NamePos: lhs.NamePos, Name: lhs.Name}
	case *syntax.IndexExpr:
		x, y := r.temp(lhs.X, &before), r.temp(lhs.Y, &before)
		s.LHS = &syntax.IndexExpr{X: x(), Lbrack: lhs.Lbrack, Y: y(), Rbrack: lhs.Rbrack}
		again = &syntax.IndexExpr{X: x(), Lbrack: lhs.Lbrack, Y: y(), Rbrack: lhs.Rbrack}
	case *syntax.DotExpr:
		x := r.temp(lhs.X, &before)
		s.LHS = &syntax.DotExpr{X: x(), Dot: lhs.Dot, NamePos: lhs.NamePos, Name: lhs.Name}
		again = &syntax.DotExpr{X: x(), Dot: lhs.Dot, NamePos: lhs.NamePos, Name: lhs.Name}
	default:
		return []syntax.Stmt{s} // refused by the resolver before
	}
	guard := guardOps[op]
	switch op {
	case syntax.PLUS:
		guard = guardAdd
	case syntax.PIPE:
		guard = guardOr
	default:
		s.Op = syntax.EQ
	}
	s.RHS = call(s.OpPos, guard, again, s.RHS)
	return append(before, s)
}

// temp assigns x to a name of its own, and returns a function that makes uses
// of it.
func (r *rewriter) temp(x syntax.Expr, before *[]syntax.Stmt) func() syntax.Expr {
	r.temps++
	name := fmt.Sprintf("·%d", r.temps)
	pos := syntax.Start(x)
	use := func() syntax.Expr { return &syntax.Ident{NamePos: pos, Name: name} }
	*before = append(*before, &syntax.AssignStmt{OpPos: pos, Op: syntax.EQ, LHS: use(), RHS: x})
	return use
}

// target guards the left side of an assignment, and the variables of a loop.
func (r *rewriter) target(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		e.X = r.target(e.X)
	case *syntax.IndexExpr:
		e.X = call(e.Lbrack, guardRoom, r.expr(e.X))
		e.Y = r.key(e.Y)
	case *syntax.DotExpr:
		e.X = r.expr(e.X)
	case *syntax.TupleExpr:
		for i := range e.List {
			e.List[i] = r.target(e.List[i])
		}
	case *syntax.ListExpr:
		for i := range e.List {
			e.List[i] = r.target(e.List[i])
		}
	}
	return e
}

func (r *rewriter) exprs(list []syntax.Expr) {
	for i := range list {
		list[i] = r.expr(list[i])
	}
}

func (r *rewriter) expr(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.Ident, *syntax.Literal:
	case *syntax.ParenExpr:
		e.X = r.expr(e.X)
	case *syntax.ListExpr:
		r.exprs(e.List)
	case *syntax.TupleExpr:
		r.exprs(e.List)
	case *syntax.DictExpr:
		for _, entry := range e.List {
			r.entry(entry)
		}
	case *syntax.CondExpr:
		e.Cond, e.True, e.False = r.expr(e.Cond), r.expr(e.True), r.expr(e.False)
	case *syntax.IndexExpr:
		e.X, e.Y = r.expr(e.X), r.key(e.Y)
	case *syntax.SliceExpr:
		r.slice(e)
	case *syntax.Comprehension:
		r.comprehension(e)
	case *syntax.UnaryExpr:
		e.X = r.expr(e.X)
	case *syntax.BinaryExpr:
		return r.binary(e)
	case *syntax.DotExpr:
		return r.dot(e)
	case *syntax.CallExpr:
		r.call(e)
	case *syntax.LambdaExpr:
		r.params(e.Params)
		e.Body = r.expr(e.Body)
	default:
		panic(fmt.Sprintf("mission: internal error: expression %T", e))
	}
	return e
}

func (r *rewriter) entry(e syntax.Expr) {
	entry := e.(*syntax.DictEntry)
	entry.Key, entry.Value = r.key(entry.Key), r.expr(entry.Value)
}

func (r *rewriter) slice(e *syntax.SliceExpr) {
	e.X = call(e.Lbrack, guardSlice, r.expr(e.X))
	for _, part := range []*syntax.Expr{&e.Lo, &e.Hi, &e.Step} {
		if *part != nil {
			*part = r.expr(*part)
		}
	}
}

// comprehension bounds its result. With one loop, that is what the loop runs
// over; with more, the elements are counted:
//
//	[e for x in y for z in w]    becomes    [·tally(e) for x in ·each(y) for z in w]
func (r *rewriter) comprehension(e *syntax.Comprehension) {
	loops := 0
	for _, clause := range e.Clauses {
		switch c := clause.(type) {
		case *syntax.ForClause:
			loops++
			c.Vars, c.X = r.target(c.Vars), r.expr(c.X)
		case *syntax.IfClause:
			c.Cond = r.expr(c.Cond)
		}
	}
	entry, isDict := e.Body.(*syntax.DictEntry)
	if isDict {
		r.entry(entry)
	} else {
		e.Body = r.expr(e.Body)
	}
	first := e.Clauses[0].(*syntax.ForClause)
	switch {
	case loops == 1:
		first.X = call(first.For, guardOver, first.X)
		return
	case isDict:
		entry.Value = call(entry.Colon, guardTally, entry.Value)
	default:
		e.Body = call(syntax.Start(e.Body), guardTally, e.Body)
	}
	first.X = call(first.For, guardEach, first.X)
}

func (r *rewriter) params(params []syntax.Expr) {
	for _, p := range params {
		if b, ok := p.(*syntax.BinaryExpr); ok { // name = default
			b.Y = r.expr(b.Y)
		}
	}
}

func (r *rewriter) call(e *syntax.CallExpr) {
	e.Fn = r.expr(e.Fn)
	for i, arg := range e.Args {
		if b, ok := arg.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ { // name = value
			b.Y = r.expr(b.Y)
			continue
		}
		if u, ok := arg.(*syntax.UnaryExpr); ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
			u.X = call(u.OpPos, guardSpread, r.expr(u.X))
			continue
		}
		e.Args[i] = r.expr(arg)
	}
}

// binary hands an operator to its guard, unless one operand shows that the
// result is about as small as the other.
func (r *rewriter) binary(e *syntax.BinaryExpr) syntax.Expr {
	e.X, e.Y = r.expr(e.X), r.expr(e.Y)
	op := e.Op
	if op == syntax.NOT_IN {
		in := call(e.OpPos, guardOps[syntax.IN], e.X, e.Y)
		return &syntax.UnaryExpr{OpPos: e.OpPos, Op: syntax.NOT, X: in}
	}
	guard, ok := guardOps[op]
	if !ok || plain(op, e.X, e.Y) {
		return e
	}
	return call(e.OpPos, guard, e.X, e.Y)
}

// plain reports whether an operator with a literal operand needs no guard: a
// comparison with a literal, and adding, subtracting or dividing by a number
// written out.
func plain(op syntax.Token, x, y syntax.Expr) bool {
	switch op {
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.GT, syntax.LE, syntax.GE:
		return literal(x) || literal(y)
	case syntax.PLUS, syntax.MINUS:
		return number(x) || number(y)
	case syntax.PERCENT:
		return number(y)
	}
	return false
}

func literal(e syntax.Expr) bool {
	_, ok := unparen(e).(*syntax.Literal)
	return ok
}

// number reports whether e is a number that fits a machine word.
func number(e syntax.Expr) bool {
	lit, ok := unparen(e).(*syntax.Literal)
	if !ok {
		return false
	}
	switch lit.Value.(type) {
	case int64, float64:
		return true
	}
	return false
}

// key guards a key, unless the way it is written shows that it is no tuple.
func (r *rewriter) key(e syntax.Expr) syntax.Expr {
	bare := unparen(e)
	if u, ok := bare.(*syntax.UnaryExpr); ok {
		bare = unparen(u.X)
	}
	if b, ok := bare.(*syntax.BinaryExpr); ok && plain(b.Op, b.X, b.Y) {
		return r.expr(e) // a comparison, or arithmetic with a number
	}
	if literal(bare) {
		return e
	}
	pos := syntax.Start(e)
	return call(pos, guardKey, r.expr(e))
}

// dot guards the methods of builtin types that make or hash large things.
func (r *rewriter) dot(e *syntax.DotExpr) syntax.Expr {
	e.X = r.expr(e.X)
	if !guardedMethods[e.Name.Name] {
		return e
	}
	name := &syntax.Literal{Token: syntax.STRING, TokenPos: e.NamePos, Raw: `"` + e.Name.Name + `"`, Value: e.Name.Name}
	return call(e.Dot, guardAttr, e.X, name)
}

func call(pos syntax.Position, fn string, args ...syntax.Expr) *syntax.CallExpr {
	return &syntax.CallExpr{
		Fn:     &syntax.Ident{NamePos: pos, Name: fn},
		Lparen: pos, Args: args, Rparen: pos,
	}
}

func unparen(e syntax.Expr) syntax.Expr {
	for {
		p, ok := e.(*syntax.ParenExpr)
		if !ok {
			return e
		}
		e = p.X
	}
}
