package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// An Executable is what a command name means.
type Executable struct {
	Run         string // what is executed: an absolute path, as the user's shell would find it
	Real        string // what that is in the end: behind links and the shims of pyenv and asdf
	Interpreter string // of a script that begins with #!, what runs it; else ""
}

// Resolve finds the program that a name means in a working directory and
// environment, and refuses what cannot be executed.
func Resolve(name, dir string, env []string) (Executable, error) {
	path, err := find(name, dir, env)
	if err != nil {
		return Executable{}, err
	}
	e := Executable{Run: path}
	if e.Real, err = filepath.EvalSymlinks(path); err != nil {
		return Executable{}, fmt.Errorf("program %q: %w", name, err)
	}
	if runtime.GOOS == "windows" {
		return e, nil
	}
	if shown := behindShim(e.Real, dir, env); shown != "" {
		e.Real = shown
	}
	if e.Interpreter, err = interpreter(e.Real, env); err != nil {
		return Executable{}, fmt.Errorf("program %q: %w", name, err)
	}
	return e, nil
}

func find(name, dir string, env []string) (string, error) {
	if name == "" {
		return "", errors.New("program: the name is empty")
	}
	if strings.ContainsRune(name, filepath.Separator) || strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return findIn(name, env)
	}
	var denied error
	for _, d := range filepath.SplitList(variable(env, "PATH")) {
		if d == "" {
			d = "."
		}
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		path, err := findIn(filepath.Join(d, name), env)
		if err == nil {
			return path, nil
		}
		if denied == nil && !errors.Is(err, fs.ErrNotExist) {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", fmt.Errorf("program %q: not found in PATH", name)
}

// findIn checks one path, on Windows with each of the endings of programs.
func findIn(path string, env []string) (string, error) {
	if runtime.GOOS != "windows" {
		return path, executable(path)
	}
	endings := strings.Split(variable(env, "PATHEXT"), ";")
	if len(endings) == 1 {
		endings = []string{".COM", ".EXE", ".BAT", ".CMD"}
	}
	if slices.ContainsFunc(endings, func(e string) bool { return strings.EqualFold(e, filepath.Ext(path)) }) {
		endings = []string{""}
	}
	for _, e := range endings {
		if st, err := os.Stat(path + e); err == nil && !st.IsDir() {
			return path + e, nil
		}
	}
	return "", fmt.Errorf("program %q: %w", path, fs.ErrNotExist)
}

func executable(path string) error {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("program %q: %w", path, fs.ErrNotExist)
	case err != nil:
		return fmt.Errorf("program %q: %w", path, err)
	case st.IsDir():
		return fmt.Errorf("program %q: is a directory", path)
	case !st.Mode().IsRegular():
		return fmt.Errorf("program %q: not a regular file", path)
	case !mayExecute(path):
		return fmt.Errorf("program %q: not executable; chmod +x it, or name its interpreter", path)
	}
	return nil
}

// interpreter returns the program that runs a script, following "env". An
// error says that the kernel would not execute the file.
func interpreter(path string, env []string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return "", nil // executable, not readable: the kernel can tell
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if n == 0 {
		return "", fmt.Errorf("the file %s is empty", path)
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	line, ok := strings.CutPrefix(string(head[:n]), "#!")
	if !ok {
		return "", format(path, string(head[:n]))
	}
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(strings.TrimSuffix(line, "\r"))
	if len(words) == 0 {
		return "", fmt.Errorf("%s: nothing stands after #! in its first line", path)
	}
	if strings.HasSuffix(line, "\r") {
		return "", fmt.Errorf("%s: its first line ends in a carriage return, which the system takes for a part of the interpreter's name; save it with Unix line ends", path)
	}
	if err := executable(words[0]); err != nil {
		return "", fmt.Errorf("%s: its interpreter: %w", path, err)
	}
	if filepath.Base(words[0]) != "env" {
		return filepath.EvalSymlinks(words[0])
	}
	for _, w := range words[1:] {
		if w == "-S" || strings.HasPrefix(w, "-") || strings.Contains(w, "=") {
			continue
		}
		found, err := find(w, "/", env)
		if err != nil {
			return "", fmt.Errorf("%s: its interpreter: %w", path, err)
		}
		real, err := filepath.EvalSymlinks(found)
		if err != nil {
			return "", err
		}
		if shown := behindShim(real, filepath.Dir(path), env); shown != "" {
			real = shown
		}
		return real, nil
	}
	return filepath.EvalSymlinks(words[0])
}

// format refuses what no system executes: a shell would, by guessing that it
// is one of its scripts.
func format(path, head string) error {
	for _, magic := range []string{"\x7fELF", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe", "MZ"} {
		if strings.HasPrefix(head, magic) {
			return nil
		}
	}
	if strings.ContainsRune(head, 0) {
		return nil // some other binary: the kernel may have been taught it
	}
	return fmt.Errorf("%s is a text without a first line that names its interpreter, such as #!/bin/sh; add one, or run it with: sh %s", path, filepath.Base(path))
}

// behindShim returns what a shim of pyenv or asdf would execute, or "": a
// small script that looks up which version of a program is meant here.
func behindShim(path, dir string, env []string) string {
	if filepath.Base(filepath.Dir(path)) != "shims" {
		return ""
	}
	root, name := filepath.Dir(filepath.Dir(path)), filepath.Base(path)
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(bufio.NewReader(f), 8<<10))
	var found string
	switch {
	case strings.Contains(string(text), "pyenv"):
		found = behindPyenv(root, name, dir, env)
	case strings.Contains(string(text), "asdf"):
		found = behindAsdf(root, name, string(text), dir, env)
	}
	if found == "" {
		return ""
	}
	real, err := filepath.EvalSymlinks(found)
	if err != nil {
		return ""
	}
	return real
}

