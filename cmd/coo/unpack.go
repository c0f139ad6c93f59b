package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coo-runtime/coo/internal/report"
)

func (a *app) unpackCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unpack PACK [DIR]",
		Short: "Write the files of a pack to a directory",
		Long: `Verifies a pack and writes its files to DIR, which must be empty or not exist.
Without DIR, that is a directory beside the working one called like the pack
without ".zip". Nothing is written outside of it, and when anything fails what was
written is removed again.`,
		Example: "  coo unpack demo.zip\n  coo unpack demo.zip /tmp/demo",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return exactly(1, "one pack, and a directory if you like")(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dir := strings.TrimSuffix(filepath.Base(args[0]), ".zip")
			if len(args) == 2 {
				dir = args[1]
			} else if !strings.HasSuffix(args[0], ".zip") {
				return usagef("coo unpack: %q does not end in .zip: name a directory too", args[0])
			}
			return a.unpack(args[0], dir)
		},
	}
}

func (a *app) unpack(name, dir string) error {
	rec, err := a.loadPack(name)
	if err != nil {
		return err
	}
	if err := rec.verify(); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return usagef("%q: %v", dir, unwrapPath(err))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return usagef("%q: %v", dir, unwrapPath(err))
	}
	if len(entries) > 0 {
		return fmt.Errorf("%q is not empty: nothing was written", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	u := unpacking{root: root, made: map[string]bool{}}
	if err := rec.pack.Each(u.write); err != nil {
		u.undo()
		return inPack(name, err)
	}
	files, size := rec.pack.Len()
	a.say("%s holds %s, %s, of run %s", visible(dir), report.Count(files, "file"), report.Size(size), rec.run.ID.Short())
	a.next("read %s", visible(filepath.Join(dir, "README.txt")))
	return nil
}

// An unpacking writes files below a root, and remembers what it has made.
type unpacking struct {
	root  *os.Root
	made  map[string]bool // directories
	names []string        // files and directories, in order
}

// write makes one file. It must not be there: two names that the archive tells
// apart and this file system does not are an error, and nothing is replaced.
func (u *unpacking) write(name string, content func(io.Writer) error) error {
	if err := u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	f, err := u.root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	u.names = append(u.names, name)
	err = content(f)
	return errors.Join(err, f.Chmod(0o644), f.Close())
}

func (u *unpacking) mkdir(dir string) error {
	if dir == "." || u.made[dir] {
		return nil
	}
	if err := u.mkdir(path.Dir(dir)); err != nil {
		return err
	}
	if err := u.root.Mkdir(filepath.FromSlash(dir), 0o755); err != nil {
		return err
	}
	u.made[dir] = true
	u.names = append(u.names, dir)
	return u.root.Chmod(filepath.FromSlash(dir), 0o755)
}

// undo removes what was made, as far as that can be done.
func (u *unpacking) undo() {
	for _, name := range slices.Backward(u.names) {
		u.root.Remove(filepath.FromSlash(name))
	}
}
