package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pythonBundles are files of roots that Python packages bring along, below
// the directory of packages.
var pythonBundles = []string{
	"certifi/cacert.pem", "pip/_vendor/certifi/cacert.pem", "botocore/cacert.pem", "botocore/vendored/requests/cacert.pem", "requests/cacert.pem",
	"httplib2/cacerts.txt", "grpc/_cython/_credentials/roots.pem", "stripe/data/ca-certificates.crt", "twilio/cacert.pem",
}

// installBundles are files of roots below a place where programs are
// installed: conda's, Homebrew's, a copy of OpenSSL's.
var installBundles = []string{
	"ssl/cacert.pem", "ssl/cert.pem", "etc/ssl/cert.pem", "etc/openssl/cert.pem", "etc/openssl@*/cert.pem", "etc/ca-certificates/cert.pem",
	"lib/security/cacerts", "jre/lib/security/cacerts",
}

// bundles returns the files of roots of the installations that the program
// is likely to use.
func (o *orders) bundles() []string {
	var found []string
	add := func(dir, name string) {
		path := filepath.Join(dir, name)
		if strings.Contains(name, "*") {
			paths, _ := filepath.Glob(filepath.Join(glob(dir), name))
			found = append(found, paths...)
		} else if _, err := os.Lstat(path); err == nil {
			found = append(found, path)
		}
	}
	for _, top := range o.installations() {
		packages, _ := filepath.Glob(filepath.Join(glob(top), "lib*/python*/*-packages"))
		for _, dir := range packages {
			for _, b := range pythonBundles {
				add(dir, b)
			}
		}
		for _, b := range installBundles {
			add(top, b)
		}
	}
	return found
}

// namedBundles returns the files of roots that variables name.
func (o *orders) namedBundles() []string {
	var found []string
	for _, name := range slices.Concat(bundleVariables, caVariables) {
		if path := variable(o.Env, name); filepath.IsAbs(path) {
			found = append(found, path)
		}
	}
	return found
}

// maxVenvDirs bounds the directories of a workspace that are looked into.
const maxVenvDirs = 500

// environments returns the virtual environments of a workspace: directories
// with a pyvenv.cfg, at most two below it.
func environments(workspace string) []string {
	var found []string
	looked := 0
	var look func(dir string, depth int)
	look = func(dir string, depth int) {
		if _, err := os.Lstat(filepath.Join(dir, "pyvenv.cfg")); err == nil {
			found = append(found, dir)
			return
		}
		if looked++; depth == 0 || looked > maxVenvDirs {
			return
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.IsDir() && e.Name() != "node_modules" && e.Name() != ".git" && e.Name() != ".coo" {
				look(filepath.Join(dir, e.Name()), depth-1)
			}
		}
	}
	look(workspace, 2)
	return found
}

// installations returns the directories whose bin, lib and ssl may matter.
func (o *orders) installations() []string {
	tops := []string{"/usr", "/usr/local", "/opt/conda", "/opt/venv", "/opt/homebrew", "/home/linuxbrew/.linuxbrew"}
	add := func(patterns ...string) {
		for _, p := range patterns {
			paths, _ := filepath.Glob(p)
			tops = append(tops, paths...)
		}
	}
	for _, exe := range []string{o.Exe.Run, o.Exe.Real, o.Exe.Interpreter} {
		if filepath.Base(filepath.Dir(exe)) == "bin" {
			tops = append(tops, filepath.Dir(filepath.Dir(exe)))
		}
	}
	for _, name := range []string{"VIRTUAL_ENV", "CONDA_PREFIX", "JAVA_HOME", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT"} {
		if v := variable(o.Env, name); filepath.IsAbs(v) {
			tops = append(tops, v)
		}
	}
	for path := range strings.SplitSeq(variable(o.Env, "PATH"), ":") {
		if real, err := filepath.EvalSymlinks(filepath.Join(path, "java")); err == nil {
			tops = append(tops, filepath.Dir(filepath.Dir(real)))
		}
		if filepath.Base(path) == "bin" {
			tops = append(tops, filepath.Dir(path))
		}
	}
	tops = append(tops, filepath.Join(o.Workspace, ".venv"), filepath.Join(o.Dir, ".venv"))
	tops = append(tops, environments(o.Workspace)...)
	if home := variable(o.Env, "HOME"); filepath.IsAbs(home) {
		home := glob(home)
		add(home+"/.local", home+"/.pyenv/versions/*", home+"/.local/share/uv/python/*", home+"/.local/share/uv/tools/*",
			home+"/.local/share/pipx/venvs/*", home+"/.cache/pypoetry/virtualenvs/*", home+"/.cache/uv/environments-v*/*",
			home+"/.local/share/virtualenvs/*", home+"/.asdf/installs/*/*", home+"/.local/share/mise/installs/*/*", home+"/.sdkman/candidates/java/*")
	}
	if root := variable(o.Env, "PYENV_ROOT"); filepath.IsAbs(root) {
		add(glob(root) + "/versions/*")
	}
	slices.Sort(tops)
	return slices.Compact(tops)
}

// glob returns a pattern that matches a path and nothing else.
func glob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
