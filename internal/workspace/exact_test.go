package workspace

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A model is a tree: path to "d0755", "f0644 content" or "-> target".
type model map[string]string

// makeModel makes the model's files under a new directory.
func makeModel(t testing.TB, m model) *Dir {
	t.Helper()
	root, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	paths := slices.Sorted(maps.Keys(m))
	for _, p := range paths {
		full := filepath.Join(root, p)
		switch text := m[p]; text[0] {
		case 'd':
			err = os.Mkdir(full, 0o700)
		case 'f':
			_, content, _ := strings.Cut(text, " ")
			if err = os.WriteFile(full, []byte(content), 0o600); err == nil {
				err = os.Chmod(full, parsePerm(text[1:5]))
			}
		default:
			err = os.Symlink(strings.TrimPrefix(text, "-> "), full)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range slices.Backward(paths) {
		if m[p][0] == 'd' {
			if err := os.Chmod(filepath.Join(root, p), parsePerm(m[p][1:])); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Cleanup(func() {
		filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				os.Chmod(p, 0o700)
			}
			return nil
		})
	})
	return openDir(t, root)
}

// readModel is the inverse of makeModel.
func readModel(t testing.TB, root string) model {
	t.Helper()
	m := model{}
	var walk func(at string)
	walk = func(at string) {
		entries, err := os.ReadDir(filepath.Join(root, at))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			p := path.Join(at, e.Name())
			fi, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			full := filepath.Join(root, p)
			switch {
			case e.IsDir():
				m[p] = "d" + FormatPerm(fi.Mode())
				walk(p)
			case fi.Mode()&fs.ModeSymlink != 0:
				target, err := os.Readlink(full)
				if err != nil {
					t.Fatal(err)
				}
				m[p] = "-> " + target
			default:
				if fi.Mode()&0o400 == 0 {
					m[p] = "f" + FormatPerm(fi.Mode()) + " ?"
					continue
				}
				b, err := os.ReadFile(full)
				if err != nil {
					t.Fatal(err)
				}
				m[p] = "f" + FormatPerm(fi.Mode()) + " " + string(b)
			}
		}
	}
	walk("")
	return m
}

// planBetween makes the exact plan from one model to another.
func planBetween(t testing.TB, a, b model, blobs shelf) *Plan {
	t.Helper()
	state := func(text string) State {
		switch {
		case text == "" || text[0] == 'd':
			return State{Mode: Absent}
		case text[0] == '-':
			return State{Mode: Link, Target: strings.TrimPrefix(text, "-> ")}
		}
		_, content, _ := strings.Cut(text, " ")
		sum, _ := blobs.put([]byte(content))
		return State{Mode: File, Perm: text[1:5], SHA256: &sum}
	}
	isDir := func(text string) bool { return text != "" && text[0] == 'd' }
	all := maps.Clone(a)
	maps.Copy(all, b)
	var changes []Change
	var gone, made []Folder
	var modes []Remode
	for p := range all {
		x, y := a[p], b[p]
		switch {
		case isDir(x) && isDir(y):
			if x != y || locked(parsePerm(x[1:])) {
				modes = append(modes, Remode{Path: p, Before: x[1:], After: y[1:]})
			}
			continue
		case x == y:
			continue
		case isDir(x):
			gone = append(gone, Folder{p, x[1:]})
		case isDir(y):
			made = append(made, Folder{p, y[1:]})
		}
		if s, u := state(x), state(y); s.Mode != Absent || u.Mode != Absent {
			changes = append(changes, Change{Path: p, Before: s, After: u})
		}
	}
	p, err := NewExact(changes, gone, made, modes)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if p, err = DecodePlan(enc); err != nil {
		t.Fatal(err)
	}
	return p
}

