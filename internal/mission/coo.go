package mission

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/coo-runtime/coo/internal/wire"
)

// cooObject is the first argument of main. It has no state: what its functions
// need belongs to the branch that calls them.
var cooObject *object

func init() {
	attrs := map[string]starlark.Value{}
	for _, fn := range []struct {
		name string
		fn   builtin
	}{
		{"attempt", cooAttempt},
		{"chat", cooChat},
		{"env", cooEnv},
		{"exec", cooExec},
		{"fail", cooFail},
		{"http", cooHTTP},
		{"list", cooList},
		{"log", cooLog},
		{"now", cooNow},
		{"parallel", cooParallel},
		{"read", cooRead},
		{"read_bytes", cooReadBytes},
		{"remove", cooRemove},
		{"secret", cooSecret},
		{"sleep", cooSleep},
		{"step", cooStep},
		{"unix", cooUnix},
		{"uuid", cooUUID},
		{"write", cooWrite},
	} {
		attrs[fn.name] = starlark.NewBuiltin("coo."+fn.name, fn.fn)
	}
	attrs["random"] = newObject("coo.random", map[string]starlark.Value{
		"choice":  starlark.NewBuiltin("coo.random.choice", randomChoice),
		"float":   starlark.NewBuiltin("coo.random.float", randomFloat),
		"int":     starlark.NewBuiltin("coo.random.int", randomInt),
		"shuffle": starlark.NewBuiltin("coo.random.shuffle", randomShuffle),
	})
	cooObject = newObject("coo", attrs)
}

// checkName refuses names that would not show well in a record.
func checkName(what, s string, limit int) error {
	switch {
	case s == "":
		return fmt.Errorf("%s is empty", what)
	case len(s) > limit:
		return fmt.Errorf("%s is longer than %d bytes", what, limit)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not valid UTF-8", what)
	case strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
		return fmt.Errorf("%s holds a control character", what)
	}
	return nil
}

const (
	maxPath = 4096 // bytes of a path or glob
	maxName = 200  // bytes of the name of a step or variable
)

// pathArg takes the one argument, a path.
func pathArg(fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple, param string) (string, error) {
	var path string
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, param, &path); err != nil {
		return "", err
	}
	if err := checkName(param, path, maxPath); err != nil {
		return "", fmt.Errorf("%s: %w", fn.Name(), err)
	}
	return path, nil
}

func readFile(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (path string, data []byte, err error) {
	if path, err = pathArg(fn, args, kwargs, "path"); err != nil {
		return "", nil, err
	}
	b := branchOf(thread)
	err = b.outside(fn.Name(), func(w World) (err error) {
		data, err = w.Read(b.name, path)
		return err
	})
	if err == nil && len(data) > maxText {
		err = fmt.Errorf("%s: %q: %w", fn.Name(), path, checkText(len(data)))
	}
	return path, data, err
}

func cooRead(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	path, data, err := readFile(thread, fn, args, kwargs)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("coo.read: %q: not valid UTF-8: use coo.read_bytes", path)
	}
	return starlark.String(data), nil
}

func cooReadBytes(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	_, data, err := readFile(thread, fn, args, kwargs)
	if err != nil {
		return nil, err
	}
	return starlark.Bytes(data), nil
}

func cooWrite(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var path string
	var data starlark.Value
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "path", &path, "data", &data); err != nil {
		return nil, err
	}
	if err := checkName("path", path, maxPath); err != nil {
		return nil, fmt.Errorf("coo.write: %w", err)
	}
	var content []byte
	switch data := data.(type) {
	case starlark.String:
		content = []byte(data)
	case starlark.Bytes:
		content = []byte(data)
	case *secret:
		return nil, fmt.Errorf("coo.write: %q: a secret may not be written to a file", path)
	default:
		return nil, fmt.Errorf("coo.write: %q: got %s, want string or bytes", path, data.Type())
	}
	b := branchOf(thread)
	return starlark.None, b.outside(fn.Name(), func(w World) error { return w.Write(b.name, path, content) })
}

func cooRemove(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	path, err := pathArg(fn, args, kwargs, "path")
	if err != nil {
		return nil, err
	}
	b := branchOf(thread)
	return starlark.None, b.outside(fn.Name(), func(w World) error { return w.Remove(b.name, path) })
}

func cooList(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	glob, err := pathArg(fn, args, kwargs, "glob")
	if err != nil {
		return nil, err
	}
	b := branchOf(thread)
	var paths []string
	err = b.outside(fn.Name(), func(w World) (err error) {
		paths, err = w.List(b.name, glob)
		return err
	})
	if err != nil {
		return nil, err
	}
	elems := make([]starlark.Value, len(paths))
	for i, p := range paths {
		elems[i] = starlark.String(p)
	}
	return starlark.NewList(elems), checkElems(len(paths))
}

func cooLog(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return logText(branchOf(thread), "log", fn.Name(), args, kwargs)
}

func cooFail(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var msg starlark.Value
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "msg", &msg); err != nil {
		return nil, err
	}
	text, err := printed(fn.Name(), starlark.Tuple{msg}, nil)
	if err != nil {
		return nil, err
	}
	return nil, errors.New(text)
}

func cooSecret(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "name", &name); err != nil {
		return nil, err
	}
	s, err := branchOf(thread).secret(fn.Name(), name)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// secret declares a secret and returns its place.
func (b *branch) secret(fn, name string) (*secret, error) {
	if err := wire.CheckSecretName(name); err != nil {
		return nil, fmt.Errorf("%s: %w", fn, err)
	}
	if err := b.outside(fn, func(w World) error { return w.Secret(name) }); err != nil {
		return nil, err
	}
	return &secret{wire.Secret(name)}, nil
}

// credentialWords are the parts of a variable's name that say its value is a
// secret.
var credentialWords = []string{
	"APIKEY", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY", "SECRET", "TOKEN", "PASSWORD", "PASSWD",
	"PASSPHRASE", "CREDENTIAL", "AUTHORIZATION", "COOKIE",
}

func cooEnv(thread *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	var fallback starlark.Value = starlark.None
	if err := starlark.UnpackArgs(fn.Name(), args, kwargs, "name", &name, "default?", &fallback); err != nil {
		return nil, err
	}
	if err := checkName("name", name, maxName); err != nil {
		return nil, fmt.Errorf("coo.env: %w", err)
	}
	upper := strings.ToUpper(name)
	for _, word := range credentialWords {
		if strings.Contains(upper, word) || strings.HasSuffix(upper, "_KEY") {
			return nil, fmt.Errorf("coo.env: %s looks like a secret: use coo.secret(%q)", name, name)
		}
	}
	value, ok, err := branchOf(thread).env(fn.Name(), name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return fallback, nil
	}
	return starlark.String(value), nil
}

func (b *branch) env(fn, name string) (value string, ok bool, err error) {
	err = b.outside(fn, func(w World) (err error) {
		value, ok, err = w.Env(b.name, name)
		return err
	})
	return value, ok, err
}
