package snapshot

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
)

// A stat is what tells that a file has changed without reading it.
type stat struct {
	size, mtime, ctime int64 // bytes; nanoseconds
	ino, dev           uint64
	mode               fs.FileMode
	links              uint64 // not compared
}

func (s stat) same(t stat) bool {
	t.links = s.links
	return s == t
}

// append appends s as a cache has it.
func (s stat) append(b []byte) []byte {
	for _, n := range [...]uint64{uint64(s.size), uint64(s.mtime), uint64(s.ctime), s.ino, s.dev, uint64(s.mode)} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// A record is a file as it was when it was read.
type record struct {
	name string
	stat stat
	sum  digest.Digest
}

// A cache remembers the files of one directory and everything below it.
//
// A file is remembered only if its times lie before the moment at which the
// snapshot began, by the clock of the file system: a file that is changed after it
// was read then has later times than the remembered ones, even if its size is the
// same and somebody sets its modification time back (its change time cannot be
// set). That is git's rule for racy entries, with the earlier of the two moments.
//
// The blob of a remembered file may have been removed from the store since. Looking
// for each would cost more than looking at the file, so the cache also remembers the
// times of the 256 directories of blobs, as they were when the snapshot had them all
// on disk: where a time is the same, by the same rule, no name has gone. Before that
// moment nothing goes either, because the process uses the store ([store.Store.Use]).
type cache struct {
	file  string
	path  string // absolute, of the directory
	scan  string
	start int64
	known known
	now   shards    // before anything was looked for, then when all was stored
	sound [256]bool // directories of blobs from which nothing has gone
}

// known is what a cache file says.
type known struct {
	dirs   map[string][]record // sorted by name
	files  int
	shards shards
}

// shards are the change times of the directories of blobs; 0 is unknown.
type shards [256]int64

// shardsOf looks at the directories of blobs.
func shardsOf(st *store.Store, start int64) (t shards) {
	for i := range t {
		fi, err := os.Lstat(st.Path(fmt.Sprintf("blobs/sha256/%02x", i)))
		if err != nil {
			continue
		}
		s := statOf(fi)
		if at := max(s.ctime, s.mtime); settled(at, start) {
			t[i] = at
		}
	}
	return t
}

const cacheMagic = "coo.stat/0\n"

// coarse is the longest step of the clock of a file system that keeps whole
// seconds, in nanoseconds: FAT counts every second one.
const coarse = 2e9

// openCache reads the cache of the directory abs and notes the time.
func openCache(st *store.Store, abs string, opts Options) (*cache, error) {
	c := &cache{path: abs, scan: opts.ScanID}
	if opts.NoCache || opts.Scan != nil && opts.ScanID == "" {
		return c, nil
	}
	dir := st.Path(CacheDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(abs))
	c.file = filepath.Join(dir, "stat-"+hex.EncodeToString(sum[:8]))
	var err error
	if c.start, err = timeIn(dir); err != nil {
		return nil, err
	}
	c.now = shardsOf(st, c.start)
	if b, err := os.ReadFile(c.file); err == nil {
		c.known = decodeCache(b, abs, opts.ScanID)
	}
	for i := range c.now {
		c.sound[i] = c.now[i] != 0 && c.now[i] == c.known.shards[i]
	}
	return c, nil
}

// timeIn returns the time by the clock of the file system that holds dir.
func timeIn(dir string) (int64, error) {
	f, err := os.CreateTemp(dir, "tmp-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.ModTime().UnixNano(), nil
}

// settled reports whether any later change of a file shows in its times.
func (c *cache) settled(s stat) bool {
	return settled(s.mtime, c.start) && settled(s.ctime, c.start)
}

func settled(t, start int64) bool {
	if t%1e9 == 0 {
		t += coarse
	}
	return t < start
}

// write replaces the cache with what w has found and stored. It is not synced: a torn
// one is none.
func (c *cache) write(w *walker) error {
	if c.file == "" {
		return nil
	}
	at, err := timeIn(filepath.Dir(c.file))
	if err != nil {
		return err
	}
	if c.now = shardsOf(w.st, at); w.read == 0 && w.known == c.known.files && c.now == c.known.shards {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(c.file), "tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, harmlessly, once it is renamed
	_, err = f.Write(encodeCache(c.path, c.scan, known{dirs: w.dirs, shards: c.now}))
	if cerr := f.Close(); err != nil || cerr != nil {
		return cmp.Or(err, cerr)
	}
	return os.Rename(f.Name(), c.file)
}

func encodeCache(path, scan string, k known) []byte {
	b := []byte(cacheMagic)
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	text(path)
	text(scan)
	for _, at := range k.shards {
		b = binary.AppendUvarint(b, uint64(at))
	}
	b = binary.AppendUvarint(b, uint64(len(k.dirs)))
	for _, dir := range slices.Sorted(maps.Keys(k.dirs)) {
		text(dir)
		list := k.dirs[dir]
		b = binary.AppendUvarint(b, uint64(len(list)))
		for i := range list {
			r := &list[i]
			text(r.name)
			b = append(r.stat.append(b), r.sum[:]...)
		}
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// decodeCache returns nothing when anything is wrong with b, or when it is about
// another directory or other secrets.
func decodeCache(b []byte, path, scan string) known {
	body := len(b) - sha256.Size
	if body < len(cacheMagic) {
		return known{}
	}
	if sum := sha256.Sum256(b[:body]); !bytes.Equal(sum[:], b[body:]) {
		return known{}
	}
	r := cacheReader{b: b[:body], s: string(b[:body])}
	if r.take(len(cacheMagic)) != cacheMagic || r.text() != path || r.text() != scan {
		return known{}
	}
	k := known{dirs: map[string][]record{}}
	for i := range k.shards {
		k.shards[i] = int64(r.uint())
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		dir, count := r.text(), r.count()
		list := make([]record, 0, count)
		for ; count > 0 && !r.bad; count-- {
			list = append(list, r.record())
		}
		k.dirs[dir] = list
		k.files += len(list)
	}
	if r.bad || r.at != len(r.b) {
		return known{}
	}
	return k
}

// A cacheReader reads the body of a cache. Names share one string.
type cacheReader struct {
	b   []byte
	s   string
	at  int
	bad bool
}

func (r *cacheReader) take(n int) string {
	if n < 0 || n > len(r.s)-r.at {
		r.bad = true
		return ""
	}
	r.at += n
	return r.s[r.at-n : r.at]
}

func (r *cacheReader) uint() uint64 {
	n, size := binary.Uvarint(r.b[r.at:])
	if size <= 0 {
		r.bad = true
		return 0
	}
	r.at += size
	return n
}

// count reads a number of things that take at least a byte each.
func (r *cacheReader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)-r.at) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *cacheReader) text() string { return r.take(r.count()) }

func (r *cacheReader) record() record {
	x := record{name: r.text()}
	x.stat = stat{
		size: int64(r.uint()), mtime: int64(r.uint()), ctime: int64(r.uint()),
		ino: r.uint(), dev: r.uint(), mode: fs.FileMode(r.uint()),
	}
	copy(x.sum[:], r.take(digest.Size))
	return x
}

// lookup returns the record of a name in a sorted list, or nil.
func lookup(list []record, name string) *record {
	i, ok := slices.BinarySearchFunc(list, name, func(r record, name string) int { return strings.Compare(r.name, name) })
	if !ok {
		return nil
	}
	return &list[i]
}
