package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
	"github.com/google/go-cmp/cmp"
)

var sample = model{
	"a": "f0644 1", "a-b": "f0755 2", "a.d": "d0755", "a.d/x": "f0444 x", "d": "d0700", "d/e": "d0555", "d/e/f": "f0600 deep",
	"empty": "d0755", "nothing": "f0644 ", "link": "-> d/e/f", "dangling": "-> nowhere", "out": "-> /etc/passwd", "loop": "-> loop",
	"été": "f0644 é", "suid": "f4755 s", "tmp": "d1777", "odd \n\"\\name": "f0644 odd",
}

func TestTakeHoldsEverything(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	sample.write(t, root)
	s := mustTake(t, root, st, Options{})
	if diff := cmp.Diff(sample, readStored(t, st, s.Tree)); diff != "" {
		t.Errorf("the tree (-want +got):\n%s", diff)
	}
	if s.Files != 8 || s.Problems != nil || s.Notes != nil {
		t.Errorf("Take = %+v", s)
	}
	// Neither order, times, owners nor the number of workers are in it.
	other := tempDir(t)
	sample.write(t, other)
	for _, workers := range []int{1, 8} {
		if again := mustTake(t, other, newStore(t), Options{Workers: workers}); again.Tree != s.Tree {
			t.Errorf("the same directory elsewhere = %s, want %s", again.Tree.Short(), s.Tree.Short())
		}
	}
}

func TestTakeLeavesOutWhatIsOutside(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	model{
		".cooignore": "f0644 *.log\n/build/\n!keep.log\n", ".env": "f0644 K=V", ".git": "d0755", ".git/HEAD": "f0644 x", ".coo": "d0755",
		"a.log": "f0644 x", "keep.log": "f0644 x", "build": "d0755", "build/x": "f0644 x", "d": "d0755", "d/build": "f0644 x",
		"d/.cooignore": "f0644 !b.log\nbuild\n", "d/a.log": "f0644 x", "d/b.log": "f0644 x", "d/node_modules": "d0755",
	}.write(t, root)
	got := readStored(t, st, mustTake(t, root, st, Options{}).Tree)
	delete(got, ".cooignore")
	delete(got, "d/.cooignore")
	if diff := cmp.Diff(model{"keep.log": "f0644 x", "d": "d0755", "d/b.log": "f0644 x"}, got); diff != "" {
		t.Errorf("the tree (-want +got):\n%s", diff)
	}
}

func TestTakeNamesWhatItCannotRead(t *testing.T) {
	if os.Getuid() == 0 {
		return // root reads everything: the test is repeated as somebody else
	}
	root, st := tempDir(t), newStore(t)
	model{"d": "d0000", "e": "d0400", "f": "f0000 x", "g": "f0644 x"}.write(t, root)
	s := mustTake(t, root, st, Options{})
	if diff := cmp.Diff([]Problem{{"d", Unreadable}, {"e", Unreadable}, {"f", Unreadable}}, s.Problems); diff != "" {
		t.Errorf("Problems (-want +got):\n%s", diff)
	}
}

// A scanner that finds a word, also across writes.
type scanner struct {
	word, seen []byte
}

func (s *scanner) Write(p []byte) (int, error) {
	s.seen = append(s.seen, p...)
	return len(p), nil
}

func (s *scanner) Found() bool { return bytes.Contains(s.seen, s.word) }

func TestSecretsAreNotStored(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	long := strings.Repeat("x", wholeFile) + "hunter22" + strings.Repeat("y", wholeFile)
	model{"short": "f0644 key=hunter22\n", "long": "f0644 " + long, "clean": "f0644 nothing"}.write(t, root)
	age(t, root)
	opts := func(id string) Options {
		return Options{ScanID: id, Scan: func() Scanner { return &scanner{word: []byte("hunter22")} }}
	}
	mustTake(t, root, newStore(t), Options{})
	s := mustTake(t, root, st, opts("1"))
	if !slices.Equal(s.Secrets, []string{"long", "short"}) || s.Files != 1 {
		t.Errorf("Take = %+v, want long and short left out", s)
	}
	// No piece of either: the tree, and what is clean.
	if n := countFiles(t, st.Path("blobs")); n != 2 {
		t.Errorf("%d blobs, want 2", n)
	}
	// What was scanned for other secrets is scanned again.
	for _, tt := range []struct {
		id   string
		read int
	}{{"1", 2}, {"2", 3}, {"", 3}} {
		if s := mustTake(t, root, st, opts(tt.id)); s.Read != tt.read {
			t.Errorf("with ScanID %q %d files were read, want %d", tt.id, s.Read, tt.read)
		}
	}
}

