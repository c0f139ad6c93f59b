package sandbox

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

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
