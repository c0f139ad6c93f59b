// Release makes what is published of a version of coo: an archive and a wheel
// for each system, and SHA256SUMS over all of them.
//
//	go run -C tools ./release -version v0.1.0 [-only linux/amd64,…] [-out DIR]
//
//	coo_0.1.0_linux_amd64.tar.gz          coo, LICENSE, README.md, CHANGELOG.md, man/
//	coo_0.1.0_windows_amd64.zip           the same, with coo.exe
//	coo_runtime-0.1.0-py3-none-….whl      pip install coo-runtime: the same coo, no Python
//	SHA256SUMS                            sha256sum -c SHA256SUMS
//
// Equal sources, versions and Go make equal bytes, wherever this is run: no
// path, time, user or file mode of the machine gets into a file. The program
// refuses a coo that is larger than 16 MB.
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxBinary is the size, in bytes, above which a binary is not released.
const maxBinary = 16_000_000

func main() {
	version := flag.String("version", "", "the `VERSION`, as v0.1.0 or v0.1.0-rc.1")
	only := flag.String("only", "", "only the `SYSTEMS` given, as linux/amd64,windows/arm64")
	out := flag.String("out", "", "the `DIR` to write to (default: dist, in the module)")
	flag.Parse()
	if err := release(*version, *only, *out); err != nil {
		fmt.Fprintf(os.Stderr, "release: %v\n", err)
		os.Exit(1)
	}
}

// A system is one that coo is released for.
type system struct {
	os, arch string
	tags     []string // of its wheel, as PyPI spells platforms; none: no wheel
}

func (s system) String() string { return s.os + "/" + s.arch }

// binary is the name of the program there.
func (s system) binary() string {
	if s.os == "windows" {
		return "coo.exe"
	}
	return "coo"
}

// systems are those that Go 1.26 runs on and the formats were tried on, or
// built for. A static binary needs no C library, so one wheel is for glibc and
// musl at once. Go 1.26 needs macOS 12.
var systems = []system{
	{"darwin", "amd64", []string{"macosx_12_0_x86_64"}},
	{"darwin", "arm64", []string{"macosx_12_0_arm64"}},
	{"linux", "amd64", []string{"manylinux2014_x86_64", "manylinux_2_17_x86_64", "musllinux_1_1_x86_64"}},
	{"linux", "arm64", []string{"manylinux2014_aarch64", "manylinux_2_17_aarch64", "musllinux_1_1_aarch64"}},
	{"linux", "riscv64", nil},
	{"linux", "s390x", nil},
	{"windows", "amd64", []string{"win_amd64"}},
	{"windows", "arm64", []string{"win_arm64"}},
}

func release(version, only, out string) error {
	if !versionForm.MatchString(version) {
		return fmt.Errorf("version %q: give -version v0.1.0 or v0.1.0-rc.1", version)
	}
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	if out == "" {
		out = filepath.Join(root, "dist")
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	extras, err := documents(root)
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	for _, s := range chosen {
		coo, err := build(root, version, s)
		if err != nil {
			return err
		}
		name, archive, err := archiveOf(s, version, coo, extras)
		if err != nil {
			return err
		}
		files[name] = archive
		if len(s.tags) == 0 {
			continue
		}
		name, wheel, err := wheelOf(s, version, coo, extras)
		if err != nil {
			return err
		}
		files[name] = wheel
	}
	return write(out, files)
}

var versionForm = regexp.MustCompile(`^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-rc\.[1-9][0-9]*)?$`)

func choose(only string) ([]system, error) {
	if only == "" {
		return systems, nil
	}
	var chosen []system
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(systems, func(s system) bool { return s.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("-only %s: not a system that coo is released for", name)
		}
		chosen = append(chosen, systems[i])
	}
	return chosen, nil
}

// moduleRoot is the directory of coo's module, above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if b, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && bytes.HasPrefix(b, []byte("module github.com/coo-runtime/coo\n")) {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			err = errors.New("not inside the module of coo")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

// build returns coo for a system.
func build(root, version string, s system) ([]byte, error) {
	dir, err := os.MkdirTemp("", "coo-release-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, s.binary())
	// Everything that a developer may have set and that changes the bytes is
	// set here; -buildvcs would tell a checkout from an unpacked archive.
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-pgo=off",
		"-ldflags", "-s -w -X main.version="+version, "-o", name, "./cmd/coo")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+s.os, "GOARCH="+s.arch, "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off",
		"GOEXPERIMENT=", "GOFIPS140=off", "GOAMD64=v1", "GOARM64=v8.0", "GORISCV64=rva20u64", "GODEBUG=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build for %s: %w\n%s", s, err, out)
	}
	coo, err := os.ReadFile(name)
	if err == nil && len(coo) > maxBinary {
		err = fmt.Errorf("coo for %s has %d bytes: more than %d", s, len(coo), maxBinary)
	}
	return coo, err
}

// documents returns what goes beside the binary, by path in the archive.
func documents(root string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		files[name] = b
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "man", "*.[17]"))
	if err != nil {
		return nil, err
	}
	if len(pages) < 10 {
		return nil, fmt.Errorf("docs/man holds only %d pages", len(pages))
	}
	for _, p := range pages {
		b, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		files["man/"+filepath.Base(p)] = b
	}
	return files, nil
}

// write writes the files, and SHA256SUMS over them.
func write(out string, files map[string][]byte) error {
	var sums strings.Builder
	for _, name := range names(files) {
		if err := os.WriteFile(filepath.Join(out, name), files[name], 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(files[name]), name)
	}
	fmt.Print(sums.String())
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
