package wire

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/dotenv"
)

// An Exec is the start of a program, as far as it is the run's identity.
type Exec struct {
	Argv []string
	// DotEnv are the files of variables (package dotenv) that it finds in the
	// workspace, outside of its tree: paths, sorted, each once, and the text
	// of each, in which a secret stands by name.
	DotEnv []NamedBlob
	// Env are the variables that are recorded, sorted by name, each once. A
	// secret stands in a value by name: "<secret NAME>".
	Env   [][2]string
	Stdin *digest.Digest // nil: it has none
	Tree  digest.Digest  // the footprint of the whole workspace at the start
}

// A NamedBlob is a path in the workspace and the digest of its content.
type NamedBlob struct {
	Path   string
	SHA256 digest.Digest
}

// Doc returns the document that identifies the start:
//
//	{"argv":["python3","agent.py"],"env":[["LANG","C.UTF-8"]],"kind":"exec","stdin":null,"tree":"4f53cda1…"}
//
// Where there are such files, it has "dotenv":[[".env","9c56cc51…"]] too.
// An argument or variable that no program can be given, or that is not UTF-8,
// is an error.
func (e *Exec) Doc() (*Doc, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, 512), `{"argv":[`...)
	var err error
	for i, a := range e.Argv {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = canon.AppendString(b, a); err != nil {
			return nil, fmt.Errorf("exec: argument %d: %w", i, err)
		}
	}
	b = append(b, ']')
	if len(e.DotEnv) > 0 {
		pairs := make([][2]string, len(e.DotEnv))
		for i, f := range e.DotEnv {
			pairs[i] = [2]string{f.Path, f.SHA256.String()}
		}
		b = append(b, `,"dotenv":`...)
		if b, err = appendPairs(b, pairs); err != nil {
			return nil, fmt.Errorf("exec: dotenv: %w", err)
		}
	}
	b = append(b, `,"env":`...)
	if b, err = appendPairs(b, e.Env); err != nil {
		return nil, fmt.Errorf("exec: environment: %w", err)
	}
	b = append(b, `,"kind":"exec","stdin":`...)
	if e.Stdin == nil {
		b = append(b, "null"...)
	} else {
		b = append(append(append(b, '"'), e.Stdin.String()...), '"')
	}
	b = append(append(append(b, `,"tree":"`...), e.Tree.String()...), `"}`...)
	return &Doc{Key: digest.Call(digest.Of(b)), Bytes: b}, nil
}

// check holds e to what a system can start.
func (e *Exec) check() error {
	if len(e.Argv) == 0 || e.Argv[0] == "" {
		return errors.New("exec: no program is named")
	}
	for i, a := range e.Argv {
		if strings.ContainsRune(a, 0) {
			return fmt.Errorf("exec: argument %d: a NUL byte in it", i)
		}
	}
	for i, f := range e.DotEnv {
		switch {
		case !dotenv.Names(f.Path) || !fs.ValidPath(f.Path) || strings.ContainsAny(f.Path, "\x00\\"):
			return fmt.Errorf("exec: dotenv %.80q: not the path of such a file", f.Path)
		case i > 0 && e.DotEnv[i-1].Path >= f.Path:
			return fmt.Errorf("exec: dotenv %.80q: out of order", f.Path)
		}
	}
	for i, v := range e.Env {
		switch {
		case v[0] == "" || strings.ContainsAny(v[0], "=\x00") || strings.ContainsRune(v[1], 0):
			return fmt.Errorf("exec: environment variable %.80q: malformed", v[0])
		case i > 0 && e.Env[i-1][0] >= v[0]:
			return fmt.Errorf("exec: environment variable %.80q: out of order", v[0])
		}
	}
	return nil
}

// ParseExec is the inverse of [Exec.Doc] and accepts nothing else.
func ParseExec(doc []byte) (*Exec, error) {
	s := canon.NewScanner(doc)
	e := new(Exec)
	s.Lit(`{"argv":[`)
	for s.OK() && !s.Try("]") {
		if len(e.Argv) > 0 {
			s.Lit(",")
		}
		e.Argv = append(e.Argv, s.String())
	}
	if s.Try(`,"dotenv":[`) {
		for s.OK() && (len(e.DotEnv) == 0 || !s.Try("]")) {
			if len(e.DotEnv) > 0 {
				s.Lit(",")
			}
			s.Lit("[")
			f := NamedBlob{Path: s.String()}
			s.Lit(",")
			if d := scanDigest(s); d != nil {
				f.SHA256 = *d
			}
			s.Lit("]")
			e.DotEnv = append(e.DotEnv, f)
		}
	}
	s.Lit(`,"env":[`)
	for s.OK() && !s.Try("]") {
		if len(e.Env) > 0 {
			s.Lit(",")
		}
		s.Lit("[")
		name := s.String()
		s.Lit(",")
		value := s.String()
		s.Lit("]")
		e.Env = append(e.Env, [2]string{name, value})
	}
	s.Lit(`,"kind":"exec","stdin":`)
	if !s.Try("null") {
		e.Stdin = scanDigest(s)
	}
	s.Lit(`,"tree":`)
	if tree := scanDigest(s); tree != nil {
		e.Tree = *tree
	}
	s.Lit("}")
	if err := s.End(); err != nil {
		return nil, fmt.Errorf("exec document: %w", err)
	}
	return e, e.check()
}
