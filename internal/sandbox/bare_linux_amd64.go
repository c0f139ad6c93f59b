package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/coo-runtime/coo/internal/box"
)

// Where namespaces are forbidden, the tracer of level deterministic does what
// they would (package box). What mounts would show is made in a directory of
// the machine's that goes with the process, and shown by changing paths.

// startBare starts the tracer without namespaces.
func (p *Process) startBare(c Command) (*initBox, error) {
	dir, err := bareDir(c.workspace())
	if err != nil {
		return nil, err
	}
	p.undo = append(p.undo, func() { os.RemoveAll(dir) })
	if os.Geteuid() == 0 {
		// The program may become another user. The name is not to be guessed.
		if err := os.Chmod(dir, 0o711); err != nil {
			return nil, fmt.Errorf("files of the run: %w", err)
		}
	}
	o := ordersOf(c)
	o.Bare, o.Own, o.IPv6 = dir, ownAddrs(), hasIPv6()
	o.Root = os.Geteuid() == 0
	return startBox(c, o)
}

// bareDir makes a directory whose name is always as long: a program that is
// executed below it has it on its stack.
func bareDir(workspace string) (string, error) {
	made, err := privateDir(workspace)
	if err != nil {
		return "", err
	}
	for {
		var b [4]byte
		rand.Read(b[:]) //nolint:errcheck // it never fails
		dir := filepath.Join(filepath.Dir(made), fmt.Sprintf("coo-%x", b))
		err := os.Rename(made, dir)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
	}
}

// bareFiles makes what is shown, and says where.
func (i *inside) bareFiles() *insideError {
	o := &i.orders
	show := func(from, at string) error {
		i.views = append(i.views, box.View{At: at, From: from})
		return nil
	}
	if err := o.followLinks(); err != nil {
		return &insideError{"files", err}
	}
	if err := i.viewOver(); err != nil {
		return &insideError{"files", err}
	}
	if o.Exe.Run == "" && !o.Trial {
		if err := i.resolveOver(); err != nil {
			return &insideError{"program", err}
		}
	}
	lock := func(string) error {
		i.views[len(i.views)-1].ReadOnly = true
		return nil
	}
	s := &scratch{dir: o.Bare, show: show, lock: lock}
	if err := o.showFiles(s); err != nil {
		return &insideError{"files", err}
	}
	if err := i.viewMachine(s); err != nil {
		return &insideError{"files", err}
	}
	return nil
}

// followLinks names the workspace as its links lead: a mount is there, and so
// must a view be.
func (o *orders) followLinks() error {
	if o.Trial {
		return nil
	}
	real, err := filepath.EvalSymlinks(o.Workspace)
	if err != nil {
		return err
	}
	if below, err := filepath.Rel(o.Workspace, o.Dir); err == nil && filepath.IsLocal(below) {
		o.Dir = filepath.Join(real, below)
	}
	o.Workspace = real
	return nil
}

// viewOver shows the directory Over at the workspace's path, as showOver does.
func (i *inside) viewOver() error {
	o := &i.orders
	if o.Over == "" {
		return nil
	}
	if filepath.Clean(o.Workspace) == "/" {
		return fmt.Errorf("workspace /: another directory cannot be shown there")
	}
	workspace := o.Workspace
	over, err := filepath.EvalSymlinks(o.Over)
	if err != nil {
		return err
	}
	i.views = append(i.views, box.View{At: workspace, From: over})
	for _, name := range o.Keep {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("kept %q: not inside the workspace", name)
		}
		real := filepath.Join(workspace, name)
		fd, err := unix.Open(real, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("kept %q: %w", name, err)
		}
		err = place(fd, filepath.Join(over, name)) // to be listed
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("kept %q: %w", name, err)
		}
		i.views = append(i.views, box.View{At: real, From: real, ReadOnly: true})
	}
	return nil
}

// resolveOver finds the program where Over is shown.
func (i *inside) resolveOver() error {
	o := &i.orders
	exe, err := Resolve(o.Name, box.Shown(i.views, o.Dir), o.Env)
	if err != nil {
		return err
	}
	for _, path := range []*string{&exe.Run, &exe.Real, &exe.Interpreter} {
		*path = box.Seen(i.views, *path)
	}
	o.Exe = exe
	return nil
}

// viewMachine shows the directories for temporary files empty, and the devices
// of a machine with one processor, as showMachine does.
func (i *inside) viewMachine(s *scratch) error {
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm"} {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil || i.shows(real) {
			continue
		}
		if err := i.viewEmpty(s, real); err != nil {
			return fmt.Errorf("empty %s: %w", dir, err)
		}
	}
	for _, name := range i.orders.Fresh {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("empty %q: not inside the workspace", name)
		}
		at := s.path()
		if err := os.Mkdir(at, 0o755); err != nil {
			return err
		}
		i.views = append(i.views, box.View{At: filepath.Join(i.orders.Workspace, name), From: at, Memory: true})
	}
	if _, err := os.Stat("/sys"); err != nil {
		return nil
	}
	at := s.path()
	if err := makeDevices(at); err != nil {
		return err
	}
	i.views = append(i.views, box.View{At: "/sys", From: at, ReadOnly: true, Memory: true})
	return nil
}

func (i *inside) shows(at string) bool {
	for _, v := range i.views {
		if v.At == at {
			return true
		}
	}
	return false
}

// viewEmpty shows an empty directory in place of another, and in it what the
// program is given: as emptyDir.
func (i *inside) viewEmpty(s *scratch, dir string) error {
	kept := i.orders.named(dir)
	if len(kept) == 1 && kept[0] == dir {
		return nil // it is the workspace
	}
	at := s.path()
	if err := os.Mkdir(at, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(at, 0o777|os.ModeSticky); err != nil {
		return err
	}
	i.views = append(i.views, box.View{At: dir, From: at, Memory: true})
	for _, name := range kept {
		fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		err = place(fd, at+name[len(dir):]) // to be listed
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("%q: %w", strconv.Quote(name), err)
		}
		if !i.shows(name) {
			i.views = append(i.views, box.View{At: name, From: name})
		}
	}
	return nil
}