// Two states with every kind of difference between them.
var (
	stateA = model{
		"same": "f0644 same", "text": "f0644 old", "mode": "f0644 m", "suid": "f4755 s", "secretive": "f0600 k",
		"file2dir": "f0644 was", "dir2file": "d0755", "dir2file/x": "f0644 x", "dir2file/deep": "d0500", "dir2file/deep/y": "f0400 y",
		"file2link": "f0644 was", "link2file": "-> same", "link2dir": "-> ro", "dir2link": "d0755", "dir2link/in": "f0644 in",
		"link2link": "-> a", "empty": "d0711", "gone": "d0755", "gone/empty": "d0700", "gone/l": "-> /etc/passwd",
		"ro": "d0555", "ro/stays": "f0444 1", "ro/changes": "f0444 1", "ro/goes": "f0444 1", "ro/sub": "d0555", "ro/sub/x": "f0444 1",
		"opens": "d0555", "opens/x": "f0644 1", "closes": "d0755", "closes/x": "f0644 1", "sticky": "d1777",
		"a b": "f0644 odd", "back\\slash": "f0644 1", "c:": "f0644 1", "x": "f0644 1",
	}
	stateB = model{
		"same": "f0644 same", "text": "f0644 new", "mode": "f0755 m", "suid": "f0755 s", "secretive": "f0640 k2",
		"file2dir": "d0555", "file2dir/a": "d0700", "file2dir/a/b": "f0444 deep", "dir2file": "f0644 now",
		"file2link": "-> same", "link2file": "f0600 now", "link2dir": "d0500", "link2dir/in": "f0644 in", "dir2link": "-> ro",
		"link2link": "-> b", "new": "d0755", "new/empty": "d0500", "new/l": "-> ../../out",
		"ro": "d0555", "ro/stays": "f0444 1", "ro/changes": "f0444 2", "ro/comes": "f0444 1", "ro/sub": "d0500", "ro/sub/y": "f0444 1",
		"opens": "d0755", "opens/x": "f0644 2", "closes": "d0500", "closes/x": "f0644 1", "closes/y": "f0644 1", "sticky": "d0755",
		"a b": "f0644 odder", "back\\slash": "f0644 2", "c:": "f0644 2", "x": "d0755", "x/x": "-> x",
	}
)

func wantModel(t testing.TB, d *Dir, want model) bool {
	t.Helper()
	got := readModel(t, d.Path())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the directory (-want +got):\n%s", diff)
		return false
	}
	return true
}

func exactScene(t testing.TB) (*Dir, *Plan, shelf) {
	if runtime.GOOS == "windows" {
		t.Skip("permissions")
	}
	blobs := shelf{}
	return makeModel(t, stateA), planBetween(t, stateA, stateB, blobs), blobs
}

func TestExactThereAndBack(t *testing.T) {
	d, p, blobs := exactScene(t)
	defer umask(umask(0o077)) // must have no say
	if err := p.Apply(d, blobs.get); err != nil {
		t.Fatal(err)
	}
	wantModel(t, d, stateB)
	if err := planBetween(t, stateB, stateA, blobs).Apply(d, blobs.get); err != nil {
		t.Fatal(err)
	}
	wantModel(t, d, stateA)
}

// stride is 1 in the full proof; else tests go over the operations in steps.
func stride() int {
	if os.Getenv("COO_PROOF") == "full" {
		return 1
	}
	return 4
}

// Every operation fails once: everything is as it was.
func TestExactFailsAtEveryOperation(t *testing.T) {
	for k := 0; ; k += stride() {
		d, p, blobs := exactScene(t)
		n, failed := 0, ""
		d.fault = func(op, name string) error {
			if n++; n == k+1 {
				failed = op + " " + name
				return syscall.ENOSPC
			}
			return nil
		}
		err := p.Apply(d, blobs.get)
		if failed == "" {
			if err != nil {
				t.Fatal(err)
			}
			if k < 100 {
				t.Errorf("only %d operations were tried", k)
			}
			return
		}
		if err == nil {
			removeTemps(t, d.Path())
			if !wantModel(t, d, stateB) {
				t.Fatalf("after %q failed", failed)
			}
			continue
		}
		if ae, ok := errors.AsType[*ApplyError](err); !ok || !ae.Undone || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%q failed: %v, want an *ApplyError that is undone", failed, err)
		}
		if !wantModel(t, d, stateA) {
			t.Fatalf("after %q failed", failed)
		}
	}
}

