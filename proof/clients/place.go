//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/coo-runtime/coo/internal/modelserver"
)

// workspace is the directory that the agent runs in.
func (t *try) workspace() string { return filepath.Join(t.dir, "workspace") }

func (t *try) home() string { return filepath.Join(t.dir, "home") }

// out is where coo writes what is not the client's.
func (t *try) out(name string) string { return filepath.Join(t.dir, "out", name) }

// place makes the directory of a try, before any is tried: Bun lists every
// directory above its own, so no other may come or go meanwhile.
func (t *try) place() (err error) {
	in := t.bench.dir
	if t.way == boxed {
		in = t.boxes
	}
	if t.dir, err = os.MkdirTemp(in, "try-*"); err != nil {
		return err
	}
	return errors.Join(os.Mkdir(t.out(""), 0o755), os.Mkdir(t.home(), 0o755))
}

// clean empties it.
func (t *try) clean() error { return empty(t.dir) }

// empty removes all that is in a directory.
func empty(dir string) error {
	list, err := os.ReadDir(dir)
	for _, e := range list {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// furnish makes the workspace and the store.
func (t *try) furnish() error {
	from := filepath.Join(t.root, "proof", "clients", t.client.files)
	if err := os.CopyFS(t.workspace(), os.DirFS(from)); err != nil {
		return err
	}
	company, err := modelserver.NewAuthority()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(t.dir, "company.pem"), company.PEM(), 0o644); err != nil {
		return err
	}
	if t.client.files == "node" {
		if err := os.Symlink(t.made("node/node_modules"), filepath.Join(t.workspace(), "node_modules")); err != nil {
			return err
		}
	}
	// Above the workspace: an agent that looks around would see the store, and
	// in a replay none.
	o, err := t.coo(nil, "init", t.dir)
	if err == nil && o.status != 0 {
		err = fmt.Errorf("init: status %d: %s", o.status, tail(o.stderr))
	}
	return err
}

// made is what tools/clients.sh made.
func (t *try) made(path string) string { return filepath.Join(t.root, ".cache", "clients", path) }
