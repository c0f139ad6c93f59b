package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/credential"
	"github.com/coo-runtime/coo/internal/dotenv"
	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/snapshot"
)

// A dotEnv is what the .env files of a workspace hold. They are outside of
// snapshots; programs are shown them with placeholders for what looks like a
// secret, and that is what is recorded.
type dotEnv struct {
	files  [][2]string       // paths, sorted, and texts; secrets as "<secret NAME>"
	values map[string]string // of the secrets; coo's environment comes first
	told   []string          // what the user should know
}

// readDotEnv reads the .env files of a workspace.
func readDotEnv(workspace string) (*dotEnv, error) {
	paths, err := snapshot.Outside(workspace)
	if err != nil {
		return nil, err
	}
	d := &dotEnv{values: map[string]string{}}
	for _, path := range paths {
		name := filepath.Join(workspace, filepath.FromSlash(path))
		if fi, err := os.Lstat(name); !dotenv.Names(path) || err != nil || !fi.Mode().IsRegular() {
			continue
		}
		content, err := readAtMost(name, dotenv.MaxSize+1)
		if err == nil {
			err = d.add(path, content)
		}
		if err != nil {
			d.tell("%s: not recorded, and not in a replay: %v", path, unwrapPath(err))
		}
	}
	return d, nil
}

func (d *dotEnv) tell(format string, args ...any) {
	d.told = append(d.told, fmt.Sprintf(format, args...))
}

// add reads one file.
func (d *dotEnv) add(path string, content []byte) error {
	f, err := dotenv.Parse(content)
	if err != nil {
		return err
	}
	var hidden, emptied, others []string
	text := f.Text(func(v dotenv.Variable) (string, bool) {
		if !dotSecret(v) {
			return "", false
		}
		if !canKeepOut(v.Name, v.Value) {
			emptied = append(emptied, v.Name)
			return "", true
		}
		hidden = append(hidden, v.Name)
		if !d.is(v) {
			others = append(others, v.Name)
		}
		return "<secret " + v.Name + ">", true
	})
	if found := credential.Find([]byte(text)); found != nil {
		return fmt.Errorf("%s in it where no value is", found.What)
	}
	d.files = append(d.files, [2]string{path, text})
	switch {
	case len(hidden) == 0:
		d.tell("%s: recorded: nothing in it looks like a secret", path)
	default:
		d.tell("%s: recorded, with placeholders for %s", path, strings.Join(hidden, ", "))
	}
	if len(emptied) > 0 {
		d.tell("%s: shown without a value of %s: it is too short to be kept out of a record", path, strings.Join(emptied, ", "))
	}
	if len(others) > 0 && !isSample(path) {
		d.tell("%s: another value of %s counts: from the environment, or from a file before it", path, strings.Join(others, ", "))
	}
	return nil
}

// is gives a secret its value, unless it has one, and reports whether that is
// the one it has.
func (d *dotEnv) is(v dotenv.Variable) bool {
	if value := os.Getenv(v.Name); len(value) >= minSecret {
		return value == v.Value
	}
	if _, ok := d.values[v.Name]; !ok {
		d.values[v.Name] = v.Value
	}
	return d.values[v.Name] == v.Value
}

// dotSecret reports whether the value of a variable is not to be recorded.
// Short values of what is called a key are those of services that ask for
// none: "ollama", "EMPTY".
func dotSecret(v dotenv.Variable) bool {
	switch {
	case v.Value == "":
		return false
	case dotenv.Secret(v.Value) || password(v.Name):
		return true
	}
	return secretName(v.Name) && len(v.Value) >= minSecret
}

// isSample reports whether a file shows which variables there are, rather than
// holds them.
func isSample(path string) bool {
	return slices.Contains([]string{".example", ".sample", ".template", ".dist", ".defaults"}, filepath.Ext(path))
}

// readAtMost reads the first bytes of a file.
func readAtMost(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// tellDotEnv tells what programs see of .env files.
func (a *app) tellDotEnv(d *dotEnv, level sandbox.Level) {
	for _, line := range d.told {
		a.say("%s", visible(line))
	}
	if len(d.values) > 0 && level == sandbox.Proxied {
		a.say("at level proxied a program reads .env files as they are; its replays see placeholders")
	}
}