// The process dies before every operation, and in its recoveries; or everything
// fails from there on.
func TestExactCrashesAtEveryOperation(t *testing.T) {
	finished := map[bool]int{}
	for _, die := range []bool{true, false} {
		for k := 0; ; k += stride() {
			d, p, blobs := exactScene(t)
			end := false
			if die {
				end = !crashAt(d, k, func() { _ = p.Apply(d, blobs.get) })
				for j := 0; !end && crashAt(d, j, func() { _, _ = p.Recover(d, blobs.get) }); j += 3 + k%11 {
				}
			} else {
				n := 0
				d.fault = func(string, string) error {
					if n++; n > k {
						return syscall.EIO
					}
					return nil
				}
				_ = p.Apply(d, blobs.get)
				end, d.fault = n <= k, nil
			}
			if end {
				break
			}
			r, err := p.Recover(d, blobs.get)
			if err != nil || len(r.Kept) != 0 {
				t.Fatalf("at %d: Recover = %+v, %v", k, r, err)
			}
			want := stateA
			if r.Finished {
				want = stateB
			}
			finished[r.Finished]++
			if !wantModel(t, d, want) {
				t.Fatalf("at %d (dies: %v): Recover = %+v", k, die, r)
			}
		}
	}
	if finished[true] < 20 || finished[false] < 20 {
		t.Errorf("finished: %v; want both ends often", finished)
	}
}

// Directories alone, without a single file.
func TestExactDirectoriesOnly(t *testing.T) {
	a := model{"gone": "d0555", "gone/deep": "d0500", "mode": "d0755", "stays": "d0755"}
	b := model{"made": "d0555", "made/deep": "d0500", "mode": "d0500", "stays": "d0755"}
	for k := 0; ; k++ {
		blobs := shelf{}
		d, p := makeModel(t, a), planBetween(t, a, b, blobs)
		if !crashAt(d, k, func() { _ = p.Apply(d, blobs.get) }) {
			wantModel(t, d, b)
			break
		}
		r, err := p.Recover(d, blobs.get)
		if err != nil {
			t.Fatal(err)
		}
		want := a
		if r.Finished {
			want = b
		}
		if !wantModel(t, d, want) {
			t.Fatalf("crash at %d: Recover = %+v", k, r)
		}
	}
}

// What somebody else puts in the way is not overwritten, and nothing is applied
// through a link.
func TestExactLooksAgain(t *testing.T) {
	out := t.TempDir()
	for what, meddle := range map[string]func(root string) error{
		"a file of the plan": func(root string) error { return os.WriteFile(root+"/text", nil, 0o644) },
		"its permissions":    func(root string) error { return os.Chmod(root+"/text", 0o600) },
		"a link in a link's way": func(root string) error {
			return errors.Join(os.Remove(root+"/link2dir"), os.Symlink(out, root+"/link2dir"))
		},
		"a directory": func(root string) error {
			return errors.Join(os.Rename(root+"/opens", root+"/moved"), os.Symlink("moved", root+"/opens"))
		},
		"a new file": func(root string) error { return os.MkdirAll(root+"/new/l", 0o755) },
	} {
		d, p, blobs := exactScene(t)
		if err := meddle(d.Path()); err != nil {
			t.Fatal(err)
		}
		before := readModel(t, d.Path())
		err := p.Apply(d, blobs.get)
		if err == nil {
			t.Errorf("%s: Apply = nil, want an error", what)
		}
		wantModel(t, d, before)
	}
	if entries, err := os.ReadDir(out); err != nil || len(entries) > 0 {
		t.Errorf("outside: %v, %v, want nothing", entries, err)
	}
}

// drawModel draws a tree of a few names.
func drawModel(t *rapid.T, label string) model {
	m := model{}
	var fill func(at string, depth int)
	fill = func(at string, depth int) {
		for _, name := range []string{"a", "b", "a-b"} {
			p := path.Join(at, name)
			switch rapid.IntRange(0, 5).Draw(t, label+" "+p) {
			case 0, 1:
				if depth < 3 {
					m[p] = "d" + rapid.SampledFrom([]string{"0755", "0700", "0555", "0500"}).Draw(t, "mode")
					fill(p, depth+1)
				}
			case 2, 3:
				m[p] = "f" + rapid.SampledFrom([]string{"0644", "0444", "0755", "0600"}).Draw(t, "mode") + " " + rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "content")
			case 4:
				m[p] = "-> " + rapid.SampledFrom([]string{"a", "b/a", "..", "/tmp"}).Draw(t, "target")
			}
		}
	}
	fill("", 1)
	return m
}

