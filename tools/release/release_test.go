package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

const testVersion = "v0.7.1-rc.2"

// root is the module that the tests are in.
func root(t *testing.T) string {
	t.Helper()
	dir, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// copySource copies what the repository holds, and not what was built in it.
func copySource(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", ".cache", ".coo", "bin", "dist", "coo-demo"}, rel) {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o777)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o666)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a command and returns what it prints, on both outputs.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func host() string { return runtime.GOOS + "/" + runtime.GOARCH }

// dist is a release for this system, made once for all tests.
var dist string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "coo-dist-*")
	if err == nil {
		dist = filepath.Join(dir, "dist")
		err = release(testVersion, host(), dist)
	}
	status := 1
	if err == nil {
		status = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

func filesOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// Two releases, of two copies of the source in two places, by two users with
// different settings, the second from an empty build cache, are the same bytes.
func TestReleasesAreReproducible(t *testing.T) {
	only, first := host(), filesOf(t, dist)
	if os.Getenv("COO_PROOF") == "full" {
		dir := t.TempDir()
		if err := release(testVersion, "", dir); err != nil {
			t.Fatal(err)
		}
		only, first = "", filesOf(t, dir)
	}
	home := t.TempDir()
	source := filepath.Join(home, "another place", "coo")
	copySource(t, root(t), source)
	out := filepath.Join(home, "out")
	env := []string{
		"HOME=" + home, "GOCACHE=" + filepath.Join(home, "cache"), "TZ=Pacific/Chatham", "LC_ALL=C", "GOFLAGS=-v",
		"GOMODCACHE=" + strings.TrimSpace(run(t, ".", nil, "go", "env", "GOMODCACHE")), "GOAMD64=v3", "GOARM64=v9.0",
	}
	run(t, source, env, "sh", "-c", `umask 077; go run -C tools ./release -version "$1" -only "$2" -out "$3"`, "sh", testVersion, only, out)
	second := filesOf(t, out)
	if len(first) < 3 || len(second) != len(first) {
		t.Fatalf("%d files and %d", len(first), len(second))
	}
	for _, name := range names(first) {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s: other bytes from another directory", name)
		}
	}
	t.Logf("proof: %d release files are the same from two directories", len(first))
}

// The wheel, installed in a fresh virtual environment without a network, is
// a coo that runs the demo; no file of it is Python.
func TestWheelInstalls(t *testing.T) {
	dir := t.TempDir()
	files := filesOf(t, dist)
	name := wheelName(t, files)
	env := []string{"PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_CONFIG_FILE=" + os.DevNull, "HOME=" + dir}
	run(t, dir, env, "python3", "-m", "venv", "venv")
	run(t, dir, env, filepath.Join("venv", "bin", "pip"), "install", "--no-index", filepath.Join(dist, name))
	coo := filepath.Join(dir, "venv", "bin", "coo")
	if got := run(t, dir, env, coo, "version"); !strings.HasPrefix(got, "coo "+testVersion+"\n") {
		t.Errorf("coo version = %q", got)
	}
	if got := run(t, dir, env, coo, "run", "demo"); !strings.Contains(got, `"published":false`) {
		t.Errorf("coo run demo = %q", got)
	}
	if got := run(t, dir, env, coo, "verify", "@last"); !strings.HasPrefix(got, "verified run ") {
		t.Errorf("coo verify = %q", got)
	}
	shown := run(t, dir, env, filepath.Join("venv", "bin", "pip"), "show", "--files", "coo-runtime")
	if !strings.Contains(shown, "Version: 0.7.1rc2\n") || strings.Contains(shown, ".py") {
		t.Errorf("pip show = %q", shown)
	}
	checkRecord(t, files[name])
}

func wheelName(t *testing.T, files map[string][]byte) string {
	t.Helper()
	for _, name := range names(files) {
		if strings.HasSuffix(name, ".whl") {
			return name
		}
	}
	t.Fatal("no wheel")
	return ""
}

// checkRecord demands that RECORD lists every file of a wheel, and no other,
// with its digest.
func checkRecord(t *testing.T, wheel []byte) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(wheel), int64(len(wheel)))
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, f := range r.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		if path.Base(f.Name) == "RECORD" {
			fmt.Fprintf(&want, "%s,,\n", f.Name)
			if string(b) != want.String() {
				t.Errorf("RECORD is\n%swant\n%s", b, &want)
			}
			return
		}
		sum := sha256.Sum256(b)
		fmt.Fprintf(&want, "%s,sha256=%s,%d\n", f.Name, base64.RawURLEncoding.EncodeToString(sum[:]), len(b))
	}
	t.Error("the wheel ends without a RECORD")
}

