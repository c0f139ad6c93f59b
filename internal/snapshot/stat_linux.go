package snapshot

import (
	"io/fs"
	"syscall"
)

// openFlags keep a file that has become a pipe from holding the snapshot up.
const openFlags = syscall.O_NONBLOCK

func statOf(fi fs.FileInfo) stat {
	s := stat{size: fi.Size(), mode: fi.Mode(), mtime: fi.ModTime().UnixNano(), links: 1}
	if sys, ok := fi.Sys().(*syscall.Stat_t); ok {
		s.ctime = int64(sys.Ctim.Sec)*1e9 + int64(sys.Ctim.Nsec)
		s.ino, s.dev, s.links = sys.Ino, uint64(sys.Dev), uint64(sys.Nlink)
	}
	return s
}
