package workspace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/coo-runtime/coo/internal/digest"
)

// A shelf keeps contents for plans.
type shelf map[digest.Digest][]byte

func (s shelf) put(b []byte) (digest.Digest, error) {
	d := digest.Of(b)
	s[d] = bytes.Clone(b)
	return d, nil
}

func (s shelf) get(d digest.Digest) (io.Reader, error) {
	if b, ok := s[d]; ok {
		return bytes.NewReader(b), nil
	}
	return nil, fmt.Errorf("no blob %s", d.Short())
}

// readTree describes everything below root, links, modes and directories too.
func readTree(t testing.TB, root string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		text := fi.Mode().String()
		switch {
		case fi.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			text = "-> " + target
		case fi.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text += " " + string(b)
		}
		rel, err := filepath.Rel(root, p)
		tree[filepath.ToSlash(rel)] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// A scene is a directory, and what a mission did to it.
func scene(t testing.TB) (*Dir, *Overlay) {
	t.Helper()
	root := makeTree(t, map[string]string{
		"same.txt": "same", "changed.txt": "old", "gone.txt": "gone", "other.txt": "untouched",
		"private": "old key", "tool.sh": "#!old", "link": "-> other.txt",
		"file2dir": "was a file", "dir2file/x": "x", "dir2file/deep/y": "y", "dir2file/empty/": "",
		"d/e/here": "here",
	})
	for name, perm := range map[string]fs.FileMode{"private": 0o600, "tool.sh": 0o755, "dir2file/deep": 0o700, "gone.txt": 0o640} {
		if err := os.Chmod(filepath.Join(root, name), perm); err != nil {
			t.Fatal(err)
		}
	}
	d := openDir(t, root)
	o := New(d)
	for _, p := range []string{"gone.txt", "file2dir", "dir2file/x", "dir2file/deep/y"} {
		if err := o.Remove(p); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{
		"same.txt", "changed.txt", "private", "tool.sh", "link", "file2dir/a/b",
		"dir2file", "d/e/new", "n1/n2/n3", "n1/n4",
	} {
		text := "new " + p
		if p == "same.txt" {
			text = "same"
		}
		write(t, o, p, text)
	}
	if err := o.Write("run.sh", []byte("#!new"), true); err != nil {
		t.Fatal(err)
	}
	return d, o
}

// after is what scene's directory is when its overlay is applied.
var after = map[string]string{
	"same.txt": "-rw-r--r-- same", "changed.txt": "-rw-r--r-- new changed.txt", "other.txt": "-rw-r--r-- untouched",
	"private": "-rw------- new private", "tool.sh": "-rwxr-xr-x new tool.sh", "link": "-rw-r--r-- new link",
	"file2dir": "drwxr-xr-x", "file2dir/a": "drwxr-xr-x", "file2dir/a/b": "-rw-r--r-- new file2dir/a/b",
	"dir2file": "-rw-r--r-- new dir2file",
	"d":        "drwxr-xr-x", "d/e": "drwxr-xr-x", "d/e/here": "-rw-r--r-- here", "d/e/new": "-rw-r--r-- new d/e/new",
	"n1": "drwxr-xr-x", "n1/n2": "drwxr-xr-x", "n1/n2/n3": "-rw-r--r-- new n1/n2/n3", "n1/n4": "-rw-r--r-- new n1/n4",
	"run.sh": "-rwxr-xr-x #!new",
}

func prepare(t testing.TB, d *Dir, o *Overlay) (*Plan, shelf) {
	t.Helper()
	blobs := shelf{}
	p, err := Prepare(d, o, blobs.put)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodePlan(b)
	if err != nil {
		t.Fatal(err)
	}
	return again, blobs
}

func wantTree(t testing.TB, d *Dir, want map[string]string) bool {
	t.Helper()
	diff := cmp.Diff(want, readTree(t, d.Path()))
	if diff != "" {
		t.Errorf("the directory (-want +got):\n%s", diff)
	}
	return diff == ""
}

func TestApply(t *testing.T) {
	d, o := scene(t)
	defer umask(umask(0o077)) // must have no say
	untouched, err := os.Stat(filepath.Join(d.Path(), "same.txt"))
	if err != nil {
		t.Fatal(err)
	}
	p, blobs := prepare(t, d, o)
	if slices.Contains(p.Paths(), "same.txt") {
		t.Error("the plan names a file that is right already")
	}
	if err := p.Apply(d, blobs.get); err != nil {
		t.Fatal(err)
	}
	wantTree(t, d, after)
	if now, err := os.Stat(filepath.Join(d.Path(), "same.txt")); err != nil || !os.SameFile(now, untouched) || !now.ModTime().Equal(untouched.ModTime()) {
		t.Errorf("a file that was right already was written: %v", err)
	}
	if again, _ := prepare(t, d, o); !again.Empty() {
		t.Errorf("Prepare after Apply: %q, want nothing to do", again.Paths())
	}
}

// Every operation fails once: the directory is as it was, to the inode.
func TestApplyFailsAtEveryOperation(t *testing.T) {
	for k := 0; ; k++ {
		d, o := scene(t)
		p, blobs := prepare(t, d, o)
		before := readTree(t, d.Path())
		inode, err := os.Stat(filepath.Join(d.Path(), "changed.txt"))
		if err != nil {
			t.Fatal(err)
		}
		n, failed := 0, ""
		d.fault = func(op, name string) error {
			if n++; n == k+1 {
				failed = op + " " + name
				return syscall.ENOSPC
			}
			return nil
		}
		err = p.Apply(d, blobs.get)
		if failed == "" {
			if err != nil {
				t.Fatal(err)
			}
			if k < 40 {
				t.Errorf("only %d operations were tried", k)
			}
			return
		}
		if err == nil { // a hard link has a substitute, and cleaning up needs no success
			removeTemps(t, d.Path())
			if !wantTree(t, d, after) {
				t.Fatalf("after %q failed", failed)
			}
			continue
		}
		if ae, ok := errors.AsType[*ApplyError](err); !ok || !ae.Undone || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%q failed: %v, want an *ApplyError that is undone", failed, err)
		}
		if !wantTree(t, d, before) {
			t.Fatalf("after %q failed", failed)
		}
		if now, err := os.Stat(filepath.Join(d.Path(), "changed.txt")); err != nil || !os.SameFile(now, inode) {
			t.Errorf("after %q failed the file is another: %v", failed, err)
		}
	}
}

func removeTemps(t testing.TB, root string) {
	t.Helper()
	for name := range readTree(t, root) {
		if strings.HasPrefix(filepath.Base(name), tempPrefix) {
			os.Remove(filepath.Join(root, name))
		}
	}
}

// From operation k on everything fails, taking back too: Recover mends it.
func TestApplyFailsForGood(t *testing.T) {
	for k := 0; ; k++ {
		d, o := scene(t)
		p, blobs := prepare(t, d, o)
		before := readTree(t, d.Path())
		n := 0
		d.fault = func(string, string) error {
			if n++; n > k {
				return syscall.EIO
			}
			return nil
		}
		err := p.Apply(d, blobs.get)
		if n <= k {
			return
		}
		d.fault = nil
		if _, ok := errors.AsType[*ApplyError](err); err != nil && !ok {
			t.Fatalf("failing from %d: %v, want an *ApplyError", k, err)
		}
		checkRecovered(t, d, p, blobs, before, fmt.Sprintf("failing from %d", k))
	}
}

func checkRecovered(t *testing.T, d *Dir, p *Plan, blobs shelf, before map[string]string, when string) Recovery {
	t.Helper()
	r, err := p.Recover(d, blobs.get)
	if err != nil || len(r.Kept) != 0 {
		t.Fatalf("%s: Recover = %+v, %v", when, r, err)
	}
	want := before
	if r.Finished {
		want = after
	}
	if !wantTree(t, d, want) {
		t.Fatalf("%s: Recover = %+v", when, r)
	}
	return r
}

type crash struct{}

// crashAt makes the process die before operation k, and reports whether f got
// that far.
func crashAt(d *Dir, k int, f func()) (died bool) {
	n := 0
	d.fault = func(string, string) error {
		if n++; n == k+1 {
			panic(crash{})
		}
		return nil
	}
	defer func() {
		d.fault = nil
		if v := recover(); v != nil {
			if v != (crash{}) {
				panic(v)
			}
			died = true
		}
	}()
	f()
	return false
}

// The process dies before every operation, and again before every operation of
// the recovery.
func TestApplyCrashesAtEveryOperation(t *testing.T) {
	finished := map[bool]int{}
	for k := 0; ; k++ {
		d, o := scene(t)
		p, blobs := prepare(t, d, o)
		before := readTree(t, d.Path())
		if !crashAt(d, k, func() { _ = p.Apply(d, blobs.get) }) {
			break
		}
		// A crash of each recovery leaves the next one a later state.
		for j := 0; crashAt(d, j, func() { _, _ = p.Recover(d, blobs.get) }); j += 2 + k%7 {
		}
		finished[checkRecovered(t, d, p, blobs, before, fmt.Sprintf("crash at %d", k)).Finished]++
	}
	if finished[true] < 10 || finished[false] < 10 {
		t.Errorf("finished: %v; want both ends often", finished)
	}
}

// A power cut may keep any of the renames and lose the others.
func TestRecoverAnySubsetOfRenames(t *testing.T) {
	tree := map[string]string{"a": "A", "b": "B", "s/c": "C", "s/gone": "G"}
	for subset := range 1 << 4 {
		d := openDir(t, makeTree(t, tree))
		o := New(d)
		paths := []string{"a", "b", "s/c", "s/gone"}
		if err := o.Remove("s/gone"); err != nil {
			t.Fatal(err)
		}
		for _, p := range paths[:3] {
			write(t, o, p, "new")
		}
		p, blobs := prepare(t, d, o)
		before := readTree(t, d.Path())
		for i, name := range paths {
			if subset>>i&1 == 0 {
				continue
			}
			full := filepath.Join(d.Path(), name)
			if err := os.Remove(full); err != nil {
				t.Fatal(err)
			}
			if name != "s/gone" {
				if err := os.WriteFile(full, []byte("new"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		r, err := p.Recover(d, blobs.get)
		if err != nil || r.Finished != (subset != 0) {
			t.Fatalf("subset %04b: Recover = %+v, %v", subset, r, err)
		}
		want := before
		if r.Finished {
			want = map[string]string{"a": "-rw-r--r-- new", "b": "-rw-r--r-- new", "s": "drwxr-xr-x", "s/c": "-rw-r--r-- new"}
		}
		wantTree(t, d, want)
	}
}

// What a power cut may take is decided by the order of the syncs: content before
// the first name changes, directories after the last.
func TestApplySyncsAroundItsRenames(t *testing.T) {
	d, o := scene(t)
	p, blobs := prepare(t, d, o)
	created, synced := map[string]bool{}, map[string]bool{}
	renaming := false
	d.fault = func(op, name string) error {
		switch op {
		case "create":
			created[name] = true
		case "rename", "rmdir", "mkdir":
			if !renaming && !maps.Equal(created, synced) {
				t.Errorf("before the first change of a name were created %v and synced %v", created, synced)
			}
			renaming = true
			clear(synced)
		case "sync":
			synced[name] = true
		}
		return nil
	}
	if err := p.Apply(d, blobs.get); err != nil {
		t.Fatal(err)
	}
	if len(created) < 9 {
		t.Errorf("created: %v, want the 9 new files", created)
	}
	for _, dir := range []string{".", "d/e", "file2dir", "file2dir/a", "n1", "n1/n2"} {
		if !synced[dir] {
			t.Errorf("directory %q was not synced after the last rename", dir)
		}
	}
}

func TestRecoverKeepsWhatSomebodyChanged(t *testing.T) {
	d := openDir(t, makeTree(t, map[string]string{"a": "A", "b": "B"}))
	o := New(d)
	for _, p := range []string{"a", "b", "c/d"} {
		write(t, o, p, "new "+p)
	}
	p, blobs := prepare(t, d, o)
	d.fault = func(op, name string) error {
		if op == "rename" && name == "b" {
			panic(crash{})
		}
		return nil
	}
	func() {
		defer func() { _ = recover() }()
		_ = p.Apply(d, blobs.get)
	}()
	d.fault = nil
	if err := os.WriteFile(filepath.Join(d.Path(), "b"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := p.Recover(d, blobs.get)
	if err != nil || !r.Finished || !slices.Equal(r.Kept, []string{"b"}) {
		t.Errorf("Recover = %+v, %v; want finished, with b kept", r, err)
	}
	wantTree(t, d, map[string]string{"a": "-rw-r--r-- new a", "b": "-rw-r--r-- mine", "c": "drwxr-xr-x", "c/d": "-rw-r--r-- new c/d"})
}

// When forward is impossible, here because a content is lost, it goes back and
// leaves a directory that somebody else has begun to use.
func TestRecoverGoesBack(t *testing.T) {
	d := openDir(t, makeTree(t, map[string]string{"a": "A"}))
	o := New(d)
	write(t, o, "a", "new")
	write(t, o, "n/b", "lost")
	p, blobs := prepare(t, d, o)
	for name, text := range map[string]string{"a": "new", "n/mine": "mine"} {
		full := filepath.Join(d.Path(), name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	delete(blobs, *sumOf("lost"))
	if r, err := p.Recover(d, blobs.get); err != nil || r.Finished {
		t.Errorf("Recover = %+v, %v; want it undone", r, err)
	}
	wantTree(t, d, map[string]string{"a": "-rw-r--r-- A", "n": "drwxr-xr-x", "n/mine": "-rw-r--r-- mine"})
}

func TestPrepareRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		tree    map[string]string
		mission func(o *Overlay) error
		meddle  func(root string) error
		err     string
	}{
		{
			name: "changed after it was read", tree: map[string]string{"summary.md": "1"},
			mission: func(o *Overlay) error {
				_, err := o.Read("summary.md")
				return errors.Join(err, o.Write("summary.md", []byte("2"), false))
			},
			meddle: func(root string) error { return os.WriteFile(root+"/summary.md", []byte("3"), 0o644) },
			err:    `"summary.md" changed while the mission ran: nothing was applied`,
		},
		{
			name:    "changed after it was first written",
			tree:    map[string]string{"summary.md": "1"},
			mission: func(o *Overlay) error { return o.Write("summary.md", []byte("2"), false) },
			meddle:  func(root string) error { return os.Remove(root + "/summary.md") },
			err:     `"summary.md" changed while the mission ran: nothing was applied`,
		},
		{
			name:    "appeared",
			mission: func(o *Overlay) error { return o.Write("new", []byte("2"), false) },
			meddle:  func(root string) error { return os.WriteFile(root+"/new", nil, 0o644) },
			err:     `"new" changed while the mission ran: nothing was applied`,
		},
		{
			name: "a directory with other files", tree: map[string]string{"d/x": "", "d/y": ""},
			mission: func(o *Overlay) error { return errors.Join(o.Remove("d/x"), o.Write("d", nil, false)) },
			err:     `apply "d": it is a directory that holds "d/y"`,
		},
		{
			name: "a directory with ignored files", tree: map[string]string{"d/.git/x": ""},
			mission: func(o *Overlay) error { return o.Write("d", nil, false) },
			err:     `apply "d": it is a directory that holds "d/.git"`,
		},
		{
			name: "a file where a directory must be", tree: map[string]string{"d": ""},
			mission: func(o *Overlay) error { return o.Write("d/x", nil, false) },
			err:     `apply "d/x": "d" is a file`,
		},
		{
			name: "a linked directory", tree: map[string]string{"real/": "", "d": "-> real"},
			mission: func(o *Overlay) error { return o.Write("d/x", nil, false) },
			err:     `write "d/x": "d" is a link`,
		},
		{
			name: "a linked directory, later", tree: map[string]string{"real/": ""},
			mission: func(o *Overlay) error { return o.Write("d/x", nil, false) },
			meddle:  func(root string) error { return os.Symlink("real", root+"/d") },
			err:     `apply "d/x": "d" is a link`,
		},
	} {
		d := openDir(t, makeTree(t, tt.tree))
		o := New(d)
		err := tt.mission(o)
		if err == nil && tt.meddle != nil {
			err = tt.meddle(d.Path())
		}
		if err == nil {
			before := readTree(t, d.Path())
			_, err = Prepare(d, o, shelf{}.put)
			wantTree(t, d, before)
		}
		if errText(err) != tt.err {
			t.Errorf("%s: %v; want %s", tt.name, err, tt.err)
		}
		if _, ok := errors.AsType[*PathError](err); ok {
			t.Errorf("%s: a *PathError, which a mission could catch", tt.name)
		}
	}
}

func TestApplyLooksAgain(t *testing.T) {
	d, o := scene(t)
	p, blobs := prepare(t, d, o)
	if err := os.WriteFile(filepath.Join(d.Path(), "n1"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.Path(), "changed.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	before := readTree(t, d.Path())
	err := p.Apply(d, blobs.get)
	if ce, ok := errors.AsType[*ChangedError](err); !ok || ce.Path != "changed.txt" {
		t.Errorf("Apply over a changed file: %v, want a *ChangedError", err)
	}
	wantTree(t, d, before)
}

func TestApplyRefusesDamagedContent(t *testing.T) {
	d, o := scene(t)
	p, blobs := prepare(t, d, o)
	blobs[*sumOf("new private")] = []byte("something else")
	before := readTree(t, d.Path())
	if err := p.Apply(d, blobs.get); errText(err) != `apply "private": its stored content is damaged: nothing was applied` {
		t.Errorf("Apply with a damaged blob: %v", err)
	}
	wantTree(t, d, before)
}

// Writes of a whole run, applied, make the directory what the run saw.
func TestApplyModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		paths := []string{"a", "a/b", "a/b/c", "d", "d/e", "f"}
		root, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		d := openDir(t, root)
		for range rapid.IntRange(1, 4).Draw(rt, "runs") {
			o := New(d)
			if _, err := o.List("**"); err != nil {
				rt.Fatal(err)
			}
			for range rapid.IntRange(0, 8).Draw(rt, "ops") {
				p := rapid.SampledFrom(paths).Draw(rt, "path")
				if rapid.Bool().Draw(rt, "remove") {
					_ = o.Remove(p)
				} else {
					_ = o.Write(p, []byte(rapid.SampledFrom([]string{"", "1", "2"}).Draw(rt, "data")), rapid.Bool().Draw(rt, "exec"))
				}
			}
			before, blobs := readTree(t, root), shelf{}
			saw := map[string]string{}
			list, err := o.List("**")
			if err != nil {
				rt.Fatal(err)
			}
			for _, p := range list {
				data, err := o.Read(p)
				if err != nil {
					rt.Fatal(err)
				}
				saw[p] = string(data)
			}
			plan, err := Prepare(d, o, blobs.put)
			if err == nil {
				err = plan.Apply(d, blobs.get)
			}
			got := readTree(t, root)
			if _, ok := errors.AsType[*AccessError](err); ok && maps.Equal(got, before) {
				d.first = map[string]sight{} // a directory the mission did not know: refused, unharmed
				continue
			}
			if err != nil {
				rt.Fatal(err)
			}
			files := map[string]string{}
			for p, text := range got {
				if _, data, ok := strings.Cut(text, " "); ok {
					files[p] = data
				}
			}
			if !maps.Equal(files, saw) {
				rt.Fatalf("the directory holds %v, the mission saw %v", files, saw)
			}
		}
	})
}

func FuzzDecodePlan(f *testing.F) {
	d, o := scene(f)
	p, _ := prepare(f, d, o)
	b, err := p.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(bytes.Replace(b, []byte("private"), []byte("../etc"), 1))
	f.Add(bytes.Replace(b, []byte("0600"), []byte("9999"), 1))
	f.Add([]byte(`{"changes":[],"format":"coo.apply/0","gone":[],"id":"0123456789abcdef","made":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodePlan(b)
		if err != nil {
			return
		}
		again, err := p.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("DecodePlan and Encode: %s, %v; want\n%s", again, err, b)
		}
		for _, path := range p.Paths() {
			if !filepath.IsLocal(path) {
				t.Errorf("DecodePlan accepts the path %q", path)
			}
		}
	})
}

func TestDecodePlanRefuses(t *testing.T) {
	d, o := scene(t)
	p, _ := prepare(t, d, o)
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, new, err string }{
		{`coo.apply/0`, `coo.apply/1`, `plan: format "coo.apply/1", want "coo.apply/0"`},
		{`"path":"changed.txt"`, `"path":"../changed.txt"`, `plan: change 0: "../changed.txt" is no path`},
		{`"path":"changed.txt"`, `"path":"zz"`, `plan: change 1: "d/e/new" is out of order`},
		{`"perm":"0600"`, `"perm":"600"`, `plan: change 11: malformed state "file"`},
		{`"id":"`, `"id":"x`, `plan: malformed id "x` + p.ID + `"`},
		{`"path":"n1","perm"`, `"path":"n2","perm"`, `plan: made 2: no change needs "n2"`},
		{`"changes":[`, `"changes":[ `, `plan: not in canonical form at byte 12`},
		{`"format"`, `"more":1,"format"`, `plan: unknown field "more"`},
	} {
		bad := bytes.Replace(b, []byte(tt.old), []byte(tt.new), 1)
		if _, err := DecodePlan(bad); errText(err) != tt.err {
			t.Errorf("with %s: %v; want %s", tt.new, err, tt.err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n, " files"), func(b *testing.B) {
			round := 0
			d := openDir(b, b.TempDir())
			for b.Loop() {
				round++
				o := New(d)
				for i := range n {
					if err := o.Write(fmt.Sprintf("d%d/f%d", i%10, i), fmt.Appendf(nil, "%d %d", i, round), false); err != nil {
						b.Fatal(err)
					}
				}
				p, blobs := prepare(b, d, o)
				if err := p.Apply(d, blobs.get); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A power cut may lose the rename of a new directory and keep what came into
// it: that stands under the temporary name then.
func TestRecoverWithAFullTemporaryDirectory(t *testing.T) {
	d, o := scene(t)
	p, blobs := prepare(t, d, o)
	before := readTree(t, d.Path())
	temp := filepath.Join(d.Path(), tempPrefix+p.ID+"-dir.new", "n2")
	if err := os.MkdirAll(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	checkRecovered(t, d, p, blobs, before, "a full temporary directory")
}
