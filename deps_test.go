package coo

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/coo-runtime/coo/"

// layers lists the packages from the bytes upwards. A package imports only
// packages of the rows above its own.
var layers = [][]string{
	{"internal/digest", "internal/canon", "internal/durable", "internal/coding", "internal/archive", "internal/credential", "internal/dotenv"},
	{"internal/chain", "internal/store", "internal/wire", "internal/box", "internal/environment"},
	{"internal/flight", "internal/workspace", "internal/mission", "internal/config"},
	{"internal/snapshot"},
	{"internal/freeze", "internal/sandbox", "internal/hostfile"},
	{"internal/proxy"},
	{"internal/program"},
	{"internal/run", "internal/rollback"},
	{"internal/replay", "internal/upkeep"},
	{"internal/demo", "internal/report"},
	{"internal/pack"},
	{"cmd/coo"},
	// Outside the binary. The model server imports nothing of coo's.
	{"internal/modelserver", "internal/dockerlike", "internal/proofs"},
	{"examples/sampleserver", "bench", "proof/crash", "proof/clients", "proof/clients/goagent", "proof/box", "proof/docker", "tools/foldfs", "tools/release", "tools/shams"},
}

// inLayer are the imports within one row that are meant.
var inLayer = map[string][]string{
	"internal/canon":  {"internal/digest"},
	"internal/dotenv": {"internal/credential"},
}

// alone import nothing of the module at all.
var alone = []string{"internal/modelserver"}

// pure decide bytes: what they may not import would let the outside in.
var pure = []string{"internal/digest", "internal/canon", "internal/chain", "internal/mission", "internal/wire", "internal/archive", "internal/credential", "internal/dotenv", "internal/environment", "internal/pack"}

var forbiddenInPure = []string{
	"os", "os/exec", "net", "net/http", "time", "math/rand", "math/rand/v2",
	"crypto/rand", "runtime", "runtime/debug", "unsafe",
}

// TestImportsPointTowardsBytes walks the source itself: a test that asked
// the go command would be answered from the test cache after a bad file was
// added.
func TestImportsPointTowardsBytes(t *testing.T) {
	level := map[string]int{}
	for i, row := range layers {
		for _, p := range row {
			level[p] = i
		}
	}
	seen := map[string]bool{}
	for file, imports := range sources(t) {
		pkg := path.Dir(file)
		if pkg == "." || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(pkg, "vectors") {
			continue
		}
		l, ok := level[pkg]
		if !ok {
			t.Errorf("%s: package %s is not in the layers of deps_test.go", file, pkg)
			continue
		}
		seen[pkg] = true
		for _, imp := range imports {
			if slices.Contains(pure, pkg) && slices.Contains(forbiddenInPure, imp) {
				t.Errorf("%s: the pure package %s imports %q", file, pkg, imp)
			}
			own, ok := strings.CutPrefix(imp, module)
			if !ok {
				continue
			}
			if slices.Contains(alone, pkg) {
				t.Errorf("%s: %s imports nothing of coo's, not even %q", file, pkg, own)
			}
			if il, ok := level[own]; (!ok || il >= l) && !slices.Contains(inLayer[pkg], own) {
				t.Errorf("%s: import of %s goes up or sideways", file, own)
			}
			if l <= level["cmd/coo"] && slices.Contains(alone, own) {
				t.Errorf("%s: the model server is no part of the coo binary", file)
			}
		}
	}
	for _, row := range layers {
		for _, p := range row {
			if !seen[p] {
				t.Errorf("deps_test.go lists %s, which has no source", p)
			}
		}
	}
}

// sources returns the imports of every Go file of the module, by slash path.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	files := map[string][]string{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "bin") {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil && name != "." {
				// A module of its own, but a Go file in it is still checked
				// when the directory is listed in the layers.
				return nil
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, spec := range f.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, p)
		}
		files[filepath.ToSlash(name)] = imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found only %d Go files", len(files))
	}
	return files
}
