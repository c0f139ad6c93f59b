//go:build unix

package hostfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/environment"
	"github.com/coo-runtime/coo/internal/snapshot"
)

// files makes files below a directory, whose own path no link leads through:
// a text, or "-> TARGET" for a link.
func files(t *testing.T, list map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range list {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(to, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(20 * time.Millisecond) // longer than a tick of a file system's clock
	return dir
}

// used are files as a program has used them.
func used(t *testing.T, paths ...string) []Used {
	t.Helper()
	var out []Used
	for _, path := range paths {
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil && !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ELOOP) {
			t.Fatal(err)
		}
		out = append(out, Used{path, uint64(st.Dev), st.Ino})
	}
	return out
}

// told is a manifest, a line an entry, without the directory.
func told(dir string, m *environment.Manifest) string {
	var out []string
	for _, l := range m.Links {
		out = append(out, strings.TrimPrefix(l.Path, dir+"/")+" -> "+strings.ReplaceAll(l.Link, dir, "DIR"))
	}
	for _, f := range m.Files {
		line := fmt.Sprintf("%s %d", strings.TrimPrefix(f.Path, dir+"/"), f.Size)
		if f.Package != nil {
			line += " " + f.Package.String()
		}
		if f.Changed {
			line += " changed"
		}
		out = append(out, line)
	}
	if m.Omitted > 0 {
		out = append(out, fmt.Sprint("omitted ", m.Omitted))
	}
	return strings.Join(out, "\n")
}

func TestDescribe(t *testing.T) {
	dir := files(t, map[string]string{
		"bin/python3": "-> python3.11", "bin/python3.11": "elf", "lib": "-> usr/lib", "usr/lib/libc.so": "library",
		"loop": "-> loop", "ws/agent.py": "import tide", "hidden/s3cret": "x", "up": "-> usr/../bin",
		"private": "key s3cret", "other": "other", "mtab": "-> /proc/self/mounts",
	})
	if err := os.Symlink(filepath.Join(dir, "bin"), filepath.Join(dir, "abs")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "private"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	at := func(names ...string) []Used {
		for i := range names {
			names[i] = dir + "/" + names[i]
		}
		return used(t, names...)
	}
	list := at("bin/python3", "bin/python3.11", "lib/libc.so", "abs/python3", "up/python3", "lib/../../bin/python3",
		"loop", "none", "ws/agent.py", "hidden/s3cret", "private", "mtab")
	list = append(list, Used{dir + "/other", 1, 2}) // another file was shown there
	sums := snapshot.OpenSums(t.TempDir())
	m := Describe(list, Options{
		Sums:   sums,
		Inside: func(path string) bool { return strings.HasPrefix(path, dir+"/ws/") },
		Secret: func(text []byte) bool { return strings.Contains(string(text), "s3cret") },
	})
	want := `abs -> DIR/bin
bin/python3 -> python3.11
lib -> usr/lib
up -> usr/../bin
bin/python3.11 3
usr/lib/libc.so 7
omitted 2`
	if got := told(dir, m); got != want {
		t.Errorf("Describe:\n%s\nwant\n%s", got, want)
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := environment.Parse(b); err != nil {
		t.Error(err)
	}
}

// A second time nothing is read; a file that changes meanwhile is said to have
// changed.
func TestDescribeAgain(t *testing.T) {
	dir := files(t, map[string]string{"a": "1", "b": "2"})
	place := t.TempDir()
	list := used(t, dir+"/a", dir+"/b")
	for i, read := range []int{2, 0} {
		sums := snapshot.OpenSums(place)
		if got := told(dir, Describe(list, Options{Sums: sums})); got != "a 1\nb 1" || sums.Read() != read {
			t.Errorf("time %d: %d files read:\n%s", i+1, sums.Read(), got)
		}
		if err := sums.Close(); err != nil {
			t.Fatal(err)
		}
	}
	sums := snapshot.OpenSums(place)
	if err := os.WriteFile(dir+"/b", []byte("3"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := told(dir, Describe(list, Options{Sums: sums})); got != "a 1\nb 1 changed" || sums.Read() != 1 {
		t.Errorf("%d files read:\n%s", sums.Read(), got)
	}
}

func TestToday(t *testing.T) {
	dir := files(t, map[string]string{"changed": "1", "gone": "2", "link": "-> gone", "linked": "3", "same": "4"})
	m := Describe(used(t, dir+"/changed", dir+"/gone", dir+"/link", dir+"/linked", dir+"/same"), Options{Sums: snapshot.OpenSums("")})
	for _, err := range []error{
		os.WriteFile(dir+"/changed", []byte("5"), 0o644), os.Remove(dir + "/gone"), os.Remove(dir + "/linked"), os.Symlink("same", dir+"/linked"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	m.Files = append(m.Files, environment.File{Mode: "0400", Path: "/proc/kcore"}) // of a stranger's
	is := Today(m, snapshot.OpenSums(""))
	if got, want := told(dir, is), "link -> gone\nlinked -> same\nchanged 1\nsame 1"; got != want {
		t.Errorf("Today:\n%s\nwant\n%s", got, want)
	}
	if is.Files[0].SHA256 != digest.Of([]byte("5")) {
		t.Error("not the content of today")
	}
}

func TestPackages(t *testing.T) {
	const site = "venv/lib/python3.11/site-packages/"
	dir := files(t, map[string]string{
		site + "tide/api.py": "", site + "tide/__pycache__/api.cpython-311.pyc": "", site + "tide/other.py": "", site + "my,mod.py": "",
		site + "tide-2.31.0.dist-info/RECORD":               "tide/api.py,sha256=x,0\n\"my,mod.py\",,\n",
		site + "broken-1.dist-info/RECORD":                  "\"\n",
		site + "nothing-1.dist-info/METADATA":               "",
		"app/node_modules/tide/lib/index.js":                "",
		"app/node_modules/tide/package.json":                `{"name":"tide","version":"1.2.3"}`,
		"app/node_modules/tide/lib/package.json":            `{"type":"module"}`,
		"app/node_modules/@a/b/index.js":                    "",
		"app/node_modules/@a/b/package.json":                `{"name":"@a/b","version":"4.5.6"}`,
		"app/node_modules/bare/index.js":                    "",
		"app/node_modules/odd/index.js":                     "",
		"app/node_modules/odd/package.json":                 `{"name":"odd","version":"1\n2"}`,
		"app/node_modules/x/node_modules/tide/a.js":         "",
		"app/node_modules/x/node_modules/tide/package.json": `{"name":"tide","version":"9"}`,
		"app/main.js":             "",
		"py/lib/python3.11/os.py": "", "py/lib/python3.11/site-packages/own.py": "", "py/lib/libpython3.11.so.1.0": "", "py/bin/python3.11": "",
		"py/include/python3.11/patchlevel.h": "#define PY_MICRO 7\n/* as a string */\n#define PY_VERSION      \t\"3.11.7\"\n",
		"old/lib/python3.9/os.py":            "",
	})
	want := map[string]string{
		site + "tide/api.py":                          "python tide 2.31.0",
		site + "tide/__pycache__/api.cpython-311.pyc": "python tide 2.31.0",
		site + "my,mod.py":                            "python tide 2.31.0",
		site + "tide/other.py":                        "",
		"app/node_modules/tide/lib/index.js":          "npm tide 1.2.3",
		"app/node_modules/tide/package.json":          "npm tide 1.2.3",
		"app/node_modules/@a/b/index.js":              "npm @a/b 4.5.6",
		"app/node_modules/x/node_modules/tide/a.js":   "npm tide 9",
		"app/node_modules/bare/index.js":              "",
		"app/node_modules/odd/index.js":               "",
		"app/main.js":                                 "",
		"py/lib/python3.11/os.py":                     "cpython python 3.11.7", "py/lib/libpython3.11.so.1.0": "cpython python 3.11.7", "py/bin/python3.11": "cpython python 3.11.7",
		"py/lib/python3.11/site-packages/own.py": "", "old/lib/python3.9/os.py": "",
	}
	var paths []string
	for name := range want {
		paths = append(paths, dir+"/"+name)
	}
	by := packagesOf(paths)
	for name, p := range want {
		got := ""
		if b := by[dir+"/"+name]; b != nil {
			got = b.String()
		}
		if got != p {
			t.Errorf("%s: package %q, want %q", name, got, p)
		}
		if p := by[dir+"/"+name]; p != nil && *parsePackage(formatPackage(p)) != *p {
			t.Errorf("%s: remembered as %q", name, formatPackage(p))
		}
	}
}

func TestDebianPackages(t *testing.T) {
	dir := files(t, map[string]string{
		"status": "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\nDescription: the library\n of everything: Version: 1\n\n" +
			"Package: dash\nArchitecture: amd64\nVersion: 0.5\n\nPackage: gone\nArchitecture: all\n",
		"info/libc6:amd64.list": "/.\n/lib\n/lib/x86_64-linux-gnu/libc.so.6\n",
		"info/dash.list":        "/bin/dash\n/usr/share/doc/dash\n",
		"info/gone.list":        "/usr/bin/gone\n",
		"info/unknown.list":     "/usr/bin/unknown\n",
		"info/dash.md5sums":     "/usr/bin/sums\n",
	})
	by := debianPackages(dir, []string{"/usr/lib/x86_64-linux-gnu/libc.so.6", "/bin/dash", "/usr/bin/gone", "/usr/bin/unknown", "/usr/bin/sums", "/usr/local/lib"})
	if got := fmt.Sprint(len(by), by["/usr/lib/x86_64-linux-gnu/libc.so.6"], by["/bin/dash"]); got != "2 debian libc6 2.36-9 debian dash 0.5" {
		t.Error(got)
	}
	if by := debianPackages(dir+"/none", []string{"/bin/dash"}); len(by) > 0 {
		t.Error(by)
	}
}
