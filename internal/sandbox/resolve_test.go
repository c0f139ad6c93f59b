package sandbox

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // other rules: TestResolveWindows
	}
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	script := func(name, text string) string { return testFile(t, filepath.Join(dir, name), text, 0o755) }
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	script("bin/tool", "#!/bin/sh\n")
	script("bin/python3", "#!/bin/sh\n")
	script("bin/agent", "#!/usr/bin/env python3\n")
	script("bin/split", "#!/usr/bin/env -S A=1 python3 -u\n")
	script("work/local", "#! /bin/sh -e\n")
	if err := os.Symlink("tool", dir+"/bin/link"); err != nil {
		t.Fatal(err)
	}
	testFile(t, dir+"/denied/tool", "#!/bin/sh\n", 0o644)

	env := []string{"PATH=" + dir + "/none:" + dir + "/denied:" + dir + "/bin:/bin"}
	for _, c := range []struct{ name, run, real, interpreter string }{
		{"tool", "bin/tool", "bin/tool", sh},
		{"link", "bin/link", "bin/tool", sh},
		{"./local", "work/local", "work/local", sh},
		{dir + "/bin/agent", "bin/agent", "bin/agent", dir + "/bin/python3"},
		{"split", "bin/split", "bin/split", dir + "/bin/python3"},
	} {
		e, err := Resolve(c.name, dir+"/work", env)
		want := Executable{Run: filepath.Join(dir, c.run), Real: filepath.Join(dir, c.real), Interpreter: c.interpreter}
		if err != nil || e != want {
			t.Errorf("Resolve(%q) = %+v, %v, want %+v", c.name, e, err, want)
		}
	}
	e, err := Resolve("sh", dir, env)
	if err != nil || e.Interpreter != "" || e.Real != sh {
		t.Errorf("Resolve(sh) = %+v, %v", e, err)
	}

	script("bin/text", "echo hello\n")
	script("bin/empty", "")
	script("bin/crlf", "#!/bin/sh\r\necho\r\n")
	script("bin/lost", "#!/no/such/interpreter\n")
	script("bin/lostenv", "#!/usr/bin/env no-such-language\n")
	script("bin/bare", "#!\n")
	for name, want := range map[string]string{
		"nothing":            `program "nothing": not found in PATH`,
		"./x/y":              `program "` + dir + `/work/x/y": file does not exist`,
		dir:                  "is a directory",
		"/dev/null":          "not a regular file",
		dir + "/denied/tool": "not executable; chmod +x it",
		"text":               "a text without a first line that names its interpreter",
		"empty":              "is empty",
		"crlf":               "carriage return",
		"lost":               `its interpreter: program "/no/such/interpreter": file does not exist`,
		"lostenv":            `its interpreter: program "no-such-language": not found in PATH`,
		"bare":               "nothing stands after #!",
		"":                   "the name is empty",
	} {
		_, err := Resolve(name, dir+"/work", env)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Resolve(%q): %v, want %q", name, err, want)
		}
	}
}

func testFile(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

const pyenvShim = "#!/usr/bin/env bash\nset -e\nexport PYENV_ROOT=x\nexec \"x/libexec/pyenv\" exec \"$program\" \"$@\"\n"

func TestResolvePyenv(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // pyenv is a Unix program
	}
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	shim := testFile(t, root+"/shims/python3", pyenvShim, 0o755)
	for _, v := range []string{"3.9.18", "3.12.1", "3.12.10"} {
		testFile(t, root+"/versions/"+v+"/bin/python3", "#!/bin/sh\n", 0o755)
	}
	testFile(t, root+"/system/python3", "#!/bin/sh\n", 0o755)
	testFile(t, root+"/version", "3.9.18\n", 0o644)
	testFile(t, root+"/work/.python-version", "# which\n3.12\n", 0o644)
	testFile(t, root+"/sys/.python-version", "system\n", 0o644)
	testFile(t, root+"/gone/.python-version", "3.1\n", 0o644)
	path := "PATH=" + root + "/shims:" + root + "/system:/bin:/usr/bin"
	for _, c := range []struct {
		dir, env, want string
	}{
		{root, "", "versions/3.9.18/bin/python3"},
		{root + "/work/deep", "", "versions/3.12.10/bin/python3"},
		{root + "/work", "PYENV_VERSION=3.12.1:3.9.18", "versions/3.12.1/bin/python3"},
		{root + "/sys", "", "system/python3"},
		{root + "/gone", "", "shims/python3"}, // which fails by itself, and says why
	} {
		e, err := Resolve("python3", c.dir, []string{path, c.env})
		if err != nil || e.Run != shim || e.Real != filepath.Join(root, c.want) {
			t.Errorf("in %s with %q: %+v, %v, want %s", c.dir, c.env, e, err, c.want)
		}
	}
}

func TestResolveAsdf(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // asdf is a Unix program
	}
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	testFile(t, root+"/shims/node", "#!/usr/bin/env bash\n# asdf-plugin: nodejs 20.1.0\n# asdf-plugin: nodejs 22.0.0\nexec asdf exec \"node\" \"$@\"\n", 0o755)
	for _, v := range []string{"20.1.0", "22.0.0"} {
		testFile(t, root+"/installs/nodejs/"+v+"/bin/node", "#!/bin/sh\n", 0o755)
	}
	testFile(t, root+"/work/.tool-versions", "python 3.12.1\nnodejs 22.0.0\n", 0o644)
	for _, c := range []struct{ dir, env, want string }{
		{root + "/work/a/b", "", "installs/nodejs/22.0.0/bin/node"},
		{root + "/work", "ASDF_NODEJS_VERSION=20.1.0", "installs/nodejs/20.1.0/bin/node"},
		{root, "", "shims/node"},
	} {
		e, err := Resolve("node", c.dir, []string{"PATH=" + root + "/shims:/bin:/usr/bin", "HOME=/nonexistent", c.env})
		if err != nil || e.Real != filepath.Join(root, c.want) {
			t.Errorf("in %s with %q: %+v, %v, want %s", c.dir, c.env, e, err, c.want)
		}
	}
}
