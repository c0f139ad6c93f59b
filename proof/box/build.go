//go:build linux && amd64

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tools are the programs of this machine that the zoo needs. Any user can run them.
type tools struct {
	python, node string
}

// findTools prefers the system's own Python: what another one on the PATH
// leads to may be in a directory that is closed to other users.
func findTools() (tools, error) {
	var t tools
	for _, name := range []string{"gcc", "go", "taskset", "setpriv", "diff"} {
		if _, err := exec.LookPath(name); err != nil {
			return t, fmt.Errorf("%w: tools/deps.sh installs what is missing", err)
		}
	}
	var err error
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		var out []byte
		if out, err = exec.Command(name, "-c", "import sys; print(sys.executable)").Output(); err == nil {
			t.python = strings.TrimSpace(string(out))
			break
		}
	}
	if err != nil {
		return t, fmt.Errorf("python3: %w: tools/deps.sh installs what is missing", err)
	}
	if t.node, err = exec.LookPath("node"); err == nil {
		t.node, err = filepath.EvalSymlinks(t.node)
	}
	if err != nil {
		return t, fmt.Errorf("%w: tools/deps.sh installs what is missing", err)
	}
	return t, nil
}

// moduleRoot is the nearest directory upwards that holds go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run it in the repository")
		}
		dir = filepath.Dir(dir)
	}
}

func (b *bench) buildCoo() error {
	if b.coo != "" {
		var err error
		b.coo, err = filepath.Abs(b.coo)
		return err
	}
	b.coo = filepath.Join(b.dir, "coo")
	return b.command("go", "build", "-trimpath", "-o", b.coo, "./cmd/coo")
}

// build makes the file that is run: a compiled program, or the script as it is.
func (b *bench) build(p *program, dir string) (string, error) {
	source := filepath.Join(b.root, zooDir, p.file)
	if p.topic == "whole" {
		source = filepath.Join(b.root, wholeDir, p.file)
	}
	if p.source != "" {
		source = filepath.Join(dir, "source-"+p.file)
		if err := os.WriteFile(source, []byte(p.source), 0o644); err != nil {
			return "", err
		}
	}
	to := filepath.Join(dir, p.installed())
	switch filepath.Ext(p.file) {
	case ".c":
		args := []string{"-O1", "-pthread", "-o", to, source}
		return to, b.command("gcc", append(args, p.cflags...)...)
	case ".go":
		return to, b.command("go", "build", "-trimpath", "-o", to, source)
	}
	content, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	return to, os.WriteFile(to, content, 0o644)
}

// command runs a command in the repository.
func (b *bench) command(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
