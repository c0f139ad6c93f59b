package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// mounts gives the box its own view of files. Nothing of it is seen outside,
// and all of it goes with the box: no file is written on the machine.
func (i *inside) mounts() *insideError {
	o := &i.orders
	if o.Bare != "" {
		return i.bareFiles()
	}
	if !o.Network {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return &insideError{"files", fmt.Errorf("own mounts: %w", err)}
	}
	if err := o.showOver(); err != nil {
		return &insideError{"files", err}
	}
	if o.Exe.Run == "" && !o.Trial {
		var err error
		if o.Exe, err = Resolve(o.Name, o.Dir, o.Env); err != nil {
			return &insideError{"program", err}
		}
	}
	s, err := newScratch()
	if err != nil {
		return &insideError{"files", err}
	}
	if err := o.showFiles(s); err != nil {
		return &insideError{"files", err}
	}
	if err := s.close(); err != nil {
		return &insideError{"files", err}
	}
	if o.Conducted {
		if err := o.showMachine(); err != nil {
			return &insideError{"files", err}
		}
	}
	if o.Processes {
		if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return &insideError{"processes", fmt.Errorf("/proc: %w", err)}
		}
	}
	return nil
}

// showOver shows the directory Over at the workspace's path, with what is kept
// of the workspace inside it, read-only.
func (o *orders) showOver() error {
	if o.Over == "" {
		return nil
	}
	if filepath.Clean(o.Workspace) == "/" {
		return fmt.Errorf("workspace /: another directory cannot be shown there")
	}
	kept := make([]int, len(o.Keep))
	for i, name := range o.Keep {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("kept %q: not inside the workspace", name)
		}
		fd, err := unix.Open(filepath.Join(o.Workspace, name), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("kept %q: %w", name, err)
		}
		defer unix.Close(fd)
		kept[i] = fd
	}
	if err := bind(o.Over, o.Workspace); err != nil {
		return err
	}
	for i, name := range o.Keep {
		at := filepath.Join(o.Workspace, name)
		if err := place(kept[i], at); err != nil {
			return fmt.Errorf("kept %q: %w", name, err)
		}
		if err := bind("/proc/self/fd/"+strconv.Itoa(kept[i]), at); err != nil {
			return err
		}
		if err := readOnly(at); err != nil {
			return err
		}
	}
	return nil
}

// place makes what the file or directory fd can be shown at, unless it is
// there.
func place(fd int, at string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return os.MkdirAll(at, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(at, os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// bind shows one file or directory, with what is mounted below it, at the
// path of another.
func bind(from, at string) error {
	if err := unix.Mount(from, at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("%q shown at %q: %w", from, at, err)
	}
	return nil
}

// readOnly makes a mount, and those below it where the kernel can (Linux
// 5.12), read-only.
func readOnly(at string) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	err := unix.MountSetattr(unix.AT_FDCWD, at, unix.AT_RECURSIVE, &attr)
	if !errors.Is(err, unix.ENOSYS) {
		if err != nil {
			return fmt.Errorf("%q read-only: %w", at, err)
		}
		return nil
	}
	// In a user namespace the flags a mount has may not be taken away.
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return fmt.Errorf("%q read-only: %w", at, err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME
	keep := uintptr(st.Flags) & flags
	if err := unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|keep, ""); err != nil {
		return fmt.Errorf("%q read-only: %w", at, err)
	}
	return nil
}

// A scratch is a file system in memory, where files are made that are then
// shown elsewhere.
type scratch struct {
	dir  string
	n    int
	show func(from, at string) error // one file or directory at the path of another
	lock func(at string) error       // what was shown there last cannot be written to
}

// newScratch mounts one over a directory that nothing needs meanwhile: only
// this process sees it.
func newScratch() (*scratch, error) {
	var err error = fs.ErrNotExist
	for _, dir := range []string{"/sys", "/mnt", "/media", "/srv", "/opt"} {
		err = unix.Mount("coo", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=256m")
		if err == nil {
			return &scratch{dir: dir, show: bind, lock: readOnly}, nil
		}
	}
	return nil, fmt.Errorf("files in memory: %w", err)
}

// close takes the file system out of sight; what is shown elsewhere stays.
func (s *scratch) close() error {
	if err := unix.Unmount(s.dir, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("files in memory: %w", err)
	}
	return nil
}

// path returns a new path in the scratch.
func (s *scratch) path() string {
	s.n++
	return filepath.Join(s.dir, strconv.Itoa(s.n))
}

// showFile shows content at the path of a file, which must exist.
func (s *scratch) showFile(at string, content []byte, mode fs.FileMode) error {
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		return err
	}
	return s.showAt(real, content, mode)
}

func (s *scratch) showAt(at string, content []byte, mode fs.FileMode) error {
	name := s.path()
	if err := os.WriteFile(name, content, mode); err != nil {
		return err
	}
	return s.show(name, at)
}

// showReadOnly shows content at the path of a file, to be read. The program
// finds a file there, with no link on the way to it.
func (s *scratch) showReadOnly(at string, content []byte) error {
	if err := s.showAt(at, content, 0o644); err != nil {
		return err
	}
	return s.lock(at)
}