// SHA256SUMS says what sha256sum says; the archive holds a coo that runs, and
// the manual.
func TestArchive(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(dist)); err != nil {
		t.Fatal(err)
	}
	run(t, dir, nil, "sha256sum", "--check", "--strict", "SHA256SUMS")
	stem := "coo_0.7.1-rc.2_" + strings.ReplaceAll(host(), "/", "_")
	run(t, dir, nil, "tar", "xzf", stem+".tar.gz")
	if got := run(t, dir, nil, filepath.Join(dir, stem, "coo"), "version"); !strings.HasPrefix(got, "coo "+testVersion+"\n") {
		t.Errorf("coo version = %q", got)
	}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md", "man/coo.1", "man/coo-run.1"} {
		if _, err := os.Stat(filepath.Join(dir, stem, name)); err != nil {
			t.Error(err)
		}
	}
}

// go install …/cmd/coo@latest finds the module in a proxy, builds it without a
// checkout, and coo knows its version from the build.
func TestGoInstallTellsItsVersion(t *testing.T) {
	dir := t.TempDir()
	const version = "v0.7.1"
	proxy := filepath.Join(dir, "proxy", "github.com", "coo-runtime", "coo", "@v")
	if err := os.MkdirAll(proxy, 0o755); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, "source")
	copySource(t, root(t), source)
	var archive bytes.Buffer
	if err := modzip.CreateFromDir(&archive, module.Version{Path: "github.com/coo-runtime/coo", Version: version}, source); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"list": []byte(version + "\n"), version + ".mod": mod, version + ".zip": archive.Bytes(),
		version + ".info": []byte(`{"Version":"` + version + `","Time":"2026-11-23T09:00:00Z"}`),
	} {
		if err := os.WriteFile(filepath.Join(proxy, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cache := strings.TrimSpace(run(t, ".", nil, "go", "env", "GOMODCACHE"))
	env := []string{
		"GOPROXY=file://" + filepath.Join(dir, "proxy") + ",file://" + filepath.Join(cache, "cache", "download"), "GOSUMDB=off",
		"GOMODCACHE=" + filepath.Join(dir, "mod"), "GOBIN=" + filepath.Join(dir, "bin"), "GOFLAGS=-modcacherw -trimpath", "CGO_ENABLED=0", "GOWORK=off",
	}
	run(t, dir, env, "go", "install", "github.com/coo-runtime/coo/cmd/coo@latest")
	if got := run(t, dir, nil, filepath.Join(dir, "bin", "coo"), "version"); !strings.HasPrefix(got, "coo "+version+"\n") {
		t.Errorf("coo version = %q, want %s", got, version)
	}
}

func TestVersions(t *testing.T) {
	for version, python := range map[string]string{"v0.1.0": "0.1.0", "v1.20.3-rc.12": "1.20.3rc12"} {
		if got := pythonVersion(version); got != python || !versionForm.MatchString(version) {
			t.Errorf("%s is %s for Python, want %s", version, got, python)
		}
	}
	for _, version := range []string{"", "0.1.0", "v1", "v01.0.0", "v1.0.0-beta", "v1.0.0+x", "v1.0.0-rc.0"} {
		if err := release(version, host(), t.TempDir()); err == nil {
			t.Errorf("version %q was released", version)
		}
	}
}
