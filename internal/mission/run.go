package mission

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/coo-runtime/coo/internal/wire"
)

// Run runs the top level of the mission's files and then its function main.
// A Program has one Run at a time.
func (p *Program) Run(w World, o Options) *Result {
	x := &execution{
		prog: p, world: w, opts: o,
		globals: map[string]starlark.StringDict{},
		waiting: map[int64]*branch{},
		held:    map[any]int{},
		limit:   maxLoad,
	}
	if x.opts.Seed == "" {
		x.opts.Seed = "0"
	}
	value, err := x.perform()
	switch {
	case x.dead != nil:
		return &Result{Err: x.dead}
	case x.over != nil:
		return &Result{Fatal: x.over}
	case err != nil:
		return &Result{Err: failureOf(err)}
	case value == starlark.None:
		return &Result{}
	}
	json, err := encodeJSON(value)
	if err == nil && json.HasSecret() {
		err = errors.New("a secret may not leave the mission")
	}
	if err != nil {
		return &Result{Err: &Failure{Msg: clip(fmt.Sprintf("main: the value returned: %v", err))}}
	}
	return &Result{JSON: []byte(json.String())}
}

// Stop ends the run under way, and every later one, with reason as the fatal
// error. It may be called from any goroutine. The mission ends within some
// milliseconds; an answer waited for is the World's to end.
func (p *Program) Stop(reason error) { p.stop.CompareAndSwap(nil, &reason) }

// perform runs the mission in the main branch, in the caller's goroutine.
func (x *execution) perform() (starlark.Value, error) {
	b := x.newBranch("", "", nil)
	load := starlark.NewBuiltin("load", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		_, err := x.globalsOf(b.thread, x.prog.main)
		return starlark.None, err
	})
	if _, err := b.call(load, nil, nil); err != nil {
		return nil, err
	}
	b.pause()
	x.steps, x.limit = 0, maxSteps
	if x.opts.steps != 0 {
		x.limit = x.opts.steps
	}
	b.resume()
	main, ok := x.globals[x.prog.main]["main"].(*starlark.Function)
	if !ok {
		return nil, fmt.Errorf("%s: no function main(coo, …)", x.prog.main)
	}
	kwargs, err := arguments(main, x.opts.Args)
	if err != nil {
		return nil, err
	}
	return b.call(main, starlark.Tuple{cooObject}, kwargs)
}

// loadModule is the load statement.
func (x *execution) loadModule(thread *starlark.Thread, target string) (starlark.StringDict, error) {
	from := thread.CallFrame(0).Pos.Filename()
	return x.globalsOf(thread, x.prog.module(from).loads[target])
}

// globalsOf runs the top level of a module, once.
func (x *execution) globalsOf(thread *starlark.Thread, name string) (starlark.StringDict, error) {
	if g, ok := x.globals[name]; ok {
		return g, nil
	}
	g, err := x.prog.module(name).code.Init(thread, guarded)
	if err != nil {
		return nil, err
	}
	x.fix(g)
	x.globals[name] = g
	return g, nil
}

// arguments matches the arguments of the run with the parameters of main,
// whose first is coo.
func arguments(main *starlark.Function, args map[string]string) ([]starlark.Tuple, error) {
	named := main.NumParams()
	if main.HasVarargs() {
		named--
	}
	if main.HasKwargs() {
		named--
	}
	if named == 0 && !main.HasVarargs() || named > 0 && named == main.NumKwonlyParams() && !main.HasVarargs() {
		return nil, errors.New("main: it takes no argument: its first one is coo")
	}
	var params, missing []string
	for i := 1; i < named; i++ {
		name, _ := main.Param(i)
		params = append(params, name)
		if _, given := args[name]; !given && main.ParamDefault(i) == nil {
			missing = append(missing, name)
		}
	}
	var kwargs []starlark.Tuple
	for _, name := range sortedKeys(args) {
		if !slices.Contains(params, name) && !main.HasKwargs() {
			return nil, unknownArgument(name, params)
		}
		kwargs = append(kwargs, starlark.Tuple{starlark.String(name), starlark.String(args[name])})
	}
	if missing != nil {
		return nil, fmt.Errorf("main: argument %s is missing: give it with --arg %s=…", missing[0], missing[0])
	}
	return kwargs, nil
}

func unknownArgument(name string, params []string) error {
	if len(params) == 0 {
		return fmt.Errorf("main: no argument %.200q: it takes none", name)
	}
	return fmt.Errorf("main: no argument %.200q: it takes %s", name, strings.Join(params, ", "))
}

// textOf returns the value as text with secrets in it: a string or a secret.
func textOf(v starlark.Value) (wire.Text, bool) {
	switch v := v.(type) {
	case starlark.String:
		return wire.Lit(string(v)), true
	case *secret:
		return v.text, true
	}
	return nil, false
}
