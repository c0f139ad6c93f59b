package sandbox

import (
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
