package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// makeTree makes files and, for a text that begins with "-> ", links. A name
// that ends in a slash is an empty directory.
func makeTree(t testing.TB, tree map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range tree {
		p := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(p, 0o755)
		} else if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(target, p)
		} else {
			err = os.WriteFile(p, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func openDir(t testing.TB, root string) *Dir {
	t.Helper()
	d, err := OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestDirRead(t *testing.T) {
	outside := makeTree(t, map[string]string{"secret": "top"})
	root := makeTree(t, map[string]string{
		"a.txt": "A", "sub/b.txt": "B", ".env": "KEY=1", "sub/.git/config": "c",
		"in": "-> sub/b.txt", "sub/up": "-> ../a.txt", "chain": "-> in", "dir": "-> sub",
		"out": "-> ../../../../../../../etc/hostname", "abs": "-> " + outside + "/secret",
		"hidden": "-> .env", "hiddendir": "-> sub/.git", "loop": "-> loop", "dangling": "-> nowhere",
		"outdir": "-> ..", "here": "-> .", "through": "-> a.txt/../sub/b.txt",
	})
	if err := os.Chmod(filepath.Join(root, "sub/b.txt"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, root)
	for _, tt := range []struct{ path, want, err string }{
		{"a.txt", "A", ""},
		{"./sub//b.txt", "B exec", ""},
		{"in", "B exec", ""},
		{"sub/up", "A", ""},
		{"chain", "B exec", ""},
		{"dir/b.txt", "B exec", ""},
		{"here/a.txt", "A", ""},
		{"none", "", `read "none": no such file`},
		{"none/x", "", `read "none/x": no such file`},
		{"sub", "", `read "sub": no such file`},
		{"a.txt/x", "", `read "a.txt/x": no such file`},
		{"dangling", "", `read "dangling": no such file`},
		{"through", "", `read "through": no such file`},
		{".env", "", `read ".env": ".env" is never read or written`},
		{"sub/.git/config", "", `read "sub/.git/config": ".git" is never read or written`},
		{"out", "", `read "out": a link leads out of the workspace`},
		{"abs", "", `read "abs": a link leads out of the workspace`},
		{"outdir/x", "", `read "outdir/x": a link leads out of the workspace`},
		{"hidden", "", `read "hidden": a link leads to ".env", which is never read or written`},
		{"hiddendir/config", "", `read "hiddendir/config": a link leads to "sub/.git/config", which is never read or written`},
		{"loop", "", `read "loop": too many links`},
		{"../x", "", `read "../x": ".." is not allowed`},
	} {
		data, exec, err := d.Read(tt.path)
		got := string(data)
		if exec {
			got += " exec"
		}
		if got != tt.want || errText(err) != tt.err {
			t.Errorf("Read(%q) = %q, %v; want %q, %s", tt.path, got, err, tt.want, tt.err)
		}
		if strings.Contains(tt.err, "no such file") != errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Read(%q): errors.Is(%v, fs.ErrNotExist) is wrong", tt.path, err)
		}
		if _, ok := errors.AsType[*AccessError](err); ok != strings.Contains(tt.err, "link") {
			t.Errorf("Read(%q): %T: only what the record does not hold is an *AccessError", tt.path, err)
		}
	}
}

func TestDirReadOfWhatIsNoPlainFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no devices in directories here")
	}
	root := makeTree(t, map[string]string{"big": "", "zero": "-> /dev/zero"})
	if err := os.Truncate(filepath.Join(root, "big"), MaxFile+1); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, root)
	if err := mkfifo(filepath.Join(root, "fifo")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"big":  `read "big": larger than 64 MiB`,
		"fifo": `read "fifo": not a regular file`,
		"zero": `read "zero": a link leads out of the workspace`,
	} {
		if _, _, err := d.Read(path); errText(err) != want {
			t.Errorf("Read(%q): %v; want %s", path, err, want)
		}
	}
	if err := d.Touch("big"); err != nil { // it may be replaced all the same
		t.Errorf("Touch of a large file: %v", err)
	}
}

func TestDirNoticesChanges(t *testing.T) {
	root := makeTree(t, map[string]string{"read": "1", "touched": "1", "same": "1"})
	d := openDir(t, root)
	for _, p := range []string{"read", "same", "new"} {
		if _, _, err := d.Read(p); err != nil && p != "new" {
			t.Fatal(err)
		}
	}
	if err := d.Touch("touched"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"read", "touched", "new"} {
		if err := os.WriteFile(filepath.Join(root, p), []byte("2"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for p, want := range map[string]bool{"read": true, "touched": true, "new": true, "same": false} {
		_, _, err := d.Read(p)
		if ce, ok := errors.AsType[*ChangedError](err); ok != want || ok && ce.Path != p {
			t.Errorf("Read(%q) after a change: %v, want changed: %v", p, err, want)
		}
	}
}

func TestGlob(t *testing.T) {
	d := openDir(t, makeTree(t, map[string]string{
		"a.md": "", "a/b.md": "", "a/c/d.md": "", "a.b/x.md": "", "Z.md": "", ".hidden": "",
		".env": "", ".env.local": "", ".git/x.md": "", ".coo/x.md": "", "a/node_modules/x.md": "",
		".venv/x.md": "", "a/__pycache__/x.md": "", ".mypy_cache/x.md": "", ".pytest_cache/x.md": "",
		".ruff_cache/x.md": "", ".tox/x.md": "", tempPrefix + "0.new": "", RestorePrefix + "0/x.md": "",
		"link.md": "-> a/b.md", "out.md": "-> ../../x", "env.md": "-> .env", "loop.md": "-> loop.md",
		"linkdir": "-> a", "empty/": "",
	}))
	for pattern, want := range map[string][]string{
		"**":       {".hidden", "Z.md", "a.b/x.md", "a.md", "a/b.md", "a/c/d.md", "link.md"},
		"*.md":     {"Z.md", "a.md", "link.md"},
		"a/**":     {"a/b.md", "a/c/d.md"},
		"a*/*.md":  {"a.b/x.md", "a/b.md"},
		"**/d.md":  {"a/c/d.md"},
		"a/b.md":   {"a/b.md"},
		"none/*":   nil,
		".git/*":   nil,
		"linkdir/": nil,
	} {
		got, err := d.Glob(pattern)
		if pattern == "linkdir/" {
			if err == nil {
				t.Errorf("Glob(%q) = %q, want an error", pattern, got)
			}
			continue
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Glob(%q) = %q, %v; want %q", pattern, got, err, want)
		}
	}
}

func TestGlobNamesWhatCannotBeAPath(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the file system has no such names")
	}
	d := openDir(t, makeTree(t, map[string]string{"x/bad\xff.md": "", `x/back\slash`: "", "what?.md": ""}))
	for pattern, want := range map[string]string{
		"**/*.md": `list "**/*.md": "x/bad\xff.md": not valid UTF-8`,
		"x/b*h":   `list "x/b*h": "x/back\\slash": "\" is not allowed: write "/" between names`,
		"*.md":    "",
	} {
		if _, err := d.Glob(pattern); errText(err) != want {
			t.Errorf("Glob(%q): %v; want %s", pattern, err, want)
		}
	}
}

func BenchmarkGlob10000(b *testing.B) {
	tree := map[string]string{}
	for i := range 10_000 {
		tree[fmt.Sprintf("d%d/f%d.md", i%100, i)] = ""
	}
	d := openDir(b, makeTree(b, tree))
	for b.Loop() {
		if list, err := d.Glob("**/*.md"); err != nil || len(list) != 10_000 {
			b.Fatal(len(list), err)
		}
	}
}
