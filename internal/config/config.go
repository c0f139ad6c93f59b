// Package config reads coo.toml, what a project tells coo once instead of with
// every command. It is looked for in the working directory and upwards.
//
//	[[ignore]]
//	pointer = "/metadata/session_id"   # RFC 6901, in a JSON body
//	host = "api.example.test"          # optional; with or without a port
//	reason = "fresh in every process"  # optional
//
//	[[ignore]]
//	header = "x-trace-*"
//
// An ignore names what is no part of the identity of a program's calls. What
// decides the answer of a model cannot be ignored. The rules are part of every
// run that was made under them.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"

	"github.com/coo-runtime/coo/internal/wire"
)

// Name is the name of the file.
const Name = "coo.toml"

// maxSize is the length in bytes of the longest file that is read.
const maxSize = 1 << 20

// A Config is what the file says. The zero Config says nothing.
type Config struct {
	Path   string // of the file; empty: there is none
	Ignore []wire.Ignore
}

// Find reads the nearest coo.toml, from dir upwards. That there is none is no
// error.
func Find(dir string) (*Config, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for {
		path := filepath.Join(dir, Name)
		text, err := read(path)
		if err == nil {
			c, err := Parse(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			c.Path = path
			return c, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		up := filepath.Dir(dir)
		if up == dir {
			return &Config{}, nil
		}
		dir = up
	}
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = fmt.Errorf("%s: longer than %d bytes", path, maxSize)
	}
	return text, err
}

// Parse reads the text of a coo.toml. What it does not know is an error.
func Parse(text []byte) (*Config, error) {
	var file struct {
		Ignore []struct {
			Pointer string `toml:"pointer"`
			Header  string `toml:"header"`
			Host    string `toml:"host"`
			Reason  string `toml:"reason"`
		} `toml:"ignore"`
	}
	meta, err := toml.Decode(string(text), &file)
	if err != nil {
		return nil, err
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("%q is not known here", unknown[0].String())
	}
	c := new(Config)
	for i, ig := range file.Ignore {
		rule := wire.Ignore{Pointer: ig.Pointer, Header: ig.Header, Host: ig.Host, Reason: ig.Reason}
		if _, err := wire.UserRules([]wire.Ignore{rule}); err != nil {
			return nil, fmt.Errorf("ignore %d: %w", i+1, err)
		}
		c.Ignore = append(c.Ignore, rule)
	}
	return c, nil
}
