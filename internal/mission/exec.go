package mission

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/coo-runtime/coo/internal/wire"
)

// An Exec is a program that a mission starts.
type Exec struct {
	Argv []string
	// Env are variables beside those that every program gets, sorted by
	// name.
	Env     []wire.Field
	Stdin   []byte // nil: nothing to read
	Timeout int64  // milliseconds; 0: none
}

// An Exited is how a program of a mission ended.
type Exited struct {
	Status         int64
	Signal         string // SIGKILL, …: what ended it, when that was a signal
	TimedOut       bool   // it was ended because its time was over
	Stdout, Stderr []byte
}

// Limits of a program's start.
const (
	maxArgv = 1 << 20 // bytes of all arguments together
	maxEnv  = 1 << 20 // bytes of the names and values of env together
)

// cooExec implements coo.exec(argv, env = {}, stdin = None, timeout = None,
// check = True).
func cooExec(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	q := execArgs{check: true}
	err := starlark.UnpackArgs(fn.Name(), args, kwargs, "argv", &q.argv, "env??", &q.env,
		"stdin??", &q.stdin, "timeout?", &q.timeout, "check?", &q.check)
	if err != nil {
		return nil, err
	}
	e, err := q.exec()
	if err != nil {
		return nil, fmt.Errorf("coo.exec: %w", err)
	}
	b := branchOf(thread)
	var x *Exited
	err = b.outside(fn.Name(), func(w World) (err error) {
		x, err = w.Exec(b.name, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	if q.check {
		if err := x.failure(e.Argv[0]); err != nil {
			return nil, err
		}
	}
	return exitedObject(x)
}

type execArgs struct {
	argv    starlark.Iterable
	env     *starlark.Dict
	stdin   starlark.Value
	timeout starlark.Value
	check   bool
}

func (q *execArgs) exec() (*Exec, error) {
	e := &Exec{}
	size := 0
	for v := range starlark.Elements(q.argv) {
		s, ok := v.(starlark.String)
		if !ok {
			return nil, fmt.Errorf("argv: got %s, want string", v.Type())
		}
		if !utf8.ValidString(string(s)) || strings.ContainsRune(string(s), 0) {
			return nil, fmt.Errorf("argv: %.80q: not valid UTF-8, or a NUL in it", string(s))
		}
		if size += len(s) + 1; size > maxArgv {
			return nil, fmt.Errorf("argv: %w", limitError("too long", maxArgv, "bytes"))
		}
		e.Argv = append(e.Argv, string(s))
	}
	if len(e.Argv) == 0 || e.Argv[0] == "" {
		return nil, errors.New("argv: no program is named")
	}
	var err error
	if q.env != nil {
		if e.Env, err = envFields(q.env); err != nil {
			return nil, err
		}
	}
	switch stdin := q.stdin.(type) {
	case nil:
	case starlark.String:
		e.Stdin = []byte(stdin)
	case starlark.Bytes:
		e.Stdin = []byte(stdin)
	default:
		return nil, fmt.Errorf("stdin: got %s, want string or bytes", stdin.Type())
	}
	if q.timeout != nil && q.timeout != starlark.None {
		e.Timeout, err = timeoutOf(q.timeout, 0)
	}
	return e, err
}

// envFields takes a dict of variable names to text.
func envFields(d *starlark.Dict) ([]wire.Field, error) {
	var fields []wire.Field
	size := 0
	for k, v := range d.Entries() {
		name, ok := k.(starlark.String)
		if !ok {
			return nil, fmt.Errorf("env: a name of type %s", k.Type())
		}
		if err := checkName("env: a name", string(name), maxName); err != nil {
			return nil, err
		}
		value, ok := textOf(v)
		if !ok {
			return nil, fmt.Errorf("env: %s: got %s, want string", string(name), v.Type())
		}
		text := value.String()
		if strings.Contains(string(name), "=") || strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
			return nil, fmt.Errorf("env: %.80q: a name with =, or a value with a NUL or that is not valid UTF-8", string(name))
		}
		if size += len(name) + len(text); size > maxEnv {
			return nil, fmt.Errorf("env: %w", limitError("too long", maxEnv, "bytes"))
		}
		fields = append(fields, wire.Field{Name: string(name), Value: value})
	}
	slices.SortFunc(fields, func(a, b wire.Field) int { return strings.Compare(a.Name, b.Name) })
	return fields, nil
}

// failure is the mission's failure when a program did not end well.
func (x *Exited) failure(name string) error {
	switch {
	case x.TimedOut:
		return fmt.Errorf("coo.exec: %.200q: its time was over", name)
	case x.Signal != "":
		return fmt.Errorf("coo.exec: %.200q: ended by %s", name, x.Signal)
	case x.Status != 0:
		return fmt.Errorf("coo.exec: %.200q: exited %d", name, x.Status)
	}
	return nil
}

// exitedObject is what coo.exec returns.
func exitedObject(x *Exited) (starlark.Value, error) {
	if err := checkText(len(x.Stdout)); err != nil {
		return nil, fmt.Errorf("coo.exec: stdout: %w", err)
	}
	if err := checkText(len(x.Stderr)); err != nil {
		return nil, fmt.Errorf("coo.exec: stderr: %w", err)
	}
	return newObject("program", map[string]starlark.Value{
		"status": starlark.MakeInt64(x.Status),
		"stdout": starlark.String(toText(string(x.Stdout))),
		"stderr": starlark.String(toText(string(x.Stderr))),
	}), nil
}

// Execs reports whether the mission names coo.exec anywhere: whether it needs
// a place to start programs in. One that does not name it, but puts the name
// together for getattr, is refused by its World when it calls it.
func (p *Program) Execs() bool { return p.execs }

// namesExec reports whether an attribute called exec stands in a file.
func namesExec(file *syntax.File) bool {
	found := false
	syntax.Walk(file, func(n syntax.Node) bool {
		if dot, ok := n.(*syntax.DotExpr); ok && dot.Name.Name == "exec" {
			found = true
		}
		return !found
	})
	return found
}
