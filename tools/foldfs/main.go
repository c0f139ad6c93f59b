//go:build linux

// Foldfs mounts a directory as a file system that keeps the case of names and
// does not tell names apart by it, nor by Unicode's normal forms: what macOS and
// Windows have, for tests on a Linux whose own file systems do not. It needs root
// and /dev/fuse.
//
//	foldfs DIR MOUNTPOINT
//
// It serves until it is unmounted. A file that is replaced under another spelling
// keeps its own, as on ext4 and APFS.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
	"golang.org/x/text/unicode/norm"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: foldfs DIR MOUNTPOINT")
		os.Exit(2)
	}
	syscall.Umask(0)
	none := time.Duration(0) // or the kernel would remember names that are others by now
	server, err := fs.Mount(os.Args[2], &node{top: os.Args[1]}, &fs.Options{
		EntryTimeout: &none, AttrTimeout: &none, NegativeTimeout: &none,
		MountOptions: fuse.MountOptions{
			FsName: "foldfs", Name: "foldfs", AllowOther: true, DirectMountStrict: true,
			Options: []string{"default_permissions"},
		},
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "foldfs: %v\n", err)
		os.Exit(1)
	}
	server.Wait()
}

// same reports whether the file system takes two names for one.
func same(a, b string) bool {
	return strings.EqualFold(norm.NFD.String(a), norm.NFD.String(b))
}

// A node is a file or directory. Its place is found anew by every operation, so
// that it does not matter by which of its names the kernel knows it.
type node struct {
	fs.Inode
	top string
}

// path returns where the node lies in the directory below.
func (n *node) path() string {
	at := n.top
	if rel := n.Path(n.Root()); rel != "" {
		for name := range strings.SplitSeq(rel, "/") {
			at = entry(at, name)
		}
	}
	return at
}

// entry returns the path of a name in a directory, spelled as it is there.
func entry(dir, name string) string {
	exact := filepath.Join(dir, name)
	if _, err := os.Lstat(exact); err == nil {
		return exact
	}
	f, err := os.Open(dir)
	if err != nil {
		return exact
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	for _, there := range names {
		if same(there, name) {
			return filepath.Join(dir, there)
		}
	}
	return exact
}

func (n *node) at(name string) string { return entry(n.path(), name) }

// child returns the node of what is at a path.
func (n *node) child(ctx context.Context, p string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	var st syscall.Stat_t
	if err := syscall.Lstat(p, &st); err != nil {
		return nil, fs.ToErrno(err)
	}
	out.FromStat(&st)
	return n.NewInode(ctx, &node{top: n.top}, fs.StableAttr{Mode: st.Mode, Ino: st.Ino}), 0
}

// made gives what was just made to whoever asked for it.
func (n *node) made(ctx context.Context, p string, err error, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if err != nil {
		return nil, fs.ToErrno(err)
	}
	if caller, ok := fuse.FromContext(ctx); ok {
		if err := os.Lchown(p, int(caller.Uid), int(caller.Gid)); err != nil {
			return nil, fs.ToErrno(err)
		}
	}
	return n.child(ctx, p, out)
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.child(ctx, n.at(name), out)
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	p := n.at(name)
	return n.made(ctx, p, syscall.Mkdir(p, mode), out)
}

func (n *node) Mknod(ctx context.Context, name string, mode, dev uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	p := n.at(name)
	return n.made(ctx, p, syscall.Mknod(p, mode, int(dev)), out)
}

func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	p := n.at(name)
	return n.made(ctx, p, syscall.Symlink(target, p), out)
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	p := n.at(name)
	if err := syscall.Link(target.(*node).path(), p); err != nil {
		return nil, fs.ToErrno(err)
	}
	return n.child(ctx, p, out)
}

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	p := n.at(name)
	fd, err := syscall.Open(p, int(flags)&^syscall.O_APPEND|syscall.O_CREAT, mode)
	if err != nil {
		return nil, nil, 0, fs.ToErrno(err)
	}
	ch, errno := n.made(ctx, p, nil, out)
	return ch, fs.NewLoopbackFile(fd), 0, errno
}

func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	fd, err := syscall.Open(n.path(), int(flags)&^(syscall.O_APPEND|fuse.FMODE_EXEC)|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, 0, fs.ToErrno(err)
	}
	return fs.NewLoopbackFile(fd), 0, 0
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return fs.ToErrno(syscall.Unlink(n.at(name)))
}

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	return fs.ToErrno(syscall.Rmdir(n.at(name)))
}

func (n *node) Rename(_ context.Context, name string, parent fs.InodeEmbedder, to string, flags uint32) syscall.Errno {
	from, at := n.at(name), parent.(*node).at(to)
	if from == at {
		at = filepath.Join(filepath.Dir(at), to) // it gets another spelling
	}
	return fs.ToErrno(unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, at, uint(flags)))
}

func (n *node) Readlink(context.Context) ([]byte, syscall.Errno) {
	target, err := os.Readlink(n.path())
	return []byte(target), fs.ToErrno(err)
}

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	return fs.NewLoopbackDirStream(n.path())
}

func (n *node) Fsync(_ context.Context, f fs.FileHandle, flags uint32) syscall.Errno {
	return 0
}

func (n *node) Getattr(ctx context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if file, ok := f.(fs.FileGetattrer); ok {
		return file.Getattr(ctx, out)
	}
	var st syscall.Stat_t
	if err := syscall.Lstat(n.path(), &st); err != nil {
		return fs.ToErrno(err)
	}
	out.FromStat(&st)
	return 0
}

func (n *node) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if err := setattr(n.path(), in); err != nil {
		return fs.ToErrno(err)
	}
	return n.Getattr(ctx, f, out)
}

func setattr(p string, in *fuse.SetAttrIn) error {
	if mode, ok := in.GetMode(); ok {
		if err := syscall.Chmod(p, mode); err != nil {
			return err
		}
	}
	if size, ok := in.GetSize(); ok {
		if err := syscall.Truncate(p, int64(size)); err != nil {
			return err
		}
	}
	uid, gid := -1, -1
	if id, ok := in.GetUID(); ok {
		uid = int(id)
	}
	if id, ok := in.GetGID(); ok {
		gid = int(id)
	}
	if uid >= 0 || gid >= 0 {
		if err := os.Lchown(p, uid, gid); err != nil {
			return err
		}
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	if t, ok := in.GetATime(); ok {
		times[0] = unix.NsecToTimespec(t.UnixNano())
	}
	if t, ok := in.GetMTime(); ok {
		times[1] = unix.NsecToTimespec(t.UnixNano())
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, p, times, unix.AT_SYMLINK_NOFOLLOW)
}