// Between any two trees, there and back, whole or interrupted anywhere.
func TestExactModel(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permissions")
	}
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawModel(rt, "a"), drawModel(rt, "b")
		blobs := shelf{}
		d := makeModel(t, a)
		p := planBetween(t, a, b, blobs)
		k := rapid.IntRange(0, 60).Draw(rt, "crash")
		want := b
		if crashAt(d, k, func() {
			if err := p.Apply(d, blobs.get); err != nil {
				rt.Fatal(err)
			}
		}) {
			r, err := p.Recover(d, blobs.get)
			if err != nil {
				rt.Fatal(err)
			}
			if !r.Finished {
				want = a
			}
		}
		if diff := cmp.Diff(want, readModel(t, d.Path())); diff != "" {
			rt.Fatalf("the directory (-want +got):\n%s", diff)
		}
	})
}

// Root may write in any directory: the same tests again as nobody.
func TestAsOrdinaryUser(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("not root: the others were it")
	}
	runAsNobody(t, "^TestExact|^TestApply")
}

func TestFormatPerm(t *testing.T) {
	for bits := range 0o10000 {
		s := fmt.Sprintf("%04o", bits)
		m, err := ParsePerm(s)
		if err != nil || FormatPerm(m) != s {
			t.Fatalf("ParsePerm(%q) = %v, %v; FormatPerm makes %q", s, m, err, FormatPerm(m))
		}
	}
	for _, s := range []string{"", "644", "00644", "0888", "+644", "-001", "0x44", "0_44"} {
		if m, err := ParsePerm(s); err == nil {
			t.Errorf("ParsePerm(%q) = %v, want an error", s, m)
		}
	}
}

func TestWriteSparse(t *testing.T) {
	for _, n := range []int{0, 1, hole - 1, hole, hole + 1, 5*hole + 3} {
		for _, ones := range [][]int{{}, {0}, {n - 1}, {hole}, {2*hole - 1}} {
			b := make([]byte, n)
			for _, i := range ones {
				if i >= 0 && i < n {
					b[i] = 1
				}
			}
			f, err := os.Create(filepath.Join(t.TempDir(), "f"))
			if err != nil {
				t.Fatal(err)
			}
			size, err := WriteSparse(f, bytes.NewReader(b))
			f.Close()
			got, rerr := os.ReadFile(f.Name())
			if err != nil || rerr != nil || size != int64(n) || !bytes.Equal(got, b) {
				t.Errorf("%d bytes with ones at %v: %d written, %d read, %v, %v", n, ones, size, len(got), err, rerr)
			}
		}
	}
}

func TestNewExactRefuses(t *testing.T) {
	sum := digest.Of(nil)
	file := State{Mode: File, Perm: "0644", SHA256: &sum}
	for _, tt := range []struct {
		path string
		mode Remode
		err  string
	}{
		{path: "../up", err: `plan: change 0: "../up" is no path`},
		{path: "d/.git/hooks", err: `plan: change 0: "d/.git/hooks" is no path`},
		{path: "a//b", err: `plan: change 0: "a//b" is no path`},
		{path: strings.Repeat("a/", 250) + "a", err: `plan: change 0: "` + strings.Repeat("a/", 250) + `a" is no path`},
		{path: "f", mode: Remode{Path: "d", Before: "0755", After: "0755"}, err: `plan: modes 0: nothing changes`},
		{path: "f", mode: Remode{Path: "d", Before: "0755", After: "9"}, err: `plan: modes 0: malformed permissions "9"`},
	} {
		var modes []Remode
		if tt.mode.Path != "" {
			modes = append(modes, tt.mode)
		}
		_, err := NewExact([]Change{{Path: tt.path, Before: State{Mode: Absent}, After: file}}, nil, nil, modes)
		if errText(err) != tt.err {
			t.Errorf("%q: %v; want %s", tt.path, err, tt.err)
		}
	}
}

// runAsNobody runs tests of this binary again without any rights.
func runAsNobody(t *testing.T, tests string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "coo-nobody-*")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)
	bin, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "test")
	err = errors.Join(os.WriteFile(copied, bin, 0o755), os.Chmod(dir, 0o777))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied, "-test.run="+tests, "-rapid.checks=30", "-rapid.nofailfile")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	asNobody(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}