// behindPyenv looks for versions where pyenv does: PYENV_VERSION, the nearest
// .python-version, the global file; "system" is the next in PATH.
func behindPyenv(root, name, dir string, env []string) string {
	versions := strings.FieldsFunc(variable(env, "PYENV_VERSION"), func(r rune) bool { return r == ':' })
	if len(versions) == 0 {
		versions = versionFile(dir, ".python-version")
	}
	if len(versions) == 0 {
		versions = readVersions(filepath.Join(root, "version"))
	}
	if len(versions) == 0 {
		versions = []string{"system"}
	}
	for _, v := range versions {
		if v == "system" {
			if p := nextInPath(name, filepath.Join(root, "shims"), env); p != "" {
				return p
			}
			continue
		}
		for _, dir := range pyenvDirs(root, v) {
			if p := filepath.Join(dir, "bin", name); executable(p) == nil {
				return p
			}
		}
	}
	return ""
}

// pyenvDirs returns the directories a version may mean: "3.12" is the newest
// 3.12.x.
func pyenvDirs(root, version string) []string {
	version = strings.TrimPrefix(version, "python-")
	exact := filepath.Join(root, "versions", version)
	if _, err := os.Stat(exact); err == nil {
		return []string{exact}
	}
	found, _ := filepath.Glob(exact + ".*")
	slices.SortFunc(found, func(a, b string) int { return compareVersions(b, a) })
	return found
}

// compareVersions compares names by their runs of digits as numbers.
func compareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	return slices.CompareFunc(as, bs, func(x, y string) int {
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		return strings.Compare(x, y)
	})
}

// behindAsdf reads the plugin a shim is of from its comment
// ("# asdf-plugin: nodejs 20.1.0") and the version from ASDF_NAME_VERSION or the nearest
// .tool-versions.
func behindAsdf(root, name, shim, dir string, env []string) string {
	var plugin string
	var installed []string
	for line := range strings.Lines(shim) {
		if f := strings.Fields(strings.TrimPrefix(line, "# asdf-plugin:")); strings.HasPrefix(line, "# asdf-plugin:") && len(f) >= 2 {
			plugin = f[0]
			installed = append(installed, f[1])
		}
	}
	if plugin == "" {
		return ""
	}
	version := variable(env, "ASDF_"+strings.ToUpper(strings.ReplaceAll(plugin, "-", "_"))+"_VERSION")
	if version == "" {
		version = toolVersion(plugin, dir, variable(env, "HOME"))
	}
	if version == "system" {
		return nextInPath(name, filepath.Join(root, "shims"), env)
	}
	if version == "" && len(installed) == 1 {
		version = installed[0]
	}
	p := filepath.Join(root, "installs", plugin, version, "bin", name)
	if version == "" || executable(p) != nil {
		return ""
	}
	return p
}

func toolVersion(plugin, dir, home string) string {
	for _, path := range append(upwards(dir, ".tool-versions"), filepath.Join(home, ".tool-versions")) {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) >= 2 && f[0] == plugin {
				return f[1]
			}
		}
	}
	return ""
}

// versionFile returns the versions of the nearest file of that name upwards.
func versionFile(dir, name string) []string {
	for _, path := range upwards(dir, name) {
		if v := readVersions(path); len(v) > 0 {
			return v
		}
	}
	return nil
}

func readVersions(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var versions []string
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		versions = append(versions, strings.Fields(line)...)
	}
	return versions
}

// upwards returns the path of a name in a directory and in all above it.
func upwards(dir, name string) []string {
	var paths []string
	for {
		paths = append(paths, filepath.Join(dir, name))
		up := filepath.Dir(dir)
		if up == dir {
			return paths
		}
		dir = up
	}
}

// nextInPath finds a program in PATH that is not in the directory of shims.
func nextInPath(name, shims string, env []string) string {
	for _, d := range filepath.SplitList(variable(env, "PATH")) {
		if real, err := filepath.EvalSymlinks(d); err != nil || real == shims {
			continue
		}
		if p := filepath.Join(d, name); executable(p) == nil {
			return p
		}
	}
	return ""
}
