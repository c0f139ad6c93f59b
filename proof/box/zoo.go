//go:build linux && amd64

package main

import (
	"path/filepath"
	"strings"
)

// zooDir is where the programs are.
const zooDir = "internal/box/testdata/zoo"

// A program is one animal of the zoo.
type program struct {
	file    string
	topic   string
	differs differs
	args    string // separated by spaces
	name    string // if there is more than one of a file
	cflags  []string
}

// differs says how two native runs differ.
type differs string

const (
	always  differs = "always"
	may     differs = "may"     // a race, mostly won by the same thread
	machine differs = "machine" // from one machine, core or limit to another
	never   differs = "never"
	// outside is what the level deterministic cannot control: it ends, with an
	// error or a label. What it prints is compared and only reported.
	outside differs = "outside"
)

func (p *program) String() string {
	if p.name != "" {
		return p.name + " (" + p.file + ")"
	}
	return p.file
}

// installed is the name of the program in a workspace.
func (p *program) installed() string {
	switch ext := filepath.Ext(p.file); ext {
	case ".c", ".go":
		return strings.TrimSuffix(p.file, ext)
	}
	return p.file
}

// argv is the command line of a program, in its workspace.
func (b *bench) argv(p *program) []string {
	argv := []string{"./" + p.installed()}
	switch filepath.Ext(p.file) {
	case ".py":
		argv = []string{b.tools.python, p.installed()}
	case ".mjs":
		argv = []string{b.tools.node, p.installed()}
	case ".sh":
		argv = []string{"sh", p.installed()}
	}
	return append(argv, strings.Fields(p.args)...)
}