func countFiles(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// age waits until the files of root are settled: a change of them now would show in
// their times. Setting times back would not do: change times cannot be set.
func age(t testing.TB, _ string) {
	t.Helper()
	time.Sleep(20 * time.Millisecond)
}

func TestCacheSparesReading(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	sample.write(t, root)
	age(t, root)
	first := mustTake(t, root, st, Options{})
	second := mustTake(t, root, st, Options{})
	if first.Read != 8 || second.Read != 0 || first.Tree != second.Tree {
		t.Errorf("%d files read, then %d", first.Read, second.Read)
	}
	for name, change := range map[string]func(file string) error{
		"content":   func(f string) error { return os.WriteFile(f, []byte("9"), 0o644) },
		"mode":      func(f string) error { return os.Chmod(f, 0o600) },
		"a rename":  func(f string) error { return os.Rename(f, f+"2") },
		"only time": func(f string) error { return os.Chtimes(f, time.Time{}, time.Unix(1e9, 0)) },
		"set back": func(f string) error {
			fi, err := os.Stat(f)
			return errors.Join(err, os.WriteFile(f, []byte("8"), 0o644), os.Chtimes(f, time.Time{}, fi.ModTime()))
		},
	} {
		if err := change(root + "/a"); err != nil {
			t.Fatal(err)
		}
		age(t, root)
		s := mustTake(t, root, st, Options{})
		if want := mustTake(t, root, st, Options{NoCache: true}); s.Tree != want.Tree || s.Read != 1 {
			t.Errorf("%s: %d files read; the tree is right: %v", name, s.Read, s.Tree == want.Tree)
		}
		os.Rename(root+"/a2", root+"/a")
		mustTake(t, root, st, Options{})
	}
}

// A cached digest of a blob that is gone is no help.
func TestCacheNeverNamesWhatIsGone(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	sample.write(t, root)
	age(t, root)
	for round := range 6 {
		// The later rounds trust the directories of blobs, until something goes.
		mustTake(t, root, st, Options{})
		age(t, root)
		err := os.RemoveAll(st.Path("blobs/sha256"))
		if round%2 == 0 {
			mustTake(t, root, st, Options{})
			age(t, root)
			mustTake(t, root, st, Options{})
			err = os.Remove(st.Path(store.BlobPath(digest.Of([]byte("deep")))))
		}
		if err != nil {
			t.Fatal(err)
		}
		s := mustTake(t, root, st, Options{})
		if diff := cmp.Diff(sample, readStored(t, st, s.Tree)); diff != "" {
			t.Errorf("round %d: the tree (-want +got):\n%s", round, diff)
		}
	}
}

// Files change right after they are read, keeping their length, as fast as they can:
// no later snapshot may miss it.
func TestRacyFilesAreReadAgain(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	file := root + "/f"
	for i := range rounds(300, 5000) {
		if err := os.WriteFile(file, fmt.Appendf(nil, "%08d", i), 0o644); err != nil {
			t.Fatal(err)
		}
		if i%3 > 0 {
			mustTake(t, root, st, Options{})
			if err := os.WriteFile(file, fmt.Appendf(nil, "%08d", i+1e6), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, want := mustTake(t, root, st, Options{}), mustTake(t, root, st, Options{NoCache: true})
		if got.Tree != want.Tree {
			t.Fatalf("round %d: the cache hides a change", i)
		}
	}
}

// The rule itself: only what is older than the start of the snapshot is remembered.
func TestSettled(t *testing.T) {
	const s = 1_000_000_000
	for _, tt := range []struct {
		time, start int64
		want        bool
	}{
		{10*s + 5, 10*s + 5, false},
		{10*s + 4, 10*s + 5, true},
		{10*s + 6, 10*s + 5, false},
		{10 * s, 11*s + 5, false}, // perhaps a clock of whole seconds, or of every second one
		{10 * s, 12*s + 5, true},
		{0, 12 * s, true},
	} {
		if got := settled(tt.time, tt.start); got != tt.want {
			t.Errorf("settled(%d, %d) = %v, want %v", tt.time, tt.start, got, tt.want)
		}
	}
}

// A damaged cache is no cache.
func TestDamagedCache(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	sample.write(t, root)
	age(t, root)
	want := mustTake(t, root, st, Options{}).Tree
	names, err := filepath.Glob(st.Path("cache/stat-*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("caches: %q, %v", names, err)
	}
	good, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(good); i += 7 {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if i%2 == 0 {
			bad = bad[:i]
		}
		if err := os.WriteFile(names[0], bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if s := mustTake(t, root, st, Options{}); s.Tree != want || s.Read != 8 {
			t.Fatalf("damage at byte %d: %d files read", i, s.Read)
		}
	}
}

func FuzzDecodeCache(f *testing.F) {
	dirs := map[string][]record{"": {{name: "a", stat: stat{size: 1, mtime: 2, ctime: 3, ino: 4, dev: 5, mode: 6}}}, "d": {}}
	f.Add(encodeCache("/w", "id", known{dirs: dirs, shards: shards{1: 7}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		k := decodeCache(b, "/w", "id")
		if k.dirs == nil {
			return
		}
		again := decodeCache(encodeCache("/w", "id", k), "/w", "id")
		if again.files != k.files || len(again.dirs) != len(k.dirs) || again.shards != k.shards {
			t.Errorf("%d records, then %d", k.files, again.files)
		}
	})
}

func TestTakeNoticesChanges(t *testing.T) {
	for _, size := range []int{10, wholeFile + 10} {
		root, st := tempDir(t), newStore(t)
		model{"f": "f0644 " + strings.Repeat("x", size)}.write(t, root)
		for _, times := range []int{1, 2} {
			left := times
			reading = func(string) {
				if left--; left >= 0 {
					f, err := os.OpenFile(root+"/f", os.O_APPEND|os.O_WRONLY, 0)
					if err != nil {
						t.Error(err)
						return
					}
					defer f.Close()
					f.WriteString("more")
				}
			}
			s := mustTake(t, root, st, Options{})
			reading = nil
			if changing := slices.Equal(s.Problems, []Problem{{"f", Changing}}); changing != (times == 2) {
				t.Errorf("a file of %d bytes that changed %d times: %+v", size, times, s)
			}
		}
	}
}

func TestLongPaths(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	top, err := os.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { top.Close() }()
	name := strings.Repeat("n", 200)
	deep := 0
	for range 40 { // 8,000 bytes: twice what a system call takes
		if err := top.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := top.WriteFile("f", []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		sub, err := top.OpenRoot(name)
		if err != nil {
			t.Fatal(err)
		}
		top.Close()
		top = sub
		deep++
	}
	s := mustTake(t, root, st, Options{})
	if s.Files != 40 || s.Problems != nil {
		t.Errorf("Take = %+v", s)
	}
	dir := filepath.Join(tempDir(t), "r")
	if err := Restore(st, s.Tree, dir); err != nil {
		t.Fatal(err)
	}
	if again := mustTake(t, dir, st, Options{}); again.Tree != s.Tree {
		t.Error("the restored directory is another one")
	}
	if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	rollback(t, dir, st, s.Tree)
}

func TestTooDeep(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	if err := os.MkdirAll(root+"/"+strings.Repeat("d/", 260), 0o755); err != nil {
		t.Fatal(err)
	}
	s := mustTake(t, root, st, Options{})
	if len(s.Problems) != 1 || s.Problems[0].What != TooLong {
		t.Errorf("Problems = %v, want one path that is too long", s.Problems)
	}
}

// rollback makes dir the tree and checks that it is.
func rollback(t testing.TB, dir string, st *store.Store, tree [32]byte) *Restoration {
	t.Helper()
	d := openDir(t, dir)
	r, err := Prepare(d, st, tree, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Plan.Apply(d, st.GetReader); err != nil {
		t.Fatal(err)
	}
	if now := mustTake(t, dir, st, Options{}); now.Tree != tree {
		t.Fatalf("after the rollback the directory is %s, want %x", now.Tree.Short(), tree[:6])
	}
	return r
}

// The first snapshot stores everything, and so changes every directory of blobs. The
// next one relies on them all the same: it was there when they had settled.
func TestCacheKnowsWhatWasStored(t *testing.T) {
	root, st := tempDir(t), newStore(t)
	c, err := openCache(st, root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := st.Put([]byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // more than a step of the clock of any file system here
	if err := c.write(newWalker(st, nil, Options{})); err != nil {
		t.Fatal(err)
	}
	again, err := openCache(st, root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !again.sound[sum[0]] {
		t.Error("the directory of a blob that the snapshot stored counts as unknown")
	}
	if err := os.Remove(st.Path(store.BlobPath(sum))); err != nil {
		t.Fatal(err)
	}
	if again, err = openCache(st, root, Options{}); err != nil || again.sound[sum[0]] {
		t.Errorf("the directory of a blob that has gone counts as sound (%v)", err)
	}
}
