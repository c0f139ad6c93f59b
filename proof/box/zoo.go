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
	numpy   bool // with the Python of tools/box.sh
	// inputs: what it prints follows from the names of its workspace and home
	// and who runs it, which are its inputs: by how much memory they take.
	inputs bool
	// path: what it prints follows from the path of its workspace: by how long
	// it is, or how many directories there are to be asked for.
	path   bool
	source string // of a program that is made, not a file
	model  string // the address of a model that it asks; "": it asks none
}

// differs says how two native runs differ. Programs that are recorded and
// replayed have none.
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

// script reports whether a file is not compiled, and so a part of the workspace.
func script(file string) bool {
	return filepath.Ext(file) != ""
}

// numpy is the Python of tools/box.sh.
func (b *bench) numpy() string {
	return filepath.Join(b.root, ".cache", "box", "python", "bin", "python")
}

// argv is the command line of a program, in its workspace.
func (b *bench) argv(p *program, built string) []string {
	argv := []string{built}
	switch filepath.Ext(p.file) {
	case ".py":
		argv = []string{b.tools.python, p.installed()}
		if p.numpy {
			argv[0] = b.numpy()
		}
	case ".mjs":
		argv = []string{b.tools.node, p.installed()}
	case ".sh":
		argv = []string{"sh", p.installed()}
	}
	return append(argv, strings.Fields(p.args)...)
}
