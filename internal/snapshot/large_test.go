package snapshot

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/store"
)

// makeMany makes n files in directories of 100, of the length given on average, half
// of it text and half noise.
func makeMany(t testing.TB, root string, n, length int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	noise := rand.NewChaCha8([32]byte{1})
	b := make([]byte, 2*length)
	for i := range n {
		dir := filepath.Join(root, fmt.Sprintf("d%02d", i/1000), fmt.Sprintf("e%d", i/100%10))
		if i%100 == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		size := 1 + rng.IntN(2*length)
		noise.Read(b[:size/2])
		for k := size / 2; k < size; k++ {
			b[k] = "the tide comes in and goes out\n"[k%31]
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file%d.txt", i)), b[:size], 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The promise of a hundred thousand files, at a twenty-fifth of that unless asked.
func TestManyFiles(t *testing.T) {
	sizes := []int{4_000}
	if os.Getenv("COO_PROOF") == "full" {
		sizes = []int{20_000, 100_000}
	}
	for _, n := range sizes {
		root, st := tempDir(t), newStore(t)
		makeMany(t, root, n, 200)
		age(t, root)
		timed := func(what string, f func()) {
			start := time.Now()
			f()
			t.Logf("%d files: %s: %v", n, what, time.Since(start).Round(time.Millisecond))
		}
		var s *Snapshot
		timed("first snapshot", func() { s = mustTake(t, root, st, Options{}) })
		if s.Files != n || s.Problems != nil {
			t.Fatalf("Take = %+v", s)
		}
		timed("nothing changed", func() {
			if again := mustTake(t, root, st, Options{}); again.Read != 0 || again.Tree != s.Tree {
				t.Errorf("%d files were read again", again.Read)
			}
		})
		dir := filepath.Join(tempDir(t), "r")
		timed("restore", func() {
			if err := Restore(st, s.Tree, dir); err != nil {
				t.Fatal(err)
			}
		})
		for i := range 100 {
			if err := os.WriteFile(filepath.Join(dir, "d00", "e3", fmt.Sprintf("file%d.txt", 300+i)), []byte("changed"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.RemoveAll(dir + "/d01"); err != nil {
			t.Fatal(err)
		}
		timed("rollback of 1100 files", func() { rollback(t, dir, st, s.Tree) })
	}
}

// A file longer than one list of pieces, mostly hole.
func TestHugeFile(t *testing.T) {
	if os.Getenv("COO_PROOF") != "full" {
		return // five gigabytes take minutes
	}
	root, st := tempDir(t), newStore(t)
	f, err := os.Create(root + "/huge")
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(5) {
		if _, err := f.WriteAt([]byte("something here"), i<<30+12345); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(5<<30 + 77); err != nil {
		t.Fatal(err)
	}
	f.Close()
	s := mustTake(t, root, st, Options{})
	if s.Problems != nil || s.Bytes != 5<<30+77 {
		t.Fatalf("Take = %+v", s)
	}
	dir := filepath.Join(tempDir(t), "r")
	if err := Restore(st, s.Tree, dir); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(dir + "/huge")
	if err != nil || fi.Size() != 5<<30+77 || !sparse(fi) {
		t.Errorf("restored: %v, %v", fi, err)
	}
	if again := mustTake(t, dir, st, Options{NoCache: true}); again.Tree != s.Tree {
		t.Error("the restored file is another one")
	}
}

// BenchmarkAgainstGit gives figures that mean something as ratios, in one run:
//
//	go test -run '^$' -bench AgainstGit -benchtime 1x ./internal/snapshot
//
// COO_BENCH_FILES and COO_BENCH_BYTES (a file) change the size.
func BenchmarkAgainstGit(b *testing.B) {
	n, length := 20_000, 10_000
	fmt.Sscan(os.Getenv("COO_BENCH_FILES"), &n)
	fmt.Sscan(os.Getenv("COO_BENCH_BYTES"), &length)
	base, err := os.MkdirTemp(os.Getenv("COO_BENCH_DIR"), "coo-bench-*")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(base)
	root := filepath.Join(base, "work")
	if err := os.Mkdir(root, 0o755); err != nil {
		b.Fatal(err)
	}
	makeMany(b, root, n, length)
	st, _, err := store.Init(base)
	if err != nil {
		b.Fatal(err)
	}
	shell := func(b *testing.B, script string) {
		cmd := exec.Command("sh", "-ec", script)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	git := func(script string) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				shell(b, script)
			}
		}
	}
	take := func(opts Options) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				mustTake(b, root, st, opts)
			}
		}
	}
	shell(b, "git init -q . && git config core.fsync all && git config gc.auto 0")
	age(b, root)
	b.Run("sha256sum", git("find . -path ./.git -prune -o -type f -print0 | xargs -0 sha256sum >/dev/null"))
	b.Run("first/git", git("rm -f .git/index; git add -A && git write-tree >/dev/null"))
	b.Run("first/coo", take(Options{}))
	b.Run("nocache/coo", take(Options{NoCache: true}))
	shell(b, "git -c user.name=x -c user.email=x@x commit -qm x && git status >/dev/null")
	b.Run("same/git-status", git("git status --porcelain"))
	b.Run("same/git-add", git("git add -A && git write-tree"))
	b.Run("same/coo", take(Options{}))
	changed := func(n int) string {
		return fmt.Sprintf("now=$(date +%%N); for i in $(seq 0 %d); do echo changed $now >> d00/e$((i %% 10))/file$(( (i %% 10) * 100 + i / 10 )).txt; done; sleep 0.05", n-1)
	}
	change := changed(100)
	b.Run("100changed/git-add", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			shell(b, change)
			b.StartTimer()
			shell(b, "git add -A && git write-tree")
		}
	})
	tree := mustTake(b, root, st, Options{}).Tree
	b.Run("100changed/coo", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			shell(b, change)
			b.StartTimer()
			mustTake(b, root, st, Options{})
		}
	})
	for _, n := range []int{100, min(1000, n)} {
		b.Run(fmt.Sprintf("rollback%d/coo", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				shell(b, changed(n))
				b.StartTimer()
				d := openDir(b, root)
				r, err := Prepare(d, st, tree, Options{})
				if err == nil {
					err = r.Plan.Apply(d, st.GetReader)
				}
				if err != nil || len(r.Changes) != n {
					b.Fatalf("%d changes, %v", len(r.Changes), err)
				}
			}
		})
	}
	b.Run("restore/coo", func(b *testing.B) {
		for b.Loop() {
			if err := Restore(st, tree, base+"/r"); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			os.RemoveAll(base + "/r")
			b.StartTimer()
		}
	})
	b.Run("restore/git", func(b *testing.B) {
		for b.Loop() {
			shell(b, "mkdir ../g && git --work-tree=../g checkout-index -a -f && sync -f ../g && rm -rf ../g")
		}
	})
}
