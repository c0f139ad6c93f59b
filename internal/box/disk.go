//go:build linux && amd64

package box

import (
	"encoding/binary"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// What every file system is told to have: half of it is free.
const (
	diskBlocks = 64 << 20
	diskFiles  = 16 << 20
)

// kinds of file systems that are the same everywhere; others are ext4.
var knownFS = []uint64{unix.TMPFS_MAGIC, unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEVPTS_SUPER_MAGIC, 0x50495045 /* pipefs */, 0x534f434b /* sockfs */}

// statfs is the handler of statfs(2) and fstatfs(2). struct statfs has words
// of 8 bytes: type, size of a block, blocks, free, available, files, free
// ones, number, longest name, size of a fragment, flags.
func statfs(x *tracer, t *thread) outcome {
	ret, out := x.passStopped(t)
	if out != goOn || ret != 0 {
		return out
	}
	at := t.arg(1)
	kind, ok := t.word(at)
	if !ok {
		return goOn
	}
	if !slices.Contains(knownFS, kind) {
		kind = unix.EXT4_SUPER_MAGIC
	}
	if x.views != nil {
		kind = x.kindOfFS(t, kind)
	}
	const mounted = 0x1020 // ST_RELATIME, and that the flags are valid
	var b []byte
	for _, v := range []uint64{
		kind, blockSize, diskBlocks, diskBlocks / 2, diskBlocks / 2, diskFiles, diskFiles / 2,
		0, 255, blockSize, mounted, 0, 0, 0, 0,
	} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	t.write(at, b)
	return goOn
}

// ioctl is the handler of ioctl(2).
func ioctl(x *tracer, t *thread) outcome {
	const getVersion, fiemap = 0x80087601, 0xc020660b // FS_IOC_GETVERSION, FS_IOC_FIEMAP
	switch uint32(t.arg(1)) {
	case unix.TIOCGWINSZ:
		ret, out := x.passStopped(t)
		if out == goOn && ret == 0 {
			t.write(t.arg(2), []byte{24, 0, 80, 0, 0, 0, 0, 0})
		}
		return out
	case unix.TIOCGPTN:
		ret, out := x.passStopped(t)
		if n, ok := t.word32(t.arg(2)); out == goOn && ret == 0 && ok && x.views != nil {
			t.setWord32(t.arg(2), x.numberTerminal(n))
		}
		return out
	case getPeer:
		if n, ok := ofSocket(x, t, t.intArg(0), ptyNumber); ok {
			x.slaves[n] = true
		}
	case getVersion, fiemap:
		t.answer(-int64(unix.EOPNOTSUPP))
	}
	return goOn
}

// kindOfFS is the kind of the file system that a call of statfs asks about,
// where what would be one in memory is a view.
func (x *tracer) kindOfFS(t *thread, kind uint64) uint64 {
	host, ok := "", false
	if t.nr == unix.SYS_FSTATFS {
		host, ok = readLink(procPath(t.tid, "fd/"+strconv.Itoa(t.intArg(0))))
	} else if name, there := t.text(t.arg(0), unix.PathMax); there {
		var w *walk
		if w, ok = x.walk(t, unix.AT_FDCWD, name, true); ok {
			host = w.host()
		}
	}
	_, memory := x.views.inMemory(host)
	if !ok || !memory {
		return kind
	}
	return unix.TMPFS_MAGIC
}
