package snapshot

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/durable"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/coo-runtime/coo/internal/workspace"
)

// A builder makes a tree in a new directory: directories and files, then links, then
// the permissions of directories, the deepest first.
type builder struct {
	st    *store.Store
	top   *os.Root
	each  bool // sync every file and directory by itself
	slots chan struct{}

	mu    sync.Mutex
	err   error
	first map[digest.Digest]string // files that are there, to clone
}

func build(st *store.Store, tree digest.Digest, dir string) error {
	paths, err := measure(st, tree)
	if err != nil {
		return err
	}
	c := checker{st: st}
	if err := c.dir("", tree); err != nil {
		return err
	}
	if err := c.collisions(dir); err != nil {
		return err
	}
	top, err := os.OpenRoot(dir)
	if err != nil {
		return bare(err)
	}
	defer top.Close()
	b := &builder{
		st: st, top: top, slots: make(chan struct{}, runtime.GOMAXPROCS(0)-1), first: map[digest.Digest]string{},
		each: !durable.CanSyncFS || paths <= durable.SyncEach,
	}
	if b.dir(top, "", tree); b.err != nil {
		return b.err
	}
	if b.each {
		return nil
	}
	_, err = durable.SyncFS(dir)
	return err
}

func (b *builder) fail(path string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = fmt.Errorf("%q: %w", path, bare(err))
	}
}

func (b *builder) failed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err != nil
}

func (b *builder) do(wg *sync.WaitGroup, f func()) {
	select {
	case b.slots <- struct{}{}:
		wg.Go(func() {
			defer func() { <-b.slots }()
			f()
		})
	default:
		f()
	}
}

// dir fills the directory at.
func (b *builder) dir(at *os.Root, path string, tree digest.Digest) {
	entries, err := readTree(b.st, tree)
	if err != nil {
		b.fail(path, err)
		return
	}
	var wg sync.WaitGroup
	for i := range entries {
		e := &entries[i]
		if e.Type == Link || b.failed() {
			continue
		}
		b.do(&wg, func() {
			where := join(path, e.Name)
			make1 := b.file
			if e.Type == Dir {
				make1 = b.subdir
			}
			if err := make1(at, where, e); err != nil {
				b.fail(where, err)
			}
		})
	}
	wg.Wait()
	for i := range entries {
		e := &entries[i]
		if e.Type != Link || b.failed() {
			continue
		}
		if err := at.Symlink(e.Target, e.Name); err != nil {
			b.fail(join(path, e.Name), err)
		}
	}
	if b.each && !b.failed() {
		if err := syncRoot(at); err != nil {
			b.fail(path, err)
		}
	}
}

func syncRoot(at *os.Root) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := at.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (b *builder) subdir(at *os.Root, path string, e *Entry) error {
	if err := at.Mkdir(e.Name, 0o700); err != nil {
		return err
	}
	sub, err := at.OpenRoot(e.Name)
	if err != nil {
		return err
	}
	defer sub.Close()
	b.dir(sub, path, e.SHA256)
	perm, err := workspace.ParsePerm(e.Mode)
	if err != nil || b.failed() {
		return err
	}
	f, err := sub.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	if runtime.GOOS == "windows" {
		return at.Chmod(e.Name, perm) // not of a directory that is open for reading
	}
	if err := f.Chmod(perm); err != nil || !b.each {
		return err
	}
	return f.Sync()
}

// file makes a file: a clone of an equal one if there is one, or from the store.
func (b *builder) file(at *os.Root, path string, e *Entry) error {
	f, err := at.OpenFile(e.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if !b.clone(f, e) {
		if err := rewind(f); err != nil {
			return err
		}
		if err := b.fill(f, e); err != nil {
			return err
		}
	}
	perm, err := workspace.ParsePerm(e.Mode)
	if err != nil {
		return err
	}
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if b.each {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if e.Size >= cloneFrom && perm&0o400 != 0 {
		b.mu.Lock()
		b.first[e.SHA256] = path
		b.mu.Unlock()
	}
	return f.Close()
}

// rewind takes back what a copy that stopped half-way has written: holes would be
// filled with it, and the next copy would begin after it.
func rewind(f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return f.Truncate(0)
}

func (b *builder) fill(f *os.File, e *Entry) error {
	r, err := b.st.GetReader(e.SHA256)
	if err != nil {
		return err
	}
	// The reader checks the digest before it ends.
	n, err := workspace.WriteSparse(f, r)
	if err == nil && n != e.Size {
		err = fmt.Errorf("content of %d bytes, want %d", n, e.Size)
	}
	return err
}

// cloneFrom is the length from which equal files are cloned, in bytes.
const cloneFrom = 64 << 10

// share makes one file share the blocks of another; tests replace it.
var share = reflink

// clone makes f a copy of an equal file that is in place already, and reports
// whether it could: by sharing blocks, or else within the kernel.
func (b *builder) clone(f *os.File, e *Entry) bool {
	b.mu.Lock()
	from, ok := b.first[e.SHA256]
	b.mu.Unlock()
	if !ok {
		return false
	}
	src, err := b.top.Open(from)
	if err != nil {
		return false
	}
	defer src.Close()
	fi, err := src.Stat()
	if err != nil || fi.Size() != e.Size {
		return false
	}
	if share(f, src) == nil {
		return true
	}
	if rewind(f) != nil {
		return false
	}
	if sparse(fi) {
		_, err = workspace.WriteSparse(f, src)
	} else {
		_, err = io.Copy(f, src) // copy_file_range where there is one
	}
	return err == nil
}
