package workspace

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/coo-runtime/coo/internal/digest"
)

// maxLinks is the number of symbolic links followed on the way to one file.
const maxLinks = 40

// A Dir is a live workspace directory. Reading follows symbolic links as long
// as they stay inside; nothing outside is ever opened. It remembers the state
// in which a path was first read or touched.
type Dir struct {
	path  string
	root  *os.Root
	first map[string]sight
	// fault, when not nil, is asked before every operation that changes the
	// directory; its error takes the place of the operation. Tests set it.
	fault func(op, name string) error
}

// A sight is what a mission could see at a path.
type sight struct {
	kind string // Absent, File, "directory"
	sum  digest.Digest
}

const directory = "directory"

// OpenDir opens the directory at an operating system's path.
func OpenDir(name string) (*Dir, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, access("open", name, err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, access("open", name, err)
	}
	return &Dir{path: abs, root: root, first: map[string]sight{}}, nil
}

// Close releases the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Path returns the absolute path of the directory.
func (d *Dir) Path() string { return d.path }

// Read implements [Reader]. A directory is no file: the error is
// [fs.ErrNotExist]. A path that reads differently than at first is a
// [*ChangedError]; a link that leads out, a device, an unreadable file or one
// above [MaxFile] is an [*AccessError].
func (d *Dir) Read(name string) (data []byte, exec bool, err error) {
	p, err := clean("read", name, false)
	if err != nil {
		return nil, false, err
	}
	s, data, exec, err := d.see("read", p)
	if err != nil {
		return nil, false, err
	}
	if err := d.remember(p, s); err != nil {
		return nil, false, err
	}
	if s.kind != File {
		return nil, false, notExist("read", name)
	}
	return data, exec, nil
}

// see returns what is at a clean path, with its content when it is a file.
func (d *Dir) see(op, p string) (s sight, data []byte, exec bool, err error) {
	real, kind, err := d.find(op, p)
	if err != nil || kind != File {
		return sight{kind: kind}, nil, false, err
	}
	f, fi, err := d.open(op, p, real)
	if err != nil {
		return sight{}, nil, false, err
	}
	defer f.Close()
	data, err = readAll(f, fi.Size(), MaxFile)
	if errors.Is(err, errTooLarge) {
		return sight{}, nil, false, &AccessError{Op: op, Path: p, What: fmt.Sprintf("larger than %d MiB", MaxFile>>20)}
	}
	if err != nil {
		return sight{}, nil, false, access(op, p, err)
	}
	return sight{File, digest.Of(data)}, data, fi.Mode()&0o111 != 0, nil
}

// Touch implements [Reader]. A link above the path is an [*AccessError]: writing
// through it would change another path.
func (d *Dir) Touch(name string) error {
	p, err := clean("write", name, false)
	if err != nil {
		return err
	}
	if _, err := d.above("write", p); err != nil {
		return err
	}
	if _, ok := d.first[p]; ok {
		return nil
	}
	s, err := d.glance("write", p)
	if err != nil {
		return err
	}
	return d.remember(p, s)
}

// glance is see without the content, for a file of any size.
func (d *Dir) glance(op, p string) (sight, error) {
	real, kind, err := d.find(op, p)
	if err != nil || kind != File {
		return sight{kind: kind}, err
	}
	sum, err := d.sum(op, p, real)
	return sight{File, sum}, err
}

// remember keeps the first sight of a path and compares every later one.
func (d *Dir) remember(p string, s sight) error {
	first, ok := d.first[p]
	if !ok {
		d.first[p] = s
		return nil
	}
	if first != s {
		return &ChangedError{p}
	}
	return nil
}

// find follows a clean path through symbolic links to what it names, name by
// name: os.Root would keep a link from leading out of the directory, but not
// into an ignored name.
func (d *Dir) find(op, p string) (real, kind string, err error) {
	at, rest := ".", strings.Split(p, "/")
	kind = directory
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch {
		case name == "" || name == ".":
			continue
		case name == ".." && at == ".":
			return "", "", &AccessError{Op: op, Path: p, What: "a link leads out of the workspace"}
		case name == "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, name)
		fi, err := d.lstat(op, p, next)
		if err != nil {
			return "", "", err
		}
		switch {
		case fi == nil:
			return "", Absent, nil
		case fi.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", "", &AccessError{Op: op, Path: p, What: "too many links"}
			}
			target, err := d.target(op, p, next)
			if err != nil {
				return "", "", err
			}
			rest = append(strings.Split(target, "/"), rest...)
		case fi.IsDir():
			at, kind = next, directory
		case len(rest) > 0:
			return "", Absent, nil // a file where a directory would have to be
		case !fi.Mode().IsRegular():
			return "", "", &AccessError{Op: op, Path: p, What: "not a regular file"}
		default:
			at, kind = next, File
		}
	}
	if Ignored(at) {
		return "", "", &AccessError{Op: op, Path: p, What: fmt.Sprintf("a link leads to %q, which is never read or written", at)}
	}
	return at, kind, nil
}

// target reads a link, which must be relative.
func (d *Dir) target(op, p, link string) (string, error) {
	target, err := d.root.Readlink(link)
	if err != nil {
		return "", access(op, p, err)
	}
	target = filepath.ToSlash(target)
	if target == "" || target[0] == '/' || filepath.VolumeName(filepath.FromSlash(target)) != "" {
		return "", &AccessError{Op: op, Path: p, What: "a link leads out of the workspace"}
	}
	return target, nil
}

// lstat returns nil when there is nothing at name, which has no links in it.
// On Windows a name that it cannot have is not there, whatever it would say.
func (d *Dir) lstat(op, p, name string) (fs.FileInfo, error) {
	if runtime.GOOS == "windows" && unportable(path.Base(name)) != "" {
		return nil, nil
	}
	fi, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, access(op, p, err)
	}
	return fi, nil
}

// open opens the regular file real, which p led to.
func (d *Dir) open(op, p, real string) (*os.File, fs.FileInfo, error) {
	f, err := d.root.Open(real)
	if err != nil {
		return nil, nil, access(op, p, err)
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, nil, access(op, p, err)
	}
	return f, fi, nil
}

var errTooLarge = errors.New("too large")

// readAll reads a file of about size bytes and at most limit.
func readAll(r io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, errTooLarge
	}
	var b bytes.Buffer
	b.Grow(int(size) + bytes.MinRead)
	if n, err := b.ReadFrom(io.LimitReader(r, limit+1)); err != nil || n > limit {
		return nil, cmp.Or(err, errTooLarge)
	}
	return b.Bytes(), nil
}

// sum returns the digest of a file of any size.
func (d *Dir) sum(op, p, real string) (digest.Digest, error) {
	f, _, err := d.open(op, p, real)
	if err != nil {
		return digest.Digest{}, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return digest.Digest{}, access(op, p, err)
	}
	return digest.Digest(h.Sum(nil)), nil
}
