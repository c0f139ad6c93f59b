package sandbox

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/box"
)

// python3 is an interpreter that is a program and not a script that looks for one.
func python3(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/python3", "/usr/local/bin/python3"} {
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	name, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	return name
}

// A sight is what a program printed and the calls that it made.
type sight struct{ out, trace string }

// see runs a program in the box.
func see(t *testing.T, c Command) sight {
	t.Helper()
	c.Level, c.Clock = Deterministic, 1_700_000_000e3
	c.Trace = filepath.Join(t.TempDir(), "trace")
	if c.Env == nil {
		c.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "PYTHONDONTWRITEBYTECODE=1"}
	}
	p, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	var s sight
	for g := p.Guest(); ; {
		e, err := g.Next()
		if err != nil {
			t.Fatalf("%q: %v\n%s", c.Argv, err, s.out)
		}
		switch e.Kind {
		case box.Printed:
			s.out += string(e.Data)
		case box.Broken:
			t.Errorf("%q: %s", c.Argv, e.Text)
		case box.Quiet:
			if err := g.Obey(box.Order{Kind: box.Wake}); err != nil {
				t.Fatal(err)
			}
		case box.Ended:
			exit, err := p.Wait()
			if err != nil || exit.Status != 0 {
				t.Fatalf("%q ended with %+v, %v\n%s", c.Argv, exit, err, s.out)
			}
			b, err := os.ReadFile(c.Trace)
			if err != nil {
				t.Fatal(err)
			}
			s.trace = string(b)
			return s
		}
	}
}

// same fails when two sights differ, and says where first.
func same(t *testing.T, what string, a, b sight) {
	t.Helper()
	for _, d := range []struct{ name, a, b string }{{"output", a.out, b.out}, {"calls", a.trace, b.trace}} {
		if d.a == d.b {
			continue
		}
		x, y := strings.Split(d.a, "\n"), strings.Split(d.b, "\n")
		i := 0
		for i < min(len(x), len(y))-1 && x[i] == y[i] {
			i++
		}
		t.Errorf("%s: the %s differs at line %d:\n%s\n%s", what, d.name, i+1, x[i], y[i])
		if d.name == "output" {
			return
		}
	}
}

// workspaceOf makes a directory with files that were made in some order, at
// some time.
func workspaceOf(t *testing.T, dir string, backwards bool) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	names := []string{"b/deep/er", "a", "c.txt", "b/x", "zz/1", "zz/2", "q"}
	when := time.Unix(1_600_000_000, 0)
	if backwards {
		slices.Reverse(names)
		when = time.Now().Add(-time.Hour)
		// Other numbers, and directories that were larger once.
		for i := range 300 {
			name := filepath.Join(dir, "b", strings.Repeat("x", 60)+string(rune('A'+i%26))+strings.Repeat("y", i))
			if i < 150 {
				os.MkdirAll(filepath.Dir(name), 0o755)
				os.WriteFile(name, nil, 0o644)
				defer os.Remove(name)
			}
		}
	}
	for i, name := range names {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(filepath.Base(name)), 0o644); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(name, when.Add(time.Duration(i)*time.Minute), when.Add(time.Duration(i)*time.Minute))
	}
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "zz", "hard")); err != nil {
		t.Fatal(err)
	}
}

const statScript = `
import os, sys, tempfile
def show(p, s): print(p, s.st_ino, s.st_dev, s.st_nlink, s.st_size, s.st_blocks, s.st_blksize, s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns)
for d, dirs, files in os.walk('.'):
    print(d, dirs, files)
    for e in os.scandir(d):
        assert e.inode() == os.lstat(e.path).st_ino
        show(e.path, os.stat(e.path))
assert os.stat('a').st_ino == os.stat('zz/hard').st_ino
f = open('new', 'w'); f.write('x'); f.flush()
show('new', os.fstat(f.fileno())); show('new', os.stat('new'))
f.write('more'); f.close()
show('new', os.stat('new')); show('.', os.stat('.'))
os.utime('new', ns=(5, 7)); show('new', os.stat('new'))
os.utime('new'); show('new', os.stat('new'))
os.mkdir('newdir'); show('newdir', os.lstat('newdir'))
os.symlink('../a', 'newdir/link'); show('link', os.lstat('newdir/link')); show('link', os.stat('newdir/link'))
for i in range(100):
    with tempfile.TemporaryFile(dir='.') as t: a = os.fstat(t.fileno()).st_ino; assert a == os.fstat(t.fileno()).st_ino
    with open('gone', 'w') as g: g.write('1')
    b = os.stat('gone').st_ino; os.unlink('gone')
print(a, b)
os.rename('new', 'a'); show('a', os.stat('a'))
show('fd', os.fstat(0)); show('pipe', os.fstat(os.pipe()[0]))
try: os.stat('nothing')
except FileNotFoundError as e: print(e)
print(os.stat('/proc/self').st_dev, os.stat('/dev/stdin').st_ino == os.fstat(0).st_ino)
`

func TestSeesFiles(t *testing.T) {
	py := python3(t)
	dir := filepath.Join(t.TempDir(), "work")
	var first sight
	for i := range 3 {
		workspaceOf(t, dir, i == 1)
		s := see(t, Command{Argv: []string{py, "-I", "-S", "-c", statScript}, Dir: dir})
		if i == 0 {
			first = s
			t.Logf("\n%s", s.out)
			continue
		}
		same(t, "files", first, s)
	}
}
